package broker

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/broker/protocol"
	"github.com/weirlab/weir/broker/replication"
)

// describeLogDirsAPI is DescribeLogDirs (key 35): the replicas in this broker's
// log directory, how large they are and how far behind (KIP-113), and the file
// system's size and what is free of it (KIP-827). No topics listed (null) asks
// for all; what is not here is left out.
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
	dir := kmsg.NewDescribeLogDirsResponseDir()
	dir.Dir, dir.Topics = b.cfg.Dir, []kmsg.DescribeLogDirsResponseDirTopic{}
	if b.Err() != nil {
		dir.ErrorCode = kerr.KafkaStorageError.Code
	} else {
		if total, free, err := b.e.FS().Usage(); err == nil {
			dir.TotalBytes, dir.UsableBytes = total, free
		}
		for _, r := range b.replicas.Replicas() {
			if asked == nil || asked[r.TP] {
				addReplica(&dir, &r)
			}
		}
	}
	resp := kmsg.NewPtrDescribeLogDirsResponse()
	resp.Dirs = append(resp.Dirs, dir)
	return resp
}

// addReplica adds a replica; those of a topic come one after another.
func addReplica(dir *kmsg.DescribeLogDirsResponseDir, r *replication.ReplicaView) {
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
}
