//go:build !linux

package regress

import "syscall"

func ownGroup() *syscall.SysProcAttr { return nil }
