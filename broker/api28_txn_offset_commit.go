package broker

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/protocol"
)

// txnOffsetCommitAPI is TxnOffsetCommit (key 28): a transaction brings offsets of
// a group, which count once it is committed (KIP-98).
//
//	v2 leader epoch of the offset
//	v3 flexible; member, generation and instance, which fence (KIP-447)
//	v4 a client that knows TRANSACTION_ABORTABLE (KIP-890)
//	v5 adds the group to the transaction by itself: transaction version 2 (KIP-890)
func (b *Broker) txnOffsetCommitAPI() protocol.API { return api(0, 5, b.txnOffsetCommit) }

func (b *Broker) txnOffsetCommit(call *protocol.Call, req *kmsg.TxnOffsetCommitRequest) kmsg.Response {
	var refused *kerr.Error
	switch {
	case !call.May(toWriteTransactionalID, req.TransactionalID):
		refused = kerr.TransactionalIDAuthorizationFailed
	case !call.Authorized(req.Group):
		refused = kerr.GroupAuthorizationFailed
	default:
		return b.groups.HandleTxnOffsetCommit(req, func(topic string) bool { return call.May(toReadTopic, topic) })
	}
	resp := kmsg.NewPtrTxnOffsetCommitResponse()
	for i := range req.Topics {
		topic := kmsg.NewTxnOffsetCommitResponseTopic()
		topic.Topic, topic.TopicID = req.Topics[i].Topic, req.Topics[i].TopicID
		for _, p := range req.Topics[i].Partitions {
			out := kmsg.NewTxnOffsetCommitResponseTopicPartition()
			out.Partition, out.ErrorCode = p.Partition, refused.Code
			topic.Partitions = append(topic.Partitions, out)
		}
		resp.Topics = append(resp.Topics, topic)
	}
	return resp
}
