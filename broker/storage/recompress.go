package storage

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"io"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/twmb/franz-go/pkg/kerr"
)

// The codecs, as a batch's attributes name them.
const (
	codecNone   int8 = 0
	codecGzip   int8 = 1
	codecSnappy int8 = 2
	codecLz4    int8 = 3
	codecZstd   int8 = 4
)

// CompressionType says how a topic's batches are compressed, whatever its
// producers do.
type CompressionType uint8

// The values of compression.type.
const (
	CompressionProducer CompressionType = iota // as the producer has compressed it
	CompressionNone
	CompressionGzip
	CompressionSnappy
	CompressionLz4
	CompressionZstd
)

var compressionTypes = [...]string{"producer", "uncompressed", "gzip", "snappy", "lz4", "zstd"}

// ParseCompressionType reads a value of compression.type, false if it is none.
func ParseCompressionType(name string) (CompressionType, bool) {
	for i, known := range compressionTypes {
		if name == known {
			return CompressionType(i), true
		}
	}
	return CompressionProducer, false
}

func (t CompressionType) String() string { return compressionTypes[t] }

// codec is the codec of a batch that comes with codec from.
func (t CompressionType) codec(from int8) int8 {
	if t == CompressionProducer {
		return from
	}
	return int8(t) - 1
}

var errEncodedTooLarge = errors.New("the batch becomes too large")

// encoder makes a batch with another codec of the records written to it. It
// holds no more than limit bytes.
type encoder struct {
	out    bytes.Buffer
	limit  int64
	w      io.WriteCloser
	failed error
}

func newEncoder(codec int8, header []byte, limit int64) *encoder {
	e := &encoder{limit: limit}
	e.out.Write(header)
	out := e.out.Bytes()
	out[atAttributes+1] = out[atAttributes+1]&^attrCompression | byte(codec)
	bounded := boundedWriter{e}
	switch codec {
	case codecNone:
		e.w = bounded
	case codecGzip:
		e.w = gzip.NewWriter(bounded)
	case codecSnappy:
		e.w = &snappyWriter{to: bounded}
	case codecLz4:
		w := lz4.NewWriter(bounded)
		e.failed = w.Apply(lz4.BlockSizeOption(lz4.Block64Kb), lz4.ChecksumOption(false))
		e.w = w
	case codecZstd:
		// One at a time keeps the encoder from starting goroutines.
		e.w, e.failed = zstd.NewWriter(bounded, zstd.WithEncoderConcurrency(1),
			zstd.WithEncoderCRC(false), zstd.WithLowerEncoderMem(true), zstd.WithWindowSize(512<<10))
	}
	return e
}

// Write takes some more of the records. Errors are kept for finish.
func (e *encoder) Write(p []byte) (int, error) {
	if e.failed == nil {
		_, e.failed = e.w.Write(p)
	}
	return len(p), nil
}

// finish is the batch, its checksum not yet right.
func (e *encoder) finish() (Batch, *AppendError) {
	if e.failed == nil {
		e.failed = e.w.Close()
	}
	switch {
	case errors.Is(e.failed, errEncodedTooLarge):
		return nil, refuse(kerr.MessageTooLarge.Code, "the batch has more than max.message.bytes, %d, with the topic's compression.type", e.limit)
	case e.failed != nil:
		return nil, refuse(kerr.UnknownServerError.Code, "compressing the records: %v", e.failed)
	}
	b := Batch(e.out.Bytes())
	binary.BigEndian.PutUint32(b[atLength:], uint32(len(b)-lengthOverhead))
	return b, nil
}

type boundedWriter struct{ e *encoder }

func (w boundedWriter) Write(p []byte) (int, error) {
	if int64(w.e.out.Len()+len(p)) > w.e.limit {
		return 0, errEncodedTooLarge
	}
	return w.e.out.Write(p)
}

func (w boundedWriter) Close() error { return nil }

// snappyWriter frames snappy blocks as the Java client does and reads them.
type snappyWriter struct {
	to      io.Writer
	pending []byte
	begun   bool
}

const snappyBlockBytes = 32 << 10

func (w *snappyWriter) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		room := min(snappyBlockBytes-len(w.pending), len(p))
		w.pending = append(w.pending, p[:room]...)
		p = p[room:]
		if len(w.pending) == snappyBlockBytes {
			if err := w.flush(); err != nil {
				return 0, err
			}
		}
	}
	return n, nil
}

func (w *snappyWriter) flush() error {
	var frame []byte
	if !w.begun {
		w.begun = true
		frame = append(append(frame, xerialMagic...), 0, 0, 0, 1, 0, 0, 0, 1) // version and the oldest compatible one
	}
	if len(w.pending) > 0 {
		block := appendSnappy(nil, w.pending)
		frame = append(binary.BigEndian.AppendUint32(frame, uint32(len(block))), block...)
		w.pending = w.pending[:0]
	}
	_, err := w.to.Write(frame)
	return err
}

func (w *snappyWriter) Close() error { return w.flush() }

// appendSnappy appends src, at most snappyBlockBytes, as one snappy block. The
// encoders of libraries are written in assembly for some machines and give other
// bytes there, by which simulated runs would differ.
func appendSnappy(dst, src []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(src)))
	const hashBits = 12
	var seen [1 << hashBits]uint16 // by the hash of four bytes, one more than where they were last
	literal := 0
	for i := 0; i+4 <= len(src); {
		four := binary.LittleEndian.Uint32(src[i:])
		h := four * 0x9e3779b1 >> (32 - hashBits)
		at := int(seen[h]) - 1
		seen[h] = uint16(i + 1)
		if at < 0 || binary.LittleEndian.Uint32(src[at:]) != four {
			i++
			continue
		}
		n := 4
		for i+n < len(src) && src[at+n] == src[i+n] {
			n++
		}
		dst = appendSnappyLiteral(dst, src[literal:i])
		for left := n; left > 0; left -= 64 {
			dst = append(dst, byte(min(left, 64)-1)<<2|2, byte(i-at), byte((i-at)>>8))
		}
		i += n
		literal = i
	}
	return appendSnappyLiteral(dst, src[literal:])
}

func appendSnappyLiteral(dst, literal []byte) []byte {
	switch n := len(literal) - 1; {
	case n < 0:
		return dst
	case n < 60:
		dst = append(dst, byte(n)<<2)
	case n < 1<<8:
		dst = append(dst, 60<<2, byte(n))
	default:
		dst = append(dst, 61<<2, byte(n), byte(n>>8))
	}
	return append(dst, literal...)
}
