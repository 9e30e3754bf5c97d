package broker

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/coordinator"
	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/broker/protocol"
)

// addOffsetsToTxnAPI is AddOffsetsToTxn (key 25): a transaction takes in the
// offsets of a group, which TxnOffsetCommit then brings (KIP-98).
//
//	v2 PRODUCER_FENCED (KIP-588)
//	v3 flexible
//	v4 a client that knows TRANSACTION_ABORTABLE (KIP-890)
func (b *Broker) addOffsetsToTxnAPI() protocol.API { return api(0, 4, b.addOffsetsToTxn) }

func (b *Broker) addOffsetsToTxn(call *protocol.Call, req *kmsg.AddOffsetsToTxnRequest) kmsg.Response {
	resp := kmsg.NewPtrAddOffsetsToTxnResponse()
	switch {
	case !call.Authorized(req.TransactionalID):
		resp.ErrorCode = kerr.TransactionalIDAuthorizationFailed.Code
		return resp
	case !call.May(toReadGroup, req.Group):
		resp.ErrorCode = kerr.GroupAuthorizationFailed.Code
		return resp
	}
	return b.transactions.HandleAddOffsets(req, b.offsetsPartition(req.Group))
}

// offsetsPartition is the partition of __consumer_offsets that has a group's
// offsets, -1 while there is none.
func (b *Broker) offsetsPartition(group string) int32 {
	t := b.controller.Image().Topic(metadata.ConsumerOffsetsTopic)
	if t == nil {
		return -1
	}
	return coordinator.PartitionFor(group, int32(len(t.Partitions)))
}
