package replication

import (
	"time"

	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/env"
)

// Role is what a replica is for its partition.
type Role uint8

// The roles.
const (
	RoleNone     Role = iota // holds no replica, or there is no leader known yet
	RoleFollower             // copies from the leader, or waits for one
	RoleLeader               // serves clients and followers
)

// Manager runs every partition replica of one broker.
type Manager struct{}

// NewManager starts the manager's tasks. Partitions appear with Apply.
func NewManager(e env.Env, cfg Config, deps Deps) *Manager { panic("unwritten") }

// Apply makes the replicas follow a newly committed metadata image: it opens
// and removes logs and changes roles. Call it from one task, in order.
func (m *Manager) Apply(image *metadata.Image, delta metadata.Delta) { panic("unwritten") }

// OnLeadership registers a listener. Call it before the first Apply.
func (m *Manager) OnLeadership(l LeadershipListener) { panic("unwritten") }

// Stop ends the manager's tasks, answers whoever waits, writes the high
// watermark checkpoint, and syncs and closes the logs.
func (m *Manager) Stop() { panic("unwritten") }

// PendingAppend is an append that may still wait for its replicas.
type PendingAppend struct{}

// BeginAppend appends to the leaders' logs before it returns and does not wait
// for other replicas; Wait does. A connection that pipelines requests calls
// BeginAppend in their order and waits elsewhere. acks is 0, 1 or -1 (all);
// anything else is answered with INVALID_REQUIRED_ACKS.
func (m *Manager) BeginAppend(parts []AppendPartition, acks int16) *PendingAppend { panic("unwritten") }

// Done reports whether Wait would return at once.
func (p *PendingAppend) Done() bool { panic("unwritten") }

// Wait blocks until every partition is decided, or until timeout has passed,
// when those that are not get REQUEST_TIMED_OUT. Results are in the order of
// the partitions. Call it once.
func (p *PendingAppend) Wait(timeout time.Duration) []AppendResult { panic("unwritten") }

// Append is BeginAppend and Wait for one partition.
func (m *Manager) Append(tp metadata.TopicPartition, records []byte, acks int16, timeout time.Duration) AppendResult {
	panic("unwritten")
}

// Fetch answers a consumer's or a follower's fetch, waiting for data as its
// parameters say. Results are in the order of parts.
func (m *Manager) Fetch(params FetchParams, parts []FetchPartition) []FetchResult { panic("unwritten") }

// ListOffsets finds an offset by timestamp on the leader. currentLeaderEpoch
// -1 skips the epoch check. Until a new leader's high watermark has reached
// its epoch's start, TimestampLatest is OFFSET_NOT_AVAILABLE (KIP-207).
func (m *Manager) ListOffsets(tp metadata.TopicPartition, timestampMs int64, currentLeaderEpoch int32, readCommitted bool) ListOffsetsResult {
	panic("unwritten")
}

// OffsetForLeaderEpoch finds where an epoch ends in the leader's log (KIP-101,
// KIP-279). currentLeaderEpoch -1 skips the epoch check (KIP-320).
func (m *Manager) OffsetForLeaderEpoch(tp metadata.TopicPartition, currentLeaderEpoch, leaderEpoch int32) EpochEndResult {
	panic("unwritten")
}

// DeleteRecords moves the leader's log start offset up to before (-1: the high
// watermark); followers hear of it with their next fetch.
func (m *Manager) DeleteRecords(tp metadata.TopicPartition, before int64) DeleteRecordsResult {
	panic("unwritten")
}

// LocalLeader reports whether this broker leads tp, and in which epoch.
func (m *Manager) LocalLeader(tp metadata.TopicPartition) (epoch int32, ok bool) { panic("unwritten") }

// ReadCommitted reads whole batches of the local log from offset, below the
// high watermark: what a coordinator loads its state from. It returns nil at
// the high watermark, and an error if this broker does not lead tp.
func (m *Manager) ReadCommitted(tp metadata.TopicPartition, offset int64, maxBytes int32) ([]byte, error) {
	panic("unwritten")
}

// HighWatermark is the high watermark of the local replica.
func (m *Manager) HighWatermark(tp metadata.TopicPartition) (offset int64, ok bool) {
	panic("unwritten")
}

// Replicas describes every replica of this broker, sorted by topic and
// partition.
func (m *Manager) Replicas() []ReplicaView { panic("unwritten") }
