package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fernmesh/fernmesh/commands"
)

// HealthStatus is what a node says of itself as a whole.
type HealthStatus string

// The three states. In terms of gRPC's health protocol, HealthOK is SERVING and
// the others are NOT_SERVING.
const (
	// HealthOK: the node takes calls and all its checks passed; it may have none.
	HealthOK HealthStatus = "ok"
	// HealthFailing: the node takes calls, but a check failed.
	HealthFailing HealthStatus = "failing"
	// HealthDraining: the node is shutting down and takes no new calls. Others
	// get UNAVAILABLE from it; only the node itself can see this state.
	HealthDraining HealthStatus = "draining"
)

// Health is how a node is, as __health__ returns it.
type Health struct {
	Status HealthStatus           `json:"status"`
	Checks map[string]CheckResult `json:"checks" jsonschema:"the checks of the application, by name"`
	// Time is when the checks were done, at most Timers.HealthFresh before they
	// were asked for.
	Time time.Time `json:"time" jsonschema:"when the checks were done"`
}

// CheckResult is how one check ended.
type CheckResult struct {
	OK    bool    `json:"ok"`
	Error string  `json:"error,omitempty" jsonschema:"why it failed"`
	MS    float64 `json:"ms" jsonschema:"how long it took, in milliseconds"`
}

// AddHealthCheck adds a check to those that decide about [Node.Health] and
// __health__: nil means well, an error why not, in words that any caller may
// read (the first 200 bytes). The name has the form of a command path, "disk"
// or "database.primary".
//
// Checks run when somebody asks, all at once, each at most once at a time and
// not again before Timers.HealthFresh (1 s) is over. One that takes longer than
// Timers.HealthCheck (2 s), panics, or ends its goroutine has failed. The
// context ends with that time, and when the node shuts down; Shutdown waits
// for a check that does not heed it.
//
// Refused, with an *[commands.Error] of the code in brackets, are a name of
// another form or a nil check (INVALID_ARGUMENT), a second check of a name
// (ALREADY_EXISTS), and more than Limits.HealthChecks (RESOURCE_EXHAUSTED).
func (n *Node) AddHealthCheck(name string, check func(ctx context.Context) error) error {
	if _, err := commands.ParsePath(name); err != nil {
		return commands.Errorf(commands.InvalidArgument, "health check %.100q: %w", name, err)
	}
	if check == nil {
		return commands.Errorf(commands.InvalidArgument, "health check %q: the function is nil", name)
	}
	h := n.checks
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.all[name] != nil:
		return commands.Errorf(commands.AlreadyExists, "health check %q is there already", name)
	case len(h.all) >= n.cfg.Limits.HealthChecks:
		return commands.Errorf(commands.ResourceExhausted, "health check %q: there are %d already, the most that Limits.HealthChecks allows", name, len(h.all))
	}
	h.all[name] = &healthCheck{name: name, run: check}
	h.latest = nil // who asks next gets an answer with this check in it
	return nil
}

// Health asks the node's checks how it is, or returns what they said less than
// Timers.HealthFresh ago. It takes at most Timers.HealthCheck; its only error
// is that of ctx, if that ends before.
func (n *Node) Health(ctx context.Context) (Health, error) {
	round := n.healthRound()
	select {
	case <-round.done:
	case <-ctx.Done():
		return Health{}, ctx.Err()
	}
	h := Health{Status: HealthOK, Checks: make(map[string]CheckResult, len(round.results)), Time: round.ended}
	for name, r := range round.results {
		h.Checks[name] = r
		if !r.OK {
			h.Status = HealthFailing
		}
	}
	if errors.Is(n.usable(), ErrShutdown) {
		h.Status = HealthDraining
	}
	return h, nil
}

// healthChecks are a node's checks and their latest round.
type healthChecks struct {
	mu     sync.Mutex
	all    map[string]*healthCheck
	latest *healthRound
}

func newHealthChecks() *healthChecks { return &healthChecks{all: map[string]*healthCheck{}} }

type healthCheck struct {
	name string
	run  func(context.Context) error
	busy atomic.Bool
}

// healthRound is one run of all checks. ended and results are set once done is
// closed, and never changed after.
type healthRound struct {
	done    chan struct{}
	ended   time.Time
	results map[string]CheckResult
}

// fresh reports whether the round can answer somebody who asks now.
func (r *healthRound) fresh(good time.Duration) bool {
	select {
	case <-r.done:
		return time.Since(r.ended) < good
	default:
		return true
	}
}

// healthRound returns the latest round, or a new one if that is too old.
func (n *Node) healthRound() *healthRound {
	h := n.checks
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.latest != nil && h.latest.fresh(n.cfg.Timers.HealthFresh) {
		return h.latest
	}
	checks := make([]*healthCheck, 0, len(h.all))
	for _, c := range h.all {
		checks = append(checks, c)
	}
	round := &healthRound{done: make(chan struct{}), results: make(map[string]CheckResult, len(checks))}
	if !n.spawn(func() { n.runChecks(round, checks) }) { // shutting down: nothing runs any more
		round.end()
	}
	h.latest = round
	return round
}

func (r *healthRound) end() {
	r.ended = time.Now().UTC()
	close(r.done)
}

// checked is how a check of a round ended.
type checked struct {
	name string
	CheckResult
}

// runChecks runs all checks at once and ends the round when the last has ended
// or its time is up.
func (n *Node) runChecks(round *healthRound, checks []*healthCheck) {
	defer round.end()
	ctx, cancel := context.WithTimeout(n.ctx, n.cfg.Timers.HealthCheck)
	defer cancel()
	start := time.Now()
	results := make(chan checked, len(checks)) // nobody who is late waits for a reader
	for _, c := range checks {
		switch {
		case !c.busy.CompareAndSwap(false, true):
			results <- checked{c.name, CheckResult{Error: "an earlier run of this check has not ended yet"}}
		case !n.spawn(func() { n.runCheck(ctx, c, results) }):
			results <- checked{c.name, CheckResult{Error: ErrShutdown.Error()}}
		}
	}
	for range checks {
		select {
		case r := <-results:
			round.results[r.name] = r.CheckResult
			continue
		case <-ctx.Done():
		}
		break
	}
	for _, c := range checks {
		if _, ended := round.results[c.name]; !ended {
			round.results[c.name] = CheckResult{Error: n.lateCheck(), MS: sinceMS(start)}
		}
	}
}

// lateCheck says why a check without a result has failed.
func (n *Node) lateCheck() string {
	if n.ctx.Err() != nil {
		return ErrShutdown.Error()
	}
	return fmt.Sprintf("did not end within %v", n.cfg.Timers.HealthCheck)
}

// runCheck runs one check, whatever it does.
func (n *Node) runCheck(ctx context.Context, c *healthCheck, results chan<- checked) {
	start := time.Now()
	failure, returned := "", false
	defer func() {
		cause := recover() // nothing after runtime.Goexit
		if !returned {
			failure = "the check panicked"
			n.cfg.Logger.Error("health check panicked", slog.String("check", c.name),
				slog.String("panic", fmt.Sprint(cause)), slog.String("stack", string(debug.Stack())))
		}
		c.busy.Store(false)
		results <- checked{c.name, CheckResult{OK: failure == "", Error: failure, MS: sinceMS(start)}}
	}()
	if err := c.run(ctx); err != nil {
		failure = n.checkFailure(ctx, err)
	}
	returned = true
}

// checkFailure is the text of a check's error.
func (n *Node) checkFailure(ctx context.Context, err error) string {
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return n.lateCheck()
	}
	if text := cut(err.Error(), maxErrorText); text != "" {
		return text
	}
	return "failed without saying why"
}

// sinceMS is a time in milliseconds, to the microsecond.
func sinceMS(start time.Time) float64 { return milliseconds(time.Since(start)) }

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
