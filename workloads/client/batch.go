package client

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"time"

	"github.com/weirlab/weir/broker/compression"
)

// Layout of a record batch, magic 2 (https://kafka.apache.org/documentation/#recordbatch):
// offsets of the fields from the start of the batch.
const (
	batchBaseOffset      = 0
	batchLength          = 8 // of what follows it
	batchLeaderEpoch     = 12
	batchMagic           = 16
	batchCRC             = 17 // of everything from batchAttributes on
	batchAttributes      = 21
	batchLastOffsetDelta = 23
	batchFirstTimestamp  = 27
	batchMaxTimestamp    = 35
	batchProducerID      = 43
	batchProducerEpoch   = 51
	batchBaseSequence    = 53
	batchCount           = 57
	batchHeaderBytes     = 61

	batchOverhead = batchLength + 4 // bytes of a batch not counted in its length field
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// batch is a record batch on its way, encoded as it fills. The producer's lock
// guards it.
type batch struct {
	to      *partition
	buf     []byte
	count   int32
	firstTS int64
	maxTS   int64
	records []produced
	single  [1]produced // where records begins: most batches of a slow producer hold one
	memory  int64       // charged to buffer.memory

	// Of a Stream, instead of records: what they are, and when.
	stream *Stream
	tag    int64
	rows   []Row
	times  []Times

	sealed   bool          // takes no more records; buf is complete but for the producer fields
	ripe     time.Duration // when lingering ends
	deadline time.Duration // delivery timeout

	// Under idempotence, once numbered: what identifies the batch.
	numbered      bool
	transactional bool
	producerID    int64
	epoch         int16
	sequence      int32

	shared     bool // buf was handed to a connection: never change it
	attempts   int32
	indefinite int32
	lastErr    error
	refused    *Refusal
	firstSent  time.Duration
	node       int32 // leader of the last attempt
	nodeEpoch  int32

	ordinal int64           // place in the partition's order
	in      *produceRequest // the request it is in flight with, or nil

	result   Result
	finished bool
}

// produced is a record in a batch and who wants to know.
type produced struct {
	rec  *Record
	done func(*Record, Result)
}

// recordBytes is the size of a record's encoding without its length prefix.
func recordBytes(r *Record, tsDelta int64, offsetDelta int32) int {
	n := 1 + varintLen(tsDelta) + varintLen(int64(offsetDelta))
	n += bytesLen(r.Key) + bytesLen(r.Value) + varintLen(int64(len(r.Headers)))
	for i := range r.Headers {
		h := &r.Headers[i]
		n += varintLen(int64(len(h.Key))) + len(h.Key) + bytesLen(h.Value)
	}
	return n
}

func bytesLen(b []byte) int {
	if b == nil {
		return 1
	}
	return varintLen(int64(len(b))) + len(b)
}

func varintLen(v int64) int {
	u := uint64(v<<1) ^ uint64(v>>63)
	n := 1
	for u >= 0x80 {
		u >>= 7
		n++
	}
	return n
}

func appendVarintBytes(dst, b []byte) []byte {
	if b == nil {
		return append(dst, 1) // -1
	}
	dst = binary.AppendVarint(dst, int64(len(b)))
	return append(dst, b...)
}

// newBatch begins a batch with room for a first record of about size bytes.
func newBatch(to *partition, size int) *batch {
	b := &batch{to: to, buf: make([]byte, batchHeaderBytes, batchHeaderBytes+size+16)}
	b.records = b.single[:0]
	return b
}

// add encodes a record. size is recordBytes for the batch's next offset.
func (b *batch) add(r *Record, ts int64, size int, done func(*Record, Result)) {
	if b.count == 0 {
		b.firstTS, b.maxTS = ts, ts
	}
	b.maxTS = max(b.maxTS, ts)
	p := b.buf
	p = binary.AppendVarint(p, int64(size))
	p = append(p, 0) // attributes: none are defined
	p = binary.AppendVarint(p, ts-b.firstTS)
	p = binary.AppendVarint(p, int64(b.count))
	p = appendVarintBytes(p, r.Key)
	p = appendVarintBytes(p, r.Value)
	p = binary.AppendVarint(p, int64(len(r.Headers)))
	for i := range r.Headers {
		h := &r.Headers[i]
		p = binary.AppendVarint(p, int64(len(h.Key)))
		p = append(p, h.Key...)
		p = appendVarintBytes(p, h.Value)
	}
	b.buf = p
	b.count++
	b.records = append(b.records, produced{r, done})
}

// holds says whether a record of size bytes fits into an open batch.
func (b *batch) holds(size int, batchBytes int32) bool {
	return len(b.buf)+size+varintLen(int64(size)) <= int(batchBytes)
}

// seal completes all of the header but what number fills in, and compresses the
// records.
func (b *batch) seal(codec compression.Codec) {
	b.buf = pack(codec, b.buf)
	p := b.buf
	binary.BigEndian.PutUint64(p[batchBaseOffset:], 0)
	binary.BigEndian.PutUint32(p[batchLength:], uint32(len(p)-batchOverhead))
	binary.BigEndian.PutUint32(p[batchLeaderEpoch:], 0xffffffff) // -1: the broker's to set
	p[batchMagic] = 2
	binary.BigEndian.PutUint16(p[batchAttributes:], uint16(codec))
	binary.BigEndian.PutUint32(p[batchLastOffsetDelta:], uint32(b.count-1))
	binary.BigEndian.PutUint64(p[batchFirstTimestamp:], uint64(b.firstTS))
	binary.BigEndian.PutUint64(p[batchMaxTimestamp:], uint64(b.maxTS))
	binary.BigEndian.PutUint32(p[batchCount:], uint32(b.count))
	b.sealed = true
}

// pack is the batch with its records compressed.
func pack(codec compression.Codec, p []byte) []byte {
	if codec == compression.None {
		return p
	}
	packed := bytes.NewBuffer(append(make([]byte, 0, len(p)), p[:batchHeaderBytes]...))
	w, err := codec.NewWriter(packed)
	if err == nil {
		_, err = w.Write(p[batchHeaderBytes:])
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		panic("client: " + codec.String() + " cannot compress: " + err.Error()) // to memory it can
	}
	return packed.Bytes()
}

// number gives a sealed batch its producer fields (-1 each without
// idempotence) and its CRC.
func (b *batch) number(producerID int64, epoch int16, sequence int32) {
	if b.shared {
		b.buf = append([]byte(nil), b.buf...)
		b.shared = false
	}
	b.numbered = true
	b.producerID, b.epoch, b.sequence = producerID, epoch, sequence
	p := b.buf
	if b.transactional {
		p[batchAttributes+1] |= attributeTransactional
	}
	binary.BigEndian.PutUint64(p[batchProducerID:], uint64(producerID))
	binary.BigEndian.PutUint16(p[batchProducerEpoch:], uint16(epoch))
	binary.BigEndian.PutUint32(p[batchBaseSequence:], uint32(sequence))
	binary.BigEndian.PutUint32(p[batchCRC:], crc32.Checksum(p[batchAttributes:], castagnoli))
}

// finish settles what became of the batch. The caller then takes it out of
// its partition and, with the lock released, calls tell.
func (b *batch) finish(outcome Outcome, err error, offset, appendMillis int64) {
	b.finished = true
	b.result = Result{
		Outcome: outcome, Err: err, Partition: b.to.index,
		Offset: offset, LogAppendMillis: appendMillis,
		LeaderID: b.node, LeaderEpoch: b.nodeEpoch,
		ProducerID: -1, ProducerEpoch: -1, Sequence: -1,
		Attempts: b.attempts, Indefinite: b.indefinite, FirstSent: b.firstSent, Refused: b.refused,
	}
	if b.numbered && b.producerID >= 0 {
		b.result.ProducerID, b.result.ProducerEpoch = b.producerID, b.epoch
	}
	if b.attempts == 0 {
		b.result.LeaderID, b.result.LeaderEpoch = -1, -1
	}
}

// refuse notes that an attempt was refused for its sequence number: the first
// such refusal is what speaks for or against the broker.
func (b *batch) refuse(err error) {
	if b.refused == nil {
		b.refused = &Refusal{Err: err, ProducerID: b.producerID, ProducerEpoch: b.epoch, Sequence: b.sequence}
	}
}

// giveUp finishes the batch without an offset: failed if no attempt can have
// been appended, else unknown.
func (b *batch) giveUp(err error) {
	outcome := OutcomeFail
	if b.indefinite > 0 {
		outcome = OutcomeInfo
	}
	b.finish(outcome, err, -1, -1)
}

// tell calls back for each record. No lock is held.
func (b *batch) tell() {
	if b.stream != nil {
		b.stream.tell(b)
		return
	}
	for i := range b.records {
		r := b.result
		if r.Offset >= 0 {
			r.Offset += int64(i)
		}
		if r.ProducerID >= 0 {
			r.Sequence = addSequence(b.sequence, int32(i))
		}
		if r.Refused != nil {
			one := *r.Refused
			one.Sequence = addSequence(one.Sequence, int32(i))
			r.Refused = &one
		}
		b.records[i].done(b.records[i].rec, r)
	}
	b.records = nil
}

// AddSequence is the sequence number n records behind another; -1 stays -1.
func AddSequence(sequence, n int32) int32 {
	if sequence < 0 {
		return sequence
	}
	return addSequence(sequence, n)
}

// addSequence adds to a sequence number, which wraps from the largest int32
// to 0.
func addSequence(sequence, n int32) int32 {
	if sequence > 1<<31-1-n {
		return n - (1<<31 - 1 - sequence) - 1
	}
	return sequence + n
}
