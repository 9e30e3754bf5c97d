package broker

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/protocol"
)

// describeTransactionsAPI is DescribeTransactions (key 65): how far the
// transactions of transactional ids are that this broker coordinates (KIP-664).
func (b *Broker) describeTransactionsAPI() protocol.API {
	return api(0, 0, func(call *protocol.Call, req *kmsg.DescribeTransactionsRequest) kmsg.Response {
		req.TransactionalIDs = distinct(req.TransactionalIDs, itself)
		return b.transactions.HandleDescribe(req, call.Authorized, func(topic string) bool { return call.May(toDescribeTopic, topic) })
	})
}
