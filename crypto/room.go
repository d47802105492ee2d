package crypto

import (
	"crypto/ed25519"
	"encoding/binary"
)

// Room is the key pair by which the members of one network join their room at
// one relay: the relay knows the public half and checks that a client holds the
// other, and learns nothing of the network key (section 8). It never changes.
type Room struct {
	secret
	key *ed25519.PrivateKey // a pointer; see secret
}

// ID returns the room's id, the public half, which the relay gets to see.
func (r *Room) ID() [32]byte { return [32]byte(r.key.Public().(ed25519.PublicKey)) }

// SignJoin signs the proof: the JOIN message's signature.
func (r *Room) SignJoin(p RoomProof) [64]byte {
	return [64]byte(ed25519.Sign(*r.key, p.AppendJoin(nil)))
}

// RoomProof is what the signatures of JOIN and JOINED cover (section 8). A
// recorded one is useless: the challenge is the relay's, fresh each time. So is
// one made for another relay: host and TLS exporter would not fit.
type RoomProof struct {
	RelayID   [32]byte // public key of the relay, from its HELLO
	Challenge [32]byte // from its HELLO
	Nonce     [32]byte // the client's, from its JOIN
	Address   [16]byte // the client's address in the room, random per join
	Host      string   // the dialled authority, lower case, with port; at most 65,535 bytes
	Exporter  [32]byte // exported from TLS, or zeros
}

// AppendJoin appends the bytes that the room key signs in JOIN.
func (p RoomProof) AppendJoin(dst []byte) []byte {
	dst = append(dst, "fm1 relay join\x00"...)
	dst = append(dst, p.RelayID[:]...)
	dst = append(dst, p.Challenge[:]...)
	dst = append(dst, p.Nonce[:]...)
	return p.appendTail(dst)
}

// AppendJoined appends the bytes that the relay's key signs in JOINED.
func (p RoomProof) AppendJoined(dst []byte, room [32]byte) []byte {
	dst = append(dst, "fm1 relay ok\x00"...)
	dst = append(dst, p.Challenge[:]...)
	dst = append(dst, p.Nonce[:]...)
	dst = append(dst, room[:]...)
	return p.appendTail(dst)
}

func (p RoomProof) appendTail(dst []byte) []byte {
	if len(p.Host) > 0xffff {
		panic("crypto: host of a room proof is over 65,535 bytes")
	}
	dst = append(dst, p.Address[:]...)
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(p.Host)))
	dst = append(dst, p.Host...)
	return append(dst, p.Exporter[:]...)
}

// VerifyJoin reports whether sig is the room key's for this proof.
func (p RoomProof) VerifyJoin(room [32]byte, sig [64]byte) bool {
	return ed25519.Verify(room[:], p.AppendJoin(nil), sig[:])
}

// SignJoined signs the answer with the relay's identity, whose public key is the relay id.
func (p RoomProof) SignJoined(relay *Identity, room [32]byte) [64]byte {
	return [64]byte(relay.Sign(p.AppendJoined(nil, room)))
}

// VerifyJoined reports whether sig is that of the relay named by RelayID.
func (p RoomProof) VerifyJoined(room [32]byte, sig [64]byte) bool {
	return ed25519.Verify(p.RelayID[:], p.AppendJoined(nil, room), sig[:])
}
