package broker

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/broker/protocol"
)

// maxDescribedPartitions bounds the partitions of one answer, whatever the client
// asks for (Kafka's max.request.partition.size.limit).
const maxDescribedPartitions = 2000

// describeTopicPartitionsAPI is DescribeTopicPartitions (key 75): topics and
// their partitions, with the eligible leader replicas, a part at a time
// (KIP-966). No topics listed asks for all, by name; the cursor of an answer is
// where the next one begins.
func (b *Broker) describeTopicPartitionsAPI() protocol.API {
	return api(0, 0, b.describeTopicPartitions)
}

func (b *Broker) describeTopicPartitions(call *protocol.Call, req *kmsg.DescribeTopicPartitionsRequest) kmsg.Response {
	image := b.shownImage()
	var from kmsg.DescribeTopicPartitionsRequestCursor
	if req.Cursor != nil {
		from = *req.Cursor
	}
	var names []string
	for i := range req.Topics {
		names = append(names, req.Topics[i].Topic)
	}
	if len(req.Topics) == 0 {
		for _, t := range image.Topics() {
			names = append(names, t.Name)
		}
	}
	slices.Sort(names)
	resp := kmsg.NewPtrDescribeTopicPartitionsResponse()
	resp.Topics = []kmsg.DescribeTopicPartitionsResponseTopic{}
	left := max(1, min(int(req.ResponsePartitionLimit), maxDescribedPartitions))
	for _, name := range slices.Compact(names) {
		if name < from.Topic {
			continue
		}
		first := 0
		if name == from.Topic {
			first = int(max(from.Partition, 0))
		}
		if left == 0 {
			resp.NextCursor = &kmsg.DescribeTopicPartitionsResponseNextCursor{Topic: name, Partition: int32(first)}
			break
		}
		t, next := describeTopicPart(image, name, first, left)
		if t.ErrorCode == 0 {
			t.AuthorizedOperations = call.AuthorizedOperations(kmsg.ACLResourceTypeTopic, name)
		}
		resp.Topics = append(resp.Topics, t)
		left -= len(t.Partitions)
		if next >= 0 {
			resp.NextCursor = &kmsg.DescribeTopicPartitionsResponseNextCursor{Topic: name, Partition: int32(next)}
			break
		}
	}
	return resp
}

// describeTopicPart describes up to limit partitions of a topic, beginning with
// first; next is the one that follows, -1 if there is none.
func describeTopicPart(image *metadata.Image, name string, first, limit int) (out kmsg.DescribeTopicPartitionsResponseTopic, next int) {
	out = kmsg.NewDescribeTopicPartitionsResponseTopic()
	out.Topic, out.IsInternal = kmsg.StringPtr(name), metadata.IsInternalTopic(name)
	out.Partitions = []kmsg.DescribeTopicPartitionsResponseTopicPartition{}
	t := image.Topic(name)
	switch {
	case metadata.CheckTopicName(name) != nil:
		out.ErrorCode = kerr.InvalidTopicException.Code
		return out, -1
	case t == nil:
		out.ErrorCode = kerr.UnknownTopicOrPartition.Code
		return out, -1
	}
	out.TopicID = t.ID
	described := describeTopic(image, t)
	end := min(first+limit, len(t.Partitions))
	for i := first; i < end; i++ {
		from, known := &described.Partitions[i], t.Partitions[i]
		p := kmsg.NewDescribeTopicPartitionsResponseTopicPartition()
		p.ErrorCode, p.Partition, p.LeaderID, p.LeaderEpoch = from.ErrorCode, from.Partition, from.Leader, from.LeaderEpoch
		p.Replicas, p.ISR, p.OfflineReplicas = from.Replicas, from.ISR, from.OfflineReplicas
		p.EligibleLeaderReplicas, p.LastKnownELR = append([]int32{}, known.ELR...), append([]int32{}, known.LastKnownELR...)
		out.Partitions = append(out.Partitions, p)
	}
	if end < len(t.Partitions) {
		return out, end
	}
	return out, -1
}
