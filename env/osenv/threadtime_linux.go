package osenv

import (
	"time"

	"golang.org/x/sys/unix"
)

// threadTime is the processor time of the calling thread. Unlike getrusage(2)
// this clock is up to date, not as of the last tick.
func threadTime() time.Duration {
	var t unix.Timespec
	if unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t) != nil {
		return 0
	}
	return time.Duration(t.Nano())
}
