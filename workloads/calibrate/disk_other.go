//go:build !linux

package calibrate

import (
	"errors"
	"runtime"
)

// MeasureDisk is only there on Linux.
func MeasureDisk(DiskOptions) (*Disk, error) {
	return nil, errors.New("calibrate: disks are measured on Linux only, this is " + runtime.GOOS)
}
