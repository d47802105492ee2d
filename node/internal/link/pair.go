package link

import (
	"slices"
	"time"

	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/internal/wire"
)

// Two frames that are sealed together cost a quarter less than one after the
// other, and leave by one write.
const (
	// pairLeast is how many bytes of messages are worth a pair.
	pairLeast = 4 << 10
	// pairMost is about as much as each frame of a pair holds: what the peer opens
	// while the next pair is sealed.
	pairMost = 16 << 10
)

// pairing returns how many bytes of the encoded messages go into each of the next
// two frames; second is 0 if the next one is sealed alone. Bulk frames are, and
// that which may end an epoch.
func (o *outgoing) pairing(messages []byte) (first, second int) {
	if o.bulk || len(messages) < pairLeast || o.seq == 0 {
		return o.fitting(messages), 0
	}
	half := min(len(messages)/2, pairMost)
	first = reaching(messages, half)
	second = reaching(messages[first:], half)
	all := uint64(first + second + 2*wire.FrameHeader)
	if room := o.room(); second == 0 || first > room || second > room ||
		o.frames+2 >= o.rekey.Frames || o.bytes+all >= o.rekey.Bytes || o.left(time.Now()) <= 0 {
		return o.fitting(messages), 0
	}
	return first, second
}

// reaching returns the length of the first messages that have so many bytes
// together, or of all.
func reaching(messages []byte, bytes int) (n int) {
	for rest := messages; len(rest) > 0 && n < bytes; n = len(messages) - len(rest) {
		_, tail, err := wire.CutMessage(rest)
		if err != nil {
			return len(messages) // not reached: this side encoded them
		}
		rest = tail
	}
	return n
}

// sealPair is seal for two frames: first bytes of the messages behind the headroom
// go into one, the others into the next. The second record begins at cut.
func (o *outgoing) sealPair(messages []byte, first int, now time.Time) (records []byte, cut int) {
	one, two := messages[:headroom+first], messages[first:]
	cut = recordRoom + crypto.SealedLen(len(one))
	end := cut + recordRoom + crypto.SealedLen(len(two))
	o.token = slices.Grow(o.token[:0], end)[:end]
	wire.BeginFrame(one[:0], o.seq)
	o.cipher.HoldPair(one, now)
	wire.BeginFrame(two[:0], o.seq+1) // over the end of the first
	o.cipher.SealPair(o.token[recordRoom:recordRoom:cut], o.token[cut+recordRoom:cut+recordRoom], two, now)
	o.seq += 2
	o.frames += 2
	o.bytes += uint64(len(one) + len(two))
	return o.token, cut
}

// writePair is writeFrame for two frames.
func (l *Link) writePair(messages []byte, first int) error {
	return l.timed(func(now time.Time) (int, error) {
		records, cut := l.out.sealPair(messages, first, now)
		return len(records) - 2*recordRoom, writeRecords(l.carrier, records, cut)
	})
}
