package workloads

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"
)

// ownGroup keeps terminal signals from brokers, and brokers from outliving
// this program.
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// clockTick is the unit of times in /proc: USER_HZ, 100 per second wherever
// Go runs.
const clockTick = 10 * time.Millisecond

// processCPU is the processor time that a process has used, in user and in
// system mode, or 0 if it has ended (proc_pid_stat(5)).
func processCPU(pid int) time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	// The name, in parentheses, may hold anything.
	fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
	const utime, stime = 14 - 3, 15 - 3
	if len(fields) <= stime {
		return 0
	}
	var ticks int64
	for _, f := range [][]byte{fields[utime], fields[stime]} {
		n, _ := strconv.ParseInt(string(f), 10, 64)
		ticks += n
	}
	return time.Duration(ticks) * clockTick
}
