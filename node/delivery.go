package node

import (
	"context"
	"errors"
	"sync"

	"github.com/fernmesh/fernmesh/commands"
)

// delivery is a call on its way over one link, or over two: when the first falls
// silent, or at once when the call is hedged, the same call under the same id
// also goes over another path. It watches the first one for the rpc layer.
type delivery struct {
	call    *calling
	ctx     context.Context
	member  *member
	session *session // of the first path

	mu       sync.Mutex
	started  bool // the second one, which starts at most once
	over     bool // the first has ended, and no second one may start
	answered chan result
	cancel   context.CancelFunc // of the second one; with answered, set before started
}

// Suspect is what package rpc calls.
func (d *delivery) Suspect(giveUp func()) {
	n := d.call.node
	n.roster.suspect(d.session)
	d.start(giveUp, n.reach)
}

// reacher finds another session than one to a member.
type reacher func(context.Context, *member, *session) (*session, error)

// start begins the second one, unless the first has ended. giveUp ends the
// first.
func (d *delivery) start(giveUp func(), reach reacher) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.over || d.started {
		return
	}
	d.answered = make(chan result, 1)
	ctx, cancel := context.WithCancel(d.call.limit.bound(d.ctx))
	d.cancel = cancel
	d.started = d.call.node.spawn(func() { d.second(ctx, giveUp, reach) })
	if !d.started {
		cancel()
	}
}

// stop forbids a later start and tells whether there was one.
func (d *delivery) stop() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.over = true
	return d.started
}

// second makes the call over another path, which reach finds, and ends the first
// one when it settles the call.
func (d *delivery) second(ctx context.Context, giveUp func(), reach reacher) {
	c, r := d.call, result{}
	defer func() { d.answered <- r }()
	s, err := reach(ctx, d.member, d.session)
	if err != nil {
		r.err = err
		return
	}
	if s.peer.Hello.Instance != c.instance {
		r.err = errRestarted // the first attempt will find out too
		return
	}
	c.node.count.SecondPaths.Add(1)
	r.session = s
	r.value, r.err = s.conn.Call(ctx, c.request(true))
	if decisive(r.err) {
		giveUp()
	}
}

// over makes the call on one link, and perhaps over another path.
func (c *calling) over(ctx context.Context, m *member, s *session) (*Reply, error) {
	d := &c.first
	if d.call != nil { // a late word about it may come yet
		d = &delivery{}
	}
	if c.req.hedge {
		ctx = c.limit.bound(ctx)
	}
	d.call, d.ctx, d.member, d.session = c, ctx, m, s
	if c.req.hedge {
		hedged, giveUp := context.WithCancel(ctx)
		defer giveUp()
		d.start(giveUp, c.node.reachBeside)
		ctx = hedged
	}
	req := c.request(c.sent)
	req.Deadline, req.Watcher = c.limit.beside(), d
	value, err := s.conn.Call(ctx, req)
	first := result{s, value, err}
	c.sent = c.sent || first.sent()
	c.may = c.may || mayHaveRun(err)
	if !d.stop() {
		return c.reply(first)
	}
	if decisive(err) {
		d.cancel()
	}
	other := <-d.answered
	d.cancel()
	c.sent = c.sent || other.sent()
	c.may = c.may || other.sent() && mayHaveRun(other.err)
	return c.reply(choose(first, other))
}

// result is how one attempt ended; without a session it never began.
type result struct {
	session *session
	value   []byte
	err     error
}

// sent tells whether the attempt may have brought the call to the callee.
func (r result) sent() bool { return r.session != nil && maybeSent(r.err) }

// settled tells whether the callee answered an attempt, with a value or with its
// own error.
func settled(err error) bool {
	var e *commands.Error
	return err == nil || errors.As(err, &e)
}
