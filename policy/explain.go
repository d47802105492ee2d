package policy

import (
	"errors"
	"strings"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/internal/wire"
)

// Explanation is a decision with what led to it.
type Explanation struct {
	Decision
	Line   int      // of the rule that decided; 0 = the default
	Passed []Passed // the rules that were asked before it, in their order
	Rights []string // that are granted to the caller, in the order of the file
}

// Passed is a rule that does not fit.
type Passed struct {
	Rule, Text string // as in [Decision]: its name or line, and its text
	Line       int
	Why        string // "another caller", "another path" or both
}

// Explain is [Policy.Decide] with its reasons.
func (p *Policy) Explain(caller commands.Caller, path commands.Path) Explanation {
	x := Explanation{Decision: p.Decide(caller, path)}
	if p == nil {
		return x
	}
	for _, r := range p.rules {
		who, what := r.callers.include(&caller), r.reaches(path)
		if who && what {
			x.Line = r.line
			break
		}
		why := "another caller"
		switch {
		case who:
			why = "another path"
		case !what:
			why = "another caller, another path"
		}
		x.Passed = append(x.Passed, Passed{r.label(), r.text, r.line, why})
	}
	seen := map[string]bool{}
	for _, g := range p.grants {
		if !g.callers.include(&caller) {
			continue
		}
		for _, right := range g.rights {
			if !seen[right] {
				x.Rights = append(x.Rights, right)
			}
			seen[right] = true
		}
	}
	return x
}

// ParseCaller reads whom to ask about: "name:kitchen", "key:node:…", both with
// a space between them, or "observer", which may have a key too. A single word
// without a colon is a name. The key counts as proved.
func ParseCaller(text string) (commands.Caller, error) {
	var c commands.Caller
	all, err := words(text)
	if err != nil {
		return c, err
	}
	if len(all) == 0 {
		return c, errors.New("the caller is empty")
	}
	if len(all) == 1 && all[0] != "observer" && all[0] != "*" && !strings.Contains(all[0], ":") {
		all[0] = "name:" + all[0]
	}
	for _, word := range all {
		kind, value, _ := strings.Cut(word, ":")
		switch {
		case word == "observer":
			c.Observer = true
		case kind == "name":
			if c.Name, _, err = unquote(value); err == nil {
				err = wire.CheckName("name", c.Name)
			}
		case kind == "key":
			c.Verified = true
			if c.Key, err = crypto.ParseNodeKey(value); err != nil {
				err = errors.New(`after key: comes an identity key: "node:" and 52 characters`)
			}
		default:
			err = errors.New("a caller is name:NAME, key:node:… or observer")
		}
		if err != nil {
			return commands.Caller{}, err
		}
	}
	if c.Observer && c.Name != "" {
		return commands.Caller{}, errors.New("an observer has no name")
	}
	return c, nil
}
