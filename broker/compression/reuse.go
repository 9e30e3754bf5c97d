package compression

import (
	"bytes"
	"compress/gzip"
	"io"
	"sync" //weir:allow only Pool: who gets which writer cannot be told from what it writes

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// A codec's tables take more time to make than most batches take to compress.
// What has done its work is used again, by whoever comes next: one that was
// reset writes and reads what a new one would.
var (
	gzipWriters, lz4Writers, zstdWriters sync.Pool
	gzipReaders                          sync.Pool
)

// compressor is what the libraries' encoders have in common.
type compressor interface {
	io.WriteCloser
	Reset(io.Writer)
}

// borrowedWriter goes back to its pool when it is closed. One that never is
// is left to the collector.
type borrowedWriter struct {
	compressor
	pool *sync.Pool
}

func borrowWriter(pool *sync.Pool, to io.Writer, make func() (compressor, error)) (io.WriteCloser, error) {
	c, _ := pool.Get().(compressor)
	if c == nil {
		var err error
		if c, err = make(); err != nil {
			return nil, err
		}
	}
	c.Reset(to)
	return &borrowedWriter{c, pool}, nil
}

func (w *borrowedWriter) Close() error {
	err := w.compressor.Close()
	w.Reset(io.Discard)
	w.pool.Put(w.compressor)
	w.compressor = closedWriter{}
	return err
}

// closedWriter is what is left to somebody who closed a writer.
type closedWriter struct{}

func (closedWriter) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }
func (closedWriter) Close() error              { return io.ErrClosedPipe }
func (closedWriter) Reset(io.Writer)           {}

func newGzipWriter() (compressor, error) { return gzip.NewWriter(nil), nil }

func newLz4Writer() (compressor, error) {
	w := lz4.NewWriter(nil)
	return w, w.Apply(lz4.BlockSizeOption(lz4.Block64Kb), lz4.ChecksumOption(false))
}

func newZstdWriter() (compressor, error) {
	// One at a time keeps the encoder from starting goroutines.
	return zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1),
		zstd.WithEncoderCRC(false), zstd.WithLowerEncoderMem(true), zstd.WithWindowSize(512<<10))
}

// borrowGzipReader reads src; the reader goes back with giveBack.
func borrowGzipReader(src []byte) (r *gzip.Reader, giveBack func(), err error) {
	r, _ = gzipReaders.Get().(*gzip.Reader) //weir:allow cannot be told from a new one
	if r == nil {
		r = new(gzip.Reader)
	}
	return r, func() { gzipReaders.Put(r) }, r.Reset(bytes.NewReader(src)) //weir:allow cannot be told from a new one
}
