package node

import (
	"fmt"
	"time"
)

// StoppedError says by which rule a gather was stopped before all its members
// were settled. [*commands.Error] wraps it as CANCELLED for those members.
type StoppedError struct {
	Rule string // "first 3", "quorum 26 of 50", "stall gap 2s", "stop when"
}

func (e *StoppedError) Error() string { return "the gather was stopped by its rule: " + e.Rule }

// rule judges a gather after each outcome; "" lets it go on. Rules are called
// one at a time.
type rule func(s Summary, name string, o Outcome) string

// First stops a gather when n members have answered; the others are cancelled.
// Values below 1 mean 1.
func First(n int) CallOption {
	n = max(n, 1)
	return stop(func(s Summary, _ string, _ Outcome) string {
		if s.Answered < n {
			return ""
		}
		return fmt.Sprintf("first %d", n)
	})
}

// Quorum stops a gather when a majority of its members have answered, of all
// that were fixed at its start.
func Quorum() CallOption {
	return stop(func(s Summary, _ string, _ Outcome) string {
		if s.Answered <= s.Members/2 {
			return ""
		}
		return fmt.Sprintf("quorum %d of %d", s.Answered, s.Members)
	})
}

// StopWhen stops a gather when f returns true for an outcome. It is called for
// one outcome at a time, in the order in which they arrive.
func StopWhen(f func(name string, o Outcome) bool) CallOption {
	return stop(func(_ Summary, name string, o Outcome) string {
		if !f(name, o) {
			return ""
		}
		return "stop when"
	})
}

// StallGap stops a gather when no outcome has arrived for d, counted from its
// start and from each outcome. Zero or less means no such rule.
func StallGap(d time.Duration) CallOption {
	return CallOption{also: func(o callOptions) callOptions { o.stallGap = d; return o }}
}

func stop(r rule) CallOption {
	return CallOption{also: func(o callOptions) callOptions { o.rules = append(o.rules, r); return o }}
}
