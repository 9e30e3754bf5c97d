package broker_test

import (
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// txnID is the transactional id of these tests.
const txnID = "x"

// findTransactions waits for the coordinator of txnID.
func (w *world) findTransactions() (id int) {
	w.until("transaction coordinator", func() bool {
		for i, s := range w.nodes {
			if !s.node.Alive() || s.node.Paused() {
				continue
			}
			resp, err := w.try(i+1, &kmsg.FindCoordinatorRequest{CoordinatorKey: txnID, CoordinatorType: 1}, 2)
			if err == nil && resp.(*kmsg.FindCoordinatorResponse).ErrorCode == 0 {
				id = int(resp.(*kmsg.FindCoordinatorResponse).NodeID)
				return true
			}
		}
		return false
	})
	return id
}

// askTransactions asks the coordinator of txnID until it answers for itself.
func (w *world) askTransactions(req kmsg.Request, version int16, code func(kmsg.Response) int16) (resp kmsg.Response) {
	w.until("answer of the transaction coordinator", func() bool {
		var err error
		resp, err = w.try(w.findTransactions(), req, version)
		if err != nil {
			return false
		}
		switch code(resp) {
		case kerr.CoordinatorLoadInProgress.Code, kerr.CoordinatorNotAvailable.Code, kerr.NotCoordinator.Code, kerr.ConcurrentTransactions.Code:
			return false
		}
		return true
	})
	return resp
}

func (w *world) initProducer(timeout time.Duration) *kmsg.InitProducerIDResponse {
	id := txnID
	req := &kmsg.InitProducerIDRequest{TransactionalID: &id, TransactionTimeoutMillis: int32(timeout.Milliseconds()), ProducerID: -1, ProducerEpoch: -1}
	return w.askTransactions(req, 5, func(r kmsg.Response) int16 { return r.(*kmsg.InitProducerIDResponse).ErrorCode }).(*kmsg.InitProducerIDResponse)
}

func (w *world) addToTransaction(p *kmsg.InitProducerIDResponse, topic string) int16 {
	code := func(r kmsg.Response) int16 {
		return r.(*kmsg.AddPartitionsToTxnResponse).Topics[0].Partitions[0].ErrorCode
	}
	return code(w.askTransactions(&kmsg.AddPartitionsToTxnRequest{TransactionalID: txnID, ProducerID: p.ProducerID, ProducerEpoch: p.ProducerEpoch,
		Topics: []kmsg.AddPartitionsToTxnRequestTopic{{Topic: topic, Partitions: []int32{0}}}}, 3, code))
}

func (w *world) describeTransaction() kmsg.DescribeTransactionsResponseTransactionState {
	state := func(r kmsg.Response) kmsg.DescribeTransactionsResponseTransactionState {
		return r.(*kmsg.DescribeTransactionsResponse).TransactionStates[0]
	}
	return state(w.askTransactions(&kmsg.DescribeTransactionsRequest{TransactionalIDs: []string{txnID}}, 0, func(r kmsg.Response) int16 { return state(r).ErrorCode }))
}

// transactionalIDStays begins to use a transactional id and reports whether it is
// known three minutes later.
func transactionalIDStays(w *world, _ string) any {
	w.initProducer(time.Second)
	w.sleep(3 * time.Minute)
	return w.describeTransaction().ErrorCode == 0
}
