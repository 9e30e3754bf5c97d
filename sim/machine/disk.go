package machine

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/weirlab/weir/sim"
	"github.com/weirlab/weir/sim/simdisk"
)

const (
	// smallBytes is what rates of I/Os are measured with.
	smallBytes = 4 << 10
	// mostlyLatency is the largest transfer whose time is nearly all latency.
	mostlyLatency = 16 << 10
)

func (d *Disk) check() error {
	if d.CapacityBytes <= 0 {
		return fmt.Errorf("capacity_bytes: %d is not positive", d.CapacityBytes)
	}
	if d.WriteBytesPerSecond <= 0 || d.ReadBytesPerSecond <= 0 {
		return errors.New("write_bytes_per_s and read_bytes_per_s: must be positive")
	}
	if d.BusyCommitNanos < 0 {
		return fmt.Errorf("busy_commit_ns: %d is negative", d.BusyCommitNanos)
	}
	if d.AppendBytesPerSecond < 0 {
		return fmt.Errorf("append_bytes_per_s: %d is negative", d.AppendBytesPerSecond)
	}
	for i, s := range d.Series {
		if s.Bytes <= 0 || s.Depth <= 0 || s.BytesPerSecond < 0 || len(s.Latency) == 0 {
			return fmt.Errorf("series[%d]: bytes, depth and latency must be given", i)
		}
		if _, err := sim.NewQuantiles(s.Latency...); err != nil {
			return fmt.Errorf("series[%d]: %w", i, err)
		}
	}
	if _, ok := d.Find(OverwriteSync, smallBytes, 1); !ok {
		return fmt.Errorf("series: %s of %d bytes at depth 1 is missing", OverwriteSync, smallBytes)
	}
	return nil
}

// Find is the series of an operation of a size and a depth.
func (d *Disk) Find(op string, bytes, depth int64) (DiskSeries, bool) {
	for _, s := range d.Series {
		if s.Op == op && s.Bytes == bytes && s.Depth == depth {
			return s, true
		}
	}
	return DiskSeries{}, false
}

// small is the series of small calls of an operation, one at a time: the
// quickest of those whose time is nearly all latency, for whatever else the
// machine did made the others slower.
func (d *Disk) small(op string) (DiskSeries, bool) {
	var best DiskSeries
	for _, s := range d.Series {
		if s.Op == op && s.Depth == 1 && s.Bytes <= mostlyLatency && (best.Bytes == 0 || median(s.Latency) < median(best.Latency)) {
			best = s
		}
	}
	return best, best.Bytes > 0
}

// rate is the most calls a second of an operation that were seen at any depth,
// 0 if it was not measured.
func (d *Disk) rate(op string, bytes int64) int64 {
	var most int64
	for _, s := range d.Series {
		if s.Op == op && s.Bytes == bytes {
			most = max(most, s.BytesPerSecond/bytes)
		}
	}
	return most
}

// maxTransfer is the largest I/O that Linux makes of adjacent pages
// (max_sectors_kb is 1280 by default).
const maxTransfer = 1280 << 10

// profile makes a disk of the simulator of what was measured. wakeup is how
// long a task takes to notice the end of an I/O, and sync what the call costs
// in CPU time: the simulator adds both, and both are in what was measured.
//
//   - What a small overwrite and its sync take is the latency of a write.
//   - What a small append and its sync take longer is the commit of the
//     journal, which has to come after the data; in busy programs it takes
//     BusyCommitNanos more.
//   - What a large append and its sync take longer than a small one is the
//     speed at which a single write moves.
//   - The rate of small synced overwrites at the depth where it is highest is
//     the limit of IOPS, that of long runs of appends the bandwidth: logs are
//     only appended to. No transfer gets ahead of them.
//
// Besides, it has the defaults of Linux and ext4: vm.dirty_expire_centisecs,
// vm.dirty_writeback_centisecs, the commit= option and read_ahead_kb.
func (d *Disk) profile(wakeup []sim.Quantile, sync time.Duration) (simdisk.Profile, error) {
	if len(wakeup) == 0 {
		wakeup = constant(0)
	}
	write, _ := d.small(OverwriteSync)
	p := simdisk.Profile{
		Name:          "disk",
		CapacityBytes: d.CapacityBytes,
		Write:         simdisk.Limit{IOPS: d.rate(OverwriteSync, smallBytes), BytesPerSecond: cmp.Or(d.AppendBytesPerSecond, d.WriteBytesPerSecond)},
		Read:          simdisk.Limit{IOPS: d.rate(DirectRead, smallBytes), BytesPerSecond: d.ReadBytesPerSecond},
		IOBytes:       maxTransfer,
		QueueDepth:    64,
		WriteStream:   d.stream(),

		DirtyExpire: 30 * time.Second, FlushInterval: 5 * time.Second,
		JournalInterval: 5 * time.Second, ReadAheadBytes: 128 << 10,
	}
	each := p.Write.BytesPerSecond
	if p.WriteStream > 0 {
		each = min(each, p.WriteStream)
	}
	moved := constant(transferTime(write.Bytes, each))
	var err error
	// A cost from another machine may be more than this disk takes.
	call := constant(min(sync, median(write.Latency)/2))
	if p.WriteLatency, err = sim.NewQuantiles(less(less(remainder(write.Latency, wakeup), call), moved)...); err != nil {
		return p, err
	}
	p.ReadLatency = p.WriteLatency
	if s, ok := d.Find(DirectRead, smallBytes, 1); ok {
		moved := constant(transferTime(smallBytes, d.ReadBytesPerSecond))
		if p.ReadLatency, err = sim.NewQuantiles(less(remainder(s.Latency, wakeup), moved)...); err != nil {
			return p, err
		}
	}
	if s, ok := d.small(AppendSync); ok {
		commit := less(remainder(remainder(s.Latency, write.Latency), wakeup), constant(transferTime(simdisk.JournalBytes, each)))
		for i := range commit {
			commit[i].Value += time.Duration(d.BusyCommitNanos)
		}
		if p.CommitLatency, err = sim.NewQuantiles(commit...); err != nil {
			return p, err
		}
	}
	return p, nil
}

// stream is how fast a single synced append moves, from the medians of the
// smallest and the largest; 0 if only one size was measured, or if size made
// no difference.
func (d *Disk) stream() int64 {
	small, ok := d.small(AppendSync)
	if !ok {
		return 0
	}
	large := small
	for _, s := range d.Series {
		if s.Op == AppendSync && s.Depth == 1 && s.Bytes > large.Bytes {
			large = s
		}
	}
	longer := median(large.Latency) - median(small.Latency)
	if longer <= 0 {
		return 0
	}
	return (large.Bytes - small.Bytes) * int64(time.Second) / int64(longer)
}

// median is 0 of an empty distribution.
func median(points []sim.Quantile) time.Duration {
	if len(points) == 0 {
		return 0
	}
	return valueAt(points, 500_000)
}

func transferTime(bytes, perSecond int64) time.Duration {
	return time.Duration(bytes * int64(time.Second) / perSecond)
}

func constant(d time.Duration) []sim.Quantile {
	return []sim.Quantile{{PPM: 0, Value: d}, {PPM: 1_000_000, Value: d}}
}

// less takes b from a quantile by quantile: what a took longer than b, if the
// slow ones of both are slow for the same reason.
func less(a, b []sim.Quantile) []sim.Quantile {
	list := make([]sim.Quantile, 0, len(a))
	var last time.Duration
	for _, q := range a {
		last = max(last, q.Value-valueAt(b, q.PPM))
		list = append(list, sim.Quantile{PPM: q.PPM, Value: last})
	}
	return list
}

// remainder is what a takes longer than b if a is b and something else after
// it, independent of b. Up to the median that is the difference. Above it, where
// few are slow and hardly ever both are, it is the share of those of a that are
// slow and not because of b.
func remainder(a, b []sim.Quantile) []sim.Quantile {
	const half, all = 500_000, 1_000_000
	middle := max(0, median(a)-median(b))
	var at []time.Duration // where the distributions bend, above the median of a
	for _, q := range a {
		at = append(at, q.Value)
	}
	for _, q := range b {
		at = append(at, q.Value+middle)
	}
	slices.Sort(at)
	at = slices.DeleteFunc(slices.Compact(at), func(d time.Duration) bool { return d <= median(a) })

	// How many are slower, from the slowest down: as many as are slower than
	// something yet slower, at least.
	slower := make([]int64, len(at))
	var most int64
	for i, d := range slices.Backward(at) {
		most = min(max(most, shareUpTo(b, d-middle)-shareUpTo(a, d)), half-1)
		slower[i] = most
	}
	list := []sim.Quantile{{PPM: 0, Value: min(max(0, a[0].Value-b[0].Value), middle)}, {PPM: half, Value: middle}}
	for i, d := range at {
		last := &list[len(list)-1]
		next := sim.Quantile{PPM: all - slower[i], Value: max(last.Value, d-median(b))}
		switch {
		case next.PPM > last.PPM:
			list = append(list, next)
		case last.PPM-1 > list[len(list)-2].PPM:
			// Nothing lies between the two: the distribution jumps.
			last.PPM--
			list = append(list, next)
		default:
			last.Value = next.Value
		}
		if next.PPM == all {
			break
		}
	}
	if last := list[len(list)-1]; last.PPM < all {
		list = append(list, sim.Quantile{PPM: all, Value: last.Value})
	}
	return list
}

// shareUpTo is how many in a million of a distribution are at most d.
func shareUpTo(points []sim.Quantile, d time.Duration) int64 {
	if d < points[0].Value {
		return 0
	}
	for i := 1; i < len(points); i++ {
		if a, b := points[i-1], points[i]; d < b.Value {
			return a.PPM + (b.PPM-a.PPM)*int64(d-a.Value)/int64(b.Value-a.Value)
		}
	}
	return 1_000_000
}

// valueAt is the value of a distribution at a quantile.
func valueAt(points []sim.Quantile, ppm int64) time.Duration {
	for i := 1; i < len(points); i++ {
		if a, b := points[i-1], points[i]; ppm <= b.PPM {
			return a.Value + time.Duration(int64(b.Value-a.Value)*(ppm-a.PPM)/(b.PPM-a.PPM))
		}
	}
	return points[len(points)-1].Value
}
