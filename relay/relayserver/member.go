package relayserver

import (
	"errors"
	"io"
	"net"
	"os"
	"time"

	"github.com/fernmesh/fernmesh/relay"
)

// member is a client that has joined. Its reader runs on the connection's
// goroutine and forwards to the queues of others; its writer empties its own.
type member struct {
	server *Server
	conn   net.Conn
	in     *relay.FrameReader
	addr   relay.Addr
	room   *room
	token  []byte // the latest presence token, guarded by room.mu, never changed
	out    queue
	ended  endedSessions // the reader's
	casts  pace          // the reader's
}

// run serves a member until its connection ends, and takes it out of its room.
func (m *member) run() {
	written := make(chan struct{})
	go func() {
		defer close(written)
		m.write()
	}()
	m.note(m.read())
	m.server.leave(m)
	m.out.close()
	hangUp(m.conn) // a writer that is in Write returns
	<-written
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

// read handles frames until one is wrong or none comes.
func (m *member) read() error {
	for {
		t, body, err := m.in.Next(relay.ToRelay)
		if err != nil {
			return err
		}
		if err := m.handle(t, body); err != nil {
			return err
		}
	}
}

func (m *member) handle(t relay.FrameType, body []byte) error {
	switch t {
	case relay.FrameSend:
		r, err := relay.ParseRecord(body)
		if err != nil {
			return err
		}
		return m.forward(r)
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
	}
	return nil
}

// errNoQueue ends a member that lets GONEs pile up which it caused itself.
var errNoQueue = errors.New("relayserver: client does not take its own GONEs")

// forward passes a record on, and tells both ends when that is not possible.
func (m *member) forward(r relay.Record) error {
	if m.ended.has(r.Peer, r.Session) {
		return nil // it was told; what comes still was on its way
	}
	to := m.room.member(r.Peer)
	v := left
	if to != nil {
		v = m.deliver(func() (verdict, <-chan struct{}, time.Duration) { return to.out.record(m.addr, r) })
	}
	switch v {
	case taken:
		m.server.count.records.Add(1)
		m.server.count.bytes.Add(int64(len(r.Body)))
		return nil
	case overflow:
		m.server.count.overflows.Add(1)
		if v, _, _ := to.out.gone(relay.Gone{Peer: m.addr, Session: r.Session, Code: relay.GoneOverflow}); v != taken {
			to.cut()
		}
		return m.end(r, relay.GoneOverflow)
	default:
		m.server.count.absent.Add(1)
		return m.end(r, relay.GoneAbsent)
	}
}

// end tells this member that a session of its has ended.
func (m *member) end(r relay.Record, code relay.GoneCode) error {
	m.ended.add(r.Peer, r.Session)
	if v, _, _ := m.out.gone(relay.Gone{Peer: r.Peer, Session: r.Session, Code: code}); v != taken {
		return errNoQueue
	}
	return nil
}

// part passes GONE on. A member that lets thousands of them wait is cut: without
// them it would keep sessions that have ended.
func (m *member) part(g relay.Gone) {
	to := m.room.member(g.Peer)
	if to == nil || m.ended.has(g.Peer, g.Session) {
		return
	}
	g.Peer = m.addr
	if m.deliver(func() (verdict, <-chan struct{}, time.Duration) { return to.out.gone(g) }) == overflow {
		to.cut()
	}
}

// deliver tries until there is a verdict. While it waits, this member is not
// read: that is what holds it back.
func (m *member) deliver(try func() (verdict, <-chan struct{}, time.Duration)) verdict {
	for {
		v, room, most := try()
		if v != wait {
			return v
		}
		timer := time.NewTimer(most)
		select {
		case <-room:
		case <-timer.C:
		case <-m.server.stopped:
			timer.Stop()
			return left
		}
		timer.Stop()
	}
}

// cut ends a member that does not read.
func (m *member) cut() {
	m.server.count.stalled.Add(1)
	hangUp(m.conn) // its reader sees to the rest
}

// input is what a member's frames are read from: first what came with the
// upgrade request, then the connection, under a deadline for silence.
type input struct {
	conn    net.Conn
	early   []byte
	silence time.Duration // 0 leaves the deadline as it is
}

// Read implements io.Reader.
func (in *input) Read(p []byte) (int, error) {
	if len(in.early) > 0 {
		n := copy(p, in.early)
		in.early = in.early[n:]
		return n, nil
	}
	if in.silence > 0 {
		if err := in.conn.SetReadDeadline(time.Now().Add(in.silence)); err != nil {
			return 0, err
		}
	}
	return in.conn.Read(p)
}

var _ io.Reader = (*input)(nil)
