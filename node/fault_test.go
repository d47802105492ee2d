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
// call still ends once.
func TestCutAtEveryMessageBoundary(t *testing.T) {
	for _, how := range []string{"reset", "silent"} {
		t.Run(how, func(t *testing.T) {
			for k := int64(1); k <= 12; k++ {
				inMesh(t, func(t *testing.T, m *mesh) { cutAt(t, m, k, how == "silent") })
			}
		})
	}
}

func cutAt(t *testing.T, m *mesh, k int64, silent bool) {
	ha, hb := m.host("a"), m.host("b")
	a, b := m.startOn(ha, "a"), m.startOn(hb, "b")
	ran := ledgerOf(t, b)
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
	broken := make(chan struct{})
	go func() {
		defer close(broken)
		select {
		case <-cut:
			if !silent {
				m.world.Reset(ha, hb)
			}
		case <-t.Context().Done():
		case <-time.After(time.Hour):
		}
	}()
	for id := range int64(4) {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
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
