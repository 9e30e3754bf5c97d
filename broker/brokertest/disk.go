package brokertest

import (
	"io/fs"
	"path"
	"strings"
	"sync"
	"syscall"

	"github.com/weirlab/weir/env"
)

// DiskOps are operations of a disk, which can be made to fail.
type DiskOps uint8

const (
	// Reads are reads of files and of directories.
	Reads DiskOps = 1 << iota
	// Writes are writes, and whatever makes, resizes, renames or removes files.
	Writes
	// Syncs make files and directories durable.
	Syncs
)

// DiskFault is what goes wrong with a disk. The zero value lets every operation
// on every file fail with EIO.
type DiskFault struct {
	Ops DiskOps // which operations; all if 0
	// Files is a pattern of [path.Match] for the files whose base name or whole
	// name, as in "orders-0.*/*.log", is affected; all if empty.
	Files string
	// LogDir is the log directory (LogDirs) that is affected; all if empty. The
	// broker goes on with the others.
	LogDir string
	Err    error // what they fail with: EIO if nil, or for example syscall.ENOSPC
}

// disk is the disk of one broker. Processes come and go on it.
type disk struct {
	mu    sync.Mutex
	fault *DiskFault
}

func (d *disk) set(f *DiskFault) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fault = f
}

// check is the error of an operation, nil if it succeeds.
func (d *disk) check(op DiskOps, verb, name string) error {
	d.mu.Lock()
	f := d.fault
	d.mu.Unlock()
	if f == nil || f.Ops != 0 && f.Ops&op == 0 || !f.concerns(name) {
		return nil
	}
	err := f.Err
	if err == nil {
		err = syscall.EIO
	}
	return &fs.PathError{Op: verb, Path: name, Err: err}
}

func (f *DiskFault) concerns(name string) bool {
	if f.LogDir != "" && name != f.LogDir && !strings.HasPrefix(name, f.LogDir+"/") {
		return false
	}
	if f.Files == "" {
		return true
	}
	whole, _ := path.Match(f.Files, name) // checked by FailDisk
	base, _ := path.Match(f.Files, path.Base(name))
	return whole || base
}

// files is the file system of a process. Nothing is synced to the device: no
// test can cut the power of the machine it runs on, and a killed process leaves
// what it wrote.
type files struct {
	env.FS
	m *machine
}

// change does something that changes files, unless the disk fails it or the
// process was killed.
func (f files) change(op DiskOps, verb, name string, do func() error) error {
	f.m.mu.RLock()
	defer f.m.mu.RUnlock()
	if f.m.killed {
		return &fs.PathError{Op: verb, Path: name, Err: fs.ErrClosed}
	}
	if err := f.m.disk.check(op, verb, name); err != nil {
		return err
	}
	return do()
}

func (f files) file(op DiskOps, verb, name string, open func() (env.File, error)) (file env.File, err error) {
	err = f.change(op, verb, name, func() error {
		inner, err := open()
		if err == nil {
			file = &diskFile{inner, f}
		}
		return err
	})
	return file, err
}

func (f files) Open(name string) (env.File, error) {
	return f.file(Reads, "open", name, func() (env.File, error) { return f.FS.Open(name) })
}

func (f files) Create(name string) (env.File, error) {
	return f.file(Writes, "create", name, func() (env.File, error) { return f.FS.Create(name) })
}

func (f files) OpenOrCreate(name string) (env.File, error) {
	return f.file(Writes, "open", name, func() (env.File, error) { return f.FS.OpenOrCreate(name) })
}

func (f files) MkdirAll(dir string) error {
	return f.change(Writes, "mkdir", dir, func() error { return f.FS.MkdirAll(dir) })
}

func (f files) Remove(name string) error {
	return f.change(Writes, "remove", name, func() error { return f.FS.Remove(name) })
}

func (f files) RemoveAll(name string) error {
	return f.change(Writes, "remove", name, func() error { return f.FS.RemoveAll(name) })
}

func (f files) Rename(oldName, newName string) error {
	return f.change(Writes, "rename", newName, func() error { return f.FS.Rename(oldName, newName) })
}

func (f files) ReadDir(dir string) (list []env.FileInfo, err error) {
	err = f.change(Reads, "readdir", dir, func() error { list, err = f.FS.ReadDir(dir); return err })
	return list, err
}

func (f files) Stat(name string) (info env.FileInfo, err error) {
	err = f.change(Reads, "stat", name, func() error { info, err = f.FS.Stat(name); return err })
	return info, err
}

func (f files) SyncDir(dir string) error {
	return f.change(Syncs, "sync", dir, func() error { return nil })
}

type diskFile struct {
	env.File
	files files
}

func (f *diskFile) ReadAt(p []byte, off int64) (n int, err error) {
	err = f.files.change(Reads, "read", f.Name(), func() error { n, err = f.File.ReadAt(p, off); return err })
	return n, err
}

func (f *diskFile) WriteAt(p []byte, off int64) (n int, err error) {
	err = f.files.change(Writes, "write", f.Name(), func() error { n, err = f.File.WriteAt(p, off); return err })
	return n, err
}

func (f *diskFile) Truncate(size int64) error {
	return f.files.change(Writes, "truncate", f.Name(), func() error { return f.File.Truncate(size) })
}

func (f *diskFile) Preallocate(off, n int64) error {
	return f.files.change(Writes, "preallocate", f.Name(), func() error { return f.File.Preallocate(off, n) })
}

func (f *diskFile) Sync() error {
	return f.files.change(Syncs, "sync", f.Name(), func() error { return nil })
}
