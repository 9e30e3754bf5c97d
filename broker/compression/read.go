package compression

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// ErrTooLarge is the error of what decompresses to more bytes than allowed.
var ErrTooLarge = errors.New("it decompresses to too many bytes")

// Decompress returns what src holds, limit bytes at most.
func (c Codec) Decompress(src []byte, limit int64) ([]byte, error) {
	if c == None {
		return src, nil
	}
	r, closer, err := c.NewReader(src, limit)
	var out []byte
	if err == nil {
		defer closer()
		out, err = io.ReadAll(io.LimitReader(r, limit+1))
	}
	if err == nil && int64(len(out)) > limit {
		err = ErrTooLarge
	}
	if err != nil {
		return nil, fmt.Errorf("compression codec %d: %w", int8(c), err)
	}
	return out, nil
}

// xerialMagic begins the framing that the Java client puts around snappy: 16
// bytes of header, then blocks with a 4-byte length before each.
var xerialMagic = []byte("\x82SNAPPY\x00")

const xerialHeaderBytes = 16

// NewReader reads what src holds, limit bytes of it if need be. It holds a few hundred KiB, but for snappy a block, which is at most 64
// times src, and for zstd up to 16 MiB; a zstd frame that asks for a window
// beyond 8 MiB may not decompress to more than that. Call closer when done.
func (c Codec) NewReader(src []byte, limit int64) (_ io.Reader, closer func(), err error) {
	none := func() {}
	switch c {
	case Gzip:
		r, giveBack, err := borrowGzipReader(src)
		return r, giveBack, err
	case Snappy:
		r, err := newSnappyReader(src, limit)
		return r, none, err
	case Lz4:
		return lz4.NewReader(bytes.NewReader(src)), none, nil
	case Zstd:
		return newZstdReader(src, limit)
	}
	return nil, none, errors.New("no such codec")
}

// zstdWindowBytes is the largest window that a zstd decoder gets as a buffer,
// and the most that is decompressed at once where the frame says how much it
// is. Encoders ask for more only from level 20 on.
const zstdWindowBytes = 8 << 20

func newZstdReader(src []byte, limit int64) (io.Reader, func(), error) {
	none := func() {}
	var frame zstd.Header
	if err := frame.Decode(src); err != nil {
		return nil, none, errZstd
	}
	// One at a time keeps the decoder from starting goroutines.
	opts := []zstd.DOption{zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true)}
	known := frame.HasFCS && frame.FrameContentSize <= zstdWindowBytes
	if known || frame.WindowSize > zstdWindowBytes {
		// Without a window: what is decompressed is that itself.
		limit = min(limit, 2*zstdWindowBytes)
		r, err := zstd.NewReader(nil, append(opts, zstd.WithDecoderMaxMemory(uint64(limit)))...)
		if err != nil {
			return nil, none, err
		}
		defer r.Close()
		out, err := r.DecodeAll(src, nil)
		if err != nil {
			return nil, none, errZstd
		}
		return bytes.NewReader(out), none, nil
	}
	r, err := zstd.NewReader(bytes.NewReader(src), append(opts, zstd.WithDecoderMaxMemory(uint64(limit)), zstd.WithDecoderMaxWindow(zstdWindowBytes))...)
	if err != nil {
		return nil, none, err
	}
	return zstdReader{r}, r.Close, nil
}

// errZstd stands for all errors of the zstd decoder. It is written in assembly
// for some machines and notices another one of a frame's faults first there, by
// which simulated runs would differ.
var errZstd = errors.New("a zstd frame is damaged or holds too many bytes")

type zstdReader struct{ d *zstd.Decoder }

func (r zstdReader) Read(p []byte) (int, error) {
	n, err := r.d.Read(p)
	if err != nil && err != io.EOF {
		err = errZstd
	}
	return n, err
}

// snappyReader reads a bare snappy block, or the blocks of the Java client's
// framing.
type snappyReader struct {
	blocks []byte // framed blocks not yet read
	limit  int64
	block  []byte // of the block at hand, what is not yet read
	mem    []byte
}

func newSnappyReader(src []byte, limit int64) (*snappyReader, error) {
	r := &snappyReader{limit: limit}
	if !bytes.HasPrefix(src, xerialMagic) {
		return r, r.decode(src)
	}
	if len(src) < xerialHeaderBytes {
		return r, io.ErrUnexpectedEOF
	}
	r.blocks = src[xerialHeaderBytes:]
	return r, nil
}

func (r *snappyReader) decode(block []byte) error {
	n, err := s2.DecodedLen(block)
	if err == s2.ErrTooLarge { // more than an int holds, which depends on the machine
		return ErrTooLarge
	}
	if err != nil {
		return err
	}
	if int64(n) > r.limit || int64(n) > maxSnappyRatio*int64(len(block)) {
		return ErrTooLarge
	}
	r.mem, err = s2.Decode(r.mem[:cap(r.mem)], block)
	r.block = r.mem
	return err
}

// maxSnappyRatio is more than a snappy block can shrink: an element of three
// bytes makes at most 64. A block that claims more need not be given memory.
const maxSnappyRatio = 64

func (r *snappyReader) Read(p []byte) (int, error) {
	for len(r.block) == 0 {
		if len(r.blocks) == 0 {
			return 0, io.EOF
		}
		if len(r.blocks) < 4 {
			return 0, io.ErrUnexpectedEOF
		}
		n := int64(binary.BigEndian.Uint32(r.blocks))
		r.blocks = r.blocks[4:]
		if n > int64(len(r.blocks)) {
			return 0, io.ErrUnexpectedEOF
		}
		block := r.blocks[:n]
		r.blocks = r.blocks[n:]
		if err := r.decode(block); err != nil {
			return 0, err
		}
	}
	n := copy(p, r.block)
	r.block = r.block[n:]
	return n, nil
}
