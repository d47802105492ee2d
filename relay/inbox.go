package relay

import (
	"encoding/binary"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// recordCost is what a waiting record counts beside its bytes, so that many
// small ones are bounded too.
const recordCost = 32

// inbox holds the records of a channel between the client's reader and the
// channel's. Each works on a chunk of its own: an idle channel has none.
type inbox struct {
	most    int           // limit of waiting bytes
	all     *atomic.Int64 // bytes that wait in all inboxes of the client
	allMost int
	ready   chan struct{} // a signal, for the channel's reader

	cur *chunk // the records being read, each after its length; the reader's own
	off int    // in cur

	mu       sync.Mutex
	fill     chunks // the records that came since
	waiting  int    // cost of all unread records
	deadline time.Time
	err      error // why nothing comes any more; set once, but for net.ErrClosed
}

// deliver adds a record. It reports false if it is over a limit. What comes
// after the end is dropped.
func (in *inbox) deliver(body []byte) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.err != nil {
		return true
	}
	cost := len(body) + recordCost
	if in.waiting+cost > in.most {
		return false
	}
	if in.all.Add(int64(cost)) > int64(in.allMost) {
		in.all.Add(-int64(cost))
		return false
	}
	in.waiting += cost
	c := in.fill.room(4 + len(body))
	c.bytes = binary.BigEndian.AppendUint32(c.bytes, uint32(len(body)))
	c.bytes = append(c.bytes, body...)
	in.signal()
	return true
}

// next waits for the next record.
func (in *inbox) next() ([]byte, error) {
	for {
		body, deadline, err := in.take()
		if body != nil || err != nil {
			return body, err
		}
		expired, stop := timerAt(deadline)
		select {
		case <-in.ready:
		case <-expired:
		}
		stop()
	}
}

// take returns the next record if there is one, or until when to wait.
func (in *inbox) take() ([]byte, time.Time, error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.err == net.ErrClosed {
		in.release()
		return nil, time.Time{}, in.err
	}
	if !in.deadline.IsZero() && !time.Now().Before(in.deadline) {
		return nil, time.Time{}, os.ErrDeadlineExceeded
	}
	if in.cur == nil || in.off == len(in.cur.bytes) {
		in.release()
		in.cur = in.fill.pop()
	}
	if in.cur == nil {
		return nil, in.deadline, in.err
	}
	n := int(binary.BigEndian.Uint32(in.cur.bytes[in.off:]))
	body := in.cur.bytes[in.off+4 : in.off+4+n]
	in.off += 4 + n
	in.spend(n + recordCost)
	return body, time.Time{}, nil
}

// release gives the reader's chunk back.
func (in *inbox) release() {
	in.cur.free()
	in.cur, in.off = nil, 0
}

func (in *inbox) spend(cost int) {
	in.waiting -= cost
	in.all.Add(-int64(cost))
}

// end ends the inbox after the records that wait, or at once with
// net.ErrClosed. It reports whether this was the first end.
func (in *inbox) end(cause error) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	first := in.err == nil
	if first || cause == net.ErrClosed {
		in.err = cause
	}
	if cause == net.ErrClosed {
		in.spend(in.waiting)
		in.fill.drop()
	}
	in.signal()
	return first
}

// ended returns why the inbox ended; nil while it has not.
func (in *inbox) ended() error {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.err
}

func (in *inbox) setDeadline(t time.Time) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.err == net.ErrClosed {
		return in.err
	}
	in.deadline = t
	in.signal() // who waits is to wait anew
	return nil
}

func (in *inbox) signal() {
	select {
	case in.ready <- struct{}{}:
	default:
	}
}
