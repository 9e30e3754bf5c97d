package regress

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// processCPU is the processor time that all threads of a process have used,
// in the nanoseconds the scheduler accounts in. The identifier of a process's
// clock is made as clock_getcpuclockid(3) makes it: the complement of the
// process id above three bits of which CPUCLOCK_SCHED is 2.
func processCPU(pid int) (time.Duration, error) {
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|2), &t); err != nil {
		return 0, fmt.Errorf("reading the processor time of process %d: %w", pid, err)
	}
	return time.Duration(t.Nano()), nil
}
