package client

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/weirlab/weir/broker/compression"
)

// ErrCorrupt is the reason of a PartitionError for data that is not what was
// written: a wrong CRC or an impossible field.
var ErrCorrupt = errors.New("corrupt record batch")

// Bits of a batch's attributes.
const (
	attributeCodec         = 0x07
	attributeLogAppendTime = 0x08
	attributeTransactional = 0x10
	attributeControl       = 0x20
)

// recordBatch is one batch of a fetch response, header decoded.
type recordBatch struct {
	base          int64
	last          int64 // offset of the last record, whether it is still there or not
	leaderEpoch   int32
	attributes    int16
	firstTS       int64
	maxTS         int64
	producerID    int64
	producerEpoch int16
	sequence      int32
	count         int32
	records       []byte
	bytes         int // of the whole batch
}

func (b *recordBatch) is(attribute int16) bool { return b.attributes&attribute != 0 }

// maxDecompressed bounds what a batch may decompress to, in bytes.
const maxDecompressed = 256 << 20

// readBatch decodes and checks the batch at the front of p. It reports false
// without an error if p ends before the batch does, as the last batch of a
// response may. The CRC is not looked at if the batch is known to be sound.
func readBatch(p []byte, sound bool) (recordBatch, bool, error) {
	var b recordBatch
	if len(p) < batchMagic+1 {
		return b, false, nil
	}
	b.base = int64(binary.BigEndian.Uint64(p[batchBaseOffset:]))
	length := int64(int32(binary.BigEndian.Uint32(p[batchLength:])))
	if magic := p[batchMagic]; magic != 2 {
		return b, false, fmt.Errorf("%w at offset %d: magic %d, only 2 is known", ErrCorrupt, b.base, magic)
	}
	if length < batchHeaderBytes-batchOverhead {
		return b, false, fmt.Errorf("%w at offset %d: length %d is less than a header's", ErrCorrupt, b.base, length)
	}
	if length+batchOverhead > int64(len(p)) {
		return b, false, nil
	}
	p = p[:length+batchOverhead]
	b.bytes = len(p)
	if want := binary.BigEndian.Uint32(p[batchCRC:]); !sound {
		if got := crc32.Checksum(p[batchAttributes:], castagnoli); got != want {
			return b, false, fmt.Errorf("%w at offset %d: CRC is %08x, the batch says %08x", ErrCorrupt, b.base, got, want)
		}
	}
	b.leaderEpoch = int32(binary.BigEndian.Uint32(p[batchLeaderEpoch:]))
	b.attributes = int16(binary.BigEndian.Uint16(p[batchAttributes:]))
	b.last = b.base + int64(int32(binary.BigEndian.Uint32(p[batchLastOffsetDelta:])))
	b.firstTS = int64(binary.BigEndian.Uint64(p[batchFirstTimestamp:]))
	b.maxTS = int64(binary.BigEndian.Uint64(p[batchMaxTimestamp:]))
	b.producerID = int64(binary.BigEndian.Uint64(p[batchProducerID:]))
	b.producerEpoch = int16(binary.BigEndian.Uint16(p[batchProducerEpoch:]))
	b.sequence = int32(binary.BigEndian.Uint32(p[batchBaseSequence:]))
	b.count = int32(binary.BigEndian.Uint32(p[batchCount:]))
	b.records = p[batchHeaderBytes:]
	if b.base < 0 || b.last < b.base || b.count < 0 {
		return b, false, fmt.Errorf("%w at offset %d: last offset %d, %d records", ErrCorrupt, b.base, b.last, b.count)
	}
	if codec := compression.Codec(b.attributes & attributeCodec); codec != compression.None && b.count > 0 {
		var err error
		if b.records, err = codec.Decompress(b.records, maxDecompressed); err != nil {
			return b, false, fmt.Errorf("%w at offset %d: %w", ErrCorrupt, b.base, err)
		}
	}
	return b, true, nil
}

// record decodes the record at the front of rest and returns what follows it.
func (b *recordBatch) record(rest []byte, r *ConsumedRecord) ([]byte, error) {
	d := decoder{b: rest}
	size := d.varint()
	if d.bad || size < 0 || size > int64(len(d.b)) {
		return nil, fmt.Errorf("%w at offset %d: a record's length runs past the batch", ErrCorrupt, b.base)
	}
	after := d.b[size:]
	d.b = d.b[:size]
	d.take(1) // attributes: none are defined
	r.TimestampMillis = b.firstTS + d.varint()
	if b.is(attributeLogAppendTime) {
		r.TimestampMillis = b.maxTS
	}
	delta := d.varint()
	r.Offset = b.base + delta
	r.LeaderEpoch = b.leaderEpoch
	r.Key = d.varintBytes()
	r.Value = d.varintBytes()
	headers := d.varint()
	if d.bad || delta < 0 || r.Offset > b.last || headers < 0 || headers > int64(len(d.b)) {
		return nil, fmt.Errorf("%w at offset %d: malformed record", ErrCorrupt, b.base)
	}
	for ; headers > 0; headers-- {
		key := d.varintBytes()
		r.Headers = append(r.Headers, Header{string(key), d.varintBytes()})
	}
	if d.bad {
		return nil, fmt.Errorf("%w at offset %d: malformed record headers", ErrCorrupt, b.base)
	}
	r.ProducerID, r.ProducerEpoch, r.Sequence = b.producerID, b.producerEpoch, -1
	if b.producerID >= 0 && b.sequence >= 0 {
		r.Sequence = addSequence(b.sequence, int32(delta))
	}
	r.Transactional = b.is(attributeTransactional)
	return after, nil
}

// abortedTransaction is a producer whose records from an offset on, up to its
// abort marker, do not count.
type abortedTransaction struct{ producerID, first int64 }

// chunk is one partition's part of a fetch response, as far as it has not been
// polled.
type chunk struct {
	data    []byte // batches not begun
	sound   int    // bytes of data that were checked when they came
	batch   recordBatch
	rest    []byte // of batch, records not decoded
	left    int32  // how many those are
	hidden  bool   // the batch in hand is not for the application
	aborted []abortedTransaction
	aborts  []int64 // producers inside an aborted transaction
	wm      int64   // high watermark, or last stable offset
	size    int     // of the whole chunk, in bytes
}

// next decodes the next record at or after position. It reports false at the
// end of the chunk. end is the position behind what has been passed.
func (c *chunk) next(position int64, r *ConsumedRecord) (end int64, ok bool, err error) {
	for {
		for c.left > 0 {
			c.left--
			r.Headers = nil
			c.rest, err = c.batch.record(c.rest, r)
			if err != nil {
				return position, false, err
			}
			if c.hidden {
				if c.batch.is(attributeControl) {
					c.control(r)
				}
				continue
			}
			if r.Offset >= position {
				return r.Offset + 1, true, nil
			}
		}
		if c.batch.bytes > 0 {
			position = max(position, c.batch.last+1)
			c.batch = recordBatch{}
		}
		if whole, err := c.nextBatch(); err != nil || !whole {
			return position, false, err
		}
	}
}

// nextBatch begins the next batch. It reports false at the end of the chunk.
func (c *chunk) nextBatch() (bool, error) {
	batch, whole, err := readBatch(c.data, c.sound > 0)
	if err != nil || !whole {
		return false, err
	}
	c.data = c.data[batch.bytes:]
	c.sound -= batch.bytes
	c.begin(batch)
	return true, nil
}

func (c *chunk) begin(batch recordBatch) {
	c.batch, c.rest, c.left = batch, batch.records, batch.count
	c.hidden = batch.is(attributeControl)
	if c.aborted == nil && c.aborts == nil {
		return
	}
	for len(c.aborted) > 0 && c.aborted[0].first <= batch.last {
		c.aborts = append(c.aborts, c.aborted[0].producerID)
		c.aborted = c.aborted[1:]
	}
	if batch.is(attributeTransactional) && !c.hidden {
		for _, id := range c.aborts {
			c.hidden = c.hidden || id == batch.producerID
		}
	}
}

// readMarker reads a control record that ends a transaction: a key of version and
// type (0 abort, 1 commit), a value of version and coordinator epoch.
func readMarker(b *recordBatch, r *ConsumedRecord) (Marker, bool) {
	key, value := decoder{b: r.Key}, decoder{b: r.Value}
	key.int16()
	kind := key.int16()
	value.int16()
	m := Marker{Offset: r.Offset, LeaderEpoch: b.leaderEpoch, ProducerID: b.producerID, ProducerEpoch: b.producerEpoch,
		CoordinatorEpoch: value.int32(), Commit: kind == 1}
	return m, !key.bad && !value.bad && kind <= 1
}

// control reads a transaction marker.
func (c *chunk) control(r *ConsumedRecord) {
	const abort = 0
	if len(r.Key) < 4 || binary.BigEndian.Uint16(r.Key[2:]) != abort {
		return
	}
	for i, id := range c.aborts {
		if id == r.ProducerID {
			c.aborts = append(c.aborts[:i], c.aborts[i+1:]...)
			return
		}
	}
}
