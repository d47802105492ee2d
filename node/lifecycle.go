package node

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/fernmesh/fernmesh/discovery"
	"github.com/fernmesh/fernmesh/internal/wire"
)

// Start brings the node up: the listener, discovery, and the claim to its
// name, which takes Timers.Claim (300 ms) when nobody else holds it. The
// context bounds Start alone. It fails with ErrNameTaken when another live
// node holds the name and Config.Rename is off, with ErrStarted when called
// again. After an error the node is shut down.
func (n *Node) Start(ctx context.Context) error {
	n.mu.Lock()
	if n.state != stateNew {
		n.mu.Unlock()
		return ErrStarted
	}
	n.state, n.started = stateStarting, time.Now()
	n.mu.Unlock()
	if err := n.bringUp(ctx); err != nil {
		now, cancel := context.WithCancel(context.Background())
		cancel()
		return errors.Join(err, ignoreCancelled(n.Shutdown(now)))
	}
	return nil
}

func ignoreCancelled(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

func (n *Node) bringUp(ctx context.Context) error {
	n.tellTroubles()
	if err := n.listen(ctx); err != nil {
		return err
	}
	if err := n.discover(); err != nil {
		return err
	}
	n.openLines()
	n.spawn(n.fillLines) // with relays that were learned in an earlier life
	if !n.cfg.Observer {
		if err := n.claim(ctx); err != nil {
			return err
		}
		n.spawn(n.contest)
		n.spawn(n.tellChanges)
	}
	n.spawn(n.maintain)
	if n.policy != nil {
		n.spawn(n.watchPolicy)
	}
	if n.cfg.OnStats != nil {
		n.spawn(n.tellStats)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.state == stateStarting {
		n.state = stateRunning
	}
	return nil
}

// discover starts the sources that find other nodes.
func (n *Node) discover() error {
	disc, err := discovery.New(discovery.Config{
		Net: n.cfg.Net, Keys: n.keyring().usable, Self: n.self(),
		AdvertPort: uint16(n.cfg.AdvertPort), Interfaces: n.cfg.Interfaces,
		NoUDP: n.cfg.NoLAN, MDNS: !n.cfg.NoMDNS && !n.cfg.NoLAN, Static: n.cfg.Peers,
		RelaxSource: n.cfg.RelaxSource, Logger: n.cfg.Logger,
		OnChange: n.discovered, OnReport: n.reported,
	})
	if err != nil {
		return fmt.Errorf("discovery: %w", err)
	}
	n.mu.Lock()
	n.disc = disc
	n.mu.Unlock()
	if err := disc.Start(n.ctx); err != nil {
		return fmt.Errorf("discovery: %w", err)
	}
	return nil
}

// self is what discovery says of this node.
func (n *Node) self() discovery.Self {
	s := discovery.Self{Instance: n.instance, Identity: n.identity, Port: n.Addr().Port()}
	if s.Port != 0 { // who cannot be dialled only asks
		s.Name = n.Name()
		if status := n.offers.now(); status.Revision > 0 {
			s.Status = wire.AppendStatus(nil, status)
		}
	}
	return s
}

// discovered takes over a change that discovery reports.
func (n *Node) discovered(c discovery.Change) {
	e := c.Entry
	switch {
	case e.Host != "":
		if c.Kind == discovery.Added {
			n.spawn(func() { n.persist(e.Host) })
		}
	case c.Kind == discovery.Removed:
		n.roster.gone(e.Instance, string(c.Why))
	default:
		if heir := n.roster.seen(e); heir != nil {
			n.introduce(heir)
		}
	}
}

func (n *Node) reported(r discovery.Report) {
	n.events.emit(Event{Kind: SourceReport, Node: r.Name, Reason: r.String()})
}

// ask repeats the question who is there.
func (n *Node) ask() {
	n.mu.Lock()
	disc := n.disc
	n.mu.Unlock()
	if disc != nil {
		disc.Ask()
	}
}

// Run starts the node, waits until the context ends and shuts it down, giving
// accepted calls Timers.Drain to finish.
func (n *Node) Run(ctx context.Context) error {
	if err := n.Start(ctx); err != nil {
		return err
	}
	<-ctx.Done()
	end, cancel := context.WithTimeout(context.Background(), n.cfg.Timers.Drain)
	defer cancel()
	return n.Shutdown(end)
}

// Shutdown ends the node: it says goodbye on the LAN, takes no new calls,
// lets accepted ones finish, streams within Timers.Drain, parts from every peer
// and closes everything. It returns when no goroutine, socket or file of the
// node is left, or with the context's error when that ends first; accepted calls
// are then cancelled. A second Shutdown waits for the first and returns nil;
// Shutdown of a node that was never started is ErrNotStarted.
func (n *Node) Shutdown(ctx context.Context) error {
	n.mu.Lock()
	was := n.state
	if was == stateNew {
		n.mu.Unlock()
		return ErrNotStarted
	}
	n.state = stateClosing
	n.mu.Unlock()
	if was == stateClosing {
		select {
		case <-n.ended:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	close(n.closing)
	return n.takeDown(ctx)
}

func (n *Node) takeDown(ctx context.Context) error {
	n.server.Drain()
	n.sayDraining()
	n.mu.Lock()
	listener, disc := n.listener, n.disc
	n.mu.Unlock()
	if listener != nil {
		_ = listener.Close() // it may have failed before; nothing is lost
	}
	if disc != nil { // the goodbye leaves at once; mDNS may take a moment to end
		n.wg.Go(disc.Close)
	}
	var parting sync.WaitGroup
	for _, s := range n.roster.all() {
		s.life.parts(ReasonShutdown, ErrShutdown)
		parting.Go(func() {
			ctx, stop := n.farewell(ctx, s)
			defer stop()
			_ = s.conn.Bye(ctx, wire.Bye{Code: byeRebooting, ComeBackAfter: max(n.cfg.Timers.ComeBack, 0), Text: "shutting down"})
		})
	}
	parting.Wait()
	n.mu.Lock()
	n.ending = true
	n.mu.Unlock()
	n.cancel()
	for _, s := range n.roster.all() {
		s.conn.Close(ErrShutdown)
	}
	err := n.server.Close(ctx)
	go func() { // ends with the last goroutine that spawn counted
		n.wg.Wait()
		close(n.ended)
	}()
	select {
	case <-n.ended:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}
