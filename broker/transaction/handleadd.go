package transaction

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/metadata"
)

// HandleAddPartitions answers AddPartitionsToTxn: it blocks until each
// transaction has its partitions, committed in the log. Up to v3 it is a
// client's, about one transaction; from v4 on a broker's, about several, which
// may only ask (VerifyOnly). may says which transactional ids and topics the
// client may write to.
func (c *Coordinator) HandleAddPartitions(req *kmsg.AddPartitionsToTxnRequest, mayID, mayTopic func(name string) bool) *kmsg.AddPartitionsToTxnResponse {
	resp := kmsg.NewPtrAddPartitionsToTxnResponse()
	resp.Version = req.Version
	image := c.deps.Image()
	if req.Version < 4 {
		a := addition{id: req.TransactionalID, producerID: req.ProducerID, epoch: req.ProducerEpoch}
		for i := range req.Topics {
			for _, p := range req.Topics[i].Partitions {
				a.tps = append(a.tps, TopicPartition{Topic: req.Topics[i].Topic, Partition: p})
			}
		}
		var each []int16
		if mayID(a.id) {
			each = c.addEach(image, a, mayTopic)
		} else {
			each = same(kerr.TransactionalIDAuthorizationFailed.Code, len(a.tps))
		}
		for i, n := 0, 0; i < len(req.Topics); i++ {
			topic := kmsg.NewAddPartitionsToTxnResponseTopic()
			topic.Topic = req.Topics[i].Topic
			for _, p := range req.Topics[i].Partitions {
				out := kmsg.NewAddPartitionsToTxnResponseTopicPartition()
				out.Partition, out.ErrorCode = p, older(each[n], req.Version < 2)
				topic.Partitions = append(topic.Partitions, out)
				n++
			}
			resp.Topics = append(resp.Topics, topic)
		}
		return resp
	}
	var version int16
	if req.Version >= 5 {
		version = epochBump
	}
	for i := range req.Transactions {
		resp.Transactions = append(resp.Transactions, c.addTransaction(image, &req.Transactions[i], version))
	}
	return resp
}

// addTransaction adds or verifies what a broker asks for one transaction.
func (c *Coordinator) addTransaction(image *metadata.Image, t *kmsg.AddPartitionsToTxnRequestTransaction, version int16) kmsg.AddPartitionsToTxnResponseTransaction {
	a := addition{id: t.TransactionalID, producerID: t.ProducerID, epoch: t.ProducerEpoch, version: version}
	for i := range t.Topics {
		for _, p := range t.Topics[i].Partitions {
			a.tps = append(a.tps, TopicPartition{Topic: t.Topics[i].Topic, Partition: p})
		}
	}
	var each []int16
	if t.VerifyOnly {
		each = c.verify(a)
	} else {
		each = c.addEach(image, a, func(string) bool { return true })
	}
	resp := kmsg.NewAddPartitionsToTxnResponseTransaction()
	resp.TransactionalID = t.TransactionalID
	for i, n := 0, 0; i < len(t.Topics); i++ {
		topic := kmsg.NewAddPartitionsToTxnResponseTransactionTopic()
		topic.Topic = t.Topics[i].Topic
		for _, p := range t.Topics[i].Partitions {
			out := kmsg.NewAddPartitionsToTxnResponseTransactionTopicPartition()
			out.Partition, out.ErrorCode = p, each[n]
			topic.Partitions = append(topic.Partitions, out)
			n++
		}
		resp.Topics = append(resp.Topics, topic)
	}
	return resp
}

// addEach adds partitions to a transaction, all or none, and says what became of
// each. One that cannot be added keeps the others out (OPERATION_NOT_ATTEMPTED).
func (c *Coordinator) addEach(image *metadata.Image, a addition, mayTopic func(string) bool) []int16 {
	each := same(kerr.OperationNotAttempted.Code, len(a.tps))
	bad := false
	for i, tp := range a.tps {
		switch {
		case !mayTopic(tp.Topic):
			each[i], bad = kerr.TopicAuthorizationFailed.Code, true
		case image.Partition(tp) == nil:
			each[i], bad = kerr.UnknownTopicOrPartition.Code, true
		}
	}
	if bad {
		return each
	}
	return same(c.add(image, a), len(a.tps))
}

// same is a list of n times the same code.
func same(code int16, n int) []int16 {
	list := make([]int16, n)
	for i := range list {
		list[i] = code
	}
	return list
}
