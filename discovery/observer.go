package discovery

import (
	"time"

	"github.com/fernmesh/fernmesh/crypto"
)

// observer is what is known about an observer that asked.
type observer struct {
	counter  uint64
	answered answered
	until    time.Time
}

// remember keeps the counter of an observer; the one nearest to being
// forgotten makes room.
func (t *table) remember(a *advert, now time.Time) {
	o := t.observers[a.instance]
	if o == nil {
		if len(t.observers) >= t.limits.Observers {
			t.forgetObserver()
		}
		o = new(observer)
		t.observers[a.instance] = o
	}
	o.counter, o.until = a.counter, now.Add(t.timers.Remember)
}

func (t *table) forgetObserver() {
	var oldest crypto.InstanceID
	var until time.Time
	for id, o := range t.observers {
		if until.IsZero() || o.until.Before(until) {
			oldest, until = id, o.until
		}
	}
	delete(t.observers, oldest)
}

// answered is the last question of an asker that was answered.
type answered struct {
	counter uint64
	at      time.Time
}

// take tells whether a question is newer than the last one and at least a
// second later, and if so makes it the last one.
func (l *answered) take(counter uint64, now time.Time) bool {
	if !l.at.IsZero() && (counter <= l.counter || now.Sub(l.at) < time.Second) {
		return false
	}
	*l = answered{counter, now}
	return true
}
