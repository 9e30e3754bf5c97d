package osenv

import (
	"io/fs"
	"os"
	"syscall"
)

// fallocKeepSize is FALLOC_FL_KEEP_SIZE of linux/falloc.h.
const fallocKeepSize = 1

// control runs one system call on an open file, again if a signal came
// between, and names the file in its error.
func control(f *os.File, op string, call func(fd int) error) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return closedFile(op, f)
	}
	var callErr error
	err = raw.Control(func(fd uintptr) {
		callErr = call(int(fd))
		for callErr == syscall.EINTR {
			callErr = call(int(fd))
		}
	})
	if err != nil {
		return closedFile(op, f)
	}
	if callErr != nil {
		return &fs.PathError{Op: op, Path: f.Name(), Err: callErr}
	}
	return nil
}

// closedFile is the error when the raw descriptor cannot be had, for which a
// closed file is the only reason. The os package reports it with an error
// that is not fs.ErrClosed.
func closedFile(op string, f *os.File) error {
	return &fs.PathError{Op: op, Path: f.Name(), Err: fs.ErrClosed}
}

func syncData(f *os.File) error { return control(f, "fdatasync", syscall.Fdatasync) }

func syncDirectory(d *os.File) error { return d.Sync() }

// preallocate leaves alone what the file system cannot reserve: the call is
// about speed and early ENOSPC, and writing works without it.
func preallocate(f *os.File, off, n int64) error {
	return control(f, "fallocate", func(fd int) error {
		err := syscall.Fallocate(fd, fallocKeepSize, off, n)
		if err == syscall.EOPNOTSUPP || err == syscall.ENOSYS {
			return nil
		}
		return err
	})
}

func usage(path string) (totalBytes, freeBytes int64, err error) {
	var st syscall.Statfs_t
	err = syscall.Statfs(path, &st)
	for err == syscall.EINTR {
		err = syscall.Statfs(path, &st)
	}
	if err != nil {
		return 0, 0, &fs.PathError{Op: "statfs", Path: path, Err: err}
	}
	block := int64(st.Bsize)
	return int64(st.Blocks) * block, int64(st.Bavail) * block, nil
}
