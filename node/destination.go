package node

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/internal/wire"
	"github.com/fernmesh/fernmesh/node/internal/rpc"
)

// anyOf reads a target of the form "any(service)".
func anyOf(target string) (service string, any bool) {
	rest, any := strings.CutPrefix(target, "any(")
	if !any {
		return "", false
	}
	return strings.CutSuffix(rest, ")")
}

// checkTarget checks whom a call is to go to.
func checkTarget(target string) error {
	if service, any := anyOf(target); any {
		return wire.CheckOffer("service", service)
	}
	return wire.CheckName("name", target)
}

// destination is whom one logical call goes to: the node that its target
// names, or a member of a service, chosen anew as long as nothing can have run.
// One goroutine uses it and ends with release.
type destination struct {
	node    *Node
	service string // of "any(service)"
	any     bool
	wish    *wish

	at    *member // whom the attempt under way goes to
	last  *member // whom the latest attempt went to
	name  string  // of last, or the target while there is none
	fixed bool    // something may have run there: no other will do
	tried map[*member]bool
}

func (n *Node) destination(target string, w *wish) destination {
	service, any := anyOf(target)
	return destination{node: n, name: target, service: service, any: any, wish: w}
}

// next is the member for the next attempt. It waits for one until the context
// ends.
func (d *destination) next(ctx context.Context) (*member, error) {
	d.release()
	if d.any && !d.fixed {
		m, err := d.node.choose(ctx, d.service, *d.wish, d.tried)
		d.at = m
		if m != nil {
			d.last, d.name = m, d.node.roster.nameOf(m)
		}
		return m, err
	}
	m, err := d.last, error(nil)
	if !d.fixed || m == nil || d.node.roster.find(m.instance) != m { // fixed: also after it was renamed
		m, err = d.node.named(ctx, d.name)
	}
	if err == nil {
		d.at, d.last = m, m
		m.busy.Add(1)
	}
	return m, err
}

// atHand is next and reach as far as there is nothing to wait for: the member if
// one is known for certain, and its session if there is a link.
func (d *destination) atHand() (m *member, s *session) {
	d.release()
	switch {
	case d.fixed:
		return nil, nil
	case d.any:
		if m, s = d.node.roster.picked(d); s != nil {
			d.node.measure(s)
		}
		return m, s
	}
	if m, s = d.node.roster.linked(d.name); m != nil {
		d.at, d.last = m, m
		m.busy.Add(1)
	}
	return m, s
}

// picked is what choose finds at once, and its session for a new call, if there
// is one.
func (r *roster) picked(d *destination) (*member, *session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := r.chooseNow(d.service, *d.wish, d.tried)
	if m == nil {
		return nil, nil
	}
	d.at, d.last, d.name = m, m, m.name
	return m, m.pick(nil)
}

// release ends the latest attempt: its member is that much less busy.
func (d *destination) release() {
	if d.at != nil {
		d.at.busy.Add(-1)
		d.at = nil
	}
}

// reach makes a session to the member. While other members of the service may
// take the call, one that does not answer gets Timers.PathGrace, no more.
func (d *destination) reach(ctx context.Context, m *member) (*session, error) {
	if !d.any {
		return d.node.reach(ctx, m, nil)
	}
	hurried := ctx
	if !d.fixed && d.node.roster.others(d.service, d.tried, m) {
		var cancel context.CancelFunc
		hurried, cancel = context.WithTimeout(ctx, d.node.cfg.Timers.PathGrace)
		defer cancel()
	}
	s, err := d.node.reach(hurried, m, nil)
	if err == nil {
		d.node.measure(s)
	}
	if err == nil || ctx.Err() != nil {
		return s, err
	}
	d.node.roster.doubt(m) // later calls pass it over until there is news of it
	if hurried.Err() != nil {
		err = &NoPathError{Name: d.name, Tried: []string{"no answer within " + d.node.cfg.Timers.PathGrace.String()}}
	}
	return nil, err
}

// measure pings over a new link once, so that its round trip can be compared.
func (n *Node) measure(s *session) {
	if s.conn.RTT() == 0 && !s.measured.Swap(true) {
		n.spawn(func() {
			ctx, cancel := context.WithTimeout(n.ctx, n.cfg.Timers.Dead)
			defer cancel()
			_, _ = s.conn.Ping(ctx) // a link that is broken has no round trip
		})
	}
}

// elsewhere tells, after an attempt failed, that another member of the service
// may take the call: certainly nothing ran, and there is one that was not tried.
func (d *destination) elsewhere(ctx context.Context, err error) bool {
	if !d.any || d.fixed || d.at == nil || ctx.Err() != nil {
		return false
	}
	if d.tried == nil {
		d.tried = map[*member]bool{}
	}
	d.tried[d.at] = true
	return passable(d.name, err) && d.node.roster.others(d.service, d.tried, nil)
}

// passable tells whether a failure is the member's alone, so that another may
// do better.
func passable(name string, err error) bool {
	var (
		remote *commands.Error
		broken *rpc.BrokenError
		nopath *NoPathError
	)
	switch {
	case errors.As(err, &remote):
		return remote.Executed == commands.ExecutedNo && remote.Where != commands.WhereCaller && remote.Where != commands.WhereHandler &&
			(remote.Code == commands.Unavailable || remote.Code == commands.ResourceExhausted)
	case errors.As(err, &broken), errors.As(err, &nopath):
		return true
	}
	return refusal(name, err) != nil
}

// choose picks a ready member of a service, of those not tried if there are
// any, and waits for one until the context ends.
func (n *Node) choose(ctx context.Context, service string, w wish, tried map[*member]bool) (*member, error) {
	for asked := false; ; asked = true {
		m, changed := n.roster.choose(service, w, tried)
		if m != nil {
			return m, nil
		}
		if asked {
			n.ask()
		}
		n.inquire(ctx)
		if err := n.await(ctx, changed); err != nil {
			if errors.Is(err, context.DeadlineExceeded) {
				return nil, n.roster.noService(service)
			}
			return nil, err
		}
	}
}

// choose is pick among those not tried and not in doubt, else among those not
// tried, else among all.
func (r *roster) choose(service string, w wish, tried map[*member]bool) (*member, <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.chooseNow(service, w, tried), r.changed
}

// chooseNow is choose for who holds mu.
func (r *roster) chooseNow(service string, w wish, tried map[*member]bool) *member {
	for _, out := range [...]omitted{{tried: tried, at: time.Now()}, {tried: tried}, {}} {
		if m := r.pick(service, w, out); m != nil {
			return m
		}
	}
	return nil
}

// others tells whether a ready member of the service, other than m, was not
// tried.
func (r *roster) others(service string, tried map[*member]bool, m *member) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for range r.takers[service].among(omitted{tried: tried, other: m}) {
		return true
	}
	return false
}

func (r *roster) nameOf(m *member) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return m.name
}

// inquire makes links to the members whose offers found no room in what was
// heard of them; their HELLO tells. It waits for those that answer promptly.
func (n *Node) inquire(ctx context.Context) {
	unknown := n.roster.brief()
	if len(unknown) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, n.cfg.Timers.PathGrace)
	defer cancel()
	var dials errgroup.Group // of goroutines that never fail
	dials.SetLimit(defaultAtOnce)
	for _, m := range unknown {
		dials.Go(func() error {
			_, _ = n.reach(ctx, m, nil) // one that does not answer offers nothing
			return nil
		})
	}
	_ = dials.Wait()
}

// noService is the error of a call to a service that nobody takes.
func (r *roster) noService(service string) *NoServiceError {
	e := &NoServiceError{Service: service, Known: r.services()}
	e.Offered = slices.Contains(e.Known, service)
	return e
}

// WaitForService returns nil once a ready member offers the service, or a
// [*NoServiceError] when the context ends first.
func (n *Node) WaitForService(ctx context.Context, service string) error {
	if err := n.usable(); err != nil {
		return err
	}
	if err := wire.CheckOffer("service", service); err != nil {
		return err
	}
	for {
		changed := n.roster.news()
		if n.roster.others(service, nil, nil) {
			return nil
		}
		n.inquire(ctx)
		if err := n.await(ctx, changed); errors.Is(err, ErrShutdown) {
			return err
		} else if err != nil {
			return n.roster.noService(service)
		}
	}
}

// await waits for a change of the roster, for a second at most.
func (n *Node) await(ctx context.Context, changed <-chan struct{}) error {
	timer := time.NewTimer(askEvery)
	defer timer.Stop()
	select {
	case <-changed:
	case <-timer.C:
	case <-ctx.Done():
		return ctx.Err()
	case <-n.closing:
		return ErrShutdown
	}
	return nil
}

// news is closed at the next change of the roster.
func (r *roster) news() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.changed
}
