package broker

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/broker/protocol"
)

// alterReplicaLogDirsAPI is AlterReplicaLogDirs (key 34): replicas of this broker
// are moved between its log directories (KIP-113). It is answered when the moves
// begin; DescribeLogDirs tells how far they are. A replica that is not here yet is
// REPLICA_NOT_AVAILABLE, and is made in that directory when it comes.
//
//	v1 no change of format
//	v2 flexible
func (b *Broker) alterReplicaLogDirsAPI() protocol.API {
	a := api(1, 2, b.alterReplicaLogDirs)
	a.Refuse = func(req kmsg.Request, code int16) kmsg.Response {
		return eachReplicaToMove(req.(*kmsg.AlterReplicaLogDirsRequest), func(metadata.TopicPartition, string) int16 { return code })
	}
	return a
}

func (b *Broker) alterReplicaLogDirs(_ *protocol.Call, req *kmsg.AlterReplicaLogDirsRequest) kmsg.Response {
	left := maxMoves
	return eachReplicaToMove(req, func(tp metadata.TopicPartition, dir string) int16 {
		if left--; left < 0 {
			return kerr.PolicyViolation.Code
		}
		return b.replicas.AlterReplicaDir(tp, dir)
	})
}

// eachReplicaToMove answers a request with what do says of each replica.
func eachReplicaToMove(req *kmsg.AlterReplicaLogDirsRequest, do func(tp metadata.TopicPartition, dir string) int16) kmsg.Response {
	resp := kmsg.NewPtrAlterReplicaLogDirsResponse()
	at := map[string]int{}
	for i := range req.Dirs {
		d := &req.Dirs[i]
		for j := range d.Topics {
			topic := &d.Topics[j]
			n, ok := at[topic.Topic]
			if !ok {
				t := kmsg.NewAlterReplicaLogDirsResponseTopic()
				t.Topic = topic.Topic
				n, resp.Topics = len(resp.Topics), append(resp.Topics, t)
				at[topic.Topic] = n
			}
			for _, partition := range topic.Partitions {
				p := kmsg.NewAlterReplicaLogDirsResponseTopicPartition()
				p.Partition, p.ErrorCode = partition, do(metadata.TopicPartition{Topic: topic.Topic, Partition: partition}, d.Dir)
				resp.Topics[n].Partitions = append(resp.Topics[n].Partitions, p)
			}
		}
	}
	return resp
}

// maxMoves bounds the work of one request.
const maxMoves = 10_000
