package discovery

import (
	"container/list"
	"context"
	"sync"

	"github.com/fernmesh/fernmesh/crypto"
)

// maxReports is how many reports wait for a slow OnReport.
const maxReports = 64

// events carries changes and reports from whoever makes them to the caller's
// functions. It never blocks: changes of one entry that were not told yet are
// merged into what the caller has to know, so that no more wait than there
// are entries.
type events struct {
	onChange func(Change)
	onReport func(Report)
	wake     chan struct{} // holds one token when something waits

	mu      sync.Mutex
	order   *list.List // of *pending, oldest first
	pending map[entryKey]*list.Element
	reports []Report
	dropped uint64
}

// entryKey tells entries apart.
type entryKey struct {
	instance crypto.InstanceID
	host     string
}

// pending is what the caller was not told yet about one entry: that it went,
// and then what it is now, either of which may be absent.
type pending struct {
	key       entryKey
	gone, now *Change
}

func newEvents(cfg Config) *events {
	return &events{
		onChange: cfg.OnChange, onReport: cfg.OnReport,
		wake:  make(chan struct{}, 1),
		order: list.New(), pending: make(map[entryKey]*list.Element),
	}
}

// changed notes a change of an entry.
func (ev *events) changed(kind ChangeKind, e Entry, why Reason) {
	if ev.onChange == nil {
		return
	}
	ev.mu.Lock()
	defer ev.mu.Unlock()
	key := entryKey{e.Instance, e.Host}
	at := ev.pending[key]
	if at == nil {
		at = ev.order.PushBack(&pending{key: key})
		ev.pending[key] = at
	}
	p := at.Value.(*pending)
	p.merge(Change{kind, e, why})
	if p.gone == nil && p.now == nil {
		ev.order.Remove(at)
		delete(ev.pending, key)
		return
	}
	ev.poke()
}

// merge adds a change to those that wait.
func (p *pending) merge(c Change) {
	switch {
	case c.Kind == Removed && p.now != nil && p.now.Kind == Added:
		p.now = nil
	case c.Kind == Removed:
		p.gone, p.now = &c, nil
	case p.now != nil:
		p.now.Entry = c.Entry
	default:
		p.now = &c
	}
}

// report notes a report.
func (ev *events) report(r Report) {
	if ev.onReport == nil {
		return
	}
	ev.mu.Lock()
	defer ev.mu.Unlock()
	if len(ev.reports) >= maxReports {
		ev.dropped++
		return
	}
	ev.reports = append(ev.reports, r)
	ev.poke()
}

// poke wakes run. The caller holds mu.
func (ev *events) poke() {
	select {
	case ev.wake <- struct{}{}:
	default:
	}
}

// run tells the caller until ctx ends, and then what still waits.
func (ev *events) run(ctx context.Context) {
	for {
		select {
		case <-ev.wake:
			ev.deliver()
		case <-ctx.Done():
			ev.deliver()
			return
		}
	}
}

// deliver tells everything that waits, without holding the lock.
func (ev *events) deliver() {
	for {
		p, reports := ev.next()
		if p == nil && reports == nil {
			return
		}
		if p != nil && p.gone != nil {
			ev.onChange(*p.gone)
		}
		if p != nil && p.now != nil {
			ev.onChange(*p.now)
		}
		for _, r := range reports {
			ev.onReport(r)
		}
	}
}

func (ev *events) next() (*pending, []Report) {
	ev.mu.Lock()
	defer ev.mu.Unlock()
	reports := ev.reports
	ev.reports = nil
	first := ev.order.Front()
	if first == nil {
		return nil, reports
	}
	p := ev.order.Remove(first).(*pending)
	delete(ev.pending, p.key)
	return p, reports
}
