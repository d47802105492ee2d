package relayserver

import (
	"crypto/ed25519"
	"crypto/rand"
	"testing"

	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/relay"
)

// R22: a room that has no key cannot be joined, though a signature for it that
// verifies is easily found: for each of these keys that are points, one of a few
// with R = the neutral point or the key's own multiples and S = 0 does.
func TestR22_RoomsWithoutAKey(t *testing.T) {
	s, err := New(Config{Identity: crypto.NewIdentity()})
	if err != nil {
		t.Fatal(err)
	}
	forged := 0
	for key := range smallOrder {
		for _, sign := range []byte{0, 0x80} {
			room := key
			room[31] |= sign
			p, sig, ok := forge(room)
			if ok {
				forged++
			}
			if refused := s.judge(p, relay.Join{Room: room, Host: p.Host, Signature: sig}); refused == nil {
				t.Errorf("room %x is let in", room)
			}
		}
	}
	if forged < 8 {
		t.Errorf("only %d signatures were found: the test shows nothing", forged)
	}
	public, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil || isSmallOrder([32]byte(public)) {
		t.Errorf("an ordinary key is refused, %v", err)
	}
}

// forge looks for a proof that verifies under a key of small order.
func forge(room [32]byte) (p crypto.RoomProof, sig [64]byte, ok bool) {
	for nonce := range 200 {
		p = crypto.RoomProof{Host: "relay:3376", Nonce: [32]byte{byte(nonce)}}
		for r := range smallOrder {
			for _, sign := range []byte{0, 0x80} {
				sig = [64]byte{}
				copy(sig[:], r[:])
				sig[31] |= sign
				if p.VerifyJoin(room, sig) {
					return p, sig, true
				}
			}
		}
	}
	return p, sig, false
}
