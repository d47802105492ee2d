package policy

import (
	"container/list"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/crypto"
)

// DefaultRemembered is how many callers, under one rule each, a [Guard]
// remembers unless told otherwise.
const DefaultRemembered = 16384

// busyAgain is after what time a caller that has too many calls running may
// try again.
const busyAgain = 100 * time.Millisecond

// Guard holds a policy in force together with what callers have used up of
// their rates, and what they have running. It may be used from several
// goroutines.
type Guard struct {
	force atomic.Pointer[inForce]
	most  int

	mu         sync.Mutex // of all usages, and held while another policy comes into force
	idle       *list.List // of *usage with nothing running, the last to become so in front
	remembered int        // usages of the rules in force

	denied, limited, forgotten atomic.Uint64
}

// inForce is a policy with the usages of its rules, by rule.index; nil for
// rules that limit nothing.
type inForce struct {
	policy *Policy
	rules  []*ruleUse
}

// ruleUse is who used one rule.
type ruleUse struct {
	text    string
	callers map[callerID]*usage
	dropped bool // no longer in force; calls that run may still end
}

// callerID is to whom a limit applies: the key that was proved, else the name.
type callerID struct {
	key  crypto.NodeKey
	name string
}

// usage is what one caller has used of one rule.
type usage struct {
	of      *ruleUse
	id      callerID
	bucket  *rate.Limiter // nil without a rate
	running int
	place   *list.Element // in Guard.idle; nil while anything runs
}

// GuardStats counts what a Guard refused. Counters only grow.
type GuardStats struct {
	Denied     uint64 // calls that a rule, the default or a missing right refused
	Limited    uint64 // calls beyond the rate or concurrency of a rule
	Forgotten  uint64 // callers forgotten to make room for others; their rate begins anew
	Remembered int    // callers remembered now, under one rule each
}

// NewGuard returns a Guard with p in force; nil allows everything. It remembers
// so many callers at once, 0 meaning [DefaultRemembered]. When one more comes,
// the one that was idle longest is forgotten; if all have calls running, the
// new one is refused.
func NewGuard(p *Policy, remembered int) *Guard {
	if remembered <= 0 {
		remembered = DefaultRemembered
	}
	g := &Guard{most: remembered, idle: list.New()}
	g.force.Store(&inForce{policy: p})
	g.Replace(p)
	return g
}

// Policy returns the policy in force.
func (g *Guard) Policy() *Policy { return g.force.Load().policy }

// Replace puts another policy in force, for calls that come from now on. Rules
// of the same text keep what their callers have used up.
func (g *Guard) Replace(p *Policy) {
	g.mu.Lock()
	defer g.mu.Unlock()
	kept := map[string]*ruleUse{}
	for _, u := range g.force.Load().rules {
		if u != nil {
			kept[u.text] = u
		}
	}
	next := &inForce{policy: p}
	if p != nil {
		next.rules = make([]*ruleUse, len(p.rules))
		for i, r := range p.rules {
			if !r.limited() {
				continue
			}
			next.rules[i] = kept[r.text]
			delete(kept, r.text)
			if next.rules[i] == nil {
				next.rules[i] = &ruleUse{text: r.text, callers: map[callerID]*usage{}}
			}
		}
	}
	for _, u := range kept {
		g.drop(u)
	}
	g.force.Store(next)
}

// drop forgets who used a rule that is no longer in force. The caller holds mu.
func (g *Guard) drop(of *ruleUse) {
	of.dropped = true
	g.remembered -= len(of.callers)
	for _, u := range of.callers {
		if u.place != nil {
			g.idle.Remove(u.place)
		}
	}
}

// Stats reads the counters.
func (g *Guard) Stats() GuardStats {
	g.mu.Lock()
	defer g.mu.Unlock()
	return GuardStats{
		Denied: g.denied.Load(), Limited: g.limited.Load(), Forgotten: g.forgotten.Load(), Remembered: g.remembered,
	}
}

// Admit lets a call pass, or says why not. path must be the parsed path that
// will be called, and rights those that its command requires. Who passes must
// call release, once, when the call has ended.
//
// The error, executed no, where queue, names the rule in its message and in
// Details["rule"]: PERMISSION_DENIED when a rule, the default or a missing right
// (Details["right"]) is against it, RESOURCE_EXHAUSTED with RetryAfter when the
// rule's rate or concurrency is used up.
func (g *Guard) Admit(caller commands.Caller, path commands.Path, rights ...string) (release func(), err *commands.Error) {
	for {
		force := g.force.Load()
		r, err := force.judge(&caller, path, rights)
		if err != nil {
			g.denied.Add(1)
			return nil, err
		}
		if r == nil || !r.limited() {
			return func() {}, nil
		}
		u, err, stale := g.take(force, r, identify(&caller), path)
		switch {
		case stale: // another policy came into force meanwhile
		case err != nil:
			g.limited.Add(1)
			return nil, err
		default:
			return func() { g.release(u) }, nil
		}
	}
}

// take uses up one call of a rule's limits.
func (g *Guard) take(force *inForce, r *rule, id callerID, path commands.Path) (u *usage, err *commands.Error, stale bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.force.Load() != force {
		return nil, nil, true
	}
	if u = g.usage(force.rules[r.index], r, id); u == nil {
		return nil, crowded(r, path), false
	}
	if err := u.over(r, path); err != nil {
		return nil, err, false
	}
	if u.bucket != nil {
		u.bucket.Allow() // over has just seen a token
	}
	if u.running++; u.running == 1 {
		g.idle.Remove(u.place)
		u.place = nil
	}
	return u, nil, false
}

// release ends a call.
func (g *Guard) release(u *usage) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if u.running--; u.running == 0 && !u.of.dropped {
		u.place = g.idle.PushFront(u)
	}
}

// Check says what Admit would, without using anything up or counting.
func (g *Guard) Check(caller commands.Caller, path commands.Path, rights ...string) (Decision, *commands.Error) {
	force := g.force.Load()
	r, err := force.judge(&caller, path, rights)
	decision := Decision{Allowed: true, Rule: byDefault, Reason: "there is no policy"}
	if force.policy != nil {
		decision = force.policy.decision(r)
	}
	if err != nil || r == nil || !r.limited() {
		return decision, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if u := force.rules[r.index].callers[identify(&caller)]; u != nil {
		return decision, u.over(r, path)
	}
	return decision, nil
}

// judge decides by the rules and rights alone. The rule is nil if it was the
// default.
func (f *inForce) judge(caller *commands.Caller, path commands.Path, rights []string) (*rule, *commands.Error) {
	if f.policy == nil {
		return nil, nil
	}
	r := f.policy.find(caller, path)
	allowed := f.policy.fallback
	if r != nil {
		allowed = r.allow
	}
	if !allowed {
		return r, refusal(commands.PermissionDenied, r, "%q is denied to this caller", path)
	}
	for _, right := range rights {
		if _, ok := f.policy.Granted(*caller, right); !ok {
			e := refusal(commands.PermissionDenied, r, "%q needs the right %s, which is not granted to this caller", path, right)
			e.Details["right"] = right
			return r, e
		}
	}
	return r, nil
}

// usage finds or makes the memory of a caller under a rule; nil means that
// there is no room. The caller holds mu.
func (g *Guard) usage(of *ruleUse, r *rule, id callerID) *usage {
	if u := of.callers[id]; u != nil {
		return u
	}
	if g.remembered >= g.most && !g.forget() {
		return nil
	}
	u := &usage{of: of, id: id}
	if r.rate > 0 {
		u.bucket = rate.NewLimiter(rate.Limit(r.rate), r.burst)
	}
	of.callers[id] = u
	g.remembered++
	u.place = g.idle.PushFront(u)
	return u
}

// forget makes room for a caller. The caller holds mu.
func (g *Guard) forget() bool {
	e := g.idle.Back()
	if e == nil {
		return false
	}
	u := e.Value.(*usage)
	g.idle.Remove(e)
	delete(u.of.callers, u.id)
	g.remembered--
	g.forgotten.Add(1)
	return true
}

// identify says to whom the limits apply.
func identify(c *commands.Caller) callerID {
	if c.Verified {
		return callerID{key: c.Key}
	}
	return callerID{name: c.Name}
}

// over says whether one more call is too many; nothing is used up.
func (u *usage) over(r *rule, path commands.Path) *commands.Error {
	if r.concurrency > 0 && u.running >= r.concurrency {
		e := refusal(commands.ResourceExhausted, r, "this caller has %d calls of %q running, the most there may be", u.running, path)
		e.RetryAfter = busyAgain
		return e
	}
	if u.bucket == nil {
		return nil
	}
	tokens := u.bucket.TokensAt(time.Now())
	if tokens >= 1 {
		return nil
	}
	wait := time.Duration((1 - tokens) / r.rate * float64(time.Second))
	e := refusal(commands.ResourceExhausted, r, "this caller calls %q too often", path)
	e.RetryAfter = wait.Truncate(time.Millisecond) + time.Millisecond // rounded up: what is sent are milliseconds
	return e
}

// crowded is for a caller that cannot be remembered.
func crowded(r *rule, path commands.Path) *commands.Error {
	e := refusal(commands.ResourceExhausted, r, "%q has too many callers at once", path)
	e.RetryAfter = busyAgain
	return e
}

// refusal is the outcome of a call that does not pass because of a rule, or of
// the default if that is nil.
func refusal(code commands.Code, r *rule, format string, args ...any) *commands.Error {
	by, label := "the default", byDefault
	if r != nil {
		label = r.label()
		by = "rule " + label
		if r.name == "" {
			by = "the rule in " + label
		}
	}
	return &commands.Error{
		Code: code, Message: fmt.Sprintf(format, args...) + " (" + by + " of the node's policy)",
		Executed: commands.ExecutedNo, Where: commands.WhereQueue, Details: map[string]any{"rule": label},
	}
}
