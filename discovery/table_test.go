package discovery

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/meshtest"
	"github.com/fernmesh/fernmesh/sockets"
)

// An instance keeps the identity that it was first heard with.
func TestInstanceKeepsItsIdentity(t *testing.T) {
	besieged(t, func(t *testing.T, s *siege) {
		a := here("barn", 1, addr("10.1.0.9"))
		s.throw("10.1.0.9:1", forge(s.key, a, crypto.NewIdentity()))
		a.counter, a.port = 2, 666
		s.throw("10.1.0.9:1", forge(s.key, a, crypto.NewIdentity()))
		pass(0)
		if e, _ := s.st.named("barn"); !slices.Equal(dials(e), []netip.AddrPort{addrPort("10.1.0.9:7000")}) {
			t.Errorf("moved to %v", dials(e))
		}
		if n := s.st.Stats().Refused[CauseIdentity]; n != 1 {
			t.Errorf("%d refused for their identity", n)
		}
	})
}

// Somebody who plays back the adverts of a node from before its restart, to
// one who did not hear them then, does not bring the old instance back.
func TestR25_AdvertFromBeforeARestart(t *testing.T) {
	besieged(t, func(t *testing.T, s *siege) {
		id := crypto.NewIdentity()
		old, young := here("barn", 5, addr("10.1.0.9")), here("barn", 1, addr("10.1.0.9"))
		old.instance[0]++
		before := forge(s.key, old, id)
		pass(time.Second)
		s.throw("10.1.0.9:1", forge(s.key, young, id))
		s.throw("10.1.0.9:1", before)
		pass(0)
		if e, _ := s.st.named("barn"); e.Instance != young.instance || len(s.st.Entries()) != 2 {
			t.Errorf("entries: %v", s.st.Entries())
		}
		// Nor does the late goodbye of that instance take the young one along.
		pass(time.Second)
		old.kind, old.counter = kindGoodbye, 6
		s.throw("10.1.0.9:1", forge(s.key, old, id))
		pass(0)
		if e, _ := s.st.named("barn"); e.Instance != young.instance {
			t.Errorf("entries after the goodbye: %v", s.st.Entries())
		}
	})
}

// Unsigned nodes of different names may follow each other on one address.
func TestOtherNameOnTheSameAddress(t *testing.T) {
	besieged(t, func(t *testing.T, s *siege) {
		for _, name := range []string{"barn", "shed"} {
			s.throw("10.1.0.9:1", forge(s.key, here(name, 1, addr("10.1.0.9")), nil))
			pass(time.Millisecond)
		}
		if got := s.st.names(); !slices.Equal(got, []string{"attic", "barn", "shed"}) {
			t.Errorf("kitchen knows %q", got)
		}
	})
}

// A bad member makes up goodbyes, each of which leaves a counter behind.
func TestS4_25_MemoryIsBounded(t *testing.T) {
	inHome(t, func(t *testing.T, w *meshtest.World, lan *meshtest.LAN) {
		s := &siege{w: w, lan: lan, key: schedule(homeKey, "home")}
		s.st = start(t, w.Host("kitchen", lan), "kitchen", func(c *Config) { c.Limits.Remembered = 20 })
		defer s.st.Close()
		pass(time.Second)
		for i := range 50 {
			a := here(fmt.Sprint("node", i), 1, addr("10.1.0.66"))
			a.kind = kindGoodbye
			s.throw("10.1.0.66:1", forge(s.key, a, nil))
			pass(100 * time.Millisecond)
		}
		if st := s.st.Stats(); st.Remembered != 20 || st.Refused[CauseFull] != 30 {
			t.Errorf("remembered %d, refused %v", st.Remembered, st.Refused)
		}
	})
}

// A bad member gives its node ever more addresses.
func TestS4_25_AddressesAreBounded(t *testing.T) {
	besieged(t, func(t *testing.T, s *siege) {
		for i := range 40 {
			from := netip.AddrFrom4([4]byte{10, 1, 0, byte(100 + i)})
			s.throw(netip.AddrPortFrom(from, 1).String(), forge(s.key, here("barn", uint64(i+1), from), nil))
			pass(time.Millisecond)
		}
		e, _ := s.st.named("barn")
		if len(e.Addrs) != maxAddrs || e.Addrs[0].AddrPort.Addr() != addr("10.1.0.139") {
			t.Errorf("%d addresses, the latest %v", len(e.Addrs), e.Addrs)
		}
	})
}

func TestS4_25_SourcesAreBounded(t *testing.T) {
	l := newLimiter(Limits{PerSource: 20, Total: 1_000_000, Sources: 100}.withDefaults())
	now := time.Now()
	for i := range 10_000 {
		l.allow(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), now.Add(time.Duration(i)*100*time.Microsecond))
		if len(l.sources) > 100 {
			t.Fatalf("%d sources are watched", len(l.sources))
		}
	}
}

// A question is answered once, also when a copy of it comes by another of the
// asker's addresses and much later.
func TestR24_QuestionPlayedBackElsewhere(t *testing.T) {
	besieged(t, func(t *testing.T, s *siege) {
		q := here("barn", 1, addr("10.1.0.9"), addr("10.1.0.10"))
		q.kind = kindQuestion
		token := forge(s.key, q, nil)
		s.throw("10.1.0.9:4000", token)
		pass(2 * time.Second)
		if s.sentTo(addr("10.1.0.9")) == 0 {
			t.Fatal("the question was not answered")
		}
		s.throw("10.1.0.10:4000", token)
		pass(time.Second)
		if n := s.sentTo(addr("10.1.0.10")); n != 0 {
			t.Errorf("%d bytes for a question played back", n)
		}
	})
}

// Somebody floods the port in the name of a good node. Its answers still
// come, for they come elsewhere.
func TestR25_FloodInAGoodNodesName(t *testing.T) {
	besieged(t, func(t *testing.T, s *siege) {
		token := forge(schedule(otherKey, "home"), here("evil", 1, addr("10.1.0.66")), nil)
		from := netip.AddrPortFrom(s.atticAt, 4000)
		newcomer := s.w.Host("barn", s.lan)
		s.lan.SetLatency(10 * time.Millisecond) // the flood is there before the answer
		var b *station
		for i := range 10_000 {
			s.throw(from.String(), token)
			pass(100 * time.Microsecond)
			if i == 5000 {
				b = start(t, newcomer, "barn")
				defer b.Close()
			}
		}
		if _, ok := b.named("attic"); !ok {
			t.Errorf("barn knows %q", b.names())
		}
	})
}

// While many sources flood, each as much as one source may, a source that was
// silent is heard at its first word.
func TestR25_FloodFromAHundred(t *testing.T) {
	besieged(t, func(t *testing.T, s *siege) {
		token := forge(schedule(otherKey, "home"), here("evil", 1, addr("10.1.0.66")), nil)
		for i := range 20_000 { // 10,000 per second from 200 addresses
			s.throw(fmt.Sprintf("10.1.0.%d:4000", 50+i%200), token)
			pass(100 * time.Microsecond)
			if i%997 == 996 { // at any phase of the flood
				from := netip.AddrFrom4([4]byte{10, 1, 0, byte(10 + i/997)})
				s.throw(netip.AddrPortFrom(from, 1).String(), forge(s.key, here(fmt.Sprint("barn", i), 1, from), nil))
			}
		}
		pass(0)
		if n := len(s.st.Entries()); n != 21 {
			t.Errorf("%d entries, want 21: %v", n, s.st.Stats().Refused)
		}
		// Under such pressure the steady rounds ask.
		s.forget()
		for i := range 150_000 {
			s.throw(fmt.Sprintf("10.1.0.%d:4000", 50+i%200), token)
			pass(100 * time.Microsecond)
		}
		asked := slices.ContainsFunc(s.captured(), func(p meshtest.Packet) bool {
			return p.From.Addr() == s.at && p.To.Addr() == groupV4 && len(p.Data) >= minQuestion
		})
		if !asked {
			t.Error("no question in 15 s of flood")
		}
	})
}

// With two interfaces, the answer leaves by the one that the question came in
// by; link-local addresses do not tell them apart.
func TestAnswerLeavesByTheRightInterface(t *testing.T) {
	for range 10 { // a wrong choice may be right by chance
		inLAN(t, []string{"fd00:1::/64"}, func(t *testing.T, w *meshtest.World, lan *meshtest.LAN) {
			wing := w.LAN("wing", "fd00:2::/64")
			host := w.Host("kitchen", lan, wing)
			a := start(t, host, "kitchen")
			defer a.Close()
			pass(5 * time.Second)
			ifaces, err := host.Interfaces()
			if err != nil {
				t.Fatal(err)
			}
			for i, l := range []*meshtest.LAN{lan, wing} {
				b := start(t, w.Host(l.Name(), l), l.Name())
				defer b.Close()
				pass(10 * time.Millisecond)
				e, _ := b.named("kitchen")
				n := slices.IndexFunc(ifaces, func(ifc sockets.Interface) bool { return ifc.Name == fmt.Sprint("eth", i) })
				if len(e.Addrs) != 1 || !ifaces[n].Has(e.Addrs[0].AddrPort.Addr()) {
					t.Errorf("%s knows kitchen at %v", l.Name(), dials(e))
				}
			}
		})
	}
}

// News during the questions of the start do not take their place.
func TestNewsAtTheStart(t *testing.T) {
	inHome(t, func(t *testing.T, w *meshtest.World, lan *meshtest.LAN) {
		var questions, others int
		lan.Tap(func(p meshtest.Packet) {
			switch {
			case p.To.Addr() != groupV4:
			case len(p.Data) >= minQuestion:
				questions++
			default:
				others++
			}
		})
		b := start(t, w.Host("attic", lan), "attic")
		defer b.Close()
		pass(100 * time.Millisecond)
		self := b.cfg.Self
		self.Name = "loft"
		if err := b.SetSelf(self); err != nil {
			t.Fatal(err)
		}
		pass(5 * time.Second)
		if questions != 3 || others != 2 {
			t.Errorf("%d questions and %d other adverts, want a burst of 3 questions, and the news at once and after it", questions, others)
		}
	})
}

// A node that closes discovery and opens it again, in the same process and so
// with the same instance, is believed at once.
func TestSameInstanceAgain(t *testing.T) {
	inHome(t, func(t *testing.T, w *meshtest.World, lan *meshtest.LAN) {
		a := start(t, w.Host("kitchen", lan), "kitchen")
		defer a.Close()
		host, self := w.Host("attic", lan), Self{Name: "attic", Instance: crypto.NewInstanceID(), Port: 7000}
		for range 3 {
			b := start(t, host, "attic", func(c *Config) { c.Self = self })
			pass(20 * time.Millisecond)
			if got := a.names(); !slices.Equal(got, []string{"attic"}) {
				t.Errorf("kitchen knows %q", got)
			}
			b.Close()
			pass(time.Second)
		}
	})
}
