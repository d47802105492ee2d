package link

import (
	"errors"

	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/internal/wire"
)

// bulkLeast is the least length of CHUNKs that are worth a frame of their own:
// below, a token costs less than one more frame.
const bulkLeast = 4 << 10

// Why a bulk frame was refused after it opened. Each ends the session.
var (
	errBulkLong  = errors.New("bulk frame longer than agreed")
	errBulkOther = errors.New("bulk frame with another message than CHUNK")
)

// isBulk reports whether a frame of these messages is sealed as a bulk frame.
// Only CHUNKs are: calls, answers and all that steers the link stay tokens.
func (o *outgoing) isBulk(messages []byte) bool {
	return o.bulk && len(messages) >= bulkLeast && wire.OnlyChunks(messages)
}

// sameKind returns how many of the first room bytes of the messages go into one
// frame: it ends where large CHUNKs begin or end. Small ones go with either.
func sameKind(messages []byte, room int) int {
	n := 0
	var large, other bool // what the frame holds so far
	for rest := messages; len(rest) > 0; {
		m, tail, err := wire.CutMessage(rest)
		end := len(messages) - len(tail)
		if err != nil || end > room {
			break
		}
		switch {
		case m.Type != wire.TypeChunk:
			other = true
		case len(m.Body) >= bulkLeast:
			large = true
		}
		if large && other {
			break
		}
		n, rest = end, tail
	}
	return n
}

// openBulk opens the next frame, a bulk frame, in its own memory.
func (i *incoming) openBulk(frame []byte) (wire.Messages, error) {
	if len(frame) > i.maxPlain+crypto.BulkOverhead {
		return wire.Messages{}, &Error{CauseFrame, errBulkLong}
	}
	plain, _, err := i.cipher.OpenBulk(frame, i.seq)
	if err != nil {
		return wire.Messages{}, &Error{CauseToken, err}
	}
	messages, err := wire.ParseFrame(plain, i.seq)
	if err != nil {
		return wire.Messages{}, &Error{frameCause(err), err}
	}
	if !wire.OnlyChunks(plain[wire.FrameHeader:]) {
		return wire.Messages{}, &Error{CauseFrame, errBulkOther}
	}
	i.seq++
	i.counters.openedBulk()
	return messages, nil
}
