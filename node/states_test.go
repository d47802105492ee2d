package node

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"regexp"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/internal/wire"
	"github.com/fernmesh/fernmesh/node/internal/rpc"
)

var allStates = []State{
	StateConnecting, StateConnected, StateReady, StateReadyWaitingPong, StateDisconnecting, StateClosing, StateClosed,
}

func TestS3_1_NumbersAndNamesOfStatesAndDirections(t *testing.T) {
	want := map[State]uint8{
		StateConnecting: 16, StateConnected: 17, StateReady: 18, StateReadyWaitingPong: 19,
		StateDisconnecting: 26, StateClosing: 27, StateClosed: 28,
	}
	names := map[string]bool{}
	for s, code := range want {
		if uint8(s) != code {
			t.Errorf("%v is %d, want %d", s, uint8(s), code)
		}
		names[s.String()] = true
		if s.Ready() != (code == 18 || code == 19) {
			t.Errorf("calls in state %v: %v", s, s.Ready())
		}
	}
	if len(names) != len(want) || State(99).String() != "state 99" {
		t.Errorf("names: %v", names)
	}
	if Receiver != 1 || Sender != 2 || (Receiver|Sender).String() != "receiver and sender" {
		t.Error("direction flags are wrong")
	}
}

func TestS3_1_OnlyLegalMovesAreMade(t *testing.T) {
	may := map[[2]State]bool{ // written out, so that a change of the table shows
		{16, 17}: true, {16, 28}: true,
		{17, 18}: true, {17, 27}: true, {17, 28}: true,
		{18, 19}: true, {18, 26}: true, {18, 27}: true,
		{19, 18}: true, {19, 26}: true, {19, 27}: true,
		{26, 27}: true,
		{27, 28}: true,
	}
	for _, from := range allStates {
		for _, to := range allStates {
			count := &counters{}
			table := newPeerTable(&Config{Logger: slog.New(slog.DiscardHandler)}, count)
			l := &life{table: table, state: from}
			done := l.move(to)
			if want := may[[2]State{from, to}]; done != want || (l.state == to) != (want || from == to) || (count.IllegalMoves.Load() == 1) == want {
				t.Errorf("%v to %v: done %v, now %v, %d counted; want %v", from, to, done, l.state, count.IllegalMoves.Load(), want)
			}
		}
	}
}

func TestS3_2_StatesOfBothSides(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		var la, lb moves
		a, b := m.start("a", watched(&la)), m.start("b", watched(&lb))
		wantOK(t, a, "b")
		pa, pb := peerOf(t, a, "b"), peerOf(t, b, "a")
		if pa.Direction() != Sender || pb.Direction() != Receiver {
			t.Errorf("directions: %v and %v", pa.Direction(), pb.Direction())
		}
		if got := la.of(Sender); !slices.Equal(got, []State{16, 17, 18}) {
			t.Errorf("the dialling side: %v", got)
		}
		if got := lb.of(Receiver); !slices.Equal(got, []State{17, 18}) {
			t.Errorf("the accepting side: %v", got)
		}
		shutdown(t, b)
		synctest.Wait()
		if got := la.of(Sender); !slices.Equal(got, []State{16, 17, 18, 26, 27, 28}) {
			t.Errorf("the side that was left: %v", got)
		}
		if got := lb.of(Receiver); !slices.Equal(got, []State{17, 18, 26, 27, 28}) {
			t.Errorf("the side that left: %v", got)
		}
		wantLegal(t, &la, a)
		wantLegal(t, &lb, b)
	})
}

func TestS3_3_APeerIsThereLinkedOrNot(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		hb := m.host("b")
		host := hb.Addr().String() + ":4000"
		a := m.start("a", towards(hb))
		early := peerOf(t, a, host)
		if s := early.Status(); s.Name != "" || s.State != StateClosed && s.State != StateConnecting || s.LastConnect != (time.Time{}) {
			t.Errorf("a configured peer that is not there: %+v", s)
		}
		entry := a.absent()
		if len(entry) != 1 || entry[0]["configured"].([]string)[0] != host || entry[0]["state_code"] == int64(18) {
			t.Errorf("__peers__ of it: %v", entry)
		}
		b := m.startOn(hb, "b", fixed)
		if err := early.WaitForReady(t.Context()); err != nil {
			t.Fatal(err)
		}
		named := peerOf(t, a, "b")
		conn, ok := named.Connection()
		if early.Name() != "b" || early.record.now() != named.record || !ok || conn.State != StateReady {
			t.Errorf("after it answered: %+v", early.Status())
		}
		if !regexp.MustCompile(`^[0-9a-f]{12}$`).MatchString(conn.Ident) {
			t.Errorf("ident %q", conn.Ident)
		}
		shutdown(t, b)
		synctest.Wait()
		if _, ok := named.Connection(); ok || len(a.Peers()) != 0 || len(a.AllPeers()) != 1 {
			t.Errorf("after it left: connection %v, %d members, %d peers", ok, len(a.Peers()), len(a.AllPeers()))
		}
		if _, ok := a.Peer("nobody"); ok {
			t.Error("there is a peer nobody told of")
		}
	})
}

func TestS3_3_IdentsAreUnique(t *testing.T) {
	table := newPeerTable(&Config{}, &counters{})
	seen := map[string]bool{}
	for range 200_000 {
		seen[table.newIdent()] = true
	}
	if len(seen) != 200_000 {
		t.Errorf("%d of 200000 idents differ", len(seen))
	}
}

func TestS3_3_RecordsAreBoundedAndTheOldestGoes(t *testing.T) {
	table := newPeerTable(&Config{Limits: Limits{Roster: 3}, Logger: slog.New(slog.DiscardHandler)}, &counters{})
	linked := table.dialled(table.meets("linked"), lanPath, "x")
	linked.move(StateConnected)
	linked.move(StateReady)
	for _, name := range []string{"b", "c", "d", "e"} {
		table.meets(name)
		table.byName[name].seen = time.Now().Add(-time.Hour + time.Duration(len(name))*time.Second)
	}
	if len(table.byName) != 3 || table.byName["linked"] == nil || table.byName["e"] == nil {
		t.Errorf("remembered: %v", table.byName)
	}
}

// S3-5: what ends a link, and what both sides say of it.
func TestS3_5_EachReasonIsProvoked(t *testing.T) {
	for _, c := range []struct {
		name         string
		provoke      func(t *testing.T, m *mesh, a, b *Node)
		here, beyond Reason // at a, which dialled, and at b
	}{
		{"32 the peer says BYE, 33 we shut down", func(t *testing.T, _ *mesh, _, b *Node) { shutdown(t, b) }, ReasonPeerBye, ReasonShutdown},
		{"33 we shut down, 32 the peer says BYE", func(t *testing.T, _ *mesh, a, _ *Node) { shutdown(t, a) }, ReasonShutdown, ReasonPeerBye},
		{"34 idle", func(_ *testing.T, _ *mesh, a, _ *Node) {
			a.part(a.roster.all()[0], parted{code: byeNotNeeded, text: "idle"})
		}, ReasonClean, ReasonPeerBye},
		{"48 reset", func(_ *testing.T, m *mesh, _, _ *Node) {
			m.world.Reset(m.known["a"], m.known["b"])
		}, ReasonSocket, ReasonSocket},
		{"49 zero read", func(_ *testing.T, _ *mesh, _, b *Node) { b.roster.all()[0].conn.Close(errSlept) }, ReasonGone, ReasonClean},
		{"53 silence", func(_ *testing.T, m *mesh, _, _ *Node) {
			m.world.Partition(m.known["a"], m.known["b"])
			time.Sleep(35 * time.Second)
		}, ReasonPongTimeout, ReasonPongTimeout},
		{"64 a broken protocol", func(_ *testing.T, _ *mesh, _, b *Node) {
			l := b.roster.all()[0].link
			_ = l.Post(wire.TypePong, []byte("short"))
			l.Flush()
		}, ReasonUnknown, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			inMesh(t, func(t *testing.T, m *mesh) {
				var log moves
				a, b := m.start("a", watched(&log)), m.start("b", watched(&log))
				wantOK(t, a, "b")
				wantStatus(t, peerOf(t, a, "b"), StateReady, ReasonNone)
				c.provoke(t, m, a, b)
				wantStatus(t, peerOf(t, a, "b"), StateClosed, c.here)
				if c.beyond != 0 {
					wantStatus(t, peerOf(t, b, "a"), StateClosed, c.beyond)
				}
				link := peerOf(t, a, "b").Links()[0]
				if link.Reason != c.here || link.State != StateClosed {
					t.Errorf("the link: %+v", link)
				}
				wantLegal(t, &log, a, b)
			})
		})
	}
}

// S3-5: what keeps a link from coming up.
func TestS3_5_50_51_52_LinksThatDoNotComeUp(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		var log moves
		nobody, mute, strict := m.host("nobody"), m.host("mute"), m.host("strict")
		l, err := mute.Listen(t.Context(), netip.MustParseAddrPort("0.0.0.0:4000"))
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		m.startOn(strict, "strict", fixed, func(c *Config) { c.Keys = m.afterRetiring(t) })
		a := m.start("a", watched(&log), func(c *Config) {
			towards(nobody)(c)
			for _, h := range []interface{ Name() string }{mute, strict} {
				c.Peers = append(c.Peers, h.Name()+":4000")
			}
		})
		time.Sleep(6 * time.Second)
		wantReason := func(host string, want Reason) {
			t.Helper()
			if s := peerOf(t, a, host).Status(); s.Reason != want || s.State.Ready() {
				t.Errorf("%s: %v (%v), %v; want %v", host, s.Reason, s.Err, s.State, want)
			}
		}
		wantReason(nobody.Addr().String()+":4000", ReasonConnect)
		wantReason(mute.Name()+":4000", ReasonHelloTimeout)
		wantReason(strict.Name()+":4000", ReasonHelloRefused)
		wantLegal(t, &log, a)
	})
}

func TestS3_6_TheFirstCauseStaysUntilTheNextConnect(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		ha, hb := m.host("a"), m.host("b")
		m.startOn(hb, "b", fixed)
		a := m.startOn(ha, "a", towards(hb))
		p := peerOf(t, a, hb.Addr().String()+":4000")
		if err := p.WaitForReady(t.Context()); err != nil {
			t.Fatal(err)
		}
		began := p.LastConnect()
		if s := p.Status(); s.DisconnectedSince() != -1 || !s.LastDisconnect.IsZero() || time.Since(began) > time.Second {
			t.Errorf("at first: %+v", s)
		}
		time.Sleep(time.Minute)
		m.world.Partition(ha, hb)
		time.Sleep(5 * time.Minute)
		s := p.Status() // by now several attempts have failed, too
		if s.Reason != ReasonPongTimeout || !errors.Is(s.Err, rpc.ErrDead) || s.Links[0].Reason != ReasonConnect {
			t.Errorf("cut off: %v (%v)", s.Reason, s.Err)
		}
		lost := s.LastDisconnect
		if since := lost.Sub(began); since < time.Minute || since > 2*time.Minute {
			t.Errorf("disconnected after %v", since)
		}
		if got, want := s.DisconnectedSince(), int64(time.Since(lost)/time.Second); got != want {
			t.Errorf("disconnected since %d s, want %d", got, want)
		}
		m.world.Heal(ha, hb)
		time.Sleep(2 * time.Minute) // the wait had grown
		s = p.Status()
		if s.Reason != ReasonNone || s.Err != nil || s.DisconnectedSince() != 0 || !s.LastDisconnect.Equal(lost) || !s.LastConnect.After(lost) {
			t.Errorf("back again: %+v", s)
		}
	})
}

func TestS3_6_ALaterCauseDoesNotReplaceTheFirst(t *testing.T) {
	table := newPeerTable(&Config{Limits: Limits{Roster: 9}, Logger: slog.New(slog.DiscardHandler)}, &counters{})
	r := table.meets("b")
	l := table.dialled(r, lanPath, "x")
	l.move(StateConnected)
	l.move(StateReady)
	l.parts(ReasonShutdown, ErrShutdown)
	l.closing(ReasonSocket, errors.New("later"))
	l.end(ReasonUnknown, nil)
	if r.reason != ReasonShutdown || l.reason != ReasonShutdown || !errors.Is(r.err, ErrShutdown) {
		t.Errorf("%v and %v (%v)", r.reason, l.reason, r.err)
	}
}

func TestS3_12_ByeWithCauseDrainsBothSides(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		var la, lb moves
		a, b := m.start("a", watched(&la)), m.start("b", watched(&lb))
		handle(t, b, "slow", func(context.Context, *commands.Call) (any, error) { time.Sleep(3 * time.Second); return "done", nil })
		got := make(chan error, 1)
		go func() { _, err := a.Call(t.Context(), "b", "slow"); got <- err }()
		synctest.Wait()
		time.Sleep(time.Second)
		said := make(chan error, 1)
		go func() {
			said <- peerOf(t, b, "a").Disconnect(t.Context(), Bye{Cause: ByeBusy, ComeBackAfter: 7 * time.Second, Text: "much to do"})
		}()
		synctest.Wait()
		if s := peerOf(t, a, "b").State(); s != StateDisconnecting {
			t.Errorf("the side that was told is %v", s)
		}
		if s := peerOf(t, b, "a").State(); s != StateDisconnecting {
			t.Errorf("the side that told is %v", s)
		}
		if err := errors.Join(<-got, <-said); err != nil {
			t.Error(err)
		}
		wantStatus(t, peerOf(t, a, "b"), StateClosed, ReasonPeerBye)
		wantStatus(t, peerOf(t, b, "a"), StateClosed, ReasonClean)
		if bye := peerOf(t, a, "b").Status().LastBye; bye == nil || *bye != (Bye{ByeBusy, 7 * time.Second, "much to do"}) {
			t.Errorf("the BYE: %+v", bye)
		}
		if err := peerOf(t, b, "a").Disconnect(t.Context(), Bye{Cause: 7}); err == nil {
			t.Error("a BYE of another's cause was said")
		}
		wantLegal(t, &la, a)
		wantLegal(t, &lb, b)
	})
}

func TestS3_22_AServiceIsReadyWithItsFirstPeerUntilTheLast(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		offers := func(c *Config) { c.Services = []string{"heat"} }
		a, b, c := m.start("a"), m.start("b", offers), m.start("c", offers)
		offered(t, a, "heat", 2)
		if a.ServiceReady("heat") {
			t.Error("ready without a link")
		}
		for i, name := range []string{"b", "c"} {
			if err := peerOf(t, a, name).WaitForReady(t.Context()); err != nil {
				t.Fatal(err)
			}
			if !a.ServiceReady("heat") || a.ServiceReady("light") {
				t.Errorf("after %d links: heat %v, light %v", i+1, a.ServiceReady("heat"), a.ServiceReady("light"))
			}
		}
		shutdown(t, b)
		synctest.Wait()
		if !a.ServiceReady("heat") {
			t.Error("one is still there")
		}
		shutdown(t, c)
		synctest.Wait()
		if a.ServiceReady("heat") {
			t.Error("ready after the last went")
		}
	})
}

func TestWaitForReadyEndsByItself(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		a := m.start("a", towards(m.host("nobody")))
		p := a.AllPeers()[0]
		start := time.Now()
		if err := p.WaitForReady(t.Context()); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 30*time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		go func() { time.Sleep(time.Second); shutdown(t, a) }()
		if err := p.WaitForReady(t.Context()); !errors.Is(err, ErrShutdown) {
			t.Errorf("at shutdown: %v", err)
		}
		if err := p.WaitForReady(t.Context()); !errors.Is(err, ErrShutdown) {
			t.Errorf("after it: %v", err)
		}
	})
}

func TestS3_6_PeersTellStateReasonAndTimes(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		a, _ := m.start("a"), m.start("b")
		before := time.Now().Unix()
		reply, err := a.Call(t.Context(), "b", "__peers__")
		if err != nil {
			t.Fatal(err)
		}
		v, err := reply.Value()
		if err != nil {
			t.Fatal(err)
		}
		entry := v.([]any)[0].(map[string]any)
		for key, want := range map[string]any{
			"name": "a", "state": "ready", "state_code": int64(18), "reason": "none", "reason_code": int64(0),
			"direction": int64(1), "last_connect": before, "last_disconnect": int64(0), "disconnected_since": int64(-1),
		} {
			if entry[key] != want {
				t.Errorf("%s is %v (%T), want %v", key, entry[key], entry[key], want)
			}
		}
	})
}
