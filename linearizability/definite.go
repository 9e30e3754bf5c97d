package linearizability

import "github.com/twmb/franz-go/pkg/kerr"

// definite are the error codes of a Produce answer which promise that the
// attempt appended nothing, as read in Kafka's code. The notable absentees:
// NOT_LEADER_OR_FOLLOWER and UNKNOWN_TOPIC_OR_PARTITION also come out of
// purgatory after a local append (KAFKA-13574, and a topic deleted meanwhile),
// NOT_ENOUGH_REPLICAS_AFTER_APPEND and REQUEST_TIMED_OUT follow
// an append by definition, and DUPLICATE_SEQUENCE_NUMBER says that an earlier
// attempt did append.
var definite = map[int16]bool{
	kerr.NotEnoughReplicas.Code:           true,
	kerr.InvalidRecord.Code:               true,
	kerr.MessageTooLarge.Code:             true,
	kerr.RecordListTooLarge.Code:          true,
	kerr.CorruptMessage.Code:              true,
	kerr.InvalidTimestamp.Code:            true,
	kerr.InvalidRequiredAcks.Code:         true,
	kerr.UnsupportedForMessageFormat.Code: true,
	kerr.UnsupportedCompressionType.Code:  true,
	kerr.PolicyViolation.Code:             true,
	kerr.InvalidTopicException.Code:       true,
	kerr.TopicAuthorizationFailed.Code:    true,
	kerr.ClusterAuthorizationFailed.Code:  true,
	kerr.OutOfOrderSequenceNumber.Code:    true,
	kerr.InvalidProducerEpoch.Code:        true,
	kerr.ProducerFenced.Code:              true,
	kerr.UnknownProducerID.Code:           true,
	kerr.InvalidProducerIDMapping.Code:    true,
	kerr.UnsupportedVersion.Code:          true,
	// Of transactions: the check comes before the append (KIP-890).
	kerr.InvalidTxnState.Code:        true,
	kerr.ConcurrentTransactions.Code: true,
	kerr.TransactionAbortable.Code:   true,
}

// DefiniteError says whether a Produce attempt that was answered with this
// Kafka error code certainly appended nothing. A record is only then [Fail]
// if every attempt to send it ended so; one attempt whose fate is unknown
// makes the whole send [Info].
func DefiniteError(code int16) bool { return definite[code] }

// unfit says whether an error of this name finds fault with the records as they
// are: no leader would take them, whatever became of the cluster.
func unfit(name string) bool {
	switch name {
	case kerr.MessageTooLarge.Message, kerr.RecordListTooLarge.Message, kerr.InvalidRecord.Message, kerr.InvalidTimestamp.Message:
		return true
	}
	return false
}
