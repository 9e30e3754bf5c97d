//go:build unix && !linux

package local

import (
	"syscall"
	"time"
)

// ownGroup keeps terminal signals from brokers.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// processCPU is not known here.
func processCPU(int) time.Duration { return 0 }
