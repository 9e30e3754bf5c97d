package simdisk

import (
	"io/fs"
	"slices"

	"github.com/weirlab/weir/env"
)

// handle is an open file of one process.
type handle struct {
	d      *Disk
	f      *inode
	name   string
	epoch  int64
	closed bool
	told   uint64 // the write error of f that it was told of last
}

var _ env.File = (*handle)(nil)

// usable refuses calls on closed files and calls of the dead.
func (h *handle) usable(call string) error {
	if h.closed || h.epoch != h.d.epoch || h.d.k.CallerDead() {
		return h.d.failure(call, h.name, fs.ErrClosed)
	}
	return nil
}

// admit also fails the calls that a fault fails.
func (h *handle) admit(op Op, call string) error {
	if err := h.usable(call); err != nil {
		return err
	}
	if len(h.d.faults) > 0 {
		if err := h.d.fault(op, h.name); err != nil {
			return h.d.failure(call, h.name, err)
		}
	}
	return nil
}

// Name implements env.File.
func (h *handle) Name() string { return h.name }

// ReadAt implements io.ReaderAt.
func (h *handle) ReadAt(p []byte, off int64) (int, error) {
	if err := h.admit(OpRead, "read"); err != nil {
		return 0, err
	}
	if off < 0 {
		return 0, h.d.failure("read", h.name, fs.ErrInvalid)
	}
	return h.d.read(h.f, p, off)
}

// WriteAt implements io.WriterAt.
func (h *handle) WriteAt(p []byte, off int64) (int, error) {
	if err := h.admit(OpWrite, "write"); err != nil {
		return 0, err
	}
	if off < 0 {
		return 0, h.d.failure("write", h.name, fs.ErrInvalid)
	}
	if len(p) == 0 {
		return 0, nil
	}
	whole, short := p, error(nil)
	if len(h.d.faults) > 0 {
		var n int
		n, short = h.d.cutShort(h.name, len(p))
		whole = p[:n]
	}
	n, err := h.d.write(h.f, whole, off)
	if len(h.d.faults) > 0 || len(h.f.betrayed.phantom) > 0 {
		h.d.betray(h, whole[:n], off)
	}
	if err == nil {
		err = short
	}
	if err != nil {
		err = h.d.failure("write", h.name, err)
	}
	return n, err
}

// Close implements io.Closer. What was written stays in the page cache.
func (h *handle) Close() error {
	d, f := h.d, h.f
	if h.closed || h.epoch != d.epoch || d.k.CallerDead() {
		return d.failure("close", h.name, fs.ErrClosed)
	}
	h.closed = true
	f.opens--
	if f.opens == 0 && f.links == 0 {
		d.orphans = slices.DeleteFunc(d.orphans, func(o *inode) bool { return o == f })
		d.free(f)
	}
	return nil
}

// Size implements env.File.
func (h *handle) Size() (int64, error) {
	if err := h.admit(OpRead, "stat"); err != nil {
		return 0, err
	}
	return h.f.size, nil
}

// Truncate implements env.File.
func (h *handle) Truncate(size int64) error {
	if err := h.admit(OpWrite, "truncate"); err != nil {
		return err
	}
	if size < 0 {
		return h.d.failure("truncate", h.name, fs.ErrInvalid)
	}
	if err := h.d.truncate(h.f, size); err != nil {
		return h.d.failure("truncate", h.name, err)
	}
	return nil
}

// Preallocate implements env.File.
func (h *handle) Preallocate(off, n int64) error {
	if err := h.admit(OpWrite, "fallocate"); err != nil {
		return err
	}
	if off < 0 || n <= 0 {
		return h.d.failure("fallocate", h.name, fs.ErrInvalid)
	}
	if err := h.d.preallocate(h.f, off, n); err != nil {
		return h.d.failure("fallocate", h.name, err)
	}
	return nil
}

// Sync implements env.File. A write-back that failed is told to each handle
// that was open then, once, whoever's Sync found it.
func (h *handle) Sync() error {
	if err := h.usable("fdatasync"); err != nil {
		return err
	}
	switch err := h.d.fault(OpSync, h.name); {
	case err != nil:
		h.d.forget(h.f)
		h.f.failed.set(err)
	case h.d.lies(h.name):
		h.f.betrayed.lied = true
	default:
		h.d.sync(h.f)
		h.f.betrayed.lied = false
	}
	if err := h.f.failed.tell(&h.told); err != nil {
		return h.d.failure("fdatasync", h.name, err)
	}
	return nil
}
