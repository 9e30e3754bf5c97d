package coordinator

import (
	"time"

	"github.com/weirlab/weir/broker/storage"
	"github.com/weirlab/weir/env"
)

// At is the instant of a turn.
type At struct {
	Now        time.Duration // monotonic
	WallMillis int64         // ms since 1970 by the machine's wall clock

	// Rand is a stream that no other shard, and no other epoch of this one, draws from.
	Rand *env.Rand
}

// Ref names a waiting request; the answer carries it. 0 waits for nothing.
type Ref uint64

// Answer is the answer to one request.
type Answer[O any] struct {
	Ref   Ref
	Value O
}

// Outcome is what became of the records of a turn.
type Outcome struct {
	// Code is 0 once they are committed, and otherwise a Kafka error code.
	Code int16

	// Appended says that the records are in the log all the same, and applied:
	// they were not committed in time, but will be if this broker stays leader.
	Appended bool
}

// Producer is who a transaction belongs to. The zero Producer is nobody.
type Producer struct {
	ID            int64
	Epoch         int16
	Transactional bool // false for nobody

	// Verified is the transaction coordinator's word for it (KIP-890), nil if
	// the transaction is open in the partition already, or as the log is loaded.
	Verified *storage.Verification
}

// Turn is what a step wants done. The zero Turn wants nothing.
type Turn[O any] struct {
	// Records go to the log as one batch.
	Records []storage.Record

	// Producer, unless nobody, has the records as part of its transaction: they
	// are in the log, and count once the marker does that commits it.
	Producer Producer

	// Marker, in place of Records, ends a producer's transaction, which has ended
	// under the transaction version MarkerVersion (KIP-1228).
	Marker        *storage.Marker
	MarkerVersion int8

	// Applied is called once the records are in the log, the first of them at
	// offset base, and makes them count. It is not called if they are refused.
	Applied func(base int64)

	// Then is called when the outcome of the records is known: in the same turn
	// if they are refused, later otherwise. What it returns is a turn like any.
	Then func(at At, outcome Outcome) Turn[O]

	// Next is called at the end of the turn, before any other step, if the
	// records were not refused: a turn too large for one batch goes on in it.
	Next func(at At) Turn[O]

	// Answers are given once the records are committed. If they are refused, or
	// not committed in time, every one of them becomes that error.
	Answers []Answer[O]

	// After is an offset up to which the log must be committed before the
	// answers are given, if that is more than the records ask for.
	After int64
}

// Machine is the state of one shard. Its methods, and the steps that work on
// it, are called by one task at a time. They neither wait nor do I/O.
type Machine[O any] interface {
	// Replay takes in a record as the log is loaded, which may be part of a
	// transaction. An error says that the record cannot be read; it has changed
	// nothing then, and is stepped over.
	Replay(rec storage.Record, by Producer) error

	// ReplayMarker takes in the end of a producer's transaction.
	ReplayMarker(marker storage.Marker)

	// Loaded is called after the last Replay, before the first step.
	Loaded(at At) Turn[O]

	// NextTick is when the machine wants its next Tick; ok is false if it waits
	// for nothing. It is asked after each turn.
	NextTick() (now time.Duration, ok bool)

	// Tick lets time pass. It is called again while NextTick is not after now.
	Tick(at At) Turn[O]
}

// Log is the internal topic that the shards' state is kept in.
type Log interface {
	// Append appends one batch to the local log of a partition that this broker
	// leads in epoch, if there are enough in-sync replicas. It does not wait for
	// them. It returns the offset of the first record, or a Kafka error code if
	// nothing was appended. More says what is special about the batch.
	Append(partition, epoch int32, batch []byte, more storage.AppendOptions) (base int64, code int16)

	// AwaitCommitted waits until more than what is below offset is committed,
	// but not longer than patience. It returns up to which offset the log is
	// committed, and whether this broker still leads the partition in epoch.
	AwaitCommitted(partition, epoch int32, offset int64, patience time.Duration) (committed int64, leading bool)

	// Load gives fn every batch that is in the partition, which this broker leads in
	// epoch, in order and once all of it is committed. It fails if that cannot be
	// had, or is over.
	Load(partition, epoch int32, fn func(batch storage.Batch)) error
}
