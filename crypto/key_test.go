package crypto

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
)

func TestS4_06_GenerateKeyGivesAnOrdinaryFernetKey(t *testing.T) {
	a, b := GenerateKey(), GenerateKey()
	text := a.Reveal()
	raw, err := base64.URLEncoding.DecodeString(text)
	if len(text) != 44 || err != nil || len(raw) != 32 || a.Equal(b) || a.Weak() != nil {
		t.Fatalf("%d characters, %d bytes, %v", len(text), len(raw), err)
	}
	again, err := ParseKey(text)
	if err != nil || !again.Equal(a) {
		t.Fatal(err)
	}
}

func TestR39_ParseKeyTakesOneSpellingOnly(t *testing.T) {
	const good = specKey
	raw := mustParseKey(t, good).raw()[:]
	for name, text := range map[string]string{
		"empty":           "",
		"short":           good[:43],
		"long":            good + "=",
		"no padding":      good[:43] + "A",
		"stray bits":      good[:42] + "5=",
		"hex":             hex.EncodeToString(raw),
		"standard base64": strings.NewReplacer("-", "+", "_", "/").Replace(good),
		"line feed after": good[:43] + "\n",
		"line feed in":    good[:20] + "\n" + good[21:],
		"CR LF in":        good[:20] + "\r\n" + good[22:],
		"space":           " " + good[1:],
		"padding inside":  good[:40] + "====",
		"33 bytes":        base64.URLEncoding.EncodeToString(append(raw, 1)),
		"31 bytes":        base64.URLEncoding.EncodeToString(raw[:31]),
		"not ASCII":       strings.Repeat("é", 22),
	} {
		k, err := ParseKey(text)
		if !errors.Is(err, ErrBadKey) || !k.IsZero() {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for n := 4; n <= len(text); n++ {
			if strings.TrimSpace(text[n-4:n]) != "" && strings.Contains(err.Error(), text[n-4:n]) {
				t.Errorf("%s: the error repeats a part of the value: %v", name, err)
			}
		}
	}
}

func TestR39_WeakKeysAreKnown(t *testing.T) {
	counting := make([]byte, 32)
	for i := range counting {
		counting[i] = byte(i)
	}
	for name, text := range map[string]string{
		"zeros":         strings.Repeat("A", 43) + "=",
		"equal bytes":   base64.URLEncoding.EncodeToString([]byte(strings.Repeat("k", 32))),
		"counting":      base64.URLEncoding.EncodeToString(counting),
		"specification": specKey,
		"PeerBase":      "hVE3FNXnE_JnmmzGVuBOi4vc1XhIRina9tdS_IZZ8Tk=",
	} {
		if err := mustParseKey(t, text).Weak(); !errors.Is(err, ErrWeakKey) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := (Key{}).Weak(); !errors.Is(err, ErrWeakKey) {
		t.Errorf("the zero Key: %v", err)
	}
	for range 100 {
		if err := GenerateKey().Weak(); err != nil {
			t.Error(err)
		}
	}
}

func TestKeyEqual(t *testing.T) {
	a, b := GenerateKey(), GenerateKey()
	if !a.Equal(mustParseKey(t, a.Reveal())) || a.Equal(b) || a.Equal(Key{}) || (Key{}).Equal(a) || !(Key{}).Equal(Key{}) {
		t.Error("Equal is wrong")
	}
}

func TestDeriveRefusesTheZeroKey(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	Derive(Key{}, "home")
}

func TestOneKeyUnderTwoNamesIsTwoNetworks(t *testing.T) {
	k := GenerateKey()
	a, b := Derive(k, "a"), Derive(k, "b")
	if a.psk == b.psk || a.KeyID() == b.KeyID() || a.AdvertKey() == b.AdvertKey() || a.networkID == b.networkID ||
		a.MDNSLabelKey() == b.MDNSLabelKey() || a.PresenceKey([32]byte{}) == b.PresenceKey([32]byte{}) {
		t.Error("the networks share a key")
	}
}

func TestDecodeCanonicalTakesOneSpellingOnly(t *testing.T) {
	if b, ok := decodeCanonical([]byte("_-8=")); !ok || string(b) != "\xff\xef" {
		t.Errorf("%x %v", b, ok)
	}
	for _, text := range []string{"_-8", "_-9=", "/+8=", "_-8=\n", "_-\r\n8=", "\n_-8=", "_-8=_-8=", "_-8 ", "="} {
		if b, ok := decodeCanonical([]byte(text)); ok {
			t.Errorf("%q is read as %x", text, b)
		}
	}
}
