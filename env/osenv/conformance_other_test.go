//go:build !linux

package osenv_test

import (
	"testing"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/env/envtest"
)

func (w *world) WithDisk(t *testing.T, _ int64) envtest.World {
	t.Skip("a small disk is a tmpfs, which only Linux has")
	return nil
}

func (w *world) WithBreakingDisk(t *testing.T, _ string) envtest.World {
	t.Skip("a breaking disk is a loop device over a full tmpfs, which only Linux has")
	return nil
}

func (w *world) CutPower(t *testing.T, _, _ func(e env.Env)) {
	t.Skip("cutting the power copies a mounted ext4 image, which only Linux has")
}

func (w *world) SilentAddress(t *testing.T) string {
	t.Skip("filling a backlog relies on the behaviour of Linux")
	return ""
}
