package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/fernmesh/fernmesh/node/internal/link"
)

// listen opens the node's port, unless the node only calls out.
func (n *Node) listen(ctx context.Context) error {
	if n.cfg.Observer || n.cfg.NoLAN && n.cfg.Listen == "" {
		return nil
	}
	addr, err := listenAddr(orDefault(n.cfg.Listen, ":0"))
	if err != nil {
		return err
	}
	l, err := n.cfg.Net.Listen(ctx, addr)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	n.mu.Lock()
	n.listener = l
	n.mu.Unlock()
	n.spawn(func() { n.acceptAll(l) })
	return nil
}

func orDefault(s, def string) string {
	if s == "" {
		return def
	}
	return s
}

// acceptAll takes connections until the listener closes. Errors such as too
// many open files make it wait, longer each time, instead of spinning.
func (n *Node) acceptAll(l net.Listener) {
	const first, most = 5 * time.Millisecond, time.Second
	wait := first
	for {
		conn, err := l.Accept()
		switch {
		case err == nil:
			wait = first
			n.welcome(conn)
		case errors.Is(err, net.ErrClosed) || n.isClosing():
			return
		default:
			n.cfg.Logger.Warn("accepting connections fails; trying again", "error", err)
			if !sleep(n.ctx, wait) {
				return
			}
			wait = min(2*wait, most)
		}
	}
}

func (n *Node) welcome(conn net.Conn) {
	v := caller(conn)
	if !n.guard.enter(v) || !n.spawnRefusing(func() { n.handshake(n.guard, v, link.Stream(conn), lanPath, n.keyring()) }) {
		_ = conn.Close() // refused without a byte
	}
}

// handshake answers a visitor. A failure closes without a byte and is counted
// by cause; the stranger learns nothing.
func (n *Node) handshake(guard *admission, v *visitor, c link.Carrier, key pathKey, keys *ring) {
	ctx, cancel := context.WithTimeout(n.ctx, n.cfg.Timers.Handshake)
	defer cancel()
	life := n.peers.accepted(key, c.Remote())
	l, err := link.Accept(ctx, c, n.linkConfig(keys))
	guard.leave(v, err == nil || isRefusal(err))
	if err != nil {
		n.failed(life, err)
		return
	}
	n.count.LinksAccepted.Add(1)
	if n.roster.links() >= n.cfg.Limits.Links {
		n.count.RefusedLinks.Add(1)
		l.Close(errTooManyLinks)
		life.end(ReasonHelloRefused, errTooManyLinks)
		return
	}
	_, _ = n.adopt(l, life, "") // a link that parts at once has told its peer why
}

var errTooManyLinks = errors.New("too many links")

// isRefusal tells whether a member was turned away by policy, which proves
// that it holds the key: no failed handshake.
func isRefusal(err error) bool {
	var refused *link.RefusedError
	return errors.As(err, &refused)
}
