package node

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/meshtest"
)

// namesake is one of several nodes that want the same name.
type namesake struct {
	*Node
	host    *meshtest.Host
	events  chan Event
	started chan error
}

// namesake makes a node that wants the name "b", and does not start it.
func (m *mesh) namesake(set ...func(*Config)) *namesake {
	m.t.Helper()
	h := m.host("b")
	cfg := m.config("b", h)
	for _, f := range set {
		f(&cfg)
	}
	n, err := New(cfg)
	if err != nil {
		m.t.Fatal(err)
	}
	return &namesake{n, h, n.events.subscribe(), make(chan error, 1)}
}

func (n *namesake) start(t *testing.T) {
	err := n.Start(t.Context())
	if err == nil {
		t.Cleanup(func() { shutdown(t, n.Node) })
	}
	n.started <- err
}

// first returns the first event of a kind, which must come within a time.
func (n *namesake) first(t *testing.T, kind EventKind, within time.Duration) Event {
	t.Helper()
	late := time.After(within)
	for {
		select {
		case e := <-n.events:
			if e.Kind == kind {
				return e
			}
		case <-late:
			t.Errorf("%s (%s): no event %q within %v", n.Name(), n.host.Name(), kind, within)
			return Event{}
		}
	}
}

// Two nodes, then ten, want one name, at once or one after the other: all learn
// of the conflict, one has the name, and the others fail or go on renamed.
func TestR18_StartUnderOneName(t *testing.T) {
	for _, count := range []int{2, 10} {
		for _, apart := range []time.Duration{0, 150 * time.Millisecond, 3 * time.Second} {
			for _, rename := range []bool{false, true} {
				for _, far := range []bool{false, true} {
					t.Run(fmt.Sprintf("%d nodes, %v apart, rename %t, relay %t", count, apart, rename, far), func(t *testing.T) {
						inMesh(t, func(t *testing.T, m *mesh) { startUnderOneName(t, m, count, apart, rename, far) })
					})
				}
			}
		}
	}
}

func startUnderOneName(t *testing.T, m *mesh, count int, apart time.Duration, rename, far bool) {
	m.lan.SetLatency(2 * time.Millisecond)
	r := m.relay("relay", m.lan)
	set := func(c *Config) {
		c.Rename = rename
		if far {
			c.NoLAN, c.Relays = true, []string{r.address()}
		}
	}
	c := m.start("c", set)
	var all []*namesake
	for range count {
		all = append(all, m.namesake(set))
	}
	for i, n := range all {
		go func() {
			time.Sleep(time.Duration(i) * apart)
			n.start(t)
		}()
	}
	var holder *namesake
	names := map[string]bool{}
	for _, n := range all {
		err := <-n.started
		switch {
		case err == nil && n.Name() == "b":
			if holder != nil {
				t.Errorf("%s and %s both have the name", holder.host.Name(), n.host.Name())
			}
			holder = n
		case rename && err != nil:
			t.Errorf("%s: %v, want it to go on renamed", n.host.Name(), err)
		case rename:
			names[n.Name()] = true
		case !errors.Is(err, ErrNameTaken):
			t.Errorf("%s: %v, want ErrNameTaken", n.host.Name(), err)
		}
	}
	if holder == nil {
		t.Fatal("nobody has the name")
	}
	if apart > time.Second && holder != all[0] {
		t.Error("one that started later took the name from the first")
	}
	for _, n := range all {
		n.first(t, Conflict, 10*time.Second)
	}
	if rename && len(names) != count-1 {
		t.Errorf("%d names for %d renamed nodes", len(names), count-1)
	}
	time.Sleep(time.Second) // the new names are announced
	wantHolder(t, c, holder.Node)
	for name := range names {
		wantOK(t, c, name)
	}
}

// wantHolder calls "b" and checks who answers.
func wantHolder(t *testing.T, c, want *Node) {
	t.Helper()
	var info map[string]any
	reply, err := c.Call(t.Context(), "b", "__info__")
	if err == nil {
		err = reply.Decode(&info)
	}
	if err != nil {
		t.Errorf("calling the name: %v", err)
	} else if info["instance"] != want.Instance().String() {
		t.Errorf("the instance %v answers to the name, want %v", info["instance"], want.Instance())
	}
}

// split starts nodes of one name that do not hear each other, one second after
// the other.
func (m *mesh) split(count int) []*namesake {
	m.t.Helper()
	var all []*namesake
	for range count {
		n := m.namesake()
		for _, o := range all {
			m.world.Partition(n.host, o.host)
		}
		all = append(all, n)
	}
	for _, n := range all {
		n.start(m.t)
		if err := <-n.started; err != nil {
			m.t.Fatal(err)
		}
		time.Sleep(10 * time.Second) // beyond the five that do not count
	}
	return all
}

func wantAmbiguous(t *testing.T, c *Node, all []*namesake) {
	t.Helper()
	_, err := c.Call(t.Context(), "b", "__echo__")
	var ambiguous *AmbiguousNameError
	if !errors.As(err, &ambiguous) || len(ambiguous.Claims) != len(all) {
		t.Fatalf("a call during the conflict: %v, want an AmbiguousNameError with %d claims", err, len(all))
	}
	e := failure(t, err)
	if e.Executed != commands.ExecutedNo {
		t.Errorf("executed %v, want no", e.Executed)
	}
	for _, n := range all {
		if !strings.Contains(e.Message, n.Identity().String()) {
			t.Errorf("the error does not name %v: %s", n.Identity(), e.Message)
		}
	}
}

// While several hold a name, calls to it fail and say who they are; when they
// meet, one keeps it and the others are renamed, and never stopped.
func TestR18_CallsAreRefusedUntilAllButOneAreRenamed(t *testing.T) {
	for _, count := range []int{2, 10} {
		t.Run(fmt.Sprint(count, " nodes"), func(t *testing.T) {
			inMesh(t, func(t *testing.T, m *mesh) {
				c := m.start("c")
				all := m.split(count)
				for range 3 {
					wantAmbiguous(t, c, all)
				}
				for i, n := range all {
					for _, o := range all[:i] {
						m.world.Heal(n.host, o.host)
					}
				}
				for i, n := range all {
					n.first(t, Conflict, 15*time.Second) // an advert comes every 12 s at the latest
					if i == 0 {
						continue
					}
					if e := n.first(t, Renamed, 15*time.Second); e.Detail != derivedName("b", n.Instance()) || n.Name() != e.Detail {
						t.Errorf("event %+v, name %q", e, n.Name())
					}
				}
				time.Sleep(time.Second)
				wantHolder(t, c, all[0].Node)
				for _, n := range all[1:] {
					wantOK(t, c, n.Name())
				}
			})
		})
	}
}

func TestR18_TheNameResolvesAfterTheOthersLeave(t *testing.T) {
	for how, leave := range map[string]func(*testing.T, *namesake){
		"in order":       func(t *testing.T, n *namesake) { shutdown(t, n.Node) },
		"without a word": func(_ *testing.T, n *namesake) { n.host.Crash() },
	} {
		for _, count := range []int{2, 10} {
			t.Run(fmt.Sprintf("%d nodes, %s", count, how), func(t *testing.T) {
				inMesh(t, func(t *testing.T, m *mesh) {
					c := m.start("c")
					all := m.split(count)
					wantAmbiguous(t, c, all)
					for _, n := range all[1:] {
						leave(t, n)
					}
					start := time.Now()
					for {
						_, err := c.Call(t.Context(), "b", "__echo__")
						if err == nil {
							break
						}
						if time.Since(start) > 20*time.Second {
							t.Fatalf("the name does not resolve: %v", err)
						}
						time.Sleep(100 * time.Millisecond)
					}
					t.Logf("resolved after %v", time.Since(start))
					wantHolder(t, c, all[0].Node)
				})
			})
		}
	}
}

// The two sides of a partition went on for a while with a node of one name
// each. The younger is renamed in the middle of its work, and goes on.
func TestR18_APartitionHeals(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		older, younger := m.namesake(), m.namesake()
		east, west := m.host("east"), m.host("west")
		for _, a := range []*meshtest.Host{older.host, east} {
			for _, b := range []*meshtest.Host{younger.host, west} {
				m.world.Partition(a, b)
			}
		}
		here, there := m.startOn(east, "here"), m.startOn(west, "there")
		for _, n := range []*namesake{older, younger} {
			n.start(t)
			if err := <-n.started; err != nil {
				t.Fatal(err)
			}
			time.Sleep(10 * time.Minute)
		}
		wantHolder(t, here, older.Node)
		wantHolder(t, there, younger.Node)
		runs := slow(t, younger.Node, 40*time.Second)
		got := make(chan error, 1)
		go func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			_, err := there.Call(ctx, "b", "slow")
			got <- err
		}()
		time.Sleep(time.Second)
		for _, a := range []*meshtest.Host{older.host, east} {
			for _, b := range []*meshtest.Host{younger.host, west} {
				m.world.Heal(a, b)
			}
		}
		older.first(t, Conflict, 15*time.Second)
		younger.first(t, Conflict, 15*time.Second)
		younger.first(t, Renamed, time.Second)
		if older.Name() != "b" || younger.Name() != derivedName("b", younger.Instance()) {
			t.Errorf("names %q and %q", older.Name(), younger.Name())
		}
		time.Sleep(15 * time.Second)
		for _, c := range []*Node{here, there} {
			wantHolder(t, c, older.Node)
			wantOK(t, c, younger.Name())
		}
		if err := <-got; err != nil || runs.Load() != 1 {
			t.Errorf("the call that ran at the renamed node: %v, %d runs", err, runs.Load())
		}
	})
}

// A node that restarts has its name at once, in the same place or in another,
// and whoever calls finds it.
func TestR18_ARestartKeepsTheName(t *testing.T) {
	for name, c := range map[string]struct {
		stop  func(*testing.T, *namesake)
		same  bool // identity
		moved bool
	}{
		"in order":                    {func(t *testing.T, n *namesake) { shutdown(t, n.Node) }, true, false},
		"crash":                       {func(_ *testing.T, n *namesake) { n.host.Crash(); n.host.Up() }, true, false},
		"crash, elsewhere":            {func(_ *testing.T, n *namesake) { n.host.Crash() }, true, true},
		"crash, another identity":     {func(_ *testing.T, n *namesake) { n.host.Crash() }, false, true},
		"in order, another identity":  {func(t *testing.T, n *namesake) { shutdown(t, n.Node) }, false, false},
		"lives on unseen, and is old": {func(_ *testing.T, n *namesake) { n.host.Down() }, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			inMesh(t, func(t *testing.T, m *mesh) {
				caller, old := m.start("c"), m.namesake()
				old.start(t)
				if err := <-old.started; err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Minute)
				wantHolder(t, caller, old.Node)
				c.stop(t, old)
				h := old.host
				if c.moved {
					h = m.host("elsewhere")
				}
				id := old.identity
				if !c.same {
					id = crypto.NewIdentity()
				}
				began := time.Now()
				young := m.startOn(h, "b", func(c *Config) { c.Identity = id })
				if took := time.Since(began); took > time.Second {
					t.Errorf("the start took %v", took)
				}
				time.Sleep(10 * time.Millisecond) // the advert is on its way
				began = time.Now()
				wantHolder(t, caller, young)
				if took := time.Since(began); c.same && took > time.Second {
					t.Errorf("the first call took %v", took)
				}
				if name == "lives on unseen, and is old" {
					old.host.Up()
					old.first(t, Renamed, 30*time.Second)
					wantHolder(t, caller, young)
				}
			})
		})
	}
}

// A node whose machine gets another address keeps its name, and is found there.
func TestR18_AMoveToAnotherAddressKeepsTheName(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		c, n := m.start("c"), m.namesake()
		n.start(t)
		if err := <-n.started; err != nil {
			t.Fatal(err)
		}
		wantHolder(t, c, n.Node)
		before := n.host.Addr()
		n.host.Renumber(m.lan)
		if n.host.Addr() == before {
			t.Fatal("the address did not change")
		}
		start := time.Now()
		for {
			if _, err := c.Call(t.Context(), "b", "__echo__"); err == nil {
				break
			} else if time.Since(start) > 20*time.Second {
				t.Fatalf("not found at its new address: %v", err)
			}
			time.Sleep(100 * time.Millisecond)
		}
		t.Logf("found after %v", time.Since(start))
		wantHolder(t, c, n.Node)
		if n.Name() != "b" {
			t.Errorf("the node is now %q", n.Name())
		}
	})
}
