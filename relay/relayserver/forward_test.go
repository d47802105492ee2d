package relayserver_test

import (
	"bytes"
	"testing"

	"github.com/fernmesh/fernmesh/internal/wire"
	"github.com/fernmesh/fernmesh/relay"
)

// msg1 is a record that begins a session: to relay and client only its length counts.
func msg1() []byte { return make([]byte, wire.HandshakeLen) }

// open begins a session and returns both its ends.
func open(t testing.TB, from, to client) (out, in *relay.Channel) {
	t.Helper()
	for a := range from.up {
		if a == to.Self() {
			break
		}
	}
	out, err := from.Open(to.Self())
	if err != nil {
		t.Fatal(err)
	}
	if err := out.WriteRecord(msg1()); err != nil {
		t.Fatal(err)
	}
	in = <-to.accepted
	if _, err := in.ReadRecord(wire.MaxRecord); err != nil {
		t.Fatal(err)
	}
	return out, in
}

// S4-26, the relay's part: what one member sends, the other gets, both ways.
func TestS4_26_RecordsAreForwarded(t *testing.T) {
	s := newSite(t, defaults())
	n := network()
	alice, bob := s.join(n), s.join(n)
	out, in := open(t, alice, bob)
	for size := 1; size <= wire.MaxRecord; size = size*3 + 7 {
		want := bytes.Repeat([]byte{byte(size)}, size)
		for _, ends := range [][2]*relay.Channel{{out, in}, {in, out}} {
			if err := ends[0].WriteRecord(want); err != nil {
				t.Fatal(err)
			}
			if got, err := ends[1].ReadRecord(wire.MaxRecord); err != nil || !bytes.Equal(got, want) {
				t.Fatalf("%d bytes: got %d, %v", size, len(got), err)
			}
		}
	}
	if st := s.server.Stats(); st.Records < 10 || st.Members != 2 || st.Rooms != 1 {
		t.Errorf("stats %+v", st)
	}
}
