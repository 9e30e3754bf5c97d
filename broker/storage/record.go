package storage

import (
	"encoding/binary"
	"errors"
	"fmt"
	"iter"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Header is one record header.
type Header = kmsg.Header

// Record is one decoded record.
type Record struct {
	Offset          int64  // absolute; ignored when building
	TimestampMillis int64  // ms since 1970
	Key             []byte // nil is null
	Value           []byte // nil is null
	Headers         []Header
}

// BatchOptions are the header fields of a batch to build. The zero value means
// producer 0: start from NoProducer for a batch without one.
type BatchOptions struct {
	BaseOffset    int64
	LeaderEpoch   int32
	ProducerID    int64
	ProducerEpoch int16
	BaseSequence  int32
	Transactional bool
	Control       bool
}

// NoProducer returns the options of a batch without idempotent producer.
func NoProducer() BatchOptions {
	return BatchOptions{ProducerID: -1, ProducerEpoch: -1, BaseSequence: -1, LeaderEpoch: -1}
}

// BuildBatch encodes records, at least one, as one uncompressed batch with
// consecutive offsets and appends it to dst.
func BuildBatch(dst []byte, opts BatchOptions, records []Record) []byte {
	if len(records) == 0 {
		panic("storage: BuildBatch needs at least one record")
	}
	start := len(dst)
	dst = append(dst, make([]byte, HeaderBytes)...)
	base, latest := records[0].TimestampMillis, records[0].TimestampMillis
	for i := range records {
		r := &records[i]
		latest = max(latest, r.TimestampMillis)
		dst = appendRecord(dst, kmsg.Record{
			TimestampDelta64: r.TimestampMillis - base,
			OffsetDelta:      int32(i),
			Key:              r.Key,
			Value:            r.Value,
			Headers:          r.Headers,
		})
	}

	b := Batch(dst[start:])
	b.SetBaseOffset(opts.BaseOffset)
	binary.BigEndian.PutUint32(b[atLength:], uint32(len(b)-lengthOverhead))
	b.SetLeaderEpoch(opts.LeaderEpoch)
	b[atMagic] = 2
	if opts.Transactional {
		b[atAttributes+1] |= attrTransactional
	}
	if opts.Control {
		b[atAttributes+1] |= attrControl
	}
	binary.BigEndian.PutUint32(b[atLastOffsetDelta:], uint32(len(records)-1))
	binary.BigEndian.PutUint64(b[atBaseTimestamp:], uint64(base))
	binary.BigEndian.PutUint64(b[atMaxTimestamp:], uint64(latest))
	binary.BigEndian.PutUint64(b[atProducerID:], uint64(opts.ProducerID))
	binary.BigEndian.PutUint16(b[atProducerEpoch:], uint16(opts.ProducerEpoch))
	binary.BigEndian.PutUint32(b[atBaseSequence:], uint32(opts.BaseSequence))
	binary.BigEndian.PutUint32(b[atNumRecords:], uint32(len(records)))
	b.updateCRC()
	return dst
}

// Records decodes the batch's records, decompressing them if need be. Keys and
// values may alias the batch. Malformed bytes end the walk with an error.
// Call Verify first: Records trusts the header.
func (b Batch) Records() iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		body, err := b.Compression().Decompress(b[HeaderBytes:], maxDecompressedBytes)
		if err != nil {
			yield(Record{}, err)
			return
		}
		base, baseTime := b.BaseOffset(), b.BaseTimestamp()
		for i := range b.NumRecords() {
			one, rest, err := splitRecord(body)
			if err != nil {
				yield(Record{}, fmt.Errorf("record %d of %d: %w", i, b.NumRecords(), err))
				return
			}
			body = rest
			var wire kmsg.Record
			if err := wire.ReadFrom(one); err != nil {
				yield(Record{}, fmt.Errorf("record %d of %d: %w", i, b.NumRecords(), err))
				return
			}
			r := Record{
				Offset:          base + int64(wire.OffsetDelta),
				TimestampMillis: baseTime + wire.TimestampDelta64,
				Key:             wire.Key,
				Value:           wire.Value,
				Headers:         wire.Headers,
			}
			if b.IsLogAppendTime() {
				r.TimestampMillis = b.MaxTimestamp()
			}
			if !yield(r, nil) {
				return
			}
		}
		if len(body) > 0 {
			yield(Record{}, fmt.Errorf("%d bytes follow the last of %d records", len(body), b.NumRecords()))
		}
	}
}

var errRecordLength = errors.New("its length goes beyond the batch")

// splitRecord cuts the first record, length prefix included, off body.
func splitRecord(body []byte) (one, rest []byte, err error) {
	length, n := binary.Varint(body)
	if n <= 0 || length < 0 || length > int64(len(body)-n) {
		return nil, body, errRecordLength
	}
	end := n + int(length)
	return body[:end:end], body[end:], nil
}
