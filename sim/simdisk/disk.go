package simdisk

import (
	"fmt"
	"io/fs"
	"time"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/sim"
)

// Disk is the file system of one machine, with the page cache above it and the
// device below. Several disks may share a device, and with it a page cache.
type Disk struct {
	k    *sim.Kernel
	node *sim.Node
	p    Profile
	dev  *Device
	mem  *memory

	root     *inode
	inodes   uint64 // made so far
	pending  []nameStep
	stepsEnd uint64 // number of name steps so far
	cuts     []*inode
	journal  *commit
	orphans  []*inode // removed, but open

	usedBytes     int64
	capacityBytes int64

	faults      []*Injection
	pack        packer
	cachedBytes int64 // in the page cache
	dirtyBytes  int64 // of them in memory only
	underway    int   // background write-backs
	epoch       int64 // of the process whose handles are valid
	losses      int64 // of power
	lost        []Loss
	stats       counters
	generation  uint64 // of I/O: what is under way when power goes never ends
}

var _ env.FS = (*Disk)(nil)

// New makes an empty disk for a machine, on a device of its own, and ties it to
// the machine's crashes. Give it to the machine with [sim.Node.SetFS]. It
// panics if the profile makes no sense.
func New(k *sim.Kernel, n *sim.Node, p Profile) *Disk {
	return NewOn(k, n, NewDevice(k, n.Name(), p), p)
}

// NewOn makes an empty file system for a machine on a device that others may
// use too, such as the brokers that run on one laptop. Of the profile it takes
// what is about the file system and the memory: CapacityBytes, CacheBytes, the
// dirty limits and the JournalInterval. If the profile of the device has
// SharedCache, its memory is that of all file systems on it instead, as for
// several processes of one machine.
func NewOn(k *sim.Kernel, n *sim.Node, dev *Device, p Profile) *Disk {
	if err := p.check(); err != nil {
		panic(err)
	}
	d := &Disk{k: k, node: n, p: p, dev: dev, capacityBytes: p.CapacityBytes, epoch: 1}
	dev.disks++
	switch {
	case !dev.p.SharedCache:
		d.mem = newMemory(k, dev, p)
	case dev.mem == nil:
		dev.mem = newMemory(k, dev, dev.p)
		fallthrough
	default:
		d.mem = dev.mem
	}
	d.pack.hot, d.pack.known = hotChunks, archiveOf(k)
	d.root = d.newInode(true)
	d.root.links = 1
	n.OnCrash(func(kind sim.CrashKind) {
		d.closeAll()
		if kind == sim.PowerLoss {
			d.powerLoss()
		}
	})
	return d
}

// Stats counts what a disk did. Bytes written by programs that were removed
// or overwritten before write-back never reach the device.
type Stats struct {
	ReadIOs, WriteIOs     int64 // as the device counts them
	ReadBytes, WriteBytes int64
	DeviceWait            time.Duration // summed over I/Os: from handing in to end

	CacheHitBytes, CacheMissBytes int64
	Writes, WrittenBytes          int64 // WriteAt calls and their bytes
	Reads, ReadOutBytes           int64 // ReadAt calls and their bytes
	Syncs, SyncDirs               int64
	SyncTime                      time.Duration // summed over Sync calls
	JournalCommits                int64
	Throttled                     time.Duration // writers waited for write-back

	PowerLosses int64
	LostBytes   int64 // unsynced bytes that a loss of power took
	KeptBytes   int64 // unsynced bytes that it left
	HolePages   int64 // appended pages that are missing before some that are not
	TornPages   int64
	LostNames   int64 // unsynced name changes that it undid
	KeptNames   int64
	LostCuts    int64 // unsynced truncations that it undid

	Betrayed    int64 // writes and syncs that did not do what they said
	BrokenBytes int64 // that a loss of power took although a sync had promised them

	FaultsHit int64
	NoSpace   int64 // calls that failed because the disk was full
}

// Stats returns the counters.
//
// What was handed to the device counts as it passes the device's limits.
func (d *Disk) Stats() Stats {
	s, now := d.stats.Stats, d.k.Now()
	s.ReadIOs, s.ReadBytes = d.stats.ios[reading].At(now), d.stats.bytes[reading].At(now)
	s.WriteIOs, s.WriteBytes = d.stats.ios[writing].At(now), d.stats.bytes[writing].At(now)
	return s
}

// counters are Stats on their way.
type counters struct {
	Stats
	ios, bytes [2]sim.Flow // by direction
}

// Device is what the disk is on.
func (d *Disk) Device() *Device { return d.dev }

// DirtyBytes is how many bytes of the machine's page cache are in memory only,
// those on their way to the device included.
func (d *Disk) DirtyBytes() int64 { return d.mem.flush.dirtyBytes }

// CachedBytes is how much of the machine's memory holds file content.
func (d *Disk) CachedBytes() int64 { return d.mem.cache.bytes }

// Profile is what the disk was made with.
func (d *Disk) Profile() Profile { return d.p }

// Usage implements env.FS.
func (d *Disk) Usage(dir string) (totalBytes, freeBytes int64, err error) {
	if d.k.CallerDead() {
		return 0, 0, d.failure("usage", dir, fs.ErrClosed)
	}
	return d.capacityBytes, max(0, d.capacityBytes-d.usedBytes), nil
}

// failure is an error that names machine and file.
func (d *Disk) failure(op, name string, err error) error {
	return &fs.PathError{Op: op, Path: d.node.Name() + ":" + name, Err: sim.Errno(err)}
}

// timed reports whether the caller is a task, for which things take time, and
// not a callback of the kernel, for which they must not.
func (d *Disk) timed() bool { return d.k.Current() != nil }

// waitFor blocks a task until time at.
func (d *Disk) waitFor(why string, at time.Duration) {
	if d.timed() && at > d.k.Now() {
		d.k.ParkUntil(why, at+d.node.WakeupDelay())
	}
}

// waitIn blocks a task until it is woken from the list.
func (d *Disk) waitIn(why string, l *sim.WaitList) {
	l.Push(d.k.Current())
	d.k.Park(why)
}

// closeAll ends the handles of a process that has died.
func (d *Disk) closeAll() {
	d.epoch++
	for _, f := range d.orphans {
		d.free(f)
	}
	d.orphans = nil
}

// key names something of this disk in random streams.
func (d *Disk) key(format string, args ...any) string {
	return d.node.Name() + "/" + fmt.Sprintf(format, args...)
}
