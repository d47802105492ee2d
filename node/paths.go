package node

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/node/internal/rpc"
)

// decisive tells whether an answer ends the call on every path: it is the
// command's own. A refusal on the way to it is not, since the command may have
// begun by the other path, or have answered there already.
func decisive(err error) bool {
	var e *commands.Error
	if errors.As(err, &e) {
		return e.Where == commands.WhereHandler
	}
	return err == nil
}

// choose returns the attempt that tells most of what became of a call that went
// over two paths.
func choose(first, other result) result {
	switch {
	case decisive(first.err):
		return first
	case decisive(other.err):
		return other
	case settled(first.err) && !settled(other.err) && other.sent():
		return other // refused here, perhaps begun there: the next attempt will tell
	case settled(first.err) && settled(other.err) && executed(other.err) > executed(first.err):
		return other
	}
	return first
}

// executed is what a callee's error says of whether the command ran.
func executed(err error) commands.Executed {
	var e *commands.Error
	errors.As(err, &e)
	return e.Executed
}

func (c *calling) request(repeat bool) rpc.Request {
	return rpc.Request{
		ID: c.id, Path: c.req.path, Args: c.req.args, Kwargs: c.req.kwargs, Trace: c.trace,
		Repeat: repeat, Idempotent: c.req.idempotent, DryRun: c.req.dryRun,
	}
}

// maybeSent tells whether a CALL may have left: only a link that broke, or a
// caller that gave up, before it was posted is certain that it did not.
func maybeSent(err error) bool {
	if err == nil {
		return true
	}
	var (
		broken    *rpc.BrokenError
		abandoned *rpc.AbandonedError
	)
	switch {
	case errors.As(err, &broken):
		return broken.Sent
	case errors.As(err, &abandoned):
		return abandoned.Sent
	}
	return true
}

// mayHaveRun tells whether the command may have run: it was sent, and the
// callee did not say that it refused it.
func mayHaveRun(err error) bool {
	if err == nil {
		return true
	}
	var remote *commands.Error
	if errors.As(err, &remote) && remote.Executed == commands.ExecutedNo {
		return false
	}
	return maybeSent(err)
}

func (c *calling) reply(r result) (*Reply, error) {
	if r.err != nil {
		return nil, r.err
	}
	return &Reply{Node: r.session.peer.Hello.Name, Path: r.session.info(), raw: r.value}, nil
}

// again decides whether the call goes on after an attempt failed, and waits
// until it is worth trying.
func (c *calling) again(ctx context.Context, err error) bool {
	var (
		remote *commands.Error
		broken *rpc.BrokenError
		nopath *NoPathError
	)
	switch {
	case ctx.Err() != nil:
		return false
	case errors.As(err, &remote):
		return (c.draining(remote) || c.forgotten(remote)) && c.pause(ctx)
	case errors.As(err, &broken):
		if turnedAway(c.whom(), err) != nil {
			c.turned++
		}
		return refusal(c.whom(), err) == nil && c.turned <= maxDrained && c.pause(ctx)
	case errors.As(err, &nopath) && refusedHere(err):
		return c.node.roster.claimed(c.whom()) && c.pause(ctx)
	case errors.As(err, &nopath):
		return refusal(c.whom(), err) == nil && c.news(ctx)
	}
	return false
}

// maxDrained is how many parting links one call may meet before it fails.
const maxDrained = 3

// draining tells whether the callee refused the call unread because the link
// or the node was parting; another link, or another instance, may take it.
func (c *calling) draining(e *commands.Error) bool {
	return e.Code == commands.Unavailable && e.Executed == commands.ExecutedNo &&
		e.Where == commands.WhereQueue && c.breaks < maxDrained
}

// pause counts a broken path and waits before the next attempt: not at all
// the first time, then longer and longer, with jitter so that many callers of
// one node do not come back in step.
func (c *calling) pause(ctx context.Context) bool {
	if c.breaks == 0 {
		c.broke = time.Now()
	}
	c.breaks++
	if time.Since(c.broke) > c.node.cfg.Timers.RetryFor {
		return false
	}
	if c.breaks == 1 {
		return true
	}
	wait := min(25*time.Millisecond<<min(c.breaks, 6), time.Second)
	return sleep(ctx, wait/2+rand.N(wait/2))
}

// news decides, for Timers.PathGrace from the first failure to reach the member,
// that it is worth another try: the roster changed, since the member may be back
// under another address or instance, or a moment has passed, since what cut a
// handshake may be over.
func (c *calling) news(ctx context.Context) bool {
	if c.grace.IsZero() {
		c.grace = time.Now().Add(c.node.cfg.Timers.PathGrace)
		c.node.ask()
	}
	left := time.Until(c.grace)
	if left <= 0 {
		return false
	}
	changed := c.node.roster.news()
	wait := 25 * time.Millisecond << min(c.misses, 5)
	c.misses++
	timer := time.NewTimer(min(left, wait/2+rand.N(wait/2)))
	defer timer.Stop()
	select {
	case <-changed:
	case <-timer.C:
	case <-ctx.Done():
		return false
	case <-c.node.closing:
		return false
	}
	return true
}

func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
