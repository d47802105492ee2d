package contest

import "runtime"

// readUsage tells what this process used since its start. It stops the world
// for a moment, so it is asked for outside the measured span only.
func readUsage() Usage {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	u := Usage{Mallocs: m.Mallocs, Bytes: m.TotalAlloc, HeapInUse: m.HeapInuse, RSS: resident()}
	u.User, u.System = processorTime()
	return u
}
