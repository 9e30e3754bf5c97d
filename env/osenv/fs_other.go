//go:build !linux && !darwin

package osenv

import (
	"errors"
	"io/fs"
	"os"
)

func syncData(f *os.File) error { return f.Sync() }

// syncDirectory does what the system allows: some cannot sync a directory.
func syncDirectory(d *os.File) error {
	if err := d.Sync(); err != nil && !errors.Is(err, fs.ErrInvalid) && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	return nil
}

func preallocate(*os.File, int64, int64) error { return nil }

func usage(path string) (totalBytes, freeBytes int64, err error) {
	return 0, 0, &fs.PathError{Op: "statfs", Path: path, Err: errors.ErrUnsupported}
}
