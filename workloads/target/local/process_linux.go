package local

import (
	"syscall"
	"time"
	"unsafe"
)

// ownGroup keeps terminal signals from brokers, and brokers from outliving
// this program.
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// processCPU is the processor time that a process has used, in user and in
// system mode, to the nanosecond, or 0 if it has ended. It reads the process's
// CPU clock (clock_getcpuclockid(3)): times in /proc count hundredths of a
// second, too coarse for a window of a few seconds.
func processCPU(pid int) time.Duration {
	const schedClock = 2 // CPUCLOCK_SCHED of linux/posix-timers.h
	var t syscall.Timespec
	clock := uintptr(^pid<<3 | schedClock)
	if _, _, errno := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, clock, uintptr(unsafe.Pointer(&t)), 0); errno != 0 {
		return 0
	}
	return time.Duration(t.Nano())
}
