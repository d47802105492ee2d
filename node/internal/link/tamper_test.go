package link_test

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/fernmesh/fernmesh/internal/wire"
	"github.com/fernmesh/fernmesh/node/internal/link"
)

// seeded is a small random generator (splitmix64), so that every case can be
// run again.
type seeded uint64

func (s *seeded) below(n int) int {
	*s += 0x9e3779b97f4a7c15
	z := uint64(*s)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return int((z ^ z>>31) % uint64(n))
}

// tapped is a carrier whose records a test may capture, hold and inject on the
// way to the reader.
type tapped struct {
	link.Carrier
	mu       sync.Mutex
	captured [][]byte // all records that were written, msg1 or msg2 first
	hold     bool     // records are captured only
	inject   func(body []byte) error
}

func tap(c *memConn) *tapped {
	s := link.Stream(c)
	return &tapped{Carrier: s, inject: s.WriteRecord}
}

func (p *tapped) WriteRecord(body []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.captured = append(p.captured, append([]byte(nil), body...))
	if p.hold {
		return nil
	}
	return p.inject(body)
}

func (p *tapped) setHold(hold bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hold = hold
}

// session is an open link whose two carriers are tapped.
type session struct {
	bulk       bool // every other message goes in a bulk frame
	i, r       *link.Link
	iTap, rTap *tapped
	atI, atR   <-chan string
	sentI      []string // messages the initiator sent, as delivered
	sentR      []string
}

func newSession(t testing.TB, rekey uint64, bulk bool) *session {
	t.Helper()
	a, b := memPipe()
	s := &session{bulk: bulk, iTap: tap(a), rTap: tap(b)}
	dialler, acceptor := config("alice"), config("bob")
	dialler.Rekey.Frames, acceptor.Rekey.Frames = rekey, rekey
	dialler.BulkCipher, acceptor.BulkCipher = bulk, bulk
	s.i, s.r = pairOver(t, s.iTap, s.rTap, dialler, acceptor)
	s.atI, s.atR = collect(s.i), collect(s.r)
	return s
}

func (s *session) close() {
	s.i.Close(nil)
	s.r.Close(nil)
	for range s.atI { // until its reader has ended
	}
	for range s.atR {
	}
}

// send sends a message from one side as a frame of its own and notes it.
func (s *session) send(t testing.TB, fromInitiator bool) {
	t.Helper()
	l, sent := s.i, &s.sentI
	if !fromInitiator {
		l, sent = s.r, &s.sentR
	}
	kind, body := wire.TypeGossip, fmt.Sprintf("%p %d", sent, len(*sent))
	if s.bulk && len(*sent)%2 == 0 {
		kind, body = wire.TypeChunk, body+strings.Repeat(".", 5000)
	}
	must(t, l.Post(kind, []byte(body)))
	l.Flush()
	must(t, l.Drain(context.Background()))
	*sent = append(*sent, kind.String()+" "+body)
}

// attack injects into s, towards the responder or the initiator, what nobody
// sent, and returns what it did. other is a second session between nodes with
// the same keys.
func attack(t testing.TB, rng *seeded, s, other *session, toResponder bool) string {
	forward, back := s.iTap, s.rTap // the victim reads what forward carries
	if !toResponder {
		forward, back = back, forward
	}
	pick := func(p *tapped) []byte { return p.captured[rng.below(len(p.captured))] }
	last := forward.captured[len(forward.captured)-1]
	next := func() []byte { // a frame that is sent but held back
		forward.setHold(true)
		s.send(t, toResponder)
		return forward.captured[len(forward.captured)-1]
	}
	switch rng.below(10) {
	case 0:
		return inject(forward, "duplicate of the last frame", last)
	case 1:
		return inject(forward, "replay of an earlier record", pick(forward))
	case 2:
		return inject(forward, "reflection of the victim's own record", pick(back))
	case 3:
		return inject(forward, "splice from another session", pick(other.iTap))
	case 4:
		return inject(forward, "splice from another session's other direction", pick(other.rTap))
	case 5: // dropped, and the one after it delivered
		next()
		return inject(forward, "a frame after a dropped one", next())
	case 6:
		first := next()
		second := next()
		return inject(forward, "two frames in the wrong order", second, first)
	case 7:
		flipped := append([]byte(nil), next()...)
		flipped[rng.below(len(flipped))] ^= 1 << rng.below(8)
		return inject(forward, "a frame with a flipped bit", flipped)
	case 8:
		other := append([]byte(nil), next()...)
		other[0] ^= 'g' ^ 0x01 // a token becomes a bulk frame, a bulk frame a token
		return inject(forward, "a frame that claims to be of the other kind", other)
	default:
		whole := next()
		return inject(forward, "a frame cut short", whole[:1+rng.below(len(whole)-1)])
	}
}

func inject(p *tapped, what string, records ...[]byte) string {
	for _, body := range records {
		_ = p.inject(body) // the victim may have hung up after the first
	}
	return what
}

// delivered returns all that came out of a channel, which ends with its link.
func delivered(ch <-chan string) (got []string) {
	for m := range ch {
		got = append(got, m)
	}
	return got
}

// TestR12_NothingInjectedIsDelivered runs seeded attacks on sessions that have
// carried some frames, with and without new keys in between. What the victim
// delivers must be a beginning of what its peer sent, the session must end, and
// for the right cause.
func TestR12_NothingInjectedIsDelivered(t *testing.T) {
	t.Run("tokens", func(t *testing.T) { r12(t, false) })
	t.Run("tokens and bulk frames", func(t *testing.T) { r12(t, true) })
}

func r12(t *testing.T, bulk bool) {
	cases := 500
	if *long {
		cases = 10_000
	}
	seen := make(map[string]int)
	for seed := range cases {
		what := r12Case(t, uint64(seed), bulk)
		seen[what]++
		if t.Failed() {
			t.Fatalf("seed %d: %s", seed, what)
		}
	}
	if len(seen) != 10 {
		t.Errorf("not every attack was tried: %v", seen)
	}
}

func r12Case(t *testing.T, seed uint64, bulk bool) string {
	rng := seeded(seed)
	rekey := uint64(1 + rng.below(4)) // new keys after so many frames
	if bulk {
		rekey += 2 // the frame that ends an epoch is no bulk frame
	}
	s, other := newSession(t, rekey, bulk), newSession(t, rekey, bulk)
	defer other.close()
	for range 1 + rng.below(8) {
		s.send(t, rng.below(2) == 0)
		other.send(t, rng.below(2) == 0)
	}
	toResponder := rng.below(2) == 0
	victim, ch, honest := s.r, s.atR, s.sentI
	if !toResponder {
		victim, ch, honest = s.i, s.atI, s.sentR
	}
	what := attack(t, &rng, s, other, toResponder)
	<-victim.Done()
	got := delivered(ch)
	if len(got) != len(honest) {
		t.Errorf("delivered %d messages, %d were sent before the attack", len(got), len(honest))
	}
	for n := range min(len(got), len(honest)) {
		if got[n] != honest[n] {
			t.Errorf("delivered %q, want %q", got[n], honest[n])
		}
	}
	var cause *link.Error
	if err := victim.Err(); !asError(err, &cause) || cause.Cause != link.CauseToken && cause.Cause != link.CauseSequence {
		t.Errorf("ended for %v", err)
	}
	s.close()
	return what
}

func TestR12_AfterRekeyTheOldKeyOpensNothing(t *testing.T) {
	s := newSession(t, 1, false) // a new key after every frame
	s.send(t, true)
	old := s.iTap.captured[len(s.iTap.captured)-1]
	s.send(t, true)
	must(t, s.iTap.inject(old))
	<-s.r.Done()
	causeIs(t, s.r.Err(), link.CauseToken)
	s.close()
}

func TestR12_SameKeyEarlierSequenceIsRefusedBySequence(t *testing.T) {
	s := newSession(t, 0, false)
	s.send(t, true)
	must(t, s.iTap.inject(s.iTap.captured[len(s.iTap.captured)-1]))
	<-s.r.Done()
	causeIs(t, s.r.Err(), link.CauseSequence)
	s.close()
}

// TestR29_FirstBadTokenEndsTheSession also checks that nothing is sent back.
func TestR29_FirstBadTokenEndsTheSession(t *testing.T) {
	a, b := memPipe()
	cfg := config("bob")
	i, r := pairOver(t, link.Stream(a), link.Stream(b), config("alice"), cfg)
	atR := collect(r)
	before := b.sent()
	must(t, link.Stream(a).WriteRecord(make([]byte, 1024)))
	<-r.Done()
	causeIs(t, r.Err(), link.CauseToken)
	if b.sent() != before || cfg.Counters.Ended(link.CauseToken) != 1 {
		t.Errorf("answered %d bytes; counters %v", b.sent()-before, cfg.Counters.Snapshot())
	}
	if _, err := a.Read(make([]byte, 1)); err == nil {
		_, err = io.Copy(io.Discard, a)
		must(t, err)
	}
	i.Close(nil)
	r.Close(nil)
	for range atR {
	}
}
