package relay_test

import (
	"bytes"
	"net"
	"sync"
	"testing"

	"github.com/fernmesh/fernmesh/relay"
	"github.com/fernmesh/fernmesh/sockets"
)

// hub is a station that forwards between the members of a room: the least of a
// relay that carries sessions.
type hub struct {
	*station
	lie func(from relay.Addr) relay.Addr // what it says of a record's origin

	mu      sync.Mutex
	members map[relay.Addr]*seat
	tokens  map[relay.Addr][]byte
	served  sync.WaitGroup
}

// newHub starts forwarding.
func newHub(s *station) *hub {
	h := &hub{
		station: s, members: map[relay.Addr]*seat{}, tokens: map[relay.Addr][]byte{},
		lie: func(from relay.Addr) relay.Addr { return from },
	}
	h.served.Go(func() {
		for {
			k, err := s.welcome()
			if k == nil {
				return // the listener is closed
			}
			if err != nil {
				_ = k.conn.Close()
				continue
			}
			h.served.Go(func() { h.serve(k) })
		}
	})
	return h
}

// close ends all connections and waits.
func (h *hub) close() {
	_ = h.listener.Close()
	h.mu.Lock()
	for _, k := range h.members {
		_ = k.conn.Close()
	}
	h.mu.Unlock()
	h.served.Wait()
}

// startHub is newHub for a test, which it outlives.
func startHub(t testing.TB, s *station) *hub {
	h := newHub(s)
	t.Cleanup(h.close)
	return h
}

func (h *hub) serve(k *seat) {
	h.enter(k)
	for {
		typ, body, err := k.frames.Next(relay.ToRelay)
		if err != nil {
			break
		}
		h.forward(k, typ, body)
	}
	h.leave(k)
	_ = k.conn.Close()
}

// enter tells a member of the others, and them of it.
func (h *hub) enter(k *seat) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for a, other := range h.members {
		if other.room == k.room {
			_ = other.send(relay.AppendUp(nil, k.self))
			_ = k.send(relay.AppendUp(nil, a))
			if token := h.tokens[a]; token != nil {
				_ = k.send(relay.AppendCasted(nil, a, token))
			}
		}
	}
	h.members[k.self] = k
}

func (h *hub) leave(k *seat) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.members, k.self)
	delete(h.tokens, k.self)
	for _, other := range h.members {
		if other.room == k.room {
			_ = other.send(relay.AppendDown(nil, k.self))
		}
	}
}

// forward does what a member's frame asks. It holds no lock while it writes to
// another member, who may be slow.
func (h *hub) forward(k *seat, typ relay.FrameType, body []byte) {
	switch typ {
	case relay.FramePing:
		_ = k.send(relay.AppendPong(nil, relay.Echo(body)))
	case relay.FrameCast:
		h.mu.Lock()
		defer h.mu.Unlock()
		h.tokens[k.self] = bytes.Clone(body)
		for _, other := range h.members {
			if other != k && other.room == k.room {
				_ = other.send(relay.AppendCasted(nil, k.self, body))
			}
		}
	case relay.FrameSend:
		r, _ := relay.ParseRecord(body)
		if to := h.member(k, r.Peer); to != nil {
			_ = to.send(relay.AppendRecv(nil, relay.Record{Peer: h.lie(k.self), Session: r.Session, Body: r.Body}))
			return
		}
		_ = k.send(relay.AppendGone(nil, relay.Gone{Peer: r.Peer, Session: r.Session, Code: relay.GoneAbsent}))
	case relay.FrameGone:
		g, _ := relay.ParseGone(body)
		if to := h.member(k, g.Peer); to != nil {
			_ = to.send(relay.AppendGone(nil, relay.Gone{Peer: h.lie(k.self), Session: g.Session, Code: g.Code}))
		}
	}
}

// member finds a member of k's room.
func (h *hub) member(k *seat, a relay.Addr) *seat {
	h.mu.Lock()
	defer h.mu.Unlock()
	if to := h.members[a]; to != nil && to.room == k.room {
		return to
	}
	return nil
}

// localHub is a hub on the machine's loopback, for benchmarks.
func localHub(b testing.TB) *hub {
	s, err := makeStation(sockets.System(), sockets.System(), "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	s.t = b
	s.authority = s.listener.Addr().(*net.TCPAddr).AddrPort().String()
	return startHub(b, s)
}
