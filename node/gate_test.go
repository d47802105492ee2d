package node

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/policy"
)

// under configures a node with a policy.
func under(t *testing.T, lines ...string) func(*Config) {
	t.Helper()
	p, err := policy.Parse([]byte(strings.Join(lines, "\n")))
	if err != nil {
		t.Fatal(err)
	}
	return func(c *Config) { c.Policy = p }
}

// wantRefusal calls and wants the refusal of a rule.
func wantRefusal(t *testing.T, n *Node, target, path string, code commands.Code, rule string, opts ...CallOption) *commands.Error {
	t.Helper()
	_, err := n.Call(t.Context(), target, path, opts...)
	if err == nil {
		t.Fatalf("%s passes, want %s by %s", path, code, rule)
	}
	e := failure(t, err)
	if e.Code != code || e.Executed != commands.ExecutedNo || e.Where != commands.WhereQueue || e.Details["rule"] != rule {
		t.Fatalf("%s: %v, executed %v, where %v, %v; want %s by %s", path, e, e.Executed, e.Where, e.Details, code, rule)
	}
	return e
}

func TestADeniedCallNamesTheRule(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		b := m.start("b", under(t, "door: deny * on door.**", "deny name:a on __dial__.**", "allow name:a on lights.** __info__", "default deny"))
		a := m.start("a")
		ran := 0
		count := func(context.Context, *commands.Call) (any, error) { ran++; return "ran", nil }
		for _, p := range []string{"door.open", "lights.on", "secret"} {
			handle(t, b, p, count)
		}
		wantRefusal(t, a, "b", "door.open", commands.PermissionDenied, "door")
		wantRefusal(t, a, "b", "secret", commands.PermissionDenied, "default")
		wantRefusal(t, a, "b", "__stats__", commands.PermissionDenied, "default")
		if ran != 0 {
			t.Fatalf("%d denied calls ran", ran)
		}
		wantValue(t, a, "b", "lights.on", "ran")
		if _, err := a.Call(t.Context(), "b", "__info__"); err != nil {
			t.Error(err)
		}
		if _, err := a.Ping(t.Context(), "b"); err != nil {
			t.Errorf("ping: %v", err)
		}
		wantValue(t, b, "b", "secret", "ran") // a node may do what it likes with itself
		if s := b.Stats(); s.PolicyDenied != 3 || s.PolicyLimited != 0 {
			t.Errorf("%d denied, %d limited", s.PolicyDenied, s.PolicyLimited)
		}
		if s := a.Stats(); s.PolicyDenied != 0 {
			t.Errorf("the caller counts %d", s.PolicyDenied)
		}
	})
}

func TestADenialOverARelay(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		r := m.relay("relay", m.lan)
		far := func(c *Config) { c.NoLAN = true; c.Relays = []string{r.address()} }
		a := m.start("a", far)
		b := m.start("b", far, under(t, "allow key:"+a.Identity().String()+" on hello", "rest: deny * on **"))
		other := m.start("other", far)
		handle(t, b, "hello", answer("hi"))
		wantValue(t, a, "b", "hello", "hi")
		wantRefusal(t, a, "b", "__echo__", commands.PermissionDenied, "rest")
		wantRefusal(t, other, "b", "hello", commands.PermissionDenied, "rest")
	})
}

// Who takes another's name does not get what was given to a key.
func TestAKeyRuleIsNotMetByAName(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		a := m.start("a")
		b := m.start("b", under(t, "keys: allow key:"+a.Identity().String()+" on hello", "names: allow name:a on bye", "default deny"))
		handle(t, b, "hello", answer("hi"))
		handle(t, b, "bye", answer("bye"))
		wantValue(t, a, "b", "hello", "hi")
		shutdown(t, a)
		again := m.start("a") // with an identity of its own
		wantRefusal(t, again, "b", "hello", commands.PermissionDenied, "default")
		wantValue(t, again, "b", "bye", "bye")
	})
}

func TestObserversHaveRulesOfTheirOwn(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		b := m.start("b", under(t, "eyes: deny observers on door", "default allow"))
		handle(t, b, "door", answer("open"))
		cli := m.start("cli", func(c *Config) { c.Observer = true })
		wantRefusal(t, cli, "b", "door", commands.PermissionDenied, "eyes")
		wantValue(t, m.start("a"), "b", "door", "open")
	})
}

func TestARateInVirtualTime(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		b := m.start("b", under(t, "calm: allow * on tick rate=1/m burst=2"))
		a := m.start("a")
		handle(t, b, "tick", answer("tock"))
		wantValue(t, a, "b", "tick", "tock")
		wantValue(t, a, "b", "tick", "tock")
		e := wantRefusal(t, a, "b", "tick", commands.ResourceExhausted, "calm")
		if e.RetryAfter < 59*time.Second || e.RetryAfter > time.Minute+time.Millisecond {
			t.Errorf("retry after %v", e.RetryAfter)
		}
		time.Sleep(e.RetryAfter)
		wantValue(t, a, "b", "tick", "tock")
		wantRefusal(t, a, "b", "tick", commands.ResourceExhausted, "calm")
		if s := b.Stats(); s.PolicyLimited != 2 {
			t.Errorf("%d limited", s.PolicyLimited)
		}
	})
}

func TestConcurrencyIsHeldUntilTheAnswer(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		b := m.start("b", under(t, "one: allow * on wait concurrency=1"))
		a, c := m.start("a"), m.start("c")
		release := make(chan struct{})
		handle(t, b, "wait", func(ctx context.Context, _ *commands.Call) (any, error) {
			select {
			case <-release:
				return "done", nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		})
		begin := func(n *Node) chan error {
			done := make(chan error, 1)
			go func() {
				_, err := n.Call(t.Context(), "b", "wait")
				done <- err
			}()
			return done
		}
		first, other := begin(a), begin(c)
		time.Sleep(time.Second)
		wantRefusal(t, a, "b", "wait", commands.ResourceExhausted, "one")
		close(release)
		if err := <-first; err != nil {
			t.Error(err)
		}
		if err := <-other; err != nil {
			t.Error(err)
		}
		wantValue(t, a, "b", "wait", "done")
	})
}

// A call that is given up, and a handler that panics, give the place back.
func TestThePlaceComesBackHoweverACallEnds(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		b := m.start("b", under(t, "one: allow * on ** concurrency=1"))
		a := m.start("a")
		handle(t, b, "hang", func(ctx context.Context, _ *commands.Call) (any, error) { <-ctx.Done(); return nil, ctx.Err() })
		handle(t, b, "crash", func(context.Context, *commands.Call) (any, error) { panic("on purpose") })
		for range 3 {
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			if _, err := a.Call(ctx, "b", "hang"); err == nil {
				t.Fatal("it came back")
			}
			cancel()
			synctest.Wait()
			if _, err := a.Call(t.Context(), "b", "crash"); failure(t, err).Code != commands.Internal {
				t.Fatal(err)
			}
		}
	})
}

func TestRequiredRights(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		b := m.start("b", under(t, "group ops = name:boss", "grant admin cook to group:ops", "grant cook to *"))
		free := m.start("free")
		for _, n := range []*Node{b, free} {
			handle(t, n, "reset", answer("ok"), commands.Requires("admin", "cook"))
		}
		a, boss := m.start("a"), m.start("boss")
		wantValue(t, boss, "b", "reset", "ok")
		e := wantRefusal(t, a, "b", "reset", commands.PermissionDenied, "default")
		if e.Details["right"] != "admin" {
			t.Errorf("details %v", e.Details)
		}
		wantValue(t, b, "b", "reset", "ok")
		wantValue(t, a, "free", "reset", "ok") // without a policy everything is allowed
		d, err := b.Commands().Describe("reset")
		if err != nil || !slices.Equal(d.Rights, []string{"admin", "cook"}) {
			t.Errorf("%v %v", d.Rights, err)
		}
		if err := b.Commands().Handle("bad", answer(1), commands.Requires("two words")); err == nil {
			t.Error("a right of two words is taken")
		}
	})
}

// dry asks whether a call would run.
func dry(t *testing.T, n *Node, target, path string, opts ...CallOption) DryRunReport {
	t.Helper()
	var report DryRunReport
	reply, err := n.Call(t.Context(), target, path, append(opts, DryRun())...)
	if err == nil {
		err = reply.Decode(&report)
	}
	if err != nil {
		t.Fatalf("dry run of %s: %v", path, err)
	}
	return report
}

func TestADryRunGoesAsFarAsTheCommand(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		b := m.start("b", under(t, "slow: allow * on add rate=1/h burst=1", "deny * on door"))
		a := m.start("a")
		ran := 0
		type in struct {
			A int `json:"a"`
		}
		if err := commands.Func(b.Commands(), "add", func(context.Context, in) (int, error) { ran++; return ran, nil }); err != nil {
			t.Fatal(err)
		}
		handle(t, b, "door", answer(1))
		handle(t, b, "plain", answer(1))
		for range 3 { // uses up nothing
			want := DryRunReport{WouldRun: true, Command: "add", Rule: "slow", Rate: 1.0 / 3600, Burst: 1, Checked: true}
			if got := dry(t, a, "b", "add", Args(1)); got != want {
				t.Errorf("%+v, want %+v", got, want)
			}
		}
		if got := dry(t, a, "b", "plain", Args("x")); !got.WouldRun || got.Checked || got.Rule != "default" {
			t.Errorf("%+v", got)
		}
		if got := dry(t, b, "b", "add", Args(1)); got.Rule != "" || !got.WouldRun {
			t.Errorf("of itself: %+v", got)
		}
		wantRefusal(t, a, "b", "door", commands.PermissionDenied, "line 2", DryRun())
		for path, code := range map[string]commands.Code{"nothing": commands.NotFound, "add": commands.InvalidArgument} {
			_, err := a.Call(t.Context(), "b", path, Args("x"), DryRun())
			if e := failure(t, err); e.Code != code || e.Executed != commands.ExecutedNo {
				t.Errorf("%s: %v, want %s", path, e, code)
			}
		}
		if s := b.Stats(); ran != 0 || s.PolicyDenied+s.PolicyLimited != 0 {
			t.Errorf("%d ran, %d denied, %d limited", ran, s.PolicyDenied, s.PolicyLimited)
		}
		wantValue(t, a, "b", "add", int64(1), Args(1))
		wantRefusal(t, a, "b", "add", commands.ResourceExhausted, "slow", Args(1), DryRun())
		all := a.Gather(t.Context(), Everyone, "plain", DryRun()).All()
		if len(all) != 1 || all["b"].Err != nil {
			t.Errorf("%+v", all)
		}
	})
}

func TestAPolicyIsGivenOnce(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		cfg := m.config("a", m.host("a"))
		under(t, "default deny")(&cfg)
		cfg.PolicyFile = "x"
		if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), "PolicyFile") {
			t.Errorf("%v", err)
		}
	})
}
