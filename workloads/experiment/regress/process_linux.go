package regress

import "syscall"

// ownGroup keeps terminal signals from brokers, and brokers from outliving
// this program.
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
