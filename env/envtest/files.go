package envtest

import (
	"io"
	"io/fs"
	"syscall"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/env"
)

func create(p *P, name string, content []byte) env.File {
	p.Helper()
	f, err := p.FS().Create(name)
	require.NoError(p, err)
	write(p, f, content, 0)
	return f
}

func write(p *P, f env.File, content []byte, off int64) {
	p.Helper()
	n, err := f.WriteAt(content, off)
	require.NoError(p, err)
	require.Equal(p, len(content), n)
}

// content reads a whole file.
func content(p *P, f env.File) []byte {
	p.Helper()
	size, err := f.Size()
	require.NoError(p, err)
	got := make([]byte, size)
	if size > 0 {
		_, err = io.ReadFull(io.NewSectionReader(f, 0, size), got)
		require.NoError(p, err)
	}
	return got
}

// contentOf reads a whole file by name.
func contentOf(p *P, name string) []byte {
	p.Helper()
	f, err := p.FS().Open(name)
	require.NoError(p, err)
	defer func() { _ = f.Close() }()
	return content(p, f)
}

var fileChecks = []check{
	on0("what was written is read, also by another handle", func(p *P) {
		f := create(p, "f", pattern(100_000))
		g, err := p.FS().Open("f")
		require.NoError(p, err)
		require.Equal(p, pattern(100_000), content(p, g))
		write(p, g, []byte("changed"), 50_000)
		got := make([]byte, 7)
		n, err := f.ReadAt(got, 50_000)
		require.NoError(p, err)
		require.Equal(p, 7, n)
		require.Equal(p, "changed", string(got))
		require.Equal(p, "f", f.Name())
		closeAll(p, f, g)
	}),
	on0("appends of every size add up", func(p *P) {
		f := create(p, "log", nil)
		var want []byte
		for i := range 200 {
			part := pattern(i * 97)
			write(p, f, part, int64(len(want)))
			want = append(want, part...)
		}
		require.Equal(p, want, content(p, f))
		closeAll(p, f)
	}),
	on0("reads of every alignment see the same bytes", func(p *P) {
		want := pattern(300_000)
		f := create(p, "f", want)
		r := env.NewRand(3, "reads", "")
		for range 300 {
			off := r.Int64n(int64(len(want)))
			n := r.Int64n(int64(len(want)) - off + 1)
			got := make([]byte, n)
			_, err := f.ReadAt(got, off)
			require.NoError(p, err)
			require.Equal(p, want[off:off+n], got)
		}
		closeAll(p, f)
	}),
	on0("overwrites of every alignment land where they should", func(p *P) {
		want := make([]byte, 200_000)
		f := create(p, "f", want)
		r := env.NewRand(4, "writes", "")
		for range 200 {
			off := r.Int64n(int64(len(want)))
			part := pattern(int(r.Int64n(min(40_000, int64(len(want))-off) + 1)))
			copy(want[off:], part)
			write(p, f, part, off)
		}
		require.Equal(p, want, content(p, f))
		closeAll(p, f)
	}),
	on0("a read at the end is short and says io.EOF", func(p *P) {
		f := create(p, "f", []byte("0123456789"))
		buf := make([]byte, 8)
		n, err := f.ReadAt(buf, 6)
		require.Equal(p, 4, n)
		require.Equal(p, io.EOF, err)
		require.Equal(p, "6789", string(buf[:n]))
		n, err = f.ReadAt(buf, 10)
		require.Zero(p, n)
		require.Equal(p, io.EOF, err)
		n, err = f.ReadAt(buf, 1<<40)
		require.Zero(p, n)
		require.Equal(p, io.EOF, err)
		n, err = f.ReadAt(buf, 2)
		require.NoError(p, err, "exactly to the end is no short read")
		require.Equal(p, 8, n)
		n, err = f.ReadAt(nil, 100)
		require.NoError(p, err)
		require.Zero(p, n)
		closeAll(p, f)
	}),
	on0("negative offsets and sizes are refused", func(p *P) {
		f := create(p, "f", []byte("x"))
		_, err := f.ReadAt(make([]byte, 1), -1)
		require.Error(p, err)
		_, err = f.WriteAt([]byte("y"), -1)
		require.Error(p, err)
		require.ErrorIs(p, f.Truncate(-1), fs.ErrInvalid)
		require.ErrorIs(p, f.Preallocate(-1, 10), fs.ErrInvalid)
		require.ErrorIs(p, f.Preallocate(0, 0), fs.ErrInvalid)
		require.Equal(p, "x", string(content(p, f)))
		closeAll(p, f)
	}),
	on0("a gap reads as zeros", func(p *P) {
		f := create(p, "f", []byte("a"))
		write(p, f, []byte("z"), 1_000_000)
		size, err := f.Size()
		require.NoError(p, err)
		require.EqualValues(p, 1_000_001, size)
		want := make([]byte, 1_000_001)
		want[0], want[1_000_000] = 'a', 'z'
		require.Equal(p, want, content(p, f))
		write(p, f, nil, 2_000_000)
		size, err = f.Size()
		require.NoError(p, err)
		require.EqualValues(p, 1_000_001, size, "writing nothing changes nothing")
		closeAll(p, f)
	}),
	on0("Truncate cuts, and grows with zeros", func(p *P) {
		f := create(p, "f", pattern(10_000))
		require.NoError(p, f.Truncate(5001))
		require.Equal(p, pattern(10_000)[:5001], content(p, f))
		require.NoError(p, f.Truncate(9000))
		want := make([]byte, 9000)
		copy(want, pattern(10_000)[:5001])
		require.Equal(p, want, content(p, f), "what was cut does not come back")
		require.NoError(p, f.Truncate(100_000))
		require.NoError(p, f.Truncate(0))
		require.Empty(p, content(p, f))
		write(p, f, []byte("b"), 1)
		require.Equal(p, "\x00b", string(content(p, f)))
		closeAll(p, f)
	}),
	on0("Preallocate leaves length and content alone", func(p *P) {
		f := create(p, "f", pattern(1000))
		require.NoError(p, f.Preallocate(0, 1<<20))
		require.Equal(p, pattern(1000), content(p, f))
		write(p, f, []byte("more"), 1000)
		require.Equal(p, append(pattern(1000), "more"...), content(p, f))
		closeAll(p, f)
	}),
	on0("Sync succeeds, also with nothing to do", func(p *P) {
		f := create(p, "f", pattern(123_456))
		require.NoError(p, f.Sync())
		require.NoError(p, f.Sync())
		require.NoError(p, p.FS().SyncDir("."))
		require.Equal(p, pattern(123_456), content(p, f))
		closeAll(p, f)
	}),
	on0("fs.ErrClosed after Close", func(p *P) {
		f := create(p, "f", []byte("x"))
		closeAll(p, f)
		_, err := f.ReadAt(make([]byte, 1), 0)
		require.ErrorIs(p, err, fs.ErrClosed)
		_, err = f.WriteAt([]byte("y"), 0)
		require.ErrorIs(p, err, fs.ErrClosed)
		_, err = f.Size()
		require.ErrorIs(p, err, fs.ErrClosed)
		require.ErrorIs(p, f.Truncate(0), fs.ErrClosed)
		require.ErrorIs(p, f.Preallocate(0, 10), fs.ErrClosed)
		require.ErrorIs(p, f.Sync(), fs.ErrClosed)
		require.ErrorIs(p, f.Close(), fs.ErrClosed)
	}),
	on0("Create empties a file that others hold open", func(p *P) {
		f := create(p, "f", pattern(10_000))
		g := create(p, "f", nil)
		size, err := f.Size()
		require.NoError(p, err)
		require.Zero(p, size)
		closeAll(p, f, g)
	}),
	on0("OpenOrCreate keeps what is there", func(p *P) {
		closeAll(p, create(p, "f", []byte("kept")))
		f, err := p.FS().OpenOrCreate("f")
		require.NoError(p, err)
		require.Equal(p, "kept", string(content(p, f)))
		g, err := p.FS().OpenOrCreate("g")
		require.NoError(p, err)
		require.Empty(p, content(p, g))
		closeAll(p, f, g)
	}),
	on0("many tasks read and write one file", func(p *P) {
		f := create(p, "f", make([]byte, 8*10_000))
		var tasks []env.Task
		for i := range 8 {
			tasks = append(tasks, p.Go("writer", func() {
				base := int64(i) * 10_000
				want := pattern(10_000)
				for off := int64(0); off < 10_000; off += 1000 {
					write(p, f, want[off:off+1000], base+off)
					if off == 5000 {
						require.NoError(p, f.Sync())
					}
				}
				got := make([]byte, 10_000)
				_, err := f.ReadAt(got, base)
				require.NoError(p, err)
				require.Equal(p, want, got)
			}))
		}
		for _, task := range tasks {
			task.Wait()
		}
		closeAll(p, f)
	}),
	on0("a file larger than any buffer", func(p *P) {
		f := create(p, "big", nil)
		part := pattern(1 << 20)
		for i := range int64(24) {
			part[0] = byte(i)
			write(p, f, part, i<<20)
		}
		require.NoError(p, f.Sync())
		got := make([]byte, 1)
		for i := range int64(24) {
			_, err := f.ReadAt(got, i<<20)
			require.NoError(p, err)
			require.Equal(p, byte(i), got[0])
		}
		closeAll(p, f)
	}),
	on0("Usage counts what is written", func(p *P) {
		total, free, err := p.FS().Usage(".")
		require.NoError(p, err)
		require.Positive(p, total)
		require.LessOrEqual(p, free, total)
		require.NotErrorIs(p, err, syscall.ENOSPC)
	}),
}
