package node

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/fernmesh/fernmesh/commands"
)

// Outcome is how one member of a gather ended: with a reply or with an error.
type Outcome struct {
	Reply *Reply
	Err   error
}

// Summary counts the members of a gather as they are now.
type Summary struct {
	Members  int // 0 until they are fixed
	Answered int // replied
	Failed   int // ended with an error, those that a rule cancelled included
	// Stopped is the rule that stopped the gather, if one did.
	Stopped string
}

// Gathering is a gather under way: one outcome per member, as they arrive. It
// is safe for concurrent use.
type Gathering struct {
	req      *request
	rules    []rule
	stallGap time.Duration
	cancel   context.CancelCauseFunc
	frozen   chan struct{} // closed when members is fixed
	done     chan struct{} // closed after the last outcome
	judging  sync.Mutex    // held while rules judge an outcome

	mu      sync.Mutex
	members []string
	order   []named // outcomes as they arrived
	yielded int     // of order
	all     map[string]Outcome
	news    chan struct{} // closed and renewed at each outcome and at the end
	sum     Summary
	stall   *time.Timer
}

type named struct {
	name string
	Outcome
}

// Gather calls a command on several nodes, at most [AtOnce] of them at the
// same time, all within the context's deadline (the node's default timeout if
// there is none). The members are fixed at the start; each ends with exactly
// one outcome. [First], [Quorum], [StopWhen] and [StallGap] stop it early; the
// members that are not settled then end as CANCELLED, with whether their
// command may have run and a [*StoppedError] that names the rule. Gather
// returns at once.
func (n *Node) Gather(ctx context.Context, to Targets, path string, opts ...CallOption) *Gathering {
	o := collect(opts)
	ctx, release := n.bounded(ctx)
	ctx, cancel := context.WithCancelCause(ctx)
	g := &Gathering{
		rules: o.rules, stallGap: o.stallGap, cancel: cancel,
		frozen: make(chan struct{}), done: make(chan struct{}), news: make(chan struct{}), all: map[string]Outcome{},
	}
	req, err := prepare(path, o)
	if bad := to.check(); err == nil && bad != nil {
		err = badCall(bad)
	}
	if err == nil {
		g.req = req
		if n.spawn(func() { defer release(); n.runGather(ctx, g, to, o.atOnce) }) {
			return g
		}
		err = callError(commands.Unavailable, commands.ExecutedNo, commands.WhereCaller, ErrShutdown, "")
	}
	g.fail(unique(to.names), err)
	release()
	return g
}

func (n *Node) runGather(ctx context.Context, g *Gathering, to Targets, atOnce int) {
	names, err := n.freeze(ctx, to)
	if err != nil {
		g.fail(names, n.unsettled(ctx, err))
		return
	}
	g.freeze(names)
	var calls errgroup.Group // of goroutines that never fail: errors are outcomes
	calls.SetLimit(atOnce)
	for _, name := range names {
		calls.Go(func() error {
			if err := ctx.Err(); err != nil { // too late to begin, or even to dial
				g.add(name, Outcome{Err: n.unsettled(ctx, err)})
				return nil
			}
			n.callMember(ctx, g, name, g.req)
			return nil
		})
	}
	_ = calls.Wait()
	g.finish()
}

// callMember makes the call to one member, which gets its one outcome whatever
// an interceptor does: a panic, or the end of the goroutine, is INTERNAL.
func (n *Node) callMember(ctx context.Context, g *Gathering, name string, req *request) {
	o := Outcome{Err: callError(commands.Internal, commands.ExecutedMaybe, commands.WhereCaller, errInterceptorEnded, "")}
	defer func() { g.add(name, o) }()
	defer n.contain(name)
	o.Reply, o.Err = n.call(ctx, name, req)
}

// unsettled is the error of a member that was not called.
func (n *Node) unsettled(ctx context.Context, err error) error {
	c := &calling{node: n}
	return c.verdict(ctx, err)
}

// freeze fixes the members; from here on silence counts.
func (g *Gathering) freeze(names []string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.members, g.sum.Members = names, len(names)
	if g.stallGap > 0 {
		g.stall = time.AfterFunc(g.stallGap, func() { g.stop("stall gap " + g.stallGap.String()) })
	}
	close(g.frozen)
}

// add takes the outcome of a member and has the rules judge it, unless one has
// stopped the gather already.
func (g *Gathering) add(name string, o Outcome) {
	g.judging.Lock()
	defer g.judging.Unlock()
	g.mu.Lock()
	g.all[name] = o
	g.order = append(g.order, named{name, o})
	if o.Err == nil {
		g.sum.Answered++
	} else {
		g.sum.Failed++
	}
	if g.stall != nil {
		g.stall.Reset(g.stallGap)
	}
	g.wake()
	sum := g.sum
	g.mu.Unlock()
	for _, judge := range g.rules {
		if sum.Stopped != "" {
			return
		}
		sum.Stopped = judge(sum, name, o)
	}
	if sum.Stopped != "" {
		g.stop(sum.Stopped)
	}
}

// stop ends the calls under way and keeps the others from beginning.
func (g *Gathering) stop(rule string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.sum.Stopped == "" && g.sum.Answered+g.sum.Failed < g.sum.Members {
		g.sum.Stopped = rule
		g.cancel(&StoppedError{rule})
	}
}

// wake tells everyone who waits for an outcome. Callers hold mu.
func (g *Gathering) wake() {
	close(g.news)
	g.news = make(chan struct{})
}

func (g *Gathering) finish() {
	g.mu.Lock()
	if g.stall != nil {
		g.stall.Stop()
	}
	close(g.done)
	g.wake()
	g.mu.Unlock()
	g.cancel(nil)
}

// fail ends a gather that could not begin: each named member gets the error,
// and with no names the error stands under the name "".
func (g *Gathering) fail(names []string, err error) {
	g.rules, g.stallGap = nil, 0
	g.freeze(names)
	if len(names) == 0 {
		names = []string{""}
	}
	for _, name := range names {
		g.add(name, Outcome{Err: err})
	}
	g.finish()
}

// Results yields each member's outcome as it arrives and ends after the last.
// Breaking out of the loop stops the gather. An outcome is yielded once, over
// all loops together.
func (g *Gathering) Results() iter.Seq2[string, Outcome] {
	return func(yield func(string, Outcome) bool) {
		for {
			r, ok, news := g.next()
			if ok {
				if !yield(r.name, r.Outcome) {
					g.stop("the caller left the loop")
					return
				}
				continue
			}
			if news == nil {
				return
			}
			<-news
		}
	}
}

// next is the next outcome to yield; without one, news is closed when there may
// be more, and nil after the last.
func (g *Gathering) next() (r named, ok bool, news <-chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.yielded < len(g.order) {
		r = g.order[g.yielded]
		g.yielded++
		return r, true, nil
	}
	select {
	case <-g.done:
		return r, false, nil
	default:
		return r, false, g.news
	}
}

// Members waits until the members are fixed and returns their names: those that
// were named, in that order, then those found, sorted.
func (g *Gathering) Members() []string {
	<-g.frozen
	return slices.Clone(g.members)
}

// Summary counts how far the gather has come.
func (g *Gathering) Summary() Summary {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.sum
}

// All waits for the end and returns every member's outcome by name.
func (g *Gathering) All() map[string]Outcome {
	<-g.done
	return g.all
}

// Err waits for the end and joins the errors of the members that failed, each
// with the member's name. Those that were cancelled because a rule stopped the
// gather did not fail: nil means that the gather did what was asked of it.
func (g *Gathering) Err() error {
	var errs []error
	all := g.All()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		var stopped *StoppedError
		if err := all[name].Err; err != nil && !errors.As(err, &stopped) {
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
		}
	}
	return errors.Join(errs...)
}

// listTimeout bounds GetCommands when its context has no deadline.
const listTimeout = 4 * time.Second

// GetCommands lists the commands of the targets, sorted dotted paths by node,
// within 4 s when the context has no deadline. The map holds what was answered,
// the error joins what failed.
func (n *Node) GetCommands(ctx context.Context, to Targets) (map[string][]string, error) {
	if _, has := ctx.Deadline(); !has {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, listTimeout)
		defer cancel()
	}
	g := n.Gather(ctx, to, "__list_commands__")
	lists := map[string][]string{}
	var errs []error
	for name, o := range g.Results() {
		var list []string
		err := o.Err
		if err == nil {
			err = o.Reply.Decode(&list)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
			continue
		}
		lists[name] = list
	}
	return lists, errors.Join(errs...)
}
