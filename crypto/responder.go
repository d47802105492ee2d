package crypto

import (
	"errors"
	"io"

	"github.com/flynn/noise"
)

var errUsed = errors.New("this handshake was finished before")

// Respond answers a first message. It tries each schedule in turn; keyIndex
// tells which one opened it. msg2, of [HandshakeLen] bytes, is to be sent
// together with the HELLO that the secrets seal. The same replay set serves all
// handshakes of a node.
//
// Errors are of type [*HandshakeError]; nothing is then to be sent. A stranger
// is refused before any Diffie-Hellman, and so is a message that was here
// before; each still costs some 5 microseconds per key, so the caller limits
// the rate. It may be called by several goroutines.
func Respond(keys []*Schedule, t Transport, path, msg1 []byte, o Offer, replay *ReplaySet) (msg2 []byte, s *Secrets, keyIndex int, err error) {
	return respond(keys, t, path, msg1, o, replay, nil)
}

func respond(keys []*Schedule, t Transport, path, msg1 []byte, o Offer, replay *ReplaySet, random io.Reader) (msg2 []byte, s *Secrets, keyIndex int, err error) {
	defer recovered(&err)
	if err := o.check(); err != nil {
		return nil, nil, 0, handshakeError(CauseConfig, err)
	}
	if err := t.checkPath(path); err != nil {
		return nil, nil, 0, handshakeError(CauseConfig, err)
	}
	if len(msg1) != HandshakeLen {
		return nil, nil, 0, handshakeError(CauseLength, nil)
	}
	state, payload, keyIndex, err := openFirst(keys, t, path, msg1, random)
	if err != nil {
		return nil, nil, 0, err
	}
	// From here on the sender has, or had, the key. It may still be a recording.
	if !replay.Enter([32]byte(state.PeerEphemeral())) {
		return nil, nil, 0, handshakeError(CauseReplay, nil)
	}
	agreement, err := o.accept(payload)
	if err != nil {
		return nil, nil, 0, payloadError(err)
	}
	msg2, k1, k2, err := state.WriteMessage(make([]byte, 0, HandshakeLen), o.payload2(agreement.Version))
	if err != nil {
		return nil, nil, 0, handshakeError(CauseDH, err)
	}
	return msg2, newSecrets(state.ChannelBinding(), k1.UnsafeKey(), k2.UnsafeKey(), agreement, false), keyIndex, nil
}

// openFirst tries every key with a Noise state of its own, since a failed read leaves a state mixed.
func openFirst(keys []*Schedule, t Transport, path, msg1 []byte, random io.Reader) (*noise.HandshakeState, []byte, int, error) {
	for i, key := range keys {
		state, err := newState(key, t, path, false, random)
		if err != nil {
			return nil, nil, 0, handshakeError(CauseInternal, err)
		}
		if payload, _, _, err := state.ReadMessage(nil, msg1); err == nil {
			return state, payload, i, nil
		}
	}
	return nil, nil, 0, handshakeError(CauseKey, nil)
}

func payloadError(err error) error {
	if errors.Is(err, errPayloadForm) {
		return handshakeError(CausePayload, err)
	}
	return handshakeError(CauseVersion, err)
}
