package node

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/internal/wire"
)

// offering configures a node for services.
func offering(services ...string) func(*Config) { return func(c *Config) { c.Services = services } }

// answeredBy calls any(x) n times, one after the other, and counts who answered.
func answeredBy(t *testing.T, caller *Node, target string, n int, opts ...CallOption) map[string]int {
	t.Helper()
	by := map[string]int{}
	for range n {
		reply, err := caller.Call(t.Context(), target, "__echo__", opts...)
		if err != nil {
			t.Fatalf("%s: %v", target, err)
		}
		by[reply.Node]++
	}
	return by
}

// offered waits until a node knows that n others are ready for a service.
func offered(t *testing.T, caller *Node, service string, n int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		ready := 0
		for _, p := range caller.Peers() {
			if !p.Draining && slices.Contains(p.Services, Service{Name: service, Ready: true}) {
				ready++
			}
		}
		if ready == n {
			return
		}
		if !sleep(ctx, 10*time.Millisecond) {
			t.Fatalf("%d nodes are ready for %q, want %d", ready, service, n)
		}
	}
}

func TestS3_19_AnyIsAReadyMemberOfTheService(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		a := m.start("a", offering("heat")) // oneself is never meant
		m.start("b", offering("heat"))
		m.start("c", offering("light"))
		offered(t, a, "heat", 1)
		if by := answeredBy(t, a, "any(heat)", 5); !maps.Equal(by, map[string]int{"b": 5}) {
			t.Errorf("answered by %v, want b", by)
		}
		if _, err := Invoke[map[string]any](t.Context(), a, "any(light)", "__info__", nil); err != nil {
			t.Errorf("Invoke: %v", err)
		}
		if pong, err := a.Ping(t.Context(), "any(light)"); err != nil || pong.Node != "c" {
			t.Errorf("Ping: %+v %v", pong, err)
		}
	})
}

func TestS3_20_NoServiceAndNoneReadyAreDistinct(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		a, b := m.start("a"), m.start("b", offering("heat"))
		if err := b.SetReady("heat", false); err != nil {
			t.Fatal(err)
		}
		offered(t, a, "heat", 0)
		for target, want := range map[string]struct {
			code  commands.Code
			known bool
		}{"any(heat)": {commands.Unavailable, true}, "any(light)": {commands.NotFound, false}} {
			_, err := a.Call(t.Context(), target, "__echo__")
			e := failure(t, err)
			var nobody *NoServiceError
			if e.Code != want.code || e.Executed != commands.ExecutedNo || !errors.As(err, &nobody) ||
				nobody.Offered != want.known || !slices.Equal(nobody.Known, []string{"heat"}) {
				t.Errorf("%s: %v (%+v)", target, err, nobody)
			}
		}
		for _, target := range []string{"any()", "any(a,b)", "any(a.b)"} {
			_, err := a.Call(t.Context(), target, "__echo__")
			if e := failure(t, err); e.Code != commands.InvalidArgument {
				t.Errorf("%s: %v", target, err)
			}
		}
	})
}

func TestS3_22_WaitForServiceUntilOneIsReady(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		a, b := m.start("a"), m.start("b")
		if err := b.SetReady("heat", false); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		got := make(chan error, 1)
		go func() { got <- a.WaitForService(ctx, "heat") }()
		time.Sleep(5 * time.Second)
		select {
		case err := <-got:
			t.Fatalf("returned before anybody was ready: %v", err)
		default:
		}
		if err := b.SetReady("heat", true); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		if err := <-got; err != nil || time.Since(start) > time.Second {
			t.Errorf("%v after %v, want nil within a second", err, time.Since(start))
		}
		b.Withdraw("heat")
		offered(t, a, "heat", 0)
		short, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		var nobody *NoServiceError
		if err := a.WaitForService(short, "heat"); !errors.As(err, &nobody) || nobody.Offered {
			t.Errorf("withdrawn: %v", err)
		}
	})
}

func TestStrategiesOfAny(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		c := m.crew(4, steady(time.Second), offering("heat"))
		a := m.start("a")
		offered(t, a, "heat", 4)
		even := map[string]int{"m000": 10, "m001": 10, "m002": 10, "m003": 10}
		for name, pick := range map[string]Picker{"round robin": RoundRobin, "least outstanding, idle": LeastOutstanding} {
			if by := answeredBy(t, a, "any(heat)", 40, Pick(pick)); !maps.Equal(by, even) {
				t.Errorf("%s: %v", name, by)
			}
		}
		by := answeredBy(t, a, "any(heat)", 400, Pick(Random))
		for name, n := range by {
			if n < 50 || n > 150 {
				t.Errorf("random: %s answered %d of 400", name, n)
			}
		}
		// Two members are busy with calls by name; the next ones go to the others.
		var calls sync.WaitGroup
		for _, name := range []string{"m000", "m001", "m001"} {
			calls.Go(func() { wantValue(t, a, name, "work", "done") })
		}
		synctest.Wait()
		if by := answeredBy(t, a, "any(heat)", 20); by["m000"]+by["m001"] != 0 {
			t.Errorf("least outstanding: %v; m000 and m001 are busy", by)
		}
		for range 5 { // 8 under way then: two each
			calls.Go(func() { _, _ = a.Call(t.Context(), "any(heat)", "work") })
		}
		synctest.Wait()
		for i := range 4 {
			if m := a.roster.find(c.nodes[i].Instance()); m.busy.Load() != 2 {
				t.Errorf("%s has %d calls under way, want 2", m.name, m.busy.Load())
			}
		}
		calls.Wait()
		none := func(c []Candidate) int { return -1 }
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := a.Call(ctx, "any(heat)", "__echo__", Pick(none)); failure(t, err).Code != commands.Unavailable {
			t.Errorf("a picker that wants nobody: %v", err)
		}
	})
}

func TestLowestLatencyPicksTheNearest(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		far := m.world.LAN("far", "10.3.0.0/24")
		far.SetLatency(20 * time.Millisecond)
		m.lan.SetLatency(time.Millisecond)
		a := m.startOn(m.world.Host("a", m.lan, far), "a")
		m.start("near", offering("heat"))
		m.startOn(m.world.Host("distant", far), "distant", offering("heat"))
		offered(t, a, "heat", 2)
		if first := answeredBy(t, a, "any(heat)", 2, Pick(LowestLatency)); len(first) != 2 {
			t.Errorf("%v; each is measured first", first)
		}
		time.Sleep(time.Second) // the measure of the distant one is under way
		if by := answeredBy(t, a, "any(heat)", 10, Pick(LowestLatency)); by["near"] != 10 {
			t.Errorf("%v; want the near one", by)
		}
	})
}

func TestStickyKeysStayAndAllCallersAgree(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		m.crew(4, steady(0), offering("heat"))
		last := m.start("last", offering("heat"))
		a, b := m.start("a"), m.start("b")
		where := func(caller *Node) map[string]string {
			at := map[string]string{}
			for i := range 60 {
				key := fmt.Sprint("user ", i)
				for name := range answeredBy(t, caller, "any(heat)", 2, Sticky(key)) {
					if at[key] != "" {
						t.Errorf("key %q is at %s and %s", key, at[key], name)
					}
					at[key] = name
				}
			}
			return at
		}
		offered(t, a, "heat", 5)
		offered(t, b, "heat", 5)
		before := where(a)
		if !maps.Equal(before, where(b)) {
			t.Error("two callers do not agree")
		}
		used := map[string]int{}
		for _, name := range before {
			used[name]++
		}
		if len(used) != 5 {
			t.Errorf("60 keys are at %v, want all 5 members used", used)
		}
		if err := last.SetReady("heat", false); err != nil {
			t.Fatal(err)
		}
		offered(t, a, "heat", 4)
		for key, name := range where(a) {
			if before[key] != "last" && name != before[key] || name == "last" {
				t.Errorf("key %q moved from %s to %s when last left", key, before[key], name)
			}
		}
	})
}

func TestAnyPrefersTheLAN(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		r := m.relay("relay", m.lan)
		a := m.start("a", through(r.address()))
		m.start("near", offering("heat"), through(r.address()))
		m.start("far", offering("heat", "light"), through(r.address()), func(c *Config) { c.NoLAN = true })
		offered(t, a, "heat", 2)
		for name, pick := range map[string]Picker{"random": Random, "round robin": RoundRobin, "least": nil} {
			if by := answeredBy(t, a, "any(heat)", 10, Pick(pick)); by["near"] != 10 {
				t.Errorf("%s: %v; want the one on the LAN", name, by)
			}
		}
		reply, err := a.Call(t.Context(), "any(light)", "__echo__")
		if err != nil || reply.Node != "far" || reply.Path.Kind != "relay" {
			t.Errorf("%+v %v; a service of relayed members alone is reached too", reply, err)
		}
	})
}

func TestAnyGoesOnElsewhereWhileNothingRan(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		hb := m.host("b")
		a := m.start("a")
		m.startOn(hb, "b", offering("heat"))
		full := m.start("c", offering("heat"), func(c *Config) { c.Limits.HandlersPerNode, c.Limits.QueuePerNode = 1, -1 })
		block := make(chan struct{})
		handle(t, full, "block", func(context.Context, *commands.Call) (any, error) { <-block; return nil, nil })
		m.start("d", offering("heat"))
		offered(t, a, "heat", 3)
		busy := make(chan error, 1)
		go func() { _, err := a.Call(t.Context(), "c", "block"); busy <- err }()
		synctest.Wait()
		hb.Crash() // without a word: it is still listed
		start := time.Now()
		if by := answeredBy(t, a, "any(heat)", 8, Pick(RoundRobin)); by["d"] != 8 {
			t.Errorf("%v; b is gone and c is full", by)
		}
		if took := time.Since(start); took > 2*time.Second {
			t.Errorf("8 calls took %v; a member that does not answer costs a second, once", took)
		}
		close(block)
		if err := <-busy; err != nil {
			t.Error(err)
		}
	})
}

func TestAnyStaysWhereTheCommandMayHaveRun(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		c := m.quietly(3, steady(3*time.Second), offering("heat"))
		a := m.start("a")
		c.introduce(a)
		call := func(opts ...CallOption) error {
			ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
			defer cancel()
			_, err := a.Call(ctx, "any(heat)", "work", append(opts, Sticky("x"))...)
			return err
		}
		kill := func() {
			for i, h := range c.hosts {
				if a.roster.find(c.nodes[i].Instance()).busy.Load() > 0 {
					h.Crash()
				}
			}
		}
		for _, test := range []struct {
			opts []CallOption
			ran  int32
		}{{nil, 1}, {[]CallOption{Idempotent()}, 2}} {
			c.began.Store(0)
			got := make(chan error, 1)
			go func() { got <- call(test.opts...) }()
			time.Sleep(1500 * time.Millisecond)
			kill()
			err := <-got
			if test.ran == 2 && err != nil {
				t.Errorf("an idempotent call: %v", err)
			}
			if test.ran == 1 && failure(t, err).Executed != commands.ExecutedMaybe {
				t.Errorf("%v, want: may have run", err)
			}
			if c.began.Load() != test.ran {
				t.Errorf("%d runs, want %d", c.began.Load(), test.ran)
			}
		}
	})
}

func TestAnyComesBackToTheMemberThatRunsTheCommand(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		c := m.quietly(3, steady(3*time.Second), offering("heat"))
		ha := m.host("a")
		a := m.startOn(ha, "a")
		c.introduce(a)
		got := make(chan error, 1)
		go func() { _, err := a.Call(t.Context(), "any(heat)", "work"); got <- err }()
		time.Sleep(time.Second)
		for _, h := range c.hosts {
			m.world.Reset(ha, h)
		}
		if err := <-got; err != nil || c.began.Load() != 1 {
			t.Errorf("%v, %d runs; the link broke, the member did not", err, c.began.Load())
		}
	})
}

func TestAnIdempotentCallNeverForgetsThatItMayHaveRun(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		c := m.quietly(2, steady(30*time.Second), offering("heat"), func(c *Config) { c.Limits.HandlersPerNode, c.Limits.QueuePerNode = 1, -1 })
		a := m.start("a")
		c.introduce(a)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		got, other := make(chan error, 1), make(chan error, 1)
		go func() { _, err := a.Call(ctx, "any(heat)", "work", Idempotent()); got <- err }()
		time.Sleep(time.Second)
		for i, n := range c.nodes { // the one that runs it is lost, the other full
			if a.roster.find(n.Instance()).busy.Load() > 0 {
				c.hosts[i].Crash()
			} else {
				go func() { _, err := a.Call(ctx, n.Name(), "work"); other <- err }()
			}
		}
		e := failure(t, <-got)
		if e.Code != commands.ResourceExhausted || e.Executed != commands.ExecutedMaybe || c.began.Load() != 2 {
			t.Errorf("%v, %d runs; it may have run where it began", e, c.began.Load())
		}
		if err := <-other; err != nil {
			t.Error(err)
		}
	})
}

// Twenty members, calls all the time, members killed, shut down and made not
// ready in the middle: no call runs twice, and none fails but those that a
// killed member may have run.
func TestAnyAmongTwentyThatComeAndGo(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		c := m.quietly(20, steady(0), offering("heat"))
		a := m.start("a")
		c.introduce(a)
		var mu sync.Mutex
		runs := map[int64]int{}
		for i, n := range c.nodes {
			handle(t, n, "once", func(ctx context.Context, call *commands.Call) (any, error) {
				id, err := commands.Arg[int64](call, 0)
				if err != nil {
					return nil, err
				}
				mu.Lock()
				runs[id]++
				mu.Unlock()
				sleep(ctx, time.Duration(50+10*i)*time.Millisecond)
				return n.Name(), nil
			})
		}
		const calls = 400
		var all sync.WaitGroup
		var failed []error
		go func() {
			time.Sleep(time.Second)
			c.hosts[3].Crash()
			c.hosts[4].Crash()
			_ = c.nodes[5].SetReady("heat", false)
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			_ = c.nodes[6].Shutdown(ctx)
		}()
		for id := range int64(calls) {
			time.Sleep(10 * time.Millisecond)
			all.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
				defer cancel()
				if _, err := a.Call(ctx, "any(heat)", "once", Args(id)); err != nil {
					mu.Lock()
					failed = append(failed, err)
					mu.Unlock()
				}
			})
		}
		all.Wait()
		for id, n := range runs {
			if n != 1 {
				t.Errorf("call %d ran %d times", id, n)
			}
		}
		for _, err := range failed {
			if e := failure(t, err); e.Executed != commands.ExecutedMaybe {
				t.Errorf("a call failed that had not run: %v", e)
			}
		}
		if len(failed) > 10 {
			t.Errorf("%d of %d calls failed; the two that were killed had a few each", len(failed), calls)
		}
		t.Logf("%d calls, %d failed at the killed ones, %d ran", calls, len(failed), len(runs))
	})
}

func TestStatusReachesOthersOverLinksAdvertsAndRelays(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		r := m.relay("relay", m.lan)
		far := func(c *Config) { c.NoLAN, c.Relays = true, []string{r.address()} }
		b := m.start("b", through(r.address()), offering("heat"), func(c *Config) { c.Tags = []string{"upstairs"} })
		lan, linked, relayed := m.start("lan"), m.start("linked"), m.start("relayed", far)
		observer := m.start("cli", func(c *Config) { c.Observer = true })
		wantOK(t, linked, "b")
		wantOK(t, observer, "b")
		callers := []*Node{linked, observer, lan, relayed}
		for _, caller := range callers {
			offered(t, caller, "heat", 1)
		}
		start := time.Now()
		if err := errors.Join(b.SetReady("heat", false), b.Offer("light"), b.SetTags("cellar", "cold", "cold")); err != nil {
			t.Fatal(err)
		}
		for _, caller := range callers {
			offered(t, caller, "heat", 0)
			offered(t, caller, "light", 1)
			i := slices.IndexFunc(caller.Peers(), func(p PeerInfo) bool { return p.Name == "b" })
			if tags := caller.Peers()[i].Tags; !slices.Equal(tags, []string{"cellar", "cold"}) {
				t.Errorf("%s sees tags %v", caller.Name(), tags)
			}
			if took := time.Since(start); caller == observer && took > 200*time.Millisecond {
				t.Errorf("who is linked knew after %v, want 100 ms", took)
			}
		}
		if took := time.Since(start); took > 1100*time.Millisecond {
			t.Errorf("everyone knew after %v, want about a second at most", took)
		}
	})
}

func TestOffersThatDoNotFitAnAdvertAreLearntOverALink(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		long := strings.Repeat("s", 60)
		b := m.start(strings.Repeat("b", 64), func(c *Config) {
			for i := range 8 {
				c.Services = append(c.Services, fmt.Sprint(long, i))
			}
			c.Tags = []string{"big"}
		})
		time.Sleep(5 * time.Second) // its first questions had more room
		a := m.start("a")
		if err := a.WaitFor(t.Context(), b.Name()); err != nil {
			t.Fatal(err)
		}
		if brief := a.roster.brief(); len(brief) != 1 {
			t.Fatalf("%d members have a brief status, want b", len(brief))
		}
		if by := answeredBy(t, a, "any("+long+"6)", 1); by[b.Name()] != 1 {
			t.Errorf("%v", by)
		}
		fresh := m.start("c")
		if all := fresh.Gather(t.Context(), Tagged("big"), "__echo__").All(); len(all) != 1 {
			t.Errorf("%d members with the tag, want b", len(all))
		}
	})
}

func TestS4_15_GroupsTagsAndUnionsCallEachMemberOnce(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		a := m.start("a", offering("heat"))
		m.start("b", offering("heat"), func(c *Config) { c.Tags = []string{"up"} })
		c := m.start("c", offering("heat"))
		m.start("d", func(c *Config) { c.Tags = []string{"up"} })
		m.start("e")
		if err := c.SetReady("heat", false); err != nil {
			t.Fatal(err)
		}
		offered(t, a, "heat", 1)
		for name, test := range map[string]struct {
			to   Targets
			want []string
		}{
			"group":   {Group("heat"), []string{"b", "c"}},
			"tag":     {Tagged("up"), []string{"b", "d"}},
			"union":   {Union(Group("heat"), Tagged("up"), Nodes("e", "b")), []string{"b", "c", "d", "e"}},
			"one any": {Nodes("any(heat)", "e"), []string{"any(heat)", "e"}},
			"nobody":  {Group("nothing"), nil},
		} {
			g := a.Gather(t.Context(), test.to, "__echo__")
			if err := g.Err(); err != nil || !slices.Equal(keys(g.All()), test.want) {
				t.Errorf("%s: %v %v, want %v", name, keys(g.All()), err, test.want)
			}
		}
		for _, to := range []Targets{Group("a,b"), Tagged("")} {
			if err := a.Gather(t.Context(), to, "__echo__").Err(); err == nil || !strings.Contains(err.Error(), "INVALID_ARGUMENT") {
				t.Errorf("an impossible name: %v", err)
			}
		}
	})
}

func TestANodeThatShutsDownTakesNoMoreAny(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		r := m.relay("relay", m.lan)
		far := func(c *Config) { c.NoLAN, c.Relays = true, []string{r.address()} }
		a, b := m.start("a", far), m.start("b", far, offering("heat"))
		m.start("c", far, offering("heat"))
		runs := slow(t, b, 5*time.Second)
		offered(t, a, "heat", 2)
		answeredBy(t, a, "any(heat)", 4)
		last := make(chan error, 1)
		go func() { _, err := a.Call(t.Context(), "b", "slow"); last <- err }()
		time.Sleep(time.Second)
		down := make(chan struct{})
		go func() { defer close(down); shutdown(t, b) }()
		start := time.Now()
		offered(t, a, "heat", 1)
		if took := time.Since(start); took > time.Second {
			t.Errorf("it was known after %v; b says so before it waits for its calls", took)
		}
		if all := a.Gather(t.Context(), Group("heat"), "__echo__").All(); len(all) != 1 || all["c"].Err != nil {
			t.Errorf("the group is %v, want c", keys(all))
		}
		before := a.Stats().Retries
		if by := answeredBy(t, a, "any(heat)", 10, Pick(RoundRobin)); by["c"] != 10 || a.Stats().Retries != before {
			t.Errorf("%v, %d retries; b is draining", by, a.Stats().Retries-before)
		}
		if err := <-last; runs.Load() != 1 {
			t.Errorf("the accepted call: %v", err)
		}
		<-down
	})
}

func TestWhatALinkSaysCountsMoreThanRumours(t *testing.T) {
	say := func(revision uint64, tag string) wire.Status {
		return wire.Status{Revision: revision, Tags: []string{tag}}
	}
	m := &member{sessions: map[pathKey]*session{}}
	want := func(tag string) {
		t.Helper()
		if len(m.status.Tags) != 1 || m.status.Tags[0] != tag {
			t.Errorf("%+v, want tag %s", m.status, tag)
		}
	}
	m.rumour(say(3, "c"))
	m.rumour(say(2, "b"))
	want("c")
	m.rumour(wire.Status{Revision: 4, Brief: true})
	m.rumour(say(4, "d"))
	m.rumour(wire.Status{Revision: 4, Brief: true})
	want("d")
	m.rumour(say(1<<63, "lie"))
	m.told(say(5, "e"))
	m.rumour(say(1<<63, "lie"))
	m.told(say(4, "d"))
	want("e")
	m.told(say(6, "f"))
	want("f")
}
