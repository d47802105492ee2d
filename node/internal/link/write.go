package link

import (
	"context"
	"errors"
	"math"
	"time"

	"github.com/fernmesh/fernmesh/internal/wire"
)

const (
	// inlineMost is the most that a caller of Flush writes itself.
	inlineMost = 52 << 10
	// slowWrite is how long a write takes at least that had to wait for the
	// peer. For slowFor after one, callers leave the writing to the writer.
	slowWrite = 5 * time.Millisecond
	slowFor   = time.Second
)

// Errors of Post about the message. They do not end the link.
var (
	ErrMessageTooLarge = errors.New("link: message larger than 16 KiB")
	ErrMessageType     = errors.New("link: messages of this type are the link's own")
)

// Post appends a message, whose body is the parts in order, to the outbox. It
// copies them and never waits. The message leaves with the next Flush at the
// latest. A full outbox ends the link: its peer does not read. The error is that
// of the ended link, ErrMessageTooLarge or ErrMessageType.
func (l *Link) Post(t wire.Type, parts ...[]byte) error {
	n := 0
	for _, part := range parts {
		n += len(part)
	}
	if n > wire.MaxMessage {
		return ErrMessageTooLarge
	}
	if t == wire.TypeHello || t == wire.TypeKeyUpdate {
		return ErrMessageType
	}
	overflow, err := l.box.post(t, n, parts)
	if overflow {
		l.fail(&Error{Cause: CauseOverflow})
		return l.Err()
	}
	return err
}

// Flush sends what was posted. If nobody writes and the peer reads, it does so
// on the caller's goroutine and returns when the carrier has taken it; else the
// messages leave with whoever writes. When a peer stops reading, one caller may
// wait here, at most for WriteTimeout. Not for the goroutine in Run.
func (l *Link) Flush() {
	if l.isSlow() {
		l.FlushLater()
		return
	}
	batch := l.box.take(inlineMost)
	if batch == nil {
		l.FlushLater()
		return
	}
	l.writeBatch(batch)
	if _, left := l.box.takeMore(batch, false); left {
		l.signal()
	}
}

// isSlow reports whether a write had to wait for the peer lately.
func (l *Link) isSlow() bool {
	until := l.slow.Load()
	return until > 0 && time.Since(l.opened) < time.Duration(until)
}

// FlushLater has the writer send what was posted. It never waits.
func (l *Link) FlushLater() {
	if l.box.idle() {
		l.signal()
	}
}

// signal wakes the writer.
func (l *Link) signal() {
	select {
	case l.wake <- struct{}{}:
	default: // it is awake already
	}
}

// Room waits until the outbox is below its soft bound. Who sends much waits
// here before each message, so that small messages never stand behind more
// than the bound. The error is that of ctx or of the ended link.
func (l *Link) Room(ctx context.Context) error {
	ready := l.Ready()
	if ready == nil {
		return l.Err()
	}
	return l.await(ctx, ready)
}

// Ready is Room for who waits for more than a context: nil if there is room,
// else a channel that is closed when there may be. After the link's end it may
// never be; see Done.
func (l *Link) Ready() <-chan struct{} {
	ready := l.box.wait()
	if ready != nil {
		l.FlushLater()
	}
	return ready
}

// Drain sends what was posted and waits until all of it was written.
func (l *Link) Drain(ctx context.Context) error {
	ready := l.box.waitEmpty()
	if ready == nil {
		return l.Err()
	}
	l.FlushLater()
	return l.await(ctx, ready)
}

func (l *Link) await(ctx context.Context, ready <-chan struct{}) error {
	select {
	case <-ready:
		return l.Err()
	case <-l.done:
		return l.Err()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// write is the writer's goroutine. It ends when the link has ended.
func (l *Link) write() {
	defer close(l.stopped)
	rekey := time.NewTimer(l.cfg.Rekey.Every)
	defer rekey.Stop()
	for {
		select {
		case <-l.done:
			return
		case <-l.wake:
		case <-rekey.C:
			rekey.Reset(l.rekeyIdle())
		}
		batch := l.finishUnsent()
		if batch == nil {
			batch = l.box.take(math.MaxInt)
		}
		for batch != nil {
			l.writeBatch(batch)
			batch, _ = l.box.takeMore(batch, true)
		}
	}
}

// rekeyIdle sends a frame to carry the KEYUPDATE of a direction whose time is
// over, and returns when to look again.
func (l *Link) rekeyIdle() time.Duration {
	if left := l.out.left(time.Now()); left > 0 {
		return left
	}
	_ = l.Post(wire.TypePad) // an ended link needs no new key
	return l.cfg.Rekey.Every
}

// writeBatch writes messages, which are behind headroom, in as few frames as they
// need.
func (l *Link) writeBatch(batch []byte) {
	for len(batch) > headroom {
		n, err := l.writeSome(batch)
		if err != nil {
			l.fail(&Error{writeCause(err), err})
			return
		}
		batch = batch[n:]
		l.box.written(n)
	}
}

// writeSome writes the next one or two frames of a batch, and returns how many
// bytes of messages are in them.
func (l *Link) writeSome(batch []byte) (int, error) {
	first, second := l.out.pairing(batch[headroom:])
	if second > 0 {
		return first + second, l.writePair(batch[:headroom+first+second], first)
	}
	return first, l.writeFrame(batch[:headroom+first])
}

// writeFrame seals and writes one frame of messages behind headroom.
func (l *Link) writeFrame(frame []byte) error {
	return l.timed(func(now time.Time) (int, error) {
		record := l.out.seal(frame, now)
		return len(record) - recordRoom, writeRecord(l.carrier, record)
	})
}

// timed runs a write of so many bytes of sealed frames. Its deadline is
// WriteTimeout.
func (l *Link) timed(write func(now time.Time) (int, error)) error {
	now := time.Now()
	if err := l.carrier.SetWriteDeadline(now.Add(l.cfg.WriteTimeout)); err != nil {
		return err
	}
	sealed, err := write(now)
	if err == nil {
		l.bytesOut.Add(uint64(sealed))
	}
	if end := time.Now(); end.Sub(now) > slowWrite {
		l.slow.Store(int64(end.Sub(l.opened) + slowFor))
	}
	return err
}
