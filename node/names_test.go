package node

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/crypto"
)

func TestS4_34_ANameInUseIsRefused(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		m.start("b")
		second, err := New(m.config("b", m.host("b2")))
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		if err := second.Start(t.Context()); !errors.Is(err, ErrNameTaken) {
			t.Errorf("Start with a taken name: %v", err)
		}
		if took := time.Since(start); took > time.Second {
			t.Errorf("it took %v to find out, want at most 1 s", took)
		}
	})
}

func TestS4_34_RenameGoesOnUnderADerivedName(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		a, b := m.start("a"), m.start("b")
		second := m.start("b", func(c *Config) { c.Rename = true })
		if want := derivedName("b", second.Instance()); second.Name() != want || b.Name() != "b" {
			t.Fatalf("names %q and %q, want b and %q", b.Name(), second.Name(), want)
		}
		synctest.Wait() // the new name is announced
		wantOK(t, a, "b")
		wantOK(t, a, second.Name())
	})
}

func TestNamesTwoSimultaneousStartersAgree(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		type started struct {
			n   *Node
			err error
		}
		results := make(chan started, 2)
		for _, host := range []string{"h1", "h2"} {
			n, err := New(m.config("b", m.host(host)))
			if err != nil {
				t.Fatal(err)
			}
			go func() { results <- started{n, n.Start(t.Context())} }()
		}
		one, two := <-results, <-results
		if two.err == nil {
			one, two = two, one
		}
		if one.err != nil || !errors.Is(two.err, ErrNameTaken) {
			t.Fatalf("two starters: %v and %v, want one success and one ErrNameTaken", one.err, two.err)
		}
		if one.n.Instance().Compare(two.n.Instance()) > 0 {
			t.Error("the higher instance id kept the name")
		}
		shutdown(t, one.n)
	})
}

func TestNamesAfterAPartitionHealsTheYoungerHolderIsRenamed(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		h1, h2, h3 := m.host("h1"), m.host("h2"), m.host("h3")
		m.world.Partition(h1, h2)
		older := m.startOn(h1, "b")
		time.Sleep(10 * time.Second)
		younger := m.startOn(h2, "b")
		watch := younger.Events(t.Context())
		renamed := make(chan Event, 1)
		go func() {
			for e := range watch {
				if e.Kind == Renamed {
					renamed <- e
					return
				}
			}
		}()
		caller := m.startOn(h3, "c")
		_, err := caller.Call(t.Context(), "b", "__echo__")
		var ambiguous *AmbiguousNameError
		if !errors.As(err, &ambiguous) || len(ambiguous.Claims) != 2 {
			t.Errorf("call during the conflict: %v, want an AmbiguousNameError naming both", err)
		}
		if e := failure(t, err); e.Executed != commands.ExecutedNo || !strings.Contains(e.Message, older.Identity().String()) || !strings.Contains(e.Message, younger.Identity().String()) {
			t.Errorf("error %q does not name both", e.Message)
		}
		m.world.Heal(h1, h2)
		e := <-renamed
		if older.Name() != "b" || younger.Name() != e.Detail || e.Detail != derivedName("b", younger.Instance()) {
			t.Errorf("names %q, %q, event %+v", older.Name(), younger.Name(), e)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if err := caller.WaitFor(ctx, younger.Name()); err != nil {
			t.Error(err)
		}
		wantOK(t, caller, "b")
		wantOK(t, caller, younger.Name())
	})
}

func TestNamesTheSameNodeStartedElsewhereTakesOver(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		id := crypto.NewIdentity()
		same := func(c *Config) { c.Identity = id }
		old := m.start("b", same)
		time.Sleep(time.Minute)
		moved := m.start("b", same)
		synctest.Wait()
		time.Sleep(time.Second)
		if moved.Name() != "b" || old.Name() == "b" {
			t.Errorf("names: moved %q, old %q; the younger instance of one node takes over", moved.Name(), old.Name())
		}
	})
}

func TestObserversClaimNoName(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		n := m.start("b")
		observer := func(c *Config) { c.Observer = true; c.Name = "b" }
		one, two := m.start("one", observer), m.start("two", observer)
		wantOK(t, one, "b")
		wantOK(t, two, "b")
		if peers := n.Peers(); len(peers) != 0 {
			t.Errorf("observers are in the roster: %v", peers)
		}
		if n.Name() != "b" {
			t.Errorf("an observer took the name; the node is now %q", n.Name())
		}
	})
}

func TestDerivedName(t *testing.T) {
	id := crypto.InstanceID{0xab, 0xcd}
	for name, want := range map[string]string{
		"kitchen":                     "kitchen~abcd",
		strings.Repeat("x", 64):       strings.Repeat("x", 59) + "~abcd",
		strings.Repeat("日", 21):       strings.Repeat("日", 19) + "~abcd",
		strings.Repeat("x", 58) + "日": strings.Repeat("x", 58) + "~abcd",
	} {
		if got := derivedName(name, id); got != want {
			t.Errorf("derivedName(%q) = %q, want %q", name, got, want)
		}
	}
}

func TestClaimVerdictsAgree(t *testing.T) {
	a := claimFacts{instance: crypto.InstanceID{1}, hasKey: true, key: crypto.NodeKey{1}}
	b := claimFacts{instance: crypto.InstanceID{2}, hasKey: true, key: crypto.NodeKey{2}}
	for _, c := range []struct {
		held, up [2]time.Duration
		same     bool
		aWins    bool
	}{
		{[2]time.Duration{10 * time.Second, 0}, [2]time.Duration{}, false, true},
		{[2]time.Duration{0, 10 * time.Second}, [2]time.Duration{}, false, false},
		{[2]time.Duration{0, time.Millisecond}, [2]time.Duration{}, false, false},
		{[2]time.Duration{0, 0}, [2]time.Duration{}, false, true},
		{[2]time.Duration{time.Second, 6 * time.Second}, [2]time.Duration{}, false, true},
		{[2]time.Duration{time.Second, 7 * time.Second}, [2]time.Duration{}, false, false},
		{[2]time.Duration{time.Hour, 0}, [2]time.Duration{time.Hour, time.Second}, true, false},
	} {
		a, b := a, b
		a.held, b.held, a.up, b.up = c.held[0], c.held[1], c.up[0], c.up[1]
		if c.same {
			b.key = a.key
		}
		aWins, sameA := a.beats(b)
		bWins, sameB := b.beats(a)
		if aWins != c.aWins || bWins == aWins || sameA != c.same || sameB != c.same {
			t.Errorf("%+v: a wins %v, b wins %v, same %v %v", c, aWins, bWins, sameA, sameB)
		}
	}
}

func TestAStarterDoesNotMakeARunningNameAmbiguous(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		a := m.start("a")
		m.start("b")
		second, err := New(m.config("b", m.host("b2")))
		if err != nil {
			t.Fatal(err)
		}
		failed := make(chan error, 1)
		go func() { failed <- second.Start(t.Context()) }()
		for ended := false; !ended; {
			wantOK(t, a, "b")
			select {
			case err := <-failed:
				if ended = true; !errors.Is(err, ErrNameTaken) {
					t.Errorf("the second b: %v", err)
				}
			default:
				time.Sleep(time.Millisecond)
			}
		}
	})
}

// A node that gave way in one meeting must not insist in another that was under
// way with its old name: both would lose it.
func TestNamesALostNameIsHeldNoMore(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		b := m.start("b")
		second := m.start("b", func(c *Config) { c.Rename = true })
		for name, want := range map[string]bool{"b": false, second.Name(): true} {
			var says map[string]any
			if err := commands.DecodeValue(second.capabilities(name), &says); err != nil {
				t.Fatal(err)
			}
			if _, held := says["held"]; held != want {
				t.Errorf("introduced as %q beside %q, the renamed node says %v; held wanted: %t", name, b.Name(), says, want)
			}
		}
	})
}
