package broker

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/broker/protocol"
)

// listOffsetsAPI is ListOffsets (key 2): find an offset by timestamp, or the
// start or end of a partition.
//
//	v1 first with one offset for each partition
//	v2 isolation level
//	v4 current leader epoch (KIP-320)
//	v5 OFFSET_NOT_AVAILABLE from a new leader (KIP-207); earlier versions are told LEADER_NOT_AVAILABLE
//	v6 flexible
//	v7 timestamp -3: the record with the largest timestamp (KIP-734)
func (b *Broker) listOffsetsAPI() protocol.API { return api(1, 7, b.listOffsets) }

func (b *Broker) listOffsets(_ *protocol.Call, req *kmsg.ListOffsetsRequest) kmsg.Response {
	resp := kmsg.NewPtrListOffsetsResponse()
	for i := range req.Topics {
		t := &req.Topics[i]
		answer := kmsg.NewListOffsetsResponseTopic()
		answer.Topic = t.Topic
		for j := range t.Partitions {
			p := &t.Partitions[j]
			epoch := p.CurrentLeaderEpoch
			if req.Version < 4 {
				epoch = -1
			}
			r := b.replicas.ListOffsets(metadata.TopicPartition{Topic: t.Topic, Partition: p.Partition}, p.Timestamp, epoch, req.IsolationLevel == 1)
			out := kmsg.NewListOffsetsResponseTopicPartition()
			out.Partition = p.Partition
			out.ErrorCode, out.Offset, out.Timestamp, out.LeaderEpoch = r.ErrorCode, r.Offset, r.Timestamp, r.LeaderEpoch
			if req.Version < 5 && r.ErrorCode == offsetNotAvailable {
				out.ErrorCode = leaderNotAvailable
			}
			answer.Partitions = append(answer.Partitions, out)
		}
		resp.Topics = append(resp.Topics, answer)
	}
	return resp
}
