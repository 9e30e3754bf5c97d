package broker

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/broker/protocol"
	"github.com/weirlab/weir/broker/replication"
)

// describeLogDirsAPI is DescribeLogDirs (key 35): the replicas in this broker's
// log directories, how large they are and how far behind (KIP-113), and the size of
// the file systems and what is free of them (KIP-827). No topics listed (null) asks
// for all; what is not here is left out. A directory that is offline has
// KAFKA_STORAGE_ERROR. A replica that moves is there twice, its copy as the future one.
//
//	v2 flexible
//	v3 error code of the whole answer
//	v4 size of the file system
//	v5 whether the directory takes no new replicas (KIP-1066); here it always does
func (b *Broker) describeLogDirsAPI() protocol.API { return api(1, 5, b.describeLogDirs) }

func (b *Broker) describeLogDirs(_ *protocol.Call, req *kmsg.DescribeLogDirsRequest) kmsg.Response {
	var asked map[metadata.TopicPartition]bool // nil: all
	if req.Topics != nil {
		asked = map[metadata.TopicPartition]bool{}
		for i := range req.Topics {
			for _, p := range req.Topics[i].Partitions {
				asked[metadata.TopicPartition{Topic: req.Topics[i].Topic, Partition: p}] = true
			}
		}
	}
	replicas := b.replicas.Replicas()
	resp := kmsg.NewPtrDescribeLogDirsResponse()
	for _, d := range b.replicas.Dirs() {
		dir := kmsg.NewDescribeLogDirsResponseDir()
		dir.Dir, dir.Topics = d.Name, []kmsg.DescribeLogDirsResponseDirTopic{}
		if b.Err() != nil || d.Offline != nil {
			dir.ErrorCode = kerr.KafkaStorageError.Code
			resp.Dirs = append(resp.Dirs, dir)
			continue
		}
		if total, free, err := b.e.FS().Usage(d.Path); err == nil {
			dir.TotalBytes, dir.UsableBytes = total, free
		}
		for i := range replicas {
			r := &replicas[i]
			if asked != nil && !asked[r.TP] {
				continue
			}
			if r.Directory == d.ID {
				addReplica(&dir, r)
			}
			if r.Future.Log != nil && r.Future.Directory == d.ID {
				addReplica(&dir, r).future(r)
			}
		}
		resp.Dirs = append(resp.Dirs, dir)
	}
	return resp
}

// describedReplica is a replica as it is described.
type describedReplica struct {
	*kmsg.DescribeLogDirsResponseDirTopicPartition
}

// addReplica adds a replica; those of a topic come one after another.
func addReplica(dir *kmsg.DescribeLogDirsResponseDir, r *replication.ReplicaView) describedReplica {
	if n := len(dir.Topics); n == 0 || dir.Topics[n-1].Topic != r.TP.Topic {
		t := kmsg.NewDescribeLogDirsResponseDirTopic()
		t.Topic = r.TP.Topic
		dir.Topics = append(dir.Topics, t)
	}
	p := kmsg.NewDescribeLogDirsResponseDirTopicPartition()
	p.Partition, p.Size = r.TP.Partition, r.Log.SizeBytes()
	p.OffsetLag = max(r.HighWatermark-r.LogEndOffset, 0)
	last := &dir.Topics[len(dir.Topics)-1]
	last.Partitions = append(last.Partitions, p)
	return describedReplica{&last.Partitions[len(last.Partitions)-1]}
}

// future makes it the copy that is to take the replica's place: how far it is
// behind is counted from the end of the replica's log.
func (p describedReplica) future(r *replication.ReplicaView) {
	p.IsFuture, p.Size = true, r.Future.Log.SizeBytes()
	p.OffsetLag = max(r.LogEndOffset-r.Future.Log.EndOffset(), 0)
}
