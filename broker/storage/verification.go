package storage

import (
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/weirlab/weir/env/planted"
)

// Verification lets one producer begin a transaction in a log (KIP-890, Kafka's
// VerificationGuard). A leader gets it before it asks the transaction coordinator
// whether the partition belongs to the transaction, and appends with it once the
// coordinator has said so. Any transactional batch of the producer that is
// appended meanwhile makes it void, markers above all: what the coordinator has
// said was then said of a transaction that is over, and a batch let in by it
// would begin one that nobody ever ends.
type Verification struct {
	producerID int64
	epoch      int16

	// lowest is the lowest sequence that was to be verified. If its request fails
	// in a way that can be tried again, nothing behind it may be appended first.
	lowest int32

	// fromZero says that the producer's epoch is of this transaction alone
	// (transaction.version 2), so that its sequence begins at 0.
	fromZero bool

	asking int  // between BeginVerification and EndVerification
	queued bool // in verifications.idle
	since  time.Duration
}

// verifications are those of a log that are not void.
type verifications struct {
	byProducer map[int64]*Verification
	idle       []*Verification // nobody asks for them any more, oldest first; some may be void
}

// maxIdleVerifications bounds what is kept of producers that asked in vain: anyone
// may ask for any producer ID.
const maxIdleVerifications = 1024

// BeginVerification begins the verification of a transactional batch. It returns
// nil if the producer's transaction is open in this epoch already, so that nothing
// need be verified. fromZero says that the producer begins an epoch with each
// transaction. EndVerification must follow.
func (l *Log) BeginVerification(producerID int64, epoch int16, sequence int32, fromZero bool) *Verification {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.producers.inTransaction(producerID, epoch) {
		return nil
	}
	v := l.verifications.byProducer[producerID]
	switch {
	case v != nil && epoch == v.epoch:
		v.lowest = min(v.lowest, sequence)
	default:
		old := v
		v = &Verification{producerID: producerID, epoch: epoch, lowest: sequence, fromZero: fromZero, since: l.env.Now()}
		if old != nil && epoch < old.epoch {
			break // of a producer that is fenced: it is void from the beginning
		}
		if l.verifications.byProducer == nil {
			l.verifications.byProducer = map[int64]*Verification{}
		}
		l.verifications.byProducer[producerID] = v
	}
	v.asking++
	return v
}

// Verified reports whether v has not become void.
func (l *Log) Verified(v *Verification) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.verifications.byProducer[v.producerID] == v
}

// EndVerification says that an append with v was tried or given up.
func (l *Log) EndVerification(v *Verification) {
	if v == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	vs := &l.verifications
	if v.asking--; v.asking > 0 || v.queued || vs.byProducer[v.producerID] != v {
		return
	}
	v.queued = true
	vs.idle = append(vs.idle, v)
	for len(vs.idle) > maxIdleVerifications {
		vs.dropOldest()
	}
}

func (vs *verifications) dropOldest() {
	oldest := vs.idle[0]
	vs.idle = vs.idle[1:]
	oldest.queued = false
	if oldest.asking == 0 && vs.byProducer[oldest.producerID] == oldest {
		delete(vs.byProducer, oldest.producerID)
	}
}

// expire forgets those that nobody has asked for since before the given time.
func (vs *verifications) expire(before time.Duration) {
	for len(vs.idle) > 0 && vs.idle[0].since < before {
		vs.dropOldest()
	}
}

// void ends the producer's verification.
func (vs *verifications) void(producerID int64) { delete(vs.byProducer, producerID) }

// admit decides whether a leader may append the batch of a producer, as Kafka's
// ProducerAppendInfo does. A client's batch that is in the log already is returned
// as dup. mu is held.
func (l *Log) admit(b Batch, opts AppendOptions) (dup *producerBatch, _ *AppendError) {
	if !opts.Coordinator {
		if dup = l.producers.duplicate(b); dup != nil {
			return dup, nil
		}
	}
	id, epoch := b.ProducerID(), b.ProducerEpoch()
	st := l.producers.byID[id]
	if st != nil && epoch < st.epoch {
		return nil, staleEpoch(b, st)
	}
	if b.IsControl() {
		return nil, st.admitMarker(b, opts.TransactionVersion)
	}
	v := l.verifications.byProducer[id]
	if b.IsTransactional() && !opts.Unverified && !l.producers.inTransaction(id, epoch) && (v == nil || v != opts.Verified || v.epoch != epoch) &&
		(opts.Verified == nil || !planted.Is("verify-before-append")) {
		return nil, refuse(kerr.InvalidTxnState.Code,
			"the batch of producer %d epoch %d is not part of an open transaction", id, epoch)
	}
	if !opts.Coordinator {
		if err := st.admitSequence(b, v); err != nil {
			return nil, err
		}
	}
	if st != nil && st.txnFirst >= 0 && !b.IsTransactional() {
		return nil, refuse(kerr.InvalidTxnState.Code,
			"the batch of producer %d belongs to no transaction, and one of it is open since offset %d", id, st.txnFirst)
	}
	return nil, nil
}

func staleEpoch(b Batch, st *producerState) *AppendError {
	return refuse(kerr.InvalidProducerEpoch.Code,
		"producer %d has epoch %d, the batch has epoch %d", b.ProducerID(), st.epoch, b.ProducerEpoch())
}

// OpenTransaction is a transaction of a log that has not ended.
type OpenTransaction struct {
	ProducerID  int64
	Epoch       int16
	FirstOffset int64
}

// OpenTransactions lists the transactions that are open, by first offset.
func (l *Log) OpenTransactions() []OpenTransaction {
	if !l.transactional.Load() {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	var list []OpenTransaction
	for _, o := range l.producers.txns.open {
		list = append(list, OpenTransaction{ProducerID: o.producerID, Epoch: l.producers.byID[o.producerID].epoch, FirstOffset: o.first})
	}
	return list
}
