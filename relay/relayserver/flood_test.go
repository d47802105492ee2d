package relayserver_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernmesh/fernmesh/relay"
)

// GONEs too are bounded: a member that does not take thousands of them is cut,
// whether another sends them or its own records cause them.
func TestGonesThatPileUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, n := newSite(t, patient()), network()
		slow, a := s.rawMember(n), s.rawMember(n)
		a.want(up(slow.self))
		go func() {
			for i := range 20_000 { // what the connection holds, and twice what may wait
				a.send(relay.AppendGone(nil, relay.Gone{Peer: slow.self, Session: relay.SessionID{byte(i), byte(i >> 8)}, Code: relay.GoneClosed}))
			}
		}()
		a.want(down(slow.self))

		own := s.rawMember(network())
		start := time.Now()
		for i := range 20_000 {
			own.send(relay.AppendSend(nil, relay.Record{Peer: relay.Addr{1}, Session: relay.SessionID{byte(i), byte(i >> 8)}, Body: []byte{1}}))
		}
		synctest.Wait()
		if st := s.server.Stats(); st.Members != 1 || st.QueueBytes != 0 || time.Since(start) > time.Second {
			t.Errorf("%+v after %v", st, time.Since(start))
		}
	})
}

// Close ends members at once, may be called again, and Serve after it is an error.
func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, defaults())
		k := s.rawMember(network())
		s.server.Close()
		k.want("end")
		if s.server.Healthy() {
			t.Error("healthy after Close")
		}
		if err := s.server.Serve(broken{}); err == nil {
			t.Error("it serves after Close")
		}
		s.server.Close() // again
	})
}
