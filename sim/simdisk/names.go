package simdisk

import (
	"io/fs"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/weirlab/weir/env"
)

// nameStep is a change of names that the journal has not committed. It
// survives a loss of power as a whole or not at all.
type nameStep struct {
	seq     uint64
	at      time.Duration
	changes [2]nameChange // the second is empty except for renames
}

// nameChange makes a name in a directory mean a file, or nothing.
type nameChange struct {
	dir  *inode
	name string
	to   *inode
}

// touches reports whether a step changes one of some names.
func (s *nameStep) touches(names map[entry]bool) bool {
	return names[entry{s.changes[0].dir, s.changes[0].name}] || names[entry{s.changes[1].dir, s.changes[1].name}]
}

// mark adds the names a step changes to a set.
func (s *nameStep) mark(names map[entry]bool) {
	for _, c := range s.changes {
		if c.dir != nil {
			names[entry{c.dir, c.name}] = true
		}
	}
}

func (s *nameStep) touchesDir(dir *inode) bool {
	return s.changes[0].dir == dir || s.changes[1].dir == dir
}

// apply makes a step durable.
func (s *nameStep) apply() {
	for _, c := range s.changes {
		switch {
		case c.dir == nil:
		case c.to == nil:
			delete(c.dir.durable, c.name)
		default:
			c.dir.durable[c.name] = c.to
		}
	}
}

// step changes names in memory and remembers that for the journal.
func (d *Disk) step(changes ...nameChange) {
	d.settleAged()
	s := nameStep{seq: d.stepsEnd, at: d.k.Now()}
	d.stepsEnd++
	copy(s.changes[:], changes)
	for _, c := range changes {
		if c.to == nil {
			delete(c.dir.entries, c.name)
			continue
		}
		c.dir.entries[c.name] = c.to
		if c.to.dir {
			c.to.parent = c.dir
		}
	}
	d.pending = append(d.pending, s)
}

// entry is one name in one directory.
type entry struct {
	dir  *inode
	name string
}

// settleDir makes the steps before a given one durable that touch a
// directory, and those that came before them on the same names.
func (d *Disk) settleDir(dir *inode, before uint64) {
	settle := make([]bool, len(d.pending))
	needed := make(map[entry]bool)
	for i := len(d.pending) - 1; i >= 0; i-- {
		s := &d.pending[i]
		settle[i] = s.seq < before && (s.touchesDir(dir) || s.touches(needed))
		if settle[i] {
			s.mark(needed)
		}
	}
	rest := d.pending[:0]
	for i := range d.pending {
		if settle[i] {
			d.pending[i].apply()
		} else {
			rest = append(rest, d.pending[i])
		}
	}
	clear(d.pending[len(rest):])
	d.pending = rest
}

// settleAged makes durable what the journal has committed by itself since.
func (d *Disk) settleAged() {
	old := d.k.Now() - d.p.JournalInterval
	n := 0
	for n < len(d.pending) && d.pending[n].at < old {
		d.pending[n].apply()
		n++
	}
	if n > 0 {
		d.pending = slices.Delete(d.pending, 0, n)
	}
	for len(d.cuts) > 0 && (d.cuts[0].cut < 0 || d.cuts[0].cutSince < old) {
		d.settleCut(d.cuts[0])
		d.cuts = d.cuts[1:]
	}
}

// find resolves a name.
func (d *Disk) find(name string) (*inode, error) {
	f := d.root
	if name == "." {
		return f, nil
	}
	for part := range strings.SplitSeq(name, "/") {
		if !f.dir {
			return nil, syscall.ENOTDIR
		}
		next := f.entries[part]
		if next == nil {
			return nil, syscall.ENOENT
		}
		f = next
	}
	return f, nil
}

// findParent resolves the directory of a name.
func (d *Disk) findParent(name string) (dir *inode, base string, err error) {
	parent := "."
	base = name
	if i := strings.LastIndexByte(name, '/'); i >= 0 {
		parent, base = name[:i], name[i+1:]
	}
	dir, err = d.find(parent)
	if err == nil && !dir.dir {
		err = syscall.ENOTDIR
	}
	return dir, base, err
}

// admit refuses calls of the dead, names that are none, and injected failures.
func (d *Disk) admit(op Op, call, name string) error {
	if d.k.CallerDead() {
		return d.failure(call, name, fs.ErrClosed)
	}
	if !fs.ValidPath(name) {
		return d.failure(call, name, fs.ErrInvalid)
	}
	if err := d.fault(op, name); err != nil {
		return d.failure(call, name, err)
	}
	return nil
}

// admitBelow is admit for calls that must not be given the root.
func (d *Disk) admitBelow(op Op, call, name string) error {
	if name == "." && !d.k.CallerDead() {
		return d.failure(call, name, fs.ErrInvalid)
	}
	return d.admit(op, call, name)
}

// Open implements env.FS.
func (d *Disk) Open(name string) (env.File, error) { return d.open(name, false, false) }

// Create implements env.FS.
func (d *Disk) Create(name string) (env.File, error) { return d.open(name, true, true) }

// OpenOrCreate implements env.FS.
func (d *Disk) OpenOrCreate(name string) (env.File, error) { return d.open(name, true, false) }

func (d *Disk) open(name string, create, empty bool) (env.File, error) {
	if err := d.admit(OpOpen, "open", name); err != nil {
		return nil, err
	}
	f, err := d.find(name)
	switch {
	case err == syscall.ENOENT && create:
		dir, base, perr := d.findParent(name)
		if perr != nil {
			return nil, d.failure("open", name, perr)
		}
		f = d.newInode(false)
		f.links = 1
		d.step(nameChange{dir, base, f})
	case err != nil:
		return nil, d.failure("open", name, err)
	case f.dir:
		return nil, d.failure("open", name, syscall.EISDIR)
	case empty:
		if err := d.truncate(f, 0); err != nil {
			return nil, d.failure("open", name, err)
		}
	}
	if f.openEpoch != d.epoch {
		f.openEpoch, f.opens = d.epoch, 0
	}
	f.opens++
	return &handle{d: d, f: f, name: name, epoch: d.epoch, told: f.failed.sample()}, nil
}

// isOpen reports whether the live process holds a file open.
func (d *Disk) isOpen(f *inode) bool { return f.openEpoch == d.epoch && f.opens > 0 }

// MkdirAll implements env.FS.
func (d *Disk) MkdirAll(name string) error {
	if err := d.admit(OpName, "mkdir", name); err != nil {
		return err
	}
	if name == "." {
		return nil
	}
	dir := d.root
	for part := range strings.SplitSeq(name, "/") {
		next := dir.entries[part]
		if next == nil {
			next = d.newInode(true)
			next.links = 1
			d.step(nameChange{dir, part, next})
		}
		if !next.dir {
			return d.failure("mkdir", name, syscall.ENOTDIR)
		}
		dir = next
	}
	return nil
}

// Remove implements env.FS.
func (d *Disk) Remove(name string) error {
	if err := d.admitBelow(OpName, "remove", name); err != nil {
		return err
	}
	dir, base, err := d.findParent(name)
	if err != nil {
		return d.failure("remove", name, err)
	}
	f := dir.entries[base]
	switch {
	case f == nil:
		return d.failure("remove", name, syscall.ENOENT)
	case len(f.entries) > 0:
		return d.failure("remove", name, syscall.ENOTEMPTY)
	}
	d.unlink(dir, base, f)
	return nil
}

// unlink takes away a file's name.
func (d *Disk) unlink(dir *inode, base string, f *inode) {
	d.step(nameChange{dir, base, nil})
	d.drop(f)
}

// drop counts one name less and frees what has none.
func (d *Disk) drop(f *inode) {
	f.links--
	if f.dir || f.links > 0 {
		return
	}
	if d.isOpen(f) {
		d.orphans = append(d.orphans, f)
		return
	}
	d.free(f)
}

// RemoveAll implements env.FS.
func (d *Disk) RemoveAll(name string) error {
	if err := d.admitBelow(OpName, "removeall", name); err != nil {
		return err
	}
	dir, base, err := d.findParent(name)
	if err == syscall.ENOENT {
		return nil
	}
	if err != nil {
		return d.failure("removeall", name, err)
	}
	if f := dir.entries[base]; f != nil {
		d.removeTree(dir, base, f)
	}
	return nil
}

func (d *Disk) removeTree(dir *inode, base string, f *inode) {
	if f.dir {
		for _, name := range env.SortedKeys(f.entries) {
			d.removeTree(f, name, f.entries[name])
		}
	}
	d.unlink(dir, base, f)
}

// Rename implements env.FS.
func (d *Disk) Rename(oldName, newName string) error {
	for _, name := range []string{oldName, newName} {
		if err := d.admitBelow(OpName, "rename", name); err != nil {
			return err
		}
	}
	fail := func(err error) error { return d.failure("rename", oldName+" to "+newName, err) }
	from, fromBase, err := d.findParent(oldName)
	if err != nil {
		return fail(err)
	}
	f := from.entries[fromBase]
	if f == nil {
		return fail(syscall.ENOENT)
	}
	to, toBase, err := d.findParent(newName)
	if err != nil {
		return fail(err)
	}
	replaced := to.entries[toBase]
	switch {
	case replaced != nil && replaced.dir:
		return fail(syscall.EEXIST)
	case replaced == f:
		return nil
	case replaced != nil && f.dir:
		return fail(syscall.ENOTDIR)
	}
	for up := to; f.dir && up != nil; up = up.parent {
		if up == f {
			return fail(syscall.EINVAL)
		}
	}
	d.step(nameChange{from, fromBase, nil}, nameChange{to, toBase, f})
	if replaced != nil {
		d.drop(replaced)
	}
	return nil
}

// ReadDir implements env.FS.
func (d *Disk) ReadDir(name string) ([]env.FileInfo, error) {
	if err := d.admit(OpRead, "readdir", name); err != nil {
		return nil, err
	}
	dir, err := d.find(name)
	if err == nil && !dir.dir {
		err = syscall.ENOTDIR
	}
	if err != nil {
		return nil, d.failure("readdir", name, err)
	}
	infos := make([]env.FileInfo, 0, len(dir.entries))
	for _, base := range env.SortedKeys(dir.entries) {
		infos = append(infos, describe(base, dir.entries[base]))
	}
	return infos, nil
}

// Stat implements env.FS.
func (d *Disk) Stat(name string) (env.FileInfo, error) {
	if err := d.admit(OpRead, "stat", name); err != nil {
		return env.FileInfo{}, err
	}
	f, err := d.find(name)
	if err != nil {
		return env.FileInfo{}, d.failure("stat", name, err)
	}
	return describe(name[strings.LastIndexByte(name, '/')+1:], f), nil
}

func describe(base string, f *inode) env.FileInfo {
	return env.FileInfo{Name: base, SizeBytes: f.size, IsDir: f.dir}
}

// SyncDir implements env.FS.
func (d *Disk) SyncDir(name string) error {
	if err := d.admit(OpSync, "syncdir", name); err != nil {
		return err
	}
	dir, err := d.find(name)
	if err == nil && !dir.dir {
		err = syscall.ENOTDIR
	}
	if err != nil {
		return d.failure("syncdir", name, err)
	}
	d.stats.SyncDirs++
	if d.lies(name) {
		return nil
	}
	if !slices.ContainsFunc(d.pending, func(s nameStep) bool { return s.touchesDir(dir) }) {
		return nil
	}
	if !d.timed() {
		d.settleDir(dir, d.stepsEnd)
		return nil
	}
	c := d.joinCommit()
	c.dirs = append(c.dirs, dirCommitted{dir, d.stepsEnd})
	d.waitIn("journal commit", &c.waiters)
	return nil
}
