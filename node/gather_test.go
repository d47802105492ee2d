package node

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/discovery"
	"github.com/fernmesh/fernmesh/meshtest"
)

// crew starts n nodes named m000, m001, … with one command "work", which takes
// as long as work says, and notes how many ran at once.
type crew struct {
	nodes []*Node
	hosts []*meshtest.Host
	began atomic.Int32
	most  atomic.Int32
	now   atomic.Int32
}

func (m *mesh) crew(n int, work func(i int) time.Duration, set ...func(*Config)) *crew {
	c := &crew{nodes: make([]*Node, n), hosts: make([]*meshtest.Host, n)}
	for i := range n {
		c.hosts[i] = m.host("m")
	}
	var up sync.WaitGroup
	for i := range n {
		up.Go(func() {
			node := m.startOn(c.hosts[i], fmt.Sprintf("m%03d", i), set...)
			handle(m.t, node, "work", func(ctx context.Context, _ *commands.Call) (any, error) { return c.work(ctx, work(i)) })
			c.nodes[i] = node
		})
	}
	up.Wait()
	return c
}

func (c *crew) work(ctx context.Context, d time.Duration) (any, error) {
	c.began.Add(1)
	now := c.now.Add(1)
	defer c.now.Add(-1)
	for old := c.most.Load(); now > old && !c.most.CompareAndSwap(old, now); old = c.most.Load() {
	}
	if !sleep(ctx, d) {
		return nil, ctx.Err()
	}
	return "done", nil
}

// quietly starts a crew that is not on the LAN's air, where each advert would
// reach every other member; introduce tells a caller of it as discovery would.
func (m *mesh) quietly(n int, work func(i int) time.Duration, set ...func(*Config)) *crew {
	return m.crew(n, work, append(set, func(c *Config) { c.NoLAN, c.Listen = true, ":4000" })...)
}

func (c *crew) introduce(caller *Node) {
	for i, member := range c.nodes {
		addr := netip.AddrPortFrom(c.hosts[i].Addr(), 4000)
		caller.discovered(discovery.Change{Kind: discovery.Added, Entry: discovery.Entry{
			Instance: member.Instance(), Name: member.Name(), Addrs: []discovery.Addr{{AddrPort: addr, Seen: time.Now()}},
			Status: member.self().Status,
		}})
	}
}

func steady(d time.Duration) func(int) time.Duration { return func(int) time.Duration { return d } }

// stopped checks that an outcome is CANCELLED by a rule, and whether it says
// that the command may have run.
func stopped(t *testing.T, name string, o Outcome, rule string, ran commands.Executed) {
	t.Helper()
	var e *commands.Error
	var why *StoppedError
	if !errors.As(o.Err, &e) || e.Code != commands.Cancelled || e.Executed != ran || !errors.As(o.Err, &why) || why.Rule != rule {
		t.Errorf("%s: %+v, %v; want CANCELLED by %q, ran: %v", name, o.Reply, o.Err, rule, ran)
	}
}

func TestGatherFirstStopsTheOthers(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		c := m.crew(6, func(i int) time.Duration { return time.Duration(i+1) * time.Second })
		a := m.start("a")
		g := a.Gather(t.Context(), Everyone, "work", First(2), AtOnce(4))
		start := time.Now()
		all := g.All()
		if took := time.Since(start); took < 2*time.Second || took > 3*time.Second {
			t.Errorf("took %v, want 2 s and what discovery takes", took)
		}
		if len(all) != 6 || all["m000"].Err != nil || all["m001"].Err != nil {
			t.Fatalf("%d outcomes, %v %v", len(all), all["m000"].Err, all["m001"].Err)
		}
		for _, name := range []string{"m002", "m003", "m004"} { // m004 took the place of m000
			stopped(t, name, all[name], "first 2", commands.ExecutedMaybe)
		}
		stopped(t, "m005", all["m005"], "first 2", commands.ExecutedNo)
		if err := g.Err(); err != nil {
			t.Errorf("a gather that its rule stopped failed: %v", err)
		}
		if s := g.Summary(); s != (Summary{Members: 6, Answered: 2, Failed: 4, Stopped: "first 2"}) {
			t.Errorf("summary %+v", s)
		}
		time.Sleep(time.Second)
		if c.now.Load() != 0 || c.began.Load() != 5 {
			t.Errorf("%d handlers still run, %d began; want 0 and 5", c.now.Load(), c.began.Load())
		}
	})
}

func TestGatherQuorumIsAMajorityOfAllMembers(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		m.crew(4, func(i int) time.Duration { return time.Duration(i+1) * time.Second })
		a := m.start("a")
		g := a.Gather(t.Context(), Union(Everyone, Nodes("ghost")), "work", Quorum())
		all := g.All()
		if s := g.Summary(); s.Members != 5 || s.Answered != 3 || s.Stopped != "quorum 3 of 5" {
			t.Errorf("summary %+v; want 3 of 5 answers", s)
		}
		stopped(t, "m003", all["m003"], "quorum 3 of 5", commands.ExecutedMaybe)
		stopped(t, "ghost", all["ghost"], "quorum 3 of 5", commands.ExecutedNo)
	})
}

func TestGatherStallGapAndStopWhen(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		m.crew(4, func(i int) time.Duration {
			return []time.Duration{time.Second, 2 * time.Second, 3 * time.Second, 30 * time.Second}[i]
		})
		a := m.start("a")
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_ = a.Settle(ctx)
		start := time.Now()
		g := a.Gather(ctx, Everyone, "work", StallGap(1500*time.Millisecond))
		all := g.All()
		if took := time.Since(start); took < 4500*time.Millisecond || took > 4600*time.Millisecond {
			t.Errorf("took %v; the last outcome came at 3 s, the gap is 1.5 s", took)
		}
		stopped(t, "m003", all["m003"], "stall gap 1.5s", commands.ExecutedMaybe)
		if g.Summary().Answered != 3 {
			t.Errorf("%+v", g.Summary())
		}
		var seen []string
		g = a.Gather(ctx, Everyone, "work", StopWhen(func(name string, o Outcome) bool {
			seen = append(seen, name)
			return name == "m001"
		}))
		all = g.All()
		stopped(t, "m002", all["m002"], "stop when", commands.ExecutedMaybe)
		if !slices.Equal(seen, []string{"m000", "m001"}) {
			t.Errorf("judged %v; outcomes after the stop are not to be judged", seen)
		}
	})
}

func TestLeavingTheLoopStopsTheGather(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		m.crew(3, func(i int) time.Duration { return time.Duration(i+1) * time.Second })
		a := m.start("a")
		g := a.Gather(t.Context(), Everyone, "work")
		if members := g.Members(); !slices.Equal(members, []string{"m000", "m001", "m002"}) {
			t.Errorf("members %v", members)
		}
		for name := range g.Results() {
			if name != "m000" {
				t.Errorf("%s came first", name)
			}
			break
		}
		stopped(t, "m002", g.All()["m002"], "the caller left the loop", commands.ExecutedMaybe)
	})
}

func TestAGatherThatItsCallerCancelsSettlesEveryMember(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		m.crew(3, steady(time.Minute))
		a := m.start("a")
		ctx, cancel := context.WithCancel(t.Context())
		g := a.Gather(ctx, Union(Everyone, Nodes("ghost")), "work", AtOnce(2))
		g.Members()
		time.Sleep(time.Second)
		cancel()
		for name, o := range g.All() {
			e := failure(t, o.Err)
			want := commands.ExecutedNo
			if name == "m000" {
				want = commands.ExecutedMaybe
			}
			if e.Code != commands.Cancelled || e.Executed != want {
				t.Errorf("%s: %v, want CANCELLED, ran: %v", name, e, want)
			}
		}
		if len(g.All()) != 4 {
			t.Errorf("%d outcomes, want 4", len(g.All()))
		}
	})
}

func TestThreeOfFiftyKilledInMidGatherAreNamedWithoutWaitingForTheDeadline(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		c := m.quietly(50, steady(2*time.Second))
		a := m.start("a")
		c.introduce(a)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		start := time.Now()
		g := a.Gather(ctx, Everyone, "work", AtOnce(50))
		time.Sleep(1500 * time.Millisecond)
		dead := []int{7, 23, 49}
		for _, i := range dead {
			c.hosts[i].Crash()
		}
		all := g.All()
		took := time.Since(start)
		t.Logf("50 members, 3 killed: %v of virtual time", took)
		if s := g.Summary(); s.Members != 50 || s.Answered != 47 || s.Failed != 3 || took > 20*time.Second {
			t.Errorf("%+v after %v; want 47 answers and 3 failures within 20 s", s, took)
		}
		for _, i := range dead {
			name := fmt.Sprintf("m%03d", i)
			if e := failure(t, all[name].Err); e.Executed != commands.ExecutedMaybe {
				t.Errorf("%s: %v; it was running", name, e)
			}
		}
	})
}

// The members' handlers all take a second: with all of them at once a gather
// takes one round of it, with the default ceil(n/32).
func TestAThousandMembersInRounds(t *testing.T) {
	n := 200
	if *long {
		n = 1000
	}
	inMesh(t, func(t *testing.T, m *mesh) {
		m.lan = m.world.LAN("hall", "10.7.0.0/16")
		m.lan.SetLatency(time.Millisecond)
		c := m.quietly(n, steady(time.Second))
		a := m.start("a")
		c.introduce(a)
		gather := func(atOnce int) time.Duration {
			c.most.Store(0)
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
			defer cancel()
			start := time.Now()
			g := a.Gather(ctx, Everyone, "work", AtOnce(atOnce))
			if err := g.Err(); err != nil || g.Summary().Answered != n {
				t.Fatalf("%+v %v", g.Summary(), err)
			}
			if most := int(c.most.Load()); most != atOnce {
				t.Errorf("%d handlers at once, want %d", most, atOnce)
			}
			return time.Since(start)
		}
		all := gather(n)
		if all >= 2*time.Second {
			t.Errorf("all at once took %v, want under 1 s besides the handlers' second", all)
		}
		rounds := (n + defaultAtOnce - 1) / defaultAtOnce
		some := gather(defaultAtOnce)
		if least := time.Duration(rounds) * time.Second; some < least || some >= least+time.Second {
			t.Errorf("%d at once took %v, want %d rounds of a second", defaultAtOnce, some, rounds)
		}
		t.Logf("%d members: %v all at once, %v with %d at once, in virtual time", n, all, some, defaultAtOnce)
	})
}
