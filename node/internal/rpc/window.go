package rpc

import "github.com/fernmesh/fernmesh/internal/wire"

// window is the credit of a call in one direction, as its receiver counts it.
// All that flows there shares one window: a large CALL and then a stream, or a
// stream and then a large REPLY. So a CREDIT needs no word about what it is for.
// The Conn's mu guards it.
type window struct {
	credit int64 // what the peer may send
	owed   int64 // received, done with, and not yet returned
}

func fullWindow() window { return window{credit: wire.CallCredit} }

// spend uses up credit for a chunk that has come.
func (w *window) spend(n int) error {
	w.credit -= int64(n)
	if w.credit < 0 {
		return ErrCredit
	}
	return nil
}

// owe takes note of bytes that take no room any more, and returns their credit
// in portions.
func (w *window) owe(c *Conn, number uint64, n int) {
	w.owed += int64(n)
	if w.owed >= wire.CallCredit/4 {
		c.grant(number, w.owed)
		w.credit += w.owed
		w.owed = 0
	}
}

// refill returns all credit that is out, when what holds it can hold no more,
// so that the message behind it is not kept waiting.
func (w *window) refill(c *Conn, number uint64) {
	if out := wire.CallCredit - w.credit; out >= wire.CallCredit/4 {
		c.grant(number, out)
		*w = fullWindow()
	}
}

// grant posts a CREDIT; number 0 is the link.
func (c *Conn) grant(number uint64, bytes int64) {
	var body [12]byte
	c.post(wire.TypeCredit, wire.AppendCredit(body[:0], wire.Credit{Number: number, Bytes: uint32(bytes)}))
}
