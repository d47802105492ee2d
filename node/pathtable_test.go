package node

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernmesh/fernmesh/commands"
)

func TestTheTableOfPathsTellsEachPathsStateAndWhyOneWasChosen(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		p := m.pair(1)
		if err := p.a.WaitFor(t.Context(), "b"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		relay := "relay " + p.relays[0].address()
		want := func(when string, lan, far PathStatus) {
			t.Helper()
			rows := p.a.Paths("b")
			if len(rows) != 2 || rows[0].Kind != "lan" || rows[1].Addr != relay {
				t.Fatalf("%s: %+v", when, rows)
			}
			for i, w := range []PathStatus{lan, far} {
				if r := rows[i]; r.State != w.State || r.Chosen != w.Chosen || !strings.HasPrefix(r.Why, w.Why) || (r.Why == "") != (w.Why == "") ||
					(r.LastError == "") != (w.LastError == "") || (r.LastError == "") != r.LastErrorAt.IsZero() {
					t.Errorf("%s: %s is %+v; want %+v", when, r.Kind, r, w)
				}
			}
		}
		if len(p.a.Paths("nobody")) != 0 {
			t.Error("paths to nobody")
		}
		want("before any call", PathStatus{State: PathUnknown}, PathStatus{State: PathUnknown})
		wantOK(t, p.a, "b")
		want("after a call", PathStatus{State: PathUp, Chosen: true, Why: "only path"}, PathStatus{State: PathUnknown})
		if _, err := p.a.Call(t.Context(), "b", "__echo__", Args(strings.Repeat("x", 10_000))); err != nil {
			t.Fatal(err)
		}
		lan, back := p.a.Paths("b")[0], p.b.Paths("a")[0]
		if lan.BytesIn < 10_000 || lan.BytesOut < 10_000 || lan.BytesIn != back.BytesOut || lan.BytesOut != back.BytesIn || lan.Since.IsZero() {
			t.Errorf("a counts %+v, b counts %+v", lan, back)
		}
		if _, err := p.a.PingPath(t.Context(), "b", "relay"); err != nil {
			t.Fatal(err)
		}
		want("with both", PathStatus{State: PathUp, Chosen: true, Why: "LAN before relays"}, PathStatus{State: PathUp})
		p.world.Reset(p.ha, p.hb)
		p.cut()
		wantOK(t, p.a, "b")
		synctest.Wait() // the link's own goroutine notes its end
		want("with a broken LAN", PathStatus{State: PathDown, LastError: "reset"}, PathStatus{State: PathUp, Chosen: true, Why: "only path"})
		time.Sleep(6 * time.Second)
		p.mend()
		for p.a.Paths("b")[0].State != PathUp {
			time.Sleep(100 * time.Millisecond)
		}
		time.Sleep(maintainEvery)
		want("with a LAN that is just back", PathStatus{State: PathUp, LastError: "reset"},
			PathStatus{State: PathUp, Chosen: true, Why: "held: "})
		if after := p.a.Paths("b")[0]; after.BytesOut <= lan.BytesOut {
			t.Errorf("the bytes of the broken link are forgotten: %d, before %d", after.BytesOut, lan.BytesOut)
		}
		time.Sleep(15 * time.Second)
		want("later", PathStatus{State: PathUp, Chosen: true, Why: "LAN before relays", LastError: "reset"}, PathStatus{State: PathUp})
	})
}

func TestTheBuiltInPeersShowsThePaths(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		p := m.pair(1)
		wantOK(t, p.b, "a")
		reply, err := p.a.Call(t.Context(), "b", "__peers__")
		if err != nil {
			t.Fatal(err)
		}
		v, err := reply.Value()
		if err != nil {
			t.Fatal(err)
		}
		var rows []any
		for _, peer := range v.([]any) {
			if entry := peer.(map[string]any); entry["name"] == "a" {
				rows = entry["paths"].([]any)
			}
		}
		if len(rows) != 2 {
			t.Fatalf("%v", v)
		}
		lan, relay := rows[0].(map[string]any), rows[1].(map[string]any)
		if lan["kind"] != "lan" || lan["state"] != "up" || lan["chosen"] != true || lan["why"] != "only path" || lan["bytes_in"].(int64) == 0 {
			t.Errorf("%v", lan)
		}
		if relay["kind"] != "relay" || relay["addr"] != p.relays[0].address() || relay["state"] != "unknown" || relay["chosen"] != false || relay["last_error"] != "" {
			t.Errorf("%v", relay)
		}
		for _, key := range []string{"kind", "addr", "state", "rtt_us", "bytes_in", "bytes_out", "last_error", "chosen", "why", "cipher"} {
			if _, has := relay[key]; !has {
				t.Errorf("no key %q in %v", key, relay)
			}
		}
	})
}

func TestPingTakesThePathThatIsNamed(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		p := m.pair(1)
		relay := p.relays[0].address()
		for path, kind := range map[string]string{
			"lan": "lan", "relay": "relay", relay: "relay", p.relays[0].host.Addr().String(): "relay",
			address(p.hb, p.b): "lan", p.hb.Addr().String(): "lan",
		} {
			pong, err := p.a.PingPath(t.Context(), "b", path)
			if err != nil || pong.Path.Kind != kind || pong.Node != "b" || pong.RTT <= 0 {
				t.Errorf("over %s: %+v %v; want %s", path, pong, err, kind)
			}
		}
		if kind := p.kindOf(); kind != "lan" {
			t.Errorf("after pings over the relay calls go over %q", kind)
		}
		_, err := p.a.PingPath(t.Context(), "b", "10.99.0.1:4000")
		if e := failure(t, err); e.Code != commands.Unavailable || e.Executed != commands.ExecutedNo ||
			!strings.Contains(e.Message, "10.99.0.1:4000") || !strings.Contains(e.Message, relay) {
			t.Errorf("over a path that is not there: %v", err)
		}
		if e := failure(t, func() error { _, err := p.a.PingPath(t.Context(), "b", ""); return err }()); e.Code != commands.InvalidArgument {
			t.Errorf("over no path: %v", e)
		}
		p.cut()
		time.Sleep(10 * time.Second) // nobody calls: nothing has been noticed
		_, err = p.a.PingPath(t.Context(), "b", "lan")
		if e := failure(t, err); e.Code != commands.Unavailable && e.Code != commands.DeadlineExceeded {
			t.Errorf("over a LAN that is cut: %v", err)
		}
	})
}
