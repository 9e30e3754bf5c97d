package linearizability

import "time"

// Type says which part of an operation an Op is, in Jepsen's words.
type Type uint8

const (
	// Invoke: the process is about to do it.
	Invoke Type = iota
	// OK: it certainly happened.
	OK
	// Fail: it certainly did not happen and never will (a definite error, see
	// [DefiniteError]).
	Fail
	// Info: nobody knows. It may have happened, may happen later, or never.
	Info
)

// Function is what an operation does.
type Function uint8

const (
	// Send appends one record to a partition.
	Send Function = iota
	// Poll reads records of one partition from a position on.
	Poll
	// Commit stores a group's offset for a partition.
	Commit
	// FetchOffset reads a group's stored offset for a partition.
	FetchOffset
	// ListOffsets asks for the end of a partition (the high watermark).
	ListOffsets
	// SendBatch appends one record batch to a partition. The values of one
	// process rise in the order in which it sends.
	SendBatch
	// Transact is a transaction of a producer with a transactional id, from its
	// beginning to what became of it. OK is committed, Fail certainly not.
	Transact
	// InitTransactions is the beginning of a producer with a transactional id,
	// which fences those before it.
	InitTransactions
)

// None marks an offset, value, broker, epoch, producer id or sequence that is
// absent or not known.
const None = -1

// Op is one event of a history: the start of an operation or its end. Fields
// that an operation does not have are ignored.
//
//	            on Invoke                           on OK
//	Send        Topic Partition Value Acks          Offset (None with acks=0), Broker, producer fields
//	Poll        Topic Partition Offset Session      Records (Session may be left out)
//	Commit      Group Topic Partition Offset        Session
//	FetchOffset Group Topic Partition               Offset (None if the group has none)
//	ListOffsets Topic Partition                     Offset
//	SendBatch   as Send, of the first record        Runs, and as Send, of the first record
//	Transact    Transaction                         Transaction, whole
//	InitTransactions  Transaction                   Transaction, with producer id and epoch
//
// A Transact has its Transaction whole however it ended. A Commit within a
// transaction ends as that does.
//
// A Poll has Runs instead of Records where batches are recorded. On Fail and
// Info a SendBatch has Runs too, without offsets.
//
// On Fail and Info, Error holds the reason.
type Op struct {
	// Time since the run began. All processes of a run share one clock.
	Time time.Duration
	// Process is one client's sequence of operations. Only Send may overlap
	// other operations of the same process (pipelining).
	Process int64
	Type    Type
	F       Function

	Topic     string
	Partition int32
	Group     string

	// Value identifies a record: unique over the whole history, not negative,
	// below 2^53. See [AppendPayload] for putting it into a record.
	Value int64
	// Offset is the acked, requested, committed or found offset.
	Offset int64
	// Acks as in the Produce request: 0, 1 or -1 (all).
	Acks int16
	// Broker that answered, or None.
	Broker int32
	// LeaderEpoch the client believed to be current, or None. Of a Poll, the
	// one in which the last record read was appended.
	LeaderEpoch int32

	// Idempotent is set if the record was sent under a producer id; then
	// ProducerID, ProducerEpoch and Sequence identify it in the log.
	Idempotent    bool
	ProducerID    int64
	ProducerEpoch int16
	Sequence      int32
	// Refused is how an attempt was refused for its sequence number although it
	// was the next in order, nil if none was.
	Refused *Refusal
	// Attempts is how many Produce requests carried the record.
	Attempts int32

	// Session of a Commit is the generation of the group in which a member
	// committed, 0 if no member did. That of a Poll changes whenever a consumer's position is set other than by
	// reading on: assign, seek, rebalance, offset reset.
	Session int64
	// ReadCommitted is the isolation level of a Poll.
	ReadCommitted bool
	// Transaction of a Transact or InitTransactions, nil of others.
	Transaction *Transaction
	// Records read, in the order received.
	Records []Record
	// Runs are the records of a batch, or of a poll where batches are recorded.
	Runs []Run

	// Error is Kafka's name of an error code (REQUEST_TIMED_OUT), or a word
	// for what is not one (disconnected, timeout, stopped).
	Error string
}

// Refusal is an attempt to send a record that a broker refused for its sequence
// number.
type Refusal struct {
	Error         string `json:"error"`
	ProducerID    int64  `json:"pid"`
	ProducerEpoch int16  `json:"pepoch"`
	Sequence      int32  `json:"seq"`
}

// Record is one record as read: where it was and what it held.
type Record struct {
	Offset int64
	Value  int64 // None if the payload was not one that the workload wrote
}

// Recorder takes down a history while it happens. Implementations may be
// called from any task or goroutine and never block for long.
type Recorder interface {
	// Invoke takes down the start of an operation and numbers it.
	Invoke(op Op) int64
	// Complete takes down the end of operation n: op.Type is OK, Fail or
	// Info, and what was learned is set. What Invoke was given need not be
	// repeated. An operation that is never completed counts as Info.
	Complete(n int64, op Op)
}

// Discard is a Recorder that keeps nothing.
var Discard Recorder = discard{}

type discard struct{}

func (discard) Invoke(Op) int64    { return 0 }
func (discard) Complete(int64, Op) {}
