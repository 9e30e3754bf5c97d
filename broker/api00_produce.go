package broker

import (
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/broker/protocol"
	"github.com/weirlab/weir/broker/replication"
	"github.com/weirlab/weir/broker/storage"
)

// produceAPI is Produce (key 0): append record batches to partitions this
// broker leads, and answer once as many replicas have them as acks asks for.
// With acks=0 there is no answer at all, and an error closes the
// connection, as in Kafka.
//
//	v3  first with record batches (magic 2); older formats are refused, though
//	    ApiVersions tells of them as Kafka's does (KAFKA-18659)
//	v5  log start offset in the answer
//	v8  error message in the answer (KIP-467)
//	v9  flexible
//	v10 the current leader, with NOT_LEADER_OR_FOLLOWER (KIP-951)
//	v11 no change of format
func (b *Broker) produceAPI() protocol.API {
	oldest := int16(0) // from which librdkafka knows that it may compress
	return protocol.API{
		Key: int16(kmsg.Produce), MinVersion: 3, MaxVersion: 11, AdvertisedMin: &oldest,
		Begin:        b.beginProduce,
		KeepsNothing: true, // an append to a log copies
	}
}

// adminClientID is the client ID that may produce to internal topics (Kafka's
// AdminUtils.ADMIN_CLIENT_ID).
const adminClientID = "__admin_client"

// beginProduce appends. Batches of one connection so get into the log in the
// order of its requests, while earlier ones still wait for replicas.
func (b *Broker) beginProduce(call *protocol.Call) protocol.Pending {
	p := &pendingProduce{b: b, req: call.Request.(*kmsg.ProduceRequest)}
	if p.req.TransactionID == nil {
		p.appending = b.replicas.BeginAppend(produceParts(p.req, call.ClientID == adminClientID), p.req.Acks)
		p.deadline = b.e.Now() + time.Duration(p.req.TimeoutMillis)*time.Millisecond
	}
	if p.req.Acks == 0 {
		if err := p.firstError(); err != nil {
			call.HangUp(err)
		}
	}
	return p
}

func produceParts(req *kmsg.ProduceRequest, toInternal bool) []replication.AppendPartition {
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

				ToInternal: toInternal,
				Refused:    refusedRecords(req.Version, t.Partitions[j].Records),
			})
		}
	}
	return parts
}

// zstdVersion is the first version of Produce that may carry zstd (KIP-110).
const zstdVersion = 7

// refusedRecords is why a request of this version may not carry the records, nil
// if it may: a partition has exactly one batch (Kafka's
// ProduceRequest.validateRecords). Whether the batch is sound the log says.
func refusedRecords(version int16, records []byte) *replication.AppendResult {
	first, rest, err := storage.SplitBatch(records)
	if err != nil || first.Magic() != 2 {
		return nil // the log knows better what is wrong
	}
	switch {
	case len(rest) > 0:
		return &replication.AppendResult{ErrorCode: kerr.InvalidRecord.Code,
			ErrorMessage: "a produce request has exactly one record batch for each partition", BaseOffset: -1, LogAppendTimeMs: -1, LogStartOffset: -1}
	case first.Compression() == 4 && version < zstdVersion:
		return &replication.AppendResult{ErrorCode: kerr.UnsupportedCompressionType.Code,
			ErrorMessage: "Produce carries zstd from version 7 on", BaseOffset: -1, LogAppendTimeMs: -1, LogStartOffset: -1}
	}
	return nil
}

// pendingProduce is a Produce request whose records are appended.
type pendingProduce struct {
	b         *Broker
	req       *kmsg.ProduceRequest
	appending *replication.PendingAppend // nil if the request is refused as a whole
	deadline  time.Duration
}

// Done implements protocol.Pending.
func (p *pendingProduce) Done() bool { return p.appending == nil || p.appending.Done() }

// Response implements protocol.Pending.
func (p *pendingProduce) Response() kmsg.Response {
	if p.req.Acks == 0 {
		return nil
	}
	if p.appending == nil {
		return p.b.answerProduce(p.req, func(int) replication.AppendResult {
			return replication.AppendResult{ErrorCode: kerr.InvalidTxnState.Code, ErrorMessage: noTransactions, BaseOffset: -1, LogAppendTimeMs: -1, LogStartOffset: -1}
		})
	}
	results := p.appending.Wait(p.deadline - p.b.e.Now())
	return p.b.answerProduce(p.req, func(i int) replication.AppendResult { return results[i] })
}

const noTransactions = "this broker has no transactions"

// firstError is why a request with acks=0 was not done in full, nil if it was.
// Nothing can tell the client but the end of its connection.
func (p *pendingProduce) firstError() error {
	if p.appending == nil {
		return fmt.Errorf("broker: Produce with acks=0: %s", noTransactions)
	}
	for _, r := range p.appending.Wait(0) {
		if r.ErrorCode != 0 {
			return fmt.Errorf("broker: Produce with acks=0: %w: %s", kerr.ErrorForCode(r.ErrorCode), r.ErrorMessage)
		}
	}
	return nil
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
			for _, e := range r.RecordErrors {
				record := kmsg.NewProduceResponseTopicPartitionErrorRecord()
				record.RelativeOffset, record.ErrorMessage = e.Index, kmsg.StringPtr(e.Message)
				p.ErrorRecords = append(p.ErrorRecords, record)
			}
			// The hint spares the client a request, no more.
			if r.ErrorCode == kerr.NotLeaderForPartition.Code && !b.e.Lab().Rare("broker/leader-untold") {
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
