package transaction

import (
	"slices"
	"time"

	"github.com/weirlab/weir/broker/coordinator"
	"github.com/weirlab/weir/env/planted"
)

// Marker is what the leader of a partition has yet to be told: that a
// transaction has ended, and how.
type Marker struct {
	TransactionalID  string
	ProducerID       int64
	Epoch            int16
	Commit           bool
	Version          int16 // the transaction version under which it ended (KIP-1228)
	Coordinator      int32 // partition of __transaction_state
	CoordinatorEpoch int32 // leader epoch of that partition
	TP               TopicPartition
}

// completeRetry is how long to wait before a transaction is completed again
// whose record was refused.
const completeRetry = 100 * time.Millisecond

// ended learns what became of the record, ending at offset end, of a transaction
// that ends. Its markers leave when it is committed, and not before: a
// coordinator that finds another record in the log may decide otherwise.
func (m *machine) ended(at coordinator.At, id string, end int64, o coordinator.Outcome) turn {
	t := m.txns[id]
	switch {
	case t == nil || t.recorded != end || !t.State.ending():
		return turn{}
	case o.Appended && !planted.Is("markers-before-commit"): // and not yet committed
		return turn{After: end, Then: func(at coordinator.At, o coordinator.Outcome) turn {
			o.Appended = o.Code != 0
			return m.ended(at, id, end, o)
		}}
	}
	m.sendMarkers(id)
	return m.completeIfDone(at, id)
}

// sendMarkers hands out a marker for every partition that has not confirmed its
// own.
func (m *machine) sendMarkers(id string) {
	t := m.txns[id]
	var list []Marker
	for _, tp := range t.awaited {
		list = append(list, Marker{
			TransactionalID: id, ProducerID: t.ProducerID, Epoch: t.Epoch,
			Commit: t.State == PrepareCommit, Version: t.ClientVersion,
			Coordinator: m.partition, CoordinatorEpoch: m.epoch, TP: tp,
		})
	}
	if len(list) > 0 {
		m.world.send(list)
	}
}

// marked learns that a partition has its marker, or will never need it. Once all
// have, the transaction is complete.
func (m *machine) marked(at at, marker Marker) turn {
	t := m.txns[marker.TransactionalID]
	if t == nil || marker.CoordinatorEpoch != m.epoch || !t.State.ending() ||
		t.ProducerID != marker.ProducerID || t.Epoch != marker.Epoch {
		return turn{}
	}
	t.awaited = slices.DeleteFunc(t.awaited, func(tp TopicPartition) bool { return tp == marker.TP })
	return m.completeIfDone(at, marker.TransactionalID)
}

// completeIfDone completes a transaction all of whose partitions have their
// markers.
func (m *machine) completeIfDone(at coordinator.At, id string) turn {
	t := m.txns[id]
	if t == nil || !t.State.ending() || len(t.awaited) > 0 && !planted.Is("complete-before-markers") {
		return turn{}
	}
	next := m.write(at, id, t.Complete(at.WallMillis))
	next.Then = func(at coordinator.At, o coordinator.Outcome) turn {
		if t := m.txns[id]; o.Code != 0 && !o.Appended && t != nil && t.State.ending() {
			m.retries.Set(id, at.Now+completeRetry)
		}
		return turn{}
	}
	return next
}
