package relayserver

import (
	"errors"
	"os"
	"time"
)

// pieceMost is how much a client must take within Timers.Stall.
const pieceMost = 16 << 10

// write empties the member's queue until the member has left.
func (m *member) write() {
	var control []byte
	for {
		var data *block
		control, data = m.out.take(control)
		if len(control) == 0 && data == nil {
			if !m.waitToWrite() {
				return
			}
			continue
		}
		err := m.writeAll(control)
		if data != nil {
			if err == nil {
				err = m.writeAll(data.frames)
			}
			m.server.gate.free(data)
		}
		if err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				m.server.count.stalled.Add(1)
			}
			hangUp(m.conn) // its reader sees to the rest
			return
		}
		if cap(control) > pieceMost {
			control = nil // of a large room; rarely needed
		}
	}
}

// waitToWrite waits for something to write; false is the end.
func (m *member) waitToWrite() bool {
	<-m.out.wake
	m.out.mu.Lock()
	defer m.out.mu.Unlock()
	return !m.out.closed
}

// writeAll writes frames. A client that takes less than a piece within the time
// is one that does not read.
func (m *member) writeAll(b []byte) error {
	for len(b) > 0 {
		if err := m.conn.SetWriteDeadline(time.Now().Add(m.server.cfg.Timers.Stall)); err != nil {
			return err
		}
		n, err := m.conn.Write(b[:min(len(b), pieceMost)])
		if err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}
