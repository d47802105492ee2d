package relayserver

import "time"

// newsPause is how long a room's news wait, per member that they go to, for more
// that go with them. Since to tell a member is a write, this bounds what writes
// of news may cost, whatever a room's members do.
const newsPause = 50 * time.Microsecond

// newsAtOnce is how many members are told without a pause.
const newsAtOnce = 32

// news is when the members of a room are told of each other. The first that
// comes after a while of quiet is told at once; what follows waits, and goes
// together.
type news struct {
	timer   *time.Timer // for spread; nil before the first news
	running bool        // whether the timer runs
	waiting bool        // whether there is more to tell when it fires
	told    []*member   // of spread, for use again
}

// announce has the members told of what their queues hold of each other. The
// caller holds mu.
func (r *room) announce() {
	r.news.waiting = true
	switch {
	case r.news.running || len(r.members) == 0:
		return
	case r.news.timer == nil:
		r.news.timer = time.AfterFunc(0, r.spread)
	default:
		r.news.timer.Reset(0)
	}
	r.news.running = true
}

// hush ends the news of a room that is empty. The caller holds mu.
func (r *room) hush() {
	if r.news.timer != nil {
		r.news.timer.Stop()
	}
}

// spread tells the members, and waits for more news. It runs on a goroutine of
// the timer's, one at a time.
func (r *room) spread() {
	r.mu.Lock()
	told := r.news.told[:0]
	if !r.news.waiting {
		r.news.running, r.news.told = false, nil
		r.mu.Unlock()
		return
	}
	r.news.waiting = false
	for _, m := range r.members {
		told = append(told, m)
	}
	r.mu.Unlock()
	for i, m := range told {
		m.flush()
		told[i] = nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.news.told = told
	if len(r.members) > 0 {
		r.news.timer.Reset(time.Duration(max(0, len(r.members)-newsAtOnce)) * newsPause)
	}
}
