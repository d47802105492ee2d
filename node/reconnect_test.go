package node

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernmesh/fernmesh/commands"
)

// persistent is a pair of nodes of which a dials b, and a's log.
func (m *mesh) persistent(set ...func(*Config)) (a, b *Node, log *moves) {
	m.t.Helper()
	hb := m.host("b")
	b = m.startOn(hb, "b", fixed)
	log = &moves{}
	a = m.start("a", append([]func(*Config){towards(hb), watched(log)}, set...)...)
	if err := a.AllPeers()[0].WaitForReady(m.t.Context()); err != nil {
		m.t.Fatal(err)
	}
	return a, b, log
}

func reconnect(d time.Duration) func(*Config) {
	return func(c *Config) { c.Timers.StaticRetryMin = d }
}

func TestS3_13_ANeverConnectedPeerIsDialledAtOnce(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		var log moves
		start := time.Now()
		m.start("a", watched(&log), towards(m.host("nobody")), reconnect(30*time.Second))
		synctest.Wait()
		if dials := log.times(StateConnecting); len(dials) != 1 || !dials[0].Equal(start) {
			t.Errorf("dialled at %v, want at once: %v", dials, start)
		}
	})
}

func TestS3_13_TheWaitIsNeverShorterAndJittered(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		hb := m.host("b")
		b := m.startOn(hb, "b", fixed)
		var logs []*moves
		for i := range 12 {
			logs = append(logs, &moves{})
			m.start(fmt.Sprintf("n%d", i), towards(hb), watched(logs[i]), reconnect(30*time.Second))
		}
		wantLinks := func(want int) {
			t.Helper()
			synctest.Wait()
			if got := len(b.roster.all()); got != want {
				t.Errorf("%d links at b, want %d", got, want)
			}
		}
		wantLinks(12)
		lost := time.Now()
		for _, s := range b.roster.all() {
			s.conn.Close(errSlept)
		}
		time.Sleep(30*time.Second - time.Millisecond)
		wantLinks(0)
		time.Sleep(15*time.Second + 2*time.Millisecond)
		wantLinks(12)
		waits := map[time.Duration]bool{}
		for _, log := range logs {
			waits[log.times(StateConnecting)[1].Sub(lost)] = true
		}
		if len(waits) < 12 {
			t.Errorf("they came back in step: %v", waits)
		}
	})
}

func TestS3_13_OnlyAnInvitedPeerComesBackAfterBye(t *testing.T) {
	for _, c := range []struct {
		name   string
		always bool
		after  time.Duration
		least  time.Duration // 0: never
		most   time.Duration
	}{
		{"bye", false, 0, 0, 0},
		{"bye, always", true, 0, 30 * time.Second, 45 * time.Second},
		{"come back soon", false, time.Second, 30 * time.Second, 45 * time.Second},
		{"come back late", false, 10 * time.Minute, 10 * time.Minute, 10*time.Minute + 15*time.Second},
		{"come back late, always", true, 10 * time.Minute, 10 * time.Minute, 10*time.Minute + 15*time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			inMesh(t, func(t *testing.T, m *mesh) {
				a, b, log := m.persistent(reconnect(30*time.Second), func(cfg *Config) { cfg.AlwaysReconnect = c.always })
				said := time.Now()
				if err := peerOf(t, b, "a").Disconnect(t.Context(), Bye{Cause: ByeNotNeeded, ComeBackAfter: c.after}); err != nil {
					t.Fatal(err)
				}
				wantStatus(t, peerOf(t, a, "b"), StateClosed, ReasonPeerBye)
				time.Sleep(time.Hour)
				dials := log.times(StateConnecting)[1:]
				if c.least == 0 {
					if len(dials) != 0 {
						t.Errorf("dialled again %v after the BYE", dials[0].Sub(said))
					}
					return
				}
				if len(dials) == 0 || dials[0].Sub(said) < c.least || dials[0].Sub(said) > c.most {
					t.Fatalf("dialled %v, BYE at %v; want between %v and %v later", dials, said, c.least, c.most)
				}
				wantStatus(t, peerOf(t, a, "b"), StateReady, ReasonNone)
				wantLegal(t, log, a, b)
			})
		})
	}
}

func TestS3_13_ALinkOfThePeersMakingIsEnough(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		hb, ha := m.host("b"), m.host("a")
		b := m.startOn(hb, "b", fixed)
		var log moves
		a := m.startOn(ha, "a", fixed, towards(hb), watched(&log), reconnect(30*time.Second))
		p := a.AllPeers()[0]
		if err := p.WaitForReady(t.Context()); err != nil {
			t.Fatal(err)
		}
		a.roster.all()[0].conn.Close(errSlept)
		synctest.Wait()
		time.Sleep(time.Second)
		l, life, err := b.race(t.Context(), whom{name: "a"}, b.lanWays(oneAddr(ha.Addr(), 4000)))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.adopt(l, life, ""); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Minute)
		if dials := log.times(StateConnecting); len(dials) != 1 || p.Direction() != Receiver {
			t.Errorf("%d dials although the peer had come by itself; direction %v", len(dials), p.Direction())
		}
	})
}

func TestS3_13_AStoppingNodeDialsNobody(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		a, b, log := m.persistent(reconnect(time.Second))
		free := make(chan struct{})
		handle(t, a, "hold", func(context.Context, *commands.Call) (any, error) { <-free; return nil, nil })
		go func() { _, _ = b.Call(t.Context(), "a", "hold") }()
		time.Sleep(time.Second)
		ended := make(chan struct{})
		go func() { shutdown(t, a); close(ended) }()
		synctest.Wait()
		b.roster.all()[0].conn.Close(errSlept)
		time.Sleep(10 * time.Second)
		close(free)
		<-ended
		if dials := log.times(StateConnecting); len(dials) != 1 {
			t.Errorf("%d dials", len(dials))
		}
	})
}

func TestS3_13_ARestartedPeerIsFoundAgain(t *testing.T) {
	for name, come := range map[string]time.Duration{"by default": 0, "unless it leaves for good": -1} {
		t.Run(name, func(t *testing.T) {
			inMesh(t, func(t *testing.T, m *mesh) {
				hb := m.host("b")
				first := m.startOn(hb, "b", fixed, func(c *Config) { c.Timers.ComeBack = come })
				a := m.start("a", towards(hb))
				p := a.AllPeers()[0]
				if err := p.WaitForReady(t.Context()); err != nil {
					t.Fatal(err)
				}
				shutdown(t, first)
				time.Sleep(5 * time.Second)
				m.startOn(hb, "b", fixed)
				time.Sleep(time.Minute)
				if p.Ready() != (come == 0) {
					t.Errorf("ready: %v, %v", p.Ready(), p.Reason())
				}
			})
		})
	}
}

func TestS3_14_ANewerInstanceReplacesTheOlderAndNeverTheOtherWay(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		hc := m.host("c")
		c := m.startOn(hc, "c", fixed)
		old := m.start("b", towards(hc))
		p := peerOf(t, c, "b")
		if err := p.WaitForReady(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		young := m.start("b", towards(hc), func(cfg *Config) { cfg.Identity = old.identity })
		time.Sleep(time.Second)
		wantInstance := func(when string) {
			t.Helper()
			synctest.Wait()
			all := c.roster.all()
			if len(all) != 1 || all[0].peer.Hello.Instance != young.instance {
				t.Errorf("%s: %d links, of the newer instance: %v", when, len(all), len(all) > 0 && all[0].peer.Hello.Instance == young.instance)
			}
		}
		wantInstance("the newer instance came")
		before := c.Stats().LinksAccepted
		for range 5 { // the older one does not give up
			old.dialStatic(old.cfg.Peers[0])
			wantInstance("the older instance came again")
		}
		if got := c.Stats().LinksAccepted; got < before+5 {
			t.Errorf("the older instance did not even get to its HELLO: %d links", got-before)
		}
		if !p.Ready() || young.AllPeers()[0].State() != StateReady {
			t.Error("the newer instance is not linked")
		}
	})
}

func TestS3_23_ShutdownReturnsByItsContextWhateverThePeerDoes(t *testing.T) {
	for _, wait := range []time.Duration{0, 2 * time.Second, 8 * time.Second} {
		inMesh(t, func(t *testing.T, m *mesh) {
			a, b, log := m.persistent(func(c *Config) { c.Timers.Dead, c.Timers.Drain = time.Hour, time.Hour })
			free := make(chan struct{})
			defer close(free)
			ran := make(chan struct{})
			handle(t, a, "deaf", func(context.Context, *commands.Call) (any, error) { close(ran); <-free; return nil, nil })
			go func() { _, _ = b.Call(t.Context(), "a", "deaf") }()
			<-ran
			m.world.Partition(m.known["a"], m.known["b"]) // b never acknowledges the BYE
			ctx, cancel := context.WithTimeout(t.Context(), wait)
			defer cancel()
			start := time.Now()
			err := a.Shutdown(ctx)
			if took := time.Since(start); took > wait || wait > 0 && !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Shutdown: %v after %v, want %v", err, took, wait)
			}
			wantStatus(t, a.AllPeers()[0], StateClosed, ReasonShutdown)
			wantLegal(t, log, a)
		})
	}
}
