package storage

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/weirlab/weir/broker/compression"
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
func (t CompressionType) codec(from compression.Codec) compression.Codec {
	if t == CompressionProducer {
		return from
	}
	return compression.Codec(t) - 1
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

func newEncoder(codec compression.Codec, header []byte, limit int64) *encoder {
	e := &encoder{limit: limit}
	e.out.Write(header)
	out := e.out.Bytes()
	out[atAttributes+1] = out[atAttributes+1]&^attrCompression | byte(codec)
	e.w, e.failed = codec.NewWriter(boundedWriter{e})
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
