package simdisk_test

import (
	"fmt"
	"io"
	"io/fs"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/sim"
	"github.com/weirlab/weir/sim/simdisk"
)

// machine is one simulated machine with a disk.
func machine(t interface{ Cleanup(func()) }, seed uint64, p simdisk.Profile) (*sim.Kernel, *sim.Node, *simdisk.Disk) {
	k := sim.NewKernel(sim.Options{Seed: seed})
	t.Cleanup(func() { _ = k.Close() })
	n := k.NewNode("m")
	d := simdisk.New(k, n, p)
	n.SetFS(d)
	return k, n, d
}

// run runs a program to its end. A test that fails in it fails here: draws of
// rapid and FailNow belong to the goroutine of the test.
func run(t require.TestingT, k *sim.Kernel, n *sim.Node, program func(e env.Env)) {
	task := n.Start("program", program)
	require.NoError(t, k.RunWhile(func() bool { return !task.Done() }))
	require.Empty(t, k.Failures())
}

// fileModel is what may be in a file: the content itself, and for each byte
// what a loss of power may leave there.
type fileModel struct {
	content []byte
	// may holds, for each byte, the values it had since the last Sync.
	may              []map[byte]bool
	minSize, maxSize int // lengths since the last Sync
}

func (m *fileModel) synced() {
	m.may = make([]map[byte]bool, len(m.content))
	for i, b := range m.content {
		m.may[i] = map[byte]bool{b: true}
	}
	m.minSize, m.maxSize = len(m.content), len(m.content)
}

// resize keeps the books of a length change; bytes that come into being or go
// may be zero after a loss of power.
func (m *fileModel) resize(n int) {
	for i := min(n, len(m.content)); i < max(n, len(m.content)); i++ {
		if i >= len(m.may) {
			m.may = append(m.may, map[byte]bool{})
		}
		m.may[i][0] = true
	}
	if n < len(m.content) {
		m.content = m.content[:n]
	}
	m.content = append(m.content, make([]byte, n-len(m.content))...)
	m.minSize, m.maxSize = min(m.minSize, n), max(m.maxSize, n)
}

func (m *fileModel) write(p []byte, off int) {
	if off+len(p) > len(m.content) {
		m.resize(off + len(p))
	}
	copy(m.content[off:], p)
	for i, b := range p {
		m.may[off+i][b] = true
	}
}

// crashed checks what a loss of power left and takes it for the new state.
func (m *fileModel) crashed(t require.TestingT, got []byte) {
	if len(got) < m.minSize || len(got) > m.maxSize {
		require.Failf(t, "impossible length", "%d, had %d to %d since the last Sync", len(got), m.minSize, m.maxSize)
	}
	for i, b := range got {
		if !m.may[i][b] {
			require.Failf(t, "impossible byte", "%#x at %d, may be %v", b, i, m.may[i])
		}
	}
	m.content = got
	m.synced()
}

func readAll(t require.TestingT, fsys env.FS, name string) []byte {
	f, err := fsys.Open(name)
	require.NoError(t, err)
	defer func() { _ = f.Close() }()
	size, err := f.Size()
	require.NoError(t, err)
	got := make([]byte, size)
	n, err := f.ReadAt(got, 0)
	require.EqualValues(t, size, n)
	if err != io.EOF {
		require.NoError(t, err)
	}
	return got
}

// TestContentAgainstAModel runs random calls, write-backs and losses of power
// on one file. Whatever is read must be what was written, and whatever a loss
// of power leaves must be allowed by the contract of env.FS.
func TestContentAgainstAModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		p := simdisk.GP3()
		p.DirtyExpire = 20 * time.Millisecond
		p.JournalInterval = 50 * time.Millisecond
		p.CacheBytes = 256 << 10
		p.DirtyBackgroundBytes = 200_000
		p.DirtyLimitBytes = 300_000
		k, n, d := machine(t, rapid.Uint64().Draw(rt, "seed"), p)
		d.SetHotChunks(rapid.SampledFrom([]int{1, 2, 512}).Draw(rt, "hot chunks"))
		m := &fileModel{content: []byte{}}
		run(rt, k, n, func(e env.Env) {
			f, err := e.FS().Create("f")
			require.NoError(rt, err)
			require.NoError(rt, e.FS().SyncDir("."))
			require.NoError(rt, f.Close())
		})
		size := rapid.SampledFrom([]int{100, 5000, 70_000, 200_000}).Draw(rt, "scale")
		for range rapid.IntRange(1, 4).Draw(rt, "lives") {
			var f env.File
			run(rt, k, n, func(e env.Env) { f, _ = e.FS().Open("f") })
			for range rapid.IntRange(1, 15).Draw(rt, "calls") {
				call := step(rt, m, size)
				run(rt, k, n, func(e env.Env) { call(e, f) })
				require.Equal(rt, d.ChargedBytes(), d.CachedBytes())
			}
			require.Equal(rt, m.content, readAll(rt, d, "f"))
			if rapid.Bool().Draw(rt, "crash only") {
				n.Crash()
				require.Equal(rt, m.content, readAll(rt, d, "f"), "a process crash loses nothing")
				continue
			}
			n.PowerOff()
			require.Zero(rt, d.DirtyBytes())
			m.crashed(rt, readAll(rt, d, "f"))
			total, free, err := d.Usage(".")
			require.NoError(rt, err)
			require.LessOrEqual(rt, free, total)
		}
		run(rt, k, n, func(e env.Env) {
			require.NoError(rt, e.FS().Remove("f"))
			total, free, err := e.FS().Usage(".")
			require.NoError(rt, err)
			require.Equal(rt, total, free, "nothing leaks")
			require.Zero(rt, d.CachedBytes(), "nor does memory")
		})
	})
}

// step draws one call, enters it into the model and returns it.
func step(rt *rapid.T, m *fileModel, size int) func(e env.Env, f env.File) {
	at := func(limit int, what string) int { return rapid.IntRange(0, limit).Draw(rt, what) }
	put := func(off, n int) func(e env.Env, f env.File) {
		p := make([]byte, n)
		_, _ = env.NewRand(rapid.Uint64Range(0, 1000).Draw(rt, "content"), "", "").Read(p)
		repeat := rapid.SampledFrom([]int{7, 100, 1 << 20}).Draw(rt, "repeat")
		for i := range p {
			p[i] |= 1 // never zero, so that a lost byte shows
			if i >= repeat {
				p[i] = p[i-repeat] // compresses
			}
		}
		if n > 0 {
			m.write(p, off)
		}
		return func(_ env.Env, f env.File) {
			got, err := f.WriteAt(p, int64(off))
			assert.NoError(rt, err)
			assert.Equal(rt, n, got)
		}
	}
	switch rapid.SampledFrom([]string{"append", "append", "write", "truncate", "sync", "sleep", "read", "allocate"}).Draw(rt, "call") {
	case "append":
		return put(len(m.content), at(size/4, "n"))
	case "write":
		return put(at(size, "off"), at(size/2, "n"))
	case "truncate":
		to := at(size, "to")
		m.resize(to)
		return func(_ env.Env, f env.File) { assert.NoError(rt, f.Truncate(int64(to))) }
	case "sync":
		m.synced()
		return func(_ env.Env, f env.File) { assert.NoError(rt, f.Sync()) }
	case "sleep":
		d := time.Duration(at(60, "ms")) * time.Millisecond
		return func(e env.Env, _ env.File) { e.Sleep(d) }
	case "allocate":
		off, n := int64(at(size, "off")), int64(1+at(size, "n"))
		return func(_ env.Env, f env.File) { assert.NoError(rt, f.Preallocate(off, n)) }
	}
	off, n := at(size, "off"), at(size, "n")
	want := m.content[min(off, len(m.content)):min(off+n, len(m.content))]
	return func(_ env.Env, f env.File) {
		got := make([]byte, n)
		n, _ := f.ReadAt(got, int64(off))
		assert.Equal(rt, want, got[:n])
	}
}

// TestNamesAgainstAModel runs random name changes and losses of power on one
// directory. A name must mean one of the files it meant since the last
// SyncDir, or nothing if it was missing in between.
func TestNamesAgainstAModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		p := simdisk.GP3()
		k, n, d := machine(t, rapid.Uint64().Draw(rt, "seed"), p)
		names := []string{"a", "b", "c"}
		now := map[string]string{} // name to content, "" if missing
		may := map[string]map[string]bool{}
		synced := func() {
			for _, name := range names {
				may[name] = map[string]bool{now[name]: true}
			}
		}
		synced()
		set := func(name, content string) {
			now[name] = content
			may[name][content] = true
		}
		files := 0
		for range rapid.IntRange(1, 4).Draw(rt, "lives") {
			for range rapid.IntRange(1, 12).Draw(rt, "calls") {
				a, b := rapid.SampledFrom(names).Draw(rt, "a"), rapid.SampledFrom(names).Draw(rt, "b")
				call := rapid.SampledFrom([]string{"create", "rename", "remove", "sync"}).Draw(rt, "call")
				run(rt, k, n, func(e env.Env) {
					fsys := e.FS()
					switch call {
					case "create":
						_ = fsys.Remove(a)
						set(a, "")
						files++
						f, err := fsys.Create(a)
						assert.NoError(rt, err)
						_, err = f.WriteAt(fmt.Append(nil, files), 0)
						assert.NoError(rt, err)
						assert.NoError(rt, f.Sync())
						set(a, fmt.Sprint(files))
					case "rename":
						err := fsys.Rename(a, b)
						if now[a] == "" {
							assert.ErrorIs(rt, err, fs.ErrNotExist)
						} else if a != b {
							assert.NoError(rt, err)
							set(b, now[a])
							set(a, "")
						}
					case "remove":
						err := fsys.Remove(a)
						if now[a] == "" {
							assert.ErrorIs(rt, err, fs.ErrNotExist)
						}
						set(a, "")
					case "sync":
						assert.NoError(rt, fsys.SyncDir("."))
						synced()
					}
				})
			}
			n.PowerOff()
			holders := map[string]string{}
			for _, name := range names {
				content := ""
				if _, err := d.Stat(name); err == nil {
					content = string(readAll(rt, d, name))
				}
				require.Contains(rt, may[name], content, "name %s", name)
				if content != "" {
					require.NotContains(rt, holders, content, "a rename leaves one of two names")
					holders[content] = name
				}
				now[name] = content
			}
			synced()
		}
	})
}
