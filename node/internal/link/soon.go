package link

import "time"

// soonMost is how many bytes of answers wait at most for those to the frames that
// have come already: what fits into one frame.
const soonMost = 16 << 10

// tries is a Carrier that can write without waiting.
type tries interface {
	// TryRecord is WriteRoomy, but writes no more than what the system takes at
	// once. Done says that this was all; else FinishRecord must be called before
	// anything else is written, and record is not changed until then.
	TryRecord(record []byte) (done bool, err error)
	// FinishRecord writes what TryRecord left, and waits for it.
	FinishRecord() error
}

// unsent is what the reader took from the outbox and could not write.
type unsent struct {
	batch []byte
	begun int // so many bytes of it are in a record that was begun
	token int // the length of that record
	rest  int // where in the batch the next one begins, with its headroom
}

// FlushSoon sends what was posted as soon as no further frame has come in whole,
// so that the answers to many messages leave together. It is for deliver, on the
// goroutine in Run, and never waits.
//
// That goroutine writes by itself as much as the system takes at once, and leaves
// what it does not take to the writer. So it goes on reading, whatever the peer
// does, and two peers whose readers answer one another cannot wait for each other.
func (l *Link) FlushSoon() {
	l.owed = true
	if l.box.holds(soonMost) {
		l.flushHere()
	}
}

// settle does what FlushSoon promised, unless there is more to read at once.
func (l *Link) settle() {
	if !l.owed {
		return
	}
	if c, ok := l.carrier.(interface{ Buffered() bool }); ok && c.Buffered() {
		return
	}
	l.flushHere()
}

// flushHere writes what was posted on the reader's goroutine, without waiting.
func (l *Link) flushHere() {
	l.owed = false
	carrier, able := l.carrier.(tries)
	if !able || l.isSlow() {
		l.FlushLater()
		return
	}
	batch := l.box.take(inlineMost)
	if batch == nil {
		l.FlushLater()
		return
	}
	for at := 0; at+headroom < len(batch); {
		n := l.out.fitting(batch[at+headroom:])
		record := l.out.seal(batch[at:at+headroom+n], time.Now())
		token := len(record) - recordRoom
		done, err := carrier.TryRecord(record)
		switch {
		case err != nil:
			l.fail(&Error{writeCause(err), err})
			at = len(batch)
		case !done: // whoever writes next finds the outbox taken
			l.slow.Store(int64(time.Since(l.opened) + slowFor))
			l.unsent.Store(&unsent{batch: batch, begun: n, token: token, rest: at + n})
			l.signal()
			return
		default:
			l.bytesOut.Add(uint64(token))
			l.box.written(n)
			at += n
		}
	}
	if _, left := l.box.takeMore(batch, false); left {
		l.signal()
	}
}

// finishUnsent goes on where the reader stopped, and returns the next batch; nil
// if the reader left nothing or nothing waits.
func (l *Link) finishUnsent() []byte {
	u := l.unsent.Swap(nil)
	if u == nil {
		return nil
	}
	err := l.carrier.SetWriteDeadline(time.Now().Add(l.cfg.WriteTimeout))
	if err == nil {
		err = l.carrier.(tries).FinishRecord()
	}
	if err != nil {
		l.fail(&Error{writeCause(err), err})
	} else {
		l.bytesOut.Add(uint64(u.token))
		l.box.written(u.begun)
		l.writeBatch(u.batch[u.rest:])
	}
	batch, _ := l.box.takeMore(u.batch, true)
	return batch
}

// Roomy reports whether the outbox is below its soft bound, see Room.
func (l *Link) Roomy() bool { return !l.box.holds(l.box.soft) }
