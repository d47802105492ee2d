package discovery

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/meshtest"
	"github.com/fernmesh/fernmesh/sockets"
)

// faulty is a network of which parts can be broken.
type faulty struct {
	sockets.Net
	mu     sync.Mutex
	broken map[string]error // by call: "list", "shared", "lookup", "on eth0", "write eth0"
	lookup []netip.Addr
	opened int // sockets that ListenOn gave
}

func (f *faulty) set(call string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.broken == nil {
		f.broken = make(map[string]error)
	}
	f.broken[call] = err
}

func (f *faulty) fails(call string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.broken[call]
}

func (f *faulty) Interfaces() ([]sockets.Interface, error) {
	if err := f.fails("list"); err != nil {
		return nil, err
	}
	return f.Net.Interfaces()
}

func (f *faulty) ListenShared(ctx context.Context, cfg sockets.Shared) (sockets.Packets, error) {
	if err := f.fails("shared"); err != nil {
		return nil, err
	}
	return f.Net.ListenShared(ctx, cfg)
}

func (f *faulty) ListenOn(ctx context.Context, ifc sockets.Interface, a netip.Addr) (sockets.Packets, error) {
	if err := f.fails("on " + ifc.Name); err != nil {
		return nil, err
	}
	p, err := f.Net.ListenOn(ctx, ifc, a)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.opened++
	return &faultyPackets{p, f, ifc.Name}, err
}

func (f *faulty) Resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	if err := f.fails("lookup"); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.lookup, nil
}

type faultyPackets struct {
	sockets.Packets
	f    *faulty
	name string
}

func (p *faultyPackets) Write(b []byte, to netip.AddrPort) error {
	if err := p.f.fails("write " + p.name); err != nil {
		return err
	}
	return p.Packets.Write(b, to)
}

func (p *faultyPackets) Read(b []byte) (sockets.Datagram, error) {
	if err := p.f.fails("read " + p.name); err != nil {
		return sockets.Datagram{}, err
	}
	return p.Packets.Read(b)
}

// One broken interface is reported, once, and keeps the other from nothing;
// when it works again, that is noticed and reported too.
func TestOneInterfaceFails(t *testing.T) {
	for _, call := range []string{"on eth0", "write eth0", "read eth0"} {
		t.Run(call, func(t *testing.T) {
			inHome(t, func(t *testing.T, w *meshtest.World, lan *meshtest.LAN) {
				wing := w.LAN("wing", "10.2.0.0/24")
				n := &faulty{Net: w.Host("kitchen", lan, wing)}
				n.set(call, errors.New("cable eaten by a dog"))
				a := start(t, n, "kitchen")
				defer a.Close()
				near := start(t, w.Host("near", lan), "near")
				defer near.Close()
				far := start(t, w.Host("far", wing), "far")
				defer far.Close()
				pass(10 * time.Minute)
				if _, ok := far.named("kitchen"); !ok {
					t.Error("not found through the interface that works")
				}
				r := a.told()
				if len(r) == 0 || !strings.Contains(r[0].String(), "dog") || !strings.Contains(r[0].Part, "eth0") {
					t.Fatalf("reports: %v", r)
				}
				if n.opened > 40 {
					t.Errorf("%d sockets opened in 10 minutes", n.opened)
				}
				n.set(call, nil)
				pass(2 * time.Minute)
				if _, ok := near.named("kitchen"); !ok {
					t.Error("not found through the interface that was repaired")
				}
				r = a.told()
				if len(r) == 0 || r[len(r)-1].Kind != SourceRecovered {
					t.Errorf("reports: %v", r)
				}
			})
		})
	}
}

// With the shared port taken by another program, answers still come.
func TestSharedPortTaken(t *testing.T) {
	inHome(t, func(t *testing.T, w *meshtest.World, lan *meshtest.LAN) {
		n := &faulty{Net: w.Host("kitchen", lan)}
		n.set("shared", &sockets.Error{Op: "listen", Kind: sockets.ErrPortInUse, Err: fs.ErrExist})
		b := start(t, w.Host("attic", lan), "attic")
		defer b.Close()
		a := start(t, n, "kitchen")
		defer a.Close()
		pass(time.Second)
		if _, ok := a.named("attic"); !ok {
			t.Error("attic not found by its answer")
		}
		if r := a.told(); len(r) != 1 || !errors.Is(r[0].Err, sockets.ErrPortInUse) || r[0].Part != "listening on IPv4" {
			t.Errorf("reports: %v", r)
		}
		n.set("shared", nil)
		pass(2 * time.Minute)
		if r := a.told(); len(r) != 1 || r[0].Kind != SourceRecovered {
			t.Errorf("reports: %v", r)
		}
	})
}

// An interface list that cannot be read leaves the sockets as they are.
func TestInterfaceListFails(t *testing.T) {
	inHome(t, func(t *testing.T, w *meshtest.World, lan *meshtest.LAN) {
		n := &faulty{Net: w.Host("kitchen", lan)}
		a := start(t, n, "kitchen")
		defer a.Close()
		b := start(t, w.Host("attic", lan), "attic")
		defer b.Close()
		pass(time.Second)
		n.set("list", errors.New("out of memory"))
		pass(time.Minute)
		if len(a.Entries()) != 1 || len(b.Entries()) != 1 {
			t.Error("the nodes lost each other")
		}
		if r := a.told(); len(r) != 1 || r[0].Part != "interface list" {
			t.Errorf("reports: %v", r)
		}
	})
}

func TestStaticPeers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := meshtest.NewWorld(1)
		defer w.Close()
		lan := w.LAN("home", "10.1.0.0/24")
		sent := 0
		lan.Tap(func(meshtest.Packet) { sent++ })
		n := &faulty{Net: w.Host("kitchen", lan), lookup: []netip.Addr{addr("10.9.0.1"), addr("::ffff:10.9.0.2")}}
		n.set("lookup", errors.New("no such host"))
		a := start(t, n, "kitchen", func(c *Config) {
			c.NoUDP, c.Static = true, []string{"barn.example:7000", "barn.example:7000"}
		})
		defer a.Close()
		pass(10 * time.Minute)
		if r := a.told(); len(r) != 1 || r[0].Source != SourceStatic || r[0].Part != "barn.example:7000" {
			t.Fatalf("reports: %v", r)
		}
		n.set("lookup", nil)
		pass(time.Minute)
		want := []netip.AddrPort{addrPort("10.9.0.1:7000"), addrPort("10.9.0.2:7000")}
		if c := a.took(); len(c) != 1 || c[0].Kind != Added || !slices.Equal(dials(c[0].Entry), want) || c[0].Entry.Host != "barn.example:7000" {
			t.Fatalf("changes: %v", c)
		}
		n.mu.Lock()
		n.lookup = []netip.Addr{addr("10.9.0.3")}
		n.mu.Unlock()
		pass(2 * time.Minute)
		if c := a.took(); len(c) != 1 || c[0].Kind != Updated || !slices.Equal(dials(c[0].Entry), []netip.AddrPort{addrPort("10.9.0.3:7000")}) {
			t.Fatalf("changes: %v", c)
		}
		n.set("lookup", errors.New("no such host"))
		pass(10 * time.Minute)
		if e := a.Entries(); len(e) != 1 || len(e[0].Addrs) != 1 {
			t.Errorf("a failed look-up took the peer away: %v", e)
		}
		if sent > 0 {
			t.Errorf("%d datagrams sent with NoUDP", sent)
		}
	})
}

func dials(e Entry) (at []netip.AddrPort) {
	for _, a := range e.Addrs {
		at = append(at, a.AddrPort)
	}
	return at
}

// A source that panics is run again.
func TestSourcePanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := meshtest.NewWorld(1)
		defer w.Close()
		var log strings.Builder
		st := newStation(t, w.Host("kitchen"), "kitchen", func(c *Config) {
			c.NoUDP, c.Logger = true, slog.New(slog.NewTextHandler(&log, nil))
		})
		src := &fragile{}
		st.sources = append(st.sources, src)
		if err := st.Start(context.Background()); err != nil {
			t.Fatal(err)
		}
		pass(10 * time.Second)
		st.Close()
		if r := st.told(); src.runs != 2 || len(r) != 2 || r[0].Kind != SourceFailed || r[1].Kind != SourceRecovered {
			t.Errorf("%d runs, reports %v", src.runs, r)
		}
		if !strings.Contains(log.String(), "fell apart") {
			t.Errorf("log: %s", log.String())
		}
	})
}

type fragile struct{ runs int }

func (*fragile) name() string { return "fragile" }

func (f *fragile) run(ctx context.Context) {
	if f.runs++; f.runs == 1 {
		panic("fell apart")
	}
	<-ctx.Done()
}

// A caller that is slow to listen is told what it has to know, not all that
// happened meanwhile.
func TestSlowOnChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []string
		hold := make(chan struct{})
		ev := newEvents(Config{OnChange: func(c Change) {
			<-hold
			told = append(told, fmt.Sprint(c.Kind, " ", c.Entry.Name, " ", c.Why))
		}, OnReport: func(Report) {}})
		entry := func(name string, n byte) Entry { return Entry{Name: name, Instance: crypto.InstanceID{n}} }
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); ev.run(ctx) }()
		ev.changed(Added, entry("a", 1), "")
		synctest.Wait() // this one is being told
		ev.changed(Updated, entry("a2", 1), "")
		ev.changed(Updated, entry("a3", 1), "")
		ev.changed(Added, entry("b", 2), "") // comes and goes
		ev.changed(Updated, entry("b2", 2), "")
		ev.changed(Removed, entry("b2", 2), ReasonGoodbye)
		ev.changed(Added, entry("c", 3), "")
		ev.changed(Removed, entry("a3", 1), ReasonExpired)
		ev.changed(Added, entry("a4", 1), "")
		for i := range maxReports + 5 {
			ev.report(Report{Kind: SourceFailed, Part: fmt.Sprint(i)})
		}
		close(hold)
		synctest.Wait()
		want := []string{"added a ", "removed a3 expired", "added a4 ", "added c "}
		if !slices.Equal(told, want) {
			t.Errorf("told %q, want %q", told, want)
		}
		if ev.dropped != 5 || ev.order.Len() != 0 || len(ev.pending) != 0 {
			t.Errorf("dropped %d reports, %d and %d changes wait", ev.dropped, ev.order.Len(), len(ev.pending))
		}
		stop()
		<-done
	})
}

func TestAsk(t *testing.T) {
	inHome(t, func(t *testing.T, w *meshtest.World, lan *meshtest.LAN) {
		host := w.Host("kitchen", lan)
		from, questions := host.Addr(), 0
		a := start(t, host, "kitchen")
		defer a.Close()
		pass(5 * time.Second)
		lan.Tap(func(p meshtest.Packet) {
			if p.From.Addr() == from && p.To.Addr() == groupV4 && len(p.Data) >= minQuestion {
				questions++
			}
		})
		for range 100 { // in one second
			a.Ask()
			pass(10 * time.Millisecond)
		}
		pass(time.Second)
		if questions < 2 || questions > 3 {
			t.Errorf("%d questions in 2 s", questions)
		}
	})
}

func TestConfigIsChecked(t *testing.T) {
	good := Config{
		Net: meshtest.NewWorld(1).Host("h"), Keys: []*crypto.Schedule{schedule(homeKey, "home")},
		Self: Self{Name: "kitchen", Instance: crypto.NewInstanceID(), Port: 7000},
	}
	for name, change := range map[string]func(*Config){
		"no key":        func(c *Config) { c.Keys = nil },
		"nil key":       func(c *Config) { c.Keys = []*crypto.Schedule{nil} },
		"five keys":     func(c *Config) { c.Keys = slices.Repeat(c.Keys, 5) },
		"no instance":   func(c *Config) { c.Self.Instance = crypto.InstanceID{} },
		"no port":       func(c *Config) { c.Self.Port = 0 },
		"name":          func(c *Config) { c.Self.Name = "a.b" },
		"skew":          func(c *Config) { c.MaxSkew = 11 * time.Minute },
		"negative skew": func(c *Config) { c.MaxSkew = -1 },
		"static port":   func(c *Config) { c.Static = []string{"host"} },
		"static zero":   func(c *Config) { c.Static = []string{"host:0"} },
		"static host":   func(c *Config) { c.Static = []string{":7000"} },
		"interfaces":    func(c *Config) { c.Interfaces = []string{"10.0.0.0/99"} },
	} {
		c := good
		change(&c)
		if _, err := New(c); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	s, err := New(good)
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	s.Close()
	if err := s.Start(t.Context()); !errors.Is(err, ErrClosed) {
		t.Errorf("Start after Close: %v", err)
	}
}
