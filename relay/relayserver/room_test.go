package relayserver_test

import (
	"fmt"
	"math/rand/v2" // a seeded sequence of a test
	"testing"
	"testing/synctest"

	"github.com/fernmesh/fernmesh/relay"
)

// Who joins gets UP and the latest presence of each member, who is there UP, and
// both what changes later (section 8).
func TestPresenceIsReplayed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, n := newSite(t, defaults()), network()
		a := s.rawMember(n)
		a.send(relay.AppendCast(nil, []byte("old")))
		a.send(relay.AppendCast(nil, []byte("new")))
		synctest.Wait()
		b := s.rawMember(n)
		b.want(up(a.self), "CASTED "+a.self.String()+" new")
		a.want(up(b.self))
		b.send(relay.AppendCast(nil, []byte("b")))
		a.want("CASTED " + b.self.String() + " b")
		a.send(relay.AppendCast(nil, []byte("newest")))
		b.want("CASTED " + a.self.String() + " newest")
		c := s.rawMember(n)
		got := map[string]bool{c.next(): true, c.next(): true, c.next(): true, c.next(): true}
		for _, w := range []string{up(a.self), up(b.self), "CASTED " + a.self.String() + " newest", "CASTED " + b.self.String() + " b"} {
			if !got[w] {
				t.Errorf("no %q in %v", w, got)
			}
		}
	})
}

// S4-33: others learn at once of a member whose connection closes, behind the
// last records of it.
func TestS4_33_ClosedMemberIsDownBehindItsRecords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, n := newSite(t, defaults()), network()
		a, b := s.rawMember(n), s.rawMember(n)
		a.want(up(b.self))
		for range 20 {
			b.record(a.self, 1, 4000)
		}
		b.send(relay.AppendGone(nil, relay.Gone{Peer: a.self, Session: relay.SessionID{1}, Code: relay.GoneClosed}))
		_ = b.conn.Close()
		for range 20 {
			a.want(recv(b.self, 1, 4000))
		}
		a.want(gone(b.self, 1, relay.GoneClosed), down(b.self))
	})
}

// R22: a record for who is not in the room, in another room or nowhere, ends its
// session, once; it reaches nobody.
func TestR22_RecordForNobodyIsAbsent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, n := newSite(t, defaults()), network()
		a, stranger := s.rawMember(n), s.rawMember(network())
		for range 5 {
			a.record(stranger.self, 1, 100)
		}
		a.record(relay.Addr{9}, 2, 100)
		a.want(gone(stranger.self, 1, relay.GoneAbsent), gone(relay.Addr{9}, 2, relay.GoneAbsent))
		for _, k := range []*raw{a, stranger} { // nothing else has come: the next is the PONG
			k.send(relay.AppendPing(nil, relay.Echo{7}))
			k.want("PONG 0700000000000000")
		}
		if st := s.server.Stats(); st.Absent != 2 || st.Records != 0 {
			t.Errorf("%+v", st)
		}
	})
}

// GONE is passed on with its code and the sender's address, and never to another room.
func TestGoneIsPassedOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, n := newSite(t, defaults()), network()
		a := s.rawMember(n)
		b, stranger := s.rawMember(n), s.rawMember(network())
		a.want(up(b.self))
		for code := relay.GoneClosed; code <= relay.GoneOverflow; code++ {
			for _, to := range []relay.Addr{a.self, stranger.self} {
				b.send(relay.AppendGone(nil, relay.Gone{Peer: to, Session: relay.SessionID{3}, Code: code}))
			}
			a.want(gone(b.self, 3, code))
		}
		stranger.send(relay.AppendPing(nil, relay.Echo{}))
		stranger.want("PONG 0000000000000000")
	})
}

// S4-31 and R22: of records sent at random between and within the rooms of
// networks, not one crosses, and not one that may pass is lost.
func TestS4_31_RoomsAreSeparate(t *testing.T) {
	const rooms, each = 4, 4
	sends := 20_000
	if *long {
		sends = 1_000_000
	}
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, defaults())
		r := rand.New(rand.NewPCG(1, 2))
		var members []*raw
		for range rooms {
			n := network()
			for range each {
				members = append(members, s.rawMember(n))
			}
		}
		got := make([]chan map[string]int, len(members))
		for i, k := range members {
			got[i] = make(chan map[string]int, 1)
			go func() { got[i] <- k.drainCounting() }()
		}
		want := make([]map[string]int, len(members))
		for i := range want {
			want[i] = map[string]int{}
		}
		for i := range sends {
			from, to := r.IntN(len(members)), r.IntN(len(members))
			if from/each == to/each {
				want[to][members[from].self.String()]++
			}
			members[from].send(relay.AppendSend(nil, relay.Record{Peer: members[to].self, Session: relay.SessionID{byte(i >> 16), byte(i >> 8), byte(i)}, Body: msg1()}))
			if i%256 == 0 {
				synctest.Wait() // so that no queue is full
			}
		}
		synctest.Wait()
		s.server.Close()
		for i := range members {
			if have := <-got[i]; fmt.Sprint(have) != fmt.Sprint(want[i]) {
				t.Errorf("member %d got %v, want %v", i, have, want[i])
			}
		}
	})
}

// drainCounting reads to the end and counts the records by their origin.
func (k *raw) drainCounting() map[string]int {
	counts := map[string]int{}
	for {
		t, body, err := k.frames.Next(relay.ToClient)
		if err != nil {
			return counts
		}
		if t == relay.FrameRecv {
			r, _ := relay.ParseRecord(body)
			counts[r.Peer.String()]++
		}
	}
}
