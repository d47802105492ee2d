package relays

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/fernmesh/fernmesh/bench/internal/contest"
)

// A pair joins a source to a sink in memory, and loses what drop says.
type pair struct {
	sink *sink
	drop func(message []byte) bool
	back chan []byte // from the sink
}

func newPair(j contest.Job, drop func([]byte) bool) (*source, *pair) {
	p := &pair{drop: drop, back: make(chan []byte, 1024)}
	p.sink = newSink(backLine{p}, j)
	s := newSource(p, j)
	go func() {
		s.ended <- p.listen(s.hear)
	}()
	return s, p
}

func (p *pair) send(b []byte) error {
	if p.drop(b) {
		return nil
	}
	return p.sink.hear(slices.Clone(b))
}

func (p *pair) listen(hear func([]byte) error) error {
	for b := range p.back {
		if err := hear(b); err != nil {
			return err
		}
	}
	return nil
}

// backLine is the sink's side of a pair.
type backLine struct{ *pair }

func (l backLine) send(b []byte) error {
	l.back <- slices.Clone(b)
	return nil
}

func TestAStreamCountsWhatWasLostAndGoesOn(t *testing.T) {
	lost := 0
	s, p := newPair(contest.Job{Payload: 64, Callers: 4}, func(b []byte) bool {
		op, number, _ := head(b)
		if op == opData && number%10 == 3 {
			lost++
			return true
		}
		return false
	})
	if _, err := s.sendWindowed(20 * time.Millisecond); err != nil {
		t.Fatal(err)
	}
	count, err := s.arrived()
	if err != nil {
		t.Fatal(err)
	}
	if sent := s.next - 1; lost == 0 || count != sent-uint64(lost) {
		t.Errorf("%d of %d messages were lost, and %d arrived", lost, sent, count)
	}
	close(p.back)
}

func TestNoMoreMessagesAreInFlightThanTheWindowAllows(t *testing.T) {
	const window = 4
	s, p := newPair(contest.Job{Payload: 64, Callers: window}, func([]byte) bool { return true })
	sent := 0
	p.drop = func([]byte) bool { sent++; return true }
	stalls, err := s.sendWindowed(answerWait / 2) // ends in the first wait for a sink that hears nothing
	if err != nil || stalls != 1 || sent > 2*window {
		t.Errorf("%d messages left in %d windows of %d, error %v", sent, stalls+1, window, err)
	}
	close(p.back)
}

func TestAQuestionThatWasDroppedIsAskedAgain(t *testing.T) {
	asked := 0
	s, p := newPair(contest.Job{Payload: 64, Callers: 1}, func(b []byte) bool {
		asked++
		return asked == 1
	})
	if count, err := s.arrived(); err != nil || count != 0 || asked != 2 {
		t.Errorf("%d questions brought the answer %d, error %v", asked, count, err)
	}
	close(p.back)
}

func TestADamagedMessageEndsTheTrial(t *testing.T) {
	k := newSink(nil, contest.Job{Payload: 64, Callers: 1})
	b := bytes.Repeat([]byte{7}, 64)
	put(b, opFlood, 1)
	if err := k.hear(b); err != nil {
		t.Fatal(err)
	}
	for what, damage := range map[string]func() []byte{
		"cut":     func() []byte { return b[:63] },
		"swapped": func() []byte { c := slices.Clone(b); c[63]++; return c },
		"tiny":    func() []byte { return b[:3] },
	} {
		if k.hear(damage()) == nil {
			t.Errorf("a message that was %s was taken", what)
		}
	}
}
