package rpc

import (
	"context"
	"encoding/binary"
	"errors"
	"time"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/internal/wire"
)

// Request is one call.
type Request struct {
	ID           wire.CallID // fixed for the logical call, over every path and retry
	Path         string
	Args, Kwargs []byte // raw msgpack; nil = none
	Trace        []byte // raw msgpack; nil = none
	Repeat       bool   // an attempt under this ID was made before
	Idempotent   bool   // the command may run twice
	DryRun       bool   // the command must not run
	// Deadline bounds a Call as one of its context would, which it spares; zero
	// is none. The earlier of the two counts. Open does not look at it.
	Deadline time.Time
	Watcher  Watcher // nil: nobody wants to know
}

// Watcher looks after a call while it is pending.
type Watcher interface {
	// Suspect is called at most once, when a PONG is late while the call is
	// pending, and perhaps right after its end; the call goes on. giveUp ends it
	// as the end of its context would, and does nothing after its end. Suspect
	// must not block.
	Suspect(giveUp func())
}

// pending is an own call without an answer. The Conn's mu guards it; done is
// written once, by whoever takes it out of Conn.pending.
type pending struct {
	done     chan result // capacity 1, used again
	watcher  Watcher     // nil when there is none, or it was told
	deadline time.Time   // zero: only the context's
	sent     bool        // the whole CALL was posted
	out      *outflow
	in       *assembly
	stream   *Stream // whose call it is; nil for a plain one, and then done is set
}

// result is how a call ended: err, or a FAIL, or a value.
type result struct {
	err    error
	failed bool
	body   []byte
	large  *pieces // instead of body: put together by whoever waited
}

// keepPendings is how many a Conn keeps for later calls.
const keepPendings = 64

// newPending takes one that was used, or makes one. They are kept by the Conn
// and not in a sync.Pool, since a channel must not leave its synctest bubble.
func (c *Conn) newPending(w Watcher, deadline time.Time) *pending {
	c.mu.Lock()
	defer c.mu.Unlock()
	var p *pending
	if last := len(c.spare) - 1; last >= 0 {
		p, c.spare = c.spare[last], c.spare[:last]
	} else {
		p = &pending{done: make(chan result, 1)}
	}
	p.watcher, p.deadline = w, deadline
	return p
}

func (c *Conn) keepPending(p *pending) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.spare) < keepPendings {
		*p = pending{done: p.done}
		c.spare = append(c.spare, p)
	}
}

// Call calls the peer and waits for the answer: raw msgpack, not yet guarded.
// The error is
//
//   - a *commands.Error from the callee,
//   - a *BrokenError when the link ended or is parting, or
//   - an *AbandonedError when ctx ended; the peer was told by CANCEL.
//
// The deadline travels with the call, and bounds every wait in it.
func (c *Conn) Call(ctx context.Context, req Request) ([]byte, error) {
	remaining, err := timeLeft(ctx, req.Deadline)
	if err != nil {
		return nil, &AbandonedError{Cause: err}
	}
	buf := BufferFor(len(req.Args) + len(req.Kwargs))
	// The number is filled in under the lock that orders the calls.
	*buf = wire.AppendCall((*buf)[:0], wire.Call{
		ID: req.ID, Path: req.Path, Remaining: remaining, Flags: req.flags(),
		Args: req.Args, Kwargs: req.Kwargs, Trace: req.Trace,
	})
	p := c.newPending(req.Watcher, req.Deadline)
	value, err := c.call(ctx, p, *buf)
	c.keepPending(p)
	GiveBuffer(buf)
	return value, err
}

// timeLeft is the time until the deadline, or until ctx's if that is earlier, 0
// without one; an error when it is over or ctx has ended.
func timeLeft(ctx context.Context, deadline time.Time) (time.Duration, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if own, has := ctx.Deadline(); has && (deadline.IsZero() || own.Before(deadline)) {
		deadline = own
	}
	if deadline.IsZero() {
		return 0, nil
	}
	left := time.Until(deadline)
	if left <= 0 {
		return 0, context.DeadlineExceeded
	}
	return max(left, time.Millisecond), nil // 0 on the wire is no deadline
}

func (r Request) flags() (flags uint8) {
	if r.Idempotent {
		flags |= wire.CallIdempotent
	}
	if r.Repeat {
		flags |= wire.CallRepeat
	}
	if r.DryRun {
		flags |= wire.CallDryRun
	}
	return flags
}

// call sends a CALL message's body and waits for its answer.
func (c *Conn) call(ctx context.Context, p *pending, body []byte) ([]byte, error) {
	ctx, cancel := boundLarge(ctx, p, body)
	defer cancel()
	number, err := c.send(ctx, p, body)
	if err != nil && number == 0 {
		return nil, err
	}
	if err != nil {
		return c.abandon(number, p, err)
	}
	over := ctx.Done()
	if over == nil {
		return (<-p.done).value()
	}
	select {
	case r := <-p.done:
		return r.value()
	case <-over:
		return c.abandon(number, p, ctx.Err())
	}
}

// send posts the CALL, or its chunks. An error with a number is of a call that
// was begun, and is pending, but could not be sent whole.
func (c *Conn) send(ctx context.Context, p *pending, body []byte) (number uint64, err error) {
	if err := c.room(ctx, p.deadline); err != nil {
		return 0, c.unsent(ctx, err)
	}
	if len(body) > wire.MaxMessage {
		return c.sendLarge(ctx, p, body[8:])
	}
	c.mu.Lock()
	number, err = c.begin(p)
	if err == nil {
		binary.BigEndian.PutUint64(body, number)
		// A failed Post means that the link has ended; then end tells p.
		p.sent = c.put(wire.TypeCall, body) == nil
	}
	calls := len(c.pending)
	c.mu.Unlock()
	if err == nil {
		c.flush(calls)
	}
	return number, err
}

// unsent is the error of a call of which nothing was posted.
func (c *Conn) unsent(ctx context.Context, err error) error {
	var (
		broken    *BrokenError
		abandoned *AbandonedError
	)
	switch {
	case errors.As(err, &broken), errors.As(err, &abandoned):
		return err
	case errors.Is(err, errStalled):
		return stalled(err)
	case ctx.Err() != nil:
		return &AbandonedError{Cause: ctx.Err()}
	}
	return &BrokenError{Cause: err}
}

// stalled is the error of a call that the peer did not take whole.
func stalled(err error) error {
	return &commands.Error{
		Code: commands.ResourceExhausted, Message: err.Error(),
		Executed: commands.ExecutedNo, Where: commands.WherePath, Cause: err,
	}
}

// begin gives a call its number and makes it pending. The caller holds mu.
func (c *Conn) begin(p *pending) (uint64, error) {
	if err := c.refuses(); err != nil {
		return 0, &BrokenError{Cause: err}
	}
	number := c.next
	c.next += 2
	c.pending[number] = p
	c.note(p.deadline)
	c.lastUse = time.Now()
	if p.stream != nil {
		p.stream.start(number)
	}
	c.hurry(c.lastUse, c.cfg.Timers.BusyPing)
	return number, nil
}

// refuses is why no new call may be made; nil if it may. The caller holds mu.
func (c *Conn) refuses() error {
	switch {
	case c.ended:
		return c.cause
	case c.theirs != nil:
		return &ByeError{*c.theirs}
	case c.said:
		return ErrParting
	}
	return nil
}

func (c *Conn) sendLarge(ctx context.Context, p *pending, body []byte) (number uint64, err error) {
	if len(body) > wire.MaxBig {
		return 0, &commands.Error{
			Code: commands.ResourceExhausted, Where: commands.WhereCaller,
			Message: "the call is larger than 64 MiB",
		}
	}
	o := c.newOutflow(0, wire.ChunkCall)
	begin := func() (err error) {
		number, err = c.begin(p)
		o.number, p.out = number, o
		return err
	}
	err = o.send(ctx, body, begin, func() { c.sentLarge(p, o) })
	if number != 0 {
		c.traffic.Out.Requests.Add(1)
		return number, err
	}
	if err == nil {
		err = c.link.Err() // it ended before the first chunk
	}
	return 0, c.unsent(ctx, err)
}

// sentLarge notes that a large CALL was posted whole. A stream behind it goes
// on with the credit that is left. The caller holds mu.
func (c *Conn) sentLarge(p *pending, o *outflow) {
	p.sent, p.out = true, nil
	if p.stream != nil {
		p.out = p.stream.out
		p.out.credit = o.credit
	}
}

// abandon ends a call whose caller waits no longer, unless its answer came first.
func (c *Conn) abandon(number uint64, p *pending, cause error) ([]byte, error) {
	c.forsakeIf(number, p, cause)
	return (<-p.done).value()
}

// finish takes a call out of the pending ones and hands it its result. The
// caller holds mu.
func (c *Conn) finish(number uint64, p *pending, r result) { c.finishAt(time.Now(), number, p, r) }

// finishAt is finish for who knows the time.
func (c *Conn) finishAt(now time.Time, number uint64, p *pending, r result) {
	delete(c.pending, number)
	c.lastUse = now
	if p.out != nil {
		p.out.stop()
		p.out = nil
	}
	if p.in != nil {
		p.in.discard()
		p.in = nil
	}
	if p.stream != nil {
		p.stream.finish(r)
	} else {
		p.done <- r
	}
	c.parting.check(c)
}

func (r result) value() ([]byte, error) {
	if r.large != nil {
		r.body = r.large.join()
	}
	if r.err != nil || !r.failed {
		return r.body, r.err
	}
	fail, err := wire.ParseFailBody(r.body)
	if err != nil {
		return nil, &commands.Error{
			Code: commands.Internal, Message: "the peer's answer cannot be read",
			Executed: commands.ExecutedMaybe, Where: commands.WherePath, Cause: err,
		}
	}
	return nil, commands.FromWire(fail)
}
