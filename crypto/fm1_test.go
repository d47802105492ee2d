package crypto

import (
	"bytes"
	"encoding/hex"
	"testing"
)

type fm1Vectors struct {
	Static struct {
		NetworkKey     string   `json:"network_key"`
		NetworkName    string   `json:"network_name"`
		PRK            hexBytes `json:"prk"`
		PSK            hexBytes `json:"noise_psk"`
		NetworkID      hexBytes `json:"network_id"`
		KeyID          hexBytes `json:"key_id"`
		AdvertKey      string   `json:"advert_fernet_key"`
		MDNSKey        hexBytes `json:"mdns_label_key"`
		RelayID        hexBytes `json:"relay_id"`
		RelaySeed      hexBytes `json:"relay_seed"`
		RoomID         hexBytes `json:"room_id"`
		RoomSeed       hexBytes `json:"room_seed"`
		PresenceFernet string   `json:"presence_fernet_key"`
	}
	Handshake struct {
		Prologue         hexBytes
		Hash             hexBytes `json:"handshake_hash"`
		InitiatorPrivate hexBytes `json:"initiator_ephemeral_private"`
		ResponderPrivate hexBytes `json:"responder_ephemeral_private"`
		Msg1, Msg2       hexBytes
		Payload1         hexBytes
		Payload2         hexBytes
	}
	Session struct {
		ChainI2R  []hexBytes `json:"chain_i2r"`
		ChainR2I  []hexBytes `json:"chain_r2i"`
		FernetI2R []string   `json:"fernet_i2r"`
		FernetR2I []string   `json:"fernet_r2i"`
		Exporter  hexBytes
		Hello     struct {
			FramePlaintext hexBytes `json:"frame_plaintext"`
			Hello          hexBytes
			Instance       hexBytes
			IV             hexBytes
			Name           string
			NodeSeed       hexBytes `json:"node_seed"`
			Signature      hexBytes
			SignedBytes    hexBytes `json:"signed_bytes"`
			Token          string
		} `json:"hello_initiator"`
	}
	Relay struct {
		Address, Challenge, Nonce, Exporter hexBytes
		Host                                string
		JoinSignature                       hexBytes `json:"join_signature"`
		JoinSigned                          hexBytes `json:"join_signed_bytes"`
		JoinedSignature                     hexBytes `json:"joined_signature"`
		JoinedSigned                        hexBytes `json:"joined_signed_bytes"`
	}
}

func loadFM1(t testing.TB) (v fm1Vectors) {
	t.Helper()
	loadVectors(t, "fm1.json", &v)
	return v
}

func wantHex(t *testing.T, what string, got []byte, want hexBytes) {
	t.Helper()
	if !bytes.Equal(got, want) || len(want) == 0 {
		t.Errorf("%s = %x, want %x", what, got, []byte(want))
	}
}

func wantKeyText(t *testing.T, what string, got [32]byte, want string) {
	t.Helper()
	if text := newKey(&got).Reveal(); text != want {
		t.Errorf("%s = %s, want %s", what, text, want)
	}
}

func TestR47_FM1Schedule(t *testing.T) {
	v := loadFM1(t).Static
	s := Derive(mustParseKey(t, v.NetworkKey), v.NetworkName)
	keyID, mdnsKey := s.KeyID(), s.MDNSLabelKey()
	relayID := [32]byte(v.RelayID)
	room := s.Room(relayID)
	roomID := room.ID()
	wantHex(t, "prk", s.prk[:], v.PRK)
	wantHex(t, "psk", s.psk[:], v.PSK)
	wantHex(t, "network id", s.networkID[:], v.NetworkID)
	wantHex(t, "key id", keyID[:], v.KeyID)
	wantHex(t, "mdns key", mdnsKey[:], v.MDNSKey)
	wantHex(t, "room seed", room.key.Seed(), v.RoomSeed)
	wantHex(t, "room id", roomID[:], v.RoomID)
	wantKeyText(t, "advert key", s.AdvertKey(), v.AdvertKey)
	wantKeyText(t, "presence key", s.PresenceKey(relayID), v.PresenceFernet)
}

// fm1Session runs the handshake of the vectors with their ephemeral keys.
func fm1Session(t testing.TB, v fm1Vectors) (initiator, responder *Secrets) {
	t.Helper()
	s := Derive(mustParseKey(t, v.Static.NetworkKey), v.Static.NetworkName)
	in, msg1, err := newInitiator(s, TransportLAN, nil, testOffer, bytes.NewReader(v.Handshake.InitiatorPrivate))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(msg1, v.Handshake.Msg1) {
		t.Fatalf("msg1 = %x", msg1)
	}
	msg2, responder, index, err := respond([]*Schedule{s}, TransportLAN, nil, msg1, testOffer, NewReplaySet(1), bytes.NewReader(v.Handshake.ResponderPrivate))
	if err != nil || index != 0 {
		t.Fatal(index, err)
	}
	if !bytes.Equal(msg2, v.Handshake.Msg2) {
		t.Fatalf("msg2 = %x", msg2)
	}
	initiator, err = in.Finish(msg2)
	if err != nil {
		t.Fatal(err)
	}
	return initiator, responder
}

func TestR47_FM1Handshake(t *testing.T) {
	v := loadFM1(t)
	wantHex(t, "payload 1", testOffer.payload1(), v.Handshake.Payload1)
	wantHex(t, "payload 2", testOffer.payload2(1), v.Handshake.Payload2)
	s := Derive(mustParseKey(t, v.Static.NetworkKey), v.Static.NetworkName)
	wantHex(t, "prologue", prologue(s, TransportLAN, nil), v.Handshake.Prologue)
	initiator, responder := fm1Session(t, v)
	for _, s := range []*Secrets{initiator, responder} {
		exporter := s.Exporter()
		wantHex(t, "hash", s.Hash[:], v.Handshake.Hash)
		wantHex(t, "exporter", exporter[:], v.Session.Exporter)
		if want := (Agreement{Version: 1, MaxPlain: MaxPlaintext}); s.Agreement != want {
			t.Errorf("agreement %+v", s.Agreement)
		}
	}
	if !initiator.Initiator || responder.Initiator {
		t.Error("the sides are mixed up")
	}
}

func TestR47_FM1Chains(t *testing.T) {
	v := loadFM1(t)
	initiator, responder := fm1Session(t, v)
	for n := range v.Session.ChainI2R {
		for _, c := range []struct {
			what  string
			chain *chain
			want  hexBytes
			key   string
		}{
			{"initiator sends", initiator.send.chain, v.Session.ChainI2R[n], v.Session.FernetI2R[n]},
			{"responder receives", responder.receive.chain, v.Session.ChainI2R[n], v.Session.FernetI2R[n]},
			{"responder sends", responder.send.chain, v.Session.ChainR2I[n], v.Session.FernetR2I[n]},
			{"initiator receives", initiator.receive.chain, v.Session.ChainR2I[n], v.Session.FernetR2I[n]},
		} {
			wantHex(t, c.what, c.chain.key[:], c.want)
			wantKeyText(t, c.what, c.chain.fernetKey(), c.key)
		}
		initiator.Send().Advance()
		initiator.Receive().Advance()
		responder.Send().Advance()
		responder.Receive().Advance()
	}
}

func TestR47_FM1HelloToken(t *testing.T) {
	v := loadFM1(t)
	h := v.Session.Hello
	initiator, responder := fm1Session(t, v)
	hello := Hello{
		Role: RoleInitiator, Instance: InstanceID(h.Instance), Name: h.Name, Target: "bob",
		Capabilities: []byte{0x80},
	}
	id := IdentityFromSeed([32]byte(h.NodeSeed))
	body := AppendHello(nil, hello, initiator.Hash, id)
	wantHex(t, "hello", body, h.Hello)
	wantHex(t, "signed bytes", helloSigned(hello.Role, initiator.Hash, body[:len(body)-65], body[len(body)-1:]), h.SignedBytes)
	wantHex(t, "signature", body[len(body)-65:len(body)-1], h.Signature)
	token := initiator.send.sealer.seal(nil, h.FramePlaintext, testTime, h.IV)
	if string(token) != h.Token {
		t.Errorf("token = %s, want %s", token, h.Token)
	}
	plain, sealed, err := responder.Receive().Open(nil, token)
	if err != nil || !bytes.Equal(plain, h.FramePlaintext) || !sealed.Equal(testTime) {
		t.Errorf("the responder opens %x %v %v", plain, sealed, err)
	}
	got, err := ParseHello(plain[len(plain)-len(body):], responder.Hash)
	if err != nil || got.Name != h.Name || got.Target != "bob" || !got.HasID || got.NodeKey != id.Public() {
		t.Errorf("%+v %v", got, err)
	}
}

func TestR47_FM1RoomProof(t *testing.T) {
	v := loadFM1(t)
	s := Derive(mustParseKey(t, v.Static.NetworkKey), v.Static.NetworkName)
	relay := IdentityFromSeed([32]byte(v.Static.RelaySeed))
	p := RoomProof{
		RelayID: relay.Public(), Challenge: [32]byte(v.Relay.Challenge), Nonce: [32]byte(v.Relay.Nonce),
		Address: [16]byte(v.Relay.Address), Host: v.Relay.Host, Exporter: [32]byte(v.Relay.Exporter),
	}
	room := s.Room(p.RelayID)
	join, joined := room.SignJoin(p), p.SignJoined(relay, room.ID())
	wantHex(t, "relay id", p.RelayID[:], v.Static.RelayID)
	wantHex(t, "join bytes", p.AppendJoin(nil), v.Relay.JoinSigned)
	wantHex(t, "joined bytes", p.AppendJoined(nil, room.ID()), v.Relay.JoinedSigned)
	wantHex(t, "join signature", join[:], v.Relay.JoinSignature)
	wantHex(t, "joined signature", joined[:], v.Relay.JoinedSignature)
	if !p.VerifyJoin(room.ID(), join) || !p.VerifyJoined(room.ID(), joined) {
		t.Error("a good signature is refused: ", hex.EncodeToString(join[:]))
	}
}
