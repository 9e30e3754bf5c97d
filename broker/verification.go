package broker

import (
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/coordinator"
	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/broker/replication"
	"github.com/weirlab/weir/broker/storage"
)

// This file asks transaction coordinators, for the leaders of partitions, whether
// a partition belongs to a transaction (KIP-890, Kafka's AddPartitionsToTxnManager).

// transactionSupport is how far a client knows transactions, by the version of its
// request (Kafka's TransactionSupportedOperation).
type transactionSupport int8

const (
	// oldErrors is a client that does not know TRANSACTION_ABORTABLE.
	oldErrors transactionSupport = iota
	// abortable is one that does.
	abortable
	// addsPartitions is one that leaves it to the leaders to add partitions to its
	// transactions, each of which has an epoch of its own (transaction.version 2).
	addsPartitions
)

// produceSupport is the transactionSupport of Produce, by version.
func produceSupport(version int16) transactionSupport {
	switch {
	case version >= 12:
		return addsPartitions
	case version == 11:
		return abortable
	}
	return oldErrors
}

// openTransaction names a transaction that a producer says to have open.
type openTransaction struct {
	id         string // transactional.id
	producerID int64
	epoch      int16
	support    transactionSupport
}

// verificationPatience is how long a coordinator is given to answer. The client's
// connection waits meanwhile; what failed is tried again by the client.
const verificationPatience = 5 * time.Second

// retryVerification reports, having waited, whether a coordinator is to be asked
// again that was first asked at began and has answered with code: one that still
// ends the transaction before, as is common and cheaper than to have the client
// send its records again. The marker that it waits for makes the verification
// void, so that each try needs one of its own.
func (b *Broker) retryVerification(txn openTransaction, code int16, began time.Duration) bool {
	settings := b.settings.Load()
	return code == kerr.ConcurrentTransactions.Code && txn.support == addsPartitions &&
		b.e.Now()-began < min(settings.AddPartitionsRetryMax, verificationPatience) && !b.stopping.Wait(settings.AddPartitionsRetry)
}

// askCoordinator asks the transaction's coordinator whether the partitions belong
// to it, or has it add them if that is the client's way, and returns an error code
// for each. It blocks for at most verificationPatience.
func (b *Broker) askCoordinator(txn openTransaction, tps []metadata.TopicPartition) []int16 {
	req := kmsg.NewPtrAddPartitionsToTxnRequest()
	req.Version = 5
	t := kmsg.NewAddPartitionsToTxnRequestTransaction()
	t.TransactionalID, t.ProducerID, t.ProducerEpoch = txn.id, txn.producerID, txn.epoch
	t.VerifyOnly = txn.support != addsPartitions
	at := map[string]int{}
	for _, tp := range tps {
		i, ok := at[tp.Topic]
		if !ok {
			i = len(t.Topics)
			at[tp.Topic] = i
			topic := kmsg.NewAddPartitionsToTxnRequestTransactionTopic()
			topic.Topic = tp.Topic
			t.Topics = append(t.Topics, topic)
		}
		t.Topics[i].Partitions = append(t.Topics[i].Partitions, tp.Partition)
	}
	req.Transactions = append(req.Transactions, t)
	codes := make([]int16, len(tps))
	answers, code := b.toTransactionCoordinator(txn.id, req)
	// The answer may be on its way for longer, or get lost.
	if d := b.e.Lab().Late("broker/verification-late", time.Second); d > 0 {
		b.stopping.Wait(d)
	}
	if b.e.Lab().Rare("broker/verification-lost") {
		code = networkException
	}
	for i, tp := range tps {
		known, ok := answers[tp]
		switch {
		case code != 0:
			known = code
		case !ok:
			known = networkException // it has not answered what it was asked
		case known == kerr.ProducerFenced.Code:
			known = kerr.InvalidProducerEpoch.Code // which producers expect here
		case known == kerr.TransactionAbortable.Code && txn.support == oldErrors:
			known = kerr.InvalidTxnState.Code
		}
		codes[i] = known
	}
	return codes
}

// networkException is NETWORK_EXCEPTION, which clients are never sent.
const networkException = 13

// toTransactionCoordinator sends the request to the coordinator of a transactional
// id, and returns what it says of each partition, or an error code for all.
func (b *Broker) toTransactionCoordinator(id string, req *kmsg.AddPartitionsToTxnRequest) (map[metadata.TopicPartition]int16, int16) {
	image := b.controller.Image()
	topic := image.Topic(metadata.TransactionStateTopic)
	if topic == nil {
		return nil, kerr.CoordinatorNotAvailable.Code
	}
	n := coordinator.PartitionFor(id, int32(len(topic.Partitions)))
	leader := image.Broker(image.Partition(metadata.TopicPartition{Topic: topic.Name, Partition: n}).Leader)
	if leader == nil || leader.Fenced {
		return nil, kerr.CoordinatorNotAvailable.Code
	}
	var resp kmsg.Response
	var err error
	if leader.ID == b.cfg.NodeID {
		resp, err = b.Do(req)
	} else {
		resp, err = b.peers.request(leader.Addr(), "transactions", req, verificationPatience)
	}
	answer, ok := resp.(*kmsg.AddPartitionsToTxnResponse)
	switch {
	case err != nil || !ok:
		return nil, networkException
	case answer.ErrorCode == kerr.ClusterAuthorizationFailed.Code:
		return nil, kerr.InvalidTxnState.Code // the client has nothing to do with that
	case answer.ErrorCode != 0:
		return nil, answer.ErrorCode
	}
	codes := map[metadata.TopicPartition]int16{}
	for _, t := range answer.Transactions {
		for _, topic := range t.Topics {
			for _, p := range topic.Partitions {
				codes[metadata.TopicPartition{Topic: topic.Topic, Partition: p.Partition}] = p.ErrorCode
			}
		}
	}
	return codes, 0
}

// beginTransaction verifies those of the parts that would begin the transaction in
// their partition, and refuses what is not verified. The appends must be tried
// next, and then endVerification called.
func (b *Broker) beginTransaction(txn openTransaction, parts []replication.AppendPartition) {
	settings := b.settings.Load()
	var ask []int
	for i := range parts {
		parts[i].Options.Unverified = !settings.TransactionVerification
		batch, _, err := storage.SplitBatch(parts[i].Records)
		if parts[i].Refused == nil && err == nil && batch.IsTransactional() {
			ask = append(ask, i)
		}
	}
	if !settings.TransactionVerification && txn.support != addsPartitions {
		return
	}
	began := b.e.Now()
	for ask = b.verify(txn, parts, ask); len(ask) > 0 && b.retryVerification(txn, kerr.ConcurrentTransactions.Code, began); {
		ask = b.verify(txn, parts, ask)
	}
	for _, i := range ask {
		parts[i].Refused = unverified(kerr.ConcurrentTransactions.Code, txn.support)
	}
}

// verify asks once about some of the parts, and returns those to ask about again:
// their coordinator still ends the transaction before, or has just ended it, and
// the marker made void what was begun here. Each is verified anew.
func (b *Broker) verify(txn openTransaction, parts []replication.AppendPartition, which []int) (again []int) {
	var asked []int
	var tps []metadata.TopicPartition
	for _, i := range which {
		p := &parts[i]
		b.replicas.EndVerification(p.TP, p.Options.Verified)
		batch := storage.Batch(p.Records)
		v, code := b.replicas.BeginVerification(p.TP, txn.producerID, txn.epoch, batch.BaseSequence(), txn.support == addsPartitions)
		switch p.Options.Verified = v; {
		case code != 0:
			p.Refused = unverified(code, txn.support)
		case v != nil:
			asked, tps = append(asked, i), append(tps, p.TP)
		}
	}
	if len(asked) == 0 {
		return nil
	}
	for k, code := range b.askCoordinator(txn, tps) {
		p := &parts[asked[k]]
		switch {
		case code == 0 && b.replicas.Verified(p.TP, p.Options.Verified):
		case code == 0 || code == kerr.ConcurrentTransactions.Code:
			again = append(again, asked[k])
		default:
			p.Refused = unverified(code, txn.support)
		}
	}
	return again
}

func (b *Broker) endVerification(parts []replication.AppendPartition) {
	for i := range parts {
		b.replicas.EndVerification(parts[i].TP, parts[i].Options.Verified)
	}
}

// unverified is the answer for a partition that is not verified. What can be tried
// again is NOT_ENOUGH_REPLICAS, which every client tries again without asking for
// metadata first.
func unverified(code int16, support transactionSupport) *replication.AppendResult {
	r := &replication.AppendResult{ErrorCode: code, BaseOffset: -1, LogAppendTimeMs: -1, LogStartOffset: -1}
	switch code {
	case kerr.InvalidTxnState.Code:
		r.ErrorMessage = "Partition was not added to the transaction"
	case kerr.ConcurrentTransactions.Code:
		if support == addsPartitions {
			break // common while the transaction before ends: such a client knows it
		}
		fallthrough
	case networkException, kerr.CoordinatorLoadInProgress.Code, kerr.CoordinatorNotAvailable.Code, kerr.NotCoordinator.Code:
		r.ErrorCode = kerr.NotEnoughReplicas.Code
		r.ErrorMessage = "Unable to verify the partition has been added to the transaction. Underlying error: " + kerr.ErrorForCode(code).Error()
	}
	return r
}
