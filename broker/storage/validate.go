package storage

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/weirlab/weir/broker/compression"
)

// RecordError says which record of a batch was refused and why (KIP-467).
type RecordError struct {
	Index   int32 // in its batch
	Message string
}

// maxRecordErrors is how many records of a batch are told of by number. Kafka
// tells of all, which may be more bytes than the batch had.
const maxRecordErrors = 100

// noTimestamp is the timestamp of a record that has none.
const noTimestamp = -1

// validation checks batches before a leader appends them, as Kafka's
// LogValidator does: every record is looked at, compressed or not, since a
// record that cannot be read is one that no consumer ever gets past.
//
// The cost is bounded by the bytes: no count in them is believed, and a batch
// may not decompress to more than maxDecompressed.
type validation struct {
	cfg             *Config
	nowMillis       int64
	opts            AppendOptions
	maxDecompressed int64
}

// maxDecompressed is how many bytes a batch may decompress to: enough for any
// batch that an honest client makes, which bounds batches before it compresses
// them.
func maxDecompressed(maxMessageBytes int32) int64 {
	return min(max(minDecompressedLimit, 8*int64(maxMessageBytes)), maxDecompressedBytes)
}

const minDecompressedLimit = 64 << 20

// maxDecompressedBytes bounds what one batch may grow to: a few bytes of a
// hostile batch could otherwise claim all memory.
const maxDecompressedBytes = 256 << 20

// batch checks one batch, makes its largest timestamp what its records say, and
// returns it: another one if the topic wants another codec.
func (v *validation) batch(b Batch) (Batch, *AppendError) {
	if err := v.header(b); err != nil {
		return nil, err
	}
	target := v.cfg.CompressionType.codec(b.Compression())
	if b.IsControl() {
		target = b.Compression() // no topic's codec touches what the broker itself writes
	}
	var recoded *encoder
	if target != b.Compression() {
		limit := int64(math.MaxInt32)
		if !v.opts.AnySize {
			limit = int64(v.cfg.MaxMessageBytes)
		}
		recoded = newEncoder(target, b[:HeaderBytes], limit)
	}
	largest, err := v.records(b, recoded)
	if err != nil {
		return nil, err
	}
	if recoded != nil {
		if b, err = recoded.finish(); err != nil {
			return nil, err
		}
	}
	if recoded != nil || largest != b.MaxTimestamp() {
		binary.BigEndian.PutUint64(b[atMaxTimestamp:], uint64(largest))
		b.updateCRC()
	}
	return b, nil
}

// header checks what the batch's header claims.
func (v *validation) header(b Batch) *AppendError {
	n := b.NumRecords()
	switch {
	case n == 0:
		return refuse(kerr.InvalidRecord.Code, "the batch holds no record")
	case b.LastOffsetDelta() != n-1:
		return refuse(kerr.InvalidRecord.Code, "last offset delta is %d for %d records", b.LastOffsetDelta(), n)
	case b.Compression() > compression.Zstd:
		return refuse(kerr.UnsupportedCompressionType.Code, "compression codec %d is not known", int8(b.Compression()))
	case b.IsControl() && !v.opts.ControlBatches:
		return refuse(kerr.InvalidRecord.Code, "a client may not append control records")
	case b.ProducerID() < 0 && b.IsTransactional():
		return refuse(kerr.InvalidRecord.Code, "a batch without producer ID cannot belong to a transaction")
	case b.ProducerID() >= 0 && !b.IsControl() && (b.BaseSequence() < 0 || b.ProducerEpoch() < 0):
		return refuse(kerr.InvalidRecord.Code, "producer %d sent epoch %d and sequence %d; neither may be negative",
			b.ProducerID(), b.ProducerEpoch(), b.BaseSequence())
	case b.IsLogAppendTime() && !v.cfg.LogAppendTime:
		return refuse(kerr.InvalidTimestamp.Code, "the batch claims log append time, which a producer must not set")
	}
	return nil
}

// records checks a batch's records, writes them to the encoder if there is one,
// and returns their largest timestamp.
func (v *validation) records(b Batch, recoded *encoder) (largest int64, _ *AppendError) {
	s := recordScanner{buf: b[HeaderBytes:]}
	if b.Compression() != 0 {
		src, closer, err := b.Compression().NewReader(b[HeaderBytes:], v.maxDecompressed)
		if err != nil {
			return 0, refuse(kerr.InvalidRecord.Code, "the records are not what compression codec %d makes: %v", int8(b.Compression()), err)
		}
		defer closer()
		s = recordScanner{src: src, left: v.maxDecompressed}
	}
	if recoded != nil {
		if s.src == nil {
			_, _ = recoded.Write(s.buf) // finish tells what failed
		} else {
			s.tee = recoded
		}
	}
	largest = noTimestamp
	var bad []RecordError
	code, nBad := int16(0), 0
	refused := func(i int32, why int16, format string, args ...any) {
		if nBad++; nBad == 1 {
			code = why
		}
		if len(bad) < maxRecordErrors {
			bad = append(bad, RecordError{Index: i, Message: fmt.Sprintf(format, args...)})
		}
	}
	compacted := v.cfg.CleanupPolicy&CleanupCompact != 0 && !b.IsControl()
	for i := range b.NumRecords() {
		if recoded != nil && recoded.failed != nil {
			_, err := recoded.finish()
			return 0, err
		}
		r, err := s.next()
		if err != nil {
			return 0, refuse(kerr.InvalidRecord.Code, "record %d of %d: %v", i, b.NumRecords(), err)
		}
		if r.offsetDelta != int64(i) {
			return 0, refuse(kerr.InvalidRecord.Code, "record %d of %d carries the offset delta %d", i, b.NumRecords(), r.offsetDelta)
		}
		if compacted && !r.hasKey {
			refused(i, kerr.InvalidRecord.Code, "a compacted topic takes no record without a key")
		}
		ts := b.BaseTimestamp() + r.timestampDelta // wraps around as Java's does
		if !v.cfg.LogAppendTime && ts != noTimestamp && !v.cfg.Timestamps.allow(v.nowMillis, ts) {
			refused(i, kerr.InvalidTimestamp.Code, "timestamp %d is out of range: it may be %d ms before the broker's clock, which says %d, and %d ms after it",
				ts, v.cfg.Timestamps.BeforeMaxMillis, v.nowMillis, v.cfg.Timestamps.AfterMaxMillis)
		}
		largest = max(largest, ts)
	}
	if more, err := s.rest(); more || err != nil {
		if err != nil {
			return 0, refuse(kerr.InvalidRecord.Code, "behind the last of %d records: %v", b.NumRecords(), err)
		}
		return 0, refuse(kerr.InvalidRecord.Code, "more bytes follow the last of %d records", b.NumRecords())
	}
	if nBad > 0 {
		err := refuse(code, "%d of %d records are refused, first record %d: %s", nBad, b.NumRecords(), bad[0].Index, bad[0].Message)
		err.Records = bad
		return 0, err
	}
	return largest, nil
}

// TimestampLimits say which timestamps records may have, seen from the leader's
// wall clock. The zero value allows all.
type TimestampLimits struct {
	Limited         bool  // whether the others count
	BeforeMaxMillis int64 // how far back. [message.timestamp.before.max.ms]
	AfterMaxMillis  int64 // how far ahead. [message.timestamp.after.max.ms]
}

// allow compares as Kafka's LogValidator does, differences wrapping around.
func (t TimestampLimits) allow(now, ts int64) bool {
	age := now - ts
	return !t.Limited || age <= t.BeforeMaxMillis && -age <= t.AfterMaxMillis
}

// recordScanner walks encoded records, in memory or from a decompressor, and
// allocates nothing but its window.
type recordScanner struct {
	buf []byte // not yet read
	src io.Reader
	tee io.Writer // gets what comes from src

	left int64 // bytes that may still come from src
	read int64 // bytes taken
	mem  []byte
	err  error // of src, io.EOF at its end
}

// scannedRecord is what of a record is checked.
type scannedRecord struct {
	timestampDelta int64
	offsetDelta    int64
	hasKey         bool
}

const scanWindowBytes = 32 << 10

var (
	errRecordEnds   = errors.New("the bytes end inside it")
	errRecordVarint = errors.New("one of its numbers is malformed")
	errFieldLength  = errors.New("a length goes beyond its record")
	errRecordSize   = errors.New("its length is not that of its fields")
)

// more gets more bytes into buf and reports whether it did.
func (s *recordScanner) more() bool {
	if s.src == nil || s.err != nil {
		return false
	}
	if s.mem == nil {
		s.mem = make([]byte, scanWindowBytes)
	}
	n := copy(s.mem, s.buf)
	m := 0
	for empty := 0; m == 0 && s.err == nil; empty++ {
		m, s.err = s.src.Read(s.mem[n:])
		if empty == 100 {
			s.err = io.ErrNoProgress
		}
	}
	if s.left -= int64(m); s.left < 0 {
		s.err = fmt.Errorf("the batch decompresses to more bytes than are allowed: %w", compression.ErrTooLarge)
		m = 0
	}
	if s.tee != nil && m > 0 {
		_, _ = s.tee.Write(s.mem[n : n+m])
	}
	s.buf = s.mem[:n+m]
	return m > 0
}

// ended is why no more bytes came.
func (s *recordScanner) ended() error {
	if s.err != nil && s.err != io.EOF {
		return s.err
	}
	return errRecordEnds
}

func (s *recordScanner) varint() (int64, error) {
	for len(s.buf) < binary.MaxVarintLen64 && s.more() {
	}
	v, n := binary.Varint(s.buf)
	switch {
	case n == 0:
		return 0, s.ended()
	case n < 0:
		return 0, errRecordVarint
	}
	s.buf = s.buf[n:]
	s.read += int64(n)
	return v, nil
}

func (s *recordScanner) skip(n int64) error {
	s.read += n
	for n > int64(len(s.buf)) {
		n -= int64(len(s.buf))
		s.buf = nil
		if !s.more() {
			return s.ended()
		}
	}
	s.buf = s.buf[n:]
	return nil
}

// field skips a key or value that ends at or before end, and reports whether it
// is not null.
func (s *recordScanner) field(end int64) (present bool, _ error) {
	n, err := s.varint()
	if err != nil || n < 0 {
		return false, err
	}
	if n > end-s.read {
		return false, errFieldLength
	}
	return true, s.skip(n)
}

// next takes the next record.
func (s *recordScanner) next() (r scannedRecord, _ error) {
	length, err := s.varint()
	if err != nil {
		return r, err
	}
	if length < 0 || length > math.MaxInt32 {
		return r, errRecordVarint
	}
	if s.src == nil && length > int64(len(s.buf)) {
		return r, errRecordLength
	}
	end := s.read + length
	if err := s.skip(1); err != nil { // attributes
		return r, err
	}
	if r.timestampDelta, err = s.varint(); err != nil {
		return r, err
	}
	if r.offsetDelta, err = s.varint(); err != nil {
		return r, err
	}
	if r.hasKey, err = s.field(end); err != nil {
		return r, err
	}
	if _, err := s.field(end); err != nil {
		return r, err
	}
	headers, err := s.varint()
	if err != nil {
		return r, err
	}
	if headers < 0 {
		return r, errRecordVarint
	}
	for ; headers > 0 && s.read < end; headers-- {
		present, err := s.field(end)
		if err != nil {
			return r, err
		}
		if !present {
			return r, errors.New("the key of a header is null")
		}
		if _, err := s.field(end); err != nil {
			return r, err
		}
	}
	if headers > 0 || s.read != end {
		return r, errRecordSize
	}
	return r, nil
}

// rest reports whether anything follows, and an error of the decompressor.
func (s *recordScanner) rest() (bool, error) {
	if len(s.buf) > 0 || s.more() {
		return true, nil
	}
	if s.err != nil && s.err != io.EOF {
		return false, s.err
	}
	return false, nil
}
