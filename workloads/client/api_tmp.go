package client

import (
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/weirlab/weir/env"
)

// Client is a Kafka cluster as seen from one process. Its methods may be
// called from any task.
type Client struct{}

// New returns a client. It does not connect yet.
func New(e env.Env, cfg Config) (*Client, error) { panic("not yet") }

// Close closes every connection and ends the client's tasks. Producers and
// consumers made from it must be closed first.
func (c *Client) Close() { panic("not yet") }

// Producer sends records.
type Producer struct{}

// NewProducer starts a producer.
func (c *Client) NewProducer(cfg ProducerConfig) (*Producer, error) { panic("not yet") }

// Produce hands over a record and returns as soon as it is in a batch,
// blocking up to MaxBlock for buffer memory or the topic's first metadata.
// The record's bytes are copied. done is called exactly once, in most cases
// from another task; it must not block and must not call Produce.
func (p *Producer) Produce(r *Record, done func(*Record, Result)) { panic("not yet") }

// ProduceSync produces one record and waits for its result.
func (p *Producer) ProduceSync(r *Record) Result { panic("not yet") }

// Flush sends what lingers and waits until every record produced before has
// its result, or timeout has passed; it reports whether all have.
func (p *Producer) Flush(timeout time.Duration) bool { panic("not yet") }

// Close flushes for up to timeout, then gives up what is left.
func (p *Producer) Close(timeout time.Duration) { panic("not yet") }

// Partitioner places records.
type Partitioner interface{ Partition(r *Record, partitions int32) int32 }

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

// Request sends any request to a broker (-1: any) and returns its response.
func (c *Client) Request(broker int32, req kmsg.Request, timeout time.Duration) (kmsg.Response, error) {
	panic("not yet")
}
