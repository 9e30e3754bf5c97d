//go:build unix

package workloads_test

import (
	"runtime"
	"syscall"
	"time"
)

// cpuTime is the processor time this process has used, garbage collection
// included. Unlike the wall clock it does not count what other processes of
// the machine take away.
func cpuTime() (time.Duration, bool) {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0, false
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), true
}

// peakMemory is the most memory this process has had resident.
func peakMemory() (bytes int64, ok bool) {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0, false
	}
	if runtime.GOOS == "darwin" || runtime.GOOS == "ios" {
		return int64(u.Maxrss), true
	}
	return int64(u.Maxrss) << 10, true
}
