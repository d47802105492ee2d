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
		initiator, responder := pairOf(t, schedule)
		type frame struct {
			token []byte
			last  bool
		}
		var recorded []frame
		record := func(last bool) {
			for _, end := range []*Secrets{initiator, responder} {
				recorded = append(recorded, frame{end.Send().Seal(nil, []byte("a call"), testTime), last})
			}
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
				known = append(known, stolen.key, stolen.fernetKey())
				stolen.advance()
			}
		}
		for _, f := range recorded {
			_, _, _, err := OpenToken(known, f.token)
			if (err == nil) != f.last {
				t.Fatalf("a frame of the last epoch: %t; opened: %t", f.last, err == nil)
			}
			_, _, _, err = OpenToken(network, f.token) // the session was closed: its memory is gone
			if err == nil {
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
