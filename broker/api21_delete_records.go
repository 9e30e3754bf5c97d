package broker

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/broker/protocol"
)

// deleteRecordsAPI is DeleteRecords (key 21): move the log start offset of
// partitions this broker leads (KIP-107). Offset -1 means the high watermark.
//
//	v2 flexible
func (b *Broker) deleteRecordsAPI() protocol.API { return api(0, 2, b.deleteRecords) }

func (b *Broker) deleteRecords(_ *protocol.Call, req *kmsg.DeleteRecordsRequest) kmsg.Response {
	resp := kmsg.NewPtrDeleteRecordsResponse()
	for i := range req.Topics {
		t := kmsg.NewDeleteRecordsResponseTopic()
		t.Topic = req.Topics[i].Topic
		for _, p := range req.Topics[i].Partitions {
			r := b.replicas.DeleteRecords(metadata.TopicPartition{Topic: t.Topic, Partition: p.Partition}, p.Offset)
			out := kmsg.NewDeleteRecordsResponseTopicPartition()
			out.Partition, out.LowWatermark, out.ErrorCode = p.Partition, r.LowWatermark, r.ErrorCode
			t.Partitions = append(t.Partitions, out)
		}
		resp.Topics = append(resp.Topics, t)
	}
	return resp
}
