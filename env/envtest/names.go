package envtest

import (
	"io/fs"
	"syscall"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/env"
)

// list is the names in a directory, directories with a slash behind.
func list(p *P, dir string) []string {
	p.Helper()
	infos, err := p.FS().ReadDir(dir)
	require.NoError(p, err)
	names := []string{}
	for _, info := range infos {
		if info.IsDir {
			info.Name += "/"
		}
		names = append(names, info.Name)
	}
	return names
}

func mkdir(p *P, dir string) {
	p.Helper()
	require.NoError(p, p.FS().MkdirAll(dir))
}

var nameChecks = []check{
	on0("directories nest and list in order", func(p *P) {
		mkdir(p, "a/b/c")
		mkdir(p, "a/b/c")
		mkdir(p, ".")
		closeAll(p, create(p, "a/z", nil), create(p, "a/B", nil), create(p, "a/b0", []byte("12")))
		require.Equal(p, []string{"B", "b/", "b0", "z"}, list(p, "a"))
		require.Equal(p, []string{"a/"}, list(p, "."))
		require.Equal(p, []string{}, list(p, "a/b/c"))
		infos, err := p.FS().ReadDir("a")
		require.NoError(p, err)
		require.Equal(p, env.FileInfo{Name: "b0", SizeBytes: 2}, infos[2])
	}),
	on0("Stat describes files and directories", func(p *P) {
		mkdir(p, "d")
		closeAll(p, create(p, "d/f", pattern(77)))
		info, err := p.FS().Stat("d/f")
		require.NoError(p, err)
		require.Equal(p, env.FileInfo{Name: "f", SizeBytes: 77}, info)
		info, err = p.FS().Stat("d")
		require.NoError(p, err)
		require.Equal(p, env.FileInfo{Name: "d", IsDir: true}, info)
		info, err = p.FS().Stat(".")
		require.NoError(p, err)
		require.Equal(p, env.FileInfo{Name: ".", IsDir: true}, info)
	}),
	on0("fs.ErrNotExist names what is missing", func(p *P) {
		fsys := p.FS()
		_, err := fsys.Open("missing")
		require.ErrorIs(p, err, fs.ErrNotExist)
		require.Contains(p, err.Error(), "missing")
		_, err = fsys.Open("missing/f")
		require.ErrorIs(p, err, fs.ErrNotExist)
		_, err = fsys.Create("missing/f")
		require.ErrorIs(p, err, fs.ErrNotExist)
		_, err = fsys.OpenOrCreate("missing/f")
		require.ErrorIs(p, err, fs.ErrNotExist)
		_, err = fsys.Stat("missing")
		require.ErrorIs(p, err, fs.ErrNotExist)
		_, err = fsys.ReadDir("missing")
		require.ErrorIs(p, err, fs.ErrNotExist)
		require.ErrorIs(p, fsys.SyncDir("missing"), fs.ErrNotExist)
		require.ErrorIs(p, fsys.Remove("missing"), fs.ErrNotExist)
		require.ErrorIs(p, fsys.Rename("missing", "x"), fs.ErrNotExist)
		closeAll(p, create(p, "f", nil))
		require.ErrorIs(p, fsys.Rename("f", "missing/f"), fs.ErrNotExist)
		require.NoError(p, fsys.RemoveAll("missing"))
		require.NoError(p, fsys.RemoveAll("missing/f"))
	}),
	on0("a file is no directory and a directory is no file", func(p *P) {
		fsys := p.FS()
		mkdir(p, "d")
		closeAll(p, create(p, "f", nil))
		_, err := fsys.Open("d")
		require.ErrorIs(p, err, syscall.EISDIR)
		_, err = fsys.Create("d")
		require.ErrorIs(p, err, syscall.EISDIR)
		_, err = fsys.OpenOrCreate("d")
		require.ErrorIs(p, err, syscall.EISDIR)
		_, err = fsys.Open("f/x")
		require.ErrorIs(p, err, syscall.ENOTDIR)
		_, err = fsys.Create("f/x")
		require.ErrorIs(p, err, syscall.ENOTDIR)
		_, err = fsys.Stat("f/x")
		require.ErrorIs(p, err, syscall.ENOTDIR)
		_, err = fsys.ReadDir("f")
		require.ErrorIs(p, err, syscall.ENOTDIR)
		require.ErrorIs(p, fsys.MkdirAll("f"), syscall.ENOTDIR)
		require.ErrorIs(p, fsys.MkdirAll("f/x"), syscall.ENOTDIR)
	}),
	on0("names that lead elsewhere are refused", func(p *P) {
		fsys := p.FS()
		for _, name := range []string{"", "/f", "../f", "a/../f", "./f", "a//f", "f/"} {
			_, err := fsys.Create(name)
			require.ErrorIs(p, err, fs.ErrInvalid, "%q", name)
			require.ErrorIs(p, fsys.MkdirAll(name), fs.ErrInvalid, "%q", name)
			require.ErrorIs(p, fsys.Remove(name), fs.ErrInvalid, "%q", name)
			require.ErrorIs(p, fsys.Rename(name, "x"), fs.ErrInvalid, "%q", name)
			_, err = fsys.ReadDir(name)
			require.ErrorIs(p, err, fs.ErrInvalid, "%q", name)
		}
		require.ErrorIs(p, fsys.Remove("."), fs.ErrInvalid)
		require.ErrorIs(p, fsys.RemoveAll("."), fs.ErrInvalid)
		require.ErrorIs(p, fsys.Rename(".", "x"), fs.ErrInvalid)
	}),
	on0("Remove takes files and empty directories", func(p *P) {
		fsys := p.FS()
		mkdir(p, "d")
		closeAll(p, create(p, "d/f", nil))
		require.ErrorIs(p, fsys.Remove("d"), syscall.ENOTEMPTY)
		require.NoError(p, fsys.Remove("d/f"))
		require.NoError(p, fsys.Remove("d"))
		require.Empty(p, list(p, "."))
	}),
	on0("RemoveAll takes everything below", func(p *P) {
		mkdir(p, "d/e/f")
		mkdir(p, "kept")
		closeAll(p, create(p, "d/1", nil), create(p, "d/e/2", nil))
		require.NoError(p, p.FS().RemoveAll("d"))
		require.Equal(p, []string{"kept/"}, list(p, "."))
	}),
	on0("Rename replaces a file at once", func(p *P) {
		closeAll(p, create(p, "new", []byte("new")), create(p, "old", []byte("old")))
		held, err := p.FS().Open("old")
		require.NoError(p, err)
		require.NoError(p, p.FS().Rename("new", "old"))
		require.Equal(p, "new", string(contentOf(p, "old")))
		require.Equal(p, []string{"old"}, list(p, "."))
		require.Equal(p, "old", string(content(p, held)), "who holds it open keeps it")
		closeAll(p, held)
		require.NoError(p, p.FS().Rename("old", "old"))
		require.Equal(p, "new", string(contentOf(p, "old")))
	}),
	on0("Rename moves directories with what they hold", func(p *P) {
		mkdir(p, "a/b")
		mkdir(p, "c")
		f := create(p, "a/b/f", []byte("inside"))
		require.NoError(p, p.FS().Rename("a", "c/d"))
		require.Equal(p, "inside", string(contentOf(p, "c/d/b/f")))
		require.Equal(p, []string{"c/"}, list(p, "."))
		write(p, f, []byte("IN"), 0)
		require.Equal(p, "INside", string(contentOf(p, "c/d/b/f")))
		require.Error(p, p.FS().Rename("c", "c/d/e"), "into itself")
		closeAll(p, f)
	}),
	on0("Rename does not replace a directory", func(p *P) {
		mkdir(p, "a")
		mkdir(p, "b")
		closeAll(p, create(p, "f", nil))
		require.ErrorIs(p, p.FS().Rename("a", "b"), fs.ErrExist)
		require.ErrorIs(p, p.FS().Rename("f", "b"), fs.ErrExist)
		require.ErrorIs(p, p.FS().Rename("a", "f"), syscall.ENOTDIR)
		require.Equal(p, []string{"a/", "b/", "f"}, list(p, "."))
	}),
	on0("a removed file lives on for those who hold it", func(p *P) {
		f := create(p, "f", []byte("still here"))
		require.NoError(p, p.FS().Remove("f"))
		require.Empty(p, list(p, "."))
		require.Equal(p, "still here", string(content(p, f)))
		write(p, f, []byte("STILL"), 0)
		require.NoError(p, f.Sync())
		g := create(p, "f", []byte("another"))
		require.Equal(p, "STILL here", string(content(p, f)))
		require.Equal(p, "another", string(content(p, g)))
		closeAll(p, f, g)
	}),
	on0("SyncDir takes any directory", func(p *P) {
		mkdir(p, "d")
		require.NoError(p, p.FS().SyncDir("d"))
		require.NoError(p, p.FS().SyncDir("."))
	}),
}
