package main

import (
	"context"
	"sync"
	"time"

	"github.com/fernmesh/fernmesh/node"
)

// attend lets the owner of a running node get at it: by the control socket and
// by SIGHUP. The result ends both; it is to be called before the node shuts down.
func (m *Main) attend(n *node.Node, s *settings) (end func()) {
	keys := newKeyReloader(n, s)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	m.reloading.Store(true)
	wg.Go(func() { m.reloadOnHangup(ctx, n, s, keys) })
	wg.Go(func() { m.noteStrangers(ctx, n) })
	socket := m.control(n, s, keys)
	return func() {
		m.reloading.Store(false)
		socket.end()
		cancel()
		wg.Wait()
	}
}

// strangersEvery is how often a node that knows nobody is asked whether it hears
// somebody.
const strangersEvery = time.Second

// noteStrangers tells once that a node which knows no other hears some with
// another key: it may have been off while the key was changed.
func (m *Main) noteStrangers(ctx context.Context, n *node.Node) {
	for pause(ctx, strangersEvery) {
		if len(n.Peers()) > 0 || !n.Strangers() {
			continue
		}
		m.notef("nodes with another key are heard on this LAN, and none with the key of this node")
		m.notef("hint: if the key of network %q was changed, put the new key file on this machine and run \"fernmesh keys reload\"", n.Network())
		return
	}
}
