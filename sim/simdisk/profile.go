package simdisk

import (
	"fmt"
	"strings"
	"time"

	"github.com/weirlab/weir/sim"
	"github.com/weirlab/weir/sim/ec2"
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

	// Volume, if it has a class, is an EBS volume that has its own limits and
	// credits; Write and Read are zero then. CreditPercent is how many of the
	// credits that it can hold it starts with.
	Volume        ec2.VolumeSpec
	CreditPercent int64

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

	// WriteStream is how many bytes per second a single write moves at most,
	// however little else the device has to do; 0 is no limit of its own.
	WriteStream int64

	// CommitLatency is that of a commit of the journal; the zero value is
	// WriteLatency.
	CommitLatency sim.Quantiles

	// CacheBytes is the memory that holds file content.
	CacheBytes int64

	// SharedCache tells that all file systems on one [Device] are those of one
	// machine and share its memory: CacheBytes and the dirty limits hold for
	// all of them together.
	SharedCache bool

	// DirtyExpire is the age at which dirty bytes are written back
	// (vm.dirty_expire_centisecs).
	DirtyExpire time.Duration

	// FlushInterval is how often it is looked for old dirty bytes
	// (vm.dirty_writeback_centisecs).
	FlushInterval time.Duration

	// DirtyBackgroundBytes is how many dirty bytes there may be before
	// write-back starts at once (vm.dirty_background_ratio), DirtyLimitBytes
	// how many before writers wait (vm.dirty_ratio).
	DirtyBackgroundBytes, DirtyLimitBytes int64

	// ReadAheadBytes is how far the device reads ahead of who reads a file in
	// sequence (the read_ahead_kb of the device), in whole chunks of 64 KiB; less
	// is none.
	ReadAheadBytes int64

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
	if p.Volume.Class == "" {
		return nil
	}
	if p.Write != (Limit{}) || p.Read != (Limit{}) {
		return fmt.Errorf("simdisk: profile %q has limits and an EBS volume; clear Volume.Class or the limits", p.Name)
	}
	if p.CreditPercent < 0 || p.CreditPercent > 100 {
		return fmt.Errorf("simdisk: profile %q: CreditPercent is %d; it must be 0 to 100", p.Name, p.CreditPercent)
	}
	return nil
}

// linux is the part of a profile that the machine's kernel and memory decide:
// a machine with 16 GiB and the defaults of Linux and ext4.
func linux(p Profile) Profile {
	p.DirtyExpire = 30 * time.Second
	p.FlushInterval = 5 * time.Second
	p.JournalInterval = 5 * time.Second
	p.ReadAheadBytes = 128 << 10
	p.Burst = 10 * time.Millisecond
	return p.WithMemory(8 << 30)
}

// WithMemory is the profile on a machine that has so many bytes of memory for
// files: all but what its programs use. The dirty limits are the shares of it
// that Linux takes by default: vm.dirty_background_ratio=10 and
// vm.dirty_ratio=20.
func (p Profile) WithMemory(available int64) Profile {
	p.CacheBytes = available
	p.DirtyBackgroundBytes = available / 10
	p.DirtyLimitBytes = available / 5
	return p
}

// EBS is the profile of an EBS volume, with the limits, the credits and the
// latency tables of package ec2. What is behind the tables is in their
// provenance. The volume starts with all credits.
func EBS(spec ec2.VolumeSpec) (Profile, error) {
	l, err := spec.Limits()
	if err != nil {
		return Profile{}, err
	}
	class := strings.TrimSuffix(spec.Class, "-until-2025")
	return linux(Profile{
		Name:          class,
		CapacityBytes: spec.GiB << 30,
		Volume:        l.Spec,
		CreditPercent: 100,
		Shared:        true,
		IOBytes:       l.MergeBytes,
		QueueDepth:    64,
		WriteLatency:  ec2.MustLatency(class + "-write").Quantiles,
		ReadLatency:   ec2.MustLatency(class + "-read").Quantiles,
	}), nil
}

// LocalDisk is the profile of one disk of an instance type's instance store,
// with the measured limits and the latency tables of package ec2.
func LocalDisk(instance string) (Profile, error) {
	l, err := ec2.Default().LocalDisk(instance)
	if err != nil {
		return Profile{}, err
	}
	return linux(Profile{
		Name:          "instance-store",
		CapacityBytes: l.Bytes,
		Write:         Limit{IOPS: l.WriteIOPS.Baseline, BytesPerSecond: l.WriteThroughput.Baseline},
		Read:          Limit{IOPS: l.ReadIOPS.Baseline, BytesPerSecond: l.ReadThroughput.Baseline},
		IOBytes:       l.MergeBytes,
		QueueDepth:    128,
		WriteLatency:  ec2.MustLatency("instance-store-write").Quantiles,
		ReadLatency:   ec2.MustLatency("instance-store-read").Quantiles,
	}), nil
}

// GP3 is an EBS gp3 volume of 500 GiB as it comes: 3,000 IOPS and 125 MiB/s
// for reads and writes together. Its latencies are an assumption.
func GP3() Profile { return must(EBS(ec2.VolumeSpec{Class: "gp3", GiB: 500})) }

// InstanceStore is a local NVMe disk of an i3en.2xlarge. Its limits were
// measured, its latencies are an assumption.
func InstanceStore() Profile { return must(LocalDisk("i3en.2xlarge")) }

// must is for profiles that the embedded tables are known to have.
func must(p Profile, err error) Profile {
	if err != nil {
		panic(err)
	}
	return p
}
