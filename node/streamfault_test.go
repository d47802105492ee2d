package node

import (
	"context"
	"iter"
	"reflect"
	"testing"
	"time"

	"github.com/fernmesh/fernmesh/commands"
)

// TestStreamsCutAtEveryMessageBoundary breaks the connection at the first,
// second, third … piece that goes over it while streams are under way: each
// gives a prefix of its values, once, and says whether that was all.
func TestStreamsCutAtEveryMessageBoundary(t *testing.T) {
	for _, how := range []string{"reset", "silent"} {
		for _, where := range []string{"LAN", "relay"} {
			t.Run(how+" on the "+where, func(t *testing.T) {
				whole := 0
				for k := int64(1); k <= 24; k++ {
					inMesh(t, func(t *testing.T, m *mesh) { whole += cutStreamsAt(t, m, k, how == "silent", where == "relay") })
				}
				if whole == 0 || whole == 24*4 {
					t.Errorf("%d of %d streams came whole; the cuts missed", whole, 24*4)
				}
			})
		}
	}
}

// cutStreamsAt returns how many of four streams came whole.
func cutStreamsAt(t *testing.T, m *mesh, k int64, silent, far bool) (whole int) {
	ha, hb := m.host("a"), m.host("b")
	set, other := func(*Config) {}, hb
	if far {
		r := m.relay("relay", m.lan)
		set, other = func(c *Config) { c.NoLAN, c.Relays = true, []string{r.address()} }, r.host
	}
	a, b := m.startOn(ha, "a", set), m.startOn(hb, "b", set)
	if err := a.WaitFor(t.Context(), "b"); err != nil {
		t.Fatal(err)
	}
	streamers(t, b)
	broken := breakAt(m, k, silent, ha, hb, other)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	talk := func() iter.Seq2[int, error] {
		s := a.Stream(ctx, "b", "double")
		if SendAll(s, func(yield func(int) bool) { _ = yield(0) && yield(1) }) != nil {
			_, _ = s.Result() // Values says why
		}
		return Values[int](s)
	}
	for name, tc := range map[string]struct {
		values iter.Seq2[int, error]
		want   []int
	}{
		"once":       {InvokeStream[int](ctx, a, "b", "count", upTo{N: 40}), upToN(40)},
		"idempotent": {InvokeStream[int](ctx, a, "b", "count", upTo{N: 40}, Idempotent()), upToN(40)},
		"slow":       {InvokeStream[int](ctx, a, "b", "tick", upTo{N: 4, Size: 1}), upToN(4)},
		"talk":       {talk(), []int{0, 2}},
	} {
		got, err := read(tc.values)
		if len(got) > len(tc.want) || !reflect.DeepEqual(append([]int{}, got...), append([]int{}, tc.want[:len(got)]...)) {
			t.Errorf("cut at piece %d: %s: %v", k, name, got)
		}
		if err == nil {
			whole++
			if len(got) != len(tc.want) {
				t.Errorf("cut at piece %d: %s ended well after %v", k, name, got)
			}
		} else if e := failure(t, err); e.Code != commands.Unavailable || e.Executed != commands.ExecutedMaybe {
			t.Errorf("cut at piece %d: %s: %v", k, name, e)
		}
	}
	<-broken
	return whole
}
