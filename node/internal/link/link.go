package link

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/internal/wire"
)

// Link is an open session with a peer. All methods are safe for concurrent
// use, but Run is called once, and again as it says. Whoever made the link calls Close.
type Link struct {
	carrier   Carrier
	peer      Peer
	agreement crypto.Agreement
	initiator bool
	opened    time.Time
	cfg       Config

	// Read state, of the goroutine in Run. It passes on with the reading.
	in       incoming
	rest     wire.Messages // of the frame at hand
	owed     bool          // FlushSoon was called
	limit    int           // longest record that may come
	arrived  time.Time     // when the last frame came
	received atomic.Int64  // when the last frame came, as a duration since opened
	bytesIn  atomic.Uint64

	// Write state, of whoever set box.writing.
	out      outgoing
	slow     atomic.Int64 // until when the peer counts as slow, as a duration since opened
	bytesOut atomic.Uint64
	unsent   atomic.Pointer[unsent] // for the writer: what the reader could not write at once

	patience patience // of FlushCrowd

	trimming trimming

	box  outbox
	wake chan struct{} // has the writer look at the outbox; capacity 1

	// End state.
	end     sync.Mutex
	cause   error         // the first one
	done    chan struct{} // closed by fail, once
	stopped chan struct{} // closed by the writer when it has ended
}

// newLink makes a link of the secrets. It is not started.
func newLink(c Carrier, cfg Config, s *crypto.Secrets) *Link {
	now := time.Now()
	maxPlain := int(s.Agreement.MaxPlain)
	return &Link{
		carrier: c, cfg: cfg, agreement: s.Agreement, initiator: s.Initiator, opened: now,
		in:    incoming{cipher: s.Receive(), counters: cfg.Counters, maxPlain: maxPlain},
		limit: crypto.SealedLen(maxPlain),
		out: outgoing{
			cipher: s.Send(), rekey: cfg.Rekey, maxPlain: maxPlain, bulk: s.Agreement.Bulk(),
			began: now, counters: cfg.Counters,
		},
		box:  outbox{soft: cfg.SoftBound, hard: cfg.HardBound},
		wake: make(chan struct{}, 1),
		done: make(chan struct{}), stopped: make(chan struct{}),
	}
}

// Peer returns the other side.
func (l *Link) Peer() Peer { return l.peer }

// Agreement returns what the handshake settled.
func (l *Link) Agreement() crypto.Agreement { return l.agreement }

// Initiator reports whether this side dialled.
func (l *Link) Initiator() bool { return l.initiator }

// Age returns how long the link has been open.
func (l *Link) Age() time.Duration { return time.Since(l.opened) }

// Local returns this side's address, if the carrier has one of its own.
func (l *Link) Local() net.Addr {
	if c, ok := l.carrier.(interface{ LocalAddr() net.Addr }); ok {
		return c.LocalAddr()
	}
	return nil
}

// LastReceived returns when the last byte came, as far as the carrier tells,
// else the last frame.
func (l *Link) LastReceived() time.Time {
	last := l.opened.Add(time.Duration(l.received.Load()))
	if c, ok := l.carrier.(interface{ LastRead() time.Time }); ok && c.LastRead().After(last) {
		last = c.LastRead()
	}
	return last
}

// Bytes returns how many bytes of sealed frames came and went, HELLO included.
func (l *Link) Bytes() (in, out uint64) { return l.bytesIn.Load(), l.bytesOut.Load() }

// Done is closed when the link has ended.
func (l *Link) Done() <-chan struct{} { return l.done }

// Err returns what ended the link, or nil while it is open. It is an *Error
// unless Close or a deliver function gave another.
func (l *Link) Err() error {
	l.end.Lock()
	defer l.end.Unlock()
	return l.cause
}

// Run reads frames and delivers their messages in order, on the caller's
// goroutine, until the link ends; it returns what ended it. A message's body is
// valid during the call only. KEYUPDATE, PAD and types that may be ignored are
// not delivered. An error from deliver ends the link. deliver must not call
// Flush, which may wait for the peer; FlushSoon and FlushLater are for it.
//
// deliver may give the reading to another goroutine, which calls Run as well and
// goes on with the next message, at the latest when deliver returns ErrPassed;
// then this Run returns that, and does nothing else.
func (l *Link) Run(deliver func(wire.Message) error) error {
	for {
		m, err := l.next()
		if err == nil {
			err = deliver(m)
		}
		if err == ErrPassed {
			return err
		}
		if err != nil {
			l.fail(err)
			return l.Err()
		}
	}
}

// ErrPassed is what deliver returns, and then Run, when another goroutine reads
// on. The link has not ended.
var ErrPassed = errors.New("link: another goroutine reads on")

// next returns the next message to deliver, of the frame at hand or of the next.
func (l *Link) next() (wire.Message, error) {
	for {
		m, ok := l.rest.Next()
		switch {
		case ok && m.Type == wire.TypeKeyUpdate:
			l.in.cipher.Advance()
		case ok:
			return m, nil
		default:
			l.settle()
			frame, err := l.receive()
			if err != nil {
				return wire.Message{}, err
			}
			l.rest = frame
		}
	}
}

// receive reads the next frame.
func (l *Link) receive() (wire.Messages, error) {
	token, err := l.carrier.ReadRecord(l.limit)
	for err != nil && l.rested(err) {
		token, err = l.carrier.ReadRecord(l.limit)
	}
	if err != nil {
		return wire.Messages{}, &Error{readCause(err), err}
	}
	l.bytesIn.Add(uint64(len(token)))
	frame, err := l.in.open(token)
	if err == nil {
		l.arrived = time.Now()
		l.received.Store(int64(l.arrived.Sub(l.opened)))
	}
	return frame, err
}

// Arrived returns when the frame came whose messages are delivered. It is for
// deliver, on the goroutine in Run.
func (l *Link) Arrived() time.Time { return l.arrived }

// Close ends the link with the given cause, unless it has ended before, and
// waits for its writer. What was not written is lost; see Drain. Nil stands for
// CauseLocal.
func (l *Link) Close(cause error) {
	if cause == nil {
		cause = &Error{Cause: CauseLocal}
	}
	l.fail(cause)
	<-l.stopped
}

// fail ends the link. Only the first cause counts.
func (l *Link) fail(cause error) {
	l.end.Lock()
	first := l.cause == nil
	if first {
		l.cause = cause
		close(l.done)
	}
	l.end.Unlock()
	if !first {
		return
	}
	l.box.close(cause)
	_ = l.carrier.Close() // nothing can be done about a close that fails
	l.cfg.Counters.ended(causeOf(cause))
	l.cfg.Logger.LogAttrs(context.Background(), slog.LevelDebug, "link ended",
		slog.String("peer", l.peer.Hello.Name), slog.String("remote", l.peer.Remote),
		slog.String("cause", cause.Error()))
}
