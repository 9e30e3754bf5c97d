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
