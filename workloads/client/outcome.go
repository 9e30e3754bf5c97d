package client

import "github.com/twmb/franz-go/pkg/kerr"

// Outcome is what is known of an operation's effect. It is the whole of what
// a history may claim: a record whose outcome is OutcomeFail is never in the
// log, one with OutcomeInfo may turn up there at any later time.
type Outcome int8

const (
	// OutcomeOK: the effect took place.
	OutcomeOK Outcome = iota + 1
	// OutcomeFail: the effect did not and will not take place, since each
	// attempt on the wire was refused before anything was appended.
	OutcomeFail
	// OutcomeInfo: unknown; some attempt may have had or may yet have effect.
	OutcomeInfo
)

// String is the Jepsen type of a completion: ok, fail or info.
func (o Outcome) String() string {
	switch o {
	case OutcomeOK:
		return "ok"
	case OutcomeFail:
		return "fail"
	case OutcomeInfo:
		return "info"
	}
	return "none"
}

// ProduceOutcome classifies one partition's error code in one produce
// response. It says what that attempt did, not what earlier attempts of the
// same batch did.
//
// NOT_LEADER_OR_FOLLOWER is indefinite: a leader that loses its office while
// the request waits for replication answers so, after it has appended
// (KAFKA-13574). So is UNKNOWN_TOPIC_OR_PARTITION, which is the answer if the
// topic is deleted meanwhile.
func ProduceOutcome(code int16) Outcome {
	switch code {
	case 0, kerr.DuplicateSequenceNumber.Code:
		return OutcomeOK
	case kerr.NotEnoughReplicas.Code,
		kerr.InvalidRecord.Code,
		kerr.MessageTooLarge.Code,
		kerr.RecordListTooLarge.Code,
		kerr.CorruptMessage.Code,
		kerr.InvalidRequiredAcks.Code,
		kerr.InvalidTimestamp.Code,
		kerr.InvalidTopicException.Code,
		kerr.InvalidRequest.Code,
		kerr.PolicyViolation.Code,
		kerr.UnsupportedVersion.Code,
		kerr.UnsupportedForMessageFormat.Code,
		kerr.UnsupportedCompressionType.Code,
		kerr.TopicAuthorizationFailed.Code,
		kerr.ClusterAuthorizationFailed.Code,
		kerr.TransactionalIDAuthorizationFailed.Code,
		kerr.OutOfOrderSequenceNumber.Code,
		kerr.UnknownProducerID.Code,
		kerr.InvalidProducerEpoch.Code,
		kerr.ProducerFenced.Code,
		kerr.InvalidProducerIDMapping.Code,
		kerr.ConcurrentTransactions.Code,
		kerr.TransactionAbortable.Code,
		kerr.InvalidTxnState.Code:
		return OutcomeFail
	}
	return OutcomeInfo
}

// CommitOutcome classifies one partition's error code in one offset-commit
// response. NOT_COORDINATOR and COORDINATOR_NOT_AVAILABLE are indefinite:
// they are also how a coordinator reports that replicating an appended commit
// went wrong.
func CommitOutcome(code int16) Outcome {
	switch code {
	case 0:
		return OutcomeOK
	case kerr.CoordinatorLoadInProgress.Code,
		kerr.UnknownMemberID.Code,
		kerr.IllegalGeneration.Code,
		kerr.FencedInstanceID.Code,
		kerr.FencedMemberEpoch.Code,
		kerr.StaleMemberEpoch.Code,
		kerr.RebalanceInProgress.Code,
		kerr.InvalidGroupID.Code,
		kerr.GroupIDNotFound.Code,
		kerr.InvalidSessionTimeout.Code,
		kerr.InvalidRequest.Code,
		kerr.InvalidCommitOffsetSize.Code,
		kerr.OffsetMetadataTooLarge.Code,
		kerr.UnsupportedVersion.Code,
		kerr.UnknownTopicOrPartition.Code,
		kerr.UnknownTopicID.Code,
		kerr.TopicAuthorizationFailed.Code,
		kerr.GroupAuthorizationFailed.Code:
		return OutcomeFail
	}
	return OutcomeInfo
}
