package crypto

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"testing"

	"github.com/flynn/noise"
)

type wycheproofFile struct {
	NumberOfTests int
	TestGroups    []struct {
		KeySize, TagSize int
		PublicKey        struct{ PK hexBytes }
		Tests            []wycheproofCase
	}
}

type wycheproofCase struct {
	TcID                       int
	Comment                    string
	Flags                      []string
	Key, IV, Msg, CT, Tag, Sig hexBytes
	IKM, Salt, Info, OKM       hexBytes
	Size                       int
	Public, Private, Shared    hexBytes
	Result                     string
}

// eachWycheproof calls f, which says whether the primitive accepted the case, and compares.
func eachWycheproof(t *testing.T, name string, f func(c wycheproofCase, pk []byte, keySize, tagSize int) (accepted, applies bool)) {
	t.Helper()
	var file wycheproofFile
	loadVectors(t, name, &file)
	seen, judged := 0, 0
	for _, g := range file.TestGroups {
		for _, c := range g.Tests {
			seen++
			accepted, applies := f(c, g.PublicKey.PK, g.KeySize, g.TagSize)
			if !applies {
				continue
			}
			judged++
			if accepted != (c.Result == "valid") && c.Result != "acceptable" {
				t.Errorf("%s case %d (%s) is %s, accepted: %v", name, c.TcID, c.Comment, c.Result, accepted)
			}
		}
	}
	if seen != file.NumberOfTests || judged == 0 {
		t.Errorf("%s: %d of %d cases seen, %d judged", name, seen, file.NumberOfTests, judged)
	}
	t.Logf("%s: %d of %d cases apply", name, judged, seen)
}

// X25519 as the handshake does it: a shared secret of zero is an error.
func TestR47_WycheproofX25519(t *testing.T) {
	eachWycheproof(t, "x25519_test.json", func(c wycheproofCase, _ []byte, _, _ int) (bool, bool) {
		shared, err := noise.DH25519.DH(c.Private, c.Public)
		zero := bytes.Equal(c.Shared, make([]byte, 32))
		if zero != (err != nil) {
			t.Errorf("case %d: zero shared secret %v, error %v", c.TcID, zero, err)
		}
		if !zero && !bytes.Equal(shared, c.Shared) {
			t.Errorf("case %d (%s): %x", c.TcID, c.Comment, shared)
		}
		return err == nil, true
	})
}

func TestR47_WycheproofEd25519(t *testing.T) {
	eachWycheproof(t, "ed25519_test.json", func(c wycheproofCase, pk []byte, _, _ int) (bool, bool) {
		return NodeKey(pk).Verify(c.Msg, c.Sig), true
	})
}

func TestR47_WycheproofHKDF(t *testing.T) {
	eachWycheproof(t, "hkdf_sha256_test.json", func(c wycheproofCase, _ []byte, _, _ int) (bool, bool) {
		okm, err := hkdf.Key(sha256.New, c.IKM, c.Salt, string(c.Info), c.Size)
		return err == nil && bytes.Equal(okm, c.OKM), true
	})
}

// Only 128-bit keys and whole tags are Fernet's.
func TestR47_WycheproofHMAC(t *testing.T) {
	eachWycheproof(t, "hmac_sha256_test.json", func(c wycheproofCase, _ []byte, keySize, tagSize int) (bool, bool) {
		if tagSize != 256 {
			return false, false
		}
		mac := hmac.New(sha256.New, c.Key)
		if keySize == 128 {
			var key [32]byte
			copy(key[:], c.Key)
			mac = tokenMAC(&key)
		}
		mac.Write([]byte("a message before, to test Reset"))
		mac.Reset()
		mac.Write(c.Msg)
		return hmac.Equal(mac.Sum(nil), c.Tag), true
	})
}

func TestR47_WycheproofAESCBC(t *testing.T) {
	eachWycheproof(t, "aes_cbc_pkcs5_test.json", func(c wycheproofCase, _ []byte, keySize, _ int) (bool, bool) {
		if keySize != 128 || len(c.CT) == 0 || len(c.CT)%aes.BlockSize != 0 {
			return false, keySize == 128 // rawLen lets no other length pass
		}
		var key [32]byte
		copy(key[16:], c.Key)
		plain := make([]byte, len(c.CT))
		cbc := cipher.NewCBCDecrypter(tokenBlock(&key), make([]byte, 16)).(ivSetter)
		cbc.SetIV(c.IV)
		cbc.CryptBlocks(plain, c.CT)
		n, ok := paddingLen(plain)
		return ok && bytes.Equal(plain[:len(plain)-n], c.Msg), true
	})
}
