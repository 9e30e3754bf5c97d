package calibrate

import (
	"time"

	"github.com/weirlab/weir/sim"
)

// DiskOp is a way of using a disk that is measured.
type DiskOp string

// What is measured of a disk.
const (
	// AppendSync writes behind the end of a file and calls fdatasync: data,
	// the file's new length in the journal, and a flush of the device's cache.
	AppendSync DiskOp = "append+fdatasync"
	// OverwriteSync writes inside a file that has its blocks and calls
	// fdatasync: data and a flush.
	OverwriteSync DiskOp = "overwrite+fdatasync"
	// BufferedAppend writes behind the end of a file and leaves it to the page
	// cache: the price is a copy.
	BufferedAppend DiskOp = "append"
	// DirectWrite writes past the page cache (O_DIRECT) and does not flush.
	DirectWrite DiskOp = "direct write"
	// DirectRead reads past the page cache at random places.
	DirectRead DiskOp = "direct read"
)

// DiskSeries is what was measured of one way of using the disk.
type DiskSeries struct {
	Op DiskOp
	// Bytes is the size of one call.
	Bytes int64
	// Depth is how many files were used side by side, each by one call at a time.
	Depth int
	// Count is how many calls were measured.
	Count int
	// Latency is the distribution of the time of one call.
	Latency []sim.Quantile
	// BytesPerSecond is what all files together did.
	BytesPerSecond int64
}

// PerSecond is how many calls were done each second by all files together.
func (s DiskSeries) PerSecond() int64 { return s.BytesPerSecond / max(s.Bytes, 1) }

// Disk is what was measured of a disk.
type Disk struct {
	FileSystem string // its type, as ext4
	Series     []DiskSeries
	// SequentialWrite and SequentialRead are bytes per second of long runs of
	// 1 MiB past the page cache, four at a time.
	SequentialWrite, SequentialRead int64
	// WriteBack is bytes per second of a long run of appends, counted until
	// fdatasync has returned.
	WriteBack int64
}

// Find is the series of an operation of a size and a depth.
func (d *Disk) Find(op DiskOp, bytes int64, depth int) (DiskSeries, bool) {
	for _, s := range d.Series {
		if s.Op == op && s.Bytes == bytes && s.Depth == depth {
			return s, true
		}
	}
	return DiskSeries{}, false
}

// DiskOptions says how long to measure a disk.
type DiskOptions struct {
	// Dir is a directory on the disk. What is written there is removed again.
	Dir string
	// PerSeries is the time for each way of using it; 400 ms if zero.
	PerSeries time.Duration
	// BulkBytes is the size of the long runs; 256 MiB if zero.
	BulkBytes int64
	// FileBytes is the size of the files that are overwritten and read at
	// random; 64 MiB if zero.
	FileBytes int64
	// Progress is told what is measured next; nil is fine.
	Progress func(what string)
}

func (o DiskOptions) withDefaults() DiskOptions {
	if o.PerSeries <= 0 {
		o.PerSeries = 400 * time.Millisecond
	}
	if o.BulkBytes <= 0 {
		o.BulkBytes = 256 << 20
	}
	if o.FileBytes <= 0 {
		o.FileBytes = 64 << 20
	}
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	return o
}

// diskPlan is what is measured, in order.
func diskPlan() []DiskSeries {
	const kib, mib = 1 << 10, 1 << 20
	var plan []DiskSeries
	for _, op := range []DiskOp{AppendSync, OverwriteSync} {
		for _, bytes := range []int64{4 * kib, 16 * kib, 64 * kib, 256 * kib, mib} {
			plan = append(plan, DiskSeries{Op: op, Bytes: bytes, Depth: 1})
		}
		for _, depth := range []int{2, 4, 8} {
			plan = append(plan, DiskSeries{Op: op, Bytes: 4 * kib, Depth: depth}, DiskSeries{Op: op, Bytes: 64 * kib, Depth: depth})
		}
	}
	for _, depth := range []int{1, 4, 8} {
		plan = append(plan, DiskSeries{Op: DirectWrite, Bytes: 4 * kib, Depth: depth}, DiskSeries{Op: DirectRead, Bytes: 4 * kib, Depth: depth})
	}
	return append(plan,
		DiskSeries{Op: DirectWrite, Bytes: 64 * kib, Depth: 1}, DiskSeries{Op: DirectRead, Bytes: 64 * kib, Depth: 1},
		DiskSeries{Op: BufferedAppend, Bytes: 4 * kib, Depth: 1}, DiskSeries{Op: BufferedAppend, Bytes: 64 * kib, Depth: 1})
}
