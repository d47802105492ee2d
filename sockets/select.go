package sockets

import (
	"fmt"
	"net/netip"
	"path"
	"strings"
	"unicode"
)

// Rules is a choice of interfaces, made of rules by [ParseRules]. The zero
// Rules chooses what no rule chooses: every interface that is up. Rules are
// immutable.
//
// A rule is the name of an interface ("eth0"), a glob of names ("eth*", "en?",
// "wl[ap]*", as in package path), "lo" for the loopback interface whatever its
// name is, or a network ("192.168.0.0/16", "fe80::/10", one address). With a
// "!" before it, it excludes what it matches.
//
// Rules choose addresses: one is chosen if a rule without "!" matches its
// interface's name or contains it, and no rule with "!" does. Without any rule
// that includes, every address is included. So "192.168.0.0/16" leaves out the
// other addresses of the same interface, its IPv6 ones too. The order of rules
// does not matter.
type Rules struct{ list []rule }

// rule is one parsed rule.
type rule struct {
	text    string
	exclude bool
	net     netip.Prefix // valid: a network; else glob
	glob    string
}

// ParseRules checks a list of interface rules and makes it ready for use. An
// error names the rule and says what is wrong with it. A rule that matches no
// interface of this machine is no error, since interfaces come and go; see
// [Rules.Unmatched].
func ParseRules(rules []string) (Rules, error) {
	var r Rules
	for _, text := range rules {
		one, err := parseRule(text)
		if err != nil {
			return Rules{}, fmt.Errorf("interface rule %q: %w", text, err)
		}
		r.list = append(r.list, one)
	}
	return r, nil
}

func parseRule(text string) (rule, error) {
	pattern, exclude := strings.CutPrefix(text, "!")
	r := rule{text: text, exclude: exclude, glob: pattern}
	switch {
	case pattern == "":
		return r, fmt.Errorf("it is empty; give a name such as eth0 or a network such as 192.168.0.0/16")
	case strings.HasPrefix(pattern, "!"):
		return r, fmt.Errorf("one ! is enough")
	case strings.TrimSpace(pattern) != pattern || strings.ContainsFunc(pattern, unicode.IsControl):
		return r, fmt.Errorf("it has spaces around it or control characters in it")
	}
	if a, err := netip.ParseAddr(pattern); err == nil && a.Zone() == "" {
		r.net = netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen())
		return r, nil
	}
	if strings.Contains(pattern, "/") {
		p, err := netip.ParsePrefix(pattern)
		if err != nil || p.Addr().Is4In6() {
			return r, fmt.Errorf("it is no network; one looks like 192.168.0.0/16 or fd00:1::/64")
		}
		r.net = p.Masked()
		return r, nil
	}
	if _, err := path.Match(pattern, ""); err != nil {
		return r, fmt.Errorf("it is no glob: a [ is not closed, or a \\ ends it")
	}
	return r, nil
}

// Select returns, in the order of all, the interfaces that are up and have a
// chosen address, each with its chosen addresses only.
func (r Rules) Select(all []Interface) []Interface {
	var chosen []Interface
	for _, i := range all {
		var own []netip.Prefix
		for _, p := range i.Prefixes {
			if i.Up && r.chooses(i, p.Addr()) {
				own = append(own, p)
			}
		}
		if len(own) > 0 {
			i.Prefixes = own
			chosen = append(chosen, i)
		}
	}
	return chosen
}

// chooses tells whether the rules choose an address of an interface.
func (r Rules) chooses(i Interface, a netip.Addr) bool {
	included, selective := false, false
	for _, one := range r.list {
		selective = selective || !one.exclude
		if one.matches(i, a) {
			if one.exclude {
				return false
			}
			included = true
		}
	}
	return included || !selective
}

func (r rule) matches(i Interface, a netip.Addr) bool {
	if r.net.IsValid() {
		return r.net.Contains(a)
	}
	if r.glob == "lo" && i.Loopback {
		return true
	}
	ok, _ := path.Match(r.glob, i.Name) // the pattern was checked by ParseRules
	return ok
}

// Unmatched lists those rules, as they were written, that match no address of
// an interface that is up: perhaps a spelling mistake, perhaps a cable.
func (r Rules) Unmatched(all []Interface) []string {
	var idle []string
	for _, one := range r.list {
		if !one.matchesAny(all) {
			idle = append(idle, one.text)
		}
	}
	return idle
}

func (r rule) matchesAny(all []Interface) bool {
	for _, i := range all {
		for _, p := range i.Prefixes {
			if i.Up && r.matches(i, p.Addr()) {
				return true
			}
		}
	}
	return false
}

// Select is ParseRules and Rules.Select in one call.
func Select(all []Interface, rules []string) ([]Interface, error) {
	r, err := ParseRules(rules)
	if err != nil {
		return nil, err
	}
	return r.Select(all), nil
}
