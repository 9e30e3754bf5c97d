package osenv

import (
	"time"

	"github.com/weirlab/weir/env"
)

// clock is the machine's time. The origin carries a monotonic reading, so
// differences to it are immune to changes of the wall clock.
type clock struct {
	origin time.Time
	held   *holdings
}

// Now implements env.Clock.
func (c *clock) Now() time.Duration { return time.Since(c.origin) }

// Wall implements env.Clock. The monotonic reading is dropped so that a jump
// of the clock shows in differences.
func (c *clock) Wall() time.Time { return time.Now().Round(0).UTC() }

// Deadline implements env.Clock.
func (c *clock) Deadline(d time.Duration) time.Time { return time.Now().Add(d) }

// Sleep implements env.Clock.
func (c *clock) Sleep(d time.Duration) { time.Sleep(d) }

// AfterFunc implements env.Clock.
func (c *clock) AfterFunc(d time.Duration, name string, fn func()) env.Timer {
	if c.held == nil {
		return time.AfterFunc(d, func() {
			label(name)
			fn()
		})
	}
	t := &heldTimer{held: c.held.take("timer", name)}
	t.timer = time.AfterFunc(d, func() {
		t.held.becomes("task")
		defer t.held.giveBack()
		label(name)
		fn()
	})
	return t
}

// heldTimer is a timer in the account of what a program holds.
type heldTimer struct {
	timer *time.Timer
	held  *held
}

// Stop implements env.Timer.
func (t *heldTimer) Stop() bool {
	stopped := t.timer.Stop()
	if stopped {
		t.held.giveBack()
	}
	return stopped
}
