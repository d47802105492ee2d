package node

import (
	"context"
	"net"
	"slices"
	"strings"
	"sync"

	"github.com/fernmesh/fernmesh/commands"
)

// dialRoot is the group of the commands that stand for listeners.
const dialRoot = "__dial__"

// servicePath is the command behind a service.
func servicePath(service string) (string, error) {
	path := dialRoot + "." + service
	if _, err := commands.ParsePath(path); err != nil {
		return "", badCall(err)
	}
	if strings.Contains(service, ".") {
		return "", badCall(commands.Errorf(commands.InvalidArgument, "service %q: a dot has no place in the name of a service", service))
	}
	return path, nil
}

// Listen offers a service to which other nodes connect with [Node.Dial]. The
// name is one segment of a command path: printable, without dots. Listen may be
// called before Start. While it lasts, the node offers the service as if by
// [Node.Offer], so that "any(service)" finds it; a name or number of services
// beyond what Offer takes can be dialled at the node alone.
//
// The listener's Accept returns [*Conn] values. At most Limits.Backlog of them wait
// for it; a caller beyond that gets RESOURCE_EXHAUSTED, executed no. Each
// accepted connection takes one place of Limits.HandlersPerPeer until it is
// closed. Close withdraws the service, refuses the connections that wait, ends
// Accept with net.ErrClosed, and leaves accepted connections alive. Shutdown of
// the node does the same and then gives them until its context ends, at most
// Timers.Drain.
//
// Errors are [*commands.Error] values: a name that is not of that form
// (INVALID_ARGUMENT), one that is listened for already (ALREADY_EXISTS), or an
// observer, which offers nothing (FAILED_PRECONDITION).
func (n *Node) Listen(service string) (net.Listener, error) {
	path, err := servicePath(service)
	if err != nil {
		return nil, err
	}
	if n.cfg.Observer {
		return nil, callError(commands.FailedPrecondition, commands.ExecutedNo, commands.WhereCaller, errObserver, "make a node with a name to offer services")
	}
	l := &listener{node: n, service: service, path: path, wake: make(chan struct{}, 1), done: make(chan struct{})}
	if err := n.listeners.add(l); err != nil {
		return nil, err
	}
	err = n.tree.Handle(path, l.serve, commands.Force(),
		commands.Doc("Connects the caller to the service "+service+": a stream of bytes both ways."))
	if err != nil {
		n.listeners.remove(l)
		return nil, err
	}
	known := slices.ContainsFunc(n.Services(), func(o Service) bool { return o.Name == service })
	l.offered = !known && n.Offer(service) == nil
	return l, nil
}

// listeners are those of a node by service.
type listeners struct {
	mu  sync.Mutex
	all map[string]*listener
}

func (s *listeners) add(l *listener) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, taken := s.all[l.service]; taken {
		e := commands.Errorf(commands.AlreadyExists, "service %q is listened for already", l.service)
		e.Hint = "close the other listener first"
		return e
	}
	if s.all == nil {
		s.all = map[string]*listener{}
	}
	s.all[l.service] = l
	return nil
}

func (s *listeners) remove(l *listener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.all, l.service)
}

// listener is one service of a node.
type listener struct {
	node          *Node
	service, path string
	offered       bool          // for Close to withdraw
	wake          chan struct{} // capacity 1: look at waiting
	done          chan struct{} // closed by Close

	mu      sync.Mutex
	closed  bool
	waiting []*Conn // accepted by nobody yet
}

// serve is the command behind the service: the call lives as long as its Conn.
func (l *listener) serve(ctx context.Context, call *commands.Call) (any, error) {
	if call.Pipe == nil {
		return nil, commands.Errorf(commands.InvalidArgument, "the service %q is a stream of bytes; connect to it with Dial", l.service).DidNotRun()
	}
	over := make(chan error, 1)
	c := newConn(call.Pipe, func(cause error) { over <- cause })
	c.caller, c.path = call.Caller, PathInfo{Kind: call.Caller.Path}
	c.local, c.remote = l.address(), callerAddr(call.Caller)
	if err := l.enqueue(c, call.Pipe); err != nil {
		return nil, err
	}
	select {
	case err := <-over:
		return nil, err
	case <-ctx.Done():
		l.withdraw(c)
		return nil, ctx.Err()
	case <-l.done:
	case <-l.node.closing:
	}
	if l.withdraw(c) {
		return nil, l.gone()
	}
	select {
	case err := <-over:
		return nil, err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// enqueue puts a connection before Accept and tells its caller so.
func (l *listener) enqueue(c *Conn, pipe commands.Pipe) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.closed:
		return l.gone()
	case len(l.waiting) >= l.node.cfg.Limits.Backlog:
		l.node.count.BacklogFull.Add(1)
		return commands.Errorf(commands.ResourceExhausted, "%d connections wait for the service %q already", len(l.waiting), l.service).DidNotRun()
	}
	if err := pipe.Open(); err != nil {
		return err
	}
	l.waiting = append(l.waiting, c)
	l.nudge()
	return nil
}

// gone refuses a connection of a listener that was closed.
func (l *listener) gone() error {
	return commands.Errorf(commands.Unavailable, "the service %q was closed", l.service).DidNotRun()
}

// withdraw takes back a connection; false means that it was accepted.
func (l *listener) withdraw(c *Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.Index(l.waiting, c)
	if i >= 0 {
		l.waiting = slices.Delete(l.waiting, i, i+1)
	}
	return i >= 0
}

func (l *listener) nudge() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// Accept waits for the next connection.
func (l *listener) Accept() (net.Conn, error) {
	for {
		if l.isClosed() {
			return nil, &net.OpError{Op: "accept", Net: l.address().Network(), Addr: l.address(), Err: net.ErrClosed}
		}
		if c := l.next(); c != nil {
			return c, nil
		}
		select {
		case <-l.wake:
		case <-l.done:
		case <-l.node.closing:
		}
	}
}

func (l *listener) isClosed() bool {
	select {
	case <-l.done:
		return true
	default:
		return l.node.isClosing()
	}
}

func (l *listener) next() *Conn {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.waiting) == 0 {
		return nil
	}
	c := l.waiting[0]
	l.waiting = slices.Delete(l.waiting, 0, 1)
	if len(l.waiting) > 0 {
		l.nudge() // another Accept may wait
	}
	return c
}

// Close withdraws the service. A second Close is net.ErrClosed.
func (l *listener) Close() error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return &net.OpError{Op: "close", Net: l.address().Network(), Addr: l.address(), Err: net.ErrClosed}
	}
	l.closed = true
	close(l.done)
	l.mu.Unlock()
	err := l.node.tree.Remove(l.path, commands.Force())
	l.node.listeners.remove(l)
	if l.offered {
		l.node.Withdraw(l.service)
	}
	return err
}

// Addr returns an [Addr]: the node's present name and the service.
func (l *listener) Addr() net.Addr { return l.address() }

func (l *listener) address() Addr { return Addr{Node: l.node.Name(), Service: l.service} }
