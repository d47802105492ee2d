package rpcs

import (
	"fmt"
	"strings"
	"time"

	"github.com/fernmesh/fernmesh/bench/internal/contest"
)

// The payloads and numbers of callers of the cells.
var (
	payloads = []int{64, 1 << 10, 64 << 10, 1 << 20}
	callers  = []int{1, 64}
)

// Jobs returns the cells of the tables, each of which is measured for a time
// after a quarter of it to warm up.
func Jobs(each time.Duration) []contest.Job {
	var jobs []contest.Job
	for _, bytes := range payloads {
		for _, n := range callers {
			jobs = append(jobs, contest.Job{Name: jobName(bytes, n), Payload: bytes, Callers: n, Warm: each / 4, Duration: each})
		}
	}
	return jobs
}

func jobName(bytes, callers int) string { return fmt.Sprintf("%dx%d", bytes, callers) }

// cellTitle writes the name of a job for readers: "64 KiB, 1".
func cellTitle(job string) string {
	for _, bytes := range payloads {
		for _, n := range callers {
			if jobName(bytes, n) == job {
				return fmt.Sprintf("%s, %d", size(bytes), n)
			}
		}
	}
	return job
}

// callersWord is what the number at the end of a title counts.
func callersWord(job string) string {
	if strings.HasSuffix(job, "x1") {
		return " caller"
	}
	return " callers"
}

func size(bytes int) string {
	switch {
	case bytes >= 1<<20:
		return fmt.Sprintf("%d MiB", bytes>>20)
	case bytes >= 1<<10:
		return fmt.Sprintf("%d KiB", bytes>>10)
	}
	return fmt.Sprintf("%d B", bytes)
}
