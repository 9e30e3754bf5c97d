package broker

import (
	"time"

	"github.com/weirlab/weir/broker/group"
	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/broker/replication"
)

// offsetsLog is the part of the replicated log that groups are kept in.
type offsetsLog struct{ b *Broker }

// offsetsAppendTimeout is offsets.commit.timeout.ms.
const offsetsAppendTimeout = 5 * time.Second

func offsetsPartition(partition int32) metadata.TopicPartition {
	return metadata.TopicPartition{Topic: metadata.ConsumerOffsetsTopic, Partition: partition}
}

// Append appends a batch with acks=all. Records that belong to an epoch that is
// over are refused, since another broker may coordinate these groups by now.
func (l offsetsLog) Append(partition, epoch int32, records []byte) (int64, int16) {
	r := l.b.replicas.BeginAppend([]replication.AppendPartition{
		{TP: offsetsPartition(partition), Records: records, Internal: true, LeaderEpoch: epoch},
	}, -1).Wait(offsetsAppendTimeout)[0]
	return r.BaseOffset, r.ErrorCode
}

// loadPatience is how long a new leader waits for its epoch's start to be
// committed before the coordinator tries again.
const loadPatience = 5 * time.Second

// Load reads what the partition held when this broker began to lead it.
func (l offsetsLog) Load(partition, epoch int32, fn func(batch []byte) error) error {
	return l.b.replicas.LoadCommitted(offsetsPartition(partition), epoch, loadPatience, fn)
}

// newCoordinator makes the group coordinator, which follows the leadership of
// the partitions of __consumer_offsets.
func (b *Broker) newCoordinator() *group.Coordinator {
	cfg := group.DefaultConfig()
	cfg.InitialRebalanceDelay = b.cfg.GroupInitialRebalanceDelay
	c := group.NewCoordinator(b.e, cfg, offsetsLog{b})
	b.replicas.OnLeadership(func(tp metadata.TopicPartition, epoch int32, leader bool) {
		switch {
		case tp.Topic != metadata.ConsumerOffsetsTopic:
		case leader:
			c.Lead(tp.Partition, epoch)
		default:
			c.Resign(tp.Partition, epoch)
		}
	})
	return c
}

// applyMetadata makes this broker follow a new image of the cluster.
func (b *Broker) applyMetadata(image *metadata.Image, delta metadata.Delta) {
	if t := image.Topic(metadata.ConsumerOffsetsTopic); t != nil {
		b.groups.SetPartitions(int32(len(t.Partitions)))
	}
	b.replicas.Apply(image, delta)
}
