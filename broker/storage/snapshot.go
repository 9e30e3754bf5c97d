package storage

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"time"

	"github.com/weirlab/weir/env"
)

// A producer snapshot is a file in Kafka's format (ProducerStateManager, version
// 1), so that Kafka's tools read it:
//
//	int16  version
//	uint32 CRC-32C of all that follows
//	int32  count of producers; for each, by ascending ID:
//	  int64 ID, int16 epoch, int32 last sequence, int64 last offset, int32 offset
//	  delta, int64 timestamp, int32 coordinator epoch, int64 first offset of the
//	  open transaction; -1 stands for none
//
// Kafka's tools stop there. What follows is Weir's: what else it takes to answer
// retries, to forget the silent, and to hold back the last stable offset.
//
//	"weir"
//	int64  offset before which the state is that of the log
//	for each producer: int64 wall clock when it was last seen (ms since 1970),
//	  int8 count of earlier batches; for each, oldest first: int32 first and last
//	  sequence, int64 base and last offset, int64 timestamp
//	int32  count of ended transactions; for each: int64 first offset, int64 marker
const (
	snapshotVersion    = 1
	snapshotHeader     = 6 // version and checksum
	snapshotEntryBytes = 46
	snapshotMagic      = "weir"
)

// clocks are the two clocks at one moment.
type clocks struct {
	now        time.Duration // Env.Now
	wallMillis int64
}

func (l *Log) clocks() clocks {
	return clocks{now: l.env.Now(), wallMillis: l.env.Wall().UnixMilli()}
}

// encode writes the table as it stood before offset.
func (t *producerTable) encode(offset int64, at clocks) []byte {
	ids := env.SortedKeys(t.byID)
	buf := binary.BigEndian.AppendUint16(nil, snapshotVersion)
	buf = append(buf, 0, 0, 0, 0)
	buf = binary.BigEndian.AppendUint32(buf, uint32(len(ids)))
	i32 := func(v int32) { buf = binary.BigEndian.AppendUint32(buf, uint32(v)) }
	i64 := func(v int64) { buf = binary.BigEndian.AppendUint64(buf, uint64(v)) }
	for _, id := range ids {
		st := t.byID[id]
		last := producerBatch{lastSeq: -1, base: -1, last: -1}
		if st.n > 0 {
			last = st.batches[st.n-1]
		}
		i64(id)
		buf = binary.BigEndian.AppendUint16(buf, uint16(st.epoch))
		i32(last.lastSeq)
		i64(last.last)
		i32(int32(last.last - last.base))
		i64(st.lastTimestamp)
		i32(st.coordinatorEpoch)
		i64(st.txnFirst)
	}
	buf = append(buf, snapshotMagic...)
	i64(offset)
	for _, id := range ids {
		st := t.byID[id]
		i64(at.wallMillis - (at.now - st.seen).Milliseconds())
		earlier := max(st.n-1, 0)
		buf = append(buf, byte(earlier))
		for _, b := range st.batches[:earlier] {
			i32(b.firstSeq)
			i32(b.lastSeq)
			i64(b.base)
			i64(b.last)
			i64(b.timestamp)
		}
	}
	i32(int32(len(t.txns.ended)))
	for _, e := range t.txns.ended {
		i64(e.first)
		i64(e.marker)
	}
	binary.BigEndian.PutUint32(buf[2:], crc32.Checksum(buf[snapshotHeader:], castagnoli))
	return buf
}

// snapshotReader takes numbers off a snapshot; short is set at its end.
type snapshotReader struct {
	rest  []byte
	short bool
}

func (r *snapshotReader) take(n int) []byte {
	if len(r.rest) < n {
		r.short = true
		return make([]byte, n)
	}
	p := r.rest[:n]
	r.rest = r.rest[n:]
	return p
}

func (r *snapshotReader) i16() int16 { return int16(binary.BigEndian.Uint16(r.take(2))) }
func (r *snapshotReader) i32() int32 { return int32(binary.BigEndian.Uint32(r.take(4))) }
func (r *snapshotReader) i64() int64 { return int64(binary.BigEndian.Uint64(r.take(8))) }

// decodeProducers reads what encode wrote for the same offset. A producer that
// the wall clock says to have been silent in between has been so for that long.
func decodeProducers(name string, data []byte, offset int64, at clocks) (producerTable, error) {
	t := newProducerTable()
	bad := func(pos int, format string, args ...any) (producerTable, error) {
		return newProducerTable(), &CorruptError{File: name, Position: int64(pos), Reason: fmt.Sprintf(format, args...)}
	}
	if len(data) < snapshotHeader+4 {
		return bad(len(data), "the file ends inside its header")
	}
	r := &snapshotReader{rest: data}
	if v := r.i16(); v != snapshotVersion {
		return bad(0, "snapshot version %d, want %d", v, snapshotVersion)
	}
	if want, got := uint32(r.i32()), crc32.Checksum(data[snapshotHeader:], castagnoli); want != got {
		return bad(2, "the checksum is %08x, the bytes give %08x", want, got)
	}
	n := int64(r.i32())
	if n < 0 || n*snapshotEntryBytes > int64(len(r.rest)) {
		return bad(snapshotHeader, "%d producers do not fit %d bytes", n, len(r.rest))
	}
	ids := make([]int64, 0, n)
	for range n {
		id := r.i64()
		st := newProducerState(r.i16())
		lastSeq, last, delta := r.i32(), r.i64(), r.i32()
		st.lastTimestamp, st.coordinatorEpoch, st.txnFirst, st.seen = r.i64(), r.i32(), r.i64(), at.now
		if last >= 0 {
			st.n = 1
			st.batches[0] = producerBatch{firstSeq: addSequence(lastSeq, -delta), lastSeq: lastSeq,
				base: last - int64(delta), last: last, timestamp: st.lastTimestamp}
		}
		if st.txnFirst >= 0 {
			t.txns.begin(id, st.txnFirst)
		}
		ids = append(ids, id)
		t.byID[id] = st
	}
	if string(r.take(len(snapshotMagic))) != snapshotMagic || r.i64() != offset {
		return bad(len(data)-len(r.rest), "the state is not that before offset %d", offset)
	}
	for _, id := range ids {
		st := t.byID[id]
		st.seen = at.now - time.Duration(max(0, at.wallMillis-r.i64()))*time.Millisecond
		earlier := int(r.take(1)[0])
		if earlier > 0 && (st.n == 0 || earlier >= cachedBatches) {
			return bad(len(data)-len(r.rest), "producer %d has %d earlier batches", id, earlier)
		}
		st.batches[earlier] = st.batches[0]
		for i := range earlier {
			st.batches[i] = producerBatch{firstSeq: r.i32(), lastSeq: r.i32(), base: r.i64(), last: r.i64(), timestamp: r.i64()}
			st.n++
		}
	}
	ended := int64(r.i32())
	if ended < 0 || ended*16 > int64(len(r.rest)) {
		return bad(len(data)-len(r.rest), "%d ended transactions do not fit %d bytes", ended, len(r.rest))
	}
	for range ended {
		t.txns.ended = append(t.txns.ended, endedTransaction{first: r.i64(), marker: r.i64()})
	}
	if r.short || len(r.rest) > 0 || len(t.byID) != len(ids) {
		return bad(len(data)-len(r.rest), "the file does not end where its content does")
	}
	t.txns.sort()
	return t, nil
}
