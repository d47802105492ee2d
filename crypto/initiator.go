package crypto

import (
	"io"

	"github.com/flynn/noise"
)

// Initiator is the dialling side of a handshake between its two messages. It is
// for one goroutine, and for one call of Finish.
type Initiator struct {
	secret
	state *noise.HandshakeState // nil once used
	offer Offer
}

// NewInitiator begins a handshake and returns its first message, of
// [HandshakeLen] bytes. Errors are of type [*HandshakeError], with CauseConfig
// for an offer or a path (see [Transport]) that cannot be.
func NewInitiator(s *Schedule, t Transport, path []byte, o Offer) (*Initiator, []byte, error) {
	return newInitiator(s, t, path, o, nil)
}

func newInitiator(s *Schedule, t Transport, path []byte, o Offer, random io.Reader) (in *Initiator, msg1 []byte, err error) {
	defer recovered(&err)
	if err := o.check(); err != nil {
		return nil, nil, handshakeError(CauseConfig, err)
	}
	if err := t.checkPath(path); err != nil {
		return nil, nil, handshakeError(CauseConfig, err)
	}
	state, err := newState(s, t, path, true, random)
	if err != nil {
		return nil, nil, handshakeError(CauseInternal, err)
	}
	msg1, _, _, err = state.WriteMessage(make([]byte, 0, HandshakeLen), o.payload1())
	if err != nil {
		return nil, nil, handshakeError(CauseInternal, err)
	}
	return &Initiator{state: state, offer: o}, msg1, nil
}

// Finish reads the second message and returns the session's secrets. After an
// error, of type [*HandshakeError], the connection is of no use.
func (in *Initiator) Finish(msg2 []byte) (s *Secrets, err error) {
	defer recovered(&err)
	state := in.state
	in.state = nil
	if state == nil {
		return nil, handshakeError(CauseConfig, errUsed)
	}
	if len(msg2) != HandshakeLen {
		return nil, handshakeError(CauseLength, nil)
	}
	payload, k1, k2, err := state.ReadMessage(nil, msg2)
	if err != nil {
		return nil, handshakeError(CauseKey, err)
	}
	agreement, err := in.offer.confirm(payload)
	if err != nil {
		return nil, payloadError(err)
	}
	return newSecrets(state.ChannelBinding(), k1.UnsafeKey(), k2.UnsafeKey(), agreement, true), nil
}
