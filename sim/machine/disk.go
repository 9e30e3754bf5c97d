package machine

import (
	"errors"
	"fmt"
	"time"

	"github.com/weirlab/weir/sim"
	"github.com/weirlab/weir/sim/simdisk"
)

// smallBytes is the size of a transfer whose time is nearly all latency, and
// what rates of I/Os are measured with.
const smallBytes = 4 << 10

func (d *Disk) check() error {
	if d.CapacityBytes <= 0 {
		return fmt.Errorf("capacity_bytes: %d is not positive", d.CapacityBytes)
	}
	if d.WriteBytesPerSecond <= 0 || d.ReadBytesPerSecond <= 0 {
		return errors.New("write_bytes_per_s and read_bytes_per_s: must be positive")
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

// profile makes a disk of the simulator of what was measured:
//
//   - What a small overwrite and its sync take is the latency of a write.
//   - What a small append and its sync take longer is the commit of the
//     journal, which has to come after the data.
//   - The rate of small synced overwrites at the depth where it is highest is
//     the limit of IOPS, that of long runs the bandwidth. No transfer gets
//     ahead of them.
//
// Besides, it has the defaults of Linux and ext4: vm.dirty_expire_centisecs,
// vm.dirty_writeback_centisecs, the commit= option and read_ahead_kb.
func (d *Disk) profile() (simdisk.Profile, error) {
	write, _ := d.Find(OverwriteSync, smallBytes, 1)
	latency := less(write.Latency, constant(transferTime(smallBytes, d.WriteBytesPerSecond)))
	p := simdisk.Profile{
		Name:          "disk",
		CapacityBytes: d.CapacityBytes,
		Write:         simdisk.Limit{IOPS: d.rate(OverwriteSync, smallBytes), BytesPerSecond: d.WriteBytesPerSecond},
		Read:          simdisk.Limit{IOPS: d.rate(DirectRead, smallBytes), BytesPerSecond: d.ReadBytesPerSecond},
		IOBytes:       maxTransfer,
		QueueDepth:    64,

		DirtyExpire: 30 * time.Second, FlushInterval: 5 * time.Second,
		JournalInterval: 5 * time.Second, ReadAheadBytes: 128 << 10,
	}
	var err error
	if p.WriteLatency, err = sim.NewQuantiles(latency...); err != nil {
		return p, err
	}
	p.ReadLatency = p.WriteLatency
	if s, ok := d.Find(DirectRead, smallBytes, 1); ok {
		if p.ReadLatency, err = sim.NewQuantiles(less(s.Latency, constant(transferTime(smallBytes, d.ReadBytesPerSecond)))...); err != nil {
			return p, err
		}
	}
	if s, ok := d.Find(AppendSync, smallBytes, 1); ok {
		if p.CommitLatency, err = sim.NewQuantiles(less(s.Latency, write.Latency)...); err != nil {
			return p, err
		}
	}
	return p, nil
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

// valueAt is the value of a distribution at a quantile.
func valueAt(points []sim.Quantile, ppm int64) time.Duration {
	for i := 1; i < len(points); i++ {
		if a, b := points[i-1], points[i]; ppm <= b.PPM {
			return a.Value + time.Duration(int64(b.Value-a.Value)*(ppm-a.PPM)/(b.PPM-a.PPM))
		}
	}
	return points[len(points)-1].Value
}
