package simdisk

import (
	"fmt"
	"io/fs"
	"path"
	"time"

	"github.com/weirlab/weir/env"
)

// Op is a kind of call that can be made to fail.
type Op uint8

const (
	OpRead  Op = 1 << iota // ReadAt, Size, Stat, ReadDir
	OpWrite                // WriteAt, Truncate, Preallocate
	OpSync                 // Sync, SyncDir
	OpOpen                 // Open, Create, OpenOrCreate
	OpName                 // MkdirAll, Remove, RemoveAll, Rename

	OpAny = OpRead | OpWrite | OpSync | OpOpen | OpName
)

// Fault says which calls fail.
type Fault struct {
	Ops Op // one or several, or-ed

	// Pattern is matched against the name a file was opened under, as by
	// path.Match; "dir/**" means everything below a directory, "" everything.
	Pattern string

	// Match, if set, says which names are meant instead of Pattern.
	Match func(name string) bool

	// Does is what happens instead of the call failing with Err.
	Does Betrayal

	Skip  int64 // this many matching calls succeed first
	Count int64 // so many fail after that; 0 means all
	Err   error // what they return, usually syscall.EIO
}

// Injection is a fault in force.
type Injection struct {
	d    *Disk
	f    Fault
	seen int64
	hits int64
}

// Inject puts a fault into force. It fails if the pattern is malformed or
// something is missing.
func (d *Disk) Inject(f Fault) (*Injection, error) {
	if _, err := path.Match(f.Pattern, ""); err != nil {
		return nil, fmt.Errorf("simdisk: fault pattern %q: %w", f.Pattern, err)
	}
	if f.Err == nil && f.Does.fails() || f.Ops == 0 {
		return nil, fmt.Errorf("simdisk: a fault needs Ops and Err, have Ops %b, Err %v", f.Ops, f.Err)
	}
	i := &Injection{d: d, f: f}
	d.faults = append(d.faults, i)
	return i, nil
}

// Hits is how many calls the fault has failed.
func (i *Injection) Hits() int64 { return i.hits }

// Clear ends the fault.
func (i *Injection) Clear() {
	faults := i.d.faults
	for n, o := range faults {
		if o == i {
			i.d.faults = append(faults[:n:n], faults[n+1:]...)
			return
		}
	}
}

func (i *Injection) matches(name string) bool {
	if i.f.Match != nil {
		return i.f.Match(name)
	}
	p := i.f.Pattern
	if p == "" {
		return true
	}
	if n := len(p) - len("/**"); n >= 0 && p[n:] == "/**" {
		return len(name) > n && name[:n] == p[:n] && name[n] == '/'
	}
	ok, _ := path.Match(p, name) // the pattern was checked by Inject
	return ok
}

// fault is the error of the first fault in force that fails this call, or
// nil. Callbacks of the kernel are not touched by faults.
func (d *Disk) fault(op Op, name string) error {
	if i := d.meets(op, name, func(b Betrayal) bool { return b == Fails }); i != nil {
		d.stats.FaultsHit++
		return i.f.Err
	}
	return nil
}

// meets is the first fault in force of one of some kinds that this call meets,
// or nil.
func (d *Disk) meets(op Op, name string, kind func(Betrayal) bool) *Injection {
	if len(d.faults) == 0 || !d.timed() {
		return nil
	}
	for _, i := range d.faults {
		if i.f.Ops&op == 0 || !kind(i.f.Does) || !i.matches(name) {
			continue
		}
		i.seen++
		if i.seen <= i.f.Skip || i.f.Count > 0 && i.hits >= i.f.Count {
			continue
		}
		i.hits++
		return i
	}
	return nil
}

// forget is what Linux does with pages whose write-back failed: they stay in
// memory, clean. Nothing will ever write them again.
func (d *Disk) forget(f *inode) {
	for _, s := range f.dirty {
		f.forgotten, _ = f.forgotten.add(s.from, s.to)
	}
	d.clean(f)
}

// writeErrors is what is known of a file's failed write-backs: errseq_t of
// Linux (lib/errseq.c). The zero value has seen none.
type writeErrors struct {
	last uint64 // number of the latest; 0 is none
	err  error
	seen bool // somebody was told of the latest
}

// set enters a failure. One that nobody was told of yet stands for all.
func (w *writeErrors) set(err error) {
	if w.last == 0 || w.seen {
		w.last++
		w.seen = false
	}
	w.err = err
}

// sample is what a handle that is opened now counts as told of: a failure that
// nobody has heard of is told to it too.
func (w *writeErrors) sample() uint64 {
	if !w.seen {
		return 0
	}
	return w.last
}

// tell returns the latest failure if it is news to who was told of number
// told, and makes it known.
func (w *writeErrors) tell(told *uint64) error {
	if *told == w.last {
		return nil
	}
	*told = w.last
	w.seen = true
	return w.err
}

// SetCapacity changes the size of the file system. If more than that is in
// use already, nothing more can be written.
func (d *Disk) SetCapacity(bytes int64) { d.capacityBytes = bytes }

// FillUp leaves exactly freeBytes free. SetCapacity with the capacity of the
// profile undoes it.
func (d *Disk) FillUp(freeBytes int64) { d.capacityBytes = d.usedBytes + freeBytes }

// SetSlowdown makes the device take percent of its normal time for whatever
// is handed to it from now on; 100 is normal.
func (d *Disk) SetSlowdown(percent int64) { d.dev.slowdownPercent = max(1, percent) }

// Stall keeps the device from starting any I/O for a time.
func (d *Disk) Stall(t time.Duration) { d.dev.stall(d.k.Now() + t) }

// FlipBit inverts one bit of a file, in memory and on the device alike. It
// fails if the file or the byte does not exist.
func (d *Disk) FlipBit(name string, off int64, bit uint) error {
	f, err := d.find(name)
	if err != nil {
		return d.failure("flip bit", name, err)
	}
	if f.dir || off < 0 || off >= f.size {
		return d.failure("flip bit", fmt.Sprintf("%s at %d", name, off), fs.ErrInvalid)
	}
	ci, at := off/chunkBytes, int(off%chunkBytes)
	d.extend(f, ci)
	d.pack.unpack(&f.chunks[ci])
	d.grow(f, ci, at+1, at+1)
	f.chunks[ci].data[at] ^= 1 << (bit % 8)
	if old := f.old[ci]; at < len(old) {
		old[at] ^= 1 << (bit % 8)
	}
	return nil
}

// Files lists all files with their sizes, sorted by name, for those who
// choose a victim.
func (d *Disk) Files() []env.FileInfo {
	var list []env.FileInfo
	var walk func(prefix string, dir *inode)
	walk = func(prefix string, dir *inode) {
		for _, base := range env.SortedKeys(dir.entries) {
			f := dir.entries[base]
			if f.dir {
				walk(prefix+base+"/", f)
				continue
			}
			list = append(list, describe(prefix+base, f))
		}
	}
	walk("", d.root)
	return list
}
