package relayserver

import (
	"bytes"
	"testing"

	"github.com/fernmesh/fernmesh/relay"
)

// What waits of presence for a client that does not read is bounded by the
// members, however often they come, change and go.
func TestPresenceIsCoalesced(t *testing.T) {
	var p presence
	known := relay.Addr{1}
	p.up(known)
	_ = p.take(nil, 0)
	for i := range 1000 {
		a := relay.Addr{2, byte(i >> 8), byte(i)}
		p.up(a)
		p.cast(a, []byte("token"))
		p.down(a, 0)
		p.cast(known, []byte{byte(i)})
	}
	if len(p.order) != 1 || len(p.changes) != 1 {
		t.Fatalf("%d members wait, want one", len(p.order))
	}
	p.down(known, 0)
	if got, want := p.take(nil, 0), relay.AppendDown(nil, known); !bytes.Equal(got, want) {
		t.Errorf("got %x, want %x", got, want)
	}
	if p.changes != nil {
		t.Error("something is kept of what was told")
	}
}

// DOWN waits for the records that came before it, and does not hold up the others.
func TestDownFollowsItsRecords(t *testing.T) {
	var p presence
	gone, stays := relay.Addr{1}, relay.Addr{2}
	p.down(gone, 100)
	p.up(stays)
	if got, want := p.take(nil, 99), relay.AppendUp(nil, stays); !bytes.Equal(got, want) {
		t.Errorf("got %x, want %x", got, want)
	}
	p.up(gone) // the same address again
	if got, want := p.take(nil, 100), relay.AppendUp(relay.AppendDown(nil, gone), gone); !bytes.Equal(got, want) {
		t.Errorf("got %x, want %x", got, want)
	}
}

// A large room's presence leaves in pieces, none lost.
func TestPresenceLeavesInPieces(t *testing.T) {
	var p presence
	token := make([]byte, relay.MaxToken)
	for i := range 1024 {
		a := relay.Addr{byte(i >> 8), byte(i)}
		p.up(a)
		p.cast(a, token)
	}
	total := 0
	for range 200 {
		n := len(p.take(nil, 0))
		if n > presenceBatch+2*relay.MaxToken {
			t.Fatalf("a piece of %d bytes", n)
		}
		total += n
	}
	if want := 1024 * (2*relay.HeaderLen + 2*16 + relay.MaxToken); total != want {
		t.Errorf("%d bytes in all, want %d", total, want)
	}
}
