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
//	v11 TRANSACTION_ABORTABLE (KIP-890)
//	v12 the leader adds the partition to the transaction (KIP-890, transaction.version 2)
//	v13 topics by id (KIP-516)
//
// Records of a transaction are appended once its coordinator has said that the
// partition belongs to it, which is asked when the transaction begins there
// (verification.go). The connection's next requests wait meanwhile, or a
// producer's records would get into the log in another order.
func (b *Broker) produceAPI() protocol.API {
	oldest := int16(0) // from which librdkafka knows that it may compress
	return protocol.API{
		Key: int16(kmsg.Produce), MinVersion: 3, MaxVersion: 13, AdvertisedMin: &oldest,
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
	p.deadline = b.e.Now() + time.Duration(p.req.TimeoutMillis)*time.Millisecond
	parts := b.produceParts(p.req, call.ClientID == adminClientID)
	txn, transactional, refused := transactionOf(p.req, parts)
	switch {
	case refused != nil:
		p.refused = refused
	case transactional:
		b.beginTransaction(txn, parts)
		p.appending = b.replicas.BeginAppend(parts, p.req.Acks)
		b.endVerification(parts)
	default:
		p.appending = b.replicas.BeginAppend(parts, p.req.Acks)
	}
	if p.req.Acks == 0 {
		if err := p.firstError(); err != nil {
			call.HangUp(err)
		}
	}
	return p
}

func (b *Broker) produceParts(req *kmsg.ProduceRequest, toInternal bool) []replication.AppendPartition {
	n := 0
	for i := range req.Topics {
		n += len(req.Topics[i].Partitions)
	}
	parts := make([]replication.AppendPartition, 0, n)
	image := b.controller.Image()
	for i := range req.Topics {
		t := &req.Topics[i]
		name := topicName(image, t.Topic, t.TopicID)
		for j := range t.Partitions {
			part := replication.AppendPartition{
				TP:      metadata.TopicPartition{Topic: name, Partition: t.Partitions[j].Partition},
				TopicID: t.TopicID,
				Records: t.Partitions[j].Records,

				ToInternal: toInternal,
				Refused:    refusedRecords(req.Version, t.Partitions[j].Records),
			}
			if name == "" && req.Version >= 13 && b.joined(image) {
				part.Refused = refusedProduce(kerr.UnknownTopicID.Code, "no topic has this id")
			}
			parts = append(parts, part)
		}
	}
	return parts
}

// transactionOf is the transaction that the records of a request belong to, if they
// belong to any. A request has a single one; refused says why it is refused as a
// whole.
func transactionOf(req *kmsg.ProduceRequest, parts []replication.AppendPartition) (txn openTransaction, transactional bool, refused *replication.AppendResult) {
	for i := range parts {
		batch, _, err := storage.SplitBatch(parts[i].Records)
		switch {
		case err != nil || batch.Magic() != 2 || !batch.IsTransactional():
			continue
		case req.TransactionID == nil:
			return txn, false, refusedProduce(kerr.TransactionalIDAuthorizationFailed.Code, "records of a transaction come without its transactional id")
		case batch.ProducerID() < 0:
			continue // the log knows what is wrong
		case transactional && (batch.ProducerID() != txn.producerID || batch.ProducerEpoch() != txn.epoch):
			return txn, false, refusedProduce(kerr.InvalidProducerIDMapping.Code, "Transactional records contained more than one producer ID")
		}
		transactional = true
		txn = openTransaction{id: *req.TransactionID, producerID: batch.ProducerID(), epoch: batch.ProducerEpoch(), support: produceSupport(req.Version)}
	}
	return txn, transactional, nil
}

func refusedProduce(code int16, message string) *replication.AppendResult {
	return &replication.AppendResult{ErrorCode: code, ErrorMessage: message, BaseOffset: -1, LogAppendTimeMs: -1, LogStartOffset: -1}
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
		return refusedProduce(kerr.InvalidRecord.Code, "a produce request has exactly one record batch for each partition")
	case first.Compression() == 4 && version < zstdVersion:
		return refusedProduce(kerr.UnsupportedCompressionType.Code, "Produce carries zstd from version 7 on")
	}
	return nil
}

// pendingProduce is a Produce request whose records are appended.
type pendingProduce struct {
	b         *Broker
	req       *kmsg.ProduceRequest
	refused   *replication.AppendResult  // of every partition, if the request is refused as a whole
	appending *replication.PendingAppend // else
	deadline  time.Duration
}

// Done implements protocol.Pending.
func (p *pendingProduce) Done() bool { return p.appending == nil || p.appending.Done() }

// Response implements protocol.Pending.
func (p *pendingProduce) Response() kmsg.Response {
	if p.req.Acks == 0 {
		return nil
	}
	if p.refused != nil {
		return p.b.answerProduce(p.req, func(int) replication.AppendResult { return *p.refused })
	}
	results := p.appending.Wait(p.deadline - p.b.e.Now())
	return p.b.answerProduce(p.req, func(i int) replication.AppendResult { return results[i] })
}

// firstError is why a request with acks=0 was not done in full, nil if it was.
// Nothing can tell the client but the end of its connection.
func (p *pendingProduce) firstError() error {
	var results []replication.AppendResult
	if p.refused != nil {
		results = append(results, *p.refused)
	} else {
		results = p.appending.Wait(0)
	}
	for _, r := range results {
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
		t.Topic, t.TopicID = req.Topics[i].Topic, req.Topics[i].TopicID
		name := topicName(image, t.Topic, t.TopicID)
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
				b.hintLeader(resp, p, image, metadata.TopicPartition{Topic: name, Partition: p.Partition})
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
