package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/fernmesh/fernmesh/commands"
)

// Dial connects to a service that the target offers with [Node.Listen], and
// returns a [*Conn]. It returns when the other side has put the connection
// before its Accept. The context bounds that, or Config.DefaultTimeout if it
// has no deadline; the connection then lives until it is closed or its link
// ends. A node may dial itself.
//
// Errors are [*commands.Error] values as those of [Node.Call]. NOT_FOUND for a
// service that nobody listens for has a hint with those that there are;
// RESOURCE_EXHAUSTED says that too many connections wait there.
func (n *Node) Dial(ctx context.Context, target, service string) (net.Conn, error) {
	path, err := servicePath(service)
	if err != nil {
		return nil, err
	}
	req, err := prepare(path, collect(nil))
	if err != nil {
		return nil, err
	}
	n.count.Dials.Add(1)
	ctx, cancel := n.bounded(ctx)
	defer cancel()
	c := newCalling(ctx, n, target, req)
	defer c.to.release()
	conn, err := c.dial(ctx, service)
	if err != nil {
		return nil, n.undialled(ctx, err, target, service)
	}
	return conn, nil
}

// dial opens the call behind a connection within ctx, whose deadline is not the
// call's.
func (c *calling) dial(ctx context.Context, service string) (*Conn, error) {
	stream, s, err := c.openAround(ctx, context.WithoutCancel(ctx))
	if err != nil {
		return nil, err
	}
	c.may = true
	if err := accepted(ctx, stream); err != nil {
		stream.Cancel()
		return nil, c.verdict(ctx, err)
	}
	over := make(chan error, 1)
	conn := newConn(stream, func(cause error) { over <- cause })
	conn.local, conn.remote, conn.path = c.node.ownAddr(), Addr{c.node.Name(), service}, PathInfo{Kind: pathSelf}
	if s != nil {
		conn.remote.Node, conn.path = s.peer.Hello.Name, s.info()
	}
	if !c.node.spawn(func() { attend(stream, over) }) {
		stream.Cancel()
		return nil, c.verdict(ctx, ErrShutdown)
	}
	return conn, nil
}

// accepted waits until the other side has taken the connection, or says why not.
func accepted(ctx context.Context, stream callStream) error {
	select {
	case <-stream.Begun():
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-stream.Done():
		_, err := stream.Result()
		return err // nil: it was closed already, and may have said something
	default:
		return nil
	}
}

// ownAddr is this node as the end that dials.
func (n *Node) ownAddr() Addr {
	return callerAddr(commands.Caller{Name: n.Name(), Instance: n.instance})
}

// What a connection that was closed here still takes from a peer that goes on
// writing: a peer that answers as it is being closed is not cut off from what
// was sent to it, one that never reads is not written to for nothing.
const (
	lingerBytes = 256 << 10
	lingerTime  = 5 * time.Second
)

// attend keeps a dialled connection's call until it has ended, after the
// connection was closed too: the peer reads what is on its way and then closes.
func attend(stream callStream, over <-chan error) {
	select {
	case <-stream.Done():
	case cause := <-over:
		if cause == nil {
			linger(stream)
		}
		stream.Cancel() // harmless if it has ended
	}
}

// linger returns when the call has ended, or the peer writes more than it may.
func linger(stream callStream) {
	late := time.Now().Add(lingerTime)
	buf := make([]byte, 4<<10)
	for taken := 0; taken < lingerBytes; {
		n, err := stream.Read(nil, buf)
		switch {
		case err == io.EOF:
			<-stream.Done()
			return
		case err != nil || time.Now().After(late):
			return
		}
		taken += n
	}
}

// undialled adds to the error of a dialling what services there are, if that is
// what was wrong.
func (n *Node) undialled(ctx context.Context, err error, target, service string) error {
	var e *commands.Error
	if !errors.As(err, &e) || e.Code != commands.NotFound || e.Where < commands.WhereQueue {
		return err
	}
	out := *e
	out.Message, out.Details = fmt.Sprintf("%q does not listen for the service %q", target, service), nil
	out.Hint = n.servicesHint(ctx, target)
	return &out
}

// Bounds of the question which services there are.
const (
	askServices  = time.Second
	hintServices = 10 // named at most
)

// servicesHint asks a node for its services.
func (n *Node) servicesHint(ctx context.Context, target string) string {
	ctx, cancel := context.WithTimeout(ctx, askServices)
	defer cancel()
	var paths []string
	reply, err := n.Call(ctx, target, "__list_commands__", Args(dialRoot))
	if err != nil || reply.Decode(&paths) != nil {
		return "see whether the program that offers it runs"
	}
	var names []string
	for _, path := range paths {
		if name, ok := strings.CutPrefix(path, dialRoot+"."); ok && len(names) < hintServices {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return "the node listens for no service; \"fernmesh expose\" and Listen offer one"
	}
	return "the node listens for: " + strings.Join(names, ", ")
}
