package simdisk

import (
	"io"
	"math/bits"
	"syscall"
	"time"

	"github.com/weirlab/weir/env"
)

const (
	sectorBytes   = 512      // what a device writes as a whole or not at all
	pageBytes     = 4 << 10  // of the page cache; what is written back at least
	chunkBytes    = 64 << 10 // of memory; files grow by whole chunks, without copying
	pagesPerChunk = chunkBytes / pageBytes
	maxFileBytes  = 1 << 36
)

// chunk is a stretch of a file. Bytes behind the end of data are zeros. A full
// chunk may be compressed instead; see packer.
type chunk struct {
	data      []byte
	packed    []byte
	allocated uint16        // a bit for each page that occupies disk space
	resident  bool          // in the page cache
	charged   int32         // bytes it counts as there
	foreign   bool          // holds zeros of a file nobody reads, without data
	touched   bool          // since the cache last considered evicting it
	loaded    time.Duration // when the read that brings it in is done
}

// inode is a file or a directory.
type inode struct {
	d   *Disk
	id  uint64
	dir bool

	links     int   // names it has
	opens     int   // handles, of the process in opensEpoch
	openEpoch int64 // which process opens counts for

	// Of directories.
	parent  *inode
	entries map[string]*inode
	durable map[string]*inode // what the device knows

	// Of files.
	chunks []chunk
	size   int64

	dirty          spans         // written, not yet on the way to the device
	dirtySince     time.Duration // when dirty last became non-empty
	owed           time.Duration // pauses for writes of it, not yet taken
	queued         bool          // in the flusher's queue, between earlier and later
	earlier, later *inode
	writes         []*writeback // on the way
	forgotten      spans        // their write-back failed: in memory only, and clean
	failed         writeErrors  // of write-back

	// The device's view: a file of durableSize bytes whose content is that of
	// chunks, except where old has a chunk, and except for dirty bytes that
	// were never there, which are zeros or do not exist.
	durableSize int64
	old         map[int64][]byte

	// A truncation the journal has not committed, or cut < 0. Until then old
	// holds the chunks that were cut off.
	cut      int64
	cutSince time.Duration

	damaged int64 // the first byte that the last loss of power took, or more than there are

	ahead readAhead

	betrayed betrayed

	mark uint64 // rolling checksum of the writes, noted in the trace by Sync
}

func (d *Disk) newInode(dir bool) *inode {
	d.inodes++
	f := &inode{d: d, id: d.inodes, dir: dir, cut: -1}
	if dir {
		f.entries = make(map[string]*inode)
		f.durable = make(map[string]*inode)
	}
	return f
}

// read copies from the page cache, having brought in what is not there.
func (d *Disk) read(f *inode, p []byte, off int64) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if off >= f.size {
		return 0, io.EOF
	}
	if d.timed() {
		d.load(f, off, min(f.size, off+int64(len(p))))
	}
	n := int(min(max(0, f.size-off), int64(len(p))))
	d.stats.Reads++
	d.stats.ReadOutBytes += int64(n)
	f.copyOut(p[:n], off)
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (f *inode) copyOut(p []byte, off int64) {
	for len(p) > 0 {
		ci, at := off/chunkBytes, int(off%chunkBytes)
		n := min(len(p), chunkBytes-at)
		got := 0
		if ci < int64(len(f.chunks)) {
			if data := f.d.pack.view(&f.chunks[ci]); at < len(data) {
				got = copy(p[:n], data[at:])
			}
		}
		clear(p[got:n])
		p = p[n:]
		off += int64(n)
	}
}

// write copies into the page cache. It returns how many bytes fitted on the
// disk.
func (d *Disk) write(f *inode, p []byte, off int64) (int, error) {
	end := off + int64(len(p))
	if end > maxFileBytes {
		return 0, syscall.EFBIG
	}
	d.awaitStable(f, off, end)
	var err error
	n := 0
	for n < len(p) {
		pos := off + int64(n)
		ci, at := pos/chunkBytes, int(pos%chunkBytes)
		size := min(len(p)-n, chunkBytes-at)
		d.extend(f, ci)
		c := &f.chunks[ci]
		if fits := d.allocate(c, at, size); fits < size {
			size, err = fits, syscall.ENOSPC
			d.stats.NoSpace++
		}
		if size > 0 {
			if pos < f.durableSize {
				f.preserve(ci)
			}
			d.pack.unpack(c)
			fresh := len(c.data) < chunkBytes
			d.grow(f, ci, at, at+size)
			copy(c.data[at:], p[n:n+size])
			if fresh && len(c.data) == chunkBytes {
				d.pack.full(f, ci)
			}
			c.touched = true
			if !c.resident {
				d.mem.cache.enter(f, ci)
			}
			n += size
		}
		if err != nil {
			break
		}
	}
	if n > 0 {
		f.size = max(f.size, off+int64(n))
		f.mark = (f.mark ^ uint64(off)<<20 ^ uint64(n) ^ uint64(p[0])<<56 ^ uint64(p[n-1])<<48) * 0x9e3779b97f4a7c15
		d.stats.Writes++
		d.stats.WrittenBytes += int64(n)
		d.soil(f, off, off+int64(n))
	}
	return n, err
}

// extend makes sure that chunk ci exists.
func (d *Disk) extend(f *inode, ci int64) {
	for int64(len(f.chunks)) <= ci {
		f.chunks = append(f.chunks, chunk{})
	}
}

// grow makes sure that chunk ci has memory for its first n bytes, those from
// at on to be overwritten. The first chunk of a file doubles, so that small
// files are small; others are made whole.
func (d *Disk) grow(f *inode, ci int64, at, n int) {
	c := &f.chunks[ci]
	had := len(c.data)
	if n <= had {
		return
	}
	if n > cap(c.data) {
		var data []byte
		if room := max(sectorBytes, 2*cap(c.data), 1<<bits.Len(uint(n-1))); ci == 0 && room < chunkBytes {
			data = make([]byte, room)
		} else {
			data = d.pack.buffer()
		}
		copy(data, c.data)
		c.data = data
		d.mem.cache.charge(d, c)
	}
	c.data = c.data[:n]
	if had < at {
		clear(c.data[had:at])
	}
}

// awaitStable waits while the device reads bytes that are about to change
// (Linux: stable pages).
func (d *Disk) awaitStable(f *inode, from, to int64) {
	for i := 0; d.timed() && i < len(f.writes); i++ {
		if w := f.writes[i]; w.spans.overlaps(from, to) {
			d.waitIn("disk: bytes under write-back", &w.waiters)
			i = -1 // the list has changed
		}
	}
}

// allocate takes disk space for size bytes at offset at of a chunk. It returns
// how many of them have space.
func (d *Disk) allocate(c *chunk, at, size int) int {
	if size == 0 {
		return 0
	}
	first, last := at/pageBytes, (at+size-1)/pageBytes
	want := pageMask(first, last) &^ c.allocated
	if want == 0 {
		return size
	}
	need := int64(bits.OnesCount16(want)) * pageBytes
	if d.usedBytes+need <= d.capacityBytes {
		c.allocated |= want
		d.usedBytes += need
		return size
	}
	for page := first; page <= last; page++ {
		if c.allocated&(1<<page) != 0 {
			continue
		}
		if d.usedBytes+pageBytes > d.capacityBytes {
			return max(0, page*pageBytes-at)
		}
		c.allocated |= 1 << page
		d.usedBytes += pageBytes
	}
	return size
}

// pageMask has the bits of pages first to last.
func pageMask(first, last int) uint16 {
	return uint16(1<<(last+1)-1) &^ uint16(1<<first-1)
}

// free gives back all disk space and memory of a file that is gone for good.
func (d *Disk) free(f *inode) {
	for i := range f.chunks {
		d.mem.cache.leave(d, &f.chunks[i])
		d.usedBytes -= int64(bits.OnesCount16(f.chunks[i].allocated)) * pageBytes
		f.chunks[i].allocated = 0
	}
	d.clean(f)
}

// preserve keeps the durable bytes of a chunk before they change in memory.
func (f *inode) preserve(ci int64) {
	if f.keepOld(ci) {
		c := &f.chunks[ci]
		c.data = append(make([]byte, 0, cap(c.data)), c.data...)
	}
}

// keepOld makes a chunk's memory the kept one. It reports false if one is
// kept already.
func (f *inode) keepOld(ci int64) bool {
	if _, kept := f.old[ci]; kept {
		return false
	}
	if f.old == nil {
		f.old = make(map[int64][]byte)
	}
	c := &f.chunks[ci]
	f.d.pack.unpack(c)
	f.old[ci] = c.data
	return true
}

// truncate sets the length.
func (d *Disk) truncate(f *inode, size int64) error {
	if size > maxFileBytes {
		return syscall.EFBIG
	}
	d.awaitStable(f, size, maxFileBytes)
	if size >= f.size {
		f.size = size
		return nil
	}
	if size < f.durableSize {
		if f.cut < 0 {
			f.cut, f.cutSince = size, d.k.Now()
			d.cuts = append(d.cuts, f)
		}
		f.cut = min(f.cut, size)
	}
	for ci := size / chunkBytes; ci < int64(len(f.chunks)); ci++ {
		c := &f.chunks[ci]
		durable := ci*chunkBytes < f.durableSize
		keep := uint16(0)
		if at := int(max(0, size-ci*chunkBytes)); at > 0 {
			keep = pageMask(0, (at-1)/pageBytes)
			if at < c.size() {
				if durable {
					f.preserve(ci)
				}
				d.pack.unpack(c)
				c.data = c.data[:at]
			}
		} else {
			if durable {
				f.keepOld(ci)
			}
			d.mem.cache.leave(d, c)
			c.data, c.packed = nil, nil
		}
		d.usedBytes -= int64(bits.OnesCount16(c.allocated&^keep)) * pageBytes
		c.allocated &= keep
	}
	last := (size + chunkBytes - 1) / chunkBytes
	if last < int64(len(f.chunks)) {
		clear(f.chunks[last:])
		f.chunks = f.chunks[:last]
	}
	f.size = size
	var dropped int64
	f.dirty, dropped = f.dirty.cut(size)
	d.mem.flush.undirty(d, dropped)
	if len(f.dirty) == 0 {
		d.mem.flush.dequeue(f)
	}
	f.forgotten, _ = f.forgotten.cut(size)
	return nil
}

// preallocate takes disk space for [off, off+n), all of it or none.
func (d *Disk) preallocate(f *inode, off, n int64) error {
	if off+n > maxFileBytes {
		return syscall.EFBIG
	}
	var need int64
	for pos := off; pos < off+n; {
		ci, at := pos/chunkBytes, int(pos%chunkBytes)
		size := int(min(off+n-pos, chunkBytes-int64(at)))
		mask := pageMask(at/pageBytes, (at+size-1)/pageBytes)
		if ci < int64(len(f.chunks)) {
			mask &^= f.chunks[ci].allocated
		}
		need += int64(bits.OnesCount16(mask)) * pageBytes
		pos += int64(size)
	}
	if d.usedBytes+need > d.capacityBytes {
		d.stats.NoSpace++
		return syscall.ENOSPC
	}
	d.extend(f, (off+n-1)/chunkBytes)
	for pos := off; pos < off+n; {
		ci, at := pos/chunkBytes, int(pos%chunkBytes)
		size := int(min(off+n-pos, chunkBytes-int64(at)))
		d.allocate(&f.chunks[ci], at, size)
		pos += int64(size)
	}
	return nil
}

// noteSync enters what is being synced into the trace.
func (d *Disk) noteSync(f *inode) {
	d.k.Note(d.node, "sync", f.id, env.Mix64(f.mark^uint64(f.size)))
}
