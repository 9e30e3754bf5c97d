package broker

import (
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/weirlab/weir/broker/group"
	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/broker/replication"
	"github.com/weirlab/weir/broker/storage"
)

// offsetsLog is the part of the replicated log that groups are kept in.
type offsetsLog struct{ b *Broker }

// offsetsAppendTimeout is offsets.commit.timeout.ms.
const offsetsAppendTimeout = 5 * time.Second

func offsetsPartition(partition int32) metadata.TopicPartition {
	return metadata.TopicPartition{Topic: group.OffsetsTopic, Partition: partition}
}

// Append appends a batch with acks=all. Records that belong to an epoch that is
// over are refused, since another broker may coordinate these groups by now.
func (l offsetsLog) Append(partition, epoch int32, records []byte) (int64, int16) {
	r := l.b.replicas.BeginAppend([]replication.AppendPartition{
		{TP: offsetsPartition(partition), Records: records, Internal: true, LeaderEpoch: epoch},
	}, -1).Wait(offsetsAppendTimeout)[0]
	return r.BaseOffset, r.ErrorCode
}

// Load reads what the partition held when this broker began to lead it. That
// is committed once the high watermark has reached the start of the epoch,
// before which its position is not known (KIP-207).
func (l offsetsLog) Load(partition, epoch int32, fn func(batch []byte) error) error {
	const (
		retry     = 20 * time.Millisecond
		readBytes = 1 << 20
	)
	tp := offsetsPartition(partition)
	var end int64
	for {
		r := l.b.replicas.ListOffsets(tp, replication.TimestampLatest, epoch, false)
		if r.ErrorCode == 0 {
			end = r.Offset
			break
		}
		if r.ErrorCode != offsetNotAvailable {
			return kerr.ErrorForCode(r.ErrorCode)
		}
		if l.b.stopping.Wait(retry) {
			return errStopped
		}
	}
	for next := l.b.replicas.ListOffsets(tp, replication.TimestampEarliest, epoch, false).Offset; next < end; {
		records, err := l.b.replicas.ReadCommitted(tp, next, readBytes)
		if err != nil {
			return err
		}
		if len(records) == 0 {
			return kerr.NotCoordinator
		}
		for batch, err := range storage.Batches(records) {
			if err != nil {
				return err
			}
			if err := fn(batch); err != nil {
				return err
			}
			next = batch.NextOffset()
		}
	}
	return nil
}

// newCoordinator makes the group coordinator, which follows the leadership of
// the partitions of __consumer_offsets.
func (b *Broker) newCoordinator() *group.Coordinator {
	cfg := group.DefaultConfig()
	cfg.InitialRebalanceDelay = b.cfg.GroupInitialRebalanceDelay
	c := group.NewCoordinator(b.e, cfg, offsetsLog{b})
	b.replicas.OnLeadership(func(tp metadata.TopicPartition, epoch int32, leader bool) {
		switch {
		case tp.Topic != group.OffsetsTopic:
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
	if t := image.Topic(group.OffsetsTopic); t != nil {
		b.groups.SetPartitions(int32(len(t.Partitions)))
	}
	b.replicas.Apply(image, delta)
}
