package link

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/internal/wire"
)

// lingerMost is how many records are read and dropped after a BYE.
const lingerMost = 64

// lingerFor is how long a refused peer has to hang up.
const lingerFor = time.Second

// RetiredText tells a node that was not there when the key was changed.
const RetiredText = "your network key is retired: put the new key ring on this machine"

// Dial makes a link as the initiator. target is the name that must answer; ""
// is whoever does. Dial owns the carrier: after an error it is closed. Errors
// are *Error and *RefusedError; that of a ctx is inside an *Error. The peer may
// still refuse: it then says BYE on the open link.
func Dial(ctx context.Context, c Carrier, cfg Config, target string) (*Link, error) {
	return open(ctx, c, cfg, func(h *handshake) (*Link, error) { return h.dial(target) })
}

// Accept makes a link as the responder. It owns the carrier: after an error it
// is closed. Any failure up to a good HELLO closes it without a byte, by the
// same path whatever the cause. Errors are as with Dial. The caller limits how
// many run at once and how often.
func Accept(ctx context.Context, c Carrier, cfg Config) (*Link, error) {
	return open(ctx, c, cfg, (*handshake).accept)
}

// handshake is the work of one Dial or Accept.
type handshake struct {
	Carrier
	cfg  Config
	caps []byte // own capabilities
}

// open runs a handshake under its deadline and ctx, and is the only place where
// one fails.
func open(ctx context.Context, c Carrier, cfg Config, run func(*handshake) (*Link, error)) (*Link, error) {
	cfg = cfg.withDefaults()
	h := &handshake{Carrier: c, cfg: cfg}
	stop := context.AfterFunc(ctx, func() { _ = c.Close() })
	l, err := h.begin(run)
	if !stop() && ctx.Err() != nil {
		err = &Error{CauseLocal, context.Cause(ctx)}
	}
	if err == nil {
		err = h.finish(l)
	}
	if err != nil {
		_ = c.Close() // the peer is gone or to be gone
		cfg.Counters.end(causeOf(err))
		cfg.Logger.LogAttrs(ctx, slog.LevelDebug, "handshake failed",
			slog.String("remote", c.Remote()), slog.String("cause", err.Error()))
		return nil, err
	}
	return l, nil
}

// begin sets the one deadline and runs the handshake.
func (h *handshake) begin(run func(*handshake) (*Link, error)) (*Link, error) {
	if len(h.cfg.Keys) == 0 {
		return nil, &Error{CauseConfig, errors.New("no network key")}
	}
	deadline := time.Now().Add(h.cfg.HandshakeTimeout)
	if err := errors.Join(h.SetReadDeadline(deadline), h.SetWriteDeadline(deadline)); err != nil {
		return nil, &Error{CauseBroken, err}
	}
	return run(h)
}

// finish starts the link.
func (h *handshake) finish(l *Link) error {
	if err := h.SetReadDeadline(time.Time{}); err != nil {
		return &Error{CauseBroken, err}
	}
	h.cfg.Counters.begin()
	go l.write() // Close waits for it
	return nil
}

func (h *handshake) offer() crypto.Offer {
	return crypto.Offer{
		VersionMin: wire.Version, VersionMax: wire.Version,
		MaxPlain: wire.MaxPlain, Features: h.cfg.Features,
	}
}

// accept is the responder's part: msg1, then msg2 and HELLO in one flight, then
// the initiator's HELLO.
func (h *handshake) accept() (*Link, error) {
	msg1, err := h.readMessage()
	if err != nil {
		return nil, err
	}
	known := append(slices.Clip(h.cfg.Keys), h.cfg.Retired...)
	msg2, secrets, key, err := crypto.Respond(known, h.Transport(), h.Path(), msg1, h.offer(), h.cfg.Replay)
	if err != nil {
		return nil, &Error{handshakeCause(err), err}
	}
	if err := h.prepare(""); err != nil { // not before: strangers cost nothing
		return nil, err
	}
	l := newLink(h.Carrier, h.cfg, secrets)
	if err := h.WriteRecord(msg2); err != nil {
		return nil, &Error{writeCause(err), err}
	}
	if err := h.sendHello(l, secrets, ""); err != nil {
		return nil, err
	}
	if err := h.readHello(l, secrets, known[key]); err != nil {
		return nil, err
	}
	if key >= len(h.cfg.Keys) {
		return nil, h.refuse(l, &Refusal{Code: wire.ByeNotAllowed, Text: RetiredText})
	}
	refusal := h.wrongName(l.peer.Hello.Target, h.cfg.Name)
	if refusal == nil {
		refusal = h.judge(l.peer)
	}
	if refusal != nil {
		return nil, h.refuse(l, refusal)
	}
	return l, nil
}

// dial is the initiator's part. It checks msg2 and the responder's HELLO before
// it sends its own, which also goes ahead of a refusal.
func (h *handshake) dial(target string) (*Link, error) {
	if err := h.prepare(target); err != nil {
		return nil, err
	}
	initiator, msg1, err := crypto.NewInitiator(h.cfg.Keys[0], h.Transport(), h.Path(), h.offer())
	if err != nil {
		return nil, &Error{handshakeCause(err), err}
	}
	if err := h.WriteRecord(msg1); err != nil {
		return nil, &Error{writeCause(err), err}
	}
	msg2, err := h.readMessage()
	if err != nil {
		return nil, err
	}
	secrets, err := initiator.Finish(msg2)
	if err != nil {
		return nil, &Error{handshakeCause(err), err}
	}
	l := newLink(h.Carrier, h.cfg, secrets)
	if err := h.readHello(l, secrets, h.cfg.Keys[0]); err != nil {
		return nil, err
	}
	refusal := h.wrongName(target, l.peer.Hello.Name)
	if refusal == nil {
		refusal = h.judge(l.peer)
	}
	if err := h.sendHello(l, secrets, target); err != nil {
		return nil, err
	}
	if refusal != nil {
		return nil, h.refuse(l, refusal)
	}
	return l, nil
}

// readMessage reads msg1 or msg2.
func (h *handshake) readMessage() ([]byte, error) {
	msg, err := h.ReadRecord(wire.HandshakeLen)
	if err != nil {
		return nil, &Error{openingCause(err), err}
	}
	return msg, nil // crypto wants the exact length
}

func (h *handshake) wrongName(wanted, name string) *Refusal {
	if wanted == "" || wanted == name {
		return nil
	}
	return &Refusal{Code: wire.ByeWrongTarget, Text: "this is not the node that was dialled"}
}

func (h *handshake) judge(p Peer) *Refusal {
	if h.cfg.Judge == nil {
		return nil
	}
	return h.cfg.Judge(p)
}

// refuse says BYE and waits for the peer to hang up: closing while its first
// calls are unread would reset the connection, and the BYE be lost with it.
func (h *handshake) refuse(l *Link, r *Refusal) error {
	refused := &RefusedError{Refusal: *r, Peer: l.peer}
	bye := wire.AppendBye(nil, wire.Bye{Code: r.Code, ComeBackAfter: r.After, Text: r.Text})
	if err := l.writeFrame(wire.AppendMessage(make([]byte, headroom), wire.TypeBye, bye)); err != nil {
		return refused
	}
	if err := h.SetReadDeadline(time.Now().Add(lingerFor)); err != nil {
		return refused
	}
	for range lingerMost {
		if _, err := h.ReadRecord(wire.MaxRecord); err != nil {
			break
		}
	}
	return refused
}
