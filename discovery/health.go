package discovery

import (
	"log/slog"
	"maps"
	"sync"
)

// health knows which parts of a source work, and reports what changes. A part
// is an interface, an address or a host. Safe for concurrent use.
type health struct {
	source string
	events *events
	log    *slog.Logger

	mu     sync.Mutex
	failed map[string]string // part to the text of its error
}

func newHealth(source string, ev *events, log *slog.Logger) *health {
	return &health{source: source, events: ev, log: log, failed: make(map[string]string)}
}

// set notes how a part is; err is nil if it works.
func (h *health) set(part string, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	before, was := h.failed[part]
	switch {
	case err != nil && before != err.Error():
		h.failed[part] = err.Error()
		h.log.Debug("discovery source failed", "source", h.source, "part", part, "err", err)
		h.events.report(Report{Kind: SourceFailed, Source: h.source, Part: part, Err: err})
	case err == nil && was:
		delete(h.failed, part)
		h.log.Debug("discovery source recovered", "source", h.source, "part", part)
		h.events.report(Report{Kind: SourceRecovered, Source: h.source, Part: part})
	}
}

// keep forgets the parts that are no longer there, without a report.
func (h *health) keep(there func(part string) bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	maps.DeleteFunc(h.failed, func(part, _ string) bool { return !there(part) })
}
