package outlet

import "net"

// instant would write what the kernel takes at once; on this system, sockets do
// not tell.
type instant struct{}

func newInstant(net.Conn) *instant { return nil }

func (*instant) write([]byte) int { return 0 }
