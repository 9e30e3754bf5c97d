package calibrate

import (
	"fmt"
	"runtime"
)

// Host describes the machine that this program runs on in a line, without its
// name: processor, cores, memory, kernel.
func Host() string {
	h := describeHost()
	return fmt.Sprintf("%s, %d cores, %.0f GB, %s", h.processor, runtime.NumCPU(), float64(h.memoryBytes)/1e9, h.kernel)
}
