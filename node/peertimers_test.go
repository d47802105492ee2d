package node

import (
	"errors"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

func TestS3_7_ThePresetAndWhoseValueHolds(t *testing.T) {
	want := PeerTimers{Hello: 4 * time.Second, Pong: 4 * time.Second, Idle: 30 * time.Second, Reconnect: 30 * time.Second}
	if DiameterTimers != want {
		t.Errorf("the preset is %+v", DiameterTimers)
	}
	inMesh(t, func(t *testing.T, m *mesh) {
		m.start("b")
		m.start("c")
		a := m.start("a", func(c *Config) {
			c.Timers = Timers{Drain: time.Minute}.With(DiameterTimers)
			c.PeerTimers = map[string]PeerTimers{"b": {Pong: time.Second}}
		})
		wantOK(t, a, "b")
		wantOK(t, a, "c")
		if got := peerOf(t, a, "c").Timers(); got != DiameterTimers {
			t.Errorf("the node's: %+v", got)
		}
		want.Pong = time.Second
		if got := peerOf(t, a, "b").Timers(); got != want {
			t.Errorf("the peer's: %+v", got)
		}
		if a.cfg.Timers.Drain != time.Minute {
			t.Error("the preset changed another timer")
		}
	})
}

func TestS3_7_TimersThatCannotBe(t *testing.T) {
	for _, p := range []PeerTimers{{Hello: -1}, {Pong: time.Millisecond}, {Idle: 1}, {Reconnect: -time.Second}} {
		inMesh(t, func(t *testing.T, m *mesh) {
			cfg := m.config("a", m.host("a"))
			cfg.PeerTimers = map[string]PeerTimers{"b": p}
			var wrong *ConfigError
			if _, err := New(cfg); !errors.As(err, &wrong) || wrong.Field != "PeerTimers" {
				t.Errorf("%+v: %v", p, err)
			}
		})
	}
}

// S3-7, S3-8: each timer is the peer's own, and exact.
func TestS3_7_IdleAndPongOfEachPeer(t *testing.T) {
	for name, own := range map[string]PeerTimers{"default": {}, "own": {Idle: 5 * time.Second, Pong: 500 * time.Millisecond}} {
		t.Run(name, func(t *testing.T) {
			inMesh(t, func(t *testing.T, m *mesh) {
				var log moves
				m.start("b")
				a := m.start("a", watched(&log), func(c *Config) { c.PeerTimers = map[string]PeerTimers{"b": own} })
				wantOK(t, a, "b")
				began := time.Now()
				m.world.Partition(m.known["a"], m.known["b"])
				time.Sleep(time.Minute)
				timers := a.timers("b")
				wantWithin(t, "PING", log.times(StateReadyWaitingPong)[0].Sub(began), timers.Idle)
				wantWithin(t, "the end", log.times(StateClosing)[0].Sub(began), timers.Idle+timers.Pong)
				wantStatus(t, peerOf(t, a, "b"), StateClosed, ReasonPongTimeout)
			})
		})
	}
}

// wantWithin allows the 100 ms of S3-8.
func wantWithin(t *testing.T, what string, got, want time.Duration) {
	t.Helper()
	if got < want || got > want+100*time.Millisecond {
		t.Errorf("%s came after %v, want %v", what, got, want)
	}
}

func TestS3_7_HelloOfEachPeer(t *testing.T) {
	for name, own := range map[string]PeerTimers{"default": {}, "short": {Hello: 700 * time.Millisecond}, "long": {Hello: 20 * time.Second}} {
		t.Run(name, func(t *testing.T) {
			inMesh(t, func(t *testing.T, m *mesh) {
				var log moves
				mute := m.host("mute")
				l, err := mute.Listen(t.Context(), netip.MustParseAddrPort("0.0.0.0:4000"))
				if err != nil {
					t.Fatal(err)
				}
				defer l.Close()
				host := mute.Addr().String() + ":4000"
				a := m.start("a", watched(&log), towards(mute), func(c *Config) { c.PeerTimers = map[string]PeerTimers{host: own} })
				time.Sleep(30 * time.Second)
				wantWithin(t, "the end", log.times(StateClosed)[0].Sub(log.times(StateConnected)[0]), a.timers(host).Hello)
				if got := peerOf(t, a, host).Reason(); got != ReasonHelloTimeout {
					t.Errorf("%v", got)
				}
			})
		})
	}
}

func TestS3_8_BytesRestartIdleAndOnlyPongEndsTheWait(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		var log moves
		b := m.start("b", func(c *Config) { c.Timers.IdlePing = time.Hour }) // only a asks
		a := m.start("a", watched(&log))
		wantOK(t, a, "b")
		for i := range 10 { // a status is not a PONG, but bytes
			time.Sleep(20 * time.Second)
			if err := b.SetTags(string(rune('a' + i))); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if times := log.times(StateReadyWaitingPong); len(times) != 0 {
			t.Fatalf("a PING went out although bytes came every 20 s")
		}
		heard := time.Now()
		m.world.Cut(m.known["a"], m.known["b"]) // what a sends does not arrive; it hears b
		time.Sleep(30*time.Second + time.Millisecond)
		synctest.Wait()
		wantStatus(t, peerOf(t, a, "b"), StateReadyWaitingPong, ReasonNone)
		wantWithin(t, "PING", log.times(StateReadyWaitingPong)[0].Sub(heard), 30*time.Second)
		for i := range 5 {
			time.Sleep(2 * time.Second)
			if err := b.SetTags(string(rune('k' + i))); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			wantStatus(t, peerOf(t, a, "b"), StateReadyWaitingPong, ReasonNone)
		}
		m.world.Heal(m.known["a"], m.known["b"])
		time.Sleep(3 * time.Second)
		wantStatus(t, peerOf(t, a, "b"), StateReady, ReasonNone)
		wantLegal(t, &log, a, b)
	})
}
