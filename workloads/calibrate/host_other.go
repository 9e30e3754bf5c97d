//go:build !linux

package calibrate

import "runtime"

// host is what a profile says of the machine, without its name.
type host struct {
	processor, kernel string
	memoryBytes       int64
}

func describeHost() host {
	return host{processor: runtime.GOARCH, kernel: runtime.GOOS, memoryBytes: 8 << 30}
}
