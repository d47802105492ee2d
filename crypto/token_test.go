package crypto

import (
	"bytes"
	"encoding/base64"
	"errors"
	"testing"
	"time"
)

func TestSealedLenAndMaxPlainMatchTheTokens(t *testing.T) {
	s := NewSealer(repeated[[32]byte](7))
	for n := range 1000 {
		token := s.Seal(nil, make([]byte, n), testTime)
		if len(token) != SealedLen(n) {
			t.Fatalf("%d bytes give a token of %d, SealedLen says %d", n, len(token), SealedLen(n))
		}
		if cold := SealToken(repeated[[32]byte](7), make([]byte, n), testTime); len(cold) != len(token) {
			t.Fatalf("%d bytes: the paths give tokens of %d and %d", n, len(token), len(cold))
		}
	}
	for n := range 3000 {
		most := MaxPlain(n)
		if most >= 0 && SealedLen(most) > n || SealedLen(most+1) <= n {
			t.Fatalf("MaxPlain(%d) = %d", n, most)
		}
	}
	if SealedLen(MaxPlaintext) != MaxToken || MaxPlain(MaxToken) < MaxPlaintext || MaxPlain(1200) != 831 {
		t.Errorf("SealedLen(%d) = %d, MaxPlain(1200) = %d", MaxPlaintext, SealedLen(MaxPlaintext), MaxPlain(1200))
	}
}

func TestSealAndOpenAppend(t *testing.T) {
	key := repeated[[32]byte](7)
	token := NewSealer(key).Seal([]byte("before "), []byte("hello"), testTime)
	if !bytes.HasPrefix(token, []byte("before gAAAA")) {
		t.Fatalf("%s", token)
	}
	plain, _, err := NewOpener(key).Open([]byte("and "), token[7:])
	if err != nil || string(plain) != "and hello" {
		t.Fatalf("%q %v", plain, err)
	}
}

func TestOpenAllowsOverlap(t *testing.T) {
	key := repeated[[32]byte](7)
	message := bytes.Repeat([]byte("overlap "), 300)
	buf := NewSealer(key).Seal(nil, message, testTime)
	plain, _, err := NewOpener(key).Open(buf[:0], buf)
	if err != nil || !bytes.Equal(plain, message) {
		t.Fatalf("%q %v", plain, err)
	}
	sealed := NewSealer(key).Seal(plain[:0], plain, testTime)
	if plain, _, err := NewOpener(key).Open(nil, sealed); err != nil || !bytes.Equal(plain, message) {
		t.Fatalf("%q %v", plain, err)
	}
}

func TestEachReasonIsGiven(t *testing.T) {
	key := repeated[[32]byte](7)
	iv := repeated[[16]byte](0xff) // fixed, since the cases below need certain characters; it gives underlines
	good := NewSealer(key).seal(nil, bytes.Repeat([]byte{0xff}, 200), testTime, iv[:])
	change := func(f func(b []byte) []byte) []byte { return f(bytes.Clone(good)) }
	for name, c := range map[string]struct {
		token []byte
		want  Reason
	}{
		"empty":               {nil, ReasonLength},
		"cut":                 {good[:len(good)-4], ReasonLength},
		"too long":            {bytes.Repeat([]byte("A"), MaxToken+4), ReasonLength},
		"space":               {change(func(b []byte) []byte { b[50] = ' '; return b }), ReasonBase64},
		"slash for underline": {bytes.ReplaceAll(good, []byte("_"), []byte("/")), ReasonBase64},
		"line feed":           {change(func(b []byte) []byte { b[90] = '\n'; return b }), ReasonBase64},
		"padding inside":      {change(func(b []byte) []byte { b[90] = '='; return b }), ReasonBase64},
		"version 0":           {change(func(b []byte) []byte { b[0] = 'A'; return b }), ReasonVersion},
		"another character":   {change(func(b []byte) []byte { b[60] = 'A' + (b[60]&1 ^ 1); return b }), ReasonKey},
		"no padding":          {resign(key, good, func(raw []byte) { raw[len(raw)-macLen-17] ^= 0xff }), ReasonPadding},
	} {
		_, _, err := NewOpener(key).Open(nil, c.token)
		var refused *TokenError
		if !errors.As(err, &refused) || refused.Reason != c.want {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		if _, _, _, err := OpenToken([][32]byte{key}, c.token); err == nil {
			t.Errorf("%s: the cold path opens it", name)
		}
	}
}

// resign changes a decoded token and makes its MAC right again, as a key holder could.
func resign(key [32]byte, token []byte, change func(raw []byte)) []byte {
	raw, err := base64.URLEncoding.AppendDecode(nil, token)
	if err != nil {
		panic(err)
	}
	change(raw)
	mac := tokenMAC(&key)
	mac.Write(raw[:len(raw)-macLen])
	mac.Sum(raw[:len(raw)-macLen])
	return base64.URLEncoding.AppendEncode(nil, raw)
}

func TestOpenTokenTriesEveryKey(t *testing.T) {
	keys := [][32]byte{repeated[[32]byte](1), repeated[[32]byte](2), repeated[[32]byte](3)}
	for i, key := range keys {
		plain, sealed, index, err := OpenToken(keys, SealToken(key, []byte("x"), testTime))
		if err != nil || index != i || string(plain) != "x" || !sealed.Equal(testTime) {
			t.Errorf("key %d: %q %v %d %v", i, plain, sealed, index, err)
		}
	}
	if _, _, _, err := OpenToken(nil, SealToken(keys[0], nil, testTime)); err == nil {
		t.Error("opened without a key")
	}
}

func TestEmptyMessageOpensAsSuch(t *testing.T) {
	key := repeated[[32]byte](1)
	for _, token := range [][]byte{SealToken(key, nil, testTime), NewSealer(key).Seal(nil, nil, testTime)} {
		plain, _, err := openBoth(t, key, token)
		if err != nil || len(plain) != 0 || len(token) != minToken {
			t.Errorf("%q %v, token of %d", plain, err, len(token))
		}
	}
}

func TestAbsurdTimesAreBounded(t *testing.T) {
	key := repeated[[32]byte](1)
	token := NewSealer(key).Seal(nil, nil, time.Unix(-5, 0)) // 2^64-5 on the wire
	_, sealed, err := openBoth(t, key, token)
	if err != nil || sealed.Year() > 10000 || sealed.Before(testTime) {
		t.Errorf("%v %v", sealed, err)
	}
	if age := testTime.Sub(sealed); age > 0 {
		t.Errorf("a token from the far future has the age %v", age)
	}
}

func TestSealRefusesOversize(t *testing.T) {
	for name, seal := range map[string]func(plain []byte){
		"hot":  func(plain []byte) { NewSealer([32]byte{}).Seal(nil, plain, testTime) },
		"cold": func(plain []byte) { SealToken([32]byte{}, plain, testTime) },
	} {
		seal(make([]byte, MaxPlaintext))
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s path sealed %d bytes", name, MaxPlaintext+1)
				}
			}()
			seal(make([]byte, MaxPlaintext+1))
		}()
	}
}

func TestIVsNeverRepeat(t *testing.T) {
	s := NewSealer([32]byte{})
	seen := map[[16]byte]bool{}
	for range 5000 {
		raw, _ := base64.URLEncoding.AppendDecode(nil, s.Seal(nil, nil, testTime))
		iv := [16]byte(raw[ivOffset:])
		if seen[iv] || iv == ([16]byte{}) {
			t.Fatalf("IV %x again", iv)
		}
		seen[iv] = true
	}
}

func TestHotPathAllocatesNothing(t *testing.T) {
	s, o := NewSealer(repeated[[32]byte](1)), NewOpener(repeated[[32]byte](1))
	for _, n := range []int{0, 64, 1 << 10, MaxPlaintext} {
		message := make([]byte, n)
		token := make([]byte, 0, MaxToken)
		plain := make([]byte, 0, MaxPlaintext+blockLen)
		seal := func() { token = s.Seal(token[:0], message, testTime) }
		open := func() { plain, _, _ = o.Open(plain[:0], token) }
		seal()
		open()
		if got := testing.AllocsPerRun(200, seal); got != 0 {
			t.Errorf("Seal of %d bytes: %v allocations", n, got)
		}
		if got := testing.AllocsPerRun(200, open); got != 0 {
			t.Errorf("Open of %d bytes: %v allocations", n, got)
		}
		bad := bytes.Clone(token)
		bad[40] ^= 1
		if got := testing.AllocsPerRun(200, func() { _, _, _ = o.Open(plain[:0], bad) }); got != 0 {
			t.Errorf("refusal of %d bytes: %v allocations", n, got)
		}
	}
}
