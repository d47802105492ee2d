package relays

import (
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/fernmesh/fernmesh/bench/internal/contest"
)

const (
	// crowdFirst join before memory is read, so that what a relay sets up once
	// does not count.
	crowdFirst = 250
	// crowdAtOnce is how many join at the same time.
	crowdAtOnce = 8
	// memberBytes is the key of what a member costs.
	memberBytes = "bytes_per_member"
)

// crowd lets members join that then only are there, and reads by how much the
// relay's resident memory has grown. What is left of the joins in a heap that
// was not collected yet counts too: that is how much a machine has to have.
func (k kind) crowd(p *contest.Process) error {
	kept, err := k.join(p, 0, crowdFirst)
	if err != nil {
		return err
	}
	settle(p.Job)
	used, err := p.Begin()
	if err != nil {
		return err
	}
	relay, start := watch(p), time.Now()
	more, err := k.join(p, crowdFirst, p.Job.Callers)
	if err != nil {
		return err
	}
	elapsed := time.Since(start)
	settle(p.Job)
	extra := relay.since()
	extra[memberBytes] = extra[grownOf] / float64(p.Job.Callers)
	runtime.KeepAlive(kept)
	runtime.KeepAlive(more)
	return p.Finish(used, contest.Result{Calls: int64(p.Job.Callers), Elapsed: elapsed, Extra: extra})
}

// settle leaves memory alone before it is read: as long as two cells, which is
// 2 s by default.
func settle(j contest.Job) { time.Sleep(2 * j.Duration) }

// join lets n members join, the first of them with the number from.
func (k kind) join(p *contest.Process, from, n int) ([]any, error) {
	members, errs := make([]any, n), make([]error, n)
	places := make(chan struct{}, crowdAtOnce)
	var wg sync.WaitGroup
	for i := range n {
		places <- struct{}{}
		wg.Go(func() {
			members[i], errs[i] = k.idle(p, from+i)
			<-places
		})
	}
	wg.Wait()
	for i, err := range errs {
		if err != nil {
			return nil, fmt.Errorf("member %d of %d: %w", i, n, err)
		}
	}
	return members, nil
}
