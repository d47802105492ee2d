package relayserver

import (
	"errors"
	"os"
	"time"

	"github.com/fernmesh/fernmesh/relay/internal/outlet"
)

const (
	// pieceMost is how much a client must take within Timers.Stall.
	pieceMost = 16 << 10
	// atOnceMost is how much is written to a client by who has it: beyond it, a
	// writer of its own does that while the next is read.
	atOnceMost = 24 << 10
)

// sending is what of a member is being written. It belongs to whoever writes.
type sending struct {
	bytes  []byte // what is still to leave
	block  *block // that it came from, freed when all has left
	sealed []byte // the buffer of TLS's records, if it is one
}

// flush has what waits for the member written: what the connection takes at once
// here and now, the rest by a writer. It does not wait for the network.
func (m *member) flush() {
	if !m.begin() {
		return
	}
	if m.writeAtOnce() {
		m.writers.Done()
		return
	}
	go m.write()
}

// startWriter has what waits for the member written by a writer.
func (m *member) startWriter() {
	if m.begin() {
		go m.write()
	}
}

// begin reports whether the caller is to write, or to see to who does.
func (m *member) begin() bool {
	m.out.mu.Lock()
	defer m.out.mu.Unlock()
	begun := m.out.begin()
	if begun {
		m.writers.Add(1)
	}
	return begun
}

// writeAtOnce reports whether there is nothing more to be written.
func (m *member) writeAtOnce() bool {
	if !m.outlet.Immediate() {
		return false
	}
	for left := atOnceMost; left > 0; {
		more, err := m.load()
		if err != nil {
			hangUp(m.conn) // its reader sees to the rest; nobody writes any more
		}
		if err != nil || !more {
			return true
		}
		if len(m.sending.bytes) > left {
			return false
		}
		n := m.outlet.WriteNow(m.sending.bytes)
		left -= n
		if m.sending.bytes = m.sending.bytes[n:]; len(m.sending.bytes) > 0 {
			return false
		}
		m.sent()
	}
	return false
}

// write is the writer: it empties the member's queue, and ends.
func (m *member) write() {
	defer m.writers.Done()
	for more := true; more; {
		err := m.writeAll(m.sending.bytes)
		m.sent()
		if err == nil {
			more, err = m.load()
		}
		if err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				m.server.count.stalled.Add(1)
			}
			hangUp(m.conn) // its reader sees to the rest; nobody writes any more
			return
		}
	}
}

// load takes what is to be written next, and has TLS seal it. Without any, the
// caller writes no longer.
func (m *member) load() (more bool, err error) {
	control, data := m.out.take()
	if len(control) == 0 && data == nil {
		return false, nil // another may write by now
	}
	bytes := control
	if data != nil {
		m.sending.block = data
		bytes = data.frames
		if len(control) > 0 {
			bytes = append(control, bytes...)
		}
	}
	if m.outlet != nil && m.outlet.Conn != m.conn {
		if m.sending.sealed, err = m.outlet.Seal(m.conn, bytes); err != nil {
			m.sent()
			return false, err
		}
		bytes = m.sending.sealed
	}
	m.sending.bytes = bytes
	return true, nil
}

// sent lets go of what was loaded.
func (m *member) sent() {
	if m.sending.block != nil {
		m.server.gate.free(m.sending.block)
	}
	outlet.Free(m.sending.sealed)
	m.sending = sending{}
}

// writeAll writes what was loaded: what the connection takes at once, and a piece
// when it does, and so on. A client that takes less than a piece within the time
// is one that does not read.
func (m *member) writeAll(b []byte) error {
	to := m.conn
	if m.outlet != nil {
		to = m.outlet.Conn
	}
	for len(b) > 0 {
		if b = b[m.outlet.WriteNow(b):]; len(b) == 0 {
			return nil
		}
		if err := to.SetWriteDeadline(time.Now().Add(m.server.cfg.Timers.Stall)); err != nil {
			return err
		}
		n, err := to.Write(b[:min(len(b), pieceMost)])
		if err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}
