package crypto

import (
	"bytes"
	"encoding/base64"
	"flag"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/fernet/fernet-go"
)

var long = flag.Bool("fernmesh.long", false, "run a million differential cases instead of some thousands")

// fernetGo opens a token as fernet-go does on its own; a panic counts as a refusal.
func fernetGo(key [32]byte, token []byte) (plain []byte, ok bool) {
	defer func() {
		if recover() != nil {
			plain, ok = nil, false
		}
	}()
	plain = fernet.VerifyAndDecrypt(token, 0, []*fernet.Key{(*fernet.Key)(&key)})
	return plain, plain != nil
}

// mustOpen tells, from fernet-go's verdict and the standard library alone,
// whether a token is one that a strict opener has to accept.
func mustOpen(key [32]byte, token []byte) bool {
	plain, ok := fernetGo(key, token)
	if !ok || len(token) > MaxToken {
		return false
	}
	raw, err := base64.URLEncoding.DecodeString(string(token))
	padding := len(raw) - overhead - len(plain)
	return err == nil && base64.URLEncoding.EncodeToString(raw) == string(token) && padding >= 1 && padding <= 16
}

// checkDifferential is R48: both our paths agree, accept exactly the canonical
// tokens among those that fernet-go accepts, and read them as it does.
func checkDifferential(t testing.TB, opener *Opener, key [32]byte, token []byte) bool {
	t.Helper()
	hot, hotTime, hotErr := opener.Open(nil, token)
	cold, coldTime, _, coldErr := OpenToken([][32]byte{key}, token)
	want := mustOpen(key, token)
	if (hotErr == nil) != want || (coldErr == nil) != want {
		t.Fatalf("token %q under key %x: hot %v, cold %v, to be accepted: %v", token, key, hotErr, coldErr, want)
	}
	if !want {
		return false
	}
	reference, _ := fernetGo(key, token)
	if !bytes.Equal(hot, reference) || !bytes.Equal(cold, reference) || !hotTime.Equal(coldTime) {
		t.Fatalf("token %q under key %x: hot %x, cold %x, fernet-go %x", token, key, hot, cold, reference)
	}
	return true
}

// seededKey and the like use math/rand so that a failing case can be repeated from its seed.
func seededBytes(r *rand.Rand, b []byte) {
	for i := range b {
		b[i] = byte(r.Uint32())
	}
}

func seededToken(r *rand.Rand, key [32]byte) []byte {
	var iv [16]byte
	seededBytes(r, iv[:])
	plain := make([]byte, r.IntN(200))
	seededBytes(r, plain)
	at := time.Unix(int64(r.Uint64()>>(1+r.IntN(60))), 0)
	return NewSealer(key).seal(nil, plain, at, iv[:])
}

// mutate changes a token in one of the ways by which openers have been fooled.
func mutate(r *rand.Rand, key [32]byte, token []byte) []byte {
	const odd = "/+=-_ \r\n%AQgw\x00\xff"
	at := r.IntN(len(token))
	switch r.IntN(12) {
	case 0: // any byte
		token[at] = byte(r.Uint32())
	case 1: // an odd byte
		token[at] = odd[r.IntN(len(odd))]
	case 2: // stray bits in the last digit
		token[len(token)-3] ^= byte(1 << r.IntN(3))
	case 3: // one byte more
		token = append(token[:at:at], append([]byte{odd[r.IntN(len(odd))]}, token[at:]...)...)
	case 4: // cut
		token = token[:at]
	case 5: // a tail
		token = append(token, bytes.Repeat([]byte{odd[r.IntN(len(odd))]}, 1+r.IntN(8))...)
	case 6: // twice
		token = append(token, token...)
	case 7: // the other alphabet
		token = bytes.ReplaceAll(bytes.ReplaceAll(token, []byte("_"), []byte("/")), []byte("-"), []byte("+"))
	case 8: // four bytes of line breaks, so that the length still fits
		token = append(token[:at:at], append([]byte("\r\n\r\n"), token[at:]...)...)
	case 9: // a key holder's token with a changed block: mostly bad padding
		token = resign(key, token, func(raw []byte) { raw[len(raw)-macLen-1-r.IntN(min(32, len(raw)-macLen-1))] ^= byte(r.Uint32()) })
	case 10: // a key holder's token with another first byte
		token = resign(key, token, func(raw []byte) { raw[0] = byte(r.Uint32()) })
	case 11: // a key holder's token of any length
		token = resignLength(r, key, token)
	}
	return token
}

// resignLength cuts the ciphertext anywhere and signs what is left.
func resignLength(r *rand.Rand, key [32]byte, token []byte) []byte {
	raw, err := base64.URLEncoding.AppendDecode(nil, token)
	if err != nil {
		panic(err)
	}
	raw = raw[:9+r.IntN(len(raw)-macLen-8)]
	mac := tokenMAC(&key)
	mac.Write(raw)
	return base64.URLEncoding.AppendEncode(nil, mac.Sum(raw))
}

func TestR48_DifferentialAgainstFernetGo(t *testing.T) {
	cases := 20_000
	if *long {
		cases = 1_000_000
	}
	const seed = 48
	r := rand.New(rand.NewPCG(seed, 0))
	accepted := 0
	var key [32]byte
	var opener *Opener
	for i := range cases {
		if i%100 == 0 {
			seededBytes(r, key[:])
			opener = NewOpener(key)
		}
		token := seededToken(r, key)
		if r.IntN(4) > 0 {
			token = mutate(r, key, token)
		}
		if checkDifferential(t, opener, key, token) {
			accepted++
		}
	}
	if accepted < cases/5 || accepted > cases*4/5 {
		t.Errorf("%d of %d accepted: the cases are one-sided", accepted, cases)
	}
	t.Logf("%d cases with seed %d, %d of them accepted by all, no difference", cases, seed, accepted)
}

// The sealer's tokens are, given IV and time, byte for byte those of
// fernet-go: the IV is taken out of a token that fernet-go made.
func TestR48_SealerMatchesFernetGo(t *testing.T) {
	r := rand.New(rand.NewPCG(49, 0))
	for n := range 600 {
		var key [32]byte
		seededBytes(r, key[:])
		plain := make([]byte, n)
		seededBytes(r, plain)
		at := time.Unix(int64(r.Uint32()), 0)
		want, err := fernet.EncryptAndSignAtTime(plain, (*fernet.Key)(&key), at)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := base64.URLEncoding.DecodeString(string(want))
		if err != nil {
			t.Fatal(err)
		}
		if got := NewSealer(key).seal(nil, plain, at, raw[ivOffset:textOffset]); !bytes.Equal(got, want) {
			t.Fatalf("%d bytes: %s, fernet-go: %s", n, got, want)
		}
	}
}

// Every byte value at every place of a token: the vector decoders take some
// characters of the other alphabet, and only in the middle of long texts.
func TestR48_EveryByteAtEveryPlace(t *testing.T) {
	key := repeated[[32]byte](5)
	r := rand.New(rand.NewPCG(50, 0))
	opener := NewOpener(key)
	for range 3 {
		token := seededToken(r, key)
		for i := range token {
			good := token[i]
			for b := range 256 {
				token[i] = byte(b)
				if _, _, err := opener.Open(nil, token); (err == nil) != (byte(b) == good) {
					t.Fatalf("%q with byte %d set to %#x: %v", token, i, b, err)
				}
			}
			token[i] = good
		}
	}
}
