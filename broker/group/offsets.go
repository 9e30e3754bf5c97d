package group

import (
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
)

// TopicPartition names a partition whose offset is committed.
type TopicPartition struct {
	Topic     string
	Partition int32
}

// Compare orders by topic, then partition.
func (a TopicPartition) Compare(b TopicPartition) int {
	switch {
	case a.Topic < b.Topic:
		return -1
	case a.Topic > b.Topic:
		return 1
	}
	return int(a.Partition) - int(b.Partition)
}

// Offset is one committed offset.
type Offset struct {
	Offset          int64
	LeaderEpoch     int32 // -1 if unknown
	Metadata        string
	CommitTimestamp int64 // ms since 1970

	// record is the offset of the commit's record in __consumer_offsets. Of
	// two commits the one with the larger wins, in whatever order their
	// appends are reported done: it is also what a new coordinator will read
	// last.
	record int64
}

// CheckCommit decides whether a commit may be written: the code for the client,
// 0 if it may. A member's commit renews its session.
func (g *Group) CheckCommit(now time.Duration, memberID, instanceID string, generation int32) int16 {
	if g.State == Dead {
		return kerr.CoordinatorNotAvailable.Code
	}
	if generation < 0 && memberID == "" && instanceID == "" {
		// Somebody who assigns partitions by hand.
		if g.State == Empty {
			return 0
		}
		return kerr.UnknownMemberID.Code
	}
	m, code := g.member(memberID, instanceID)
	if code != 0 {
		if len(g.Members) == 0 && generation >= 0 && code == kerr.UnknownMemberID.Code {
			return kerr.IllegalGeneration.Code
		}
		return code
	}
	if generation != g.Generation {
		return kerr.IllegalGeneration.Code
	}
	m.expires = now + m.SessionTimeout
	if g.State == Completing {
		return kerr.RebalanceInProgress.Code
	}
	return 0
}

// apply takes a committed record into account.
func (g *Group) apply(tp TopicPartition, o Offset) {
	if old, ok := g.Offsets[tp]; !ok || o.record > old.record {
		g.Offsets[tp] = o
	}
}
