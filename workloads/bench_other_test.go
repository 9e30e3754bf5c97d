//go:build !unix

package workloads_test

import "time"

// cpuTime is not known here.
func cpuTime() (time.Duration, bool) { return 0, false }

// peakMemory is not known here.
func peakMemory() (bytes int64, ok bool) { return 0, false }
