package osenv_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/env/envtest"
	"github.com/weirlab/weir/env/osenv"
	"github.com/weirlab/weir/env/osenv/osenvtest"
)

// mount mounts for the duration of a test, or skips it where that is not
// allowed.
func mount(t *testing.T, args ...string) {
	t.Helper()
	dir := args[len(args)-1]
	if out, err := exec.Command("mount", args...).CombinedOutput(); err != nil {
		t.Skipf("this test mounts a file system, which is not allowed here: %v %s", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", dir).CombinedOutput(); err != nil {
			t.Errorf("umount: %v %s", err, out)
		}
	})
}

// WithDisk mounts a small tmpfs.
func (w *world) WithDisk(t *testing.T, sizeBytes int64) envtest.World {
	dir := t.TempDir()
	mount(t, "-t", "tmpfs", "-o", "size="+strconv.FormatInt(sizeBytes, 10), "none", dir)
	return &world{roots: [2]string{dir, t.TempDir()}}
}

// WithBreakingDisk mounts an ext4 file system in a file that promises more
// than the tmpfs it is in can hold: blocks can be had, and writing them back
// fails.
func (w *world) WithBreakingDisk(t *testing.T, _ string) envtest.World {
	base := t.TempDir()
	small, dir := filepath.Join(base, "small"), filepath.Join(base, "dir")
	require.NoError(t, os.Mkdir(small, 0o755))
	require.NoError(t, os.Mkdir(dir, 0o755))
	mount(t, "-t", "tmpfs", "-o", "size=12m", "none", small)
	image := filepath.Join(small, "image")
	makeExt4(t, image, 64<<20)
	mount(t, "-o", "loop", image, dir)
	return &world{roots: [2]string{dir, t.TempDir()}}
}

// makeExt4 makes a file system in a sparse file.
func makeExt4(t *testing.T, image string, size int64) {
	f, err := os.Create(image)
	require.NoError(t, err)
	require.NoError(t, f.Truncate(size))
	require.NoError(t, f.Close())
	if out, err := exec.Command("mkfs.ext4", "-q", image).CombinedOutput(); err != nil {
		t.Skipf("cannot make an ext4 file system here: %v %s", err, out)
	}
}

// CutPower runs the program on an ext4 file system in a file, and takes a copy
// of that file: it holds what the disk would hold if the power went at that
// moment, while everything else is still in the page cache.
func (w *world) CutPower(t *testing.T, before, after func(e env.Env)) {
	base := t.TempDir()
	image, kept := filepath.Join(base, "image"), filepath.Join(base, "kept")
	makeExt4(t, image, 32<<20)
	dirs := [2]string{filepath.Join(base, "before"), filepath.Join(base, "after")}
	for _, dir := range dirs {
		require.NoError(t, os.Mkdir(dir, 0o755))
	}
	mount(t, "-o", "loop", image, dirs[0])
	w.onDisk(t, dirs[0], before)
	copyFile(t, kept, image)
	mount(t, "-o", "loop", kept, dirs[1])
	w.onDisk(t, dirs[1], after)
}

func (w *world) onDisk(t *testing.T, root string, program func(e env.Env)) {
	(&world{roots: [2]string{root, w.roots[1]}}).Run(t, program)
}

func copyFile(t *testing.T, to, from string) {
	src, err := os.Open(from)
	require.NoError(t, err)
	defer func() { _ = src.Close() }()
	dst, err := os.Create(to)
	require.NoError(t, err)
	_, err = io.Copy(dst, src)
	require.NoError(t, err)
	require.NoError(t, dst.Close())
}

// SilentAddress is a listener whose backlog is full: the system drops further
// attempts without an answer.
func (w *world) SilentAddress(t *testing.T) string {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = syscall.Close(fd) })
	require.NoError(t, syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	require.NoError(t, syscall.Listen(fd, 0))
	name, err := syscall.Getsockname(fd)
	require.NoError(t, err)
	addr := net.JoinHostPort(localhost, strconv.Itoa(name.(*syscall.SockaddrInet4).Port))
	for range 10 {
		c, err := net.DialTimeout("tcp", addr, 200*time.Millisecond)
		if err != nil {
			return addr
		}
		t.Cleanup(func() { _ = c.Close() })
	}
	t.Skip("this system's backlog cannot be filled")
	return ""
}

// The twin of a simulated power loss that takes unsynced bytes and names: the
// real page cache does the same.
func TestPowerLossTakesWhatWasNotSynced(t *testing.T) {
	w := &world{roots: [2]string{t.TempDir(), t.TempDir()}}
	w.CutPower(t, func(e env.Env) {
		fsys := e.FS()
		for _, name := range []string{"synced", "unsynced"} {
			f, err := fsys.Create(name)
			require.NoError(t, err)
			_, err = f.WriteAt(make([]byte, 100_000), 0)
			require.NoError(t, err)
			if name == "synced" {
				require.NoError(t, f.Sync())
				require.NoError(t, fsys.SyncDir("."))
			}
			require.NoError(t, f.Close())
		}
		require.NoError(t, fsys.Rename("synced", "renamed"))
	}, func(e env.Env) {
		info, err := e.FS().Stat("synced")
		require.NoError(t, err, "the rename was not synced")
		require.EqualValues(t, 100_000, info.SizeBytes)
		_, err = e.FS().Stat("renamed")
		require.ErrorIs(t, err, os.ErrNotExist)
		info, err = e.FS().Stat("unsynced")
		if err == nil {
			require.Zero(t, info.SizeBytes)
		} else {
			require.ErrorIs(t, err, os.ErrNotExist)
		}
	})
}

// The twin of a hole that a simulated power loss leaves: the kernel may write
// back later pages first, and the length is then that of the last of them.
func TestPowerLossLeavesAHoleBeforePagesWrittenBackFirst(t *testing.T) {
	w := &world{roots: [2]string{t.TempDir(), t.TempDir()}}
	const size, written = 8 << 20, 4 << 20 // more than the folios in which pages are written
	w.CutPower(t, func(e env.Env) {
		f, err := e.FS().Create("log")
		require.NoError(t, err)
		require.NoError(t, e.FS().SyncDir("."))
		_, err = f.WriteAt(bytes.Repeat([]byte{1}, size), 0)
		require.NoError(t, err)
		raw := openFile(t, "log")
		const all = 1 | 2 | 4 // SYNC_FILE_RANGE_WAIT_BEFORE, _WRITE, _WAIT_AFTER
		require.NoError(t, syscall.SyncFileRange(raw, written, size-written, all))
		other, err := e.FS().Create("other")
		require.NoError(t, err)
		require.NoError(t, other.Sync(), "commits the journal, the length of the first file with it")
		require.NoError(t, f.Close())
		require.NoError(t, other.Close())
	}, func(e env.Env) {
		f, err := e.FS().Open("log")
		require.NoError(t, err)
		defer func() { _ = f.Close() }()
		got := make([]byte, size)
		_, err = f.ReadAt(got, 0)
		require.NoError(t, err)
		require.True(t, bytes.Equal(got[:written], make([]byte, written)), "a hole")
		require.True(t, bytes.Equal(got[written:], bytes.Repeat([]byte{1}, size-written)), "what was written back")
	})
}

// openFile is the descriptor of a file that this process has open.
func openFile(t *testing.T, name string) int {
	fds, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	for _, fd := range fds {
		if target, err := os.Readlink("/proc/self/fd/" + fd.Name()); err == nil && filepath.Base(target) == name {
			n, err := strconv.Atoi(fd.Name())
			require.NoError(t, err)
			return n
		}
	}
	require.FailNow(t, "no such file is open", name)
	return -1
}

// The twin of a simulated device error. Reading a page that a process has not
// mapped is the one EIO that any Linux gives without a broken disk.
func TestDeviceErrorIsEIO(t *testing.T) {
	e := osenvtest.New(t, osenv.Options{Root: fmt.Sprintf("/proc/%d", os.Getpid())})
	f, err := e.FS().Open("mem")
	if err != nil {
		t.Skipf("cannot open /proc/self/mem: %v", err)
	}
	defer func() { _ = f.Close() }()
	_, err = f.ReadAt(make([]byte, 1), 0)
	require.ErrorIs(t, err, syscall.EIO)
	require.ErrorContains(t, err, "mem")
}
