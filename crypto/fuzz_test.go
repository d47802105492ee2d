package crypto

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"testing"
)

// FuzzOpenToken is R48 with inputs that the fuzzer finds: the token as it is, and
// its bytes signed and encoded, so that the fuzzer gets past MAC and base64.
func FuzzOpenToken(f *testing.F) {
	key := repeated[[32]byte](3)
	for _, n := range []int{0, 1, 15, 16, 100, 1000} {
		f.Add(SealToken(key, make([]byte, n), testTime))
		f.Add(NewSealer(key).Seal(nil, bytes.Repeat([]byte{0xff}, n), testTime))
	}
	f.Add(bytes.Repeat([]byte("/_\r\n"), 30))
	opener := NewOpener(key)
	f.Fuzz(func(t *testing.T, b []byte) {
		checkDifferential(t, opener, key, b)
		checkDifferential(t, opener, key, signed(key, b))
	})
}

// signed makes a token from what stands before its MAC.
func signed(key [32]byte, b []byte) []byte {
	mac := tokenMAC(&key)
	mac.Write(b)
	raw := mac.Sum(bytes.Clone(b))
	return []byte(base64.URLEncoding.EncodeToString(raw))
}

// FuzzSealOpen checks that what is sealed opens, by both paths.
func FuzzSealOpen(f *testing.F) {
	key := repeated[[32]byte](3)
	sealer, opener := NewSealer(key), NewOpener(key)
	f.Add([]byte("message"))
	f.Fuzz(func(t *testing.T, plain []byte) {
		if len(plain) > MaxPlaintext {
			return
		}
		token := sealer.Seal(nil, plain, testTime)
		if !checkDifferential(t, opener, key, token) {
			t.Fatalf("%q is refused", token)
		}
		if got, _, _ := opener.Open(nil, token); !bytes.Equal(got, plain) {
			t.Fatalf("%q became %q", plain, got)
		}
	})
}

// FuzzOpenBulk gives the receiver any bulk frame, and any that a member could
// seal. It must open what AES-GCM alone opens, of the lengths and the kind that
// bulk frames have, and nothing else.
func FuzzOpenBulk(f *testing.F) {
	for _, v := range loadBulkVectors(f) {
		f.Add([]byte(v.Frame), []byte(v.Plaintext), v.Seq)
	}
	f.Add(make([]byte, MinBulkPlain+BulkOverhead), []byte(nil), uint64(0))
	f.Add([]byte("gAAAAA"), bulkMessage("x")[1:], uint64(1))
	c := chain{key: repeated[[32]byte](3)}
	key := c.bulkKey()
	aead, receive := gcmOf(&key), newReceiveCipher(&c, true)
	check := func(t *testing.T, frame []byte, seq uint64) {
		var want []byte
		err := error(errTokenLength)
		if len(frame) >= MinBulkPlain+BulkOverhead && len(frame) <= MaxPlaintext+BulkOverhead && frame[0] == bulkKind {
			nonce := binary.BigEndian.AppendUint64(make([]byte, 4), seq)
			want, err = aead.Open(nil, nonce, frame[bulkHead:], frame[:bulkHead])
		}
		plain, sealed, got := receive.OpenBulk(bytes.Clone(frame), seq)
		if (got == nil) != (err == nil) || !bytes.Equal(plain, want) || sealed.Unix() > latestTime {
			t.Fatalf("frame %x of %d: %v, AES-GCM says %v", frame, seq, got, err)
		}
	}
	f.Fuzz(func(t *testing.T, frame, plain []byte, seq uint64) {
		check(t, frame, seq)
		if len(frame) >= bulkHead { // its head, and what a member made of the rest
			head := frame[:bulkHead:bulkHead]
			nonce := binary.BigEndian.AppendUint64(make([]byte, 4), seq)
			check(t, aead.Seal(bytes.Clone(head), nonce, plain, head), seq)
		}
	})
}

// FuzzRespond gives the responder any message, and any payload a member could send.
func FuzzRespond(f *testing.F) {
	s := Derive(mustParseKey(f, specKey), "example")
	good := loadFM1(f).Handshake.Msg1
	f.Add([]byte(good), testOffer.payload1())
	f.Add(make([]byte, HandshakeLen), make([]byte, payloadLen))
	f.Fuzz(func(t *testing.T, msg1, payload []byte) {
		replay := NewReplaySet(4)
		msg2, secrets, _, err := Respond([]*Schedule{s}, TransportLAN, nil, msg1, testOffer, replay)
		if (err == nil) != bytes.Equal(msg1, good) {
			t.Fatalf("%x: %v", msg1, err)
		}
		if (err == nil) != (msg2 != nil) || (err == nil) != (secrets != nil) {
			t.Fatal("half an answer")
		}
		if len(payload) > 1000 {
			return
		}
		state, err := newState(s, TransportLAN, nil, true, nil)
		if err != nil {
			t.Fatal(err)
		}
		member, _, _, err := state.WriteMessage(nil, payload)
		if err != nil {
			t.Fatal(err)
		}
		_, secrets, _, err = Respond([]*Schedule{s}, TransportLAN, nil, member, testOffer, replay)
		if err == nil && (len(payload) != payloadLen || secrets.Agreement.Version != 1 || secrets.Agreement.MaxPlain < MinMaxPlain || secrets.Agreement.MaxPlain > MaxPlaintext) {
			t.Fatalf("payload %x gave %+v", payload, secrets.Agreement)
		}
	})
}

// FuzzFinish gives the initiator any second message, and any payload a member could send.
func FuzzFinish(f *testing.F) {
	v := loadFM1(f)
	s := Derive(mustParseKey(f, specKey), "example")
	f.Add([]byte(v.Handshake.Msg2), testOffer.payload2(1))
	f.Add(make([]byte, HandshakeLen), make([]byte, payloadLen))
	f.Fuzz(func(t *testing.T, msg2, payload []byte) {
		in, msg1, err := newInitiator(s, TransportLAN, nil, testOffer, bytes.NewReader(v.Handshake.InitiatorPrivate))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := in.Finish(msg2); (err == nil) != bytes.Equal(msg2, v.Handshake.Msg2) {
			t.Fatalf("%x: %v", msg2, err)
		}
		if len(payload) > 1000 {
			return
		}
		state, _, _, err := openFirst([]*Schedule{s}, TransportLAN, nil, msg1, nil)
		if err != nil {
			t.Fatal(err)
		}
		member, _, _, err := state.WriteMessage(nil, payload)
		if err != nil {
			t.Fatal(err)
		}
		in, _, _ = newInitiator(s, TransportLAN, nil, testOffer, bytes.NewReader(v.Handshake.InitiatorPrivate))
		secrets, err := in.Finish(member)
		if err == nil && (len(payload) != payloadLen || secrets.Agreement.Version != 1 || secrets.Agreement.MaxPlain < MinMaxPlain || secrets.Agreement.MaxPlain > MaxPlaintext) {
			t.Fatalf("payload %x gave %+v", payload, secrets.Agreement)
		}
	})
}

// FuzzParseHello checks that a HELLO that parses is the one that its parts make.
func FuzzParseHello(f *testing.F) {
	v := loadFM1(f)
	hash := [32]byte(v.Handshake.Hash)
	f.Add([]byte(v.Session.Hello.Hello))
	f.Add(AppendHello(nil, Hello{Role: RoleResponder, Name: "n", Target: "t", Capabilities: []byte{0x80}}, hash, nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := ParseHello(b, hash)
		if err != nil {
			return
		}
		if h.HasID {
			if !bytes.Equal(b, v.Session.Hello.Hello) {
				t.Fatalf("a forged signature: %x", b)
			}
			return
		}
		if again := AppendHello(nil, h, hash, nil); !bytes.Equal(again, b) {
			t.Fatalf("%x is read as %x", b, again)
		}
	})
}

// FuzzParseRing checks that whatever parses is a ring that keeps its rules.
func FuzzParseRing(f *testing.F) {
	a, b := newKey(&[32]byte{1}).Reveal(), newKey(&[32]byte{2}).Reveal()
	f.Add([]byte(a))
	f.Add([]byte("# c\r\n" + a + " accept\n" + b + " active # d\n\n" + specKey + " retired"))
	f.Fuzz(func(t *testing.T, text []byte) {
		ring, err := ParseRing(text)
		if err != nil {
			if !ring.IsZero() {
				t.Fatal("an error and a ring")
			}
			return
		}
		if ring.Len() < 1 || ring.Len() > MaxRingKeys || ring.Active().IsZero() {
			t.Fatalf("%q gave %v", text, ring)
		}
		for _, k := range append(ring.Usable(), ring.Retired()...) {
			if !bytes.Contains(text, []byte(k.Reveal())) {
				t.Fatalf("%q has no %s", text, k.Reveal())
			}
		}
	})
}

// FuzzParseKey checks that a key has one text.
func FuzzParseKey(f *testing.F) {
	f.Add(specKey)
	f.Add(specKey[:42] + "5=")
	f.Fuzz(func(t *testing.T, s string) {
		k, err := ParseKey(s)
		if err == nil && k.Reveal() != s {
			t.Fatalf("%q is a second spelling of %q", s, k.Reveal())
		}
		if err != nil && !k.IsZero() {
			t.Fatal("an error and a key")
		}
	})
}

// FuzzParseNodeKey checks that a node key has one text.
func FuzzParseNodeKey(f *testing.F) {
	f.Add(NodeKey{1, 2, 3}.String())
	f.Fuzz(func(t *testing.T, s string) {
		if k, err := ParseNodeKey(s); err == nil && k.String() != s {
			t.Fatalf("%q is a second spelling of %q", s, k)
		}
	})
}

// FuzzParseIdentity checks that whatever parses is written as it was meant.
func FuzzParseIdentity(f *testing.F) {
	f.Add(formatIdentity(IdentityFromSeed([32]byte{1})))
	f.Fuzz(func(t *testing.T, text []byte) {
		id, err := parseIdentity(text)
		if err != nil {
			return
		}
		if again, err := parseIdentity(formatIdentity(id)); err != nil || again.Public() != id.Public() {
			t.Fatalf("%q: %v", text, err)
		}
	})
}
