package share

import (
	"encoding/base64"
	"strconv"

	"github.com/weirlab/weir/broker/metadata"
)

// Key is a partition as a share group sees it.
type Key struct {
	Group     string
	Topic     metadata.TopicID
	Partition int32
}

// String is the name by which a share coordinator is found, as FindCoordinator's key
// type 2 has it: group:topic id:partition.
func (k Key) String() string {
	return k.Group + ":" + base64.RawURLEncoding.EncodeToString(k.Topic[:]) + ":" + strconv.Itoa(int(k.Partition))
}

// DeliveryState is the state of a record, by its number on the wire and in
// __share_group_state.
type DeliveryState int8

const (
	// Available records may be acquired.
	Available DeliveryState = 0

	// Acquired records are in the hands of a member until their lock times out. No
	// coordinator is told of it: to a new leader they are available.
	Acquired DeliveryState = 1

	// Acknowledged records have been accepted.
	Acknowledged DeliveryState = 2

	// Archived records are not delivered any more: rejected, delivered as often as
	// may be, aborted, or gone.
	Archived DeliveryState = 4
)

func (s DeliveryState) String() string {
	switch s {
	case Available:
		return "available"
	case Acquired:
		return "acquired"
	case Acknowledged:
		return "acknowledged"
	case Archived:
		return "archived"
	}
	return "delivery state " + strconv.Itoa(int(s))
}

// Batch is a run of records in one delivery state, delivered equally often.
type Batch struct {
	First, Last   int64 // offsets, both included
	State         DeliveryState
	DeliveryCount int16
}

// Uninitialized is the start offset of a State that a group has begun and no leader
// has set: it is where share.auto.offset.reset says.
const Uninitialized int64 = -1

// State is what the share coordinator keeps of a Key. Records before StartOffset are
// done; those behind the last batch, and those between batches, are available and have
// never been delivered.
type State struct {
	StateEpoch  int32 // of the group that began the state; a higher one begins it anew
	LeaderEpoch int32 // of the partition's leader that read or wrote last
	StartOffset int64 // or Uninitialized

	// DeliveryCompleteCount is how many of the records from StartOffset on are
	// acknowledged or archived; -1 if the leader does not say (KIP-1226).
	DeliveryCompleteCount int32

	Batches []Batch // ascending, disjoint
}

// Persister is the share coordinators' side, as leaders of partitions see it. Its
// methods block for a bounded time and return an error code of the wire. Several
// tasks may call them at once.
type Persister interface {
	// Read returns the state and lets no leader of a lower epoch write any more.
	Read(key Key, leaderEpoch int32) (State, int16)

	// Write has the batches of delta take the place of what is known of their
	// offsets, and what is before its start offset forgotten. FENCED_STATE_EPOCH and
	// FENCED_LEADER_EPOCH say that delta's epochs are not the last.
	Write(key Key, delta State) int16
}
