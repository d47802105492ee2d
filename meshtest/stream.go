package meshtest

import (
	"bytes"
	"syscall"
	"time"
)

const (
	// window bounds the bytes that were written and not yet read.
	window = 64 << 10

	// retransmit is how late a lost piece of a stream comes, doubled for each
	// further loss of it.
	retransmit = 200 * time.Millisecond
)

// link is a TCP connection: its two ends and the streams between them.
type link struct {
	w              *World
	lan            *LAN // nil within a host
	client, server *endpoint
}

// stream is one direction of a link.
type stream struct {
	link     *link
	from, to *endpoint

	flight []segment // sent, not arrived
	ready  bytes.Buffer
	held   int // bytes in flight and ready
	ended  bool
}

// segment is a piece of a stream on its way: bytes, an end or a reset.
type segment struct {
	due  time.Time
	data []byte
	end  bool
	rst  bool
}

// send puts a segment on its way, behind those sent before.
func (s *stream) send(g segment) {
	w, lan := s.link.w, s.link.lan
	if len(g.data) > 0 {
		var ok bool
		if g.data, ok = w.pass(lan, true, s.from.local, s.to.local, g.data); !ok {
			return
		}
	}
	d := lan.delay()
	for again := retransmit; lan.loses() && again < time.Minute; again *= 2 {
		d += again
	}
	g.due = time.Now().Add(d)
	s.held += len(g.data)
	s.flight = append(s.flight, g)
	w.after(time.Until(g.due), s.advance)
}

// advance lets arrive what is due, as far as the way is open. A late segment
// holds up those behind it.
func (s *stream) advance() {
	for len(s.flight) > 0 && !s.flight[0].due.After(time.Now()) {
		if !s.link.w.carries(s.link.lan, s.from.host, s.from.local.Addr(), s.to.host, s.to.local.Addr()) {
			return // it waits for the way to open
		}
		g := s.flight[0]
		s.flight = s.flight[1:]
		s.arrive(g)
	}
}

func (s *stream) arrive(g segment) {
	to := s.to
	switch {
	case g.rst:
		to.fail(syscall.ECONNRESET)
	case to.closed || to.err != nil:
		// Nobody reads this any more; the kernel says so, once.
		s.held -= len(g.data)
		if len(g.data) > 0 || to.killed {
			to.refuse()
		}
	case g.end:
		s.ended = true
		to.readable.Broadcast()
	default:
		s.ready.Write(g.data)
		to.readable.Broadcast()
	}
}

// drop forgets what is on the way and unread.
func (s *stream) drop() {
	s.flight, s.held = nil, 0
	s.ready = bytes.Buffer{}
}

// joins tells whether the link is between two hosts.
func (l *link) joins(a, b *Host) bool {
	return l.client.host == a && l.server.host == b || l.client.host == b && l.server.host == a
}

// reset ends the link for both ends at once.
func (l *link) reset() {
	l.client.fail(syscall.ECONNRESET)
	l.server.fail(syscall.ECONNRESET)
}

// kill ends the link's ends on a host without telling the other end.
func (l *link) kill(h *Host) {
	for _, e := range []*endpoint{l.client, l.server} {
		if e.host == h && !e.closed {
			e.closed, e.killed = true, true
			e.out.drop()
			e.in.ready = bytes.Buffer{}
			e.wake()
		}
	}
	l.forget()
}

// forget drops the link when both ends are done with it.
func (l *link) forget() {
	if l.client.closed && l.server.closed {
		delete(l.w.links, l)
	}
}
