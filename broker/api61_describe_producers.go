package broker

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/broker/protocol"
	"github.com/weirlab/weir/broker/storage"
)

// describeProducersAPI is DescribeProducers (key 61): the producers of
// partitions that this broker leads, as far as their logs know them (KIP-664).
// A partition named more than once is refused, lest a small request has a large
// answer.
func (b *Broker) describeProducersAPI() protocol.API { return api(0, 0, b.describeProducers) }

func (b *Broker) describeProducers(_ *protocol.Call, req *kmsg.DescribeProducersRequest) kmsg.Response {
	resp := kmsg.NewPtrDescribeProducersResponse()
	named := map[metadata.TopicPartition]int{}
	for i := range req.Topics {
		for _, number := range req.Topics[i].Partitions {
			named[metadata.TopicPartition{Topic: req.Topics[i].Topic, Partition: number}]++
		}
	}
	for i := range req.Topics {
		t := kmsg.NewDescribeProducersResponseTopic()
		t.Topic = req.Topics[i].Topic
		for _, number := range req.Topics[i].Partitions {
			p := kmsg.NewDescribeProducersResponseTopicPartition()
			p.Partition, p.ActiveProducers = number, []kmsg.DescribeProducersResponseTopicPartitionActiveProducer{}
			var producers []storage.Producer
			if tp := (metadata.TopicPartition{Topic: t.Topic, Partition: number}); named[tp] > 1 {
				p.ErrorCode = kerr.InvalidRequest.Code
			} else {
				producers, p.ErrorCode = b.replicas.Producers(tp)
			}
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
