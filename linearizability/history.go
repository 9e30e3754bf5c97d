package linearizability

import (
	"math"
	"strconv"
	"time"
)

// Never is the return time of an operation that may still take effect: one
// that ended as Info, or not at all.
const Never time.Duration = math.MaxInt64

// TopicPartition names a partition.
type TopicPartition struct {
	Topic     string
	Partition int32
}

// String is the usual form, "orders-3".
func (tp TopicPartition) String() string {
	return tp.Topic + "-" + strconv.Itoa(int(tp.Partition))
}

// History is a whole run as its clients saw it, with the facts about faults,
// leadership and stored logs that the judge needs. Operations stand in the
// order in which they were invoked.
type History struct {
	Sends   []SendOp
	Polls   []PollOp
	Offsets []OffsetOp
	Ends    []EndOp
	Batches []BatchOp // instead of Sends where batches are recorded

	Transactions []TransactOp
	Inits        []InitOp

	// Recording is how much of the run the history holds.
	Recording Recording
	// Manifest says what evidence the history was to hold, nil if it does not
	// say so, and Closing what it held when it was closed, nil if it never was.
	Manifest *Manifest
	Closing  *End

	Topics          []Topic
	Faults          []Fault
	States          []PartitionState
	Epochs          []EpochStart
	HighWatermarks  []HighWatermark
	Scans           []Scan
	Assignments     []Assignment
	Flaws           []Flaw
	Administrations []Administration
	Sharings        []Sharing

	// Live are verdicts on what was watched while the run went on.
	Live []Verdict

	// CutShort says where the file ended inside a line or an operation, ""
	// if it did not.
	CutShort string
	// Altered says what shows that the file is not as it was written, "" if
	// nothing does.
	Altered string
}

// SendOp is one record sent.
type SendOp struct {
	TP            TopicPartition
	Process       int64
	Call, Return  time.Duration // Return is Never unless OK or Fail
	Value         int64
	Ended         time.Duration // when the client learned the outcome, Never if it did not
	Offset        int64         // None unless OK and told by the broker
	ProducerID    int64
	Sequence      int32
	Broker        int32
	LeaderEpoch   int32
	Attempts      int32
	Acks          int16
	ProducerEpoch int16
	Idempotent    bool
	Outcome       Type
	Error         string
	Refused       *Refusal
}

// BatchOp is one record batch sent. Value, Offset and Sequence are those of
// its first record.
type BatchOp struct {
	SendOp
	Runs []Run // nil if the operation was never completed
}

// PollOp is one fetch from one partition.
type PollOp struct {
	TP           TopicPartition
	Process      int64
	Session      int64
	Call, Return time.Duration
	Position     int64 // asked from here
	Records      []Record
	Runs         []Run // instead of Records where batches are recorded
	LeaderEpoch  int32 // in which the last record was appended, None if not known
	Outcome      Type
	// ReadCommitted says that only what is committed was asked for.
	ReadCommitted bool
	Error         string
}

// OffsetOp is one commit of a group's offset, or a look-up of it.
type OffsetOp struct {
	Group        string
	TP           TopicPartition
	Process      int64
	Call, Return time.Duration
	Offset       int64
	Write        bool  // a commit
	Generation   int64 // in which a member committed, 0 if no member did
	Outcome      Type
	Error        string
}

// EndOp is one look-up of a partition's end.
type EndOp struct {
	TP           TopicPartition
	Process      int64
	Call, Return time.Duration
	Offset       int64
	LeaderEpoch  int32
	Outcome      Type
	Error        string
}

// topic returns the settings of a topic. A topic that nobody described gets
// the strictest reading: replication factor and minimum ISR so high that no
// loss is excused.
func (h *History) topic(name string) Topic {
	for _, t := range h.Topics {
		if t.Name == name {
			return t
		}
	}
	return Topic{Name: name, ReplicationFactor: math.MaxInt32, MinISR: math.MaxInt32}
}
