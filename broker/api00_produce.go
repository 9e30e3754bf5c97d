package broker

import (
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/broker/protocol"
	"github.com/weirlab/weir/broker/replication"
)

// produceAPI is Produce (key 0): append record batches to partitions this
// broker leads, and answer once as many replicas have them as acks asks for.
// With acks=0 there is no answer at all.
//
//	v3  first with record batches (magic 2); older formats are not spoken
//	v5  log start offset in the answer
//	v8  error message in the answer (KIP-467)
//	v9  flexible
//	v10 the current leader, with NOT_LEADER_OR_FOLLOWER (KIP-951)
//	v11 no change of format
func (b *Broker) produceAPI() protocol.API {
	a := api(3, 11, b.produce)
	a.KeepsNothing = true // an append to a log copies
	return a
}

// adminClientID is the client ID that may produce to internal topics (Kafka's
// AdminUtils.ADMIN_CLIENT_ID).
const adminClientID = "__admin_client"

func (b *Broker) produce(call *protocol.Call, req *kmsg.ProduceRequest) kmsg.Response {
	if req.TransactionID != nil {
		return b.answerProduce(req, func(int) replication.AppendResult {
			return replication.AppendResult{ErrorCode: kerr.InvalidTxnState.Code, ErrorMessage: "this broker has no transactions", BaseOffset: -1, LogAppendTimeMs: -1, LogStartOffset: -1}
		})
	}
	n := 0
	for i := range req.Topics {
		n += len(req.Topics[i].Partitions)
	}
	parts := make([]replication.AppendPartition, 0, n)
	for i := range req.Topics {
		t := &req.Topics[i]
		for j := range t.Partitions {
			parts = append(parts, replication.AppendPartition{
				TP:      metadata.TopicPartition{Topic: t.Topic, Partition: t.Partitions[j].Partition},
				Records: t.Partitions[j].Records,

				ToInternal: call.ClientID == adminClientID,
			})
		}
	}
	results := b.replicas.BeginAppend(parts, req.Acks).Wait(time.Duration(req.TimeoutMillis) * time.Millisecond)
	if req.Acks == 0 {
		return nil
	}
	return b.answerProduce(req, func(i int) replication.AppendResult { return results[i] })
}

// answerProduce builds the answer from the results in the order of the
// request's partitions.
func (b *Broker) answerProduce(req *kmsg.ProduceRequest, result func(i int) replication.AppendResult) kmsg.Response {
	resp := kmsg.NewPtrProduceResponse()
	resp.Topics = make([]kmsg.ProduceResponseTopic, len(req.Topics))
	image := b.controller.Image()
	at := 0
	for i := range req.Topics {
		t := &resp.Topics[i]
		t.Topic = req.Topics[i].Topic
		t.Partitions = make([]kmsg.ProduceResponseTopicPartition, len(req.Topics[i].Partitions))
		for j := range t.Partitions {
			r := result(at)
			at++
			p := &t.Partitions[j]
			p.Default()
			p.Partition = req.Topics[i].Partitions[j].Partition
			p.ErrorCode, p.BaseOffset = r.ErrorCode, r.BaseOffset
			p.LogAppendTime, p.LogStartOffset = r.LogAppendTimeMs, r.LogStartOffset
			if r.ErrorMessage != "" {
				p.ErrorMessage = kmsg.StringPtr(r.ErrorMessage)
			}
			if r.ErrorCode == kerr.NotLeaderForPartition.Code {
				b.hintLeader(resp, p, image, metadata.TopicPartition{Topic: t.Topic, Partition: p.Partition})
			}
		}
	}
	return resp
}

// hintLeader tells the client where the partition's leader is, so that it need
// not ask for metadata first.
func (b *Broker) hintLeader(resp *kmsg.ProduceResponse, p *kmsg.ProduceResponseTopicPartition, image *metadata.Image, tp metadata.TopicPartition) {
	part := image.Partition(tp)
	if part == nil {
		return
	}
	leader := image.Broker(part.Leader)
	if leader == nil || leader.ID == b.cfg.NodeID {
		return
	}
	p.CurrentLeader.LeaderID, p.CurrentLeader.LeaderEpoch = part.Leader, part.LeaderEpoch
	for i := range resp.Brokers {
		if resp.Brokers[i].NodeID == leader.ID {
			return
		}
	}
	node := kmsg.NewProduceResponseBroker()
	node.NodeID, node.Host, node.Port, node.Rack = leader.ID, leader.Host, leader.Port, rackPtr(leader.Rack)
	resp.Brokers = append(resp.Brokers, node)
}

func rackPtr(rack string) *string {
	if rack == "" {
		return nil
	}
	return &rack
}
