package discovery

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/meshtest"
)

// besieged runs a test against the node kitchen, which knows the node attic
// at a fixed address; both have been steady for a while.
func besieged(t *testing.T, test func(t *testing.T, s *siege)) {
	inHome(t, func(t *testing.T, w *meshtest.World, lan *meshtest.LAN) {
		s := &siege{w: w, lan: lan, key: schedule(homeKey, "home")}
		lan.Tap(s.record)
		kitchen, attic := w.Host("kitchen", lan), w.Host("attic", lan)
		s.at, s.atticAt = kitchen.Addr(), attic.Addr()
		s.st = start(t, kitchen, "kitchen")
		defer s.st.Close()
		s.attic = start(t, attic, "attic")
		defer s.attic.Close()
		pass(time.Minute)
		s.st.took()
		s.forget()
		test(t, s)
	})
}

type siege struct {
	w           *meshtest.World
	lan         *meshtest.LAN
	key         *crypto.Schedule
	st, attic   *station
	at, atticAt netip.Addr

	mu   sync.Mutex
	wire []meshtest.Packet // on the LAN since the siege began
}

func (s *siege) record(p meshtest.Packet) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p.Data = bytes.Clone(p.Data)
	s.wire = append(s.wire, p)
}

func (s *siege) captured() []meshtest.Packet {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.wire)
}

func (s *siege) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wire = nil
}

// throw puts a datagram on the LAN, from any address.
func (s *siege) throw(from string, token []byte) {
	s.w.Inject(s.lan, addrPort(from), netip.AddrPortFrom(groupV4, DefaultPort), token)
}

// sentTo counts the bytes that were sent to an address.
func (s *siege) sentTo(a netip.Addr) (n int) {
	for _, p := range s.captured() {
		if p.To.Addr() == a {
			n += len(p.Data)
		}
	}
	return n
}

// advertOf opens the latest advert that an address sent.
func (s *siege) advertOf(t *testing.T, from netip.Addr) (advert, []byte) {
	t.Helper()
	for _, p := range slices.Backward(s.captured()) {
		if p.From.Addr() == from {
			plain, _, ok := newKeyring([]*crypto.Schedule{s.key}).open(p.Data)
			if !ok {
				t.Fatal("an advert cannot be opened")
			}
			a, err := parseAdvert(plain)
			if err != nil {
				t.Fatal(err)
			}
			return a, p.Data
		}
	}
	t.Fatal("no advert")
	return advert{}, nil
}

func TestR25_BadAdvertsChangeNothing(t *testing.T) {
	besieged(t, func(t *testing.T, s *siege) {
		pass(15 * time.Second)
		genuine, token := s.advertOf(t, s.atticAt)
		foreign := crypto.NewIdentity()
		altered := func(f func(*advert)) []byte { a := genuine; f(&a); return forge(s.key, a, nil) }
		flipped := bytes.Clone(token)
		flipped[len(flipped)/2] ^= 1
		evil := "10.1.0.66:4000"
		attic := netip.AddrPortFrom(s.atticAt, 4000).String()
		for name, c := range map[string]struct {
			from  string
			token []byte
			cause Cause
		}{
			"other key":          {evil, forge(schedule(otherKey, "home"), here("evil", 1, addr("10.1.0.66")), nil), CauseToken},
			"other network":      {evil, forge(schedule(homeKey, "work"), here("evil", 1, addr("10.1.0.66")), nil), CauseToken},
			"altered":            {attic, flipped, CauseToken},
			"cut":                {attic, token[:len(token)-4], CauseToken},
			"replayed":           {attic, token, CauseDuplicate},
			"replayed elsewhere": {evil, token, CauseSource},
			"counter back":       {attic, altered(func(a *advert) { a.counter-- }), CauseCounter},
			"foreign IP":         {evil, altered(func(a *advert) { a.counter++ }), CauseSource},
			"stale":              {attic, altered(func(a *advert) { a.counter++; a.millis = time.Now().UnixMilli() - 120_001 }), CauseAge},
			"future":             {attic, altered(func(a *advert) { a.counter++; a.millis = time.Now().UnixMilli() + 120_001 }), CauseAge},
			"time overflow":      {attic, altered(func(a *advert) { a.counter++; a.millis = math.MaxInt64 / 1_000_000 }), CauseAge},
			"other identity":     {attic, forge(s.key, func() advert { a := genuine; a.counter++; return a }(), foreign), CauseIdentity},
			"goodbye elsewhere":  {evil, altered(func(a *advert) { a.counter++; a.kind = kindGoodbye }), CauseSource},
			"unknown kind":       {attic, altered(func(a *advert) { a.counter++; a.kind = 4 }), CauseForm},
			"oversized":          {attic, append(bytes.Clone(token), bytes.Repeat([]byte("A"), 1201-len(token))...), CauseSize},
			"short":              {attic, token[:99], CauseSize},
			"not a token":        {attic, bytes.Repeat([]byte("x"), 300), CauseShape},
			"huge":               {attic, bytes.Repeat([]byte("x"), 60000), CauseSize},
			"empty":              {attic, nil, CauseSize},
		} {
			before, counted := summary(s.st.Entries()), s.st.Stats().Refused
			s.throw(c.from, c.token)
			pass(0)
			if after := summary(s.st.Entries()); after != before {
				t.Errorf("%s: the table changed\nfrom %s\nto   %s", name, before, after)
			}
			now := s.st.Stats().Refused
			if now[c.cause] != counted[c.cause]+1 {
				t.Errorf("%s: not counted as %v: %v then %v", name, c.cause, counted, now)
			}
		}
		if c := s.st.took(); c != nil {
			t.Errorf("changes: %v", c)
		}
	})
}

func TestR25_SignedAdverts(t *testing.T) {
	besieged(t, func(t *testing.T, s *siege) {
		id := crypto.NewIdentity()
		a := here("barn", 1, addr("10.1.0.9"))
		s.throw("10.1.0.9:1", forge(s.key, a, id))
		pass(0)
		if e, ok := s.st.named("barn"); !ok || !e.HasKey || e.NodeKey != id.Public() {
			t.Fatalf("signed advert: %+v", e)
		}
		// A member that poses as the node: its key, but a signature of another.
		a.counter, a.hasKey, a.nodeKey = 2, true, id.Public()
		bad := forge(s.key, a, crypto.NewIdentity())
		plain, _, _ := newKeyring([]*crypto.Schedule{s.key}).open(bad)
		key := id.Public()
		at := bytes.LastIndex(plain, []byte{0xc4, 32}) + 2
		plain = slices.Concat(plain[:at], key[:], plain[at+32:])
		s.throw("10.1.0.9:1", crypto.NewSealer(s.key.AdvertKey()).Seal(nil, plain, time.Now()))
		pass(0)
		if n := s.st.Stats().Refused[CauseSignature]; n != 1 {
			t.Errorf("%d refused for their signature: %v", n, s.st.Stats().Refused)
		}
		// A member that takes over the instance without the key.
		a.hasKey, a.nodeKey, a.port = false, crypto.NodeKey{}, 666
		s.throw("10.1.0.9:1", forge(s.key, a, nil))
		pass(0)
		if e, _ := s.st.named("barn"); len(e.Addrs) != 1 || e.Addrs[0].AddrPort.Port() != 7000 {
			t.Errorf("moved to %v", e.Addrs)
		}
	})
}

// A copy of the same round on another path adds an address; it prolongs
// nothing, however often it is played back.
func TestEqualCounterAddsAnAddress(t *testing.T) {
	besieged(t, func(t *testing.T, s *siege) {
		a := here("barn", 10, addr("10.1.0.9"), addr("10.1.0.10"))
		token := forge(s.key, a, nil)
		s.throw("10.1.0.9:1", token)
		s.throw("10.1.0.10:1", token)
		pass(0)
		e, _ := s.st.named("barn")
		if len(e.Addrs) != 2 {
			t.Fatalf("addresses: %v", e.Addrs)
		}
		for range 36 {
			pass(time.Second)
			s.throw("10.1.0.9:1", token)
			s.throw("10.1.0.10:1", token)
		}
		pass(0)
		if _, ok := s.st.named("barn"); ok {
			t.Error("playing back kept the entry alive")
		}
		pass(time.Second)
		s.throw("10.1.0.9:1", token)
		pass(0)
		if _, ok := s.st.named("barn"); ok {
			t.Error("playing back raised the dead")
		}
	})
}

// The counters of nodes that left are kept longer than their adverts stay
// fresh, and not for ever.
func TestCountersOutliveEntries(t *testing.T) {
	besieged(t, func(t *testing.T, s *siege) {
		a := here("barn", 10, addr("10.1.0.9"))
		a.millis = time.Now().Add(119 * time.Second).UnixMilli() // a clock ahead
		token := forge(s.key, a, nil)
		bye := a
		bye.counter, bye.kind = 11, kindGoodbye
		s.throw("10.1.0.9:1", token)
		s.throw("10.1.0.9:1", forge(s.key, bye, nil))
		for range 239 {
			pass(time.Second)
			s.throw("10.1.0.9:1", token)
		}
		pass(0)
		if _, ok := s.st.named("barn"); ok {
			t.Error("an advert from before the goodbye was believed")
		}
		pass(time.Minute)
		if n := s.st.Stats().Remembered; n != 1 {
			t.Errorf("%d instances remembered, want attic alone", n)
		}
	})
}

func TestR24_QuestionFromSpoofedSource(t *testing.T) {
	besieged(t, func(t *testing.T, s *siege) {
		victim := addr("10.1.0.66")
		q := here("", 1, addr("10.1.0.9"))
		q.kind, q.port, q.name = kindQuestion, 0, ""
		for i := range 1000 {
			q.counter = uint64(i + 1)
			s.throw("10.1.0.66:53", forge(s.key, q, nil))               // not the asker's address
			s.throw("10.1.0.66:53", bytes.Repeat([]byte("gAAAAA"), 50)) // no question at all
			pass(100 * time.Millisecond)
		}
		if n := s.sentTo(victim); n != 0 {
			t.Errorf("%d bytes sent to a spoofed address", n)
		}
	})
}

func TestR24_Answers(t *testing.T) {
	besieged(t, func(t *testing.T, s *siege) {
		asker := addr("10.1.0.9")
		q := here("", 1, asker)
		q.kind, q.port, q.name = kindQuestion, 0, ""
		ask := func(short bool) {
			token := forge(s.key, q, nil)
			if short { // a question without its filler
				token = crypto.NewSealer(s.key.AdvertKey()).Seal(nil, shorten(q), time.Now())
			}
			s.throw("10.1.0.9:4000", token)
			pass(10 * time.Millisecond)
		}
		nodes := 2 // kitchen and attic both answer
		ask(false)
		size := s.sentTo(asker)
		if size == 0 || size > nodes*maxAnswer {
			t.Fatalf("%d bytes answered", size)
		}
		for _, p := range s.captured() {
			if p.To.Addr() == asker && (p.To.Port() != 4000 || p.From.Port() == DefaultPort) {
				t.Errorf("the answer went from %v to %v", p.From, p.To)
			}
		}
		for range 90 { // within a second
			q.counter++
			ask(false)
		}
		if got := s.sentTo(asker); got != size {
			t.Errorf("answered again within a second: %d bytes", got)
		}
		pass(time.Second)
		ask(false) // the last question played back
		if got := s.sentTo(asker); got != size {
			t.Errorf("an old question was answered: %d bytes", got)
		}
		q.counter++
		ask(true)
		if got := s.sentTo(asker); got != size {
			t.Errorf("a short question was answered: %d bytes", got)
		}
		q.counter++
		pass(time.Second)
		ask(false)
		if got := s.sentTo(asker); got != 2*size {
			t.Errorf("a new question after a second: %d bytes, want %d", got, 2*size)
		}
	})
}

// shorten encodes a question without filler.
func shorten(a advert) []byte {
	a.kind, a.millis = kindHere, time.Now().UnixMilli()
	plain := a.append(nil, nil)
	return bytes.Replace(plain, []byte{1, 1, 0xc4, 16}, []byte{1, 3, 0xc4, 16}, 1)
}

func TestRelaxSource(t *testing.T) {
	inHome(t, func(t *testing.T, w *meshtest.World, lan *meshtest.LAN) {
		s := &siege{w: w, lan: lan, key: schedule(homeKey, "home")}
		lan.Tap(s.record)
		s.st = start(t, w.Host("kitchen", lan), "kitchen", func(c *Config) { c.RelaxSource = true })
		defer s.st.Close()
		pass(time.Second)
		q := here("barn", 1, addr("192.168.7.7"))
		q.kind = kindQuestion
		s.throw("10.1.0.9:1", forge(s.key, q, nil))
		pass(0)
		if e, ok := s.st.named("barn"); !ok || e.Addrs[0].AddrPort != addrPort("10.1.0.9:7000") || !e.Asked {
			t.Errorf("behind a NAT: %+v", e)
		}
		if n := s.sentTo(addr("10.1.0.9")); n != 0 {
			t.Errorf("%d bytes answered to a source that may be spoofed", n)
		}
	})
}

func TestR25_FloodFromOneSource(t *testing.T) {
	besieged(t, func(t *testing.T, s *siege) {
		good := s.w.Host("barn", s.lan)
		token := forge(schedule(otherKey, "home"), here("evil", 1, addr("10.1.0.66")), nil)
		before := s.st.Stats()
		for i := range 5000 { // 5,000 per second
			s.throw("10.1.0.66:4000", token)
			pass(200 * time.Microsecond)
			if i == 2500 {
				b := start(t, good, "barn")
				defer b.Close()
			}
		}
		st := s.st.Stats()
		if n := st.Refused[CauseToken] - before.Refused[CauseToken]; n > 45 {
			t.Errorf("%d of 5,000 datagrams came to the cryptography", n)
		}
		if _, ok := s.st.named("barn"); !ok {
			t.Error("the newcomer was not found during the flood")
		}
	})
}

func TestR25_FloodFromEverywhere(t *testing.T) {
	besieged(t, func(t *testing.T, s *siege) {
		heap := liveHeap()
		good := s.w.Host("barn", s.lan)
		token := forge(schedule(otherKey, "home"), here("evil", 1, addr("10.1.0.66")), nil)
		before := s.st.Stats()
		var found time.Duration
		var b *station
		for i := range 100_000 { // 10,000 per second from 65,536 addresses
			s.throw(fmt.Sprintf("10.%d.%d.7:4000", i>>8&255, i&255), token)
			if i%10 == 0 {
				pass(time.Millisecond)
			}
			switch {
			case i == 10_000:
				b = start(t, good, "barn")
				defer b.Close()
			case b != nil && found == 0:
				_, knows := s.st.named("barn")
				_, known := b.named("kitchen")
				if knows && known {
					found = time.Duration(i-10_000) * 100 * time.Microsecond
				}
			}
		}
		st := s.st.Stats()
		if n := st.Refused[CauseToken] - before.Refused[CauseToken]; n > 22_000 {
			t.Errorf("%d datagrams in 10 s came to the cryptography", n)
		}
		if st.Refused[CauseTotalRate] == 0 {
			t.Error("the total limit did not bite")
		}
		if found == 0 {
			t.Error("the newcomer was not found during the flood")
		}
		t.Logf("found after %v; %d refused by the total rate", found, st.Refused[CauseTotalRate])
		s.forget()
		if grown := liveHeap() - heap; grown > 4<<20 {
			t.Errorf("the heap grew by %d bytes", grown)
		}
	})
}

func liveHeap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// A bad member makes up nodes.
func TestS4_25_TableIsBounded(t *testing.T) {
	inHome(t, func(t *testing.T, w *meshtest.World, lan *meshtest.LAN) {
		s := &siege{w: w, lan: lan, key: schedule(homeKey, "home")}
		s.st = start(t, w.Host("kitchen", lan), "kitchen", func(c *Config) {
			c.Limits = Limits{Table: 50, Remembered: 80, Observers: 20}
		})
		defer s.st.Close()
		pass(time.Second)
		for i := range 200 {
			a := here(fmt.Sprintf("node%d", i), 1, addr("10.1.0.66"))
			a.port = uint16(1000 + i)
			s.throw("10.1.0.66:1", forge(s.key, a, nil))
			if i%2 == 0 { // and observers
				q := a
				q.instance[15]++
				q.kind, q.name = kindQuestion, ""
				s.throw("10.1.0.66:1", forge(s.key, q, nil))
			}
			pass(150 * time.Millisecond)
		}
		st := s.st.Stats()
		if st.Entries != 50 || st.Remembered > 100 || st.Refused[CauseFull] != 150 {
			t.Errorf("entries %d, remembered %d, refused %v", st.Entries, st.Remembered, st.Refused)
		}
		pass(10 * time.Minute)
		if st := s.st.Stats(); st.Entries != 0 || st.Remembered != 0 {
			t.Errorf("left over: entries %d, remembered %d", st.Entries, st.Remembered)
		}
	})
}

func TestR38_SkewIsReported(t *testing.T) {
	besieged(t, func(t *testing.T, s *siege) {
		for i := range 100 {
			a := here("barn", uint64(i+1), addr("10.1.0.9"))
			a.millis = time.Now().Add(-10 * time.Minute).UnixMilli()
			s.throw("10.1.0.9:1", forge(s.key, a, nil))
			a.instance[15]++
			s.throw("10.1.0.66:1", forge(s.key, a, nil)) // an old one, played back
			pass(time.Second)
		}
		if _, ok := s.st.named("barn"); ok {
			t.Error("listed")
		}
		r := s.st.told()
		if len(r) != 2 || r[0].Kind != ClockSkew || r[0].Name != "barn" || r[0].Offset.Round(time.Second) != -10*time.Minute {
			t.Errorf("reports: %v", r)
		}
	})
}

func TestR38_SkewWithinTolerance(t *testing.T) {
	besieged(t, func(t *testing.T, s *siege) {
		for i, off := range []time.Duration{-119 * time.Second, 61 * time.Second, 119 * time.Second} {
			a := here(fmt.Sprint("barn", i), 1, addr("10.1.0.9"))
			a.port += uint16(i)
			a.millis = time.Now().Add(off).UnixMilli()
			s.throw("10.1.0.9:1", forge(s.key, a, nil))
		}
		pass(0)
		if got := len(s.st.Entries()); got != 4 {
			t.Errorf("%d entries, want 4: %v", got, s.st.Stats().Refused)
		}
	})
}

// PeerBase 0.7.1 stopped discovering for good after any of the first three.
func TestPeerBaseKillerDatagrams(t *testing.T) {
	besieged(t, func(t *testing.T, s *siege) {
		datagrams := [][]byte{
			[]byte("vecnet.zz|1.2.3.4:notaport"), {0xff, 0xfe, 0x80}, []byte("\xed\xa0\x80"),
			nil, bytes.Repeat([]byte{0}, 65507),
		}
		for _, a := range peerbaseAdverts(t) {
			datagrams = append(datagrams, []byte(a))
		}
		for _, d := range datagrams {
			s.throw("10.1.0.66:1001", d)
			pass(time.Millisecond)
		}
		barn := start(t, s.w.Host("barn", s.lan), "barn")
		defer barn.Close()
		pass(10 * time.Millisecond)
		if got := s.st.names(); !slices.Equal(got, []string{"attic", "barn"}) {
			t.Errorf("kitchen knows %q", got)
		}
		s.attic.Close()
		pass(0)
		if got := s.st.names(); !slices.Equal(got, []string{"barn"}) {
			t.Errorf("after a goodbye kitchen knows %q", got)
		}
	})
}

func peerbaseAdverts(t *testing.T) (adverts []string) {
	t.Helper()
	text, err := os.ReadFile("testdata/peerbase-adverts.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &adverts); err != nil || len(adverts) == 0 {
		t.Fatal("no adverts in testdata", err)
	}
	return adverts
}
