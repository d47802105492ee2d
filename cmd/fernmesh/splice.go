package main

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/node"
)

// splice passes bytes between a TCP connection of this machine and a stream of
// the mesh, each direction for itself, until both have ended or one of them
// breaks; then both are closed. It returns what broke. When ctx ends, it breaks
// off.
func splice(ctx context.Context, near *net.TCPConn, far *node.Conn) error {
	stop := context.AfterFunc(ctx, func() { _, _ = far.Abort(errStopping), near.Close() })
	defer stop()
	ended := make(chan error, 2)
	go func() { ended <- oneWay(far, near) }()
	go func() { ended <- oneWay(near, far) }()
	err := <-ended
	if err != nil {
		breakOff(near, far, err)
	}
	if second := <-ended; err == nil && second != nil {
		err = second
		breakOff(near, far, err)
	}
	_, _ = near.Close(), far.Close()
	if ctx.Err() != nil {
		return nil // this program ends; that is no news
	}
	return err
}

var errStopping = commands.Errorf(commands.Unavailable, "the program that forwarded the connection has ended")

// halfCloser is a connection that ends one direction at a time.
type halfCloser interface {
	net.Conn
	CloseWrite() error
}

// oneWay copies to the end of from and passes that end on. That the reader has
// gone is no error: what it still has to say comes the other way.
func oneWay(to, from halfCloser) error {
	_, err := io.Copy(to, from)
	if errors.Is(err, io.ErrClosedPipe) {
		return nil
	}
	if err != nil {
		return err
	}
	_ = to.CloseWrite() // fails only if it has ended otherwise
	return nil
}

// breakOff resets both sides, so that neither takes what it got for the whole.
func breakOff(near *net.TCPConn, far *node.Conn, cause error) {
	_ = near.SetLinger(0) // the next line ends it either way
	_ = near.Close()
	_ = far.Abort(commands.Errorf(commands.Aborted, "%s", connectionText(cause)))
}

// connections runs a handler for each of a bounded number of connections.
type connections struct {
	places chan struct{}
	wg     sync.WaitGroup
}

func newConnections(most int) *connections {
	return &connections{places: make(chan struct{}, most)}
}

// start runs f on a goroutine of its own; false means that all places are taken.
func (c *connections) start(f func()) bool {
	select {
	case c.places <- struct{}{}:
	default:
		return false
	}
	c.wg.Go(func() {
		defer func() { <-c.places }()
		f()
	})
	return true
}

// connectionDrain is how long connections may go on after a signal.
const connectionDrain = 2 * time.Second

// end waits until every connection has ended; after connectionDrain it calls cut.
func (c *connections) end(cut func()) {
	late := time.AfterFunc(connectionDrain, cut)
	defer late.Stop()
	c.wg.Wait()
}
