package relays

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"time"
)

// tick is the unit of times in /proc, which is the same on every platform
// that Go runs on.
const tick = 10 * time.Millisecond

// usageOf tells a process's processor time, in both modes, and its resident
// memory in bytes.
func usageOf(pid int) (cpu time.Duration, rss uint64, ok bool) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, 0, false
	}
	_, rest, _ := bytes.Cut(stat, []byte(") ")) // behind the name, which may hold spaces
	fields := bytes.Fields(rest)
	if len(fields) < 22 {
		return 0, 0, false
	}
	user, err1 := strconv.ParseInt(string(fields[11]), 10, 64)
	system, err2 := strconv.ParseInt(string(fields[12]), 10, 64)
	pages, err3 := strconv.ParseUint(string(fields[21]), 10, 64)
	if err1 != nil || err2 != nil || err3 != nil {
		return 0, 0, false
	}
	return time.Duration(user+system) * tick, pages * uint64(os.Getpagesize()), true
}
