//go:build !linux

package osenv

import "time"

var threadOrigin = time.Now()

// threadTime is the time that passed, where the system does not tell the
// processor time of one thread.
func threadTime() time.Duration { return time.Since(threadOrigin) }
