package node

import (
	"math/rand/v2"
	"time"
)

// persist keeps a link to a static peer, whoever answers there, until the node
// shuts down. It dials at once the first time, and from then on only
//
//   - while no link to the peer may take calls, whoever made it,
//   - PeerTimers.Reconnect after the last one was lost, or after the latest
//     attempt, and twice as long after each that failed or did not last,
//   - not before the time that the peer asked for in its BYE, and if it said BYE
//     and asked for none, only with Config.AlwaysReconnect.
//
// It always waits somewhat longer than that, so that the peers of a restarted
// node do not come back in step.
func (n *Node) persist(host string) {
	var tried time.Time
	for tries := 0; ; tries++ {
		p, ok := n.untilDue(host, tried, tries)
		if !ok {
			return
		}
		if p.lasted {
			tries = 0
		}
		tried = time.Now()
		n.dialStatic(host)
	}
}

// prospect is what the table says of dialling a static peer.
type prospect struct {
	may     bool      // dial it, when the time has come
	lost    time.Time // when it was disconnected
	not     time.Time // no earlier: it asked for that
	lasted  bool      // the link since the latest attempt lasted
	changed <-chan struct{}
}

// untilDue waits until a static peer is to be dialled; false means that the node
// is shutting down.
func (n *Node) untilDue(host string, tried time.Time, tries int) (prospect, bool) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		p := n.prospect(host, tried)
		var due <-chan time.Time
		if p.may {
			wait, first := n.dueIn(host, p, tried, tries)
			if first {
				return p, !n.isClosing()
			}
			timer.Reset(wait)
			due = timer.C
		}
		select {
		case <-due:
			if p := n.prospect(host, tried); p.may {
				return p, !n.isClosing()
			}
		case <-p.changed:
		case <-n.closing:
			return p, false
		}
	}
}

func (n *Node) prospect(host string, tried time.Time) prospect {
	t := n.peers
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.byHost[host]
	return prospect{
		may:  !r.ready() && (r.reason != ReasonPeerBye || r.invited || n.cfg.AlwaysReconnect),
		lost: r.lastDisconnect, not: r.notBefore, changed: r.changed,
		lasted: r.lastConnect.After(tried) && r.lastDisconnect.Sub(r.lastConnect) > n.cfg.Timers.StaticRetryMax,
	}
}

// dueIn is how long to wait before the next attempt; first says that there was
// nothing before it to wait for.
func (n *Node) dueIn(host string, p prospect, tried time.Time, tries int) (wait time.Duration, first bool) {
	if tried.IsZero() && p.lost.IsZero() {
		return 0, true
	}
	if p.lasted {
		tries = 0
	}
	wait = n.timers(n.peers.nameAt(host), host).Reconnect
	for range max(tries-1, 0) {
		wait = max(wait, min(2*wait, n.cfg.Timers.StaticRetryMax))
	}
	at := tried
	if p.lost.After(at) {
		at = p.lost
	}
	if at = at.Add(wait); p.not.After(at) {
		at = p.not
	}
	return max(time.Until(at), 0) + rand.N(wait/2+1), false
}
