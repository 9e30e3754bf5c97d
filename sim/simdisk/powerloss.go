package simdisk

import (
	"math/bits"
	"slices"

	"github.com/weirlab/weir/env"
)

// powerLoss leaves what the device has and decides about the rest.
func (d *Disk) powerLoss() {
	d.losses++
	d.stats.PowerLosses++
	d.settleAged()
	d.generation++ // what was under way never ends
	before := d.inventory()
	d.journal = nil
	d.loseNames()

	d.mem.flush.forget(d)
	d.mem.cache.leaveAll(d)
	d.cuts, d.orphans = nil, nil
	d.usedBytes = 0
	d.dev.reset()
	seen := make(map[*inode]bool)
	d.restart(".", d.root, nil, seen)
	d.account(before)
	d.k.Note(d.node, "power loss", uint64(d.losses), env.Mix64(uint64(d.usedBytes)^uint64(d.stats.LostBytes)<<20^uint64(d.stats.LostNames)<<50))
}

// loseNames decides which uncommitted name steps survive. A step survives only
// if those before it on the same names do.
func (d *Disk) loseNames() {
	lost := make(map[entry]bool)
	for i := range d.pending {
		s := &d.pending[i]
		c := s.changes[0]
		r := d.k.Rand("power loss of a name", d.key("%d/%d/%s/%d", d.k.Now(), c.dir.id, c.name, s.at))
		if r.Chance(1, 2) && !s.touches(lost) {
			d.stats.KeptNames++
			s.apply()
			continue
		}
		d.stats.LostNames++
		s.mark(lost)
	}
	d.pending = nil
}

// restart makes the durable state of a tree its state.
func (d *Disk) restart(name string, f, parent *inode, seen map[*inode]bool) {
	if seen[f] {
		f.links++
		return
	}
	seen[f] = true
	f.links, f.opens, f.parent = 1, 0, parent
	if !f.dir {
		d.loseBytes(name, f)
		return
	}
	f.entries = make(map[string]*inode, len(f.durable))
	for _, base := range env.SortedKeys(f.durable) {
		child := f.durable[base]
		f.entries[base] = child
		d.restart(name+"/"+base, child, f, seen)
	}
}

// settleCut makes a truncation durable.
func (d *Disk) settleCut(f *inode) {
	if f.cut < 0 {
		return
	}
	for _, ci := range env.SortedKeys(f.old) {
		at := f.cut - ci*chunkBytes
		if at <= 0 {
			delete(f.old, ci)
		} else if at < int64(len(f.old[ci])) {
			f.old[ci] = f.old[ci][:at:at]
		}
	}
	f.durableSize = min(f.durableSize, f.cut)
	f.cut = -1
}

// loseBytes decides what of a file's unsynced content survives, and makes the
// result clean.
func (d *Disk) loseBytes(name string, f *inode) {
	f.damaged = maxFileBytes
	for i := range f.chunks {
		c := &f.chunks[i]
		c.resident, c.charged, c.touched, c.loaded = false, 0, false, 0
	}
	unsynced := slices.Clone(f.dirty)
	for _, w := range f.writes {
		for _, s := range w.spans {
			unsynced, _ = unsynced.add(s.from, s.to)
		}
	}
	for _, s := range f.forgotten {
		unsynced, _ = unsynced.add(s.from, s.to)
	}
	r := d.k.Rand("power loss of a file", d.key("%d/%s", d.k.Now(), name))
	if f.cut >= 0 {
		if r.Chance(1, 2) {
			d.settleCut(f)
		} else {
			// The cut did not happen, and so nothing behind it did.
			d.stats.LostCuts++
			var lost int64
			unsynced, lost = unsynced.cut(f.cut)
			d.stats.LostBytes += lost
			f.uncut()
		}
	}

	total, kept := unsynced.bytes(), int64(0)
	base := min(f.durableSize, f.size)
	unsynced.within(0, base, func(from, to int64) {
		for from < to {
			end := min(to, (from/pageBytes+1)*pageBytes)
			kept += d.losePage(r, f, from, end)
			from = end
		}
	})
	if f.size > base {
		kept += d.loseTail(r, f, base, unsynced)
	}
	d.stats.KeptBytes += kept
	d.stats.LostBytes += total - kept
	if f.betrayed.lied {
		d.stats.BrokenBytes += total - kept
	}
	d.stats.BrokenBytes += f.disclose()

	f.dirty, f.writes, f.forgotten, f.old = nil, nil, nil, nil
	f.queued, f.earlier, f.later = false, nil, nil
	f.cut, f.durableSize = -1, f.size
	for i := range f.chunks {
		c := &f.chunks[i]
		d.usedBytes += int64(bits.OnesCount16(c.allocated)) * pageBytes
	}
}

// uncut brings back what a truncation took away.
func (f *inode) uncut() {
	f.damage(f.cut)
	for _, ci := range env.SortedKeys(f.old) {
		from := max(f.cut, ci*chunkBytes)
		if (ci+1)*chunkBytes <= f.cut {
			continue
		}
		for int64(len(f.chunks)) <= ci {
			f.chunks = append(f.chunks, chunk{})
		}
		f.revert(from, (ci+1)*chunkBytes)
	}
	f.size, f.cut = f.durableSize, -1
	f.shorten(f.size)
}

// revert gives bytes of one chunk their durable value.
func (f *inode) revert(from, to int64) {
	f.damage(from)
	ci := from / chunkBytes
	at, end := int(from-ci*chunkBytes), int(to-ci*chunkBytes)
	old := f.old[ci]
	c := &f.chunks[ci]
	f.d.pack.unpack(c)
	if need := min(end, len(old)); need > len(c.data) {
		f.d.grow(f, ci, need, need)
		c.allocated |= pageMask(0, (need-1)/pageBytes)
	}
	for i := at; i < min(end, len(c.data)); i++ {
		c.data[i] = 0
		if i < len(old) {
			c.data[i] = old[i]
		}
	}
}

// losePage decides about the unsynced bytes [from, to) of one page that were
// written over durable ones. It returns how many survive.
func (d *Disk) losePage(r *env.Rand, f *inode, from, to int64) (kept int64) {
	switch r.Int64n(4) {
	case 0, 1:
		return to - from
	case 2:
		f.revert(from, to)
		return 0
	}
	d.stats.TornPages++
	for from < to {
		end := min(to, (from/sectorBytes+1)*sectorBytes)
		if r.Chance(1, 2) {
			kept += end - from
		} else {
			f.revert(from, end)
		}
		from = end
	}
	return kept
}

// loseTail decides how much of what was appended behind base survives.
func (d *Disk) loseTail(r *env.Rand, f *inode, base int64, unsynced spans) (kept int64) {
	data := f.size
	switch r.Int64n(5) {
	case 0:
		data = base
	case 1:
	case 2:
		return d.loseHoles(r, f, base, unsynced)
	default:
		data = base + r.Int64n(f.size-base+1)
		if r.Chance(1, 2) {
			d.stats.TornPages++
			data = max(base, data/sectorBytes*sectorBytes)
		} else {
			data = max(base, data/pageBytes*pageBytes)
		}
	}
	size := data
	if data < f.size && r.Chance(1, 4) {
		// The length was committed, the bytes were not.
		size = data + r.Int64n(f.size-data+1)
	}
	unsynced.within(base, data, func(from, to int64) { kept += to - from })
	f.size = size
	f.shorten(data)
	return kept
}

// loseHoles is the end of a file whose last pages were written back in any
// order: the length reaches to the last that was, and those before it that were
// not read as zeros. XFS and ext4 update the length at the end of each I/O.
func (d *Disk) loseHoles(r *env.Rand, f *inode, base int64, unsynced spans) (kept int64) {
	oneIn := int64(2) << r.Int64n(4) // pages that are holes
	size := base
	for from := base; from < f.size; {
		to := min(f.size, (from/pageBytes+1)*pageBytes)
		switch {
		case !unsynced.overlaps(from, to):
			size = to // was on the device, or never written
		case r.Chance(1, oneIn):
			f.revert(from, to)
			d.stats.HolePages++
		default:
			unsynced.within(from, to, func(a, b int64) { kept += b - a })
			size = to
		}
		from = to
	}
	f.size = size
	f.shorten(size)
	return kept
}

// shorten drops the bytes from pos on; those before the end of the file read
// as zeros from then on.
func (f *inode) shorten(pos int64) {
	f.damage(pos)
	for ci := pos / chunkBytes; ci < int64(len(f.chunks)); ci++ {
		c := &f.chunks[ci]
		at := max(0, pos-ci*chunkBytes)
		if at == 0 {
			*c = chunk{}
			continue
		}
		if at < int64(c.size()) {
			f.d.pack.unpack(c)
			c.data = c.data[:at]
		}
		c.allocated &= pageMask(0, int(at-1)/pageBytes)
	}
}
