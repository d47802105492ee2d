package rpc

import (
	"context"
	"encoding/binary"
	"time"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/internal/wire"
	"github.com/fernmesh/fernmesh/node/internal/ledger"
)

// served is a call of the peer without an answer on this link. The Conn's mu
// guards what stands above the blank line; below it is what one goroutine has
// at a time: the reader, then the handler's.
type served struct {
	ended   bool // answered, cancelled, or the link has ended
	owner   bool // this call began the handler
	crowded bool // too many calls were open when it came
	in      *assembly
	out     *outflow
	entry   *ledger.Entry // once it has begun
	pipe    *pipe         // of a stream
	// unread is set while a large CALL has come and was not looked into, so that it
	// may be a stream's: then this is what the stream may send.
	unread *window

	conn    *Conn
	number  uint64
	charged int64  // of the Server's budget, for a large CALL
	path    []byte // in the CALL's msgpack
	call    commands.Call

	// Of a call that was accepted.
	ticket  ticket
	ctx     callContext
	unwatch func() bool       // of a call that waited
	command *commands.Command // once it was looked up
	turn    uint64            // of the reader, if the handler runs there
	here    bool              // and has returned there in time
	lost    bool              // and has not
	sending bool              // its large answer is under way, on another goroutine
}

// open enters a call under its number, which must be the peer's and higher
// than all before. The caller holds mu.
func (c *Conn) open(number uint64) (*served, error) {
	sv := &served{}
	return sv, c.enter(sv, number)
}

// enter is open for a served that is there.
func (c *Conn) enter(sv *served, number uint64) error {
	if number <= c.latest || number&1 == c.next&1 {
		return ErrNumber
	}
	c.latest = number
	c.lastUse = c.link.Arrived()
	sv.conn, sv.number, sv.crowded = c, number, len(c.served) >= c.openMost()
	sv.call.Arrived = c.lastUse
	c.served[number] = sv
	return nil
}

// smallCall and smallerCall are a call and its msgpack, in one piece. How much they
// hold is what makes them fill a size of the allocator.
type (
	smallCall struct {
		served
		body [smallBody]byte
	}
	smallerCall struct {
		served
		body [smallerBody]byte
	}
)

const (
	smallBody   = 320
	smallerBody = 128
)

// own makes room for a call of so many bytes, which live as long as its handler.
func own(bytes int) (*served, []byte) {
	switch {
	case bytes <= smallerBody:
		sv := &smallerCall{}
		return &sv.served, sv.body[:bytes:bytes]
	case bytes <= smallBody:
		sv := &smallCall{}
		return &sv.served, sv.body[:bytes:bytes]
	}
	return &served{}, make([]byte, bytes)
}

// openMost bounds the calls of a link that are open at once: those that run
// or wait, those that arrive, and repeats, which need no place of a handler.
func (c *Conn) openMost() int {
	return 4*c.server.cfg.MaxPerPeer + 2*max(c.server.cfg.QueuePerPeer, 0)
}

// drop takes a call out of the served ones: nothing is answered any more. The
// caller holds mu.
func (c *Conn) drop(sv *served) {
	if sv.ended {
		return
	}
	sv.ended = true
	delete(c.served, sv.number)
	c.lastUse = time.Now()
	if sv.in != nil {
		sv.in.discard()
		sv.in = nil
		c.assembling--
	}
	if sv.out != nil {
		sv.out.stop()
		sv.out = nil
	}
	if sv.pipe != nil {
		c.closePipe(sv)
	}
	c.parting.check(c)
}

// onCall takes a CALL that fits one message.
func (c *Conn) onCall(body []byte) error {
	if len(body) < 8 {
		return &wire.MalformedError{What: "CALL", Field: "call number is cut short"}
	}
	c.requested()
	if c.shed(binary.BigEndian.Uint64(body), body[8:]) {
		return nil
	}
	sv, own := own(len(body) - 8)
	copy(own, body[8:]) // the message does not live as long as the handler
	c.mu.Lock()
	err := c.enter(sv, binary.BigEndian.Uint64(body))
	c.mu.Unlock()
	if err == nil {
		err = c.serve(sv, own, true)
	}
	if err != nil {
		return err
	}
	c.pace()
	return nil
}

// onCallChunk takes a part of a large CALL. The caller holds mu.
func (c *Conn) onCallChunk(chunk wire.Chunk) error {
	sv := c.served[chunk.Number]
	if sv == nil && chunk.Number <= c.latest && chunk.Number&1 != c.next&1 {
		return nil // of a call that was refused or cancelled
	}
	if sv == nil {
		opened, err := c.open(chunk.Number)
		if err != nil {
			return err
		}
		sv = opened
		c.traffic.In.Requests.Add(1)
		c.requested()
		if refused := c.openAssembly(sv, chunk.Bytes); refused != nil {
			c.refuseUnread(sv, chunk.Bytes, refused)
			return nil
		}
	}
	if sv.in == nil {
		return nil // it is complete already
	}
	if err := sv.in.spend(len(chunk.Bytes)); err != nil {
		return err
	}
	if !sv.in.add(chunk.Bytes) {
		head := sv.in.came.head(idHead)
		c.refuseUnread(sv, head, exhausted("no memory left for a call this large"))
		return nil
	}
	if chunk.Flags&wire.ChunkEnd != 0 {
		var came *pieces
		came, sv.charged = sv.in.complete()
		left := sv.in.window
		left.narrow()
		sv.unread = &left
		sv.in = nil
		c.assembling--
		// Reading a large message takes long, so the reader does not do it.
		c.spawn(func() { _ = c.serve(sv, came.join(), false) })
	}
	return nil
}

// openAssembly begins to receive a large CALL, or tells why not.
func (c *Conn) openAssembly(sv *served, head []byte) *commands.Error {
	a, after := c.hopeless(head, len(head))
	switch {
	case !a.accepted() && a < nodeDrains:
		return c.server.refusal(a, after)
	case c.said:
		return unavailable("the node is parting")
	case sv.crowded, c.assembling >= c.server.cfg.MaxPerPeer:
		return exhausted("too many large calls at once")
	}
	sv.in = c.newAssembly(sv.number, wire.ChunkCall, func() { c.callIdle(sv) })
	if sv.in == nil {
		return exhausted("no memory left for large calls")
	}
	c.assembling++
	return nil
}

// callIdle ends a large CALL that stopped coming.
func (c *Conn) callIdle(sv *served) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if sv.ended || sv.in == nil || c.stillComes(sv.in) {
		return
	}
	c.server.counters.stalled.Add(1)
	head := sv.in.came.head(idHead)
	c.refuseUnread(sv, head, unavailable("the call stopped coming"))
}

// serve reads a call's msgpack and runs it, or answers why not. It runs on the
// reader, or on a goroutine of the Conn for a large call. The error is
// link.ErrPassed when the reader is to read no more.
func (c *Conn) serve(sv *served, body []byte, reader bool) error {
	running := false
	defer func() {
		if !running { // else run does it
			c.server.release(sv.charged)
		}
	}()
	msg, path, err := wire.ReadCallBody(body)
	if err != nil {
		c.refuse(sv, &commands.Error{
			Code: commands.InvalidArgument, Message: err.Error(),
			Executed: commands.ExecutedNo, Where: commands.WhereQueue,
		})
		return nil
	}
	id := ledger.ID{Caller: msg.ID.Caller, Counter: msg.ID.Counter}
	if sv.crowded {
		c.refuse(sv, c.doubt(id, exhausted("too many calls are open")))
		return nil
	}
	sv.path = path
	sv.call = commands.Call{
		Caller: c.caller, ID: callID(msg.ID), Arrived: sv.call.Arrived, RawArgs: msg.Args, RawKwargs: msg.Kwargs,
		Trace: msg.Trace, DryRun: msg.Flags&wire.CallDryRun != 0,
	}
	admission, after := c.admit(sv, len(body))
	if admission.accepted() {
		sv.ctx.init(c.server.base, deadline(sv.call.Arrived, msg.Remaining))
	}
	repeat := msg.Flags&wire.CallRepeat != 0
	stream := msg.Flags&wire.CallStream != 0
	verdict, entry, outcome := c.begun(id, repeat, stream, admission.accepted(), sv)
	c.bind(sv, entry, verdict)
	c.settlePipe(sv, stream && verdict == ledger.Run)
	if verdict == ledger.Run {
		running = true
		return c.server.enter(sv, admission, reader)
	}
	if admission.accepted() {
		sv.ctx.Cancel()
		c.server.gate.giveBack(&sv.ticket, admission)
	}
	if verdict == ledger.Unknown {
		c.refuse(sv, c.server.refusal(admission, after))
		return nil
	}
	c.settle(sv, verdict, entry, outcome)
	return nil
}

// begun asks the ledger. A stream is never repeated: it begins once, or not.
func (c *Conn) begun(id ledger.ID, repeat, stream, admit bool, sv *served) (ledger.Verdict, *ledger.Entry, ledger.Outcome) {
	if stream {
		verdict, entry := c.memory.BeginOnce(id, repeat, admit, &sv.ctx, sv)
		return verdict, entry, ledger.Outcome{}
	}
	return c.memory.Begin(id, repeat, admit, &sv.ctx, sv)
}

// bind ties a call that runs to its entry. When it was cancelled meanwhile, its
// interest ends at once.
func (c *Conn) bind(sv *served, entry *ledger.Entry, verdict ledger.Verdict) {
	if verdict != ledger.Run && verdict != ledger.Attached {
		return
	}
	c.mu.Lock()
	sv.entry = entry
	sv.owner = verdict == ledger.Run
	ended := sv.ended && !c.ended // a lost link keeps its interest for the grace
	c.mu.Unlock()
	if ended {
		c.memory.Withdraw(entry, sv)
	}
}

// settle answers a call that does not begin, from what the ledger knows.
func (c *Conn) settle(sv *served, v ledger.Verdict, e *ledger.Entry, o ledger.Outcome) {
	s := c.server
	switch v {
	case ledger.Attached:
		s.counters.repeats.Add(1)
	case ledger.Kept:
		s.counters.repeats.Add(1)
		sv.Deliver(e, o)
	case ledger.Running:
		c.refuse(sv, repeated("the call runs and cannot be repeated", commands.ExecutedMaybe))
	case ledger.Gone:
		c.refuse(sv, repeated("the command ran and its outcome is gone", commands.ExecutedYes))
	case ledger.Doubtful:
		c.refuse(sv, repeated("it is not known any more whether the command ran", commands.ExecutedMaybe))
	case ledger.Full:
		c.refuse(sv, exhausted("too many outcomes are kept"))
	}
}

// onCancel withdraws the link's interest in a call.
func (c *Conn) onCancel(body []byte) error {
	cancel, err := wire.ParseCancel(body)
	if err != nil {
		return err
	}
	c.mu.Lock()
	sv := c.served[cancel.Number]
	if sv == nil {
		c.mu.Unlock()
		return nil
	}
	entry := sv.entry
	c.server.counters.cancelled.Add(1)
	if cancel.Mode == wire.CancelAnswer {
		c.answerLocked(sv, cancelled(sv.in != nil))
	}
	if sv.pipe != nil {
		sv.pipe.abort(contextEnded(context.Canceled))
	}
	c.drop(sv)
	c.mu.Unlock()
	if entry != nil {
		c.memory.Withdraw(entry, sv)
	}
	return nil
}

func callID(id wire.CallID) (out commands.CallID) {
	copy(out[:], id.Caller[:])
	binary.BigEndian.PutUint64(out[8:], id.Counter)
	return out
}
