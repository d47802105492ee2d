package crypto

import "testing"

// R22: a proof is good for one relay, challenge, address, host and TLS connection.
func TestR22_RoomProofBindsEveryField(t *testing.T) {
	relay := IdentityFromSeed(repeated[[32]byte](1))
	p := RoomProof{
		RelayID: relay.Public(), Challenge: repeated[[32]byte](2), Nonce: repeated[[32]byte](3),
		Address: repeated[[16]byte](4), Host: "relay.example:443", Exporter: repeated[[32]byte](5),
	}
	room := Derive(mustParseKey(t, specKey), "n").Room(p.RelayID)
	join, joined := room.SignJoin(p), p.SignJoined(relay, room.ID())
	if !p.VerifyJoin(room.ID(), join) || !p.VerifyJoined(room.ID(), joined) {
		t.Fatal("a good proof is refused")
	}
	for name, change := range map[string]func(*RoomProof){
		"relay":     func(p *RoomProof) { p.RelayID[0] ^= 1 },
		"challenge": func(p *RoomProof) { p.Challenge[31] ^= 1 },
		"nonce":     func(p *RoomProof) { p.Nonce[0] ^= 1 },
		"address":   func(p *RoomProof) { p.Address[15] ^= 1 },
		"host":      func(p *RoomProof) { p.Host = "other.example:443" },
		"exporter":  func(p *RoomProof) { p.Exporter[0] ^= 1 },
	} {
		q := p
		change(&q)
		if q.VerifyJoin(room.ID(), join) || q.VerifyJoined(room.ID(), joined) {
			t.Errorf("with another %s the proof still holds", name)
		}
	}
	if other := Derive(mustParseKey(t, specKey), "n").Room(repeated[[32]byte](9)); other.ID() == room.ID() {
		t.Error("the rooms at two relays have one id and can be linked")
	}
	if p.VerifyJoin(room.ID(), joined) {
		t.Error("JOINED's signature passes for JOIN's")
	}
}
