package storage

import (
	"errors"
	"fmt"
	"io"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/env/planted"
)

const readChunkBytes = 256 << 10

// batchReader walks the batches of one segment file in order and verifies each.
type batchReader struct {
	file env.File
	name string
	pos  int64 // of the next batch
	end  int64 // where valid bytes are supposed to end

	// at is what the next batch must continue; one that does not is corrupt.
	at continuation

	buf   []byte
	bufAt int64 // file position of buf[0]
}

// next returns the next batch, valid until the following call, and where it
// starts. It returns io.EOF at the end, a *CorruptError for bytes that are no
// valid batch, and an *IOError if the file cannot be read.
func (r *batchReader) next() (Batch, int64, error) {
	left := r.end - r.pos
	if left <= 0 {
		return nil, r.pos, io.EOF
	}
	if left < HeaderBytes {
		return nil, r.pos, r.corrupt(fmt.Sprintf("the segment ends %d bytes into a batch header", left))
	}
	head, err := r.bytes(HeaderBytes)
	if err != nil {
		return nil, r.pos, err
	}
	size := Batch(head).SizeBytes()
	if size < HeaderBytes || size > left {
		return nil, r.pos, r.corrupt(fmt.Sprintf("the batch claims %d bytes, %d are left in the segment", size, left))
	}
	if err := Batch(head).verifyHeader(); err != nil {
		return nil, r.pos, r.corrupt(err.Error())
	}
	whole, err := r.bytes(size)
	if err != nil {
		return nil, r.pos, err
	}
	b := Batch(whole)
	if err := b.Verify(); err != nil && !planted.Is("recovery-without-checksum") {
		return nil, r.pos, r.corrupt(err.Error())
	}
	if problem := r.at.misfit(b); problem != "" {
		return nil, r.pos, r.corrupt(problem)
	}
	r.at.take(b)
	at := r.pos
	r.pos += size
	return b, at, nil
}

func (r *batchReader) corrupt(reason string) error {
	return &CorruptError{File: r.name, Position: r.pos, Reason: reason}
}

// bytes returns n bytes from r.pos, reading ahead. n is at most what is left.
func (r *batchReader) bytes(n int64) ([]byte, error) {
	from := r.pos - r.bufAt
	if from >= 0 && from+n <= int64(len(r.buf)) {
		return r.buf[from : from+n : from+n], nil
	}
	want := max(n, min(readChunkBytes, r.end-r.pos))
	if int64(cap(r.buf)) < want {
		r.buf = make([]byte, want)
	}
	r.buf, r.bufAt = r.buf[:want], r.pos
	if err := readFull(r.file, r.buf, r.pos); err != nil {
		r.buf = r.buf[:0]
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, r.corrupt("the file ends before the segment does")
		}
		return nil, &IOError{Op: "read", File: r.name, Position: r.pos, Err: err}
	}
	return r.buf[:n:n], nil
}
