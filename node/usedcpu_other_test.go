//go:build !unix

package node

import "time"

// usedCPU is not known here.
func usedCPU() time.Duration { return 0 }
