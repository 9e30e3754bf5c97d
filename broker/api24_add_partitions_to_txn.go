package broker

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/broker/protocol"
)

// addPartitionsToTxnAPI is AddPartitionsToTxn (key 24): partitions join a
// transaction, before anything of it may be written to them (KIP-98).
//
//	v2 PRODUCER_FENCED (KIP-588)
//	v3 flexible
//	v4 several transactions, and verification alone, for brokers only (KIP-890)
//	v5 for brokers whose clients do without the request: transaction version 2
func (b *Broker) addPartitionsToTxnAPI() protocol.API {
	return api(0, 5, func(call *protocol.Call, req *kmsg.AddPartitionsToTxnRequest) kmsg.Response {
		if req.Version >= 4 && !call.May(toActOnCluster, protocol.ClusterResource) {
			resp := kmsg.NewPtrAddPartitionsToTxnResponse()
			resp.ErrorCode = kerr.ClusterAuthorizationFailed.Code
			return resp
		}
		return b.transactions.HandleAddPartitions(req, call.Authorized, func(topic string) bool {
			return metadata.IsInternalTopic(topic) || call.May(toWriteTopic, topic)
		})
	})
}
