package simdisk

import (
	"slices"

	"github.com/weirlab/weir/env"
)

// Betrayal is what a disk does instead of what it was asked for.
type Betrayal uint8

const (
	// Fails returns Fault.Err and does nothing else.
	Fails Betrayal = iota
	// WritesShort writes some of the bytes, then returns Fault.Err.
	WritesShort
	// LiesAboutSync reports a sync as done and makes nothing durable.
	LiesAboutSync
	// LosesWrite keeps what is written in memory and never brings it to the
	// device, whatever is synced.
	LosesWrite
	// TearsWrite brings the sectors before some point to the device.
	TearsWrite
	// MisdirectsWrite brings what is written to another place of the file on the
	// device, over what was there. Memory has it where it belongs.
	MisdirectsWrite
)

// fails reports whether the call returns an error.
func (b Betrayal) fails() bool { return b == Fails || b == WritesShort }

// stray is bytes that the device has at a place where they do not belong.
type stray struct {
	at    int64
	bytes []byte
}

// betrayed is what a file's memory has and its device does not, although it was
// told to: what a loss of power takes for sure.
type betrayed struct {
	phantom spans   // written, and never to reach the device
	strays  []stray // that reached it at another place
	lied    bool    // a sync made nothing durable, and none since has
}

// betray does what a fault in force does to a write of p at off that has been
// done in memory. Where later writes are not betrayed the device has them.
func (d *Disk) betray(h *handle, p []byte, off int64) {
	f, end := h.f, off+int64(len(p))
	if len(f.betrayed.phantom) > 0 {
		f.betrayed.phantom = f.betrayed.phantom.without(off, end)
	}
	i := d.meets(OpWrite, h.name, func(b Betrayal) bool { return b >= LosesWrite })
	if i == nil {
		return
	}
	from := off
	switch i.f.Does {
	case TearsWrite:
		from = min(end-1, (off+i.rand(d).Int64n(end-off))/sectorBytes*sectorBytes)
		from = max(from, off)
	case MisdirectsWrite:
		at := i.rand(d).Int64n(max(1, off)) / sectorBytes * sectorBytes
		f.betrayed.strays = append(f.betrayed.strays, stray{at, slices.Clone(p)})
	}
	f.betrayed.phantom, _ = f.betrayed.phantom.add(from, end)
	d.stats.Betrayed++
}

// cutShort is how many of n bytes a write that fails does write, n if none does.
func (d *Disk) cutShort(name string, n int) (int, error) {
	i := d.meets(OpWrite, name, func(b Betrayal) bool { return b == WritesShort })
	if i == nil || n == 0 {
		return n, nil
	}
	d.stats.FaultsHit++
	return i.rand(d).Intn(n), i.f.Err
}

// lies reports whether a sync of a name is a lie.
func (d *Disk) lies(name string) bool {
	if d.meets(OpSync, name, func(b Betrayal) bool { return b == LiesAboutSync }) == nil {
		return false
	}
	d.stats.Betrayed++
	return true
}

// rand is what the injection draws from for its latest hit.
func (i *Injection) rand(d *Disk) *env.Rand {
	return d.k.Rand("betrayal", d.key("%d/%d/%d", d.k.Now(), i.f.Does, i.hits))
}

// disclose makes a file what the device has of it, where it was told other.
// It is called by a loss of power after what was unsynced has been decided. It
// returns how many bytes are not what a sync had promised.
func (f *inode) disclose() (broken int64) {
	b := f.betrayed
	f.betrayed = betrayed{}
	b.phantom.within(0, f.size, func(from, to int64) {
		broken += to - from
		for from < to {
			end := min(to, (from/chunkBytes+1)*chunkBytes)
			f.revert(from, end)
			from = end
		}
	})
	for _, s := range b.strays {
		if n := min(int64(len(s.bytes)), f.size-s.at); n > 0 {
			broken += n
			f.damage(s.at)
			f.overwrite(s.bytes[:n], s.at)
		}
	}
	return broken
}

// overwrite puts bytes into a file past all accounts.
func (f *inode) overwrite(p []byte, off int64) {
	for len(p) > 0 {
		ci, at := off/chunkBytes, int(off%chunkBytes)
		n := min(len(p), chunkBytes-at)
		f.d.extend(f, ci)
		f.d.pack.unpack(&f.chunks[ci])
		f.d.grow(f, ci, at, at+n)
		copy(f.chunks[ci].data[at:], p[:n])
		p, off = p[n:], off+int64(n)
	}
}

// without is the set less [from, to).
func (s spans) without(from, to int64) spans {
	if !s.overlaps(from, to) {
		return s
	}
	var rest spans
	for _, p := range s {
		if p.from < from && p.from < p.to {
			rest, _ = rest.add(p.from, min(p.to, from))
		}
		if p.to > to {
			rest, _ = rest.add(max(p.from, to), p.to)
		}
	}
	return rest
}

// Wipe takes away all files that gone names, from memory and device alike, as
// a loss does: [Disk.Losses] tells of them. It is for machines whose process
// does not live.
func (d *Disk) Wipe(gone func(name string) bool) {
	before := d.inventory()
	for _, n := range before {
		n.f.damaged = maxFileBytes
	}
	d.wipeDir("", d.root, gone)
	d.account(before)
	d.k.Note(d.node, "disk wiped", d.root.id, uint64(d.usedBytes))
}

func (d *Disk) wipeDir(prefix string, dir *inode, gone func(string) bool) {
	for _, base := range env.SortedKeys(dir.entries) {
		f := dir.entries[base]
		if f.dir {
			d.wipeDir(prefix+base+"/", f, gone)
			if len(f.entries) > 0 {
				continue
			}
		}
		if gone(prefix + base) {
			delete(dir.entries, base)
			delete(dir.durable, base)
			d.drop(f)
		}
	}
}

// Settle makes everything that was written durable, as unmounting does.
func (d *Disk) Settle() {
	for _, n := range d.inventory() {
		// What is on its way to the device gets there too.
		for _, w := range n.f.writes {
			for _, s := range w.spans {
				n.f.written(s)
			}
		}
		n.f.writes = nil
		d.settleFile(n.f)
	}
	for i := range d.pending {
		d.pending[i].apply()
	}
	d.pending = nil
}
