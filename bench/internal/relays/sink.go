package relays

import (
	"fmt"

	"github.com/fernmesh/fernmesh/bench/internal/contest"
)

// A sink counts what comes and answers what is asked.
type sink struct {
	line     line
	size     int // of a message with a payload
	received uint64
	highest  uint64
	acked    uint64
	every    uint64 // messages between acknowledgements
	answer   []byte
}

// newSink acknowledges whenever a quarter of the window has come.
func newSink(l line, j contest.Job) *sink {
	return &sink{line: l, size: j.Payload, every: uint64(max(1, j.Callers/4)), answer: make([]byte, headBytes)}
}

func (s *sink) hear(b []byte) error {
	if len(b) < headBytes {
		return fmt.Errorf("a message of %d bytes came, which nobody sent", len(b))
	}
	op, number, _ := head(b)
	switch op {
	case opData, opFlood, opTrip:
		if !whole(b, s.size) {
			return fmt.Errorf("message %d came damaged", number)
		}
	case opAsk:
		return s.reply(opAnswer, number, s.received)
	}
	switch op {
	case opTrip:
		b[0] = opBack
		return s.line.send(b)
	case opFlood:
		s.received++
	case opData:
		s.received++
		s.highest = max(s.highest, number)
		if s.highest-s.acked >= s.every {
			s.acked = s.highest
			return s.reply(opAck, s.highest, s.received)
		}
	}
	return nil
}

func (s *sink) reply(op byte, first, second uint64) error {
	putHead(s.answer, op, first, second)
	return s.line.send(s.answer)
}
