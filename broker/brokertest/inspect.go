package brokertest

import (
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/coordinator"
	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/broker/replication"
	"github.com/weirlab/weir/broker/storage"
)

// Partition is what the brokers know of a partition.
type Partition struct {
	Leader         int32 // -1 if there is none
	LeaderEpoch    int32
	PartitionEpoch int32
	Replicas       []int32
	ISR            []int32
	ELR            []int32 // eligible leaders outside the ISR (KIP-966)
	MinISR         int32   // min.insync.replicas, as it counts for the partition

	// As its leader has them, -1 if there is none that runs.
	LogStartOffset int64
	LogEndOffset   int64
	HighWatermark  int64
}

// Partition describes a partition.
func (c *Cluster) Partition(topic string, partition int32) Partition {
	tp := metadata.TopicPartition{Topic: topic, Partition: partition}
	newest := c.newest()
	if newest == nil {
		c.fatalf("brokertest: no broker runs")
		return Partition{}
	}
	image, _ := newest.Metadata()
	p := image.Partition(tp)
	if p == nil {
		c.fatalf("brokertest: there is no partition %v", tp)
		return Partition{}
	}
	out := Partition{Leader: p.Leader, LeaderEpoch: p.LeaderEpoch, PartitionEpoch: p.PartitionEpoch, Replicas: slices.Clone(p.Replicas),
		ISR: slices.Clone(p.ISR), ELR: slices.Clone(p.ELR), MinISR: p.MinISR, LogStartOffset: -1, LogEndOffset: -1, HighWatermark: -1}
	if p.Leader > 0 {
		if r := c.replica(p.Leader, tp); r != nil && r.Role == replication.RoleLeader {
			out.LogStartOffset, out.LogEndOffset, out.HighWatermark = r.LogStartOffset, r.LogEndOffset, r.HighWatermark
			if r.LeaderEpoch == p.LeaderEpoch && r.PartitionEpoch >= p.PartitionEpoch {
				out.PartitionEpoch, out.ISR = r.PartitionEpoch, slices.Clone(r.ISR)
			}
		}
	}
	return out
}

// replica is a broker's replica of a partition, nil if it has none or does not
// run.
func (c *Cluster) replica(id int32, tp metadata.TopicPartition) *replication.ReplicaView {
	b := c.node(id).running()
	if b == nil {
		return nil
	}
	for _, r := range b.View().Replicas {
		if r.TP == tp {
			return &r
		}
	}
	return nil
}

// Record is a record in a log.
type Record struct {
	Offset      int64
	Timestamp   time.Time
	Key, Value  []byte // nil is null
	Headers     []kmsg.Header
	LeaderEpoch int32

	// Of the batch that it is in.
	BatchOffset   int64 // of the batch's first record
	ProducerID    int64 // -1 without an idempotent producer
	ProducerEpoch int16
	Sequence      int32 // of this record, -1 without an idempotent producer
	Compression   int8  // 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd
	Transactional bool
	Control       bool // a marker of the broker's own
}

// Records are the records in the log of a partition's leader, also those above
// its high watermark.
func (c *Cluster) Records(topic string, partition int32) []Record {
	p := c.Partition(topic, partition)
	if p.Leader < 0 {
		c.fatalf("brokertest: %s-%d has no leader; ReplicaRecords reads the log of one replica", topic, partition)
		return nil
	}
	return c.ReplicaRecords(p.Leader, topic, partition)
}

// ReplicaRecords are the records in the log of one broker that runs.
func (c *Cluster) ReplicaRecords(id int32, topic string, partition int32) []Record {
	tp := metadata.TopicPartition{Topic: topic, Partition: partition}
	r := c.replica(id, tp)
	if r == nil {
		c.fatalf("brokertest: broker %d does not run, or has no replica of %v", id, tp)
		return nil
	}
	records, err := readLog(r.Log)
	if err != nil {
		c.fatalf("brokertest: read %v on broker %d: %v", tp, id, err)
	}
	return records
}

func readLog(log *storage.Log) (all []Record, err error) {
	for next, end := log.StartOffset(), log.EndOffset(); next < end; {
		data, err := log.Read(next, end, 1<<20, true)
		if err != nil || len(data) == 0 {
			return all, err
		}
		for b, err := range storage.Batches(data) {
			if err != nil {
				return all, err
			}
			for r, err := range b.Records() {
				if err != nil {
					return all, err
				}
				if r.Offset >= next {
					all = append(all, recordOf(b, r))
				}
			}
			next = b.NextOffset()
		}
	}
	return all, nil
}

func recordOf(b storage.Batch, r storage.Record) Record {
	out := Record{Offset: r.Offset, Timestamp: time.UnixMilli(r.TimestampMillis).UTC(), Key: slices.Clone(r.Key), Value: slices.Clone(r.Value), Headers: r.Headers,
		LeaderEpoch: b.LeaderEpoch(), BatchOffset: b.BaseOffset(), ProducerID: b.ProducerID(), ProducerEpoch: b.ProducerEpoch(), Sequence: -1,
		Compression: int8(b.Compression()), Transactional: b.IsTransactional(), Control: b.IsControl()}
	if b.BaseSequence() >= 0 {
		out.Sequence = b.BaseSequence() + int32(r.Offset-b.BaseOffset())
	}
	return out
}

// Controller is the broker whose controller is active, -1 if there is none.
func (c *Cluster) Controller() int32 {
	if b := c.controller(); b != nil {
		_, quorum := b.Metadata()
		return quorum.NodeID
	}
	return -1
}

// Group is what its coordinator knows of a consumer group.
type Group struct {
	State        string // as DescribeGroups has it: Stable, PreparingRebalance, CompletingRebalance, Empty or Dead
	ProtocolType string
	Protocol     string
	Members      []Member
	Offsets      []Offset // committed, by topic and partition
}

// Member is a member of a group.
type Member struct {
	ID         string
	InstanceID string // group.instance.id, empty if it has none
	ClientID   string
	ClientHost string
	Metadata   []byte // of its subscription, once the group is stable
	Assignment []byte // once the group is stable
}

// Offset is a committed offset.
type Offset struct {
	Topic       string
	Partition   int32
	Offset      int64
	LeaderEpoch int32 // -1 if the client gave none
	Metadata    string
}

// Coordinator is the broker that coordinates a group, -1 if none does.
func (c *Cluster) Coordinator(name string) int32 {
	return c.coordinator(metadata.ConsumerOffsetsTopic, name)
}

// TransactionCoordinator is the broker that coordinates a transactional id, -1 if
// none does.
func (c *Cluster) TransactionCoordinator(id string) int32 {
	return c.coordinator(metadata.TransactionStateTopic, id)
}

// coordinator is the leader of the partition of an internal topic that has name.
func (c *Cluster) coordinator(topic, name string) int32 {
	if b := c.newest(); b != nil {
		image, _ := b.Metadata()
		if t := image.Topic(topic); t != nil {
			return t.Partitions[coordinator.PartitionFor(name, int32(len(t.Partitions)))].Leader
		}
	}
	return -1
}

// Group describes a group. One that nobody has heard of is Dead.
func (c *Cluster) Group(name string) Group {
	var out Group
	err := c.await("the coordinator of "+name, func() (done bool) {
		out, done = c.group(name)
		return done
	})
	if err != nil {
		c.fatalf("brokertest: %v", err)
	}
	return out
}

func (c *Cluster) group(name string) (Group, bool) {
	id := c.Coordinator(name)
	if id < 0 {
		return Group{State: "Dead"}, true
	}
	b := c.node(id).running()
	if b == nil {
		return Group{}, false
	}
	describe := kmsg.NewPtrDescribeGroupsRequest()
	describe.Version, describe.Groups = 5, []string{name}
	described, err := b.Do(describe)
	if err != nil || described.(*kmsg.DescribeGroupsResponse).Groups[0].ErrorCode != 0 {
		return Group{}, false
	}
	g := described.(*kmsg.DescribeGroupsResponse).Groups[0]
	out := Group{State: g.State, ProtocolType: g.ProtocolType, Protocol: g.Protocol}
	for _, m := range g.Members {
		member := Member{ID: m.MemberID, ClientID: m.ClientID, ClientHost: m.ClientHost, Metadata: m.ProtocolMetadata, Assignment: m.MemberAssignment}
		if m.InstanceID != nil {
			member.InstanceID = *m.InstanceID
		}
		out.Members = append(out.Members, member)
	}
	fetch := kmsg.NewPtrOffsetFetchRequest()
	asked := kmsg.NewOffsetFetchRequestGroup()
	asked.Group, asked.Topics = name, nil
	fetch.Version, fetch.Groups = 8, append(fetch.Groups, asked)
	fetched, err := b.Do(fetch)
	if err != nil || fetched.(*kmsg.OffsetFetchResponse).Groups[0].ErrorCode != 0 {
		return Group{}, false
	}
	for _, t := range fetched.(*kmsg.OffsetFetchResponse).Groups[0].Topics {
		for _, p := range t.Partitions {
			o := Offset{Topic: t.Topic, Partition: p.Partition, Offset: p.Offset, LeaderEpoch: p.LeaderEpoch}
			if p.Metadata != nil {
				o.Metadata = *p.Metadata
			}
			out.Offsets = append(out.Offsets, o)
		}
	}
	return out, true
}

// String is a partition in a line, for failing tests.
func (p Partition) String() string {
	return fmt.Sprintf("leader %d in epoch %d, replicas %v, in sync %v, log %d to %d, high watermark %d",
		p.Leader, p.LeaderEpoch, p.Replicas, p.ISR, p.LogStartOffset, p.LogEndOffset, p.HighWatermark)
}
