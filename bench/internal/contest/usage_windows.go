package contest

import (
	"syscall"
	"time"
)

func processorTime() (user, system time.Duration) {
	self, err := syscall.GetCurrentProcess()
	if err != nil {
		return 0, 0
	}
	var created, exited, kernel, inUser syscall.Filetime
	if err := syscall.GetProcessTimes(self, &created, &exited, &kernel, &inUser); err != nil {
		return 0, 0
	}
	return span(inUser), span(kernel)
}

// span reads a length of time, which counts in 100 ns.
func span(f syscall.Filetime) time.Duration {
	return time.Duration(uint64(f.HighDateTime)<<32|uint64(f.LowDateTime)) * 100
}

// resident is unknown on Windows without more than the standard library.
func resident() uint64 { return 0 }
