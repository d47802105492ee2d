package crypto

import (
	"bytes"
	"testing"
	"time"
)

// bulkOffer is testOffer with bulk frames.
func bulkOffer() Offer {
	o := testOffer
	o.Features = FeatureBulk
	return o
}

// pairOffering is both ends of a session, each with an offer of its own.
func pairOffering(t testing.TB, s *Schedule, dialler, acceptor Offer) (initiator, responder *Secrets) {
	t.Helper()
	in, msg1, err := NewInitiator(s, TransportLAN, nil, dialler)
	if err != nil {
		t.Fatal(err)
	}
	msg2, responder, _, err := Respond([]*Schedule{s}, TransportLAN, nil, msg1, acceptor, NewReplaySet(1))
	if err != nil {
		t.Fatal(err)
	}
	initiator, err = in.Finish(msg2)
	if err != nil {
		t.Fatal(err)
	}
	return initiator, responder
}

// bulkPair is both ends of a session with bulk frames.
func bulkPair(t testing.TB) (initiator, responder *Secrets) {
	t.Helper()
	return pairOffering(t, Derive(GenerateKey(), "home"), bulkOffer(), bulkOffer())
}

// bulkMessage is the shortest message of a bulk frame.
func bulkMessage(fill string) []byte {
	return bytes.Repeat([]byte(fill), MinBulkPlain)[:MinBulkPlain]
}

// panics reports whether f panics.
func panics(f func()) (did bool) {
	defer func() { did = recover() != nil }()
	f()
	return false
}

func wantReason(t *testing.T, what string, err error, want Reason) {
	t.Helper()
	if refused, ok := err.(*TokenError); !ok || refused.Reason != want {
		t.Errorf("%s: %v, want %v", what, err, want)
	}
}

func TestBulkFramesAreAgreedOnByBoth(t *testing.T) {
	s := Derive(GenerateKey(), "home")
	other := testOffer
	other.Features = ^FeatureBulk
	for name, c := range map[string]struct {
		dialler, acceptor Offer
		want              bool
	}{
		"both":          {bulkOffer(), bulkOffer(), true},
		"dialler only":  {bulkOffer(), testOffer, false},
		"acceptor only": {testOffer, bulkOffer(), false},
		"neither":       {testOffer, testOffer, false},
		"other bits":    {other, other, false},
		"one of them":   {other, bulkOffer(), false},
	} {
		initiator, responder := pairOffering(t, s, c.dialler, c.acceptor)
		for _, end := range []*Secrets{initiator, responder} {
			if end.Agreement.Bulk() != c.want {
				t.Errorf("%s: %v", name, end.Agreement)
			}
			if panics(func() { end.Send().SealBulk(nil, bulkMessage("x"), 1, testTime) }) == c.want {
				t.Errorf("%s: seals bulk frames: %t", name, !c.want)
			}
			_, _, err := end.Receive().OpenBulk(make([]byte, MinBulkPlain+BulkOverhead), 1)
			if reason := ReasonVersion; c.want {
				wantReason(t, name, err, reason)
			} else {
				wantReason(t, name, err, ReasonBulk)
			}
		}
	}
}

// R12, the part that keys and nonces decide: a bulk frame opens in its own
// session, direction, epoch and place, and nowhere else.
func TestR12_BulkFramesOpenInTheirPlaceOnly(t *testing.T) {
	s := Derive(GenerateKey(), "home")
	initiator, responder := pairOffering(t, s, bulkOffer(), bulkOffer())
	otherInitiator, otherResponder := pairOffering(t, s, bulkOffer(), bulkOffer())
	frame := initiator.Send().SealBulk(nil, bulkMessage("frame"), 7, testTime)
	for name, c := range map[string]struct {
		receiver *ReceiveCipher
		seq      uint64
	}{
		"own other direction":    {initiator.Receive(), 7},
		"other session":          {otherResponder.Receive(), 7},
		"other session, flipped": {otherInitiator.Receive(), 7},
		"the place before":       {responder.Receive(), 6},
		"the place after":        {responder.Receive(), 8},
		"far away":               {responder.Receive(), 7 + 1<<32},
	} {
		_, _, err := c.receiver.OpenBulk(bytes.Clone(frame), c.seq)
		wantReason(t, name, err, ReasonKey)
	}
	copied := bytes.Clone(frame)
	plain, sealed, err := responder.Receive().OpenBulk(copied, 7)
	if err != nil || !bytes.Equal(plain, bulkMessage("frame")) || !sealed.Equal(testTime) {
		t.Fatalf("in its place: %q %v %v", plain, sealed, err)
	}
	if &plain[0] != &copied[bulkHead] {
		t.Error("it was not opened in its own memory")
	}
}

func TestR12_OldBulkFramesDoNotOpenAfterRekey(t *testing.T) {
	initiator, responder := bulkPair(t)
	send, receive := initiator.Send(), responder.Receive()
	old := send.SealBulk(nil, bulkMessage("old"), 0, testTime)
	for seq := uint64(1); seq < 10; seq += 2 {
		now := send.SealBulk(nil, bulkMessage("now"), seq, testTime)
		if plain, _, err := receive.OpenBulk(now, seq); err != nil || !bytes.Equal(plain, bulkMessage("now")) {
			t.Fatalf("place %d: %v", seq, err)
		}
		send.Advance()
		early := send.SealBulk(nil, bulkMessage("early"), seq+1, testTime)
		_, _, err := receive.OpenBulk(early, seq+1)
		wantReason(t, "an epoch early", err, ReasonKey)
		receive.Advance()
		_, _, err = receive.OpenBulk(bytes.Clone(old), 0)
		wantReason(t, "old, after the rekey", err, ReasonKey)
	}
}

func TestR12_TokensAndBulkFramesAreNotMistaken(t *testing.T) {
	initiator, responder := bulkPair(t)
	frame := initiator.Send().SealBulk(nil, bulkMessage("x"), 0, testTime)
	token := initiator.Send().Seal(nil, bulkMessage("x"), testTime)
	if !IsBulk(frame) || IsBulk(token) || IsBulk(nil) {
		t.Error("the first byte does not tell")
	}
	_, _, err := responder.Receive().OpenBulk(token, 0)
	wantReason(t, "a token as bulk frame", err, ReasonVersion)
	if _, _, err = responder.Receive().Open(nil, frame); err == nil {
		t.Error("a bulk frame opens as token")
	}
}

func TestR16_EveryFlippedBitOfABulkFrameIsRefused(t *testing.T) {
	initiator, responder := bulkPair(t)
	frame := initiator.Send().SealBulk(nil, bulkMessage("frame"), 1, testTime)
	for bit := range len(frame) * 8 {
		flipped := bytes.Clone(frame)
		flipped[bit/8] ^= 1 << (bit % 8)
		if _, _, err := responder.Receive().OpenBulk(flipped, 1); err == nil {
			t.Fatalf("opens with bit %d flipped", bit)
		}
	}
	if _, _, err := responder.Receive().OpenBulk(frame, 1); err != nil {
		t.Errorf("the changed ones spoilt the good one: %v", err)
	}
}

func TestBulkFramesOfOtherLengthsAreRefused(t *testing.T) {
	initiator, responder := bulkPair(t)
	frame := initiator.Send().SealBulk(nil, make([]byte, MinBulkPlain+40), 1, testTime)
	for n := range len(frame) {
		if _, _, err := responder.Receive().OpenBulk(bytes.Clone(frame[:n]), 1); err == nil {
			t.Fatalf("the first %d bytes open", n)
		}
	}
	if _, _, err := responder.Receive().OpenBulk(append(bytes.Clone(frame), 0), 1); err == nil {
		t.Error("opens with a byte more")
	}
	for _, n := range []int{0, 1, 112, MinBulkPlain + BulkOverhead - 1, MaxPlaintext + BulkOverhead + 1} {
		_, _, err := responder.Receive().OpenBulk(append([]byte{bulkKind}, make([]byte, n)...)[:n], 1)
		wantReason(t, "length", err, ReasonLength)
	}
	for n, want := range map[int]bool{MinBulkPlain - 1: true, MinBulkPlain: false, MaxPlaintext: false, MaxPlaintext + 1: true} {
		i, r := bulkPair(t)
		var frame []byte
		if panics(func() { frame = i.Send().SealBulk(nil, make([]byte, n), 1, testTime) }) != want {
			t.Errorf("sealing %d bytes panics: %t", n, !want)
		}
		if plain, _, err := r.Receive().OpenBulk(frame, 1); !want && (err != nil || len(plain) != n || len(frame) != n+BulkOverhead) {
			t.Errorf("%d bytes: %d in a frame of %d: %v", n, len(plain), len(frame), err)
		}
	}
}

// A nonce that repeats under one key would give away the messages of both frames
// and the key of the tags, so the cipher itself refuses one.
func TestNoSequenceNumberSealsTwoBulkFrames(t *testing.T) {
	initiator, _ := bulkPair(t)
	send := initiator.Send()
	seals := func(seq uint64) bool {
		return !panics(func() { send.SealBulk(nil, bulkMessage("x"), seq, testTime) })
	}
	for _, step := range []struct {
		seq  uint64
		want bool
	}{{0, true}, {0, false}, {1, true}, {5, true}, {5, false}, {4, false}, {2, false}, {6, true}} {
		if got := seals(step.seq); got != step.want {
			t.Errorf("seals with %d: %t", step.seq, got)
		}
	}
	send.Seal(nil, []byte("a token has its own IV"), testTime)
	send.Advance()
	if seals(6) || seals(0) {
		t.Error("a new epoch begins the numbers anew")
	}
	if !seals(7) {
		t.Error("the next number does not seal")
	}
}

func TestBulkFramesAppend(t *testing.T) {
	initiator, responder := bulkPair(t)
	late := time.Unix(1<<62, 0)
	frame := initiator.Send().SealBulk([]byte("before"), bulkMessage("x"), 3, late)
	if string(frame[:6]) != "before" {
		t.Errorf("%q", frame[:6])
	}
	if _, sealed, err := responder.Receive().OpenBulk(frame[6:], 3); err != nil || sealed.Unix() != latestTime {
		t.Errorf("sealed at %v: %v", sealed, err)
	}
}

// R19: the bulk key does not lead to the Fernet key or the chain, nor to the next one.
func TestR19_BulkKeysAreKeysOfTheirOwn(t *testing.T) {
	c := chain{key: repeated[[32]byte](9)}
	seen := map[[32]byte]bool{c.key: true}
	for range 4 {
		for _, key := range [][32]byte{c.bulkKey(), c.fernetKey()} {
			if seen[key] {
				t.Fatal("a key is there twice")
			}
			seen[key] = true
		}
		c.advance()
	}
}

func TestBulkCiphersAllocateNothing(t *testing.T) {
	initiator, responder := bulkPair(t)
	message, frame := make([]byte, 48<<10), []byte(nil)
	seq := uint64(0)
	both := func() {
		frame = initiator.Send().SealBulk(frame[:0], message, seq, testTime)
		if _, _, err := responder.Receive().OpenBulk(frame, seq); err != nil {
			t.Fatal(err)
		}
		seq++
	}
	both()
	if got := testing.AllocsPerRun(200, both); got != 0 {
		t.Errorf("%v allocations", got)
	}
}
