package link

import (
	"sync/atomic"
	"time"

	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/internal/wire"
)

// keyUpdateLen is the length of a KEYUPDATE message in a frame.
const keyUpdateLen = 2

// outgoing makes the frames of one direction. It belongs to whoever writes.
type outgoing struct {
	cipher   *crypto.SendCipher
	rekey    Rekey
	counters *Counters
	maxPlain int  // agreed
	bulk     bool // agreed
	seq      uint64
	update   []byte // the last message, with KEYUPDATE behind it
	token    []byte // behind recordRoom
	frames   uint64 // of this epoch, as bytes
	bytes    uint64
	began    time.Time    // of the session
	epoch    atomic.Int64 // when this epoch began, as a duration since began
}

// seal returns the token of the next frame, or the bulk frame, which carries the
// encoded messages from behind the headroom of frame, where it writes the head.
// recordRoom bytes are before it. It is valid until the next call. If the key is
// used up, the frame ends with KEYUPDATE and the next one has the next key; fitting
// has left space for that.
func (o *outgoing) seal(frame []byte, now time.Time) []byte {
	wire.BeginFrame(frame[:0], o.seq)
	o.frames++
	o.bytes += uint64(len(frame))
	update := o.seq > 0 && o.usedUp(now) // HELLO is alone in sequence 0
	if update {                          // what follows the frame is not to be written over
		o.update = wire.AppendMessage(append(o.update[:0], frame...), wire.TypeKeyUpdate)
		frame = o.update
	}
	o.token = append(o.token[:0], make([]byte, recordRoom)...)
	if !update && o.isBulk(frame[headroom:]) {
		o.token = o.cipher.SealBulk(o.token, frame, o.seq, now)
		o.counters.sealedBulk()
	} else {
		o.token = o.cipher.Seal(o.token, frame, now)
	}
	o.seq++
	if update {
		o.cipher.Advance()
		o.counters.rekey()
		o.frames, o.bytes = 0, 0
		o.epoch.Store(int64(now.Sub(o.began)))
	}
	return o.token
}

func (o *outgoing) usedUp(now time.Time) bool {
	return o.frames >= o.rekey.Frames || o.bytes >= o.rekey.Bytes || o.left(now) <= 0
}

// left returns how long the key may still be used. Safe for concurrent use.
func (o *outgoing) left(now time.Time) time.Duration {
	return o.rekey.Every - (now.Sub(o.began) - time.Duration(o.epoch.Load()))
}

// room returns how many bytes of messages a frame holds.
func (o *outgoing) room() int { return o.maxPlain - wire.FrameHeader - keyUpdateLen }

// fitting returns how many bytes of the encoded messages, whole messages and at
// least one, go into one frame.
func (o *outgoing) fitting(messages []byte) int {
	room := o.room()
	if o.bulk && len(messages) >= bulkLeast {
		return sameKind(messages, room)
	}
	if len(messages) <= room {
		return len(messages)
	}
	n := 0
	for rest := messages; len(rest) > 0; {
		_, tail, err := wire.CutMessage(rest)
		end := len(messages) - len(tail)
		if err != nil || end > room {
			break
		}
		n, rest = end, tail
	}
	return n
}

// incoming opens the frames of one direction. It belongs to the reader.
type incoming struct {
	cipher   *crypto.ReceiveCipher
	counters *Counters
	maxPlain int // agreed
	seq      uint64
	plain    []byte
}

// open opens the next frame, a token or a bulk frame, which it may overwrite.
// The messages are valid until the next call.
func (i *incoming) open(token []byte) (frame wire.Messages, err error) {
	defer contain(&err)
	if crypto.IsBulk(token) {
		return i.openBulk(token)
	}
	plain, _, err := i.cipher.Open(i.plain[:0], token)
	if err != nil {
		return wire.Messages{}, &Error{CauseToken, err}
	}
	i.plain = plain
	frame, err = wire.ParseFrame(plain, i.seq)
	if err != nil {
		return wire.Messages{}, &Error{frameCause(err), err}
	}
	i.seq++
	return frame, nil
}
