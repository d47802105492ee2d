package discovery

import (
	"time"

	"github.com/fernmesh/fernmesh/crypto"
)

// keyring opens adverts with each usable key and seals with the active one.
// Not safe for concurrent use.
type keyring struct {
	keys    []*crypto.Schedule
	sealer  *crypto.Sealer
	openers []*crypto.Opener
	plain   []byte // what open returns, reused
}

func newKeyring(keys []*crypto.Schedule) *keyring {
	k := &keyring{keys: keys, sealer: crypto.NewSealer(keys[0].AdvertKey())}
	for _, key := range keys {
		k.openers = append(k.openers, crypto.NewOpener(key.AdvertKey()))
	}
	return k
}

// open returns the plaintext of a token, valid until the next open, and the
// index of the key that opened it.
func (k *keyring) open(token []byte) (plain []byte, index int, ok bool) {
	for i, o := range k.openers {
		plain, _, err := o.Open(k.plain[:0], token)
		if err == nil {
			k.plain = plain
			return plain, i, true
		}
	}
	return nil, 0, false
}

// seal returns the token of an advert, under the active key.
func (k *keyring) seal(a *advert, id *crypto.Identity, now time.Time) []byte {
	a.millis = now.UnixMilli()
	return k.sealer.Seal(nil, a.append(nil, id), now)
}

// index returns where the key with an id stands in the ring, or -1.
func (k *keyring) index(id [8]byte) int {
	for i, key := range k.keys {
		if key.KeyID() == id {
			return i
		}
	}
	return -1
}
