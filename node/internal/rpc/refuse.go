package rpc

import (
	"encoding/binary"
	"time"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/internal/wire"
	"github.com/fernmesh/fernmesh/node/internal/ledger"
)

// overloadPause is the advice to a caller that was refused for a load of which
// nothing tells how long it lasts.
const overloadPause = 100 * time.Millisecond

// words is why a call was not admitted.
func (a admission) words() string {
	switch a {
	case peerFull:
		return "too many calls of this node run and wait"
	case nodeFull:
		return "too many calls run and wait"
	case peerHeavy:
		return "the arguments of this node's calls are too large together"
	case nodeHeavy:
		return "the arguments of all calls are too large together"
	}
	return "the node is parting"
}

// refusal is the answer to a call that was not admitted.
func (s *Server) refusal(a admission, after time.Duration) *commands.Error {
	if a.accepted() || a >= nodeDrains { // accepted: the link has ended meanwhile
		return unavailable(a.words())
	}
	s.counters.full[a].Add(1)
	e := exhausted(a.words())
	e.RetryAfter = after
	return e
}

func exhausted(why string) *commands.Error {
	return &commands.Error{
		Code: commands.ResourceExhausted, Message: why, Executed: commands.ExecutedNo,
		Where: commands.WhereQueue, RetryAfter: overloadPause,
	}
}

func unavailable(why string) *commands.Error {
	return &commands.Error{
		Code: commands.Unavailable, Message: why, Executed: commands.ExecutedNo,
		Where: commands.WhereQueue,
	}
}

func repeated(why string, executed commands.Executed) *commands.Error {
	return &commands.Error{
		Code: commands.Unavailable, Message: why, Executed: executed, Where: commands.WhereQueue,
	}
}

func tooSlow(err error) *commands.Error {
	return &commands.Error{
		Code: commands.ResourceExhausted, Message: err.Error(),
		Executed: commands.ExecutedYes, Where: commands.WherePath,
	}
}

// cancelled answers a CANCEL that wants an answer.
func cancelled(unread bool) *commands.Error {
	executed := commands.ExecutedMaybe
	if unread {
		executed = commands.ExecutedNo
	}
	return &commands.Error{
		Code: commands.Cancelled, Message: "cancelled by the caller",
		Executed: executed, Where: commands.WhereQueue,
	}
}

// refuse answers a call with an error that is not its outcome.
func (c *Conn) refuse(sv *served, why *commands.Error) {
	c.mu.Lock()
	c.answerLocked(sv, why)
	c.mu.Unlock()
}

// answerLocked is refuse for who holds mu.
func (c *Conn) answerLocked(sv *served, why *commands.Error) {
	if sv.ended {
		return
	}
	if why.Code == commands.ResourceExhausted {
		c.server.counters.overloaded.Add(1)
	}
	c.answeredWith(why.Code)
	c.post(wire.TypeFail, wire.AppendFail(nil, why.Fail(sv.number)))
	c.drop(sv)
}

// refuseUnread refuses a large call whose arguments are not received. Of a
// call id that the ledger knows, or that cannot be read, only the caller
// itself can tell whether it ran. The caller holds mu.
func (c *Conn) refuseUnread(sv *served, head []byte, why *commands.Error) {
	id, ok := peekID(head)
	if !ok {
		why.Executed = commands.ExecutedMaybe
	}
	c.answerLocked(sv, c.doubt(id, why))
}

// doubt takes back that a refused call was not executed if the ledger knows it.
func (c *Conn) doubt(id ledger.ID, why *commands.Error) *commands.Error {
	if c.memory.Knows(id, true) {
		why.Executed = commands.ExecutedMaybe
	}
	return why
}

// idHead is enough of a CALL's msgpack to read its id.
const idHead = 24

// peekID reads the call id at the start of a CALL's msgpack that is not whole.
func peekID(b []byte) (id ledger.ID, ok bool) {
	switch {
	case len(b) > 0 && b[0]&0xf0 == 0x90: // array of up to 15 elements
		b = b[1:]
	case len(b) > 3 && b[0] == 0xdc: // array with a length of 16 bits
		b = b[3:]
	default:
		return id, false
	}
	if len(b) < 18 || b[0] != 0xc4 || b[1] != 16 { // 16 bytes
		return id, false
	}
	copy(id.Caller[:], b[2:])
	id.Counter = binary.BigEndian.Uint64(b[10:])
	return id, true
}
