package rpc

import (
	"context"

	"github.com/fernmesh/fernmesh/commands"
)

// pipe is the handler's end of a stream: the [commands.Pipe] of its call.
type pipe struct {
	duplex
	cause   error       // why it has ended; under mu
	cancel  func()      // of the handler's context, once it has one; under mu
	unwatch func() bool // stops watching that context; under mu
}

// Read implements [commands.Pipe].
func (p *pipe) Read(stop <-chan struct{}, b []byte) (int, error) {
	n, err := p.read(stop, b)
	return n, p.why(err)
}

// Write implements [commands.Pipe].
func (p *pipe) Write(stop <-chan struct{}, b []byte) (int, error) {
	n, err := p.write(stop, b)
	return n, p.why(err)
}

// CloseWrite implements [commands.Pipe].
func (p *pipe) CloseWrite() error { return p.why(p.closeWrite()) }

// Open implements [commands.Pipe].
func (p *pipe) Open() error {
	p.conn.mu.Lock()
	var err error
	switch {
	case p.ended:
		err = errOver
	case !p.spoken:
		err = p.post(0, nil)
	}
	p.conn.mu.Unlock()
	if err == nil {
		p.conn.link.Flush()
	}
	return p.why(err)
}

// why replaces errOver by the cause.
func (p *pipe) why(err error) error {
	if err != errOver {
		return err
	}
	p.conn.mu.Lock()
	defer p.conn.mu.Unlock()
	if p.cause == nil { // the link has ended just now
		return linkLost(p.conn.link.Err())
	}
	return p.cause
}

// hangUp ends the pipe for a cause. The caller holds mu.
func (p *pipe) hangUp(cause error) {
	if p.ended {
		return
	}
	p.cause = cause
	p.discard()
	p.end()
	if p.unwatch != nil {
		p.unwatch()
	}
}

// abort ends the pipe and the handler's context. The caller holds mu.
func (p *pipe) abort(cause error) {
	if p.cancel != nil {
		p.cancel()
	}
	p.hangUp(cause)
}

// leave hands the rest of the credit to the large answer that follows the
// stream. The end goes first, upon which the peer returns all that is out. The
// caller holds mu.
func (p *pipe) leave(answer *outflow) {
	answer.credit = p.out.credit
	if !p.shut {
		_ = p.shutLocked() // fails only with the link
	}
}

// openPipe gives a streaming call its pipe; of a large call, bytes may have come
// before its arguments were read. The caller holds mu.
func (c *Conn) openPipe(sv *served) {
	sv.pipe = &pipe{duplex: c.newDuplex(sv.number)}
	sv.out = sv.pipe.out
	if sv.unread != nil {
		sv.pipe.window = *sv.unread
	}
	c.streams++
}

// closePipe ends the pipe of a call that has ended, or is no stream. The caller
// holds mu.
func (c *Conn) closePipe(sv *served) {
	sv.pipe.hangUp(ErrEnded)
	c.streams--
}

// settlePipe settles whether a call is a stream that runs, now that it was
// read: a handler gets the pipe, which fails when the handler's context ends.
func (c *Conn) settlePipe(sv *served, runs bool) {
	if !runs && sv.unread == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	defer func() { sv.unread = nil }()
	switch {
	case sv.ended && runs: // the link is lost, or the caller waits no more
		sv.ctx.Cancel()
	case sv.ended:
	case runs:
		if sv.pipe == nil {
			c.openPipe(sv)
		}
		sv.call.Pipe = sv.pipe
		sv.pipe.follow(&sv.ctx, sv.ctx.Cancel)
	case sv.pipe != nil:
		c.closePipe(sv)
		sv.pipe = nil
	}
}

// follow makes the pipe fail when the handler's context ends. The caller holds mu.
func (p *pipe) follow(ctx context.Context, cancel context.CancelFunc) {
	p.cancel = cancel
	p.unwatch = context.AfterFunc(ctx, func() {
		p.conn.mu.Lock()
		defer p.conn.mu.Unlock()
		p.hangUp(contextEnded(context.Cause(ctx)))
	})
}

// contextEnded is what a pipe's user gets after its handler's context ended.
func contextEnded(cause error) *commands.Error {
	code := commands.Cancelled
	if cause == context.DeadlineExceeded {
		code = commands.DeadlineExceeded
	}
	return &commands.Error{Code: code, Message: "the call's context has ended", Cause: cause}
}

func linkLost(cause error) *commands.Error {
	return &commands.Error{Code: commands.Unavailable, Message: "the link of the stream has ended", Cause: cause}
}
