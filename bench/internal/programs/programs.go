// Package programs builds the programs that a comparison starts, as their
// users would, from the versions in this module's go.mod.
package programs

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
)

// Paths of what can be built.
const (
	Fernmesh = "github.com/fernmesh/fernmesh/cmd/fernmesh"
	Relay    = "github.com/fernmesh/fernmesh/cmd/fernmesh-relay"
	NATS     = "github.com/nats-io/natscli/nats"
	GRPCurl  = "github.com/fullstorydev/grpcurl/cmd/grpcurl"
)

// Build compiles programs, stripped and without cgo, into a directory. It has
// to run inside this module's source tree, where go finds the versions.
func Build(ctx context.Context, dir string, packages ...string) error {
	args := append([]string{"build", "-trimpath", "-ldflags", "-s -w", "-o", dir + string(filepath.Separator)}, packages...)
	c := exec.CommandContext(ctx, "go", args...)
	c.Env = append(os.Environ(), "CGO_ENABLED=0")
	if said, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("build the programs to compare, within this module: %w: %s", err, said)
	}
	return nil
}

// In returns where Build put a program.
func In(dir, packagePath string) string {
	name := path.Base(packagePath)
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	return filepath.Join(dir, name)
}
