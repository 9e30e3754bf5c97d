package broker

import (
	"time"

	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/broker/replication"
	"github.com/weirlab/weir/broker/storage"
)

// internalLog is an internal topic as its coordinator uses it (coordinator.Log).
type internalLog struct {
	replicas *replication.Manager
	topic    string
}

func (l internalLog) tp(partition int32) metadata.TopicPartition {
	return metadata.TopicPartition{Topic: l.topic, Partition: partition}
}

// Append appends with acks=all, and leaves it to AwaitCommitted to see what
// becomes of it. Records that belong to an epoch that is over are refused, since
// another broker may coordinate by now.
func (l internalLog) Append(partition, epoch int32, batch []byte, more storage.AppendOptions) (int64, int16) {
	more.AnySize, more.OnlyInEpoch = true, &epoch
	var local replication.AppendResult
	l.replicas.BeginAppend([]replication.AppendPartition{
		{TP: l.tp(partition), Records: batch, Internal: true, Local: &local, Options: more},
	}, -1)
	return local.BaseOffset, local.ErrorCode
}

// AwaitCommitted waits for the high watermark.
func (l internalLog) AwaitCommitted(partition, epoch int32, offset int64, patience time.Duration) (int64, bool) {
	return l.replicas.AwaitCommitted(l.tp(partition), epoch, offset, patience)
}

// loadPatience is how long a new leader waits for its epoch's start to be
// committed before the coordinator tries again.
const loadPatience = 5 * time.Second

// Load reads what the partition held when this broker began to lead it.
func (l internalLog) Load(partition, epoch int32, fn func(batch storage.Batch)) error {
	return l.replicas.LoadCommitted(l.tp(partition), epoch, loadPatience, func(batch []byte) error {
		fn(storage.Batch(batch))
		return nil
	})
}
