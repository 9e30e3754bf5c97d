package storage

import (
	"errors"
	"io"
)

// Headers calls yield for the header of every batch that begins at or after
// offset from and ends below to, in order, until it returns false. The batches
// have no records: only their headers are read, and only what can be told from
// those is verified. It is for looking on from outside and charges no work.
//
// Errors are those of Read.
func (l *Log) Headers(from, to int64, yield func(Batch) bool) error {
	head := make(Batch, HeaderBytes)
	for next := from; next < to; {
		w, err := l.locate(next, to)
		if err != nil || w.file == nil {
			return err
		}
		before := next
		for w.pos < w.end {
			err := readFull(w.file, head, w.pos)
			if l.gen.Load() != w.gen {
				break // bytes were removed or replaced meanwhile
			}
			if errors.Is(err, io.ErrUnexpectedEOF) {
				return w.corrupt(w.pos, "the file ends before the segment does")
			}
			if err != nil {
				return &IOError{Op: "read", File: w.name, Position: w.pos, Err: err}
			}
			size := head.SizeBytes()
			if err := w.verifyHeader(head, size, w.pos); err != nil {
				return err
			}
			if head.LastOffset() >= to {
				return nil
			}
			if head.BaseOffset() >= next {
				if !yield(head) {
					return nil
				}
			}
			next = max(next, head.NextOffset())
			w.at.take(head)
			w.pos += size
		}
		if w.at.gaps && w.following > next && l.gen.Load() == w.gen {
			next = w.following
		}
		if next == before && l.gen.Load() == w.gen {
			return nil
		}
	}
	return nil
}
