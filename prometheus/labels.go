package fernprom

import (
	"maps"
	"slices"
	"sync"
)

// other is the label of all that have none of their own.
const other = "other"

// labels gives names a label of their own, up to a number. A name that has one
// keeps it, or its counters would seem to fall.
type labels struct {
	most int

	mu    sync.Mutex
	known map[string]bool
}

// of returns the label of a name. The empty name, and one that is spelt like the
// common label, have none.
func (l *labels) of(name string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.known[name] {
		return name
	}
	if name == "" || name == other || len(l.known) >= l.most {
		return other
	}
	if l.known == nil {
		l.known = map[string]bool{}
	}
	l.known[name] = true
	return name
}

// merged puts figures under the labels of their names, and adds up those that
// share one.
func merged[T any](l *labels, figures map[string]T, add func(a, b T) T) map[string]T {
	out := make(map[string]T, len(figures))
	for _, name := range slices.Sorted(maps.Keys(figures)) {
		label := l.of(name)
		if before, shared := out[label]; shared {
			out[label] = add(before, figures[name])
		} else {
			out[label] = figures[name]
		}
	}
	return out
}
