package node

import (
	"context"
	"flag"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fernmesh/fernmesh/meshtest"
)

var long = flag.Bool("fernmesh.long", false, "run the longer programmes too")

// TestCutAtEveryMessageBoundary breaks the connection at the first, second,
// third … piece that goes over it, either way, while a call is under way: each
// call still ends once. Over a relay it is the connections to the relay.
func TestCutAtEveryMessageBoundary(t *testing.T) {
	for _, how := range []string{"reset", "silent"} {
		for _, where := range []string{"LAN", "relay"} {
			t.Run(how+" on the "+where, func(t *testing.T) {
				for k := int64(1); k <= 16; k++ {
					inMesh(t, func(t *testing.T, m *mesh) { cutAt(t, m, k, how == "silent", where == "relay") })
				}
			})
		}
	}
}

func cutAt(t *testing.T, m *mesh, k int64, silent, far bool) {
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
	ran := ledgerOf(t, b)
	broken := breakAt(m, k, silent, ha, hb, other)
	for id := range int64(4) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		reply, err := a.Call(ctx, "b", "note", Args(id))
		cancel()
		var got int64
		if err == nil {
			err = reply.Decode(&got)
		}
		if err != nil || got != id || ran(id) != 1 {
			t.Errorf("cut at piece %d: call %d answered %d, %v, and ran %d times", k, id, got, err, ran(id))
		}
	}
	<-broken
}

// breakAt loses the k-th piece that goes over the LAN; unless the fault is
// silent, it also resets the connections of ha and hb to other. The channel is
// closed when that is done.
func breakAt(m *mesh, k int64, silent bool, ha, hb, other *meshtest.Host) (broken chan struct{}) {
	var pieces atomic.Int64
	cut := make(chan struct{})
	m.lan.Tamper(func(p *meshtest.Packet) bool {
		if !p.TCP {
			return true
		}
		n := pieces.Add(1)
		if n == k {
			close(cut)
		}
		return n != k // the piece itself is lost
	})
	broken = make(chan struct{})
	go func() {
		defer close(broken)
		select {
		case <-cut:
			if !silent {
				m.world.Reset(ha, other)
				m.world.Reset(hb, other)
			}
		case <-time.After(time.Hour):
		}
	}()
	return broken
}
