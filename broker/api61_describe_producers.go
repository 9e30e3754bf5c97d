package broker

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/broker/protocol"
)

// describeProducersAPI is DescribeProducers (key 61): the producers of
// partitions that this broker leads or follows, as far as its logs know them
// (KIP-664): what hangs may do so on one replica alone.
func (b *Broker) describeProducersAPI() protocol.API { return api(0, 0, b.describeProducers) }

func (b *Broker) describeProducers(_ *protocol.Call, req *kmsg.DescribeProducersRequest) kmsg.Response {
	resp := kmsg.NewPtrDescribeProducersResponse()
	described := map[metadata.TopicPartition]bool{}
	for i := range req.Topics {
		t := kmsg.NewDescribeProducersResponseTopic()
		t.Topic = req.Topics[i].Topic
		for _, number := range req.Topics[i].Partitions {
			tp := metadata.TopicPartition{Topic: t.Topic, Partition: number}
			if described[tp] {
				continue
			}
			described[tp] = true
			p := kmsg.NewDescribeProducersResponseTopicPartition()
			p.Partition, p.ActiveProducers = number, []kmsg.DescribeProducersResponseTopicPartitionActiveProducer{}
			producers, code := b.replicas.Producers(tp)
			p.ErrorCode = code
			for _, known := range producers {
				out := kmsg.NewDescribeProducersResponseTopicPartitionActiveProducer()
				out.ProducerID, out.ProducerEpoch, out.LastSequence = known.ID, int32(known.Epoch), known.LastSequence
				out.LastTimestamp, out.CoordinatorEpoch = known.LastTimestampMs, known.CoordinatorEpoch
				out.CurrentTxnStartOffset = known.TransactionStart
				p.ActiveProducers = append(p.ActiveProducers, out)
			}
			t.Partitions = append(t.Partitions, p)
		}
		resp.Topics = append(resp.Topics, t)
	}
	return resp
}
