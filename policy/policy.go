package policy

import (
	"fmt"
	"io"
	"os"

	"github.com/fernmesh/fernmesh/commands"
)

// The limits of a policy file. What is beyond is an error of [Parse].
const (
	MaxFile  = 1 << 20 // bytes
	MaxRules = 1024    // rules, groups and grants, each
)

// Policy is a set of rules. It never changes, so it may be used from several
// goroutines.
type Policy struct {
	rules    []*rule
	grants   []*grant
	groups   []*group
	fallback bool // what is allowed without a rule
	stated   bool // the file says so
}

// rule is one line that allows or denies.
type rule struct {
	index       int
	name        string // "" = none
	line        int
	text        string // the line without name and comment
	allow       bool
	callers     callers
	paths       []pattern
	rate        float64 // calls a second; 0 = no limit
	burst       int
	concurrency int // 0 = no limit
}

// grant is one line that grants.
type grant struct {
	line    int
	text    string
	rights  []string
	callers callers
}

// Decision is what a policy says about one caller and one path.
type Decision struct {
	Allowed bool
	// Rule is the name of the rule that decided, "line 3" for one without, or
	// "default" if none fits.
	Rule string
	// Reason is the text of that rule, for people.
	Reason string
	// Rate, in calls a second, and Burst bound the calls of this caller under
	// the rule, Concurrency those that run at the same time. 0 = no limit.
	Rate        float64
	Burst       int
	Concurrency int
}

// byDefault is the Rule of a decision that no rule made.
const byDefault = "default"

// Load reads the policy in a file: the error is that of [Parse], or says why
// the file cannot be read. It must be a regular file.
func Load(file string) (*Policy, error) {
	data, err := ReadFile(file)
	if err != nil {
		return nil, err
	}
	return Parse(data)
}

// ReadFile returns the text of a policy file as [Load] reads it, for those who
// watch one: of a file larger than [MaxFile] one byte more than that. It looks
// before it opens, since opening a named pipe waits for its writer.
func ReadFile(file string) ([]byte, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", file)
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, MaxFile+1))
}

// Decide says whether caller may call path, by the rules alone: what was used
// up of a rate is known to a [Guard] only, and rights are asked for by
// [Policy.Granted]. A nil Policy allows everything.
func (p *Policy) Decide(caller commands.Caller, path commands.Path) Decision {
	if p == nil {
		return Decision{Allowed: true, Rule: byDefault, Reason: "there is no policy"}
	}
	return p.decision(p.find(&caller, path))
}

// find returns the first rule that fits, or nil.
func (p *Policy) find(caller *commands.Caller, path commands.Path) *rule {
	for _, r := range p.rules {
		if r.reaches(path) && r.callers.include(caller) {
			return r
		}
	}
	return nil
}

// reaches tells whether the rule is about path.
func (r *rule) reaches(path commands.Path) bool {
	for i := range r.paths {
		if r.paths[i].fits(path.String()) {
			return true
		}
	}
	return false
}

// decision is what r says, or the default if r is nil.
func (p *Policy) decision(r *rule) Decision {
	if r == nil {
		reason := "no rule fits, and the default is deny"
		if p.fallback {
			reason = "no rule fits, and the default is allow"
		}
		return Decision{Allowed: p.fallback, Rule: byDefault, Reason: reason}
	}
	return Decision{
		Allowed: r.allow, Rule: r.label(), Reason: r.text,
		Rate: r.rate, Burst: r.burst, Concurrency: r.concurrency,
	}
}

// label is by what the rule is called.
func (r *rule) label() string {
	if r.name != "" {
		return r.name
	}
	return fmt.Sprintf("line %d", r.line)
}

// limited tells whether the rule bounds its callers.
func (r *rule) limited() bool { return r.rate > 0 || r.concurrency > 0 }

// Granted says whether caller has a right, and the line of the grant that gives
// it, "line 7". A nil Policy grants every right.
func (p *Policy) Granted(caller commands.Caller, right string) (by string, ok bool) {
	if p == nil {
		return byDefault, true
	}
	for _, g := range p.grants {
		if g.gives(right) && g.callers.include(&caller) {
			return fmt.Sprintf("line %d", g.line), true
		}
	}
	return "", false
}

func (g *grant) gives(right string) bool {
	for _, r := range g.rights {
		if r == right {
			return true
		}
	}
	return false
}

// Len returns the number of rules, grants and groups not counted.
func (p *Policy) Len() int { return len(p.rules) }
