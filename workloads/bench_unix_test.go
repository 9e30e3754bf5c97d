//go:build unix

package workloads_test

import (
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
