package crypto

import (
	"bytes"
	"testing"
)

// R12, the part that keys decide: a token opens in its own session, direction
// and epoch, and nowhere else. Order within those is the sequence number's.
func TestR12_TokensOpenInTheirPlaceOnly(t *testing.T) {
	initiator, responder := pair(t)
	otherInitiator, otherResponder := pair(t)
	token := initiator.Send().Seal(nil, []byte("frame"), testTime)
	for name, receiver := range map[string]*ReceiveCipher{
		"own other direction":    initiator.Receive(),
		"other session":          otherResponder.Receive(),
		"other session, flipped": otherInitiator.Receive(),
	} {
		if _, _, err := receiver.Open(nil, token); err == nil {
			t.Errorf("%s: opens", name)
		}
	}
	if plain, _, err := responder.Receive().Open(nil, token); err != nil || string(plain) != "frame" {
		t.Errorf("in its place: %q %v", plain, err)
	}
}

func TestR12_OldTokensDoNotOpenAfterRekey(t *testing.T) {
	initiator, responder := pair(t)
	old := initiator.Send().Seal(nil, []byte("old"), testTime)
	for epoch := range uint32(5) {
		if initiator.Send().Epoch() != epoch || responder.Receive().Epoch() != epoch {
			t.Fatal("epochs are miscounted")
		}
		token := initiator.Send().Seal(nil, []byte("now"), testTime)
		if plain, _, err := responder.Receive().Open(nil, token); err != nil || string(plain) != "now" {
			t.Fatalf("epoch %d: %q %v", epoch, plain, err)
		}
		initiator.Send().Advance()
		if _, _, err := responder.Receive().Open(nil, initiator.Send().Seal(nil, nil, testTime)); err == nil {
			t.Error("a token opens an epoch early")
		}
		responder.Receive().Advance()
		if _, _, err := responder.Receive().Open(nil, old); err == nil {
			t.Error("an old token opens after the rekey")
		}
	}
	if responder.Send().Epoch() != 0 {
		t.Error("the other direction advanced too")
	}
}

// R19: what a thief finds after Advance does not lead back.
func TestR19_AdvanceOverwritesTheChain(t *testing.T) {
	initiator, _ := pair(t)
	send, receive := initiator.Send(), initiator.Receive()
	for name, c := range map[string]struct {
		place   *[32]byte
		advance func()
	}{"send": {&send.chain.key, send.Advance}, "receive": {&receive.chain.key, receive.Advance}} {
		old := bytes.Clone(c.place[:])
		c.advance()
		if bytes.Equal(old, c.place[:]) || *c.place == ([32]byte{}) {
			t.Errorf("%s: the chain key is still there", name)
		}
	}
}

func TestSessionCiphersAllocateNothing(t *testing.T) {
	initiator, responder := pair(t)
	message, token, plain := make([]byte, 1000), []byte(nil), []byte(nil)
	both := func() {
		token = initiator.Send().Seal(token[:0], message, testTime)
		var err error
		if plain, _, err = responder.Receive().Open(plain[:0], token); err != nil {
			t.Fatal(err)
		}
	}
	both()
	if got := testing.AllocsPerRun(200, both); got != 0 {
		t.Errorf("%v allocations", got)
	}
}
