package state

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/twmb/franz-go/pkg/kbin"

	"github.com/weirlab/weir/broker/share"
	"github.com/weirlab/weir/broker/storage"
)

// kind is a kind of record in __share_group_state: the version of its key.
type kind int16

const (
	snapshotKind kind = 0 // ShareSnapshot
	updateKind   kind = 1 // ShareUpdate
)

// valueVersion is that of the values of both kinds.
const valueVersion = 0

// value is that of a record. An update has neither a state epoch nor times, and
// share.Uninitialized in place of a start offset that has not changed.
type value struct {
	share.State
	Epoch        int32 // the number of the snapshot, or of the one that an update follows
	CreateMillis int64 // when the state was last written by a leader or a group, ms since 1970
	WriteMillis  int64 // when the snapshot was written, ms since 1970
}

// barrierKey is the key of no group: a record of it means nothing, and committing it
// proves that the coordinator still leads.
var barrierKey share.Key

func appendKey(k kind, key share.Key) []byte {
	dst := kbin.AppendInt16(nil, int16(k))
	dst = append(kbin.AppendString(dst, key.Group), key.Topic[:]...)
	return kbin.AppendInt32(dst, key.Partition)
}

// record is a record of a value, a tombstone if there is none.
func record(k kind, key share.Key, v *value, wallMillis int64) storage.Record {
	r := storage.Record{TimestampMillis: wallMillis, Key: appendKey(k, key)}
	if v != nil {
		r.Value = v.appendTo(k)
	}
	return r
}

func (v *value) appendTo(k kind) []byte {
	dst := kbin.AppendInt32(kbin.AppendInt16(nil, valueVersion), v.Epoch)
	if k == snapshotKind {
		dst = kbin.AppendInt32(dst, v.StateEpoch)
	}
	dst = kbin.AppendInt64(kbin.AppendInt32(dst, v.LeaderEpoch), v.StartOffset)
	if k == snapshotKind {
		dst = kbin.AppendInt64(kbin.AppendInt64(dst, v.CreateMillis), v.WriteMillis)
	}
	dst = kbin.AppendCompactArrayLen(dst, len(v.Batches))
	for _, b := range v.Batches {
		dst = kbin.AppendInt64(kbin.AppendInt64(dst, b.First), b.Last)
		dst = append(kbin.AppendInt16(kbin.AppendInt8(dst, int8(b.State)), b.DeliveryCount), 0)
	}
	if v.DeliveryCompleteCount == -1 {
		return append(dst, 0)
	}
	return kbin.AppendInt32(append(dst, 1, 0, 4), v.DeliveryCompleteCount)
}

// errUnknownKind says that a record is of a kind that this program does not know.
var errUnknownKind = errors.New("record of a kind that is not known")

// readRecord reads a record; the value of a tombstone is nil.
func readRecord(rec storage.Record) (k kind, key share.Key, v *value, err error) {
	if len(rec.Key) < 2 {
		return 0, key, nil, fmt.Errorf("a key of %d bytes says no version", len(rec.Key))
	}
	if k = kind(binary.BigEndian.Uint16(rec.Key)); k != snapshotKind && k != updateKind {
		return k, key, nil, errUnknownKind
	}
	in := kbin.Reader{Src: rec.Key[2:]}
	key.Group, key.Topic, key.Partition = in.String(), in.Uuid(), in.Int32()
	if !in.Ok() {
		return k, key, nil, errors.New("the key is cut short")
	}
	if rec.Value == nil {
		return k, key, nil, nil
	}
	if v, err = readValue(k, rec.Value); err != nil {
		return k, key, nil, fmt.Errorf("%v: %w", key, err)
	}
	return k, key, v, nil
}

// batchBytes is how long a batch of a value is at least.
const batchBytes = 20

func readValue(k kind, src []byte) (*value, error) {
	in := kbin.Reader{Src: src}
	if version := in.Int16(); version != valueVersion || !in.Ok() {
		return nil, fmt.Errorf("value version %d is not known, %d is", version, valueVersion)
	}
	v := &value{Epoch: in.Int32()}
	if k == snapshotKind {
		v.StateEpoch = in.Int32()
	}
	v.LeaderEpoch, v.StartOffset, v.DeliveryCompleteCount = in.Int32(), in.Int64(), -1
	if k == snapshotKind {
		v.CreateMillis, v.WriteMillis = in.Int64(), in.Int64()
	}
	n := int(in.CompactArrayLen())
	if !in.Ok() || n > len(in.Src)/batchBytes {
		return nil, errors.New("the value is cut short")
	}
	var batches []share.Batch
	for range n {
		b := share.Batch{First: in.Int64(), Last: in.Int64(), State: share.DeliveryState(in.Int8()), DeliveryCount: in.Int16()}
		skipTags(&in, nil)
		batches = append(batches, b)
	}
	skipTags(&in, func(field *kbin.Reader) { v.DeliveryCompleteCount = field.Int32() })
	if !in.Ok() {
		return nil, errors.New("the value is cut short")
	}
	for _, b := range batches {
		if !plausible(b) {
			return nil, fmt.Errorf("offsets %d to %d, %v, delivered %d times, are no batch", b.First, b.Last, b.State, b.DeliveryCount)
		}
	}
	v.Batches = Combine(nil, batches, v.StartOffset)
	return v, nil
}

// skipTags passes over tagged fields but the one with number 0, which goes to zero.
func skipTags(in *kbin.Reader, zero func(*kbin.Reader)) {
	for n := in.Uvarint(); n > 0 && in.Ok(); n-- {
		number, size := in.Uvarint(), in.Uvarint()
		field := kbin.Reader{Src: in.Span(int(size))}
		if number == 0 && zero != nil && in.Ok() {
			zero(&field)
			if !field.Ok() {
				in.Src = nil
				in.Int8() // and it is not Ok any more
			}
		}
	}
}

// plausible reports whether a leader can have written the batch.
func plausible(b share.Batch) bool {
	switch b.State {
	case share.Available, share.Acknowledged, share.Archived:
	default:
		return false
	}
	return 0 <= b.First && b.First <= b.Last && b.Last < math.MaxInt64 && b.DeliveryCount >= 0
}
