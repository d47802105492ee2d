package discovery

import (
	"slices"
	"testing"
	"time"

	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/meshtest"
)

func TestS4_22_FindEachOther(t *testing.T) {
	for name, prefixes := range map[string][]string{
		"IPv4": {"10.1.0.0/24"}, "IPv6 only": {"fd00:1::/64"}, "both": {"10.1.0.0/24", "fd00:1::/64"},
	} {
		t.Run(name, func(t *testing.T) {
			inLAN(t, prefixes, func(t *testing.T, w *meshtest.World, lan *meshtest.LAN) {
				lan.SetLatency(2 * time.Millisecond)
				a := start(t, w.Host("kitchen", lan), "kitchen")
				defer a.Close()
				pass(time.Minute) // long after its burst: the newcomer has to ask
				b := start(t, w.Host("attic", lan), "attic")
				defer b.Close()
				pass(10 * time.Millisecond)
				if got := a.names(); !slices.Equal(got, []string{"attic"}) {
					t.Errorf("kitchen knows %q", got)
				}
				if got := b.names(); !slices.Equal(got, []string{"kitchen"}) {
					t.Errorf("attic knows %q", got)
				}
			})
		})
	}
}

// The address is usable only 2.1 s after the interface came up, as duplicate
// address detection wants it.
func TestS4_22_TentativeAddress(t *testing.T) {
	inLAN(t, []string{"fd00:1::/64"}, func(t *testing.T, w *meshtest.World, lan *meshtest.LAN) {
		a := start(t, w.Host("kitchen", lan), "kitchen")
		defer a.Close()
		pass(time.Minute)
		lan.SetTentative(2100 * time.Millisecond)
		b := start(t, w.Host("attic", lan), "attic")
		defer b.Close()
		pass(2 * time.Second)
		if got := b.names(); got != nil {
			t.Fatalf("found %q before the address was usable", got)
		}
		pass(400 * time.Millisecond)
		if got := b.names(); !slices.Equal(got, []string{"kitchen"}) {
			t.Errorf("attic knows %q", got)
		}
		if got := b.told(); got != nil {
			t.Errorf("a tentative address was reported: %v", got)
		}
	})
}

func TestS4_22_LossyLAN(t *testing.T) {
	inHome(t, func(t *testing.T, w *meshtest.World, lan *meshtest.LAN) {
		lan.SetLoss(0.3)
		found := 0
		one, two := w.Host("one", lan), w.Host("two", lan)
		for range 20 {
			a, b := start(t, one, "kitchen"), start(t, two, "attic")
			pass(2 * time.Second)
			if len(a.Entries()) > 0 && len(b.Entries()) > 0 {
				found++
			}
			a.Close()
			b.Close()
			pass(5 * time.Minute)
		}
		if found < 19 { // 95 % within 2 s
			t.Errorf("%d of 20 pairs found each other", found)
		}
	})
}

func TestS4_24_Goodbye(t *testing.T) {
	inHome(t, func(t *testing.T, w *meshtest.World, lan *meshtest.LAN) {
		a := start(t, w.Host("kitchen", lan), "kitchen")
		defer a.Close()
		b := start(t, w.Host("attic", lan), "attic")
		pass(time.Second)
		a.took()
		b.Close()
		pass(0)
		if got := a.Entries(); len(got) != 0 {
			t.Errorf("still listed: %v", got)
		}
		if c := a.took(); len(c) != 1 || c[0].Kind != Removed || c[0].Why != ReasonGoodbye || c[0].Entry.Name != "attic" {
			t.Errorf("changes: %v", c)
		}
	})
}

func TestS4_24_KilledNodeExpires(t *testing.T) {
	inHome(t, func(t *testing.T, w *meshtest.World, lan *meshtest.LAN) {
		a := start(t, w.Host("kitchen", lan), "kitchen")
		defer a.Close()
		host := w.Host("attic", lan)
		b := start(t, host, "attic")
		pass(time.Minute)
		host.Crash()
		heard, _ := a.named("attic")
		pass(time.Until(heard.LastSeen.Add(36*time.Second)) - time.Millisecond)
		if _, ok := a.named("attic"); !ok {
			t.Error("gone before 36 s of silence")
		}
		pass(2 * time.Millisecond)
		if _, ok := a.named("attic"); ok {
			t.Error("still there after 36 s of silence")
		}
		if c := a.took(); len(c) == 0 || c[len(c)-1].Why != ReasonExpired {
			t.Errorf("changes: %v", c)
		}
		b.Close()
	})
}

func TestS4_24_RestartReplaces(t *testing.T) {
	id := crypto.NewIdentity()
	keyed := func(c *Config) { c.Self.Identity = id }
	port := func(p uint16) func(*Config) { return func(c *Config) { c.Self.Port = p } }
	for name, test := range map[string]struct {
		first, second []func(*Config)
		want          int
	}{
		"same node key, other port":       {[]func(*Config){keyed}, []func(*Config){keyed, port(7001)}, 1},
		"same name and address":           {nil, nil, 1},
		"same name, other port, no key":   {nil, []func(*Config){port(7001)}, 2},
		"an unsigned one after a signed":  {[]func(*Config){keyed}, nil, 2},
		"a signed one after an unsigned":  {nil, []func(*Config){keyed}, 1},
		"same name, two identities":       {[]func(*Config){keyed}, []func(*Config){func(c *Config) { c.Self.Identity = crypto.NewIdentity() }}, 2},
		"same node key, nothing else new": {[]func(*Config){keyed}, []func(*Config){keyed}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			inHome(t, func(t *testing.T, w *meshtest.World, lan *meshtest.LAN) {
				a := start(t, w.Host("kitchen", lan), "kitchen")
				defer a.Close()
				host := w.Host("attic", lan)
				b := start(t, host, "attic", test.first...)
				pass(5 * time.Second)
				host.Crash() // no goodbye
				b.Close()
				host.Up()
				c := start(t, host, "attic", test.second...)
				defer c.Close()
				pass(10 * time.Millisecond)
				got := a.Entries()
				if len(got) != test.want {
					t.Errorf("%d entries, want %d: %v", len(got), test.want, got)
				}
				if !slices.ContainsFunc(got, func(e Entry) bool { return e.Instance == c.cfg.Self.Instance }) {
					t.Error("the new instance is missing")
				}
			})
		})
	}
}

// A process that overlaps with its successor leaves without taking it along.
func TestOverlappingRestart(t *testing.T) {
	inHome(t, func(t *testing.T, w *meshtest.World, lan *meshtest.LAN) {
		id := crypto.NewIdentity()
		keyed := func(c *Config) { c.Self.Identity = id }
		host := w.Host("attic", lan)
		old := start(t, host, "attic", keyed)
		pass(5 * time.Second)
		young := start(t, host, "attic", keyed, func(c *Config) { c.Self.Port = 7001 })
		defer young.Close()
		pass(time.Second)
		a := start(t, w.Host("kitchen", lan), "kitchen") // hears both, in any order
		defer a.Close()
		pass(15 * time.Second)
		old.Close()
		pass(15 * time.Second)
		if got := a.Entries(); len(got) != 1 || got[0].Instance != young.cfg.Self.Instance {
			t.Errorf("entries: %v", got)
		}
	})
}

func TestS4_24_SteadyRate(t *testing.T) {
	inLAN(t, []string{"10.1.0.0/24", "fd00:1::/64"}, func(t *testing.T, w *meshtest.World, lan *meshtest.LAN) {
		a := start(t, w.Host("kitchen", lan), "kitchen")
		defer a.Close()
		b := start(t, w.Host("attic", lan), "attic")
		defer b.Close()
		pass(10 * time.Second)
		var times []time.Time
		from := a.cfg.Net.(*meshtest.Host).Addr()
		sent := make(map[string]int)
		lan.Tap(func(p meshtest.Packet) {
			if p.From.Addr() == from && p.To.Addr() == groupV4 {
				times = append(times, p.At)
			}
			sent[p.To.Addr().WithZone("").String()]++
		})
		pass(2000 * time.Second)
		if n := len(times); n < 190 || n > 210 {
			t.Errorf("%d rounds in 2,000 s, want one per 10 s", n)
		}
		for i := 1; i < len(times); i++ {
			if d := times[i].Sub(times[i-1]); d < 8*time.Second || d > 12*time.Second {
				t.Fatalf("%v between two rounds", d)
			}
		}
		for to := range sent {
			if to != groupV4.String() && to != groupV6.String() && to != "10.1.0.255" {
				t.Errorf("sent to %s in steady state", to)
			}
		}
		if len(a.Entries()) != 1 {
			t.Errorf("entries: %v", a.Entries())
		}
	})
}

func TestInterfaceChangeAnnouncesAnew(t *testing.T) {
	inHome(t, func(t *testing.T, w *meshtest.World, lan *meshtest.LAN) {
		wing := w.LAN("wing", "10.2.0.0/24")
		host := w.Host("kitchen", lan)
		a := start(t, host, "kitchen")
		defer a.Close()
		b := start(t, w.Host("barn", wing), "barn")
		defer b.Close()
		pass(time.Minute)
		host.AddInterface(wing)
		pass(2500 * time.Millisecond) // one look at the interfaces, then milliseconds
		if got := a.names(); !slices.Equal(got, []string{"barn"}) {
			t.Errorf("kitchen knows %q", got)
		}
		if got := b.names(); !slices.Equal(got, []string{"kitchen"}) {
			t.Errorf("barn knows %q", got)
		}
		host.Renumber(wing)
		pass(2500 * time.Millisecond)
		e, _ := b.named("kitchen")
		if len(e.Addrs) != 2 || !slices.Contains(host.Addrs(), e.Addrs[0].AddrPort.Addr()) {
			t.Errorf("after a new address: %v", e.Addrs)
		}
		pass(36 * time.Second)
		if e, _ := b.named("kitchen"); len(e.Addrs) != 1 {
			t.Errorf("the old address stays: %v", e.Addrs)
		}
		host.RemoveInterface(wing)
		pass(40 * time.Second)
		if got := b.names(); got != nil {
			t.Errorf("barn still knows %q", got)
		}
	})
}

func TestSleepAndWake(t *testing.T) {
	inHome(t, func(t *testing.T, w *meshtest.World, lan *meshtest.LAN) {
		host := w.Host("kitchen", lan)
		a := start(t, host, "kitchen")
		defer a.Close()
		b := start(t, w.Host("attic", lan), "attic")
		defer b.Close()
		pass(time.Second)
		host.Down()
		pass(time.Minute)
		if a.names() != nil || b.names() != nil {
			t.Errorf("still known while down: %q %q", a.names(), b.names())
		}
		host.Up()
		pass(2500 * time.Millisecond)
		if len(a.names()) != 1 || len(b.names()) != 1 {
			t.Errorf("not found after coming up: %q %q", a.names(), b.names())
		}
	})
}

func TestS4_23_OtherNetworkOrKey(t *testing.T) {
	inHome(t, func(t *testing.T, w *meshtest.World, lan *meshtest.LAN) {
		var seen []byte
		lan.Tap(func(p meshtest.Packet) { seen = append(seen, p.Data...) })
		a := start(t, w.Host("kitchen", lan), "kitchen")
		defer a.Close()
		for i, other := range []*crypto.Schedule{schedule(otherKey, "home"), schedule(homeKey, "work")} {
			b := start(t, w.Host([]string{"b0", "b1"}[i], lan), "stranger", func(c *Config) { c.Keys = []*crypto.Schedule{other} })
			defer b.Close()
			pass(30 * time.Second)
			if len(a.Entries()) != 0 || len(b.Entries()) != 0 {
				t.Errorf("listed: %v %v", a.Entries(), b.Entries())
			}
			if b.Stats().Refused[CauseToken] == 0 {
				t.Error("nothing was heard")
			}
		}
		for _, word := range []string{"kitchen", "stranger", "home"} {
			if contains(seen, word) {
				t.Errorf("%q can be read on the wire", word)
			}
		}
	})
}

func TestObserver(t *testing.T) {
	inHome(t, func(t *testing.T, w *meshtest.World, lan *meshtest.LAN) {
		a := start(t, w.Host("kitchen", lan), "kitchen")
		defer a.Close()
		pass(time.Minute)
		sent := 0
		host := w.Host("laptop", lan)
		from := host.Addr()
		lan.Tap(func(p meshtest.Packet) {
			if p.From.Addr() == from {
				sent++
			}
		})
		o := start(t, host, "")
		pass(10 * time.Millisecond)
		if got := o.names(); !slices.Equal(got, []string{"kitchen"}) {
			t.Fatalf("the observer knows %q", got)
		}
		pass(10 * time.Minute)
		if got := o.names(); !slices.Equal(got, []string{"kitchen"}) {
			t.Errorf("later the observer knows %q", got)
		}
		if want := 3 * 2; sent != want { // three questions, broadcast and multicast
			t.Errorf("the observer sent %d datagrams, want %d", sent, want)
		}
		o.Close()
		pass(time.Second)
		if len(a.Entries()) != 0 || a.took() != nil {
			t.Error("the observer was entered")
		}
		if a.Stats().Remembered != 0 {
			t.Error("the observer is remembered for too long")
		}
	})
}

func TestRename(t *testing.T) {
	inHome(t, func(t *testing.T, w *meshtest.World, lan *meshtest.LAN) {
		a := start(t, w.Host("kitchen", lan), "kitchen")
		defer a.Close()
		b := start(t, w.Host("attic", lan), "attic")
		defer b.Close()
		pass(time.Minute)
		a.took()
		self := b.cfg.Self
		self.Name, self.Port = "loft", 7001
		if err := b.SetSelf(self); err != nil {
			t.Fatal(err)
		}
		pass(time.Millisecond)
		c := a.took()
		if len(c) != 1 || c[0].Kind != Updated || c[0].Entry.Name != "loft" {
			t.Fatalf("changes: %v", c)
		}
		if addrs := c[0].Entry.Addrs; len(addrs) != 1 || addrs[0].AddrPort.Port() != 7001 {
			t.Errorf("addresses: %v", addrs)
		}
		self.Instance = crypto.NewInstanceID()
		if b.SetSelf(self) == nil {
			t.Error("another instance was taken")
		}
	})
}

func TestR20_KeyRotation(t *testing.T) {
	inHome(t, func(t *testing.T, w *meshtest.World, lan *meshtest.LAN) {
		old, young := schedule(homeKey, "home"), schedule(otherKey, "home")
		a := start(t, w.Host("kitchen", lan), "kitchen")
		defer a.Close()
		b := start(t, w.Host("attic", lan), "attic")
		defer b.Close()
		c := start(t, w.Host("cellar", lan), "cellar") // is left behind
		defer c.Close()
		pass(time.Second)
		for _, step := range [][]*crypto.Schedule{{old, young}, {young, old}} {
			for _, st := range []*station{a, b} {
				if err := st.SetKeys(step); err != nil {
					t.Fatal(err)
				}
				pass(time.Millisecond)
			}
		}
		if e, ok := a.named("attic"); !ok || e.KeyIndex != 0 {
			t.Errorf("attic under the new key: %+v", e)
		}
		if e, ok := a.named("cellar"); !ok || e.KeyIndex != 1 {
			t.Errorf("cellar under the old key: %+v", e)
		}
		a.took()
		if err := a.SetKeys([]*crypto.Schedule{young}); err != nil {
			t.Fatal(err)
		}
		pass(time.Minute)
		if got := a.names(); !slices.Equal(got, []string{"attic"}) {
			t.Errorf("after the old key went: %q", got)
		}
		if c := a.took(); len(c) == 0 || c[0].Why != ReasonKey {
			t.Errorf("changes: %v", c)
		}
	})
}
