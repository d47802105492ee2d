package crypto

import (
	"errors"
	"testing"
	"time"
)

type fernetVector struct {
	Desc   string
	Token  string
	Now    time.Time
	TTL    int64 `json:"ttl_sec"`
	IV     []int
	Src    string
	Secret string
}

// openBoth opens a token by the cold and the hot path and demands that they agree.
func openBoth(t testing.TB, key [32]byte, token []byte) (plain []byte, sealed time.Time, err error) {
	t.Helper()
	plain, sealed, _, err = OpenToken([][32]byte{key}, token)
	hot, hotSealed, hotErr := NewOpener(key).Open(nil, token)
	if (err == nil) != (hotErr == nil) || string(plain) != string(hot) || !sealed.Equal(hotSealed) {
		t.Errorf("the paths differ on %q: cold %q %v %v, hot %q %v %v", token, plain, sealed, err, hot, hotSealed, hotErr)
	}
	return plain, sealed, err
}

// fresh is the judgement of the Fernet specification on an authenticated time.
func fresh(sealed, now time.Time, ttl time.Duration) bool {
	return !now.After(sealed.Add(ttl)) && !sealed.After(now.Add(60*time.Second))
}

func TestR47_FernetSpecGenerate(t *testing.T) {
	var vectors []fernetVector
	loadVectors(t, "fernet-generate.json", &vectors)
	for _, v := range vectors {
		iv := make([]byte, len(v.IV))
		for i, b := range v.IV {
			iv[i] = byte(b)
		}
		token := NewSealer(*mustParseKey(t, v.Secret).raw()).seal(nil, []byte(v.Src), v.Now, iv)
		if string(token) != v.Token {
			t.Errorf("token %s, want %s", token, v.Token)
		}
	}
}

func TestR47_FernetSpecVerify(t *testing.T) {
	var vectors []fernetVector
	loadVectors(t, "fernet-verify.json", &vectors)
	for _, v := range vectors {
		plain, sealed, err := openBoth(t, *mustParseKey(t, v.Secret).raw(), []byte(v.Token))
		if err != nil || string(plain) != v.Src || !fresh(sealed, v.Now, time.Duration(v.TTL)*time.Second) {
			t.Errorf("%q %v %v", plain, sealed, err)
		}
	}
}

func TestR47_FernetSpecInvalid(t *testing.T) {
	var vectors []fernetVector
	loadVectors(t, "fernet-invalid.json", &vectors)
	if len(vectors) != 8 {
		t.Fatalf("%d vectors", len(vectors))
	}
	stale := 0
	for _, v := range vectors {
		_, sealed, err := openBoth(t, *mustParseKey(t, v.Secret).raw(), []byte(v.Token))
		if err != nil {
			continue
		}
		stale++
		if fresh(sealed, v.Now, time.Duration(v.TTL)*time.Second) {
			t.Errorf("%s: accepted", v.Desc)
		}
	}
	if stale != 2 {
		t.Errorf("%d authentic tokens were left to the judgement of their time, want the 2 TTL cases", stale)
	}
}

func TestR47_FernetStrict(t *testing.T) {
	var vectors []struct {
		Desc, Token, Secret string
		Now                 int64 `json:"now_unix"`
		Valid               bool
	}
	loadVectors(t, "fernet-strict.json", &vectors)
	if len(vectors) != 20 {
		t.Fatalf("%d vectors", len(vectors))
	}
	for _, v := range vectors {
		_, sealed, err := openBoth(t, *mustParseKey(t, v.Secret).raw(), []byte(v.Token))
		if (err == nil) != v.Valid {
			t.Errorf("%s: %v", v.Desc, err)
		}
		if err == nil && sealed.Unix() != v.Now {
			t.Errorf("%s: sealed at %v", v.Desc, sealed)
		}
		var refused *TokenError
		if err != nil && (!errors.As(err, &refused) || refused.Reason.String() == "unknown") {
			t.Errorf("%s: error without a reason: %v", v.Desc, err)
		}
	}
}
