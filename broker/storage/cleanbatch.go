package storage

import (
	"encoding/binary"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// attrDeleteHorizon says that the base timestamp is the delete horizon (KIP-534).
const attrDeleteHorizon = 0x40

// DeleteHorizon is when the tombstones of the batch, or the marker that it is,
// may be removed, in ms since 1970, if a cleaning has written it there (KIP-534).
func (b Batch) DeleteHorizon() (millis int64, ok bool) {
	if b[atAttributes+1]&attrDeleteHorizon == 0 {
		return 0, false
	}
	return b.BaseTimestamp(), true
}

// beginsAt is the timestamp of the batch's first record, or, where the header
// does not tell it, one that is not below it, in ms since 1970.
func (b Batch) beginsAt() int64 {
	if _, ok := b.DeleteHorizon(); ok {
		return b.MaxTimestamp()
	}
	return b.BaseTimestamp()
}

// emptied is the batch without records: what says where it was, whose, and with
// which sequence numbers.
func emptied(b Batch) Batch {
	e := slices.Clone(b[:HeaderBytes])
	binary.BigEndian.PutUint32(e[atLength:], HeaderBytes-lengthOverhead)
	e[atAttributes+1] &^= attrCompression | attrDeleteHorizon
	putMillis(e[atBaseTimestamp:], noTimestamp)
	binary.BigEndian.PutUint32(e[atNumRecords:], 0)
	e.updateCRC()
	return e
}

// withOnly is the batch with only the records kept, at least one, at the offsets
// where they were, compressed as before. If marked, horizon is its delete horizon.
func withOnly(b Batch, kept []Record, horizon int64, marked bool) (Batch, error) {
	header := slices.Clone(b[:HeaderBytes])
	base, latest := kept[0].TimestampMillis, kept[0].TimestampMillis
	for _, r := range kept {
		latest = max(latest, r.TimestampMillis)
	}
	header[atAttributes+1] &^= attrDeleteHorizon
	if marked {
		base = horizon
		header[atAttributes+1] |= attrDeleteHorizon
	}
	putMillis(header[atBaseTimestamp:], base)
	putMillis(header[atMaxTimestamp:], latest)
	binary.BigEndian.PutUint32(header[atNumRecords:], uint32(len(kept)))
	var body []byte
	for _, r := range kept {
		body = appendRecord(body, kmsg.Record{
			TimestampDelta64: r.TimestampMillis - base, // wraps around, as adding it does
			OffsetDelta:      int32(r.Offset - b.BaseOffset()),
			Key:              r.Key,
			Value:            r.Value,
			Headers:          r.Headers,
		})
	}
	enc := newEncoder(b.Compression(), header, maxSegmentBytes)
	_, _ = enc.Write(body) // finish tells what failed
	out, err := enc.finish()
	if err != nil {
		return nil, err
	}
	out.updateCRC()
	return out, nil
}

// appendRecord encodes a record behind dst.
func appendRecord(dst []byte, wire kmsg.Record) []byte {
	at := len(dst)
	dst = wire.AppendTo(dst)
	// A zero Length took one byte; the true one is not known before.
	body := len(dst) - at - 1
	var prefix [binary.MaxVarintLen64]byte
	n := binary.PutVarint(prefix[:], int64(body))
	dst = append(dst, prefix[:n-1]...)
	copy(dst[at+n:], dst[at+1:at+1+body])
	copy(dst[at:], prefix[:n])
	return dst
}

func putMillis(p []byte, millis int64) { binary.BigEndian.PutUint64(p, uint64(millis)) }
