package osenv

import (
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/weirlab/weir/env"
)

// fileSystem implements env.FS below one directory.
type fileSystem struct {
	root             string
	syncs, syncNanos atomic.Int64
	held             *holdings
}

var _ env.FS = (*fileSystem)(nil)

// path turns a name into a path of the system. Names are checked so that the
// two backends refuse the same ones and none leads out of the root.
func (s *fileSystem) path(op, name string) (string, error) {
	if s.root == "" {
		return "", &fs.PathError{Op: op, Path: name, Err: errNoRoot}
	}
	if !fs.ValidPath(name) {
		return "", invalid(op, name)
	}
	return filepath.Join(s.root, filepath.FromSlash(name)), nil
}

// pathBelow is path for calls that must not be given the root itself.
func (s *fileSystem) pathBelow(op, name string) (string, error) {
	if name == "." {
		return "", invalid(op, name)
	}
	return s.path(op, name)
}

func (s *fileSystem) open(name string, flag int) (env.File, error) {
	p, err := s.path("open", name)
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(p, flag|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	return &file{f: f, name: name, fs: s, held: s.held.take("file", p)}, nil
}

// Open implements env.FS.
func (s *fileSystem) Open(name string) (env.File, error) { return s.open(name, 0) }

// Create implements env.FS.
func (s *fileSystem) Create(name string) (env.File, error) {
	return s.open(name, os.O_CREATE|os.O_TRUNC)
}

// OpenOrCreate implements env.FS.
func (s *fileSystem) OpenOrCreate(name string) (env.File, error) {
	return s.open(name, os.O_CREATE)
}

// MkdirAll implements env.FS.
func (s *fileSystem) MkdirAll(dir string) error {
	p, err := s.path("mkdir", dir)
	if err != nil {
		return err
	}
	return os.MkdirAll(p, 0o755)
}

// Remove implements env.FS.
func (s *fileSystem) Remove(name string) error {
	p, err := s.pathBelow("remove", name)
	if err != nil {
		return err
	}
	return os.Remove(p)
}

// RemoveAll implements env.FS.
func (s *fileSystem) RemoveAll(name string) error {
	p, err := s.pathBelow("removeall", name)
	if err != nil {
		return err
	}
	return os.RemoveAll(p)
}

// Rename implements env.FS.
func (s *fileSystem) Rename(oldName, newName string) error {
	from, err := s.pathBelow("rename", oldName)
	if err != nil {
		return err
	}
	to, err := s.pathBelow("rename", newName)
	if err != nil {
		return err
	}
	return os.Rename(from, to)
}

// ReadDir implements env.FS.
func (s *fileSystem) ReadDir(dir string) ([]env.FileInfo, error) {
	p, err := s.path("readdir", dir)
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(p) // sorted by name
	if err != nil {
		return nil, err
	}
	infos := make([]env.FileInfo, 0, len(entries))
	for _, entry := range entries {
		info, err := entry.Info()
		if os.IsNotExist(err) {
			continue // removed since the directory was read
		}
		if err != nil {
			return nil, err
		}
		infos = append(infos, describe(info))
	}
	return infos, nil
}

// Stat implements env.FS.
func (s *fileSystem) Stat(name string) (env.FileInfo, error) {
	p, err := s.path("stat", name)
	if err != nil {
		return env.FileInfo{}, err
	}
	info, err := os.Stat(p)
	if err != nil {
		return env.FileInfo{}, err
	}
	d := describe(info)
	if name == "." {
		d.Name = "."
	}
	return d, nil
}

// SyncDir implements env.FS.
func (s *fileSystem) SyncDir(dir string) error {
	p, err := s.path("syncdir", dir)
	if err != nil {
		return err
	}
	d, err := os.Open(p)
	if err != nil {
		return err
	}
	err = syncDirectory(d)
	if cerr := d.Close(); err == nil {
		err = cerr
	}
	return err
}

// Usage implements env.FS.
func (s *fileSystem) Usage(dir string) (totalBytes, freeBytes int64, err error) {
	p, err := s.path("usage", dir)
	if err != nil {
		return 0, 0, err
	}
	return usage(p)
}

// describe leaves the size of a directory out: it means nothing to a program
// and differs between file systems.
func describe(info fs.FileInfo) env.FileInfo {
	d := env.FileInfo{Name: info.Name(), IsDir: info.IsDir()}
	if !d.IsDir {
		d.SizeBytes = info.Size()
	}
	return d
}

// file implements env.File.
type file struct {
	f    *os.File
	name string
	fs   *fileSystem
	held *held
}

var _ env.File = (*file)(nil)

func (f *file) Name() string { return f.name }

func (f *file) ReadAt(p []byte, off int64) (int, error) { return f.f.ReadAt(p, off) }

func (f *file) WriteAt(p []byte, off int64) (int, error) { return f.f.WriteAt(p, off) }

func (f *file) Close() error {
	f.held.giveBack()
	return f.f.Close()
}

func (f *file) Size() (int64, error) {
	info, err := f.f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func (f *file) Truncate(size int64) error {
	if size < 0 {
		return invalid("truncate", f.f.Name())
	}
	return f.f.Truncate(size)
}

func (f *file) Preallocate(off, n int64) error {
	if off < 0 || n <= 0 {
		return invalid("preallocate", f.f.Name())
	}
	return preallocate(f.f, off, n)
}

func (f *file) Sync() error {
	began := time.Now()
	err := syncData(f.f)
	f.fs.syncs.Add(1)
	f.fs.syncNanos.Add(int64(time.Since(began)))
	return err
}
