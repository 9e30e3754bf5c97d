//go:build unix && !linux

package workloads

import "syscall"

// ownGroup keeps terminal signals from brokers.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
