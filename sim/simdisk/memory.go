package simdisk

import (
	"time"

	"github.com/weirlab/weir/sim"
)

// memory is the part of a machine's memory that holds file content: which of
// it is there, and which of that the device does not have yet.
type memory struct {
	cache   cache
	flush   flusher
	journal journalSlot
}

// journalSlot is when the latest commit of the journal starts and ends. File
// systems that share a machine's memory are directories of one file system, so
// their commits are one.
type journalSlot struct {
	start, done time.Duration
	by          *Disk // that handed it in, nil if there was none
	generation  uint64
}

// lost reports whether there is no such commit, or power went before its end.
func (s *journalSlot) lost() bool { return s.by == nil || s.generation != s.by.generation }

// SoilForeign begins as on a machine that has been under load for long: the
// page cache holds n dirty bytes besides, of an old file that nobody will read,
// and they are old enough to be written back. They count as memory and go
// through the device like all others, but cost none here.
func (d *Disk) SoilForeign(n int64) {
	if n = n / chunkBytes * chunkBytes; n <= 0 {
		return
	}
	f := d.newInode(false)
	f.size, f.durableSize = n, n
	f.chunks = make([]chunk, n/chunkBytes)
	for ci := range f.chunks {
		f.chunks[ci].foreign = true
	}
	fl := &d.mem.flush
	fl.pace.start(d.dev.promised())
	f.dirty, _ = f.dirty.add(0, n)
	f.dirtySince = d.k.Now() - d.p.DirtyExpire
	fl.dirtyBytes += n
	d.dirtyBytes += n
	for ci := range f.chunks {
		d.mem.cache.enter(f, int64(ci))
	}
	fl.enqueueFirst(f)
	fl.pump()
	fl.setAlarm()
}

func newMemory(k *sim.Kernel, dev *Device, p Profile) *memory {
	m := &memory{
		cache: cache{limit: p.CacheBytes},
		flush: flusher{k: k, p: &p},
	}
	m.flush.pace.start(dev.promised())
	return m
}
