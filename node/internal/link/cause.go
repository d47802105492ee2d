package link

import (
	"fmt"
	"sync/atomic"
)

// Cause is what ended a handshake or a link, for counting.
type Cause uint8

// The causes. Those up to CausePolicy end a handshake; the peer sees no
// difference between those up to CauseSignature.
const (
	CauseTimeout      Cause = iota + 1 // no good HELLO in time
	CauseClosed                        // the peer closed without an answer, or the carrier broke
	CauseHandshake                     // msg1 or msg2 was not opened, or offered nothing common
	CauseReplay                        // msg1 was seen before
	CauseToken                         // a token did not open
	CauseFrame                         // a frame was malformed
	CauseSequence                      // a frame was not the next one
	CauseHelloForm                     // HELLO was malformed, or its name not valid
	CauseRole                          // HELLO of one's own role: a reflection
	CauseSelf                          // HELLO of one's own instance
	CauseSignature                     // HELLO's signature was wrong
	CauseTarget                        // refused: the wrong node
	CausePolicy                        // refused by Config.Judge
	CauseMessage                       // a message could not be read or was not allowed
	CausePeerClosed                    // the peer closed an open link
	CauseBroken                        // the carrier broke
	CauseWriteTimeout                  // the peer does not read
	CauseOverflow                      // the outbox reached its hard bound
	CausePanic                         // a fault of our own, contained
	CauseConfig                        // a configuration of our own that cannot work
	CauseLocal                         // closed by this side
	causes
)

var causeNames = [causes]string{
	CauseTimeout: "timeout", CauseClosed: "closed", CauseHandshake: "handshake",
	CauseReplay: "replay", CauseToken: "token", CauseFrame: "frame",
	CauseSequence: "sequence", CauseHelloForm: "hello", CauseRole: "role",
	CauseSelf: "self", CauseSignature: "signature", CauseTarget: "target",
	CausePolicy: "policy", CauseMessage: "message", CausePeerClosed: "peer closed",
	CauseBroken: "broken", CauseWriteTimeout: "write timeout",
	CauseOverflow: "overflow", CausePanic: "panic", CauseConfig: "config",
	CauseLocal: "local",
}

// String names the cause.
func (c Cause) String() string {
	if c > 0 && c < causes {
		return causeNames[c]
	}
	return fmt.Sprintf("cause %d", uint8(c))
}

// Error is a handshake's or a link's end by a fault.
type Error struct {
	Cause Cause
	Err   error // what happened; may be nil
}

// Error implements error.
func (e *Error) Error() string {
	if e.Err == nil {
		return "link: " + e.Cause.String()
	}
	return "link: " + e.Cause.String() + ": " + e.Err.Error()
}

// Unwrap returns what happened.
func (e *Error) Unwrap() error { return e.Err }

// Counters count ends by cause. The zero value is ready; safe for concurrent
// use.
type Counters struct {
	ends    [causes]atomic.Uint64
	opened  atomic.Uint64
	rekeyed atomic.Uint64
	open    atomic.Int64

	bulkIn, bulkOut atomic.Uint64
}

// Open returns how many links are open now.
func (c *Counters) Open() int { return int(c.open.Load()) }

// Rekeyed returns how often a direction of a link went on to its next key.
func (c *Counters) Rekeyed() uint64 { return c.rekeyed.Load() }

// Bulk returns how many bulk frames were opened and sealed.
func (c *Counters) Bulk() (in, out uint64) { return c.bulkIn.Load(), c.bulkOut.Load() }

// Opened returns how many handshakes made a link.
func (c *Counters) Opened() uint64 { return c.opened.Load() }

// Ended returns how many handshakes and links a cause has ended.
func (c *Counters) Ended(cause Cause) uint64 {
	if cause >= causes {
		return 0
	}
	return c.ends[cause].Load()
}

// Snapshot returns the counters that are not zero, by the name of their cause.
func (c *Counters) Snapshot() map[string]uint64 {
	counts := make(map[string]uint64)
	for cause := CauseTimeout; cause < causes; cause++ {
		if n := c.ends[cause].Load(); n > 0 {
			counts[cause.String()] = n
		}
	}
	return counts
}

func (c *Counters) begin() {
	if c != nil {
		c.opened.Add(1)
		c.open.Add(1)
	}
}

func (c *Counters) rekey() {
	if c != nil {
		c.rekeyed.Add(1)
	}
}

func (c *Counters) openedBulk() {
	if c != nil {
		c.bulkIn.Add(1)
	}
}

func (c *Counters) sealedBulk() {
	if c != nil {
		c.bulkOut.Add(1)
	}
}

// ended counts the end of a link.
func (c *Counters) ended(cause Cause) {
	if c != nil {
		c.open.Add(-1)
		c.end(cause)
	}
}

func (c *Counters) end(cause Cause) {
	if c != nil {
		c.ends[cause].Add(1)
	}
}
