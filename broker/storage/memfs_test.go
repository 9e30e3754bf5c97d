package storage

import (
	"bytes"
	"cmp"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/env"
)

// memFS is a file system in memory that loses power: page by page, what was
// not synced is there or is not, and so is every change of a name. A rename is
// one change.
type memFS struct {
	mu      sync.Mutex
	names   map[string]*inode // as programs see them
	durable map[string]*inode // as of the last SyncDir
	changes []nameChange      // of names since then, in order
	dirs    map[string]bool

	open   map[*memFile]bool
	family *[]*memFS // all file systems of one test, from one crash to the next
	dead   bool      // its process has crashed

	// fail, if set, is asked before each operation that changes something;
	// a short write writes as many bytes as it says.
	fail func(op, name string, bytes int) (allowed int, err error)
}

// nameChange is one change of names: a file created (from is empty), removed (to
// is empty) or renamed.
type nameChange struct {
	from, to string
	node     *inode
}

func (c nameChange) apply(names map[string]*inode) {
	if c.from != "" && names[c.from] == c.node {
		delete(names, c.from)
	}
	if c.to != "" {
		names[c.to] = c.node
	}
}

// dir is the directory of the names: no file moves to another.
func (c nameChange) dir() string { return path.Dir(cmp.Or(c.to, c.from)) }

// image copies the file system as it is, with what is not yet durable: what a
// crash at this moment would be a crash of. mu is held.
func (m *memFS) image() *memFS {
	c := newMemFS()
	nodes := map[*inode]*inode{nil: nil}
	copied := func(n *inode) *inode {
		if _, ok := nodes[n]; !ok {
			nodes[n] = &inode{data: slices.Clone(n.data), synced: slices.Clone(n.synced)}
		}
		return nodes[n]
	}
	for name, n := range m.names {
		c.names[name] = copied(n)
	}
	for name, n := range m.durable {
		c.durable[name] = copied(n)
	}
	for _, change := range m.changes {
		change.node = copied(change.node)
		c.changes = append(c.changes, change)
	}
	for dir := range m.dirs {
		c.dirs[dir] = true
	}
	return c
}

type inode struct {
	data   []byte
	synced []byte
	// forgotten are the pages that a sync failed to write and that were not written
	// to since: the kernel takes them for clean, and no sync will write them.
	forgotten map[int]bool
}

// write makes the pages of a range dirty.
func (n *inode) write(from, to int64) {
	for page := from / memPage; page*memPage < to; page++ {
		delete(n.forgotten, int(page))
	}
}

// sync makes durable what is dirty.
func (n *inode) sync() {
	durable := slices.Clone(n.data)
	for page := range n.forgotten {
		if from, to := page*memPage, min((page+1)*memPage, len(durable)); from < to {
			clear(durable[from:to])
			if from < len(n.synced) {
				copy(durable[from:to], n.synced[from:])
			}
		}
	}
	n.synced = durable
}

// failSync is a sync that fails: what was dirty is so no more.
func (n *inode) failSync() {
	if n.forgotten == nil {
		n.forgotten = map[int]bool{}
	}
	for page := 0; page*memPage < len(n.data); page++ {
		from, to := page*memPage, min((page+1)*memPage, len(n.data))
		if to > len(n.synced) || !bytes.Equal(n.data[from:to], n.synced[from:to]) {
			n.forgotten[page] = true
		}
	}
}

const memPage = 512

func newMemFS() *memFS {
	m := &memFS{names: map[string]*inode{}, durable: map[string]*inode{}, dirs: map[string]bool{".": true},
		open: map[*memFile]bool{}, family: new([]*memFS)}
	*m.family = append(*m.family, m)
	return m
}

// heir is an empty file system for the process that comes after this one.
func (m *memFS) heir() *memFS {
	m.dead = true
	after := newMemFS()
	after.family = m.family
	*m.family = append(*m.family, after)
	return after
}

// left names the files that processes which did not crash have left open.
func (m *memFS) left() (names []string) {
	for _, fs := range *m.family {
		if fs.dead {
			continue
		}
		for f := range fs.open {
			names = append(names, f.name)
		}
	}
	return names
}

// newMemEnv is an Env in memory for one test, which must close what it opens
// unless its process crashes.
func newMemEnv(t testing.TB) *testEnv {
	e := &testEnv{Env: newTestEnv(t), files: newMemFS()}
	t.Cleanup(func() { require.Empty(t, e.files.left(), "files were left open") })
	return e
}

// crash is the Env of the process that comes after this one died.
func (e *testEnv) crash() *testEnv { return &testEnv{Env: e.Env, files: e.files.processCrash()} }

// testEnv is an Env whose files are in memory and whose tasks run when told.
type testEnv struct {
	env.Env
	files *memFS
	tasks []func()

	ahead, wallAhead time.Duration // of the clocks
}

func (e *testEnv) Now() time.Duration { return e.Env.Now() + e.ahead }
func (e *testEnv) Wall() time.Time    { return e.Env.Wall().Add(e.wallAhead) }

func (e *testEnv) FS() env.FS { return e.files }

func (e *testEnv) Go(_ string, fn func()) env.Task {
	e.tasks = append(e.tasks, fn)
	return &deferredTask{e: e}
}

func (e *testEnv) runTasks() {
	for len(e.tasks) > 0 {
		fn := e.tasks[0]
		e.tasks = e.tasks[1:]
		fn()
	}
}

type deferredTask struct {
	env.Task
	e *testEnv
}

func (d *deferredTask) Wait() { d.e.runTasks() }

func (m *memFS) check(op, name string, n int) (int, error) {
	if m.fail == nil {
		return n, nil
	}
	return m.fail(op, name, n)
}

// powerLoss returns what a machine finds after losing power. pick(n) chooses
// from [0, n).
func (m *memFS) powerLoss(pick func(n int) int) *memFS {
	m.mu.Lock()
	defer m.mu.Unlock()
	after := m.heir()
	after.dirs = m.dirs
	names := maps.Clone(m.durable)
	for _, change := range m.changes {
		if pick(2) == 0 {
			change.apply(names)
		}
	}
	settled := map[*inode]*inode{}
	for _, name := range env.SortedKeys(names) {
		node := names[name]
		if settled[node] == nil {
			settled[node] = node.settle(pick)
		}
		after.names[name] = settled[node]
		after.durable[name] = settled[node]
	}
	return after
}

// settle is the content of a file after a loss of power.
func (n *inode) settle(pick func(n int) int) *inode {
	size := len(n.synced)
	if len(n.data) != size {
		lo, hi := min(len(n.data), size), max(len(n.data), size)
		switch pick(3) {
		case 0:
			size = lo
		case 1:
			size = hi
		default:
			size = lo + pick(hi-lo+1)
		}
	}
	out := make([]byte, size)
	for at := 0; at < size; at += memPage {
		src := n.synced
		if pick(2) == 0 && !n.forgotten[at/memPage] {
			src = n.data
		}
		if at < len(src) {
			copy(out[at:min(at+memPage, size)], src[at:])
		}
	}
	return &inode{data: out, synced: slices.Clone(out)}
}

// processCrash is what the next process finds after this one died.
func (m *memFS) processCrash() *memFS {
	m.mu.Lock()
	defer m.mu.Unlock()
	after := m.heir()
	after.dirs, after.names, after.durable, after.changes = m.dirs, m.names, m.durable, m.changes
	// What the dead process still does goes nowhere.
	m.names, m.durable, m.changes = map[string]*inode{}, map[string]*inode{}, nil
	return after
}

func pathErr(op, name string, err error) error { return &fs.PathError{Op: op, Path: name, Err: err} }

func (m *memFS) openFile(name string, create, truncate bool) (env.File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	node := m.names[name]
	if node == nil && !create {
		return nil, pathErr("open", name, fs.ErrNotExist)
	}
	if node == nil || truncate {
		if _, err := m.check("create", name, 0); err != nil {
			return nil, pathErr("create", name, err)
		}
	}
	if node == nil {
		if !m.dirs[path.Dir(name)] {
			return nil, pathErr("open", name, fs.ErrNotExist)
		}
		node = &inode{}
		m.change("", name, node)
	}
	if truncate {
		node.data = nil
	}
	f := &memFile{fs: m, node: node, name: name}
	m.open[f] = true
	return f, nil
}

func (m *memFS) Open(name string) (env.File, error)         { return m.openFile(name, false, false) }
func (m *memFS) Create(name string) (env.File, error)       { return m.openFile(name, true, true) }
func (m *memFS) OpenOrCreate(name string) (env.File, error) { return m.openFile(name, true, false) }

func (m *memFS) MkdirAll(dir string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for ; dir != "."; dir = path.Dir(dir) {
		m.dirs[dir] = true
	}
	return nil
}

func (m *memFS) Remove(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, err := m.check("remove", name, 0); err != nil {
		return pathErr("remove", name, err)
	}
	if m.names[name] == nil {
		return pathErr("remove", name, fs.ErrNotExist)
	}
	m.change(name, "", m.names[name])
	return nil
}

// change makes a change of names.
func (m *memFS) change(from, to string, node *inode) {
	c := nameChange{from, to, node}
	c.apply(m.names)
	m.changes = append(m.changes, c)
}

func (m *memFS) RemoveAll(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, n := range env.SortedKeys(m.names) {
		if n == name || strings.HasPrefix(n, name+"/") {
			m.change(n, "", m.names[n])
		}
	}
	delete(m.dirs, name)
	return nil
}

func (m *memFS) Rename(oldName, newName string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, err := m.check("rename", newName, 0); err != nil {
		return pathErr("rename", oldName, err)
	}
	node := m.names[oldName]
	if node == nil {
		return pathErr("rename", oldName, fs.ErrNotExist)
	}
	m.change(oldName, newName, node)
	return nil
}

func (m *memFS) ReadDir(dir string) ([]env.FileInfo, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var infos []env.FileInfo
	for _, name := range env.SortedKeys(m.names) {
		if path.Dir(name) == dir {
			infos = append(infos, env.FileInfo{Name: path.Base(name), SizeBytes: int64(len(m.names[name].data))})
		}
	}
	return infos, nil
}

func (m *memFS) Stat(name string) (env.FileInfo, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if node := m.names[name]; node != nil {
		return env.FileInfo{Name: path.Base(name), SizeBytes: int64(len(node.data))}, nil
	}
	if m.dirs[name] {
		return env.FileInfo{Name: path.Base(name), IsDir: true}, nil
	}
	return env.FileInfo{}, pathErr("stat", name, fs.ErrNotExist)
}

func (m *memFS) SyncDir(dir string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, err := m.check("syncdir", dir, 0); err != nil {
		return pathErr("sync", dir, err)
	}
	m.changes = slices.DeleteFunc(m.changes, func(c nameChange) bool {
		if c.dir() != dir {
			return false
		}
		c.apply(m.durable)
		return true
	})
	return nil
}

func (m *memFS) Usage(string) (int64, int64, error) { return 1 << 40, 1 << 39, nil }

type memFile struct {
	fs     *memFS
	node   *inode
	name   string
	closed bool
}

func (f *memFile) Name() string { return f.name }

func (f *memFile) ReadAt(p []byte, off int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if f.closed {
		return 0, pathErr("read", f.name, fs.ErrClosed)
	}
	if _, err := f.fs.check("read", f.name, len(p)); err != nil {
		return 0, pathErr("read", f.name, err)
	}
	if off >= int64(len(f.node.data)) {
		return 0, io.EOF
	}
	n := copy(p, f.node.data[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (f *memFile) WriteAt(p []byte, off int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if f.closed {
		return 0, pathErr("write", f.name, fs.ErrClosed)
	}
	n, err := f.fs.check("write", f.name, len(p))
	if end := off + int64(n); end > int64(len(f.node.data)) {
		f.node.data = append(f.node.data, make([]byte, end-int64(len(f.node.data)))...)
	}
	copy(f.node.data[off:], p[:n])
	f.node.write(off, off+int64(n))
	if err != nil {
		return n, pathErr("write", f.name, err)
	}
	return n, nil
}

func (f *memFile) Truncate(size int64) error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if _, err := f.fs.check("truncate", f.name, int(size)); err != nil {
		return pathErr("truncate", f.name, err)
	}
	if size <= int64(len(f.node.data)) {
		f.node.data = slices.Clone(f.node.data[:size])
	} else {
		f.node.data = append(f.node.data, make([]byte, size-int64(len(f.node.data)))...)
	}
	return nil
}

func (f *memFile) Size() (int64, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	return int64(len(f.node.data)), nil
}

func (f *memFile) Preallocate(_, _ int64) error { return nil }

func (f *memFile) Sync() error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if f.closed {
		return pathErr("sync", f.name, fs.ErrClosed)
	}
	if _, err := f.fs.check("sync", f.name, 0); err != nil {
		f.node.failSync()
		return pathErr("sync", f.name, err)
	}
	f.node.sync()
	return nil
}

func (f *memFile) Close() error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if f.closed {
		return pathErr("close", f.name, fs.ErrClosed)
	}
	f.closed = true
	delete(f.fs.open, f)
	return nil
}

// failAfter makes the n-th operation of the given kind fail with err, and every
// one after it if forever.
func (m *memFS) failAfter(op string, n int, err error, forever bool) {
	m.fail = func(got, _ string, bytes int) (int, error) {
		if op != "" && got != op || got == "read" && op == "" {
			return bytes, nil
		}
		n--
		if n == 0 || n < 0 && forever {
			return bytes / 2, err
		}
		return bytes, nil
	}
}

// diskFull lets only so many more bytes be written.
func (m *memFS) diskFull(budget int) {
	m.fail = func(op, _ string, bytes int) (int, error) {
		if op != "write" {
			return bytes, nil
		}
		if bytes <= budget {
			budget -= bytes
			return bytes, nil
		}
		n := budget
		budget = 0
		return n, syscall.ENOSPC
	}
}
