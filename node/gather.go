package node

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/fernmesh/fernmesh/commands"
)

// Targets says whom a gather calls: [Everyone] or [Nodes].
type Targets struct {
	everyone bool
	names    []string
}

// Everyone is every other node of the network that is known when the gather
// starts, each once, never the caller itself.
var Everyone = Targets{everyone: true}

// Nodes is a list of nodes by name; a name given twice is called once.
func Nodes(names ...string) Targets { return Targets{names: names} }

// Outcome is how one member of a gather ended: with a reply or with an error.
type Outcome struct {
	Reply *Reply
	Err   error
}

// Gathering is a gather under way: one outcome per member, as they arrive. It
// is safe for concurrent use.
type Gathering struct {
	cancel  context.CancelFunc
	arrived chan named

	mu   sync.Mutex
	all  map[string]Outcome
	done chan struct{}
}

type named struct {
	name string
	Outcome
}

// Gather calls a command on several nodes, at most [AtOnce] of them at the
// same time, all within the context's deadline (the node's default timeout if
// there is none). The members are fixed at the start; each ends with exactly
// one outcome. Gather returns at once.
func (n *Node) Gather(ctx context.Context, to Targets, path string, opts ...CallOption) *Gathering {
	o := collect(opts)
	ctx, cancel := n.bounded(ctx)
	g := &Gathering{cancel: cancel, all: map[string]Outcome{}, done: make(chan struct{})}
	req, err := prepare(path, o)
	names := to.names
	if to.everyone && err == nil {
		names, err = n.everyone(ctx)
	}
	names = unique(names)
	g.arrived = make(chan named, len(names)+1)
	if err != nil {
		g.fail(names, err)
		return g
	}
	if !n.spawn(func() { n.runGather(ctx, g, names, req, o.atOnce) }) {
		g.fail(names, callError(commands.Unavailable, commands.ExecutedNo, commands.WhereCaller, ErrShutdown, ""))
	}
	return g
}

// everyone waits until discovery had its first round, then names the members.
func (n *Node) everyone(ctx context.Context) ([]string, error) {
	if err := n.Settle(ctx); err != nil {
		return nil, err
	}
	return n.roster.names(), nil
}

func (n *Node) runGather(ctx context.Context, g *Gathering, names []string, req *request, atOnce int) {
	var calls errgroup.Group // of goroutines that never fail: errors are outcomes
	calls.SetLimit(atOnce)
	for _, name := range names {
		calls.Go(func() error {
			n.callMember(ctx, g, name, req)
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

func (g *Gathering) add(name string, o Outcome) {
	g.mu.Lock()
	g.all[name] = o
	g.mu.Unlock()
	g.arrived <- named{name, o}
}

func (g *Gathering) finish() {
	close(g.arrived)
	close(g.done)
	g.cancel()
}

// fail ends a gather that could not begin: each named member gets the error,
// and with no names the error stands under the name "".
func (g *Gathering) fail(names []string, err error) {
	if len(names) == 0 {
		names = []string{""}
	}
	for _, name := range names {
		g.add(name, Outcome{Err: err})
	}
	g.finish()
}

// Results yields each member's outcome as it arrives and ends after the last.
// Breaking out of the loop cancels the calls that are still running. An
// outcome is yielded once, over all loops together.
func (g *Gathering) Results() iter.Seq2[string, Outcome] {
	return func(yield func(string, Outcome) bool) {
		for r := range g.arrived {
			if !yield(r.name, r.Outcome) {
				g.cancel()
				return
			}
		}
	}
}

// All waits for the end and returns every member's outcome by name.
func (g *Gathering) All() map[string]Outcome {
	<-g.done
	return g.all
}

// Err waits for the end and joins the errors of all members that failed, each
// with the member's name; nil means that every member answered.
func (g *Gathering) Err() error {
	var errs []error
	all := g.All()
	names := make([]string, 0, len(all))
	for name := range all {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if err := all[name].Err; err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
		}
	}
	return errors.Join(errs...)
}

func unique(names []string) []string {
	seen := make(map[string]bool, len(names))
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		dup := seen[name]
		seen[name] = true
		return dup
	})
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
