package simdisk

import "github.com/weirlab/weir/env"

// Loss is what a loss of power took from one file: a fact, for those who must
// know what may be missing.
type Loss struct {
	// Name is what the file was called before.
	Name string
	// From is the first byte that may not be what it was; those before it are.
	// It is 0 if the file is gone.
	From int64
	// SizeBytes is how long the file was.
	SizeBytes int64
	// Gone says that the name does not lead to the file any more.
	Gone bool
}

// Losses is what the last loss of power took, by name. Files that lost nothing
// are not in it.
func (d *Disk) Losses() []Loss { return d.lost }

// named is a file by the name that it had.
type named struct {
	name string
	f    *inode
	size int64
}

// inventory lists all files with their names and lengths, by name.
func (d *Disk) inventory() []named {
	var list []named
	var walk func(prefix string, dir *inode)
	walk = func(prefix string, dir *inode) {
		for _, base := range env.SortedKeys(dir.entries) {
			if f := dir.entries[base]; f.dir {
				walk(prefix+base+"/", f)
			} else {
				list = append(list, named{prefix + base, f, f.size})
			}
		}
	}
	walk("", d.root)
	return list
}

// account compares what there was with what is left.
func (d *Disk) account(before []named) {
	d.lost = nil
	for _, n := range before {
		l := Loss{Name: n.name, SizeBytes: n.size}
		if f, err := d.find(n.name); err != nil || f != n.f {
			l.Gone = true
		} else if l.From = f.damaged; l.From >= n.size {
			continue
		}
		d.lost = append(d.lost, l)
	}
}

// damage notes that bytes from pos on may have changed.
func (f *inode) damage(pos int64) { f.damaged = min(f.damaged, pos) }

// Peek reads a file's bytes as they are in memory, past all that a call of a
// process would meet: it takes no time, brings nothing into the page cache and
// never fails for a fault. It returns how many bytes there were.
func (d *Disk) Peek(name string, p []byte, off int64) (int, error) {
	f, err := d.find(name)
	if err != nil {
		return 0, d.failure("peek", name, err)
	}
	n := int(min(max(0, f.size-off), int64(len(p))))
	f.copyOut(p[:n], off)
	return n, nil
}
