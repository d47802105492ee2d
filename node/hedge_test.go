package node

import (
	"errors"
	"testing"
	"time"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/meshtest"
)

// twoWays starts two nodes on one LAN, with a relay beside it.
func twoWays(t *testing.T, m *mesh) (a, b *Node, hb *meshtest.Host) {
	t.Helper()
	uplink := m.world.LAN("uplink", "10.9.0.0/24")
	r := m.relay("relay", uplink)
	ha, hb := m.world.Host("a", m.lan, uplink), m.world.Host("b", m.lan, uplink)
	only := func(c *Config) { c.Interfaces = []string{"10.1.0.0/24"}; c.Relays = []string{r.address()} }
	a, b = m.startOn(ha, "a", only), m.startOn(hb, "b", only)
	return a, b, hb
}

func TestHedgedCallGoesOverTwoPathsAndRunsOnce(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		a, b, _ := twoWays(t, m)
		ran := ledgerOf(t, b)
		wantOK(t, a, "b")
		if _, err := a.Call(t.Context(), "b", "note", Args(1000), Hedge()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second) // both links have been made
		for id := range int64(200) {
			reply, err := a.Call(t.Context(), "b", "note", Args(id), Hedge())
			if err != nil || reply.Node != "b" {
				t.Fatalf("hedged call %d: %+v, %v", id, reply, err)
			}
			if n := ran(id); n != 1 {
				t.Errorf("hedged call %d ran %d times", id, n)
			}
		}
		if s := a.Stats(); s.SecondPaths == 0 || s.Retries != 0 {
			t.Errorf("%d of 200 hedged calls took a second path, %d were retried; want some, none", s.SecondPaths, s.Retries)
		}
	})
}

func TestHedgedCallLosesNoTimeToASilentPath(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		a, b, hb := twoWays(t, m)
		ran := ledgerOf(t, b)
		if _, err := a.Call(t.Context(), "b", "note", Args(0), Hedge()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second) // both links have been made
		hb.RemoveInterface(m.lan)   // packets vanish, nobody is told
		start := time.Now()
		reply, err := a.Call(t.Context(), "b", "note", Args(1), Hedge())
		if took := time.Since(start); err != nil || reply.Path.Kind != "relay" || took > 100*time.Millisecond || ran(1) != 1 {
			t.Errorf("%+v, %v after %v, %d runs; want the relay's answer at once, 1 run", reply, err, took, ran(1))
		}
	})
}

func TestHedgedCallOverASinglePathIsAPlainCall(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		a, b := m.start("a"), m.start("b")
		ran := ledgerOf(t, b)
		for id := range int64(5) {
			if _, err := a.Call(t.Context(), "b", "note", Args(id), Hedge()); err != nil || ran(id) != 1 {
				t.Fatalf("call %d: %v, %d runs", id, err, ran(id))
			}
		}
		if s := a.Stats(); s.LinksDialed+s.LinksAccepted != 1 || s.SecondPaths != 0 {
			t.Errorf("%d links, %d second paths; want the one link there is", s.LinksDialed+s.LinksAccepted, s.SecondPaths)
		}
	})
}

func TestChooseBetweenTwoAttempts(t *testing.T) {
	s := &session{}
	refused := &commands.Error{Code: commands.ResourceExhausted, Where: commands.WhereQueue}
	failed := &commands.Error{Code: commands.Internal, Executed: commands.ExecutedYes, Where: commands.WhereHandler}
	gone := &commands.Error{Code: commands.Unavailable, Executed: commands.ExecutedYes, Where: commands.WhereQueue}
	broken := errors.New("broken after it was sent")
	for _, c := range []struct {
		name         string
		first, other result
		want         error
	}{
		{"an answer beats a refusal", result{s, nil, refused}, result{s, nil, nil}, nil},
		{"a failure of the command beats a refusal", result{s, nil, refused}, result{s, nil, failed}, failed},
		{"what may have begun beats a refusal", result{s, nil, refused}, result{s, nil, broken}, broken},
		{"a refusal beats what never began", result{s, nil, refused}, result{nil, nil, broken}, refused},
		{"a broken first beats a refusal", result{s, nil, broken}, result{s, nil, refused}, broken},
		{"an answer beats that its outcome is gone", result{s, nil, gone}, result{s, nil, nil}, nil},
		{"that it ran beats a refusal", result{s, nil, refused}, result{s, nil, gone}, gone},
	} {
		if got := choose(c.first, c.other).err; got != c.want {
			t.Errorf("%s: got %v", c.name, got)
		}
	}
}
