package osenv

import (
	"io/fs"
	"os"
	"syscall"
)

// syncData asks the drive to flush too: os.File.Sync is F_FULLFSYNC here.
func syncData(f *os.File) error { return f.Sync() }

func syncDirectory(d *os.File) error { return d.Sync() }

func preallocate(*os.File, int64, int64) error { return nil }

func usage(path string) (totalBytes, freeBytes int64, err error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(path, &st); err != nil {
		return 0, 0, &fs.PathError{Op: "statfs", Path: path, Err: err}
	}
	block := int64(st.Bsize)
	return int64(st.Blocks) * block, int64(st.Bavail) * block, nil
}
