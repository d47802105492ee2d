package crypto

import "testing"

// R19: a thief has a recording of 1,000 sessions, and later gets the network key
// and what is in the memory of both ends: the chain keys of the last epoch. With
// every key that follows from these, no frame of an earlier epoch and none of a
// closed session opens; adverts do, as the protocol says.
func TestR19_RecordedSessionsStayClosed(t *testing.T) {
	schedule := Derive(GenerateKey(), "home")
	network := [][32]byte{schedule.psk, schedule.AdvertKey(), schedule.MDNSLabelKey(), schedule.PresenceKey([32]byte{1})}
	opened, tried := 0, 0
	for range 1000 {
		initiator, responder := pairOffering(t, schedule, bulkOffer(), bulkOffer())
		type frame struct {
			sealed []byte
			last   bool
		}
		var recorded []frame
		seq := uint64(0)
		record := func(last bool) {
			for _, end := range []*Secrets{initiator, responder} {
				recorded = append(recorded, frame{end.Send().Seal(nil, []byte("a call"), testTime), last},
					frame{end.Send().SealBulk(nil, bulkMessage("a large call"), seq, testTime), last})
			}
			seq++
		}
		for range 3 { // epochs
			record(false)
			for _, end := range []*Secrets{initiator, responder} {
				end.Send().Advance()
				end.Receive().Advance()
			}
		}
		record(true)
		known := append([][32]byte(nil), network...)
		for _, end := range []*Secrets{initiator, responder} {
			stolen := *end.Send().chain
			for range 3 {
				known = append(known, stolen.key, stolen.fernetKey(), stolen.bulkKey())
				stolen.advance()
			}
		}
		for _, f := range recorded {
			if got := opens(known, f.sealed, seq); got != f.last {
				t.Fatalf("a frame of the last epoch: %t; bulk: %t; opened: %t", f.last, IsBulk(f.sealed), got)
			}
			if opens(network, f.sealed, seq) { // the session was closed: its memory is gone
				opened++
			}
			tried++
		}
	}
	t.Logf("%d frames, %d opened with what follows from the network key", tried, opened)
	if opened > 0 {
		t.Errorf("%d of %d frames opened", opened, tried)
	}
	advert := SealToken(schedule.AdvertKey(), []byte("here I am"), testTime)
	if _, _, _, err := OpenToken(network, advert); err != nil {
		t.Errorf("an advert does not open with the network key: %v", err)
	}
}

// opens reports whether one of the keys opens a frame, as one of the first n of
// its session.
func opens(keys [][32]byte, frame []byte, n uint64) bool {
	if !IsBulk(frame) {
		_, _, _, err := OpenToken(keys, frame)
		return err == nil
	}
	for i := range keys {
		b := gcmOf(&keys[i])
		for seq := range n {
			if _, err := b.Open(nil, new(bulkCipher).nonceOf(seq), frame[bulkHead:], frame[:bulkHead]); err == nil {
				return true
			}
		}
	}
	return false
}
