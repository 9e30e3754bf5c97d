package linearizability

import "time"

// ClusterView is a white-box picture of a whole cluster at one instant.
type ClusterView struct {
	Time        time.Duration
	Brokers     []BrokerView
	Replicas    []ReplicaView
	Controllers []ControllerView
	// ProducerExpiration is how long a log remembers a producer that is silent; 0 if
	// it is not known.
	ProducerExpiration time.Duration
	// Voters is how many there are in the metadata quorum, whether they are in
	// Controllers or not; 0 if it is not known.
	Voters int
	// StepDown is how long a controller that hears of no majority of the voters
	// may go on; 0 if it is not known.
	StepDown time.Duration
	// Partitions is the committed metadata as the newest controller leader
	// has it.
	Partitions []PartitionState
}

// BrokerView is one broker's life.
type BrokerView struct {
	Broker int32
	// Running says that the process is up and not paused.
	Running bool
	// Registered says that its present incarnation is registered with the
	// controller and not fenced. Only then do ISR and ELR speak of it.
	Registered bool
	// Fenced says that the metadata of this picture has the broker fenced, or
	// not at all.
	Fenced bool
	// Incarnation changes with every start of the process.
	Incarnation int64
	// Epoch is that of the registration which the broker knows itself to have; 0 if
	// it is not known.
	Epoch int64
	// Known is that of the registration which the metadata of this picture has; 0 if
	// it is not known.
	Known int64
}

// Progress is how far a leader takes a follower to be in its leader epoch.
type Progress struct {
	Broker     int32
	Epoch      int64 // of the registration under which it fetched
	Registered int64 // of the registration that the leader knows
	LogEnd     int64
}

// ReplicaView is one replica of one partition, inside the broker that has it.
type ReplicaView struct {
	Topic     string
	Partition int32
	Broker    int32
	// Leader says that the broker believes itself to be the leader.
	Leader        bool
	LeaderEpoch   int32
	LogStart      int64
	HighWatermark int64
	LogEnd        int64
	// Stable is the last stable offset as the replica knows it, 0 if it is not
	// known: read_committed reads up to it.
	Stable int64
	// EpochStart is the offset at which the leader began LeaderEpoch, None if
	// the replica does not lead.
	EpochStart int64
	// PartitionEpoch and ISR as a leader has them; MaximalISR adds what it has
	// asked the controller for and not yet heard about (KIP-497).
	PartitionEpoch int32
	ISR            []int32
	MaximalISR     []int32
	// Progress is how far a leader takes its followers to be; nil if it is not known.
	Progress []Progress
	// Failed says that the replica cannot use its disk any more.
	Failed bool
	// Gaps says that the log is compacted: offsets may be missing.
	Gaps bool
	// Cleaned is up to where the log has been compacted.
	Cleaned int64
	// Log gives access to what is stored; nil if it cannot be read now.
	Log LogView
}

// LogView reads the shape of a log without decoding records.
type LogView interface {
	// Batches calls yield for each batch that lies within [from, to), in order,
	// until it returns false.
	Batches(from, to int64, yield func(BatchID) bool) error
	// Epochs is the log's epoch cache: its leader epochs, ascending, with where
	// they begin.
	Epochs() []EpochEntry
	// Producers is what the log knows of idempotent producers, by ascending id, of
	// each the last batch, and up to where the log is written, synced or not.
	Producers() (known []ProducerEntry, written int64)
	// Cuts counts how often the end of the log was cut since the process began.
	Cuts() uint64
	// ProducerOf is what the batch with these first and last offsets says of its
	// producer; ok is false if there is no such batch.
	ProducerOf(base, last int64) (e ProducerEntry, ok bool)
	// Keyed calls yield for each record with a key in [from, to) that a reader with
	// read_committed has, in order.
	Keyed(from, to int64, yield func(KeyedRecord)) error
}

// ProducerEntry is a batch of an idempotent producer.
type ProducerEntry struct {
	ID       int64
	Epoch    int16
	Sequence int32 // of the last record, None if no batch of the epoch is known
	// The offsets of the batch.
	BaseOffset int64
	LastOffset int64
}

// BatchID identifies a batch and its bytes.
type BatchID struct {
	BaseOffset  int64
	LastOffset  int64
	LeaderEpoch int32
	CRC         uint32
}

// ControllerView is one voter of the metadata quorum.
type ControllerView struct {
	Node    int32
	Running bool
	// Ran says that the voter does not run at this moment but did after the picture
	// before: one that shares its processor may be paused at each picture, and
	// takes part in between.
	Ran bool
	// Unseen says that the voter may take part although it cannot be looked at:
	// nothing else here is known, and Running is not set.
	Unseen bool
	Leader bool
	Epoch  int32
	// VotedFor is whom the voter has given its vote of Epoch, None if nobody or if
	// that is not known.
	VotedFor int32
	// Cut are the voters to which or from which nothing gets through.
	Cut []int32
	// LogStart, HighWatermark and LogEnd of the metadata log. What is before its
	// start is in a snapshot.
	LogStart      int64
	HighWatermark int64
	LogEnd        int64
	// Log as in ReplicaView.
	Log LogView
}
