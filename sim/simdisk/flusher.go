package simdisk

import (
	"time"

	"github.com/weirlab/weir/sim"
)

const (
	// batchBytes is how much background write-back hands to the device at a
	// time; batches of them, or what the device writes in ahead if that is more,
	// are under way at once: enough to keep it busy, little enough for a Sync not
	// to wait long behind it (as blk-wbt does it in Linux).
	batchBytes = 1 << 20
	batches    = 2
	ahead      = 4 * time.Millisecond

	// sliceBytes is how much of one file is written back before it is the turn
	// of the next (Linux: writeback_chunk_size, at least 4 MiB).
	sliceBytes = 4 << 20
)

// flusher writes back in the background what is old or too much, and slows
// down those who write too much; see pace.
type flusher struct {
	k          *sim.Kernel
	p          *Profile
	dirtyBytes int64  // in memory only, on their way included
	first      *inode // files with dirty bytes, the longest dirty first
	last       *inode
	underway   int
	turn       *inode // whose turn it is while there are too many
	slice      int64  // written back of it since
	expiring   bool   // the alarm has found something that is old
	alarm      sim.Handle
	alarmSet   bool
	throttled  sim.WaitList
	pace       pace
}

// soil marks bytes of a file dirty, and has the writer wait if there are too
// many.
func (d *Disk) soil(f *inode, from, to int64) {
	if len(f.dirty) == 0 {
		f.dirtySince = d.k.Now()
	}
	var added int64
	f.dirty, added = f.dirty.add(from, to)
	fl := &d.mem.flush
	fl.dirtyBytes += added
	d.dirtyBytes += added
	if !f.queued {
		fl.enqueue(f)
		fl.setAlarm()
	}
	if fl.dirtyBytes > fl.p.DirtyBackgroundBytes {
		fl.pump()
		fl.throttle(d, f, added)
	}
}

// throttle makes a writer wait: for a while if there are many dirty bytes, and
// until there are fewer if there are too many.
func (fl *flusher) throttle(d *Disk, f *inode, added int64) {
	if !d.timed() {
		return
	}
	begin := d.k.Now()
	if pause := fl.pause(f, added); pause > 0 {
		d.k.ParkUntil("disk: many dirty bytes", begin+pause)
	}
	for fl.dirtyBytes > fl.p.DirtyLimitBytes && fl.underway > 0 {
		d.waitIn("disk: too many dirty bytes", &fl.throttled)
	}
	d.stats.Throttled += d.k.Now() - begin
}

// undirty takes bytes of a disk out of the accounts.
func (fl *flusher) undirty(d *Disk, n int64) {
	d.dirtyBytes -= n
	fl.dirtyBytes -= n
	if fl.throttled.Len() > 0 && fl.dirtyBytes <= fl.p.DirtyLimitBytes {
		fl.k.RouseAll(&fl.throttled)
	}
}

// setAlarm schedules when to look for expired bytes: the first wake-up of the
// flusher, every FlushInterval, after the oldest have expired. While an I/O is
// under way its end looks again.
func (fl *flusher) setAlarm() {
	if fl.alarmSet || fl.first == nil || fl.underway > 0 {
		return
	}
	at := max(fl.first.dirtySince+fl.p.DirtyExpire, fl.k.Now())
	if every := fl.p.FlushInterval; every > 0 {
		at = (at + every - 1) / every * every
	}
	fl.alarmSet = true
	fl.alarm = fl.k.Schedule(at, fl, 0)
}

// HandleEvent is the alarm.
func (fl *flusher) HandleEvent(uint64) {
	fl.alarmSet = false
	fl.expiring = true
	fl.pump()
	fl.setAlarm()
}

// TraceName names the alarm in traces.
func (fl *flusher) TraceName() string { return "disk write-back" }

// pump keeps the device busy while anything is due.
func (fl *flusher) pump() {
	most := max(batches, int(fl.pace.bandwidth/int64(time.Second/ahead)/batchBytes))
	for fl.underway < most {
		f := fl.due()
		if f == nil {
			return
		}
		taken, rest, n := f.dirty.take(batchBytes)
		f.dirty = rest
		fl.slice += n
		if len(rest) == 0 {
			fl.dequeue(f)
		}
		fl.underway++
		f.d.underway++
		f.d.writeOut(f, taken).background = true
	}
}

// due is the next file to write back, or nil. While there are too many dirty
// bytes the files take turns; else those that are old come one after the other.
func (fl *flusher) due() *inode {
	if fl.first == nil {
		return nil
	}
	if fl.dirtyBytes > fl.p.DirtyBackgroundBytes {
		if fl.turn != nil && fl.slice >= sliceBytes {
			fl.turn, fl.slice = fl.turn.later, 0
		}
		if fl.turn == nil {
			fl.turn, fl.slice = fl.first, 0
		}
		return fl.turn
	}
	if fl.expiring && fl.first.dirtySince+fl.p.DirtyExpire <= fl.k.Now() {
		return fl.first
	}
	fl.expiring = false
	return nil
}

// forget takes what a disk has dirty or on its way out of the accounts when its
// machine loses power. Its writers that wait are left to the kernel, which takes
// them out of the list as it ends them.
func (fl *flusher) forget(d *Disk) {
	for f := fl.first; f != nil; {
		next := f.later
		if f.d == d {
			fl.dequeue(f)
		}
		f = next
	}
	fl.dirtyBytes -= d.dirtyBytes
	fl.underway -= d.underway
	d.dirtyBytes, d.underway = 0, 0
	if fl.first == nil {
		fl.k.Cancel(fl.alarm)
		fl.alarm, fl.alarmSet = sim.Handle{}, false
	}
	// Other disks of the memory have room now.
	fl.undirty(d, 0)
	fl.pump()
	fl.setAlarm()
}

// enqueue puts a file at the end of the queue.
func (fl *flusher) enqueue(f *inode) {
	f.queued = true
	f.earlier = fl.last
	if fl.last != nil {
		fl.last.later = f
	} else {
		fl.first = f
	}
	fl.last = f
}

// enqueueFirst is enqueue for a file whose dirty bytes are the oldest.
func (fl *flusher) enqueueFirst(f *inode) {
	f.queued = true
	f.later = fl.first
	if fl.first != nil {
		fl.first.earlier = f
	} else {
		fl.last = f
	}
	fl.first = f
}

func (fl *flusher) dequeue(f *inode) {
	if !f.queued {
		return
	}
	if f == fl.turn {
		fl.turn, fl.slice = f.later, 0
	}
	f.queued = false
	if f.earlier != nil {
		f.earlier.later = f.later
	} else {
		fl.first = f.later
	}
	if f.later != nil {
		f.later.earlier = f.earlier
	} else {
		fl.last = f.earlier
	}
	f.earlier, f.later = nil, nil
}
