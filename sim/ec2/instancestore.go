package ec2

import (
	"fmt"
	"strings"
	"time"
)

// DiskRow is what was measured of one disk of an instance store, or of all
// disks of an instance together.
type DiskRow struct {
	Instance string // "i3en.2xlarge", or "i3en.ALL" for all sizes without a row
	Together bool   // of all disks; else of each

	ReadIOPS, ReadBytes, WriteIOPS, WriteBytes int64 // per second

	Provenance Provenance
}

func (c *Catalogue) addDisk(r *row) {
	d := DiskRow{
		Instance: r.name("instance"),
		ReadIOPS: r.fixed("read_iops", 0), ReadBytes: r.fixed("read_Bps", 0),
		WriteIOPS: r.fixed("write_iops", 0), WriteBytes: r.fixed("write_Bps", 0),
		Provenance: r.provenance(),
	}
	switch scope := r.name("scope"); {
	case strings.HasPrefix(scope, "one disk"):
	case strings.Contains(scope, "all disks together"):
		d.Together = true
	default:
		r.fail("scope", fmt.Errorf("%q says neither one disk nor all disks together", scope))
	}
	c.Disks = append(c.Disks, d)
}

// DiskLimits are the rules of one disk of an instance store.
type DiskLimits struct {
	Instance string
	Bytes    int64 // its size
	// MergeBytes is the most that counts as one I/O. It is an assumption: the
	// source measured IOPS with small and throughput with large I/Os.
	MergeBytes int64

	ReadIOPS, ReadThroughput, WriteIOPS, WriteThroughput Rule

	Provenance Provenance
}

// localMergeBytes is the usual largest transfer of an NVMe command.
const localMergeBytes = 128 << 10

// LocalDisk finds the rules of one disk of an instance type's instance store.
func (c *Catalogue) LocalDisk(instance string) (DiskLimits, error) {
	i, err := c.Instance(instance)
	if err != nil {
		return DiskLimits{}, err
	}
	if i.Disks == 0 {
		return DiskLimits{}, fmt.Errorf("ec2: %s has no instance store; use an EBS volume, or a type such as i3en or i4i", instance)
	}
	family, _, _ := strings.Cut(instance, ".")
	var found *DiskRow
	for n := range c.Disks {
		d := &c.Disks[n]
		if d.Instance == instance || d.Instance == family+".ALL" && found == nil {
			found = d
		}
	}
	if found == nil {
		return DiskLimits{}, fmt.Errorf("ec2: nobody measured the instance store of %s; i3, i3en, i4i, i4g, im4gn and is4gen were", instance)
	}
	share := int64(1)
	if found.Together {
		share = i.Disks
	}
	rule := func(what, unit string, n int64) Rule {
		return FixedRule("instance store "+what, unit, n/share)
	}
	l := DiskLimits{
		Instance: instance, Bytes: i.DiskBytes, MergeBytes: localMergeBytes,
		ReadIOPS: rule("read IOPS", unitIOs, found.ReadIOPS), ReadThroughput: rule("read throughput", unitBytes, found.ReadBytes),
		WriteIOPS: rule("write IOPS", unitIOs, found.WriteIOPS), WriteThroughput: rule("write throughput", unitBytes, found.WriteBytes),
		Provenance: found.Provenance,
	}
	return l, nil
}

// LocalDisk is one disk of an instance store at work. Reads and writes were
// measured apart and do not slow each other here.
type LocalDisk struct {
	limits     DiskLimits
	ios, bytes [2]*Bucket // reads, writes
}

// New makes a disk under the limits l.
func (l DiskLimits) New() (*LocalDisk, error) {
	d := &LocalDisk{limits: l}
	for i, r := range [2][2]Rule{{l.ReadIOPS, l.ReadThroughput}, {l.WriteIOPS, l.WriteThroughput}} {
		var err error
		if d.ios[i], err = NewBucket(r[0]); err != nil {
			return nil, err
		}
		if d.bytes[i], err = NewBucket(r[1]); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// Limits are the rules the disk keeps to.
func (d *LocalDisk) Limits() DiskLimits { return d.limits }

// Read queues a contiguous read, as [Volume.Admit].
func (d *LocalDisk) Read(now time.Duration, bytes int64) (start, end time.Duration) {
	return d.admit(0, now, bytes)
}

// Write queues a contiguous write, as [Volume.Admit].
func (d *LocalDisk) Write(now time.Duration, bytes int64) (start, end time.Duration) {
	return d.admit(1, now, bytes)
}

func (d *LocalDisk) admit(dir int, now time.Duration, bytes int64) (start, end time.Duration) {
	p := passage{now, now}
	p.through(d.ios[dir], now, (bytes+d.limits.MergeBytes-1)/d.limits.MergeBytes)
	p.through(d.bytes[dir], now, bytes)
	return p.start, p.end
}
