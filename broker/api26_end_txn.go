package broker

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/protocol"
)

// endTxnAPI is EndTxn (key 26): a transaction is committed or aborted (KIP-98).
//
//	v2 PRODUCER_FENCED (KIP-588)
//	v3 flexible
//	v4 a client that knows TRANSACTION_ABORTABLE (KIP-890)
//	v5 transaction version 2: a new epoch with every transaction (KIP-890)
func (b *Broker) endTxnAPI() protocol.API {
	return api(0, 5, func(call *protocol.Call, req *kmsg.EndTxnRequest) kmsg.Response {
		if !call.Authorized(req.TransactionalID) {
			resp := kmsg.NewPtrEndTxnResponse()
			resp.ErrorCode, resp.ProducerID, resp.ProducerEpoch = kerr.TransactionalIDAuthorizationFailed.Code, -1, -1
			return resp
		}
		return b.transactions.HandleEndTxn(req)
	})
}
