package node

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernmesh/fernmesh/meshtest"
)

// pair are two nodes that share a LAN and a relay beside it.
type pair struct {
	*mesh
	ha, hb *meshtest.Host
	a, b   *Node
	relays []*station
	uplink *meshtest.LAN
}

// pair starts the nodes a and b with n relays.
func (m *mesh) pair(n int, set ...func(*Config)) *pair {
	m.t.Helper()
	uplink := m.world.LAN("uplink", "10.9.0.0/24")
	m.lan = m.world.LAN("house", "10.4.0.0/16") // with room for many new addresses
	p := &pair{mesh: m, uplink: uplink}
	for i := range n {
		p.relays = append(p.relays, m.relay(fmt.Sprintf("relay-%d", i+1), uplink))
	}
	p.ha, p.hb = m.world.Host("a", m.lan, uplink), m.world.Host("b", m.lan, uplink)
	set = append([]func(*Config){func(c *Config) {
		c.Interfaces = []string{"10.4.0.0/16"}
		for _, r := range p.relays {
			c.Relays = append(c.Relays, r.address())
		}
	}}, set...)
	p.a, p.b = m.startOn(p.ha, "a", set...), m.startOn(p.hb, "b", set...)
	return p
}

// cut silences the LAN between the two, and nothing else; mend ends that.
func (p *pair) cut()  { p.world.Partition(p.ha, p.hb) }
func (p *pair) mend() { p.world.Heal(p.ha, p.hb) }

// kindOf is the kind of path that a call from a to b takes now.
func (p *pair) kindOf() string {
	p.t.Helper()
	reply, err := p.a.Call(p.t.Context(), "b", "__echo__")
	if err != nil {
		p.t.Fatal(err)
	}
	return reply.Path.Kind
}

// switches collects the path changes of a node until stop is called.
func switches(n *Node) (stop func() []Event) {
	ctx, cancel := context.WithCancel(context.Background())
	var all []Event
	done := make(chan struct{})
	events := n.Events(ctx)
	go func() {
		defer close(done)
		for e := range events {
			if e.Kind == PathChanged {
				all = append(all, e)
			}
		}
	}()
	return func() []Event {
		cancel()
		<-done
		return all
	}
}

func TestR3_ALANThatDiesUnderLoadMovesCallsToTheRelayWithinThreeSeconds(t *testing.T) {
	calls := 2000
	if *long {
		calls = 20_000
	}
	inMesh(t, func(t *testing.T, m *mesh) {
		p := m.pair(1)
		m.lan.SetLatency(3 * time.Millisecond)
		ran := ledgerOf(t, p.b)
		wantOK(t, p.a, "b")
		var died atomic.Pointer[time.Time]
		time.AfterFunc(2*time.Second, func() {
			now := time.Now()
			p.cut()
			died.Store(&now)
		})
		ids := make(chan int64)
		var callers sync.WaitGroup
		var late, lost, overLAN atomic.Int32
		for range 64 {
			callers.Go(func() {
				for id := range ids {
					time.Sleep(time.Duration(id%5) * 50 * time.Millisecond)
					began := time.Now()
					reply, err := p.a.Call(t.Context(), "b", "note", Args(id))
					if err != nil {
						t.Logf("call %d: %v", id, err)
						lost.Add(1)
						continue
					}
					if time.Since(began) > 3*time.Second {
						late.Add(1)
					}
					if cut := died.Load(); cut != nil && began.Sub(*cut) > 3*time.Second && reply.Path.Kind == "lan" {
						overLAN.Add(1)
					}
				}
			})
		}
		for id := range int64(calls) {
			ids <- id
		}
		close(ids)
		callers.Wait()
		doubled := 0
		for id := range int64(calls) {
			if ran(id) != 1 {
				doubled++
			}
		}
		if lost.Load() != 0 || doubled != 0 || late.Load() != 0 || overLAN.Load() != 0 {
			t.Errorf("of %d calls %d failed, %d did not run exactly once, %d took more than 3 s, %d still went over the LAN after 3 s",
				calls, lost.Load(), doubled, late.Load(), overLAN.Load())
		}
		if s := p.a.Stats(); s.PathSwitches != 1 || s.SecondPaths == 0 {
			t.Errorf("%d switches, %d second paths; want 1, and some: nothing was under way", s.PathSwitches, s.SecondPaths)
		}
	})
}

func TestR4_ALANThatComesBackAfterAnOutageIsUsedAgainWithinFifteenSeconds(t *testing.T) {
	for _, outage := range []time.Duration{3 * time.Second, 7 * time.Second, 30 * time.Second, 5 * time.Minute} {
		t.Run(outage.String(), func(t *testing.T) {
			inMesh(t, func(t *testing.T, m *mesh) {
				p := m.pair(1)
				wantOK(t, p.a, "b")
				p.cut()
				for end := time.Now().Add(outage); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
					p.kindOf()
				}
				if kind := p.kindOf(); kind != "relay" {
					t.Fatalf("with a dead LAN calls go over %q", kind)
				}
				p.mend()
				back := time.Now()
				for p.kindOf() != "lan" {
					if time.Since(back) > 15*time.Second {
						t.Fatalf("the LAN is back for 15 s and not used: %+v", p.a.Paths("b"))
					}
					time.Sleep(100 * time.Millisecond)
				}
			})
		})
	}
}

func TestR4_AFlappingLinkCausesAtMostOneSwitchInTenSeconds(t *testing.T) {
	flaps := map[string]func(p *pair, up bool){
		"cable pulled and plugged in": func(p *pair, up bool) {
			if up {
				p.mend()
				return
			}
			p.world.Reset(p.ha, p.hb)
			p.cut()
		},
		"connections reset": func(p *pair, up bool) {
			if !up {
				p.world.Reset(p.ha, p.hb)
			}
		},
		"silent": func(p *pair, up bool) {
			if up {
				p.mend()
			} else {
				p.cut()
			}
		},
		"the interface comes and goes": func(p *pair, up bool) {
			if up {
				p.hb.AddInterface(p.lan)
			} else {
				p.hb.RemoveInterface(p.lan)
			}
		},
	}
	for name, flap := range flaps {
		for _, every := range []time.Duration{time.Second, 6 * time.Second} {
			t.Run(fmt.Sprintf("%s every %v", name, every), func(t *testing.T) {
				inMesh(t, func(t *testing.T, m *mesh) {
					p := m.pair(1)
					wantOK(t, p.a, "b")
					if _, err := p.a.PingPath(t.Context(), "b", "relay"); err != nil { // it stands by
						t.Fatal(err)
					}
					stop := switches(p.a)
					ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
					defer cancel()
					var calls sync.WaitGroup
					for range 4 {
						calls.Go(func() {
							for sleep(ctx, 50*time.Millisecond) {
								if _, err := p.a.Call(t.Context(), "b", "__echo__"); err != nil {
									t.Error(err)
								}
							}
						})
					}
					for up := false; sleep(ctx, every/2); up = !up {
						flap(p, up)
					}
					calls.Wait()
					all := stop()
					if len(all) > 30 || uint64(len(all)) != p.a.Stats().PathSwitches {
						t.Errorf("%d switches in 5 minutes, %d in Stats", len(all), p.a.Stats().PathSwitches)
					}
					if every > time.Second {
						return // steady enough now and then for a path to be taken, and to fail
					}
					for i := 1; i < len(all); i++ {
						if gap := all[i].Time.Sub(all[i-1].Time); gap < 10*time.Second {
							t.Errorf("two switches within %v: to %s (%s), then to %s (%s)", gap,
								all[i-1].Path.Kind, all[i-1].Reason, all[i].Path.Kind, all[i].Reason)
						}
					}
				})
			})
		}
	}
}

func TestADeadPathIsLeftAtOnceAlthoughItWasTakenAMomentAgo(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		p := m.pair(1)
		p.cut()
		if kind := p.kindOf(); kind != "relay" {
			t.Fatalf("the first path is %q", kind)
		}
		p.mend()
		for p.kindOf() != "lan" {
			time.Sleep(50 * time.Millisecond)
		}
		p.world.Reset(p.ha, p.hb)
		p.cut()
		began := time.Now()
		if kind := p.kindOf(); kind != "relay" || time.Since(began) > time.Second {
			t.Errorf("the call went over %q after %v; want the relay at once", kind, time.Since(began))
		}
		synctest.Wait() // the call may end before the reset link is put away
		if s := p.a.Stats(); s.PathSwitches != 2 {
			t.Errorf("%d switches, want 2", s.PathSwitches)
		}
	})
}

// farPair starts a and b with two relays, each on an uplink of its own, and
// links over both. Round trips are measured every second.
func (m *mesh) farPair() (p *pair, uplinks [2]*meshtest.LAN) {
	m.t.Helper()
	p = &pair{mesh: m}
	for i := range uplinks {
		uplinks[i] = m.world.LAN(fmt.Sprintf("uplink-%d", i+1), fmt.Sprintf("10.%d.0.0/24", 90+i))
		p.relays = append(p.relays, m.relay(fmt.Sprintf("relay-%d", i+1), uplinks[i]))
	}
	p.ha, p.hb = m.world.Host("a", uplinks[:]...), m.world.Host("b", uplinks[:]...)
	far := func(c *Config) {
		c.NoLAN, c.Timers.IdlePing = true, time.Second
		c.Relays = []string{p.relays[0].address(), p.relays[1].address()}
	}
	p.a, p.b = m.startOn(p.ha, "a", far), m.startOn(p.hb, "b", far)
	for _, r := range p.relays {
		if _, err := p.a.PingPath(m.t.Context(), "b", r.address()); err != nil {
			m.t.Fatal(err)
		}
	}
	time.Sleep(15 * time.Second)
	return p, uplinks
}

func TestRelaysOfNearlyTheSameRoundTripAreNotSwitched(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		p, uplinks := m.farPair()
		before := p.a.Stats().PathSwitches
		for i := range 300 {
			uplinks[i%2].SetLatency(20 * time.Millisecond)
			uplinks[1-i%2].SetLatency(20*time.Millisecond + 200*time.Microsecond)
			time.Sleep(time.Second)
		}
		if n := p.a.Stats().PathSwitches - before; n > 1 {
			t.Errorf("%d switches between relays that differ by less than a millisecond", n)
		}
	})
}

func TestR4_RelaysThatOvertakeEachOtherAreSwitchedAtMostOnceInTenSeconds(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		p, uplinks := m.farPair()
		stop := switches(p.a)
		for i := range 150 {
			uplinks[i%2].SetLatency(10 * time.Millisecond)
			uplinks[1-i%2].SetLatency(100 * time.Millisecond)
			time.Sleep(3 * time.Second)
		}
		all := stop()
		if len(all) < 2 {
			t.Errorf("%d switches: the faster relay is never taken", len(all))
		}
		for i := 1; i < len(all); i++ {
			if gap := all[i].Time.Sub(all[i-1].Time); gap < 10*time.Second {
				t.Errorf("two switches within %v", gap)
			}
		}
		for _, l := range uplinks {
			l.SetLatency(time.Millisecond)
		}
		uplinks[0].SetLatency(200 * time.Millisecond)
		time.Sleep(20 * time.Second)
		for _, row := range p.a.Paths("b") {
			if fast := row.Addr == "relay "+p.relays[1].address(); row.Chosen != fast || fast && row.Why != "lowest round trip" {
				t.Errorf("%+v", row)
			}
		}
	})
}
