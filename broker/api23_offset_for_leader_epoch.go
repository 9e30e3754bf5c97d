package broker

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/broker/protocol"
)

// offsetForLeaderEpochAPI is OffsetForLeaderEpoch (key 23): where a leader
// epoch ends in the leader's log, by which a client finds whether its position
// was truncated away (KIP-101, KIP-279, KIP-320).
//
//	v2 current leader epoch
//	v3 replica id
//	v4 flexible
func (b *Broker) offsetForLeaderEpochAPI() protocol.API { return api(2, 4, b.offsetForLeaderEpoch) }

func (b *Broker) offsetForLeaderEpoch(_ *protocol.Call, req *kmsg.OffsetForLeaderEpochRequest) kmsg.Response {
	resp := kmsg.NewPtrOffsetForLeaderEpochResponse()
	for i := range req.Topics {
		t := kmsg.NewOffsetForLeaderEpochResponseTopic()
		t.Topic = req.Topics[i].Topic
		for _, p := range req.Topics[i].Partitions {
			r := b.replicas.OffsetForLeaderEpoch(metadata.TopicPartition{Topic: t.Topic, Partition: p.Partition}, p.CurrentLeaderEpoch, p.LeaderEpoch)
			out := kmsg.NewOffsetForLeaderEpochResponseTopicPartition()
			out.Partition, out.ErrorCode, out.LeaderEpoch, out.EndOffset = p.Partition, r.ErrorCode, r.LeaderEpoch, r.EndOffset
			t.Partitions = append(t.Partitions, out)
		}
		resp.Topics = append(resp.Topics, t)
	}
	return resp
}
