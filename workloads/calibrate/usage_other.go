//go:build !unix

package calibrate

import "time"

// CPUTime is not known here, and 0.
func CPUTime() time.Duration { return 0 }
