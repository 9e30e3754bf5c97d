package osenv

import (
	"time"

	"github.com/weirlab/weir/env"
)

// clock is the machine's time. The origin carries a monotonic reading, so
// differences to it are immune to changes of the wall clock.
type clock struct {
	origin time.Time
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
	return time.AfterFunc(d, func() {
		label(name)
		fn()
	})
}
