package group

import (
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/weirlab/weir/env/planted"
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

	recorded int64 // the offset of its record in __consumer_offsets
}

// CheckTxnCommit decides whether a transaction may bring offsets, as CheckCommit
// does of other commits. Who is no member may at any time, since clients before
// KIP-447 do not say who they are; and a rebalance keeps nobody out.
func (g *Group) CheckTxnCommit(now time.Duration, memberID, instanceID string, generation int32) int16 {
	switch {
	case g.State == Dead:
		return kerr.CoordinatorNotAvailable.Code
	case generation < 0 && (g.State == Empty || memberID == "" && instanceID == ""):
		return 0
	}
	m, code := g.member(memberID, instanceID)
	switch {
	case code != 0:
		return code
	case generation != g.Generation && !planted.Is("transaction-of-any-generation"):
		return kerr.IllegalGeneration.Code
	}
	m.expires = now + m.SessionTimeout
	return 0
}

// CheckCommit decides whether a commit may be written: the code for the client,
// 0 if it may. A member's commit renews its session.
func (g *Group) CheckCommit(now time.Duration, memberID, instanceID string, generation int32) int16 {
	switch {
	case g.State == Dead:
		return kerr.CoordinatorNotAvailable.Code
	case generation < 0 && g.State == Empty:
		return 0 // somebody who assigns partitions by hand, or an administrator
	case generation < 0 && memberID == "" && instanceID == "":
		return kerr.UnknownMemberID.Code
	}
	m, code := g.member(memberID, instanceID)
	switch {
	case code != 0:
		return code
	case generation != g.Generation && !planted.Is("commit-of-any-generation"):
		return kerr.IllegalGeneration.Code
	case g.State == Completing:
		return kerr.RebalanceInProgress.Code
	}
	m.expires = now + m.SessionTimeout
	return 0
}
