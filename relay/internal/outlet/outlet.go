// Package outlet is the lower end of a relay connection, at which bytes leave: by
// both the relay and its clients. It writes what the connection takes at once,
// so that whoever has something to send does not need another goroutine for it,
// and lets TLS seal many records for one write.
package outlet

import (
	"crypto/tls"
	"errors"
	"net"
	"sync"
)

// sealedMost bounds what TLS may leave in an outlet that is not taken: far more
// than what is given to TLS at a time and what TLS itself has to say.
const sealedMost = 512 << 10

// errSealed ends a connection whose other end has TLS talk and takes nothing.
var errSealed = errors.New("relay: the other end does not take what TLS has to say")

// Outlet is a connection. Its own methods beside those of net.Conn are for one
// goroutine at a time.
type Outlet struct {
	net.Conn
	now *instant // writes what can leave at once; nil if nothing can tell

	mu     sync.Mutex
	keep   bool   // whether Write keeps what it is given
	sealed []byte // what it kept
}

// New returns the outlet of a connection.
func New(conn net.Conn) *Outlet { return &Outlet{Conn: conn, now: newInstant(conn)} }

// Of returns the outlet of a connection: the one below its TLS, a new one where
// there is no TLS, and nil for TLS that has no outlet.
func Of(conn net.Conn) *Outlet {
	switch c := conn.(type) {
	case *Outlet:
		return c
	case *tls.Conn:
		o, _ := c.NetConn().(*Outlet)
		return o
	}
	return New(conn)
}

// Write implements net.Conn, for TLS. After Hold it never waits.
func (o *Outlet) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.keep {
		return o.Conn.Write(p)
	}
	if len(o.sealed)+len(p) > sealedMost {
		return 0, errSealed
	}
	if o.sealed == nil {
		o.sealed = newBuffer()
	}
	o.sealed = append(o.sealed, p...)
	return len(p), nil
}

// Hold has Write keep what it is given from now on; nil has nothing to keep.
func (o *Outlet) Hold() {
	if o == nil {
		return
	}
	o.mu.Lock()
	o.keep = true
	o.mu.Unlock()
}

// Seal gives frames to TLS and returns the records that it made of them, to be
// written and then given to Free.
func (o *Outlet) Seal(t net.Conn, frames []byte) ([]byte, error) {
	if _, err := t.Write(frames); err != nil {
		return nil, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	sealed := o.sealed
	o.sealed = nil
	return sealed, nil
}

// Immediate reports whether WriteNow may write anything; nil never does.
func (o *Outlet) Immediate() bool { return o != nil && o.now != nil }

// WriteNow writes what the connection takes at once, and returns how much that
// was. An error shows at the next Write to the connection below.
func (o *Outlet) WriteNow(p []byte) int {
	if !o.Immediate() {
		return 0
	}
	return o.now.write(p)
}

// Sizes of the buffers of records: a new one, and the largest that is kept.
const (
	sealedSize = 17 << 10
	sealedKept = 128 << 10
)

// full has buffers, empty what they are kept in, so that nothing is allocated
// to keep one.
var full, empty sync.Pool

func newBuffer() []byte {
	p, ok := full.Get().(*[]byte)
	if !ok {
		return make([]byte, 0, sealedSize)
	}
	b := (*p)[:0]
	*p = nil
	empty.Put(p)
	return b
}

// Free takes back what Seal returned; nil is nothing.
func Free(sealed []byte) {
	if sealed == nil || cap(sealed) > sealedKept {
		return
	}
	p, ok := empty.Get().(*[]byte)
	if !ok {
		p = new([]byte)
	}
	*p = sealed
	full.Put(p)
}
