package crypto

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// loadVectors reads a file of testdata into v.
func loadVectors(t testing.TB, name string, v any) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, v); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

// hexBytes is a byte string that stands in JSON as hex digits.
type hexBytes []byte

func (h *hexBytes) UnmarshalText(text []byte) (err error) {
	*h, err = hex.DecodeString(string(text))
	return err
}

func mustParseKey(t testing.TB, text string) Key {
	t.Helper()
	k, err := ParseKey(text)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// specKey is the published key of the Fernet specification.
const specKey = "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4="

var testTime = time.Unix(1767225600, 0)

var testOffer = Offer{VersionMin: 1, VersionMax: 1, MaxPlain: MaxPlaintext}

func repeated[T ~[16]byte | ~[32]byte](b byte) (v T) {
	for i := range len(v) {
		v[i] = b
	}
	return v
}
