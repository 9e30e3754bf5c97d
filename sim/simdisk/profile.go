package simdisk

import (
	"fmt"
	"time"

	"github.com/weirlab/weir/sim"
)

// Limit is what a device does at most in one direction. Zero is no limit.
type Limit struct {
	IOPS           int64 // I/Os per second
	BytesPerSecond int64
}

// Profile describes a disk and the memory of its machine that caches it.
type Profile struct {
	Name string

	// CapacityBytes is the size of the file system.
	CapacityBytes int64

	// Write limits writes, and reads as well if Shared. Read limits reads
	// otherwise.
	Write, Read Limit
	Shared      bool

	// IOBytes is the most that counts as one I/O; larger transfers count as
	// several.
	IOBytes int64

	// Burst is how far ahead of an even spacing I/Os may run before the
	// limits hold them back.
	Burst time.Duration

	// QueueDepth is how many I/Os the device has under way at most.
	QueueDepth int

	// WriteLatency and ReadLatency are the latencies of single I/Os on an
	// idle device.
	WriteLatency, ReadLatency sim.Quantiles

	// CacheBytes is the memory that holds file content.
	CacheBytes int64

	// DirtyExpire is the age at which dirty bytes are written back
	// (vm.dirty_expire_centisecs).
	DirtyExpire time.Duration

	// DirtyBackgroundBytes is how many dirty bytes there may be before
	// write-back starts at once (vm.dirty_background_ratio), DirtyLimitBytes
	// how many before writers wait (vm.dirty_ratio).
	DirtyBackgroundBytes, DirtyLimitBytes int64

	// JournalInterval is how long names and lengths that nobody synced stay in
	// memory alone (the commit= option of ext4).
	JournalInterval time.Duration
}

func (p Profile) check() error {
	if p.CapacityBytes <= 0 || p.IOBytes <= 0 || p.QueueDepth <= 0 || p.CacheBytes <= 0 ||
		p.DirtyExpire <= 0 || p.DirtyBackgroundBytes <= 0 || p.DirtyLimitBytes < p.DirtyBackgroundBytes {
		return fmt.Errorf("simdisk: profile %q: sizes, depths and times must be positive, and DirtyLimitBytes at least DirtyBackgroundBytes", p.Name)
	}
	for _, n := range []int64{p.Write.IOPS, p.Write.BytesPerSecond, p.Read.IOPS, p.Read.BytesPerSecond} {
		if n < 0 {
			return fmt.Errorf("simdisk: profile %q: limits must not be negative", p.Name)
		}
	}
	return nil
}

// linux is the part of a profile that the machine's kernel and memory decide:
// a machine with 16 GiB and the defaults of Linux and ext4.
func linux(p Profile) Profile {
	p.CacheBytes = 8 << 30
	p.DirtyExpire = 30 * time.Second
	p.DirtyBackgroundBytes = 1600 << 20
	p.DirtyLimitBytes = 3200 << 20
	p.JournalInterval = 5 * time.Second
	p.Burst = 10 * time.Millisecond
	return p
}

// GP3 is an EBS gp3 volume of 500 GiB as it comes: 3,000 IOPS and 125 MiB/s
// for reads and writes together, I/Os merged up to 256 KiB (EBS User Guide,
// general purpose volumes). AWS claims "single-digit milliseconds" and
// publishes no distribution. The tables are an assumption, shaped so that a
// write followed by a journal commit takes 2.6 ms on average, as measured for
// fsync on an m7g.xlarge (klite.dev, 2026-03), and so that nothing is faster
// than the 250 µs that a round trip to EBS takes (PlanetScale, 2025-03).
func GP3() Profile {
	return linux(Profile{
		Name:          "gp3",
		CapacityBytes: 500 << 30,
		Write:         Limit{IOPS: 3000, BytesPerSecond: 125 << 20},
		Shared:        true,
		IOBytes:       256 << 10,
		QueueDepth:    64,
		WriteLatency: sim.MustQuantiles(
			sim.Quantile{PPM: 0, Value: 400 * time.Microsecond},
			sim.Quantile{PPM: 500_000, Value: 1000 * time.Microsecond},
			sim.Quantile{PPM: 900_000, Value: 1700 * time.Microsecond},
			sim.Quantile{PPM: 990_000, Value: 4 * time.Millisecond},
			sim.Quantile{PPM: 999_000, Value: 12 * time.Millisecond},
			sim.Quantile{PPM: 1_000_000, Value: 40 * time.Millisecond},
		),
		ReadLatency: sim.MustQuantiles(
			sim.Quantile{PPM: 0, Value: 250 * time.Microsecond},
			sim.Quantile{PPM: 500_000, Value: 700 * time.Microsecond},
			sim.Quantile{PPM: 900_000, Value: 1200 * time.Microsecond},
			sim.Quantile{PPM: 990_000, Value: 3 * time.Millisecond},
			sim.Quantile{PPM: 999_000, Value: 10 * time.Millisecond},
			sim.Quantile{PPM: 1_000_000, Value: 40 * time.Millisecond},
		),
	})
}

// InstanceStore is the local NVMe disk of an i3en.2xlarge: limits as measured
// by Seastar's iotune (scylla-machine-image, aws_io_params.yaml, 2026-06). The
// tables are an assumption around the 50 µs of a local round trip
// (PlanetScale, 2025-03) and an fsync p99 of 1 to 6 ms (StreamNative, 2020).
func InstanceStore() Profile {
	return linux(Profile{
		Name:          "instance-store",
		CapacityBytes: 2500 * 1_000_000_000,
		Write:         Limit{IOPS: 66_969, BytesPerSecond: 333_447_168},
		Read:          Limit{IOPS: 84_480, BytesPerSecond: 666_894_336},
		IOBytes:       128 << 10,
		QueueDepth:    128,
		WriteLatency: sim.MustQuantiles(
			sim.Quantile{PPM: 0, Value: 20 * time.Microsecond},
			sim.Quantile{PPM: 500_000, Value: 60 * time.Microsecond},
			sim.Quantile{PPM: 900_000, Value: 150 * time.Microsecond},
			sim.Quantile{PPM: 990_000, Value: 1500 * time.Microsecond},
			sim.Quantile{PPM: 999_000, Value: 5 * time.Millisecond},
			sim.Quantile{PPM: 1_000_000, Value: 20 * time.Millisecond},
		),
		ReadLatency: sim.MustQuantiles(
			sim.Quantile{PPM: 0, Value: 50 * time.Microsecond},
			sim.Quantile{PPM: 500_000, Value: 90 * time.Microsecond},
			sim.Quantile{PPM: 900_000, Value: 200 * time.Microsecond},
			sim.Quantile{PPM: 990_000, Value: 600 * time.Microsecond},
			sim.Quantile{PPM: 999_000, Value: 2 * time.Millisecond},
			sim.Quantile{PPM: 1_000_000, Value: 10 * time.Millisecond},
		),
	})
}
