package policy

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/crypto"
)

// admit wants a call to pass.
func admit(t *testing.T, g *Guard, who commands.Caller, what string, rights ...string) (release func()) {
	t.Helper()
	release, err := g.Admit(who, path(t, what), rights...)
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	return release
}

// refused wants a call not to pass.
func refused(t *testing.T, g *Guard, who commands.Caller, what string, code commands.Code, rule string, rights ...string) *commands.Error {
	t.Helper()
	_, err := g.Admit(who, path(t, what), rights...)
	if err == nil {
		t.Fatalf("%s passes, want %s", what, code)
	}
	if err.Code != code || err.Executed != commands.ExecutedNo || err.Where != commands.WhereQueue || err.Details["rule"] != rule {
		t.Fatalf("%s: %v %v %v, want %s by %s", what, err, err.Where, err.Details, code, rule)
	}
	return err
}

func TestGuardDenies(t *testing.T) {
	g := NewGuard(parse(t, "grant admin to name:boss\nhands-off: deny * on door.**\ndefault allow"), 0)
	a := caller(t, "a")
	refused(t, g, a, "door.open", commands.PermissionDenied, "hands-off")
	admit(t, g, a, "lights.on")()
	admit(t, g, caller(t, "boss"), "oven.heat", "admin")()
	if e := refused(t, g, a, "oven.heat", commands.PermissionDenied, "default", "admin"); e.Details["right"] != "admin" {
		t.Errorf("details %v", e.Details)
	}
	if s := g.Stats(); s.Denied != 2 || s.Limited != 0 || s.Remembered != 0 {
		t.Errorf("%+v", s)
	}
	admit(t, NewGuard(nil, 0), a, "door.open", "admin")() // no policy: everything
}

func TestRateIsATokenBucketOfEachCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGuard(parse(t, "slow: allow * on x rate=2/s burst=3\nallow * on y rate=1/h"), 0)
		key := crypto.NewIdentity().Public()
		a, b := caller(t, "name:a key:"+key.String()), caller(t, "b")
		for range 3 {
			admit(t, g, a, "x")()
		}
		e := refused(t, g, a, "x", commands.ResourceExhausted, "slow")
		if e.RetryAfter < 500*time.Millisecond || e.RetryAfter > 501*time.Millisecond {
			t.Errorf("retry after %v", e.RetryAfter)
		}
		refused(t, g, caller(t, "name:other key:"+key.String()), "x", commands.ResourceExhausted, "slow") // another name, the same key
		admit(t, g, b, "x")()
		admit(t, g, a, "y")() // another rule
		time.Sleep(e.RetryAfter)
		admit(t, g, a, "x")()
		refused(t, g, a, "x", commands.ResourceExhausted, "slow")
		time.Sleep(time.Hour)
		for range 3 {
			admit(t, g, a, "x")()
		}
		refused(t, g, a, "x", commands.ResourceExhausted, "slow")
	})
}

func TestConcurrencyIsHeldUntilRelease(t *testing.T) {
	g := NewGuard(parse(t, "two: allow * on ** concurrency=2 rate=1000/s"), 0)
	a := caller(t, "a")
	one, _ := admit(t, g, a, "x"), admit(t, g, a, "y")
	if e := refused(t, g, a, "x", commands.ResourceExhausted, "two"); e.RetryAfter <= 0 {
		t.Error("no advice when to try again")
	}
	admit(t, g, caller(t, "b"), "x")
	one()
	admit(t, g, a, "x")
	refused(t, g, a, "x", commands.ResourceExhausted, "two")
}

func TestCheckUsesNothingUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGuard(parse(t, "one: allow * on x rate=1/s\ndeny * on y"), 0)
		a := caller(t, "a")
		for range 5 {
			if d, err := g.Check(a, path(t, "x")); err != nil || d.Rule != "one" || d.Rate != 1 {
				t.Fatalf("%+v %v", d, err)
			}
		}
		admit(t, g, a, "x")()
		if _, err := g.Check(a, path(t, "x")); err == nil || err.Code != commands.ResourceExhausted || err.RetryAfter == 0 {
			t.Errorf("%v", err)
		}
		if _, err := g.Check(a, path(t, "y")); err == nil || err.Code != commands.PermissionDenied {
			t.Errorf("%v", err)
		}
		if s := g.Stats(); s.Denied+s.Limited != 0 || s.Remembered != 1 {
			t.Errorf("%+v", s)
		}
	})
}

func TestTheGuardForgetsWhoIsIdleLongest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGuard(parse(t, "one: allow * on ** rate=1/h concurrency=9"), 3)
		running := admit(t, g, caller(t, "busy"), "x")
		for i := range 10 {
			admit(t, g, caller(t, fmt.Sprint("n", i)), "x")()
		}
		if s := g.Stats(); s.Remembered != 3 || s.Forgotten != 8 {
			t.Errorf("%+v, want 3 remembered, 8 forgotten", s)
		}
		refused(t, g, caller(t, "busy"), "x", commands.ResourceExhausted, "one")
		refused(t, g, caller(t, "n9"), "x", commands.ResourceExhausted, "one")
		admit(t, g, caller(t, "n0"), "x") // forgotten, so it begins anew
		admit(t, g, caller(t, "n1"), "x")
		refused(t, g, caller(t, "n2"), "x", commands.ResourceExhausted, "one") // nobody is idle
		running()
		admit(t, g, caller(t, "n2"), "x")
	})
}

func TestReplaceKeepsWhatWasUsedUpUnderTheSameRule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGuard(parse(t, "allow * on x rate=1/h\nallow * on y rate=1/h"), 0)
		a := caller(t, "a")
		x, _ := admit(t, g, a, "x"), admit(t, g, a, "y")
		g.Replace(parse(t, "deny name:b on x\nsame: allow * on y rate=1/h\nallow * on x rate=2/h"))
		refused(t, g, a, "y", commands.ResourceExhausted, "same")
		admit(t, g, a, "x")()
		refused(t, g, caller(t, "b"), "x", commands.PermissionDenied, "line 1")
		x()                                                         // of a rule that is gone
		if s := g.Stats(); s.Remembered != 2 || g.idle.Len() != 1 { // y is still running
			t.Errorf("%+v, %d idle", s, g.idle.Len())
		}
		g.Replace(nil)
		admit(t, g, a, "y")()
		if s := g.Stats(); s.Remembered != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// A call that was judged by a policy that has just been replaced is judged again.
func TestAStaleJudgementTakesNothing(t *testing.T) {
	g := NewGuard(parse(t, "allow * on x concurrency=1"), 0)
	old := g.force.Load()
	g.Replace(parse(t, "deny * on x"))
	if u, err, stale := g.take(old, old.policy.rules[0], callerID{name: "a"}, path(t, "x")); u != nil || err != nil || !stale {
		t.Errorf("%v %v %v", u, err, stale)
	}
}

// Many callers at once, while the policy changes: at the end nothing is held.
func TestGuardFromManyGoroutines(t *testing.T) {
	text := "allow * on x concurrency=3 rate=1000000/s\nallow * on y concurrency=1"
	g := NewGuard(parse(t, text), 4)
	var wg sync.WaitGroup
	for i := range 8 {
		who := caller(t, fmt.Sprint("n", i))
		wg.Go(func() {
			for range 300 {
				if release, err := g.Admit(who, path(t, "x")); err == nil {
					release()
				}
			}
		})
	}
	for i := range 50 {
		g.Replace(parse(t, text+fmt.Sprintf("\nallow * on z%d concurrency=1", i)))
	}
	wg.Wait()
	s := g.Stats()
	if s.Remembered > 4 || s.Remembered != g.idle.Len() {
		t.Errorf("%+v, %d idle", s, g.idle.Len())
	}
}
