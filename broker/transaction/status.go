package transaction

import (
	"math"
	"slices"

	"github.com/weirlab/weir/broker/metadata"
)

// State is where a transactional id is in its life. The numbers are those of
// the log (Kafka's TransactionState).
type State int8

// The states. The log never has the last two: a transactional id that expires
// is a tombstone, and one that is fenced is in PrepareAbort at once.
const (
	Empty State = iota
	Ongoing
	PrepareCommit
	PrepareAbort
	CompleteCommit
	CompleteAbort
	Dead
	PrepareEpochFence
)

var stateNames = [...]string{"Empty", "Ongoing", "PrepareCommit", "PrepareAbort", "CompleteCommit", "CompleteAbort", "Dead", "PrepareEpochFence"}

// String is the name that DescribeTransactions and ListTransactions report.
func (s State) String() string { return stateNames[s] }

// stateOf is the state of that name.
func stateOf(name string) (State, bool) {
	i := slices.Index(stateNames[:], name)
	return State(i), i >= 0
}

// ending reports whether the outcome is decided and markers are on their way.
func (s State) ending() bool { return s == PrepareCommit || s == PrepareAbort }

// TopicPartition names a partition.
type TopicPartition = metadata.TopicPartition

// Status is what the log says of a transactional id.
type Status struct {
	ProducerID int64
	Epoch      int16 // -1 before the first InitProducerId is done

	// LastEpoch is the epoch before, that a retry may come with, -1 for none.
	// As in Kafka it is not in the log: after a change of coordinator there is none.
	LastEpoch int16

	PreviousID int64 // the producer id at the transition before, -1 for none
	NextID     int64 // the producer id once the transaction has ended, -1 for the same

	TimeoutMillis int32
	State         State
	Partitions    []TopicPartition // of the transaction, in order; never changed, only replaced

	StartMillis   int64 // ms since 1970 at which the transaction began, -1 without one
	UpdatedMillis int64 // ms since 1970

	// ClientVersion is the transaction version of whoever made the last
	// transition: 2 or, for all before, 0.
	ClientVersion int16
}

// epochBump is the transaction version from which on each transaction has an
// epoch of its own (KIP-890).
const epochBump = 2

// none stands for no producer id, no epoch and no time.
const none = -1

// exhausted reports whether a producer has had all epochs that are handed out:
// one is left to fence it by.
func exhausted(epoch int16) bool { return epoch >= math.MaxInt16-1 }

// bumped is the next epoch; there is none behind the last.
func bumped(epoch int16) int16 {
	if epoch == math.MaxInt16 {
		return epoch
	}
	return epoch + 1
}

// union is the partitions of both lists, in order.
func union(a, b []TopicPartition) []TopicPartition {
	all := append(slices.Clone(a), b...)
	slices.SortFunc(all, TopicPartition.Compare)
	return slices.Compact(all)
}

// has reports whether the partition belongs to the transaction.
func (s *Status) has(tp TopicPartition) bool {
	_, found := slices.BinarySearchFunc(s.Partitions, tp, TopicPartition.Compare)
	return found
}

// hasAll reports whether all the partitions belong to the transaction.
func (s *Status) hasAll(tps []TopicPartition) bool {
	return !slices.ContainsFunc(tps, func(tp TopicPartition) bool { return !s.has(tp) })
}
