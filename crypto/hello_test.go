package crypto

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

func TestHelloRoundTrip(t *testing.T) {
	hash := repeated[[32]byte](9)
	id := NewIdentity()
	for name, h := range map[string]Hello{
		"full":     {Role: RoleInitiator, Instance: NewInstanceID(), Name: "alice", Target: "bob", Features: 1 << 63, Capabilities: []byte{0x80}},
		"observer": {Role: RoleInitiator, Instance: NewInstanceID()},
		"longest":  {Role: RoleResponder, Name: strings.Repeat("n", 64), Target: strings.Repeat("t", 64)},
	} {
		for _, signer := range []*Identity{nil, id} {
			want := h
			if signer != nil {
				want.HasID, want.NodeKey = true, id.Public()
			}
			b := AppendHello([]byte("x"), h, hash, signer)
			got, err := ParseHello(b[1:], hash)
			if err != nil || got.Role != want.Role || got.Instance != want.Instance || got.Name != want.Name || got.Target != want.Target ||
				got.Features != want.Features || got.HasID != want.HasID || got.NodeKey != want.NodeKey || !bytes.Equal(got.Capabilities, want.Capabilities) {
				t.Errorf("%s: %+v, want %+v, %v", name, got, want, err)
			}
		}
	}
}

func TestR17_SignedHelloHoldsForItsSessionOnly(t *testing.T) {
	hash := repeated[[32]byte](9)
	b := AppendHello(nil, Hello{Role: RoleInitiator, Name: "alice", Capabilities: []byte{0x80}}, hash, NewIdentity())
	other := hash
	other[5] ^= 1
	if _, err := ParseHello(b, other); !errors.Is(err, ErrHelloSignature) {
		t.Errorf("in another session: %v", err)
	}
	for bit := range len(b) * 8 {
		changed := bytes.Clone(b)
		changed[bit/8] ^= 1 << (bit % 8)
		h, err := ParseHello(changed, hash)
		if err == nil && h.HasID {
			t.Errorf("with bit %d changed it is still signed: %+v", bit, h)
		}
	}
	if _, err := ParseHello(append(b, 0), hash); !errors.Is(err, ErrHelloSignature) {
		t.Errorf("with a byte more: %v", err)
	}
}

func TestMalformedHellosAreRefused(t *testing.T) {
	hash := repeated[[32]byte](9)
	good := AppendHello(nil, Hello{Role: RoleInitiator, Name: "alice", Target: "bob"}, hash, NewIdentity())
	for n := range len(good) {
		if _, err := ParseHello(good[:n], hash); !errors.Is(err, ErrHelloForm) {
			t.Errorf("cut to %d bytes: %v", n, err)
		}
	}
	for name, change := range map[string]func(b []byte){
		"role 0":     func(b []byte) { b[0] = 0 },
		"role 3":     func(b []byte) { b[0] = 3 },
		"long name":  func(b []byte) { b[17] = 65 },
		"has id 2":   func(b []byte) { b[17+1+5+1+3+8] = 2 },
		"has id 255": func(b []byte) { b[17+1+5+1+3+8] = 255 },
	} {
		b := append(bytes.Clone(good), make([]byte, 200)...)
		change(b)
		if _, err := ParseHello(b, hash); !errors.Is(err, ErrHelloForm) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAppendHelloRefusesWhatNoHelloHolds(t *testing.T) {
	for _, h := range []Hello{{}, {Role: 3}, {Role: 1, Name: strings.Repeat("n", 65)}, {Role: 1, Target: strings.Repeat("n", 65)}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%+v was written", h)
				}
			}()
			AppendHello(nil, h, [32]byte{}, nil)
		}()
	}
}

func TestParsedHelloIsACopy(t *testing.T) {
	b := AppendHello(nil, Hello{Role: RoleInitiator, Name: "alice", Capabilities: []byte{0x80}}, [32]byte{}, nil)
	h, err := ParseHello(b, [32]byte{})
	clear(b)
	if err != nil || h.Name != "alice" || h.Capabilities[0] != 0x80 {
		t.Errorf("%+v %v", h, err)
	}
}
