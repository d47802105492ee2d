package relayserver

import (
	"errors"
	"net"
	"os"
	"sync"
	"time"

	"github.com/fernmesh/fernmesh/relay"
	"github.com/fernmesh/fernmesh/relay/internal/outlet"
)

// member is a client that has joined. Its reader runs on the connection's
// goroutine and forwards to the queues of others, which it empties itself as far
// as their connections do not make it wait. What is left, a writer writes, on a
// goroutine that lives while there is something to write.
type member struct {
	server  *Server
	conn    net.Conn
	in      *relay.FrameReader
	addr    relay.Addr
	room    *room
	token   []byte // the latest presence token, guarded by room.mu, never changed
	out     queue
	outlet  *outlet.Outlet // nil for TLS that is another's
	sending sending        // the writer's
	writers sync.WaitGroup // who writes, if anyone does
	ended   endedSessions  // the reader's
	casts   pace           // the reader's
	run     run            // the reader's
	reached []*member      // the reader's: whom to wake
}

// serve serves a member until its connection ends, and takes it out of its room.
func (m *member) serve() {
	m.note(m.read())
	m.server.leave(m)
	m.out.close()
	hangUp(m.conn) // a writer that is in Write returns
	m.writers.Wait()
}

// note counts why a member was cut.
func (m *member) note(err error) {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		m.server.count.silent.Add(1)
	case errors.Is(err, relay.ErrFrameLength), errors.Is(err, relay.ErrFrameType), errors.Is(err, relay.ErrMalformed):
		m.server.count.malformed.Add(1)
	}
}

// read handles frames until one is wrong or none comes. What one read of the
// connection brought is forwarded together, and its receivers woken, before the
// next one waits.
func (m *member) read() error {
	defer m.wake()
	for {
		if !m.in.Ready() {
			if err := m.pass(); err != nil {
				return err
			}
			m.wake()
		}
		t, body, err := m.in.Next(relay.ToRelay)
		if err == nil {
			err = m.handle(t, body)
		}
		if err != nil {
			return errors.Join(err, m.pass())
		}
	}
}

func (m *member) handle(t relay.FrameType, body []byte) error {
	if t == relay.FrameSend {
		return m.send(body)
	}
	if err := m.pass(); err != nil {
		return err
	}
	switch t {
	case relay.FrameGone:
		g, err := relay.ParseGone(body)
		if err != nil {
			return err
		}
		m.part(g)
	case relay.FrameCast:
		token, err := relay.ParseCast(body)
		if err != nil {
			return err
		}
		m.wake()
		if !m.server.sleep(m.casts.wait(time.Now())) {
			return ErrClosed
		}
		m.room.cast(m, token)
	case relay.FramePing:
		e, err := relay.ParseEcho(body)
		if err != nil {
			return err
		}
		m.out.echo(e)
		m.startWriter() // not here: the stack of an idle member stays small
	}
	return nil
}

// reach notes that something was put into a queue.
func (m *member) reach(to *member) {
	for _, known := range m.reached {
		if known == to {
			return
		}
	}
	m.reached = append(m.reached, to)
}

// wake has what was forwarded written.
func (m *member) wake() {
	for i, to := range m.reached {
		to.flush()
		m.reached[i] = nil
	}
	m.reached = m.reached[:0]
}

// cut ends a member that does not read.
func (m *member) cut() {
	m.server.count.stalled.Add(1)
	hangUp(m.conn) // its reader sees to the rest
}
