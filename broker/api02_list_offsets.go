package broker

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/broker/protocol"
	"github.com/weirlab/weir/broker/replication"
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
//	v8 timestamp -4: the earliest offset in a local log (KIP-405); here all are
//	v9 timestamp -5: the last offset in remote storage (KIP-1005); here there is none
//	v10 how long to look in remote storage (KIP-1075); here there is none
//	v11 timestamp -6: the first offset to be uploaded there (KIP-1023); there is none
func (b *Broker) listOffsetsAPI() protocol.API { return api(1, 11, b.listOffsets) }

func (b *Broker) listOffsets(_ *protocol.Call, req *kmsg.ListOffsetsRequest) kmsg.Response {
	resp := kmsg.NewPtrListOffsetsResponse()
	asked := map[metadata.TopicPartition]int{}
	for i := range req.Topics {
		for j := range req.Topics[i].Partitions {
			asked[metadata.TopicPartition{Topic: req.Topics[i].Topic, Partition: req.Topics[i].Partitions[j].Partition}]++
		}
	}
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
			out := kmsg.NewListOffsetsResponseTopicPartition()
			out.Partition = p.Partition
			tp := metadata.TopicPartition{Topic: t.Topic, Partition: p.Partition}
			if code := checkListOffset(req.Version, p.Timestamp, asked[tp]); code != 0 {
				out.ErrorCode, out.Offset, out.Timestamp, out.LeaderEpoch = code, -1, -1, -1
				answer.Partitions = append(answer.Partitions, out)
				continue
			}
			r := b.replicas.ListOffsets(tp, p.Timestamp, epoch, req.IsolationLevel == 1)
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

// checkListOffset refuses a partition named more than once, and a timestamp with
// a meaning that the request's version does not have (Kafka's
// ReplicaManager.fetchOffset).
func checkListOffset(version int16, timestamp int64, named int) int16 {
	switch {
	case named > 1:
		return kerr.InvalidRequest.Code
	case timestamp >= replication.TimestampEarliest: // a time, or a meaning that every version has
		return 0
	case timestamp == replication.TimestampMaxTimestamp && version >= 7,
		timestamp == replication.TimestampEarliestLocal && version >= 8,
		timestamp == replication.TimestampLatestTiered && version >= 9,
		timestamp == replication.TimestampEarliestPendingUpload && version >= 11:
		return 0
	}
	return kerr.UnsupportedVersion.Code
}
