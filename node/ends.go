package node

import (
	"context"
	"errors"
	"io"

	"github.com/fernmesh/fernmesh/node/internal/link"
	"github.com/fernmesh/fernmesh/node/internal/rpc"
)

// failed ends the life of a link that did not come up.
func (n *Node) failed(l *life, err error) {
	why := l.attemptFailed(err)
	if why == ReasonClean && n.isClosing() {
		why = ReasonShutdown
	}
	var refused *link.RefusedError
	if errors.As(err, &refused) && !refused.Peer.Capabilities.Observer {
		n.peers.introduced(l, refused.Peer.Hello.Name, "")
	}
	l.end(why, err)
}

// attemptFailed says why an attempt to make a link failed.
func (l *life) attemptFailed(err error) Reason {
	l.table.mu.Lock()
	connected := l.state == StateConnected
	l.table.mu.Unlock()
	switch {
	case errors.Is(err, context.Canceled) || errors.Is(err, ErrShutdown):
		return ReasonClean // it is not wanted any more
	case !connected:
		return ReasonConnect
	case errors.Is(err, context.DeadlineExceeded):
		return ReasonHelloTimeout
	}
	return helloReason(err)
}

// helloReason says why a handshake failed.
func helloReason(err error) Reason {
	var refused *link.RefusedError
	var failed *link.Error
	if errors.As(err, &refused) {
		return ReasonHelloRefused
	}
	if !errors.As(err, &failed) {
		return ReasonUnknown
	}
	switch failed.Cause {
	case link.CauseTimeout, link.CauseWriteTimeout:
		return ReasonHelloTimeout
	case link.CauseClosed, link.CauseBroken:
		return lostReason(failed)
	case link.CausePanic, link.CauseConfig, link.CauseLocal:
		return ReasonUnknown
	}
	return ReasonHelloRefused
}

// lostReason tells a peer that closed from a connection that broke.
func lostReason(err error) Reason {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return ReasonGone
	}
	return ReasonSocket
}

// reasonOf says why an open link ended.
func reasonOf(err error) Reason {
	var bye *rpc.ByeError
	var failed *link.Error
	switch {
	case errors.As(err, &bye):
		return ReasonPeerBye
	case errors.Is(err, rpc.ErrDead):
		return ReasonPongTimeout
	case errors.Is(err, ErrShutdown):
		return ReasonShutdown
	case errors.Is(err, rpc.ErrParted), errors.Is(err, rpc.ErrClosed), errors.Is(err, errSlept), errors.Is(err, errTooOld):
		return ReasonClean
	case !errors.As(err, &failed):
		return ReasonUnknown
	}
	switch failed.Cause {
	case link.CausePeerClosed, link.CauseBroken:
		return lostReason(failed)
	case link.CauseWriteTimeout, link.CauseOverflow:
		return ReasonSocket
	}
	return ReasonUnknown
}

// linkEnding takes over that nothing more is read from a session. A BYE that was not
// told before turned the link away at its HELLO.
func (n *Node) linkEnding(s *session, err error) {
	why := reasonOf(err)
	var bye *rpc.ByeError
	if errors.As(err, &bye) && !s.parting.Load() {
		n.peers.heardBye(s.life, bye.Bye)
		why = ReasonHelloRefused
	}
	s.life.closing(why, err)
}
