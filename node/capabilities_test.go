package node

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/internal/wire"
	"github.com/fernmesh/fernmesh/node/internal/link"
)

func TestS3_9_HelloCarriesWhatANodeIsAndOffers(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		a := m.start("a", offering("heat", "light"))
		b := m.start("b", offering("light", "heat", "sound"), func(c *Config) {
			c.ServiceVersions = map[string]string{"heat": "2.1", "later": "0.9"}
		})
		before := a.Peers()[0]
		if before.Product != "" || before.Limits != nil || before.Services[0].Version != "" {
			t.Errorf("known before the first link: %+v", before)
		}
		wantOK(t, a, "b")
		p := a.Peers()[0]
		if p.Product != Product || p.Version != Version || p.Limits["value_bytes"] != wire.MaxBig {
			t.Errorf("the peer is %q %q with the limits %v", p.Product, p.Version, p.Limits)
		}
		want := []Service{{"light", true, ""}, {"heat", true, "2.1"}, {"sound", true, ""}}
		if diff := cmp.Diff(want, p.Services); diff != "" {
			t.Errorf("services (-want +got):\n%s", diff)
		}
		if !slices.Equal(p.Common, []string{"heat", "light"}) {
			t.Errorf("common services %v, want heat and light", p.Common)
		}
		if err := errors.Join(b.Offer("later"), a.Offer("later")); err != nil {
			t.Fatal(err)
		}
		b.Withdraw("light")
		time.Sleep(time.Second)
		p = a.Peers()[0]
		if !slices.Contains(p.Services, Service{"later", true, "0.9"}) || !slices.Equal(p.Common, []string{"heat", "later"}) {
			t.Errorf("after the change: services %v, common %v", p.Services, p.Common)
		}
		var shown []map[string]any
		reply, err := a.Call(t.Context(), "a", "__peers__")
		if err == nil {
			err = reply.Decode(&shown)
		}
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(shown[0]["product"], shown[0]["version"], shown[0]["common"]); got != "fernmesh"+Version+"[heat later]" {
			t.Errorf("__peers__ shows %s: %v", got, shown[0])
		}
		if got := fmt.Sprint(shown[0]["services"]); !strings.Contains(got, "version:2.1") {
			t.Errorf("__peers__ shows the services %s", got)
		}
	})
}

func TestS3_9_VersionsAreBounded(t *testing.T) {
	many := map[string]string{}
	for i := range 33 {
		many[fmt.Sprint("s", i)] = "1"
	}
	for name, versions := range map[string]map[string]string{
		"too many": many, "long": {"heat": strings.Repeat("1", 33)}, "control": {"heat": "1\x1b[2J"}, "name": {"a.b": "1"},
	} {
		_, err := New(Config{Name: "a", Network: "test", Keys: crypto.Ring(crypto.GenerateKey()), ServiceVersions: versions})
		var bad *ConfigError
		if !errors.As(err, &bad) || bad.Field != "ServiceVersions" {
			t.Errorf("%s: %v, want a ConfigError", name, err)
		}
	}
}

// A hello that tells of things that this version does not know is welcome.
func TestS3_9_UnknownFieldsAreIgnored(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		n := m.start("b")
		encoded, err := wire.Marshal(map[string]any{
			"product": "other", "version": "9", "colour": "red", "nested": map[string]any{"deep": []any{1, 2}},
		})
		if err != nil {
			t.Fatal(err)
		}
		l, err := m.knock(n, func(c *link.Config) { c.Capabilities = func() []byte { return encoded } })
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close(nil)
		synctest.Wait()
		if p := n.Peers(); len(p) != 1 || p[0].Product != "other" || p[0].Version != "9" {
			t.Errorf("peers %+v, want the stranger as it introduced itself", p)
		}
	})
}

// knock makes a link to a node as somebody of the network.
func (m *mesh) knock(n *Node, set func(*link.Config)) (*link.Link, error) {
	m.t.Helper()
	address := fmt.Sprintf("%s:%d", m.homeOf(n).Addr(), n.Addr().Port())
	conn, err := m.host("stranger").Dial(m.t.Context(), address)
	if err != nil {
		m.t.Fatal(err)
	}
	cfg := link.Config{
		Keys: newRing(crypto.Ring(m.key), "test").usable, Name: "stranger",
		Instance: crypto.NewInstanceID(), Identity: crypto.NewIdentity(),
	}
	set(&cfg)
	return link.Dial(m.t.Context(), link.Stream(conn), cfg, "")
}

// turnedAway knocks and returns the BYE that comes back.
func (m *mesh) turnedAway(n *Node, set func(*link.Config)) wire.Bye {
	m.t.Helper()
	l, err := m.knock(n, set)
	if err != nil {
		m.t.Fatal(err)
	}
	defer l.Close(nil)
	var bye wire.Bye
	_ = l.Run(func(msg wire.Message) error { // ends by the BYE
		if msg.Type != wire.TypeBye {
			return nil
		}
		if bye, err = wire.ParseBye(msg.Body); err != nil {
			m.t.Error(err)
		}
		return errors.New("seen")
	})
	return bye
}

func TestS3_10_AMemberWithoutAnIdentityIsNotAllowed(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		n := m.start("b", func(c *Config) { c.RequireIdentity = true })
		if bye := m.turnedAway(n, func(c *link.Config) { c.Identity = nil }); bye.Code != byeNotAllowed {
			t.Errorf("turned away with %v %q, want not allowed", bye.Code, bye.Text)
		}
		if len(n.Peers()) != 0 {
			t.Errorf("it is known all the same: %v", n.Peers())
		}
	})
}

func TestS3_10_ATakenNameIsRefused(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		n := m.start("b")
		time.Sleep(10 * time.Second)
		if bye := m.turnedAway(n, func(c *link.Config) { c.Name = "b" }); bye.Code != byeNameTaken {
			t.Errorf("turned away with %v %q, want name taken", bye.Code, bye.Text)
		}
	})
}

func TestS3_10_NoCommonServiceIsRefusedAndClosed(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		strict := m.start("strict", offering("heat"), func(c *Config) { c.RequireCommonService = true })
		other := m.start("other", offering("light"))
		friend := m.start("friend", offering("heat", "light"))
		caller := m.start("", func(c *Config) { c.Observer = true })
		for _, pair := range [][2]*Node{{other, strict}, {strict, other}} {
			_, err := pair[0].Call(t.Context(), pair[1].Name(), "__echo__")
			var refused *RefusedError
			if !errors.As(err, &refused) || byeCode(refused.Code) != byeNoService {
				t.Fatalf("%s to %s: %v, want a RefusedError of code 6", pair[0].Name(), pair[1].Name(), err)
			}
			if e := failure(t, err); e.Code != commands.PermissionDenied || e.Executed != commands.ExecutedNo || e.Hint == "" {
				t.Errorf("error %+v", e)
			}
		}
		time.Sleep(2 * time.Second) // a refused link lingers for a second
		for _, n := range []*Node{strict, other} {
			for _, p := range n.Peers() {
				if len(p.Paths) > 0 && (p.Name == "strict" || p.Name == "other") {
					t.Errorf("%s keeps a link to %s: %v", n.Name(), p.Name, p.Paths)
				}
			}
		}
		wantOK(t, friend, "strict")
		wantOK(t, strict, "friend")
		wantOK(t, caller, "strict") // an observer needs no service
		if err := other.Offer("heat"); err != nil {
			t.Fatal(err)
		}
		wantOK(t, other, "strict")
	})
}

func TestS3_10_ADrainingNodeSaysSo(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		r := m.relay("relay", m.lan)
		far := func(c *Config) { c.NoLAN, c.Relays = true, []string{r.address()} }
		a, b, other := m.start("a", far), m.start("b", far), m.start("other", far)
		slow(t, b, 20*time.Second)
		served := make(chan error, 1)
		go func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			_, err := other.Call(ctx, "b", "slow")
			served <- err
		}()
		time.Sleep(time.Second)
		down := make(chan error, 1)
		go func() { down <- b.Shutdown(t.Context()) }()
		time.Sleep(time.Second)
		start := time.Now()
		_, err := a.Call(t.Context(), "b", "__echo__")
		var refused *RefusedError
		if !errors.As(err, &refused) || byeCode(refused.Code) != byeDraining {
			t.Fatalf("%v, want a RefusedError of code 5", err)
		}
		if e := failure(t, err); e.Code != commands.Unavailable || e.Executed != commands.ExecutedNo {
			t.Errorf("error %+v, want UNAVAILABLE, executed no", e)
		}
		if took := time.Since(start); took > 2*time.Second {
			t.Errorf("it took %v to find out", took)
		}
		if err := errors.Join(<-served, <-down); err != nil {
			t.Errorf("the call that was accepted before, and the shutdown: %v", err)
		}
	})
}

// A peer that comes back as another instance ends the calls that wait for the
// old one at once. The watchdog would take hours here.
func TestS3_10_ARestartedPeerEndsPendingCallsAtOnce(t *testing.T) {
	for _, far := range []bool{false, true} {
		for _, idempotent := range []bool{false, true} {
			t.Run(fmt.Sprintf("relay %t, idempotent %t", far, idempotent), func(t *testing.T) {
				inMesh(t, func(t *testing.T, m *mesh) { restarted(t, m, far, idempotent) })
			})
		}
	}
}

func restarted(t *testing.T, m *mesh, far, idempotent bool) {
	r := m.relay("relay", m.lan)
	m.lan.SetLatency(5 * time.Millisecond)
	patient := func(c *Config) {
		c.Timers.IdlePing, c.Timers.BusyPing = time.Hour, time.Hour
		if far {
			c.NoLAN, c.Relays = true, []string{r.address()}
		}
	}
	a, h := m.start("a", patient), m.host("b")
	old := m.startOn(h, "b", patient)
	slow(t, old, time.Hour)
	var opts []CallOption
	if idempotent {
		opts = append(opts, Idempotent())
	}
	got := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Hour)
		defer cancel()
		_, err := a.Call(ctx, "b", "slow", opts...)
		got <- err
	}()
	time.Sleep(10 * time.Second)
	h.Crash()
	cfg := m.config("b", m.host("b2"))
	patient(&cfg)
	cfg.Identity = old.identity
	young, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	handle(t, young, "slow", answer("new"))
	start := time.Now()
	if err := young.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { shutdown(t, young) })
	err = <-got
	if took := time.Since(start); took > time.Second {
		t.Errorf("it took %v from the start of the new instance", took)
	}
	if idempotent {
		if err != nil {
			t.Errorf("the idempotent call did not go on: %v", err)
		}
		return
	}
	if e := failure(t, err); e.Code != commands.Unavailable || e.Executed != commands.ExecutedMaybe {
		t.Errorf("%v, want UNAVAILABLE, executed maybe", e)
	}
}

// An older instance of a node that lives on, unaware of the younger one, does
// not take its place.
func TestS3_14_AnOlderInstanceDoesNotReplaceAYoungerOne(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		ho, hy := m.host("old"), m.host("young")
		m.world.Partition(ho, hy)
		id := crypto.NewIdentity()
		same := func(c *Config) { c.Identity = id }
		c := m.start("c")
		old := m.startOn(ho, "b", same)
		time.Sleep(time.Minute)
		m.world.Partition(ho, m.homeOf(c))
		young := m.startOn(hy, "b", same)
		runs := slow(t, young, 20*time.Second)
		wantOK(t, c, "b")
		got := make(chan error, 1)
		go func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			_, err := c.Call(ctx, "b", "slow")
			got <- err
		}()
		time.Sleep(time.Second)
		m.world.Heal(ho, m.homeOf(c))
		if bye := m.turnedAway(c, func(cfg *link.Config) {
			cfg.Name, cfg.Instance, cfg.Identity, cfg.Capabilities = "b", old.instance, id, func() []byte { return old.capabilities("b") }
		}); bye.Code != byeReplaced {
			t.Errorf("the older instance was told %v %q, want replaced", bye.Code, bye.Text)
		}
		if err := <-got; err != nil || runs.Load() != 1 {
			t.Errorf("the call to the younger instance: %v, %d runs", err, runs.Load())
		}
	})
}
