package crypto

import (
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
)

// Schedule is what a network key and a network name give together (section 1):
// one key under two names makes two unrelated networks. It is made by [Derive],
// never changes, and may be used by several goroutines.
type Schedule struct {
	*scheduleKeys // behind a pointer; see secret
	keyID         [8]byte
}

type scheduleKeys struct {
	prk       [32]byte
	psk       [32]byte
	networkID [32]byte
	advertKey [32]byte
	mdnsKey   [32]byte
}

// Derive computes the schedule of a network. It panics on the zero Key. The
// name is taken as it is; its form is for the configuration to check.
func Derive(k Key, network string) *Schedule {
	if k.IsZero() {
		panic("crypto: Derive of the zero Key")
	}
	salt := sha256.Sum256([]byte("fm1 network salt\x00" + network))
	s := &Schedule{scheduleKeys: &scheduleKeys{prk: extract(k.raw()[:], salt[:])}}
	s.psk = s.expand("fm1 noise psk", "")
	s.networkID = s.expand("fm1 network id", "")
	s.advertKey = s.expand("fm1 advert fernet", "")
	s.mdnsKey = s.expand("fm1 mdns label", "")
	copy(s.keyID[:], hkdfExpand(s.prk[:], "fm1 key id", "", len(s.keyID)))
	return s
}

func (s *Schedule) expand(label, context string) [32]byte { return expand(&s.prk, label, context) }

// KeyID returns 8 bytes that tell the keys of a network apart. They may be shown to people.
func (s *Schedule) KeyID() [8]byte { return s.keyID }

// AdvertKey returns the Fernet key of LAN adverts and mDNS texts (section 7). It is a secret.
func (s *Schedule) AdvertKey() [32]byte { return s.advertKey }

// MDNSLabelKey returns the key for [MDNSLabel] (section 7). It is a secret.
func (s *Schedule) MDNSLabelKey() [32]byte { return s.mdnsKey }

// Room returns the key pair of the network's room at the relay with the given
// id (section 8). It differs from relay to relay, so that rooms cannot be linked.
func (s *Schedule) Room(relayID [32]byte) *Room {
	seed := s.expand("fm1 relay room", string(relayID[:]))
	defer wipe(seed[:])
	key := ed25519.NewKeyFromSeed(seed[:])
	return &Room{key: &key}
}

// PresenceKey returns the Fernet key of presence tokens at the relay with the
// given id (section 8). It is a secret.
func (s *Schedule) PresenceKey(relayID [32]byte) [32]byte {
	return s.expand("fm1 presence fernet", string(relayID[:]))
}

// String returns "schedule:" and the key id in hex.
func (s Schedule) String() string { return "schedule:" + hex.EncodeToString(s.keyID[:]) }

// GoString returns what [Schedule.String] does.
func (s Schedule) GoString() string { return s.String() }

// Format prints what [Schedule.String] returns, whatever the verb.
func (s Schedule) Format(f fmt.State, _ rune) { printRedacted(f, s.String()) }

// LogValue returns what [Schedule.String] does.
func (s Schedule) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText returns what [Schedule.String] does.
func (s Schedule) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// expand is HKDF-Expand to 32 bytes, with the info string of section 1.
func expand(prk *[32]byte, label, context string) [32]byte {
	return [32]byte(hkdfExpand(prk[:], label, context, 32))
}

func hkdfExpand(prk []byte, label, context string, n int) []byte {
	out, err := hkdf.Expand(sha256.New, prk, label+"\x00"+context, n)
	if err != nil { // only for lengths over 255 hashes, or a hash that FIPS mode forbids
		panic("crypto: HKDF-Expand: " + err.Error())
	}
	return out
}

func extract(secret, salt []byte) [32]byte {
	prk, err := hkdf.Extract(sha256.New, secret, salt)
	if err != nil { // only for a hash that FIPS mode forbids
		panic("crypto: HKDF-Extract: " + err.Error())
	}
	return [32]byte(prk)
}
