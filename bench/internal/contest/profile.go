package contest

import (
	"fmt"
	"os"
	"runtime/pprof"
	"strings"
)

// profile is the CPU profile of one process over the measured span. One
// goroutine uses it at a time.
type profile struct {
	path string // empty if nobody asked for one
	file *os.File
}

// profileOf names the file of a role: the job's prefix, then the role.
func profileOf(job Job, role string) profile {
	if job.Profile == "" {
		return profile{}
	}
	return profile{path: job.Profile + "-" + strings.ReplaceAll(role, "/", "-") + ".pprof"}
}

// begin starts to profile. Without a path, and once begun, it does nothing.
func (f *profile) begin() error {
	if f.path == "" || f.file != nil {
		return nil
	}
	file, err := os.Create(f.path)
	if err == nil {
		err = pprof.StartCPUProfile(file)
	}
	if err != nil {
		return fmt.Errorf("profile: %w", err)
	}
	f.file = file
	return nil
}

// end writes what was profiled; the profile cannot begin again.
func (f *profile) end() error {
	if f.file == nil {
		return nil
	}
	pprof.StopCPUProfile()
	f.path = ""
	if err := f.file.Close(); err != nil {
		return fmt.Errorf("profile: %w", err)
	}
	return nil
}
