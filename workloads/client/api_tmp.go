package client

import (
	"time"

)

// Consumer reads records.
type Consumer struct{}

// NewConsumer makes a consumer without partitions.
func (c *Client) NewConsumer(cfg ConsumerConfig) (*Consumer, error) { panic("not yet") }

// Assign replaces the partitions to read.
func (c *Consumer) Assign(parts []TopicPartition) { panic("not yet") }

// Subscribe joins the group.
func (c *Consumer) Subscribe(topics []string) error { panic("not yet") }

// Seek sets the offset to read next.
func (c *Consumer) Seek(tp TopicPartition, offset int64) { panic("not yet") }

// Position is the offset to be read next, -1 if not known yet.
func (c *Consumer) Position(tp TopicPartition) int64 { panic("not yet") }

// Batch is what one Poll returns.
type Batch struct {
	Records []ConsumedRecord
	Errors  []PartitionError
}

// PartitionError is a condition of one partition that Poll reports.
type PartitionError struct {
	TopicPartition
	Err error
}

// Poll returns records that have arrived, waiting up to timeout for the first.
func (c *Consumer) Poll(timeout time.Duration) Batch { panic("not yet") }

// Commit makes one attempt to commit offsets (the next to read) in the group.
func (c *Consumer) Commit(offsets []OffsetCommit) CommitResult { panic("not yet") }

// Close leaves the group and stops.
func (c *Consumer) Close() { panic("not yet") }

// OffsetCommit is one partition's offset to commit.
type OffsetCommit struct {
	TopicPartition
	Offset      int64
	LeaderEpoch int32 // of the last record processed, -1 if not known
	Metadata    string
}

// CommitResult is what became of one attempt to commit.
type CommitResult struct {
	Outcome Outcome
	Err     error // of the first partition that was refused
}

// CommitOffsets makes exactly one wire attempt to commit offsets for a group
// that has no members. Never retried: a second attempt could overwrite
// what others committed in between.
func (c *Client) CommitOffsets(group string, offsets []OffsetCommit) CommitResult { panic("not yet") }

// FetchOffsets reads a group's committed offsets; -1 where there is none.
// It retries until timeout.
func (c *Client) FetchOffsets(group string, parts []TopicPartition, timeout time.Duration) ([]int64, error) {
	panic("not yet")
}

// Admin is the administrative client.
type Admin struct{}

// Admin returns the administrative client.
func (c *Client) Admin() *Admin { panic("not yet") }

// NewTopic describes a topic to create.
type NewTopic struct {
	Name              string
	Partitions        int32 // -1: the broker's default
	ReplicationFactor int16 // -1: the broker's default
	Configs           []TopicConfig
}

// TopicConfig is a topic setting.
type TopicConfig struct{ Name, Value string }

// CreateTopic creates a topic, retrying until timeout. A topic that exists is
// an error (kerr.TopicAlreadyExists).
func (a *Admin) CreateTopic(t NewTopic, timeout time.Duration) error { panic("not yet") }

// DeleteTopic deletes a topic.
func (a *Admin) DeleteTopic(name string, timeout time.Duration) error { panic("not yet") }

// Topic describes a topic.
type Topic struct {
	Name       string
	ID         [16]byte
	Partitions []PartitionInfo // by number
}

// PartitionInfo is a partition as metadata tells it.
type PartitionInfo struct {
	Partition     int32
	Leader        int32 // -1: none
	LeaderEpoch   int32
	Replicas, ISR []int32
}

// DescribeTopic asks a broker for fresh metadata.
func (a *Admin) DescribeTopic(name string, timeout time.Duration) (Topic, error) { panic("not yet") }

// WaitReady waits until each partition of the topic has a leader.
func (a *Admin) WaitReady(topic string, timeout time.Duration) error { panic("not yet") }

// Timestamps with a special meaning to ListOffset.
const (
	TimestampLatest   int64 = -1
	TimestampEarliest int64 = -2
)

// ListOffset finds an offset by timestamp (ms, or one of the constants).
func (a *Admin) ListOffset(tp TopicPartition, timestamp int64, timeout time.Duration) (offset int64, leaderEpoch int32, err error) {
	panic("not yet")
}

