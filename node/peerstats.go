package node

import (
	"sync"
	"time"

	"github.com/fernmesh/fernmesh/node/internal/rpc"
)

// PeerStat is what a node counted of another one since it was made, over all
// links with it that came up, those that have ended included. A peer is known by
// its name, so that the figures go on when it restarts.
type PeerStat struct {
	// Links is how many links with it are open now.
	Links int
	// In is what came from the peer, Out what went to it.
	In, Out MessageCounts
	// UnknownAnswers counts answers from the peer that came to no call: it had
	// ended here, or never was. They are ignored and not in In.Answers.
	UnknownAnswers uint64
}

// MessageCounts counts what passed in one direction.
type MessageCounts struct {
	// Hello counts greetings of the side that made the link, HelloAck those of
	// the side that accepted it.
	Hello, HelloAck uint64
	Ping, Pong      uint64
	// Bye counts partings, ByeAck their acknowledgements.
	Bye, ByeAck uint64
	// Requests counts calls, streams among them; Answers counts values and errors
	// that answered one.
	Requests, Answers uint64
	// Chunks counts the parts of large messages and of streams.
	Chunks uint64
	// Bytes counts sealed bytes, without the two messages that begin a link and
	// without the headers of TCP or a relay.
	Bytes uint64
}

// Served is the view of who serves: requests of every kind as received, answers
// of every kind as sent.
func (s PeerStat) Served() MessageCounts {
	return MessageCounts{
		Hello: s.In.Hello, HelloAck: s.Out.HelloAck,
		Ping: s.In.Ping, Pong: s.Out.Pong,
		Bye: s.In.Bye, ByeAck: s.Out.ByeAck,
		Requests: s.In.Requests, Answers: s.Out.Answers,
	}
}

// OtherPeers is the key of [Node.PeerStats] under which observers, which have no
// name, are counted together, and peers for which Limits.Roster leaves no room.
const OtherPeers = ""

// PeerStats returns the counters of each peer with which there was a link, by
// name. When there are more than Limits.Roster, the one that has been without a
// link for longest is forgotten.
func (n *Node) PeerStats() map[string]PeerStat { return n.peerBook.stats() }

// peerRecord is what is counted of one peer. Its traffic is for the links; the
// rest belongs to the book.
type peerRecord struct {
	traffic rpc.Traffic

	live    map[*session]struct{}
	in, out uint64    // bytes of links that have ended
	ended   time.Time // the last link; of no meaning while there is one
}

// peerBook keeps a record of each peer by name, up to a limit.
type peerBook struct {
	most  int
	count *counters

	mu    sync.Mutex
	all   map[string]*peerRecord
	other *peerRecord
}

func newPeerBook(most int, count *counters) *peerBook {
	return &peerBook{most: most, count: count, all: map[string]*peerRecord{}, other: newPeerRecord()}
}

func newPeerRecord() *peerRecord { return &peerRecord{live: map[*session]struct{}{}} }

// open gives a new session the record of its peer, and counts its greetings.
func (b *peerBook) open(s *session) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s.record = b.of(s.peer.Hello.Name)
	s.record.live[s] = struct{}{}
	s.record.greeted(s.link.Initiator())
}

// greeted counts both sides' HELLO.
func (r *peerRecord) greeted(dialed bool) {
	t := &r.traffic
	if dialed {
		t.Out.Hello.Add(1)
		t.In.HelloAck.Add(1)
	} else {
		t.In.Hello.Add(1)
		t.Out.HelloAck.Add(1)
	}
}

// close takes an ended session off its record.
func (b *peerBook) close(s *session) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := s.record
	in, out := s.link.Bytes()
	r.in, r.out, r.ended = r.in+in, r.out+out, time.Now()
	delete(r.live, s)
}

// of returns the record of a peer, made if need be. Callers hold mu.
func (b *peerBook) of(name string) *peerRecord {
	if name == OtherPeers {
		return b.other
	}
	r := b.all[name]
	if r != nil {
		return r
	}
	if len(b.all) >= b.most && !b.forgetOne() {
		return b.other
	}
	r = newPeerRecord()
	b.all[name] = r
	return r
}

// forgetOne drops the record that has been without a link for longest; false
// when all have one. Callers hold mu.
func (b *peerBook) forgetOne() bool {
	var oldest string
	for name, r := range b.all {
		if len(r.live) == 0 && (oldest == "" || r.ended.Before(b.all[oldest].ended)) {
			oldest = name
		}
	}
	if oldest == "" {
		return false
	}
	delete(b.all, oldest)
	b.count.PeersForgotten.Add(1)
	return true
}

// links is how many are open.
func (b *peerBook) links() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	links := len(b.other.live)
	for _, r := range b.all {
		links += len(r.live)
	}
	return links
}

// stats reads all records; the common one only if it was used.
func (b *peerBook) stats() map[string]PeerStat {
	b.mu.Lock()
	defer b.mu.Unlock()
	stats := make(map[string]PeerStat, len(b.all)+1)
	for name, r := range b.all {
		stats[name] = r.stat()
	}
	if other := b.other.stat(); other != (PeerStat{}) {
		stats[OtherPeers] = other
	}
	return stats
}

// stat reads a record. Callers hold the book's mu.
func (r *peerRecord) stat() PeerStat {
	s := PeerStat{
		Links: len(r.live), In: readMessages(&r.traffic.In), Out: readMessages(&r.traffic.Out),
		UnknownAnswers: r.traffic.Strays.Load(),
	}
	s.In.Bytes, s.Out.Bytes = r.in, r.out
	for l := range r.live {
		in, out := l.link.Bytes()
		s.In.Bytes += in
		s.Out.Bytes += out
	}
	return s
}

func readMessages(m *rpc.Messages) MessageCounts {
	return MessageCounts{
		Hello: m.Hello.Load(), HelloAck: m.HelloAck.Load(), Ping: m.Ping.Load(), Pong: m.Pong.Load(),
		Bye: m.Bye.Load(), ByeAck: m.ByeAck.Load(), Requests: m.Requests.Load(), Answers: m.Answers.Load(),
		Chunks: m.Chunks.Load(),
	}
}
