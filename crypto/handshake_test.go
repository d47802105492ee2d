package crypto

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/flynn/noise"
)

// pair runs a handshake over the LAN between two ends with one key.
func pair(t testing.TB) (initiator, responder *Secrets) {
	t.Helper()
	return pairOf(t, Derive(GenerateKey(), "home"))
}

// pairOf is both ends of a session under a network key.
func pairOf(t testing.TB, s *Schedule) (initiator, responder *Secrets) {
	t.Helper()
	in, msg1, err := NewInitiator(s, TransportLAN, nil, testOffer)
	if err != nil {
		t.Fatal(err)
	}
	msg2, responder, _, err := Respond([]*Schedule{s}, TransportLAN, nil, msg1, testOffer, NewReplaySet(16))
	if err != nil {
		t.Fatal(err)
	}
	initiator, err = in.Finish(msg2)
	if err != nil {
		t.Fatal(err)
	}
	return initiator, responder
}

func wantCause(t *testing.T, err error, want Cause) {
	t.Helper()
	var failed *HandshakeError
	if !errors.As(err, &failed) || failed.Cause != want {
		t.Errorf("error %v, want cause %v", err, want)
	}
}

func TestHandshakeAgrees(t *testing.T) {
	initiator, responder := pair(t)
	if initiator.Hash != responder.Hash || initiator.Exporter() != responder.Exporter() || initiator.Agreement != responder.Agreement {
		t.Fatal("the ends do not agree")
	}
	for _, c := range []struct {
		send    *SendCipher
		receive *ReceiveCipher
	}{{initiator.Send(), responder.Receive()}, {responder.Send(), initiator.Receive()}} {
		plain, _, err := c.receive.Open(nil, c.send.Seal(nil, []byte("hi"), testTime))
		if err != nil || string(plain) != "hi" {
			t.Errorf("%q %v", plain, err)
		}
	}
	if again, _ := pair(t); again.Hash == initiator.Hash {
		t.Error("two handshakes have one hash")
	}
}

func TestNegotiation(t *testing.T) {
	s := Derive(GenerateKey(), "home")
	for name, c := range map[string]struct {
		initiator, responder Offer
		want                 Agreement
		fails                bool
	}{
		"equal":          {Offer{1, 1, 65536, 5}, Offer{1, 1, 65536, 5}, Agreement{1, 65536, 5}, false},
		"highest common": {Offer{1, 7, 65536, 0}, Offer{2, 5, 65536, 0}, Agreement{5, 65536, 0}, false},
		"touching":       {Offer{1, 3, 65536, 0}, Offer{3, 9, 65536, 0}, Agreement{3, 65536, 0}, false},
		"smaller frame":  {Offer{1, 1, 20000, 0}, Offer{1, 1, 65536, 0}, Agreement{1, 20000, 0}, false},
		"its smaller":    {Offer{1, 1, 65536, 0}, Offer{1, 1, 16640, 0}, Agreement{1, 16640, 0}, false},
		"features":       {Offer{1, 1, 65536, 0b0110}, Offer{1, 1, 65536, 0b1010}, Agreement{1, 65536, 0b0010}, false},
		"too old":        {Offer{1, 2, 65536, 0}, Offer{3, 4, 65536, 0}, Agreement{}, true},
		"too new":        {Offer{5, 6, 65536, 0}, Offer{3, 4, 65536, 0}, Agreement{}, true},
	} {
		in, msg1, err := NewInitiator(s, TransportLAN, nil, c.initiator)
		if err != nil {
			t.Fatal(name, err)
		}
		msg2, responder, _, err := Respond([]*Schedule{s}, TransportLAN, nil, msg1, c.responder, NewReplaySet(4))
		if c.fails {
			wantCause(t, err, CauseVersion)
			if msg2 != nil || responder != nil {
				t.Errorf("%s: answered all the same", name)
			}
			continue
		}
		if err != nil {
			t.Fatal(name, err)
		}
		initiator, err := in.Finish(msg2)
		if err != nil || initiator.Agreement != c.want || responder.Agreement != c.want {
			t.Errorf("%s: %+v and %+v, %v", name, initiator.Agreement, responder.Agreement, err)
		}
	}
}

// R16: no bit of either message can be changed, and a changed msg1 gets no byte back.
func TestR16_EveryBitFlipIsRefused(t *testing.T) {
	s := Derive(GenerateKey(), "home")
	replay := NewReplaySet(ReplayEntries)
	_, msg1, err := NewInitiator(s, TransportLAN, nil, testOffer)
	if err != nil {
		t.Fatal(err)
	}
	refused := 0
	for bit := range HandshakeLen * 8 {
		changed := bytes.Clone(msg1)
		changed[bit/8] ^= 1 << (bit % 8)
		msg2, secrets, _, err := Respond([]*Schedule{s}, TransportLAN, nil, changed, testOffer, replay)
		wantCause(t, err, CauseKey)
		if msg2 == nil && secrets == nil && err != nil {
			refused++
		}
	}
	for bit := range HandshakeLen * 8 {
		in, msg1, err := NewInitiator(s, TransportLAN, nil, testOffer)
		if err != nil {
			t.Fatal(err)
		}
		msg2, _, _, err := Respond([]*Schedule{s}, TransportLAN, nil, msg1, testOffer, replay)
		if err != nil {
			t.Fatal(err)
		}
		msg2[bit/8] ^= 1 << (bit % 8)
		if secrets, err := in.Finish(msg2); err != nil && secrets == nil {
			refused++
		}
	}
	if refused != 2*HandshakeLen*8 {
		t.Errorf("%d of %d refused", refused, 2*HandshakeLen*8)
	}
	if _, _, _, err := Respond([]*Schedule{s}, TransportLAN, nil, msg1, testOffer, replay); err != nil {
		t.Errorf("the changed ones spoilt the good one: %v", err)
	}
}

func TestHandshakeBindsNetworkTransportAndPath(t *testing.T) {
	key := GenerateKey()
	s := Derive(key, "home")
	path := bytes.Repeat([]byte{1}, 64)
	_, msg1, err := NewInitiator(s, TransportRelay, path, testOffer)
	if err != nil {
		t.Fatal(err)
	}
	respond := func(keys []*Schedule, tr Transport, path []byte) error {
		_, _, _, err := Respond(keys, tr, path, msg1, testOffer, NewReplaySet(4))
		return err
	}
	for i := range path {
		other := bytes.Clone(path)
		other[i] ^= 1
		wantCause(t, respond([]*Schedule{s}, TransportRelay, other), CauseKey)
	}
	wantCause(t, respond([]*Schedule{s}, TransportLAN, nil), CauseKey)
	wantCause(t, respond([]*Schedule{s}, TransportPeering, append(make([]byte, 16), path...)), CauseKey)
	wantCause(t, respond([]*Schedule{Derive(key, "work")}, TransportRelay, path), CauseKey)
	wantCause(t, respond([]*Schedule{Derive(GenerateKey(), "home")}, TransportRelay, path), CauseKey)
	wantCause(t, respond(nil, TransportRelay, path), CauseKey)
	if err := respond([]*Schedule{s}, TransportRelay, path); err != nil {
		t.Errorf("the right one: %v", err)
	}
}

func TestRespondTriesEachRingKey(t *testing.T) {
	keys := []*Schedule{Derive(GenerateKey(), "home"), Derive(GenerateKey(), "home"), Derive(GenerateKey(), "home")}
	for want, key := range keys {
		in, msg1, err := NewInitiator(key, TransportLAN, nil, testOffer)
		if err != nil {
			t.Fatal(err)
		}
		msg2, _, index, err := Respond(keys, TransportLAN, nil, msg1, testOffer, NewReplaySet(4))
		if err != nil || index != want {
			t.Fatalf("key %d: %d %v", want, index, err)
		}
		if _, err := in.Finish(msg2); err != nil {
			t.Errorf("key %d: %v", want, err)
		}
	}
}

func TestR13_ReplayedFirstMessageIsRefused(t *testing.T) {
	s := Derive(GenerateKey(), "home")
	replay := NewReplaySet(4)
	_, msg1, err := NewInitiator(s, TransportLAN, nil, testOffer)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, _, err := Respond([]*Schedule{s}, TransportLAN, nil, msg1, testOffer, replay); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		msg2, secrets, _, err := Respond([]*Schedule{s}, TransportLAN, nil, msg1, testOffer, replay)
		wantCause(t, err, CauseReplay)
		if msg2 != nil || secrets != nil {
			t.Error("answered a replay")
		}
	}
}

// A stranger must not be able to push entries out of the replay set.
func TestR13_OnlyAuthenticMessagesEnterTheReplaySet(t *testing.T) {
	s := Derive(GenerateKey(), "home")
	replay := NewReplaySet(2)
	_, msg1, _ := NewInitiator(s, TransportLAN, nil, testOffer)
	if _, _, _, err := Respond([]*Schedule{s}, TransportLAN, nil, msg1, testOffer, replay); err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		wrong := bytes.Clone(msg1)
		wrong[0] ^= byte(i + 1)
		_, _, _, err := Respond([]*Schedule{s}, TransportLAN, nil, wrong, testOffer, replay)
		wantCause(t, err, CauseKey)
	}
	_, _, _, err := Respond([]*Schedule{s}, TransportLAN, nil, msg1, testOffer, replay)
	wantCause(t, err, CauseReplay)
}

// R14: with one psk for both roles, a message sent back to its sender completes
// the handshake. HELLO stops it: it says which role and which instance speak, and
// a HELLO sent back does not open, since each direction has keys of its own.
func TestR14_ReflectedHandshakeShowsInHello(t *testing.T) {
	s := Derive(GenerateKey(), "home")
	own := NewInstanceID()
	in, msg1, err := NewInitiator(s, TransportLAN, nil, testOffer)
	if err != nil {
		t.Fatal(err)
	}
	msg2, asResponder, _, err := Respond([]*Schedule{s}, TransportLAN, nil, msg1, testOffer, NewReplaySet(4))
	if err != nil {
		t.Fatal("it completes at Noise level, as written in section 2: ", err)
	}
	asInitiator, err := in.Finish(msg2)
	if err != nil {
		t.Fatal(err)
	}
	sealed := asResponder.Send().Seal(nil, AppendHello(nil, Hello{Role: RoleResponder, Instance: own, Name: "a"}, asResponder.Hash, nil), testTime)
	plain, _, err := asInitiator.Receive().Open(nil, sealed)
	if err != nil {
		t.Fatal(err)
	}
	hello, err := ParseHello(plain, asInitiator.Hash)
	if err != nil || hello.Role != RoleResponder || hello.Instance != own {
		t.Errorf("%+v %v", hello, err)
	}
	back := asInitiator.Send().Seal(nil, AppendHello(nil, Hello{Role: RoleInitiator, Instance: own, Name: "a"}, asInitiator.Hash, nil), testTime)
	if _, _, err := asInitiator.Receive().Open(nil, back); err == nil {
		t.Error("a HELLO sent back to its sender opens")
	}
}

func TestHandshakeConfigErrors(t *testing.T) {
	s := Derive(GenerateKey(), "home")
	for name, c := range map[string]struct {
		transport Transport
		path      []byte
		offer     Offer
	}{
		"zero offer":       {TransportLAN, nil, Offer{}},
		"version 0":        {TransportLAN, nil, Offer{0, 1, 65536, 0}},
		"empty range":      {TransportLAN, nil, Offer{2, 1, 65536, 0}},
		"small frames":     {TransportLAN, nil, Offer{1, 1, MinMaxPlain - 1, 0}},
		"large frames":     {TransportLAN, nil, Offer{1, 1, MaxPlaintext + 1, 0}},
		"path on LAN":      {TransportLAN, []byte{1}, testOffer},
		"no path on relay": {TransportRelay, nil, testOffer},
		"short peering":    {TransportPeering, make([]byte, 15), testOffer},
		"transport 0":      {0, nil, testOffer},
		"transport 5":      {5, nil, testOffer},
	} {
		_, _, err := NewInitiator(s, c.transport, c.path, c.offer)
		wantCause(t, err, CauseConfig)
		_, _, _, err = Respond([]*Schedule{s}, c.transport, c.path, make([]byte, HandshakeLen), c.offer, NewReplaySet(1))
		wantCause(t, err, CauseConfig)
		if t.Failed() {
			t.Fatal(name)
		}
	}
}

func TestWrongLengthsAreRefused(t *testing.T) {
	s := Derive(GenerateKey(), "home")
	for _, n := range []int{0, 1, 31, 32, 48, 111, 113, 224, 70000} {
		_, _, _, err := Respond([]*Schedule{s}, TransportLAN, nil, make([]byte, n), testOffer, NewReplaySet(1))
		wantCause(t, err, CauseLength)
		in, _, err := NewInitiator(s, TransportLAN, nil, testOffer)
		if err != nil {
			t.Fatal(err)
		}
		_, err = in.Finish(make([]byte, n))
		wantCause(t, err, CauseLength)
		_, err = in.Finish(make([]byte, HandshakeLen))
		wantCause(t, err, CauseConfig)
	}
}

// memberFirst makes a first message as a member with a wrong program could.
func memberFirst(t *testing.T, s *Schedule, payload []byte) []byte {
	t.Helper()
	state, err := newState(s, TransportLAN, nil, true, nil)
	if err != nil {
		t.Fatal(err)
	}
	msg, _, _, err := state.WriteMessage(nil, payload)
	if err != nil {
		t.Fatal(err)
	}
	return msg
}

func TestContradictoryPayloadsAreRefused(t *testing.T) {
	s := Derive(GenerateKey(), "home")
	payload := func(low, high uint8, maxPlain uint32) []byte { return Offer{low, high, maxPlain, 0}.payload1() }
	for name, c := range map[string]struct {
		payload []byte
		want    Cause
	}{
		"version 0":    {payload(0, 1, 65536), CausePayload},
		"empty range":  {payload(3, 1, 65536), CausePayload},
		"small frames": {payload(1, 1, MinMaxPlain-1), CausePayload},
		"other range":  {payload(2, 9, 65536), CauseVersion},
	} {
		_, _, _, err := Respond([]*Schedule{s}, TransportLAN, nil, memberFirst(t, s, c.payload), testOffer, NewReplaySet(1))
		wantCause(t, err, c.want)
		if t.Failed() {
			t.Fatal(name)
		}
	}
	reserved := payload(1, 1, 1<<31)
	reserved[2], reserved[63] = 0xff, 0xff
	if _, secrets, _, err := Respond([]*Schedule{s}, TransportLAN, nil, memberFirst(t, s, reserved), testOffer, NewReplaySet(1)); err != nil || secrets.Agreement.MaxPlain != MaxPlaintext {
		t.Errorf("reserved bytes are to be ignored, and larger frames cut down: %v", err)
	}
}

func TestInitiatorRefusesAVersionItDidNotOffer(t *testing.T) {
	s := Derive(GenerateKey(), "home")
	for _, version := range []uint8{0, 2, 255} {
		in, msg1, err := NewInitiator(s, TransportLAN, nil, testOffer)
		if err != nil {
			t.Fatal(err)
		}
		state, _, _, err := openFirst([]*Schedule{s}, TransportLAN, nil, msg1, nil)
		if err != nil {
			t.Fatal(err)
		}
		msg2, _, _, err := state.WriteMessage(nil, testOffer.payload2(version))
		if err != nil {
			t.Fatal(err)
		}
		_, err = in.Finish(msg2)
		wantCause(t, err, CauseVersion)
	}
}

// An ephemeral key of low order would make the shared secret known. Only a
// member can send one, since the psk authenticates it.
func TestLowOrderEphemeralIsRefused(t *testing.T) {
	s := Derive(GenerateKey(), "home")
	state, err := noise.NewHandshakeState(noise.Config{
		CipherSuite: lowOrderSuite{cipherSuite}, Pattern: noise.HandshakeNN, Initiator: true,
		Prologue: prologue(s, TransportLAN, nil), PresharedKey: s.psk[:],
	})
	if err != nil {
		t.Fatal(err)
	}
	msg1, _, _, err := state.WriteMessage(nil, testOffer.payload1())
	if err != nil {
		t.Fatal(err)
	}
	_, _, _, err = Respond([]*Schedule{s}, TransportLAN, nil, msg1, testOffer, NewReplaySet(1))
	wantCause(t, err, CauseDH)
}

// lowOrderSuite sends the point 0 for its ephemeral key.
type lowOrderSuite struct{ noise.CipherSuite }

func (lowOrderSuite) GenerateKeypair(io.Reader) (noise.DHKey, error) {
	return noise.DHKey{Private: make([]byte, 32), Public: make([]byte, 32)}, nil
}

// A panic below, here from a missing replay set, is an error with a cause.
func TestPanicsBecomeErrors(t *testing.T) {
	s := Derive(GenerateKey(), "home")
	_, msg1, err := NewInitiator(s, TransportLAN, nil, testOffer)
	if err != nil {
		t.Fatal(err)
	}
	msg2, secrets, _, err := Respond([]*Schedule{s}, TransportLAN, nil, msg1, testOffer, nil)
	wantCause(t, err, CauseInternal)
	if msg2 != nil || secrets != nil {
		t.Error("answered after a panic")
	}
}
