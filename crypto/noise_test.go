package crypto

import (
	"bytes"
	"testing"

	"github.com/flynn/noise"
)

// The vectors' prologue is "notsecret" or none; their payloads are not ours, so
// they pass through the same suite and pattern rather than through Respond.
func TestR47_NoiseNNpsk0(t *testing.T) {
	var vectors []struct {
		Handshake string
		Init      hexBytes `json:"gen_init_ephemeral"`
		Resp      hexBytes `json:"gen_resp_ephemeral"`
		PSK       hexBytes `json:"preshared_key"`
		Prologue  hexBytes
		Payload0  hexBytes `json:"msg_0_payload"`
		Payload1  hexBytes `json:"msg_1_payload"`
		Payload2  hexBytes `json:"msg_2_payload"`
		Payload3  hexBytes `json:"msg_3_payload"`
		Msg0      hexBytes `json:"msg_0_ciphertext"`
		Msg1      hexBytes `json:"msg_1_ciphertext"`
		Msg2      hexBytes `json:"msg_2_ciphertext"`
		Msg3      hexBytes `json:"msg_3_ciphertext"`
	}
	loadVectors(t, "noise-nnpsk0.json", &vectors)
	if len(vectors) != 4 {
		t.Fatalf("%d vectors", len(vectors))
	}
	for i, v := range vectors {
		config := noise.Config{CipherSuite: cipherSuite, Pattern: noise.HandshakeNN, Prologue: v.Prologue, PresharedKey: v.PSK}
		config.Initiator, config.Random = true, bytes.NewReader(v.Init)
		initiator, err := noise.NewHandshakeState(config)
		if err != nil {
			t.Fatal(err)
		}
		config.Initiator, config.Random = false, bytes.NewReader(v.Resp)
		responder, err := noise.NewHandshakeState(config)
		if err != nil {
			t.Fatal(err)
		}
		msg, _, _, err := initiator.WriteMessage(nil, v.Payload0)
		if err != nil || !bytes.Equal(msg, v.Msg0) {
			t.Errorf("vector %d: message 0 is %x, %v", i, msg, err)
		}
		if got, _, _, err := responder.ReadMessage(nil, msg); err != nil || !bytes.Equal(got, v.Payload0) {
			t.Errorf("vector %d: payload 0 is %x, %v", i, got, err)
		}
		msg, k1, k2, err := responder.WriteMessage(nil, v.Payload1)
		if err != nil || !bytes.Equal(msg, v.Msg1) {
			t.Errorf("vector %d: message 1 is %x, %v", i, msg, err)
		}
		if got, _, _, err := initiator.ReadMessage(nil, msg); err != nil || !bytes.Equal(got, v.Payload1) {
			t.Errorf("vector %d: payload 1 is %x, %v", i, got, err)
		}
		if msg, err := k1.Encrypt(nil, nil, v.Payload2); err != nil || !bytes.Equal(msg, v.Msg2) {
			t.Errorf("vector %d: message 2 is %x, %v", i, msg, err)
		}
		if msg, err := k2.Encrypt(nil, nil, v.Payload3); err != nil || !bytes.Equal(msg, v.Msg3) {
			t.Errorf("vector %d: message 3 is %x, %v", i, msg, err)
		}
	}
}
