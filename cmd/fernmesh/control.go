package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/fernmesh/fernmesh/node"
)

// The control socket is how a program on the same machine, of the same user,
// talks to a node of "serve" or "expose": a unix socket beside the node's
// identity. A request is one line of JSON, and so is each answer:
//
//	{"do":"call","path":"__stats__","args":[…],"kwargs":{…},"timeout_ms":5000}
//	{"do":"events"}          {"ok":true}, then one event per line until the asker hangs up
//	{"do":"reload-keys","file":FILE}
//	                         reads the key file again, unless it is another than FILE
//
// Each answer has "node", the node's name, and "ok"; with it "value", or an
// "error" in the form of JSON output. Values are written as in JSON output.

// controlSocket is the name of the socket in a node's own directory.
const controlSocket = "control.sock"

// Limits of the control socket.
const (
	maxControlRequest = 64 << 10         // bytes of a request's line
	maxControlAnswer  = 64 << 20         // bytes of an answer's line
	maxControlConns   = 16               // connections at a time
	controlIdle       = time.Minute      // without a request
	controlWrite      = 10 * time.Second // for a line that the asker does not take
	maxControlCall    = time.Minute      // of a call
	controlDial       = 2 * time.Second  // for a node to take the connection
)

// maxSocketPath is the longest name that every system takes for a unix socket:
// the field is 104 bytes on the BSDs and macOS, with a zero byte at the end.
const maxSocketPath = 103

var errSocketPath = fmt.Errorf("the name of a unix socket has at most %d bytes; a shorter --state-dir helps", maxSocketPath)

// controlPath is where the control socket of a node is.
func controlPath(stateDir, network, name string) (string, error) {
	if stateDir == "" {
		return "", errors.New("there is no state directory")
	}
	path, err := filepath.Abs(filepath.Join(node.StatePath(stateDir, network, name), controlSocket))
	if err == nil && len(path) > maxSocketPath {
		err = fmt.Errorf("%s: %w", path, errSocketPath)
	}
	return path, err
}
