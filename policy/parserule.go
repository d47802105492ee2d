package policy

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/internal/wire"
)

// The most that a limit of a rule may be.
const (
	maxRate  = 1e6 // calls a second
	maxCount = 1e6 // burst and concurrency
)

// rule reads "NAME: allow CALLERS on PATHS rate=… burst=… concurrency=…".
func (p *parser) rule(name string, named bool, all []string) {
	if named && !p.ruleName(name) || p.full(len(p.policy.rules)) {
		return
	}
	on := slices.Index(all, "on")
	if on < 2 || on == len(all)-1 {
		p.wrong(`write "`+all[0]+` CALLERS on PATHS", for instance "allow group:ops on lights.**"`, `a rule is callers, "on" and paths`)
		return
	}
	r := &rule{
		index: len(p.policy.rules), name: name, line: p.line, text: strings.Join(all, " "), allow: all[0] == "allow",
	}
	if !named {
		r.name = ""
	}
	r.callers = p.callers(all[1:on], true)
	p.reach(r, all[on+1:])
	p.policy.rules = append(p.policy.rules, r)
}

// ruleName notes what is wrong with the name of a rule.
func (p *parser) ruleName(name string) bool {
	if !p.goodName("a rule", name) {
		return false
	}
	if name == byDefault {
		p.wrong("choose another name", "no rule may have the name default")
		return false
	}
	if slices.ContainsFunc(p.policy.rules, func(r *rule) bool { return r.name == name }) {
		p.wrong("choose another name", "the rule %s is there twice", name)
		return false
	}
	return true
}

// goodName notes a name that is not usable for a rule, group or right.
func (p *parser) goodName(what, name string) bool {
	if commands.ValidRight(name) {
		return true
	}
	p.wrong("choose a short word", "the name of %s is made of up to 32 letters, digits and . _ -", what)
	return false
}

// reach reads the paths and limits of a rule.
func (p *parser) reach(r *rule, all []string) {
	var given []string
	for _, word := range all {
		key, value, limit := strings.Cut(word, "=")
		if limit && !strings.Contains(key, `"`) {
			if slices.Contains(given, key) {
				p.wrong("leave one of the two", "a limit is there twice")
			}
			given = append(given, key)
			p.limit(r, key, value)
			continue
		}
		if q, ok := p.pattern(word); ok {
			r.paths = append(r.paths, q)
		}
	}
	switch {
	case len(given) == len(all):
		p.wrong(`name paths after "on"; ** is all of them`, "the rule has no path")
	case len(given) > 0 && !r.allow:
		p.wrong("leave the limits, or write allow", "a rule that denies has no limits")
	case r.burst > 0 && r.rate == 0:
		p.wrong("add rate=…", "a burst needs a rate")
	}
	if r.rate > 0 && r.burst == 0 {
		r.burst = max(1, int(math.Ceil(r.rate)))
	}
}

// limit reads one limit of a rule.
func (p *parser) limit(r *rule, key, value string) {
	count, err := strconv.Atoi(value)
	inRange := err == nil && count >= 1 && count <= maxCount
	switch key {
	case "rate":
		r.rate = p.rate(value)
		return
	case "burst":
		r.burst = count
	case "concurrency":
		r.concurrency = count
	default:
		p.wrong("the limits are rate=5/s, burst=10 and concurrency=2; quotes enclose a path with = in it", "a limit is not known")
		return
	}
	if !inRange {
		p.wrong("write "+key+"=10, for instance", "%s is a whole number from 1 to 1000000", key)
	}
}

// rate reads "5/s", in calls a second.
func (p *parser) rate(value string) float64 {
	text, unit, _ := strings.Cut(value, "/")
	seconds := map[string]float64{"s": 1, "m": 60, "h": 3600}[unit]
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || seconds == 0 || !(n > 0 && n/seconds <= maxRate && n/seconds >= 1e-6) {
		p.wrong("write rate=5/s, rate=30/m or rate=100/h, for instance", "rate is a number above zero and /s, /m or /h, of at most 1000000 a second")
		return 1
	}
	return n / seconds
}

// callers reads a list of callers.
func (p *parser) callers(all []string, groups bool) (s callers) {
	for _, word := range all {
		kind, text, _ := strings.Cut(word, ":")
		switch {
		case word == "*":
			s.everybody = true
		case word == "observers":
			s.observers = true
		case kind == "key":
			p.key(&s, text)
		case kind == "name":
			p.name(&s, text)
		case kind == "group" && groups:
			p.member(&s, text)
		case kind == "group":
			p.wrong("name the members themselves", "a group holds no other group")
		default:
			p.wrong(`callers are *, observers, key:node:…, name:NAME and group:NAME`, "a caller is not written in a form that is known")
		}
	}
	return s
}

func (p *parser) key(s *callers, text string) {
	key, err := crypto.ParseNodeKey(text)
	if err != nil {
		p.wrong(`"fernmesh peers" shows the keys of nodes; write key: in front of them`, `after key: comes an identity key: "node:" and 52 characters`)
		return
	}
	if s.keys == nil {
		s.keys = map[crypto.NodeKey]struct{}{}
	}
	s.keys[key] = struct{}{}
}

func (p *parser) name(s *callers, text string) {
	name, _, err := unquote(text)
	if err == nil {
		err = wire.CheckName("name", name)
	}
	if err != nil {
		p.wrong(`write name:kitchen or name:"living room"`, "%v", err)
		return
	}
	if s.names == nil {
		s.names = map[string]struct{}{}
	}
	s.names[name] = struct{}{}
}

func (p *parser) member(s *callers, name string) {
	g := p.groupNamed(name)
	if g == nil {
		p.wrong(`define it further up: "group NAME = …"`, "a group is not defined")
		return
	}
	g.used = true
	if !slices.Contains(s.groups, g) {
		s.groups = append(s.groups, g)
	}
}

// pattern reads a path with its wildcards.
func (p *parser) pattern(word string) (q pattern, ok bool) {
	var plain []string // with a letter in place of each wildcard, to check the form
	parts := atDots(word)
	for i, part := range parts {
		text, quoted, err := unquote(part)
		switch {
		case err != nil:
			p.wrong(`write shelf."my box".take, for instance`, "%v", err)
			return q, false
		case !quoted && text == "**" && i == len(parts)-1:
			q.deep = true
			plain = append(plain, "x")
			continue
		case !quoted && text == "*":
			q.segments, plain = append(q.segments, segment{any: true}), append(plain, "x")
			continue
		case !quoted && text == "**":
			p.wrong("write * for one segment", "** stands at the end of a path only")
			return q, false
		case !quoted && strings.Contains(text, "*"):
			p.wrong("let it stand alone between dots; quotes make it an ordinary character", "a star is not a part of a segment")
			return q, false
		}
		plain = append(plain, text)
		for s := range strings.SplitSeq(text, ".") {
			q.segments = append(q.segments, segment{text: s})
		}
	}
	if _, err := commands.ParsePath(strings.Join(plain, ".")); err != nil {
		_, reason, _ := strings.Cut(err.(*commands.Error).Message, `": `)
		p.wrong("write names with dots between them, as in lights.kitchen.set", "a path is not usable: %s", reason)
		return q, false
	}
	return q, true
}
