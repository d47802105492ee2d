package relays

import (
	"strconv"
	"time"

	"github.com/fernmesh/fernmesh/bench/internal/contest"
)

// Keys of what the relay's process used over a span; absent where the system
// does not tell.
const (
	cpuOf   = "relay_cpu_ns"
	grownOf = "relay_rss_growth_bytes"
	rssOf   = "relay_rss_bytes"
)

// A watched is the relay's process since a moment.
type watched struct {
	pid int
	cpu time.Duration
	rss uint64
	ok  bool
}

func watch(p *contest.Process) watched {
	pid, err := strconv.Atoi(p.Peers["relay"][pidOf])
	if err != nil {
		return watched{}
	}
	w := watched{pid: pid}
	w.cpu, w.rss, w.ok = usageOf(pid)
	return w
}

// since returns what was used, for a result's extra figures.
func (w watched) since() map[string]float64 {
	extra := map[string]float64{}
	if cpu, rss, ok := usageOf(w.pid); ok && w.ok {
		extra[cpuOf], extra[rssOf] = float64(cpu-w.cpu), float64(rss)
		extra[grownOf] = float64(rss) - float64(w.rss)
	}
	return extra
}
