package startup

import (
	"debug/buildinfo"
	"fmt"
	"os"

	"github.com/fernmesh/fernmesh/bench/internal/programs"
)

// A built program, as a user would have it.
type built struct {
	Path    string `json:"path"`
	Version string `json:"version"`
	Bytes   int64  `json:"bytes"`
}

// inspect reads size and version of a program that was built.
func inspect(dir, path string) (built, error) {
	b, file := built{Path: path, Version: "this tree"}, programs.In(dir, path)
	info, err := os.Stat(file)
	if err != nil {
		return b, fmt.Errorf("the size of a program: %w", err)
	}
	b.Bytes = info.Size()
	made, err := buildinfo.ReadFile(file)
	if err != nil {
		return b, fmt.Errorf("the version of a program: %w", err)
	}
	if made.Main.Replace == nil {
		b.Version = made.Main.Version
	}
	return b, nil
}
