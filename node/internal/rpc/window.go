package rpc

import "github.com/fernmesh/fernmesh/internal/wire"

// window is the credit of a call in one direction, as its receiver counts it.
// All that flows there shares one window: a large CALL and then a stream, or a
// stream and then a large REPLY. So a CREDIT needs no word about what it is for.
// The Conn's mu guards it.
type window struct {
	credit int64 // what the peer may send
	owed   int64 // received, done with, and not yet returned
	wider  int64 // what it has beyond wire.CallCredit, see widen
}

// wideCredit is the window of a large message that is put together. What comes of
// it leaves the window at once, so the window bounds no memory; it has to cover
// what is under way while both sides wait for their turn on a busy machine.
const wideCredit = 2 << 20

func fullWindow() window { return window{credit: wire.CallCredit} }

// spend uses up credit for a chunk that has come.
func (w *window) spend(n int) error {
	w.credit -= int64(n)
	if w.credit < 0 {
		return ErrCredit
	}
	return nil
}

// widen makes room for what a link of so much credit may have under way. A window
// that becomes a stream's must not be wider than others: it bounds its memory.
func (w *window) widen(linkCredit int) {
	wider := min(wideCredit, int64(linkCredit)/2) - wire.CallCredit
	if wider > w.wider {
		w.owed += wider - w.wider
		w.wider = wider
	}
}

// narrow takes back what widen gave. Nobody who keeps to the protocol uses the
// window any more.
func (w *window) narrow() {
	if w.wider > 0 {
		*w = fullWindow()
	}
}

// owe takes note of bytes that take no room any more, and returns their credit
// in portions. It reports whether it did: the caller sends that.
func (w *window) owe(c *Conn, number uint64, n int) bool {
	w.owed += int64(n)
	if w.owed < (wire.CallCredit+w.wider)/4 {
		return false
	}
	c.grant(number, w.owed)
	w.credit += w.owed
	w.owed = 0
	return true
}

// refill returns all credit that is out, when what holds it can hold no more,
// so that the message behind it is not kept waiting. The caller sends that.
func (w *window) refill(c *Conn, number uint64) {
	if out := wire.CallCredit - w.credit; out >= wire.CallCredit/4 {
		c.grant(number, out)
		*w = fullWindow()
	}
}

// grant posts a CREDIT; number 0 is the link. The caller sends it.
func (c *Conn) grant(number uint64, bytes int64) {
	var body [12]byte
	c.granted = c.put(wire.TypeCredit, wire.AppendCredit(body[:0], wire.Credit{Number: number, Bytes: uint32(bytes)})) == nil
}
