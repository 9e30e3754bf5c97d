package storage

import "encoding/binary"

// Marker ends a producer's transaction in one partition (Kafka's
// EndTransactionMarker, KIP-98). It is a control batch of one record.
type Marker struct {
	ProducerID       int64
	ProducerEpoch    int16
	CoordinatorEpoch int32 // the leader epoch of the transaction coordinator's own partition
	Commit           bool  // or the transaction is aborted
}

// Types of control records, in their keys.
const (
	controlAbort  = 0
	controlCommit = 1
)

// BuildMarker encodes the marker as a control batch and appends it to dst.
func BuildMarker(dst []byte, m Marker, wallMillis int64) []byte {
	o := NoProducer()
	o.ProducerID, o.ProducerEpoch, o.Transactional, o.Control = m.ProducerID, m.ProducerEpoch, true, true
	kind := uint16(controlAbort)
	if m.Commit {
		kind = controlCommit
	}
	return BuildBatch(dst, o, []Record{{
		TimestampMillis: wallMillis,
		Key:             binary.BigEndian.AppendUint16([]byte{0, 0}, kind),
		Value:           binary.BigEndian.AppendUint32([]byte{0, 0}, uint32(m.CoordinatorEpoch)),
	}})
}

// Marker reads the batch's control record, false if it ends no transaction.
func (b Batch) Marker() (m Marker, ok bool) {
	if !b.IsControl() || !b.IsTransactional() {
		return m, false
	}
	for r, err := range b.Records() {
		if err != nil || len(r.Key) < 4 || len(r.Value) < 6 {
			return m, false
		}
		kind := binary.BigEndian.Uint16(r.Key[2:])
		return Marker{
			ProducerID:       b.ProducerID(),
			ProducerEpoch:    b.ProducerEpoch(),
			CoordinatorEpoch: int32(binary.BigEndian.Uint32(r.Value[2:])),
			Commit:           kind == controlCommit,
		}, kind == controlAbort || kind == controlCommit
	}
	return m, false
}
