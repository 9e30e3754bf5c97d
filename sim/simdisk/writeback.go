package simdisk

import (
	"slices"
	"time"

	"github.com/weirlab/weir/sim"
)

// JournalBytes is what a commit of the journal writes.
const JournalBytes = 8 << 10

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
		f.written(s)
	}
	if len(f.dirty) == 0 && len(f.writes) == 0 && len(f.forgotten) == 0 && len(f.betrayed.phantom) == 0 {
		clear(f.old)
	}
	n := w.spans.bytes()
	d.mem.flush.undirty(d, n)
	d.mem.flush.wrote(n)
	d.k.RouseAll(&w.waiters)
	if w.background {
		fl := &d.mem.flush
		fl.underway--
		d.underway--
		fl.pump()
		fl.setAlarm()
		if fl.underway == 0 {
			fl.pace.busy = false
		}
	}
	d.settleAged()
}

// written takes note that the device has bytes as they are in memory, those of a
// write-back that had failed among them.
func (f *inode) written(s span) {
	f.forgotten = f.forgotten.without(s.from, s.to)
	f.refreshOld(s.from, s.to)
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
			f.refresh(old[at:at+n], pos)
			f.old[ci] = old
		}
		pos += n
	}
}

// refresh makes old, kept bytes from pos on, what memory has, but for what the
// device never gets.
func (f *inode) refresh(old []byte, pos int64) {
	var never [][]byte
	f.betrayed.phantom.within(pos, pos+int64(len(old)), func(from, to int64) {
		never = append(never, slices.Clone(old[from-pos:to-pos]))
	})
	f.copyOut(old, pos)
	i := 0
	f.betrayed.phantom.within(pos, pos+int64(len(old)), func(from, _ int64) {
		copy(old[from-pos:], never[i])
		i++
	})
}

// sync makes a file's content and length durable.
func (d *Disk) sync(f *inode) {
	d.stats.Syncs++
	began := d.k.Now()
	defer func() { d.stats.SyncTime += d.k.Now() - began }()
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
	for _, s := range f.dirty {
		f.written(s)
	}
	d.clean(f)
	if len(f.forgotten) == 0 {
		f.old = nil
	}
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
		at := int64(d.stats.JournalCommits) * JournalBytes
		done := d.dev.commit(start, d.root.id, spans{{at, at + JournalBytes}}, &d.stats)
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
