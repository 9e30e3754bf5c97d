//go:build unix

package calibrate

import (
	"syscall"
	"time"
)

// CPUTime is the CPU time that this process has used, in user and system mode.
func CPUTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
