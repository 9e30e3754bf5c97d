package storage

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"iter"

	"github.com/weirlab/weir/broker/compression"
)

// HeaderBytes is the size of a record batch before its records.
const HeaderBytes = 61

// Where the fields of a version 2 record batch are. The checksum covers
// everything from the attributes on, so a broker may set the base offset and
// the leader epoch without touching it.
const (
	atBaseOffset      = 0
	atLength          = 8
	atLeaderEpoch     = 12
	atMagic           = 16
	atCRC             = 17
	atAttributes      = 21
	atLastOffsetDelta = 23
	atBaseTimestamp   = 27
	atMaxTimestamp    = 35
	atProducerID      = 43
	atProducerEpoch   = 51
	atBaseSequence    = 53
	atNumRecords      = 57

	lengthOverhead = 12 // base offset and length are not counted in length
)

const (
	attrCompression   = 0x07
	attrLogAppendTime = 0x08
	attrTransactional = 0x10
	attrControl       = 0x20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Batch is the bytes of exactly one version 2 record batch. Its accessors read
// the header in place; they need at least HeaderBytes bytes, which SplitBatch
// and Batches guarantee.
type Batch []byte

// BaseOffset is the offset of the first record.
func (b Batch) BaseOffset() int64 { return int64(binary.BigEndian.Uint64(b[atBaseOffset:])) }

// SizeBytes is the size of the whole batch according to its header.
func (b Batch) SizeBytes() int64 {
	return int64(int32(binary.BigEndian.Uint32(b[atLength:]))) + lengthOverhead
}

// LeaderEpoch is the epoch of the leader that appended the batch.
func (b Batch) LeaderEpoch() int32 { return int32(binary.BigEndian.Uint32(b[atLeaderEpoch:])) }

// Magic is the version of the format: 2.
func (b Batch) Magic() int8 { return int8(b[atMagic]) }

// CRC is the stored CRC-32C of the batch from its attributes on.
func (b Batch) CRC() uint32 { return binary.BigEndian.Uint32(b[atCRC:]) }

// Attributes are the batch's flag bits.
func (b Batch) Attributes() int16 { return int16(binary.BigEndian.Uint16(b[atAttributes:])) }

// LastOffsetDelta is the offset of the last record relative to BaseOffset.
func (b Batch) LastOffsetDelta() int32 {
	return int32(binary.BigEndian.Uint32(b[atLastOffsetDelta:]))
}

// LastOffset is the offset of the last record.
func (b Batch) LastOffset() int64 { return b.BaseOffset() + int64(b.LastOffsetDelta()) }

// NextOffset is the offset after the last record.
func (b Batch) NextOffset() int64 { return b.LastOffset() + 1 }

// BaseTimestamp is the timestamp of the first record, in ms since 1970.
func (b Batch) BaseTimestamp() int64 { return int64(binary.BigEndian.Uint64(b[atBaseTimestamp:])) }

// MaxTimestamp is the largest timestamp of the batch, in ms since 1970.
func (b Batch) MaxTimestamp() int64 { return int64(binary.BigEndian.Uint64(b[atMaxTimestamp:])) }

// ProducerID is the idempotent producer's ID, -1 if it has none.
func (b Batch) ProducerID() int64 { return int64(binary.BigEndian.Uint64(b[atProducerID:])) }

// ProducerEpoch is the idempotent producer's epoch.
func (b Batch) ProducerEpoch() int16 { return int16(binary.BigEndian.Uint16(b[atProducerEpoch:])) }

// BaseSequence is the sequence number of the first record, -1 without producer ID.
func (b Batch) BaseSequence() int32 { return int32(binary.BigEndian.Uint32(b[atBaseSequence:])) }

// LastSequence is the sequence number of the last record; after 2^31-1 comes 0.
func (b Batch) LastSequence() int32 { return addSequence(b.BaseSequence(), b.LastOffsetDelta()) }

// NumRecords is how many records the batch holds.
func (b Batch) NumRecords() int32 { return int32(binary.BigEndian.Uint32(b[atNumRecords:])) }

// Compression is the codec of the records: 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd.
func (b Batch) Compression() compression.Codec {
	return compression.Codec(b[atAttributes+1] & attrCompression)
}

// IsLogAppendTime reports whether the timestamp is the broker's.
func (b Batch) IsLogAppendTime() bool { return b[atAttributes+1]&attrLogAppendTime != 0 }

// IsTransactional reports whether the batch belongs to a transaction.
func (b Batch) IsTransactional() bool { return b[atAttributes+1]&attrTransactional != 0 }

// IsControl reports whether the batch holds control records, which no consumer
// application sees.
func (b Batch) IsControl() bool { return b[atAttributes+1]&attrControl != 0 }

// SetBaseOffset assigns the offset of the first record, in place.
func (b Batch) SetBaseOffset(offset int64) {
	binary.BigEndian.PutUint64(b[atBaseOffset:], uint64(offset))
}

// SetLeaderEpoch assigns the leader epoch, in place.
func (b Batch) SetLeaderEpoch(epoch int32) {
	binary.BigEndian.PutUint32(b[atLeaderEpoch:], uint32(epoch))
}

// setLogAppendTime makes now the timestamp of every record and renews the checksum.
func (b Batch) setLogAppendTime(nowMillis int64) {
	b[atAttributes+1] |= attrLogAppendTime
	binary.BigEndian.PutUint64(b[atMaxTimestamp:], uint64(nowMillis))
	b.updateCRC()
}

func (b Batch) updateCRC() {
	binary.BigEndian.PutUint32(b[atCRC:], crc32.Checksum(b[atAttributes:], castagnoli))
}

// Verify checks everything that can be checked without decoding records:
// the format version, the counts, and the checksum over the records.
func (b Batch) Verify() error {
	if err := b.verifyHeader(); err != nil {
		return err
	}
	if got := crc32.Checksum(b[atAttributes:], castagnoli); got != b.CRC() {
		return fmt.Errorf("the batch's checksum is %08x, its bytes give %08x", b.CRC(), got)
	}
	return nil
}

func (b Batch) verifyHeader() error {
	switch {
	case b.Magic() != 2:
		return fmt.Errorf("record batch version %d, want 2", b.Magic())
	case b.LastOffsetDelta() < 0:
		return fmt.Errorf("last offset delta %d is negative", b.LastOffsetDelta())
	case b.NumRecords() < 0:
		return fmt.Errorf("record count %d is negative", b.NumRecords())
	case b.BaseOffset() < 0:
		return fmt.Errorf("base offset %d is negative", b.BaseOffset())
	}
	return nil
}

// ErrPartialBatch is wrapped by the error of SplitBatch and Batches when the
// bytes end inside a batch.
var ErrPartialBatch = errors.New("the bytes end inside a record batch")

// SplitBatch cuts the first batch off records. It checks the length only;
// Verify checks the rest.
func SplitBatch(records []byte) (first Batch, rest []byte, err error) {
	if len(records) < HeaderBytes {
		return nil, records, fmt.Errorf("%w: %d bytes left, a header needs %d", ErrPartialBatch, len(records), HeaderBytes)
	}
	size := Batch(records).SizeBytes()
	if size < HeaderBytes {
		return nil, records, fmt.Errorf("batch size %d is less than a header's %d bytes", size, HeaderBytes)
	}
	if size > int64(len(records)) {
		return nil, records, fmt.Errorf("%w: it needs %d bytes, %d are left", ErrPartialBatch, size, len(records))
	}
	return Batch(records[:size:size]), records[size:], nil
}

// Batches walks the batches in records without decoding or verifying them. A
// malformed length ends the walk with an error.
func Batches(records []byte) iter.Seq2[Batch, error] {
	return func(yield func(Batch, error) bool) {
		for len(records) > 0 {
			b, rest, err := SplitBatch(records)
			if !yield(b, err) || err != nil {
				return
			}
			records = rest
		}
	}
}
