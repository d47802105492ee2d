package relayserver

import "encoding/hex"

// smallOrder are the public keys that no private key belongs to, and under which
// anybody can make signatures that verify: the points of small order on
// Edwards25519, and the encodings of them that are not reduced, without the
// sign bit. A room with such an id would be open to all.
var smallOrder = func() map[[32]byte]bool {
	set := map[[32]byte]bool{}
	for _, text := range []string{
		"0000000000000000000000000000000000000000000000000000000000000000",
		"0100000000000000000000000000000000000000000000000000000000000000",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	} {
		b, err := hex.DecodeString(text)
		if err != nil {
			panic(err) // a slip in the table above
		}
		set[[32]byte(b)] = true
	}
	return set
}()

// isSmallOrder reports whether anybody can sign for the room.
func isSmallOrder(room [32]byte) bool {
	room[31] &= 0x7f
	return smallOrder[room]
}
