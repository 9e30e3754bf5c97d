package calibrate

import (
	"time"

	"github.com/weirlab/weir/sim/machine"
)

// Disk is what was measured of a disk.
type Disk struct {
	FileSystem    string // its type, as ext4
	CapacityBytes int64
	Series        []machine.DiskSeries
	// WriteBytesPerSecond and ReadBytesPerSecond are of long runs of 1 MiB
	// past the page cache, four at a time.
	WriteBytesPerSecond, ReadBytesPerSecond int64
	// WriteBackBytesPerSecond is of a long run of appends, counted until
	// fdatasync has returned.
	WriteBackBytesPerSecond int64
	// SyncCPUNanos is the CPU time of the thread that calls fdatasync behind an
	// append of 16 KiB: of the system call, without what it waits for.
	SyncCPUNanos int64
}

// DiskOptions says how long to measure a disk.
type DiskOptions struct {
	// Dir is a directory on the disk. What is written there is removed again.
	Dir string
	// PerSeries is the time for each way of using it, in each pass; 150 ms if
	// zero.
	PerSeries time.Duration
	// BulkBytes is the size of the long runs; 256 MiB if zero.
	BulkBytes int64
	// FileBytes is the size of the files that are overwritten and read at
	// random; 16 MiB if zero.
	FileBytes int64
	// Progress is told what is measured next; nil is fine.
	Progress func(what string)
}

func (o DiskOptions) withDefaults() DiskOptions {
	if o.PerSeries <= 0 {
		o.PerSeries = 150 * time.Millisecond
	}
	if o.BulkBytes <= 0 {
		o.BulkBytes = 256 << 20
	}
	if o.FileBytes <= 0 {
		o.FileBytes = 16 << 20
	}
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	return o
}

// diskPlan is what is measured, in order.
func diskPlan() []machine.DiskSeries {
	const kib, mib = 1 << 10, 1 << 20
	var plan []machine.DiskSeries
	add := func(op string, bytes, depth int64) {
		plan = append(plan, machine.DiskSeries{Op: op, Bytes: bytes, Depth: depth})
	}
	for _, op := range []string{machine.AppendSync, machine.OverwriteSync} {
		for _, bytes := range []int64{4 * kib, 16 * kib, 64 * kib, 256 * kib, mib} {
			add(op, bytes, 1)
		}
		for _, depth := range []int64{2, 4, 8} {
			add(op, 4*kib, depth)
			add(op, 64*kib, depth)
		}
	}
	for _, op := range []string{machine.DirectWrite, machine.DirectRead} {
		for _, depth := range []int64{1, 4, 8} {
			add(op, 4*kib, depth)
		}
		add(op, 64*kib, 1)
	}
	add(machine.Append, 4*kib, 1)
	add(machine.Append, 64*kib, 1)
	return plan
}
