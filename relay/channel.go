package relay

import (
	"net"
	"os"
	"time"

	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/internal/wire"
)

// Channel is one session with a member, through the relay: records both ways, in
// order or not at all. One goroutine may read while another writes; Close may be
// called by any, at any time, and makes both return.
//
// What the relay or the peer ends is a *GoneError, after the records that came
// before it; with the connection to the relay it is a *LostError. After a Close
// of one's own it is net.ErrClosed, at once.
type Channel struct {
	client    *Client
	key       sessionKey
	initiator bool

	in   inbox
	out  outbox        // guarded by client.out.mu
	done chan struct{} // closed by end
}

func newChannel(c *Client, key sessionKey, initiator bool) *Channel {
	ch := &Channel{client: c, key: key, initiator: initiator, done: make(chan struct{})}
	ch.in = inbox{most: c.cfg.Limits.ChannelQueue, all: &c.queued, allMost: c.cfg.Limits.Queue, ready: make(chan struct{}, 1)}
	ch.out.room = make(chan struct{}, 1)
	return ch
}

// Transport is that of the handshake's prologue.
func (ch *Channel) Transport() crypto.Transport { return crypto.TransportRelay }

// Path is that of the handshake's prologue: the relay's id, the initiator's
// address, the responder's (section 2).
func (ch *Channel) Path() []byte {
	from, to := ch.client.self, ch.key.peer
	if !ch.initiator {
		from, to = to, from
	}
	path := append([]byte(nil), ch.client.relay[:]...)
	return append(append(path, from[:]...), to[:]...)
}

// Remote names the relay, for people.
func (ch *Channel) Remote() string { return "relay " + ch.client.cfg.Address.Authority }

// Peer returns the other member's address.
func (ch *Channel) Peer() Addr { return ch.key.peer }

// Initiator reports whether this end opened the session.
func (ch *Channel) Initiator() bool { return ch.initiator }

// ReadRecord returns the next record, valid until the next call. One of more
// than limit bytes is wire.ErrRecordLength, and is gone.
func (ch *Channel) ReadRecord(limit int) ([]byte, error) {
	body, err := ch.in.next()
	if err == nil && len(body) > limit {
		return nil, wire.ErrRecordLength
	}
	return body, err
}

// WriteRecord has a record written, in its turn among the channels: at once where
// nothing else is under way, or else by the client's writer. It waits while too
// much of this channel is still to be written, and never for the network. It
// keeps no part of body.
func (ch *Channel) WriteRecord(body []byte) error {
	if len(body) == 0 || len(body) > wire.MaxRecord {
		return ErrRecordLength
	}
	for {
		what, by := ch.client.out.record(&ch.out, Record{ch.key.peer, ch.key.id, body}, ch.client.outlet.Immediate())
		switch what {
		case putWrite:
			ch.client.writeAtOnce()
			return nil
		case putTaken:
			return nil
		case putClosed:
			return ch.writeError()
		}
		if err := ch.waitRoom(by); err != nil {
			return err
		}
	}
}

// waitRoom waits until it is worth trying again.
func (ch *Channel) waitRoom(by time.Time) error {
	expired, stop := timerAt(by)
	defer stop()
	select {
	case <-ch.out.room:
		return nil
	case <-ch.done:
		return nil
	case <-expired:
		return os.ErrDeadlineExceeded
	}
}

// writeError returns why nothing can be written.
func (ch *Channel) writeError() error {
	if err := ch.in.ended(); err != nil {
		return err
	}
	return net.ErrClosed // the client is about to close
}

// SetReadDeadline and SetWriteDeadline are those of net.Conn.
func (ch *Channel) SetReadDeadline(t time.Time) error {
	return ch.in.setDeadline(t)
}

// SetWriteDeadline bounds the wait of WriteRecord; see SetReadDeadline.
func (ch *Channel) SetWriteDeadline(t time.Time) error {
	if err := ch.in.ended(); err != nil {
		return err
	}
	ch.client.out.setDeadline(&ch.out, t)
	return nil
}

// Close ends the session, and tells the peer if it does not know. What was
// written before leaves first. Close does not wait, and may be called again.
func (ch *Channel) Close() error {
	ch.client.leave(ch, net.ErrClosed)
	ch.end(net.ErrClosed) // also if it ended before: what is unread is not wanted
	return nil
}

// end ends the channel at this side. The first cause wins, but for Close.
func (ch *Channel) end(cause error) {
	if ch.in.end(cause) {
		ch.client.out.end(&ch.out, cause == net.ErrClosed)
		close(ch.done)
	}
}

// timerAt returns a channel that fires at t, or never if t is zero.
func timerAt(t time.Time) (expired <-chan time.Time, stop func() bool) {
	if t.IsZero() {
		return nil, func() bool { return true }
	}
	timer := time.NewTimer(time.Until(t))
	return timer.C, timer.Stop
}
