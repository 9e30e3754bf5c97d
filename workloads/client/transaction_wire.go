package client

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// errorClass says what a producer can do about a refusal (KIP-1050).
type errorClass int8

const (
	classRetriable errorClass = iota + 1 // ask again
	classAbortable                       // only abort the transaction
	classFatal                           // nothing
)

// classOf sorts the error codes of requests about transactions, as Kafka's Java
// client does (TransactionManager): what is not known is fatal.
func classOf(code int16) errorClass {
	switch code {
	case kerr.CoordinatorLoadInProgress.Code, kerr.CoordinatorNotAvailable.Code, kerr.NotCoordinator.Code,
		kerr.ConcurrentTransactions.Code, kerr.UnknownTopicOrPartition.Code, kerr.RequestTimedOut.Code,
		kerr.NetworkException.Code, kerr.NotEnoughReplicas.Code, kerr.NotEnoughReplicasAfterAppend.Code,
		kerr.NotLeaderForPartition.Code, kerr.KafkaStorageError.Code:
		return classRetriable
	case kerr.TransactionAbortable.Code, kerr.UnknownProducerID.Code, kerr.InvalidProducerIDMapping.Code,
		kerr.OutOfOrderSequenceNumber.Code, kerr.TopicAuthorizationFailed.Code, kerr.GroupAuthorizationFailed.Code,
		kerr.OperationNotAttempted.Code, kerr.UnknownMemberID.Code, kerr.IllegalGeneration.Code,
		kerr.FencedInstanceID.Code, kerr.RebalanceInProgress.Code, kerr.StaleMemberEpoch.Code,
		kerr.OffsetMetadataTooLarge.Code, kerr.InvalidCommitOffsetSize.Code:
		return classAbortable
	}
	return classFatal
}

// refusal says that an error is an answer that asking again does not change.
func refusal(err error) bool {
	var code *kerr.Error
	return errors.As(err, &code) && classOf(code.Code) != classRetriable
}

// certain says that a refusal of EndTxn came before anything was written. A
// coordinator answers NOT_COORDINATOR, COORDINATOR_NOT_AVAILABLE and a timeout
// also when writing went wrong.
func certain(code int16) bool {
	switch code {
	case kerr.CoordinatorLoadInProgress.Code, kerr.ConcurrentTransactions.Code:
		return true
	}
	return classOf(code) != classRetriable
}

// ask makes attempts at a request to a coordinator until one succeeds, is refused
// for good, or timeout has passed. attempt returns the error code of the answer.
// unknown is how many attempts may have had an effect and did not say so.
func (t *transactions) ask(what string, key coordinatorKey, timeout time.Duration,
	attempt func(node int32, left time.Duration) (int16, error)) (unknown int, err error) {
	c := t.p.c
	end := c.e.Now() + timeout
	for failures := int32(1); ; failures++ {
		var code int16
		node, err := c.findCoordinator(key, max(end-c.e.Now(), time.Millisecond))
		if err == nil {
			code, err = attempt(node, max(min(end-c.e.Now(), c.cfg.RequestTimeout), time.Millisecond))
			switch {
			case err != nil:
				c.forgetCoordinator(key, node)
				if !errors.Is(err, errNotSent) {
					unknown++
				}
			case code == 0:
				return unknown, nil
			default:
				if coordinatorMoved(code) {
					c.forgetCoordinator(key, node)
				}
				if !certain(code) {
					unknown++
				}
				err = kerr.ErrorForCode(code)
				switch classOf(code) {
				case classFatal:
					return unknown, fmt.Errorf("%w: %s of %s: %w", ErrFatal, what, key, err)
				case classAbortable:
					return unknown, fmt.Errorf("%s of %s: %w", what, key, err)
				}
			}
		}
		pause := c.backoff(failures)
		switch {
		case c.isClosed():
			return unknown, ErrClosed
		case errors.Is(err, errUnsupported):
			return unknown, fmt.Errorf("%w: %s of %s: %w", ErrFatal, what, key, err)
		case end-c.e.Now() <= pause:
			return unknown, fmt.Errorf("%s of %s: gave up after %s: %w", what, key, timeout, err)
		}
		c.e.Sleep(pause)
	}
}

// identity is the producer id and epoch of the transaction.
func (t *transactions) identity() (int64, int16) {
	t.p.mu.Lock()
	defer t.p.mu.Unlock()
	return t.producerID, t.epoch
}

// initProducerID gets a producer id and epoch. With those of before it asks for
// the epoch behind (KIP-360), else it fences whoever has them.
func (t *transactions) initProducerID(timeout time.Duration, id int64, epoch int16) (int64, int16, error) {
	c, key := t.p.c, transactionKey(t.id)
	_, err := t.ask("InitProducerId", key, timeout, func(node int32, left time.Duration) (int16, error) {
		req := kmsg.NewPtrInitProducerIDRequest()
		req.TransactionalID = kmsg.StringPtr(t.id)
		req.TransactionTimeoutMillis = int32(t.p.cfg.TransactionTimeout / time.Millisecond)
		req.ProducerID, req.ProducerEpoch = id, epoch
		resp, err := c.once(node, forGroup, req, left)
		if err != nil {
			return 0, err
		}
		got := resp.(*kmsg.InitProducerIDResponse)
		if got.ErrorCode == 0 {
			id, epoch = got.ProducerID, got.ProducerEpoch
		}
		return got.ErrorCode, nil
	})
	return id, epoch, err
}

// addPartition has the coordinator make a partition part of the transaction.
func (t *transactions) addPartition(tp TopicPartition, timeout time.Duration) error {
	id, epoch := t.identity()
	_, err := t.ask("AddPartitionsToTxn", transactionKey(t.id), timeout, func(node int32, left time.Duration) (int16, error) {
		req := kmsg.NewPtrAddPartitionsToTxnRequest()
		req.TransactionalID, req.ProducerID, req.ProducerEpoch = t.id, id, epoch
		topic := kmsg.NewAddPartitionsToTxnRequestTopic()
		topic.Topic, topic.Partitions = tp.Topic, []int32{tp.Partition}
		req.Topics = append(req.Topics, topic)
		resp, err := t.p.c.once(node, forGroup, req, left)
		if err != nil {
			return 0, err
		}
		for _, topic := range resp.(*kmsg.AddPartitionsToTxnResponse).Topics {
			for _, p := range topic.Partitions {
				if topic.Topic == tp.Topic && p.Partition == tp.Partition {
					return p.ErrorCode, nil
				}
			}
		}
		return 0, errUnanswered
	})
	return err
}

// addOffsets has the coordinator make a group's partition of the offsets topic
// part of the transaction.
func (t *transactions) addOffsets(group string, timeout time.Duration) error {
	id, epoch := t.identity()
	_, err := t.ask("AddOffsetsToTxn", transactionKey(t.id), timeout, func(node int32, left time.Duration) (int16, error) {
		req := kmsg.NewPtrAddOffsetsToTxnRequest()
		req.TransactionalID, req.ProducerID, req.ProducerEpoch, req.Group = t.id, id, epoch, group
		resp, err := t.p.c.once(node, forGroup, req, left)
		if err != nil {
			return 0, err
		}
		return resp.(*kmsg.AddOffsetsToTxnResponse).ErrorCode, nil
	})
	return err
}

// explicitOffsetsVersion is the newest version of TxnOffsetCommit that does not
// join the transaction by itself.
const explicitOffsetsVersion = 4

// commitOffsets hands the offsets to the group's coordinator, which keeps them
// until the transaction ends.
func (t *transactions) commitOffsets(offsets []OffsetCommit, group GroupMetadata, timeout time.Duration) error {
	id, epoch := t.identity()
	highest := maxVersion(int16(kmsg.TxnOffsetCommit))
	if !t.implicit {
		highest = explicitOffsetsVersion
	}
	req := kmsg.NewPtrTxnOffsetCommitRequest()
	req.TransactionalID, req.ProducerID, req.ProducerEpoch = t.id, id, epoch
	req.Group, req.Generation, req.MemberID, req.InstanceID = group.Group, group.Generation, group.MemberID, group.InstanceID
	for _, o := range slices.SortedFunc(slices.Values(offsets), func(a, b OffsetCommit) int { return a.Compare(b.TopicPartition) }) {
		if n := len(req.Topics); n == 0 || req.Topics[n-1].Topic != o.Topic {
			topic := kmsg.NewTxnOffsetCommitRequestTopic()
			topic.Topic = o.Topic
			req.Topics = append(req.Topics, topic)
		}
		part := kmsg.NewTxnOffsetCommitRequestTopicPartition()
		part.Partition, part.Offset, part.LeaderEpoch, part.Metadata = o.Partition, o.Offset, o.LeaderEpoch, kmsg.StringPtr(o.Metadata)
		topic := &req.Topics[len(req.Topics)-1]
		topic.Partitions = append(topic.Partitions, part)
	}
	_, err := t.ask("TxnOffsetCommit", groupKey(group.Group), timeout, func(node int32, left time.Duration) (int16, error) {
		resp, err := t.p.c.onceUpTo(highest, node, forGroup, req, left)
		if err != nil {
			return 0, err
		}
		answered := 0
		for _, topic := range resp.(*kmsg.TxnOffsetCommitResponse).Topics {
			for _, p := range topic.Partitions {
				if answered++; p.ErrorCode != 0 {
					return p.ErrorCode, nil
				}
			}
		}
		if answered < len(offsets) {
			return 0, errUnanswered
		}
		return 0, nil
	})
	return err
}

// explicitEndVersion is the newest version of EndTxn that leaves the producer's
// epoch as it is.
const explicitEndVersion = 4

// endTxn has the coordinator commit or abort. It returns the producer id and epoch
// of the next transaction, negative if they stay, and how many attempts may have
// had an effect and did not say so.
func (t *transactions) endTxn(commit bool, timeout time.Duration) (nextID int64, nextEpoch int16, unknown int, err error) {
	id, epoch := t.identity()
	nextID, nextEpoch = -1, -1
	highest := maxVersion(int16(kmsg.EndTxn))
	if !t.implicit {
		highest = explicitEndVersion
	}
	unknown, err = t.ask("EndTxn", transactionKey(t.id), timeout, func(node int32, left time.Duration) (int16, error) {
		req := kmsg.NewPtrEndTxnRequest()
		req.TransactionalID, req.ProducerID, req.ProducerEpoch, req.Commit = t.id, id, epoch, commit
		resp, err := t.p.c.onceUpTo(highest, node, forGroup, req, left)
		if err != nil {
			return 0, err
		}
		got := resp.(*kmsg.EndTxnResponse)
		if got.ErrorCode == 0 && got.Version > explicitEndVersion && got.ProducerID >= 0 {
			nextID, nextEpoch = got.ProducerID, got.ProducerEpoch
		}
		return got.ErrorCode, nil
	})
	return nextID, nextEpoch, unknown, err
}

// refused makes of a refusal of a transaction's batch the error of its
// transaction: one that is fatal if the producer has been fenced for good.
func (t *transactions) refused(err error) error {
	for _, never := range []*kerr.Error{kerr.ProducerFenced, kerr.TransactionalIDAuthorizationFailed, kerr.ClusterAuthorizationFailed, kerr.UnsupportedVersion} {
		if errors.Is(err, never) {
			return fmt.Errorf("%w: %w", ErrFatal, err)
		}
	}
	return err
}

// hopeless says whether a refusal of a batch ends its transaction: the refusal of a
// sequence number that should have been the next one, or of the producer itself.
// Unlike an idempotent producer, a transactional one begins no new epoch in the
// middle. The lock is held.
func (t *transactions) hopeless(pt *partition, b *batch, code int16) bool {
	switch code {
	case kerr.OutOfOrderSequenceNumber.Code, kerr.UnknownProducerID.Code:
		if pt.first(b) {
			b.refuse(kerr.ErrorForCode(code))
			return true
		}
		return false // behind a batch that is still to be retried
	case kerr.ConcurrentTransactions.Code:
		return false
	}
	return !kerr.IsRetriable(kerr.ErrorForCode(code))
}
