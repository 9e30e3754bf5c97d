package simdisk

// SetHotChunks sets how many full chunks are not compressed.
func (d *Disk) SetHotChunks(n int) { d.pack.hot = n }

// PackedChunks is how many chunks have been compressed.
func (d *Disk) PackedChunks() int64 { return d.pack.packed }

// ChargedBytes adds up what the chunks of all files count as in memory.
func (d *Disk) ChargedBytes() (n int64) {
	var walk func(dir *inode)
	walk = func(dir *inode) {
		for _, f := range dir.entries {
			if f.dir {
				walk(f)
				continue
			}
			for i := range f.chunks {
				n += int64(f.chunks[i].charged)
			}
		}
	}
	walk(d.root)
	return n
}

// SharedChunks is how many compressed chunks of a file another disk's file has
// in the same memory.
func (d *Disk) SharedChunks(name string, other *Disk) (n int) {
	f, _ := d.find(name)
	g, _ := other.find(name)
	for i := range min(len(f.chunks), len(g.chunks)) {
		if a, b := f.chunks[i].packed, g.chunks[i].packed; len(a) > 0 && len(b) > 0 && &a[0] == &b[0] {
			n++
		}
	}
	return n
}
