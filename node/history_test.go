package node

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/crypto"
)

// Every code has the class that its documentation says.
func TestS3_17_ResultClasses(t *testing.T) {
	for class, codes := range map[string]string{
		"caller":  "CANCELLED INVALID_ARGUMENT NOT_FOUND ALREADY_EXISTS FAILED_PRECONDITION ABORTED OUT_OF_RANGE",
		"server":  "UNKNOWN DEADLINE_EXCEEDED UNIMPLEMENTED INTERNAL DATA_LOSS",
		"refused": "PERMISSION_DENIED RESOURCE_EXHAUSTED UNAVAILABLE UNAUTHENTICATED",
		"ok":      "OK",
	} {
		for code := commands.Code(0); code <= commands.Unauthenticated; code++ {
			var r Results
			*r.of(code)++
			got := map[Results]string{{OK: 1}: "ok", {CallerErrors: 1}: "caller", {ServerErrors: 1}: "server", {Refused: 1}: "refused"}[r]
			if of := strings.Contains(" "+codes+" ", " "+code.String()+" "); of != (got == class) {
				t.Errorf("%v is of class %s", code, got)
			}
		}
	}
}

// load makes b answer with each class.
func load(t *testing.T, a, b *Node) func(ok, wrong, broken, refused int) {
	fail := func(code commands.Code) commands.Handler {
		return func(context.Context, *commands.Call) (any, error) { return nil, commands.Errorf(code, "as told") }
	}
	handle(t, b, "ok", answer(nil))
	handle(t, b, "wrong", fail(commands.FailedPrecondition))
	handle(t, b, "broken", fail(commands.Internal))
	handle(t, b, "refused", fail(commands.PermissionDenied))
	return func(ok, wrong, broken, refused int) {
		t.Helper()
		for path, times := range map[string]int{"ok": ok, "wrong": wrong, "broken": broken, "refused": refused} {
			for range times {
				if _, err := a.Call(t.Context(), "b", path); (err != nil) != (path != "ok") {
					t.Fatalf("%s: %v", path, err)
				}
			}
		}
	}
}

func TestS3_17_ResultsOverOneFiveAndFifteenMinutes(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		a, b := m.start("a"), m.start("b")
		loaded := load(t, a, b)
		check := func(when string, one, five, fifteen uint64) {
			t.Helper()
			p := b.Periods()
			if p.Minute.Requests != one || p.FiveMinutes.Requests != five || p.QuarterHour.Requests != fifteen {
				t.Errorf("%s: %d, %d, %d requests; want %d, %d, %d", when, p.Minute.Requests, p.FiveMinutes.Requests, p.QuarterHour.Requests, one, five, fifteen)
			}
		}
		loaded(4, 3, 2, 1)
		synctest.Wait()
		check("at once", 10, 10, 10)
		p := b.Periods().Minute
		if p.Results != (Results{4, 3, 2, 1}) || p.Over > time.Second {
			t.Errorf("of a young node: %+v", p)
		}
		time.Sleep(2 * time.Minute)
		check("after 2 minutes", 0, 10, 10)
		loaded(5, 0, 0, 0)
		synctest.Wait()
		check("after more calls", 5, 15, 15)
		time.Sleep(4 * time.Minute)
		check("after 6 minutes", 0, 5, 15)
		time.Sleep(9*time.Minute + 10*time.Second)
		check("after 15 minutes", 0, 0, 5)
		time.Sleep(2 * time.Minute)
		check("after 17 minutes", 0, 0, 0)
		all := b.Periods()
		for over, p := range map[time.Duration]Period{time.Minute: all.Minute, 5 * time.Minute: all.FiveMinutes, 15 * time.Minute: all.QuarterHour} {
			if p.Over < over || p.Over > over+5*time.Second {
				t.Errorf("the period of %v is %v", over, p.Over)
			}
		}
		if s := b.Stats(); s.Requests != 15 || s.Results != (Results{9, 3, 2, 1}) {
			t.Errorf("since the start: %+v", s.Results)
		}
	})
}

// What is refused before a command is found counts too.
func TestS3_17_RefusalsBeforeACommandCount(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		a, b := m.start("a"), m.start("b", func(c *Config) { c.Limits.HandlersPerPeer, c.Limits.QueuePerPeer = 1, -1 })
		handle(t, b, "wait", pausing)
		done := make(chan error)
		go func() {
			_, err := a.Call(t.Context(), "b", "wait", Args(time.Second))
			done <- err
		}()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		_, err := a.Call(ctx, "b", "wait", Args(time.Second))
		failure(t, err)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		s := b.Stats()
		if s.Results.OK != 1 || s.Results.Refused == 0 || s.Requests != s.Results.OK+s.Results.Refused {
			t.Errorf("%d requests, %+v", s.Requests, s.Results)
		}
	})
}

func TestS3_17_ASnapshotEachMinuteFor24Hours(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		a, b := m.start("a"), m.start("b", func(c *Config) { c.Timers.IdleClose = 100 * time.Hour })
		loaded := load(t, a, b)
		start := time.Now()
		if len(b.History()) != 0 {
			t.Errorf("of a new node: %v", b.History())
		}
		loaded(4, 3, 2, 1)
		time.Sleep(65 * time.Second)
		loaded(7, 0, 0, 0)
		wantValue(t, b, "b", "ok", nil)
		time.Sleep(2 * time.Minute)
		got := b.History()
		if len(got) != 3 {
			t.Fatalf("%d snapshots after three minutes", len(got))
		}
		for i, want := range []Minute{
			{Requests: 10, Results: Results{4, 3, 2, 1}, Links: 1},
			{Requests: 7, Results: Results{OK: 7}, Calls: 1, Links: 1},
			{Links: 1},
		} {
			want.Time, want.Over = got[i].Time, got[i].Over
			if got[i] != want {
				t.Errorf("minute %d: %+v, want %+v", i, got[i], want)
			}
			if got[i].Over < time.Minute || got[i].Over > time.Minute+maintainEvery {
				t.Errorf("minute %d took %v", i, got[i].Over)
			}
		}
		if first := got[0].Time.Sub(start); first > time.Minute+maintainEvery {
			t.Errorf("the first was taken after %v", first)
		}
		reply, err := Invoke[struct {
			History []struct {
				Time     time.Time         `json:"time"`
				Requests uint64            `json:"requests"`
				Results  map[string]uint64 `json:"results"`
			} `json:"history"`
		}](t.Context(), a, "b", "__stats__", map[string]any{"history": 2})
		if err != nil {
			t.Fatal(err)
		}
		if h := reply.History; len(h) != 2 || !h[1].Time.Equal(got[2].Time.Round(time.Millisecond)) || h[0].Requests != 7 || h[0].Results["ok"] != 7 {
			t.Errorf("two minutes of __stats__: %+v", h)
		}
	})
}

// The history is a ring of 1,440 minutes.
func TestS3_17_TheHistoryForgetsAfter24Hours(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, err := New(Config{Name: "a", Network: "test", Keys: crypto.Ring(crypto.GenerateKey())})
		if err != nil {
			t.Fatal(err)
		}
		for range 25 * int(time.Hour/maintainEvery) { // as maintain does in 25 hours
			time.Sleep(maintainEvery)
			n.count.Calls.Add(1)
			n.tick()
		}
		got := n.History()
		if len(got) != 1440 || cap(n.history.minutes) > 2*1440 {
			t.Fatalf("%d snapshots, room for %d", len(got), cap(n.history.minutes))
		}
		var want []Minute
		for i := range got {
			want = append(want, Minute{Time: got[0].Time.Add(time.Duration(i) * time.Minute), Over: time.Minute, Calls: uint64(time.Minute / maintainEvery)})
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		if !got[1439].Time.Equal(time.Now()) {
			t.Errorf("the last is of %v", got[1439].Time)
		}
	})
}
