package node

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// askEvery is how often a call that waits for a name asks the LAN again.
const askEvery = time.Second

// resolve finds the member that a target means now: that of a name, or one that
// takes calls for "any(service)". It waits for it until the context ends. Calls
// that may try another member keep a destination instead.
func (n *Node) resolve(ctx context.Context, target string) (*member, error) {
	d := n.destination(target, &wish{})
	defer d.release()
	return d.next(ctx)
}

// named finds the one live member that goes by a name, waiting for discovery
// until the context ends.
func (n *Node) named(ctx context.Context, name string) (*member, error) {
	for asked := false; ; asked = true {
		found, changed := n.roster.claimants(name)
		switch len(found) {
		case 1:
			return found[0], nil
		case 0:
			if asked {
				n.ask()
			}
		default:
			return n.settle(ctx, name, found)
		}
		if err := n.await(ctx, changed); errors.Is(err, context.DeadlineExceeded) {
			return nil, &UnknownNameError{name, n.roster.names()}
		} else if err != nil {
			return nil, err
		}
	}
}

// settle looks which of several claimants is really there: one that does not
// answer, or answers under another name, is no claimant.
func (n *Node) settle(ctx context.Context, name string, found []*member) (*member, error) {
	if n.firstOfMany(name, found) {
		return nil, n.ambiguous(name, found)
	}
	errs := make([]error, len(found))
	var wg sync.WaitGroup
	for i, m := range found {
		wg.Go(func() {
			if errs[i] = n.visit(ctx, m); errs[i] != nil && ctx.Err() == nil {
				n.roster.doubt(m)
			}
		})
	}
	wg.Wait()
	var alive []*member
	for i, m := range found {
		if errs[i] == nil {
			alive = append(alive, m)
		}
	}
	switch len(alive) {
	case 0:
		return nil, errors.Join(errs...)
	case 1:
		return alive[0], nil
	}
	return nil, n.ambiguous(name, alive)
}

// visit finds out whether a member is there: that there is a link says little
// about somebody who may have vanished, so it has to answer within twice
// Timers.Suspect.
func (n *Node) visit(ctx context.Context, m *member) error {
	s, err := n.reach(ctx, m, nil)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 2*n.cfg.Timers.Suspect)
	defer cancel()
	if _, err = s.conn.Ping(ctx); err != nil {
		return &NoPathError{Name: s.peer.Hello.Name, Tried: []string{s.peer.Remote + ": " + err.Error()}}
	}
	return nil
}

func (n *Node) ambiguous(name string, alive []*member) error {
	n.roster.mu.Lock()
	defer n.roster.mu.Unlock()
	e := &AmbiguousNameError{Name: name}
	for _, m := range alive {
		e.Claims = append(e.Claims, m.claim())
	}
	slices.Sort(e.Claims)
	return e
}

// claim describes a claimant for an error. Callers hold roster.mu.
func (m *member) claim() string {
	who := "instance " + m.instance.String()
	if m.hasKey {
		who = m.key.String()
	}
	for _, s := range m.sessions {
		return fmt.Sprintf("%s at %s", who, s.peer.Remote)
	}
	for _, a := range m.addrs {
		return fmt.Sprintf("%s at %s", who, a.AddrPort)
	}
	return who
}

// WaitFor returns nil once a live node of that name is known, or an
// [*UnknownNameError] when the context ends first.
func (n *Node) WaitFor(ctx context.Context, name string) error {
	if err := n.usable(); err != nil {
		return err
	}
	for {
		found, changed := n.roster.claimants(name)
		if len(found) > 0 {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return &UnknownNameError{name, n.roster.names()}
		case <-n.closing:
			return ErrShutdown
		}
	}
}

// settleQuiet is the share of Timers.Settle without a new member after which
// those that answer promptly have done so.
const settleQuiet = 4

// Settle returns when discovery had its first round after Start and the relays
// have been joined or not, so that a look at the members finds those that
// answer promptly: when members were found and a quarter of Timers.Settle
// brought no other, or after Timers.Settle in all, or, if relays take longer,
// Timers.ClaimMax; at once if that time has passed.
func (n *Node) Settle(ctx context.Context) error {
	if err := n.usable(); err != nil {
		return err
	}
	first, cancel := context.WithDeadline(ctx, n.started.Add(n.cfg.Timers.ClaimMax))
	defer cancel()
	n.relaysSettled(first)
	left := time.Until(n.started.Add(n.cfg.Timers.Settle))
	if first.Err() == nil && len(n.allLines()) > 0 {
		left = max(left, n.cfg.Timers.Settle/settleQuiet) // for the presence of a room's members
	}
	end := time.NewTimer(left)
	defer end.Stop()
	quiet := time.NewTimer(n.cfg.Timers.Settle)
	defer quiet.Stop()
	for known := 0; ; {
		count, changed := n.roster.size()
		if count != known {
			known = count
			quiet.Reset(n.cfg.Timers.Settle / settleQuiet)
		}
		select {
		case <-quiet.C:
			return nil
		case <-end.C:
			return nil
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		case <-n.closing:
			return ErrShutdown
		}
	}
}

// size returns how many members there are, and the channel that is closed at the
// next change of the roster.
func (r *roster) size() (int, <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.members), r.changed
}
