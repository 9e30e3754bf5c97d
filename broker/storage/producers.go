package storage

import (
	"math"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/env/planted"
)

// cachedBatches is how many batches of one producer are remembered, so that a
// retry of any of its up to five requests in flight is recognised.
const cachedBatches = 5

// producerBatch is one remembered batch of a producer.
type producerBatch struct {
	firstSeq, lastSeq int32
	base, last        int64 // offsets
	timestamp         int64 // ms since 1970
}

// producerState is what the log knows of one producer ID.
type producerState struct {
	epoch         int16
	n             int // how many of batches are in use, oldest first
	batches       [cachedBatches]producerBatch
	lastTimestamp int64 // of its last batch, ms since 1970

	coordinatorEpoch int32 // of the last marker that ended a transaction of it, -1 if none did
	txnFirst         int64 // offset at which its open transaction begins, -1 if none is open

	// seen is when a batch of the producer was last appended here, in the time
	// of Env.Now: how long it has been silent depends neither on what producers
	// write into records nor on a wall clock that is set.
	seen time.Duration
}

// producerTable holds the state of every producer in the log. It changes only
// after a batch is written: check first, then write, then update.
type producerTable struct {
	byID map[int64]*producerState
	txns transactions
}

func newProducerTable() producerTable {
	return producerTable{byID: make(map[int64]*producerState)}
}

// duplicate is the remembered batch that a client's batch repeats, nil if it
// repeats none.
func (t *producerTable) duplicate(b Batch) *producerBatch {
	st := t.byID[b.ProducerID()]
	if st == nil || st.epoch != b.ProducerEpoch() {
		return nil
	}
	first := b.BaseSequence()
	last := b.LastSequence()
	for i := range st.n {
		if c := &st.batches[i]; c.firstSeq == first && c.lastSeq == last {
			if planted.Is("forget-duplicates") || i < st.n-1 && planted.Is("remember-one-batch") {
				return nil
			}
			return c
		}
	}
	return nil
}

// admitSequence checks that a client's batch continues its producer's sequence.
// A producer that is not known (st is nil) is new, or was forgotten by retention
// or expiry and must be able to go on (KIP-360).
func (st *producerState) admitSequence(b Batch, v *Verification) *AppendError {
	id, epoch, first := b.ProducerID(), b.ProducerEpoch(), b.BaseSequence()
	if planted.Is("any-sequence") {
		return nil
	}
	want := int32(0)
	switch {
	case v != nil && v.epoch == epoch && first > v.lowest:
		return refuse(kerr.OutOfOrderSequenceNumber.Code,
			"producer %d epoch %d: the batch starts at sequence %d, and one at %d is yet to come", id, epoch, first, v.lowest)
	case st != nil && st.epoch == epoch && st.n > 0:
		want = addSequence(st.batches[st.n-1].lastSeq, 1)
	case st == nil && (v == nil || !v.fromZero):
		return nil
	}
	if first != want {
		return refuse(kerr.OutOfOrderSequenceNumber.Code,
			"producer %d epoch %d: the batch starts at sequence %d, the next one is %d", id, epoch, first, want)
	}
	return nil
}

// admitMarker checks the marker of a coordinator of that transaction.version. From
// version 2 on a marker ends an epoch too and has the next one (KIP-1228): only a
// repeated one, which finds no transaction, has the producer's own, or one that
// has no next epoch.
func (st *producerState) admitMarker(b Batch, version int8) *AppendError {
	m, ok := b.Marker()
	if !ok || st == nil {
		return nil
	}
	if version >= 2 && b.ProducerEpoch() == st.epoch && st.txnFirst >= 0 && st.epoch < math.MaxInt16 {
		return refuse(kerr.InvalidProducerEpoch.Code,
			"producer %d has a transaction open in epoch %d, and the marker of epoch %d ends an earlier one", b.ProducerID(), st.epoch, b.ProducerEpoch())
	}
	if m.CoordinatorEpoch < st.coordinatorEpoch && !planted.Is("marker-of-any-coordinator") {
		return refuse(kerr.TransactionCoordinatorFenced.Code,
			"the marker is of coordinator epoch %d, producer %d has had one of epoch %d", m.CoordinatorEpoch, b.ProducerID(), st.coordinatorEpoch)
	}
	return nil
}

// inTransaction reports whether the producer has a transaction open in that epoch.
func (t *producerTable) inTransaction(producerID int64, epoch int16) bool {
	st := t.byID[producerID]
	return st != nil && st.txnFirst >= 0 && st.epoch == epoch
}

// update takes note of a batch that is in the log, seen at now. If the batch
// aborts a transaction it returns what the index of aborted ones is to say.
func (t *producerTable) update(b Batch, now time.Duration) (aborted AbortedTransaction, ok bool) {
	id := b.ProducerID()
	if id < 0 {
		return AbortedTransaction{}, false
	}
	st := t.byID[id]
	if st == nil {
		st = newProducerState(b.ProducerEpoch())
		t.byID[id] = st
	}
	if st.epoch != b.ProducerEpoch() {
		st.epoch = b.ProducerEpoch()
		st.n = 0
	}
	st.lastTimestamp, st.seen = b.MaxTimestamp(), now
	if b.IsControl() {
		m, isEnd := b.Marker()
		if !isEnd {
			return AbortedTransaction{}, false
		}
		st.coordinatorEpoch = m.CoordinatorEpoch
		if st.txnFirst < 0 {
			return AbortedTransaction{}, false
		}
		st.txnFirst = -1
		return t.txns.end(id, b.LastOffset(), !m.Commit)
	}
	if b.IsTransactional() && st.txnFirst < 0 {
		st.txnFirst = b.BaseOffset()
		t.txns.begin(id, st.txnFirst)
	}
	if st.n == cachedBatches {
		copy(st.batches[:], st.batches[1:])
		st.n--
	}
	st.batches[st.n] = producerBatch{
		firstSeq:  b.BaseSequence(),
		lastSeq:   b.LastSequence(),
		base:      b.BaseOffset(),
		last:      b.LastOffset(),
		timestamp: b.MaxTimestamp(),
	}
	st.n++
	return AbortedTransaction{}, false
}

func newProducerState(epoch int16) *producerState {
	return &producerState{epoch: epoch, coordinatorEpoch: -1, txnFirst: -1}
}

// touches reports whether truncating to off changes any producer's state.
func (t *producerTable) touches(off int64) bool {
	for _, st := range t.byID { //weir:ordered a yes or no, in any order
		if st.n == 0 || st.coordinatorEpoch >= 0 || st.batches[st.n-1].last >= off {
			return true
		}
	}
	return false
}

// expire forgets producers that have been silent since before the given time.
// One with an open transaction is not forgotten: its marker is still to come.
func (t *producerTable) expire(before time.Duration) {
	for _, id := range env.SortedKeys(t.byID) {
		if st := t.byID[id]; st.seen < before && st.txnFirst < 0 {
			delete(t.byID, id)
		}
	}
}

// addSequence counts on from seq; after 2^31-1 comes 0.
func addSequence(seq, n int32) int32 {
	return int32((int64(seq) + int64(n)) & math.MaxInt32)
}

// Producer is what a log knows of one producer (Kafka's ProducerStateEntry).
type Producer struct {
	ID               int64
	Epoch            int16
	LastSequence     int32 // of its last batch, -1 if none of this epoch is known
	BaseOffset       int64 // of that batch, and LastOffset too
	LastOffset       int64
	LastTimestampMs  int64 // of its last batch, since 1970
	CoordinatorEpoch int32 // of the last marker that ended a transaction of it, -1 if none did
	TransactionStart int64 // offset at which its open transaction begins, -1 if none is open
}

// Producers lists the producers that the log knows, by ascending id.
func (l *Log) Producers() []Producer {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := make([]Producer, 0, len(l.producers.byID))
	for _, id := range env.SortedKeys(l.producers.byID) {
		st := l.producers.byID[id]
		p := Producer{ID: id, Epoch: st.epoch, LastSequence: -1, LastTimestampMs: st.lastTimestamp, CoordinatorEpoch: st.coordinatorEpoch, TransactionStart: st.txnFirst}
		if st.n > 0 {
			last := &st.batches[st.n-1]
			p.LastSequence, p.BaseOffset, p.LastOffset = last.lastSeq, last.base, last.last
		}
		list = append(list, p)
	}
	return list
}
