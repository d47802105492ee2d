package node

import "path/filepath"

// StatePath is the directory below stateDir in which the node of that name, of
// that network, keeps what belongs to it alone: <stateDir>/<network>/<name>,
// with the characters of both names that file systems give a meaning replaced.
// Different names have different directories. An empty stateDir gives "".
func StatePath(stateDir, network, name string) string {
	if stateDir == "" {
		return ""
	}
	return filepath.Join(stateDir, pathSegment(network), pathSegment(name))
}
