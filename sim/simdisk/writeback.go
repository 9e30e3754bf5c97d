package simdisk

import (
	"slices"
	"time"

	"github.com/weirlab/weir/sim"
)

const (
	// batchBytes is how much background write-back hands to the device at a
	// time, and batches how often at once: enough to keep it busy, little
	// enough for a Sync not to wait long behind it.
	batchBytes = 1 << 20
	batches    = 2

	// journalBytes is what a commit of the journal writes.
	journalBytes = 8 << 10
)

// flusher writes back in the background what is old or too much.
type flusher struct {
	k          *sim.Kernel
	p          *Profile
	dirtyBytes int64  // in memory only, on their way included
	first      *inode // files with dirty bytes, the longest dirty first
	last       *inode
	underway   int
	alarm      sim.Handle
	alarmSet   bool
	throttled  sim.WaitList
}

// soil marks bytes of a file dirty.
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
		if fl.dirtyBytes > fl.p.DirtyLimitBytes {
			fl.throttle(d)
		}
	}
}

// throttle makes a writer wait while there are too many dirty bytes.
func (fl *flusher) throttle(d *Disk) {
	begin := d.k.Now()
	for d.timed() && fl.dirtyBytes > fl.p.DirtyLimitBytes && fl.underway > 0 {
		d.waitIn("disk: too many dirty bytes", &fl.throttled)
	}
	d.stats.Throttled += d.k.Now() - begin
}

func (fl *flusher) undirty(d *Disk, n int64) {
	d.dirtyBytes -= n
	fl.dirtyBytes -= n
	if fl.throttled.Len() > 0 && fl.dirtyBytes <= fl.p.DirtyLimitBytes {
		fl.k.RouseAll(&fl.throttled)
	}
}

// setAlarm schedules the moment when the oldest dirty bytes expire, unless
// the end of an I/O comes first and looks again.
func (fl *flusher) setAlarm() {
	if !fl.alarmSet && fl.first != nil && fl.underway < batches {
		fl.alarmSet = true
		fl.alarm = fl.k.Schedule(fl.first.dirtySince+fl.p.DirtyExpire, fl, 0)
	}
}

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

// HandleEvent is the alarm.
func (fl *flusher) HandleEvent(uint64) {
	fl.alarmSet = false
	fl.pump()
	fl.setAlarm()
}

// TraceName names the alarm in traces.
func (fl *flusher) TraceName() string { return "disk write-back" }

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

// pump keeps the device busy while anything is due.
func (fl *flusher) pump() {
	for f := fl.first; f != nil && fl.underway < batches; f = fl.first {
		if fl.dirtyBytes <= fl.p.DirtyBackgroundBytes && f.dirtySince+fl.p.DirtyExpire > fl.k.Now() {
			return
		}
		taken, rest, _ := f.dirty.take(batchBytes)
		f.dirty = rest
		if len(rest) == 0 {
			fl.dequeue(f)
		}
		fl.underway++
		f.d.underway++
		f.d.writeOut(f, taken).background = true
	}
}

// writeback is an I/O that carries bytes of a file to the device.
type writeback struct {
	d          *Disk
	f          *inode
	spans      spans
	generation uint64
	background bool
	done       bool
	waiters    sim.WaitList
}

// writeOut hands bytes of a file to the device.
func (d *Disk) writeOut(f *inode, s spans) *writeback {
	w := &writeback{d: d, f: f, spans: s, generation: d.generation}
	f.writes = append(f.writes, w)
	d.k.Schedule(d.dev.submit(writing, d.k.Now(), f.id, s, &d.stats), w, f.id)
	return w
}

// TraceName names the I/O in traces.
func (w *writeback) TraceName() string { return "disk write" }

// HandleEvent is the end of the I/O.
func (w *writeback) HandleEvent(uint64) {
	d, f := w.d, w.f
	if w.generation != d.generation {
		return
	}
	w.done = true
	f.writes = slices.DeleteFunc(f.writes, func(o *writeback) bool { return o == w })
	d.settleCut(f)
	for _, s := range w.spans {
		f.durableSize = max(f.durableSize, min(s.to, f.size))
		f.refreshOld(s.from, s.to)
	}
	if len(f.dirty) == 0 && len(f.writes) == 0 && len(f.forgotten) == 0 {
		clear(f.old)
	}
	d.mem.flush.undirty(d, w.spans.bytes())
	d.k.RouseAll(&w.waiters)
	if w.background {
		fl := &d.mem.flush
		fl.underway--
		d.underway--
		fl.pump()
		fl.setAlarm()
	}
	d.settleAged()
}

// refreshOld brings the kept chunks up to date with bytes that have become
// durable.
func (f *inode) refreshOld(from, to int64) {
	if len(f.old) == 0 {
		return
	}
	for pos := from; pos < to; {
		ci, at := pos/chunkBytes, pos%chunkBytes
		n := min(to-pos, chunkBytes-at)
		if old, ok := f.old[ci]; ok {
			if int64(len(old)) < at+n {
				old = append(old, make([]byte, at+n-int64(len(old)))...)
			}
			f.copyOut(old[at:at+n], pos)
			f.old[ci] = old
		}
		pos += n
	}
}

// sync makes a file's content and length durable.
func (d *Disk) sync(f *inode) {
	d.stats.Syncs++
	d.noteSync(f)
	needJournal := f.durableSize != f.size || f.cut >= 0
	if !d.timed() {
		d.settleFile(f)
		return
	}
	if len(f.dirty) > 0 {
		taken := f.dirty
		f.dirty = nil
		d.mem.flush.dequeue(f)
		d.writeOut(f, taken)
	}
	for _, w := range slices.Clone(f.writes) {
		if !w.done {
			d.waitIn("disk sync", &w.waiters)
		}
	}
	if needJournal {
		c := d.joinCommit()
		c.files = append(c.files, committed{f, f.size})
		d.waitIn("journal commit", &c.waiters)
	}
}

// settleFile makes a file durable at once.
func (d *Disk) settleFile(f *inode) {
	d.settleCut(f)
	d.clean(f)
	f.old = nil
	f.durableSize = f.size
}

// commit is a commit of the journal. Who asks for one before it starts shares
// it.
type commit struct {
	d           *Disk
	start, done time.Duration
	generation  uint64
	files       []committed
	dirs        []dirCommitted
	waiters     sim.WaitList
}

type committed struct {
	f    *inode
	size int64
}

type dirCommitted struct {
	dir   *inode
	steps uint64 // only name steps before this one
}

// joinCommit returns the next commit of the journal to start.
func (d *Disk) joinCommit() *commit {
	now := d.k.Now()
	c := d.journal
	if c != nil && now <= c.start {
		return c
	}
	slot := &d.mem.journal
	if slot.lost() || now > slot.start {
		start := now
		if !slot.lost() {
			start = max(start, slot.done)
		}
		at := int64(d.stats.JournalCommits) * journalBytes
		done := d.dev.commit(start, d.root.id, spans{{at, at + journalBytes}}, &d.stats)
		*slot = journalSlot{start: start, done: done, by: d, generation: d.generation}
		d.stats.JournalCommits++
	}
	c = &commit{d: d, start: slot.start, done: slot.done, generation: d.generation}
	d.journal = c
	d.k.Schedule(c.done, c, d.root.id)
	return c
}

// TraceName names the commit in traces.
func (c *commit) TraceName() string { return "journal commit" }

// HandleEvent is the end of the commit.
func (c *commit) HandleEvent(uint64) {
	d := c.d
	if c.generation != d.generation {
		return
	}
	for _, e := range c.files {
		f := e.f
		d.settleCut(f)
		// What was written since is dirty and not covered; a length that only
		// grew is.
		if size := min(e.size, f.size); size > f.durableSize {
			f.durableSize = size
		}
	}
	for _, e := range c.dirs {
		d.settleDir(e.dir, e.steps)
	}
	d.k.RouseAll(&c.waiters)
}

// clean forgets that a file is dirty.
func (d *Disk) clean(f *inode) {
	n := f.dirty.bytes()
	f.dirty = nil
	d.mem.flush.dequeue(f)
	d.mem.flush.undirty(d, n)
}
