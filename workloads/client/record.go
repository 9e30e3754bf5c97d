package client

import "time"

// TopicPartition names a partition.
type TopicPartition struct {
	Topic     string
	Partition int32
}

// Compare orders by topic, then partition.
func (tp TopicPartition) Compare(other TopicPartition) int {
	switch {
	case tp.Topic < other.Topic:
		return -1
	case tp.Topic > other.Topic:
		return 1
	case tp.Partition < other.Partition:
		return -1
	case tp.Partition > other.Partition:
		return 1
	}
	return 0
}

// PartitionAny, as a Record's Partition, leaves the choice to the Partitioner.
const PartitionAny int32 = -1

// Header is a record header.
type Header struct {
	Key   string
	Value []byte
}

// Record is a record to produce.
type Record struct {
	Topic     string
	Partition int32 // PartitionAny or a partition
	Key       []byte
	Value     []byte
	Headers   []Header

	// TimestampMillis is the CreateTime; 0 means the wall clock at Produce.
	TimestampMillis int64

	// Tag is the caller's: it comes back with the record and is not sent.
	Tag any
}

// Refusal is an attempt that a broker refused for its sequence number.
type Refusal struct {
	Err           error // OUT_OF_ORDER_SEQUENCE_NUMBER or UNKNOWN_PRODUCER_ID
	ProducerID    int64
	ProducerEpoch int16
	Sequence      int32 // of the batch's first record
}

// Result is what became of one produced record.
type Result struct {
	// Outcome says what is known of the record; Err says why, unless OK.
	Outcome Outcome
	Err     error

	// Partition is where the record went, PartitionAny if nowhere.
	Partition int32

	// Offset is where the record is in the log: known only with OutcomeOK,
	// and even then -1 under acks=0 or when the broker knew the batch as an
	// old duplicate.
	Offset int64

	// LeaderID and LeaderEpoch are the leader the last attempt went to as the
	// client then knew it; -1 if there was no attempt.
	LeaderID    int32
	LeaderEpoch int32

	// ProducerID, ProducerEpoch and Sequence identify the record under
	// idempotence; -1 otherwise. They are of the last attempt.
	ProducerID    int64
	ProducerEpoch int16
	Sequence      int32

	// Refused is how an attempt was refused for its sequence number although
	// nothing before it was outstanding, nil if none was. A broker that has the
	// record must not do that.
	Refused *Refusal

	// Attempts counts wire attempts; Indefinite counts those of them whose
	// effect is unknown.
	Attempts   int32
	Indefinite int32

	// LogAppendMillis is the LogAppendTime in ms if the topic uses it, else -1.
	LogAppendMillis int64

	// FirstSent is when the first attempt was written (env.Clock.Now), 0 if
	// there was none.
	FirstSent time.Duration
}

// ConsumedRecord is a record read from a partition. Its slices belong to the
// response they came in: holding one holds the whole batch in memory.
type ConsumedRecord struct {
	Topic           string
	Partition       int32
	Offset          int64
	LeaderEpoch     int32 // of the leader that appended it
	TimestampMillis int64
	Key, Value      []byte
	Headers         []Header

	ProducerID    int64 // -1 without idempotence
	ProducerEpoch int16
	Sequence      int32
	Transactional bool
}
