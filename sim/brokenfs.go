package sim

import "github.com/weirlab/weir/env"

// brokenFS fails every call: the file system of a dead process, or of a
// machine without a disk.
type brokenFS struct{ err error }

var _ env.FS = brokenFS{}

func (b brokenFS) Open(string) (env.File, error)          { return nil, b.err }
func (b brokenFS) Create(string) (env.File, error)        { return nil, b.err }
func (b brokenFS) OpenOrCreate(string) (env.File, error)  { return nil, b.err }
func (b brokenFS) MkdirAll(string) error                  { return b.err }
func (b brokenFS) Remove(string) error                    { return b.err }
func (b brokenFS) RemoveAll(string) error                 { return b.err }
func (b brokenFS) Rename(string, string) error            { return b.err }
func (b brokenFS) ReadDir(string) ([]env.FileInfo, error) { return nil, b.err }
func (b brokenFS) Stat(string) (env.FileInfo, error)      { return env.FileInfo{}, b.err }
func (b brokenFS) SyncDir(string) error                   { return b.err }
func (b brokenFS) Usage(string) (int64, int64, error)     { return 0, 0, b.err }
