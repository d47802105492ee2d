package relayserver

import (
	"encoding/binary"
	"errors"
	"time"

	"github.com/fernmesh/fernmesh/relay"
)

// errNoQueue ends a member that lets GONEs pile up which it caused itself.
var errNoQueue = errors.New("relayserver: client does not take its own GONEs")

// reachedMost bounds how many members are woken together.
const reachedMost = 16

// run is SENDs to one member, one behind the other where they were read. They
// are RECVs already.
type run struct {
	to     *member // who was sent to last
	frames []byte
	count  int
}

// send makes a SEND part of a run, which is passed on when it ends.
func (m *member) send(body []byte) error {
	r, err := relay.ParseRecord(body)
	if err != nil {
		return err
	}
	if m.run.to == nil || m.run.to.addr != r.Peer {
		if err := m.pass(); err != nil {
			return err
		}
		m.run.to = m.room.member(r.Peer)
	}
	if m.ended.has(r.Peer, r.Session) {
		return m.pass() // it was told; what comes still was on its way
	}
	if m.run.to == nil {
		return m.refuse(r, relay.GoneAbsent)
	}
	frame := m.in.Frame()
	relay.Forward(frame, m.addr)
	if m.run.count == 0 {
		m.run.frames = frame[:0]
	}
	m.run.frames = m.run.frames[:len(m.run.frames)+len(frame)]
	m.run.count++
	return nil
}

// pass puts the run into its receiver's queue: all at once if there is room, or
// else record by record.
func (m *member) pass() error {
	frames, count := m.run.frames, m.run.count
	if count == 0 {
		return nil
	}
	m.run.frames, m.run.count = nil, 0
	to := m.run.to
	if to.out.records(frames) {
		m.forwarded(to, count, len(frames)-count*recordHead)
		return nil
	}
	for len(frames) > 0 {
		n := relay.HeaderLen + int(binary.BigEndian.Uint32(frames[1:]))
		if err := m.forward(to.addr, frames[:n]); err != nil {
			return err
		}
		frames = frames[n:]
	}
	return nil
}

// forwarded counts records that went into a queue, and has it emptied.
func (m *member) forwarded(to *member, count, bytes int) {
	m.server.count.records.Add(int64(count))
	m.server.count.bytes.Add(int64(bytes))
	if len(m.reached) >= reachedMost {
		m.wake()
	}
	m.reach(to)
}

// forward passes one RECV on, and tells both ends when that is not possible.
func (m *member) forward(peer relay.Addr, frame []byte) error {
	r, err := relay.ParseRecord(frame[relay.HeaderLen:])
	if err != nil {
		return err
	}
	r.Peer = peer
	if m.ended.has(r.Peer, r.Session) {
		return nil
	}
	m.run.to = m.room.member(peer) // another may sit there now
	to, v := m.run.to, left
	if to != nil {
		v = m.deliver(func() (verdict, <-chan struct{}, time.Duration) { return to.out.record(frame) })
	}
	switch v {
	case taken:
		m.forwarded(to, 1, len(r.Body))
		return nil
	case overflow:
		m.server.count.overflows.Add(1)
		if v, _, _ := to.out.gone(relay.Gone{Peer: m.addr, Session: r.Session, Code: relay.GoneOverflow}); v != taken {
			to.cut()
		}
		to.flush()
		return m.end(r, relay.GoneOverflow)
	default:
		return m.refuse(r, relay.GoneAbsent)
	}
}

// refuse ends a session with a member that is not there.
func (m *member) refuse(r relay.Record, code relay.GoneCode) error {
	m.server.count.absent.Add(1)
	return m.end(r, code)
}

// end tells this member that a session of its has ended.
func (m *member) end(r relay.Record, code relay.GoneCode) error {
	m.ended.add(r.Peer, r.Session)
	v, _, _ := m.out.gone(relay.Gone{Peer: r.Peer, Session: r.Session, Code: code})
	m.startWriter()
	if v != taken {
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
	to.flush()
}

// deliver tries until there is a verdict. While it waits, this member is not
// read: that is what holds it back.
func (m *member) deliver(try func() (verdict, <-chan struct{}, time.Duration)) verdict {
	for {
		v, room, most := try()
		if v != wait {
			return v
		}
		m.wake() // also who is waited for
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
