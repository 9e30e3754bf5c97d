package storage

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// maxDecompressedBytes bounds what one batch may grow to: a few bytes of a
// hostile batch could otherwise claim all memory.
const maxDecompressedBytes = 256 << 20

var errTooLarge = fmt.Errorf("it decompresses to more than %d bytes", maxDecompressedBytes)

// decompress returns the records of a batch; codec is Batch.Compression.
func decompress(codec int8, src []byte) ([]byte, error) {
	var out []byte
	var err error
	switch codec {
	case 0:
		return src, nil
	case 1:
		var r *gzip.Reader
		if r, err = gzip.NewReader(bytes.NewReader(src)); err == nil {
			out, err = readLimited(r)
		}
	case 2:
		out, err = unsnappy(src)
	case 3:
		out, err = readLimited(lz4.NewReader(bytes.NewReader(src)))
	case 4:
		out, err = unzstd(src)
	default:
		err = errors.New("no such codec")
	}
	if err != nil {
		return nil, fmt.Errorf("compression codec %d: %w", codec, err)
	}
	return out, nil
}

func readLimited(r io.Reader) ([]byte, error) {
	out, err := io.ReadAll(io.LimitReader(r, maxDecompressedBytes+1))
	if err == nil && len(out) > maxDecompressedBytes {
		err = errTooLarge
	}
	return out, err
}

func unzstd(src []byte) ([]byte, error) {
	// One at a time keeps the decoder from starting goroutines.
	r, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1),
		zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxMemory(maxDecompressedBytes))
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return r.DecodeAll(src, nil)
}

// xerialMagic begins the framing that the Java client puts around snappy: 16
// bytes of header, then blocks with a 4-byte length before each.
var xerialMagic = []byte("\x82SNAPPY\x00")

const xerialHeaderBytes = 16

func unsnappy(src []byte) ([]byte, error) {
	if !bytes.HasPrefix(src, xerialMagic) {
		return unsnappyBlock(nil, src)
	}
	if len(src) < xerialHeaderBytes {
		return nil, io.ErrUnexpectedEOF
	}
	var out []byte
	for src = src[xerialHeaderBytes:]; len(src) > 0; {
		if len(src) < 4 {
			return nil, io.ErrUnexpectedEOF
		}
		n := int64(binary.BigEndian.Uint32(src))
		src = src[4:]
		if n > int64(len(src)) {
			return nil, io.ErrUnexpectedEOF
		}
		var err error
		if out, err = unsnappyBlock(out, src[:n]); err != nil {
			return nil, err
		}
		src = src[n:]
	}
	return out, nil
}

func unsnappyBlock(out, src []byte) ([]byte, error) {
	n, err := s2.DecodedLen(src)
	if err != nil {
		return nil, err
	}
	if int64(len(out))+int64(n) > maxDecompressedBytes {
		return nil, errTooLarge
	}
	block, err := s2.Decode(nil, src)
	if err != nil {
		return nil, err
	}
	if out == nil {
		return block, nil
	}
	return append(out, block...), nil
}
