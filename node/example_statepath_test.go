package node_test

import (
	"fmt"
	"path/filepath"

	"github.com/fernmesh/fernmesh/node"
)

// A program that looks for what a node keeps finds its directory by its names.
func ExampleStatePath() {
	dir := node.StatePath("/var/lib/fernmesh", "home", "Living room")
	fmt.Println(filepath.ToSlash(dir))
	// Output: /var/lib/fernmesh/home/%4civing%20room
}
