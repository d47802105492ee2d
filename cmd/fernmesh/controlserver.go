package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/node"
)

// controlServer answers at the control socket of a node. Its owner calls end,
// which ends all its goroutines.
type controlServer struct {
	*Main
	caller  *caller // the node with its settings
	keys    *keyReloader
	listen  net.Listener
	ctx     context.Context
	cancel  context.CancelFunc
	wg      sync.WaitGroup
	mu      sync.Mutex
	open    int
	stopped bool
}

// control opens the control socket of a node. A node runs without if it cannot
// be opened; the note says why. The result is nil then, and end of it does nothing.
func (m *Main) control(n *node.Node, s *settings, keys *keyReloader) *controlServer {
	path, err := controlPath(s.stateDir, s.network, n.Name())
	var l *controlListener
	if err == nil {
		l, err = listenControl(path)
	}
	if err != nil {
		m.notef("no control socket, so that --local and keys do not reach this node: %s", escapeLine(err.Error()))
		return nil
	}
	c := &controlServer{Main: m, caller: &caller{n, *s}, keys: keys, listen: l}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.wg.Go(c.accept)
	return c
}

// end closes and removes the socket and waits for all that goes on at it.
func (c *controlServer) end() {
	if c == nil {
		return
	}
	c.mu.Lock()
	c.stopped = true
	c.mu.Unlock()
	c.cancel()
	_ = c.listen.Close()
	c.wg.Wait()
}

func (c *controlServer) accept() {
	for {
		conn, err := c.listen.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // out of file descriptors, for one
			if !pause(c.ctx, time.Second) {
				return
			}
			continue
		}
		if !c.start(conn) {
			_ = conn.Close()
		}
	}
}

// start serves a connection on a goroutine of its own; false at the end. One
// too many is told so.
func (c *controlServer) start(conn net.Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopped {
		return false
	}
	a := &asking{controlServer: c, conn: conn}
	if c.open >= maxControlConns {
		_ = a.answer(c.failed(commands.Errorf(commands.ResourceExhausted, "%d connections are open already", maxControlConns)))
		return false
	}
	c.open++
	c.wg.Go(func() {
		stop := context.AfterFunc(c.ctx, func() { _ = conn.Close() })
		a.serve()
		stop()
		_ = conn.Close()
		c.mu.Lock()
		c.open--
		c.mu.Unlock()
	})
	return true
}

// failed is the answer about an error.
func (c *controlServer) failed(err error) map[string]any {
	var e *commands.Error
	if !errors.As(err, &e) {
		e = &commands.Error{Code: commands.FailedPrecondition, Message: err.Error(), Executed: commands.ExecutedNo, Where: commands.WhereCaller}
	}
	return map[string]any{"ok": false, "error": errorJSON(e)}
}

// asking is one connection to the control socket.
type asking struct {
	*controlServer
	conn net.Conn
}

// serve answers one request after the other until the asker hangs up, sends
// what is none, or is silent for too long.
func (a *asking) serve() {
	lines := bufio.NewReaderSize(a.conn, maxControlRequest)
	for {
		_ = a.conn.SetReadDeadline(time.Now().Add(controlIdle))
		line, err := lines.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			_ = a.answer(a.failed(commands.Errorf(commands.InvalidArgument, "a request has at most %d bytes", maxControlRequest)))
			return
		}
		if err != nil {
			return
		}
		r, err := parseControlRequest(string(line))
		if err != nil {
			_ = a.answer(a.failed(err))
			return
		}
		if r.do == "events" {
			a.events(lines)
			return
		}
		if a.answer(a.do(r)) != nil {
			return
		}
	}
}

// answer sends one line.
func (a *asking) answer(v map[string]any) error {
	v["node"] = a.caller.Name()
	return a.send(v)
}

func (a *asking) send(v map[string]any) error {
	line := compactJSON(v)
	if len(line) >= maxControlAnswer {
		line = compactJSON(a.failed(commands.Errorf(commands.ResourceExhausted, "the answer is too long for the control socket")))
	}
	_ = a.conn.SetWriteDeadline(time.Now().Add(controlWrite))
	_, err := io.WriteString(a.conn, line+"\n")
	return err
}

// do carries a request out.
func (a *asking) do(r *controlRequest) map[string]any {
	switch r.do {
	case "reload-keys":
		value, err := a.keys.reloadIf(r.file)
		if err != nil {
			return a.failed(err)
		}
		return map[string]any{"ok": true, "value": value}
	default: // "call"
		return a.call(r)
	}
}

// call runs a command of the node itself, as the node itself.
func (a *asking) call(r *controlRequest) map[string]any {
	ctx, cancel := context.WithTimeout(a.ctx, r.timeout)
	defer cancel()
	start := time.Now()
	reply, err := a.caller.Call(ctx, a.caller.Name(), r.path, node.Args(r.args...), node.Kwargs(r.kwargs))
	if err != nil {
		return a.failed(err)
	}
	v, err := reply.Value()
	if err != nil {
		return a.failed(err)
	}
	return map[string]any{"ok": true, "value": v, "ms": inMilliseconds(time.Since(start)), "path": pathJSON(reply.Path)}
}

// events sends what is known and then what happens, until the asker hangs up. It
// has nothing more to say: whatever it sends ends the stream.
func (a *asking) events(lines *bufio.Reader) {
	ctx, cancel := context.WithCancel(a.ctx)
	defer cancel()
	gone := make(chan struct{})
	go func() { // ends by the end of the connection, or by what is read
		defer close(gone)
		defer cancel()
		_ = a.conn.SetReadDeadline(time.Time{})
		_, _ = lines.ReadByte()
	}()
	if a.answer(map[string]any{"ok": true}) == nil {
		a.caller.happenings(ctx, func(e node.Event) bool { return a.send(eventJSON(e)) == nil })
	}
	_ = a.conn.SetReadDeadline(time.Unix(1, 0)) // ends the reader
	<-gone
}
