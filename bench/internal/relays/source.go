package relays

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/fernmesh/fernmesh/bench/internal/contest"
)

// A source sends to a sink and hears what that says.
type source struct {
	line    line
	message []byte
	window  uint64 // messages that may be in flight
	next    uint64 // number of the next message
	asked   uint64 // number of the latest question

	acked  atomic.Uint64 // highest number that the sink acknowledged
	wake   chan struct{} // a signal that acked has grown
	backs  chan uint64
	answer chan [2]uint64
	ended  chan error // from listen
}

func newSource(l line, j contest.Job) *source {
	return &source{
		line: l, message: make([]byte, j.Payload), window: uint64(j.Callers), next: 1,
		wake: make(chan struct{}, 1), backs: make(chan uint64, 1), answer: make(chan [2]uint64, 1), ended: make(chan error, 1),
	}
}

// hear is called by the line, and must not wait for the goroutine that sends.
func (s *source) hear(b []byte) error {
	if len(b) < headBytes {
		return fmt.Errorf("a message of %d bytes came, which nobody sent", len(b))
	}
	op, first, second := head(b)
	switch op {
	case opAck:
		s.acked.Store(max(s.acked.Load(), first))
		offer(s.wake, struct{}{})
	case opBack:
		if !whole(b, len(s.message)) {
			return fmt.Errorf("message %d came back damaged", first)
		}
		offer(s.backs, first)
	case opAnswer:
		offer(s.answer, [2]uint64{first, second})
	}
	return nil
}

// offer puts a value into a channel with room for one. A value that nobody
// took is late, and as good as lost.
func offer[T any](c chan T, v T) {
	select {
	case c <- v:
	default:
	}
}

// post sends one message with a payload and a number of its own.
func (s *source) post(op byte) error {
	put(s.message, op, s.next)
	s.next++
	return s.line.send(s.message)
}

// Patience with a relay that drops: for an answer of the sink, and how often
// it is asked.
const (
	answerWait = 250 * time.Millisecond
	asks       = 40
)

var errNoAnswer = errors.New("the sink does not answer")

// arrived asks the sink how many messages came, as often as need be.
func (s *source) arrived() (uint64, error) {
	s.asked++
	question := make([]byte, headBytes)
	putHead(question, opAsk, s.asked, 0)
	for range asks {
		if err := s.line.send(question); err != nil {
			return 0, err
		}
		late := time.After(answerWait)
		for waiting := true; waiting; {
			select {
			case a := <-s.answer:
				if a[0] == s.asked {
					return a[1], nil
				}
			case <-late:
				waiting = false
			case err := <-s.ended:
				return 0, ended(err)
			}
		}
	}
	return 0, errNoAnswer
}

func ended(err error) error { return fmt.Errorf("the line ended: %w", err) }
