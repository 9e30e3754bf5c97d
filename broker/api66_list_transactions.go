package broker

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/protocol"
)

// listTransactionsAPI is ListTransactions (key 66): the transactional ids that
// this broker coordinates (KIP-664).
//
//	v1 filter by how long the transaction has been open (KIP-994)
//	v2 filter by a pattern of transactional ids (KIP-1152)
func (b *Broker) listTransactionsAPI() protocol.API {
	return api(0, 2, func(call *protocol.Call, req *kmsg.ListTransactionsRequest) kmsg.Response {
		return b.transactions.HandleList(req, call.Authorized)
	})
}
