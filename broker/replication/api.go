package replication

import (
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/config"
	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/broker/storage"
	"github.com/weirlab/weir/env"
)

// Config says how one broker replicates. Where a field stands for a Kafka
// setting, its comment names it with the value that a zero stands for.
type Config struct {
	BrokerID int32    // node.id
	Dirs     []LogDir // log.dirs

	ReplicaLagTimeMax       time.Duration // replica.lag.time.max.ms, 30 s
	ReplicaFetchWaitMax     time.Duration // replica.fetch.wait.max.ms, 500 ms
	ReplicaFetchBackoff     time.Duration // replica.fetch.backoff.ms, 100 ms
	ReplicaFetchMaxBytes    int32         // replica.fetch.max.bytes, 1 MiB per partition
	ReplicaFetchAnswerBytes int32         // replica.fetch.response.max.bytes, 10 MiB per request
	FetchMaxBytes           int32         // fetch.max.bytes, 55 MiB in an answer to anyone
	ReplicaFetchers         int           // num.replica.fetchers, 1 for each broker to copy from
	ReplicaSocketTimeout    time.Duration // replica.socket.timeout.ms, 30 s
	RackAware               bool          // replica.selector.class is that of racks: consumers are sent to a replica near them

	CheckpointInterval     time.Duration // replica.high.watermark.checkpoint.interval.ms, 5 s
	RetentionCheckInterval time.Duration // log.retention.check.interval.ms, 5 min

	Settings config.Static // what topics have that do not set it themselves
}

// Deps is what a Manager needs from the broker around it.
type Deps struct {
	// BrokerEpoch is the epoch of this broker's registration, -1 before there
	// is one.
	BrokerEpoch func() int64

	// ToController sends a request to the active controller and waits for its
	// answer. The request's version is set.
	ToController func(req kmsg.Request, timeout time.Duration) (kmsg.Response, error)

	// Exists reports whether the newest metadata this broker has knows the
	// partition, whether or not it has been applied here.
	Exists func(tp metadata.TopicPartition) bool

	// Connect opens a connection to a broker for this manager's use alone.
	Connect func(brokerID int32) (Peer, error)

	// OnDirFailed, if set, hears of a directory in which a log failed and takes no
	// more records, or something else could not be written, before the operation
	// that met the error returns. It must not call the manager. With the last
	// directory the broker is to stop, as in Kafka; it hears of every error there.
	OnDirFailed func(id metadata.DirectoryID, last bool, err error)

	// OnHighWatermark, if set, hears of every advance of the high watermark of
	// a partition led here, before anyone can read up to it. It is called with
	// the partition locked and must not block.
	OnHighWatermark func(tp metadata.TopicPartition, leaderEpoch int32, offset int64)

	// Cleaner says how logs are compacted, at this moment. Without it they are not.
	Cleaner func() CleanerConfig

	// ThrottledRates says how fast throttled partitions are replicated, at this
	// moment. Without it there is no limit.
	ThrottledRates func() ThrottledRates

	// OnRoll and OnFirstAppend, if set, hear of what storage.Config tells under
	// these names. They are called with the log locked and must not block.
	OnRoll        func(tp metadata.TopicPartition, offset int64)
	OnFirstAppend func(tp metadata.TopicPartition, leaderEpoch int32, offset int64)
}

// Peer is a connection to another broker that carries one request at a time.
// After an error it is not used again, only closed.
type Peer interface {
	Request(req kmsg.Request, timeout time.Duration) (kmsg.Response, error)
	Close()
}

// AppendPartition is one partition's part of a produce request.
type AppendPartition struct {
	TP      metadata.TopicPartition
	TopicID metadata.TopicID // by which it was named; zero if by name
	Records []byte           // record batches; offsets and epochs are written in place

	// Internal is set for records that the broker itself makes.
	Internal bool

	// Refused, if set, is the result: the records are refused for what the log
	// cannot know, and nothing is appended.
	Refused *AppendResult

	// Options say what more than a client's records may be appended, and when.
	Options storage.AppendOptions

	// ToInternal lets a client append to an internal topic. Without it, and
	// without Internal, that is refused with INVALID_TOPIC_EXCEPTION.
	ToInternal bool

	// Local, if set, is given the outcome of the append to the leader's own log
	// before BeginAppend returns. An error there is final; without one the
	// records are in the log, whatever becomes of them.
	Local *AppendResult
}

// AppendResult is the outcome for one partition. Whether ErrorCode leaves the
// outcome open follows Kafka: NOT_ENOUGH_REPLICAS means that nothing was
// appended, NOT_ENOUGH_REPLICAS_AFTER_APPEND, NOT_LEADER_OR_FOLLOWER and
// REQUEST_TIMED_OUT leave it open.
type AppendResult struct {
	ErrorCode       int16
	ErrorMessage    string // why, for people; empty if there is no error
	BaseOffset      int64  // -1 on error
	LogAppendTimeMs int64  // -1 unless the topic's timestamp type is LogAppendTime
	LogStartOffset  int64  // -1 if unknown

	RecordErrors []storage.RecordError // the records at fault (KIP-467), if it was single ones
}

// FetchParams is the part of a fetch request common to its partitions.
type FetchParams struct {
	ReplicaID     int32         // broker ID of a follower; -1 for a consumer
	ReplicaEpoch  int64         // that broker's epoch (KIP-903); -1 if not given
	MaxWait       time.Duration // how long to wait for MinBytes
	MinBytes      int32
	MaxBytes      int32 // for all partitions; the first non-empty one may exceed it by one batch
	ReadCommitted bool  // read up to the last stable offset

	// AnyReplica says that a consumer takes answers of followers, and goes to the
	// replica that it is told, by the Rack it is in (KIP-392).
	AnyReplica bool
	Rack       string

	// Lend, if set, gives the memory of the records in the results.
	Lend func(n int) []byte

	// Await, if set, has nothing read: the fetch ends once there is enough to read,
	// the time is up, or the signal is set, by whomever.
	Await env.Signal

	// Memory, if set, is where the results are, until it is released or lent to
	// another fetch.
	Memory *FetchMemory

	// Reserve, if set, is asked once, before anything is read, for room for up to
	// want bytes of records but at least least, and says how many there may be;
	// 0 means none now. A first batch that is larger than least may exceed it.
	Reserve func(least, want int) int
}

// FetchPartition is one partition of a fetch request.
type FetchPartition struct {
	TP                 metadata.TopicPartition
	TopicID            metadata.TopicID // by which it was asked for; zero if by name
	CurrentLeaderEpoch int32            // KIP-320; -1 skips the check
	FetchOffset        int64
	LogStartOffset     int64 // of a follower; -1 for a consumer
	LastFetchedEpoch   int32 // KIP-595; -1 skips the divergence check
	MaxBytes           int32
	Until              int64 // records from there on are not wanted, though some may come along; 0 for all
	CleanedTo          int64 // a follower's claim, see claims.go; -1 if there is none or it stands
}

// FetchResult is the answer for one partition.
type FetchResult struct {
	ErrorCode        int16
	HighWatermark    int64 // -1 on error
	LastStableOffset int64 // -1 on error
	LogStartOffset   int64 // -1 if unknown
	Diverging        bool  // the fetcher's log differs after (DivergingEpoch, DivergingEnd); no records
	DivergingEpoch   int32
	DivergingEnd     int64
	LeaderID         int32 // where to go instead, with NOT_LEADER_OR_FOLLOWER and FENCED_LEADER_EPOCH; else -1
	LeaderEpoch      int32 // -1 if LeaderID is
	Records          []byte

	// PreferredReplica is the broker that the consumer should read from instead,
	// -1 for none; there are no records then.
	PreferredReplica int32

	// Aborted are the aborted transactions that have records among Records, if
	// committed ones were asked for.
	Aborted []storage.AbortedTransaction

	RemoveBelow int64 // for a follower: no replica needs a tombstone below it; -1 for nothing new
}

// ListOffsetsResult answers one partition of a ListOffsets request.
type ListOffsetsResult struct {
	ErrorCode   int16
	Offset      int64 // -1 if no record matches
	Timestamp   int64 // of the record found by timestamp; else -1
	LeaderEpoch int32 // of the record at Offset; -1 if unknown
}

// Timestamps with a meaning of their own in ListOffsets.
const (
	TimestampLatest       int64 = -1 // high watermark, or last stable offset under read_committed
	TimestampEarliest     int64 = -2 // log start offset
	TimestampMaxTimestamp int64 = -3 // record with the largest timestamp (KIP-734)

	TimestampEarliestLocal         int64 = -4 // log start offset: no part of a log is elsewhere (KIP-405)
	TimestampLatestTiered          int64 = -5 // none: no part of a log is elsewhere (KIP-1005)
	TimestampEarliestPendingUpload int64 = -6 // none either (KIP-1023)
)

// EpochEndResult answers one partition of an OffsetForLeaderEpoch request.
type EpochEndResult struct {
	ErrorCode   int16
	LeaderEpoch int32 // largest epoch not above the one asked for; -1 if there is none
	EndOffset   int64 // where it ends; -1 if LeaderEpoch is
}

// DeleteRecordsResult answers one partition of a DeleteRecords request.
type DeleteRecordsResult struct {
	ErrorCode    int16
	LowWatermark int64 // new log start offset; -1 on error
}

// ReplicaView is what one replica knows of its partition at one instant, for
// invariant checks from outside. Nobody may change what it refers to.
type ReplicaView struct {
	TP             metadata.TopicPartition
	TopicID        metadata.TopicID
	Directory      metadata.DirectoryID // that the log is in
	Future         FutureView           // where it moves to
	Role           Role
	Leader         int32 // -1 if there is none
	LeaderEpoch    int32
	PartitionEpoch int32
	EpochStart     int64 // log end offset when this leader epoch began; -1 unless leader
	LogStartOffset int64
	LogEndOffset   int64
	HighWatermark  int64

	// LastStableOffset is up to where readers of committed records may read: the
	// high watermark, or where the first transaction begins whose end is not below it.
	LastStableOffset int64

	Replicas      []int32
	ISR           []int32        // committed, as this replica knows it
	MaximalISR    []int32        // ISR with a proposed expansion (KIP-497); nil unless leader
	Progress      []ProgressView // of the followers that count, as the leader knows it; nil unless leader
	MinISR        int32          // effective: at most the number of replicas
	StorageFailed bool

	DirtyFrom   int64        // below it the log is clean
	RemoveBelow int64        // below it no replica needs a tombstone, as this one knows
	Uncleanable error        // why the log is not compacted any more, nil if nothing is wrong
	Log         *storage.Log // to read and compare; never to write
}

// FutureView is the copy of a replica's log that is to take its place in another
// directory (KIP-113).
type FutureView struct {
	Directory metadata.DirectoryID
	Log       *storage.Log // nil if the replica stays where it is
}

// ProgressView is how far a leader knows a follower to be in its epoch.
type ProgressView struct {
	Broker      int32
	BrokerEpoch int64 // of the life that has fetched so far; -1 if it was not given
	Registered  int64 // the broker epoch that metadata has; -1 if it has none
	EndOffset   int64 // of the follower's log
}

// LeadershipListener hears that this broker began (leader true) or ceased to
// lead a partition in an epoch. It is called from the task that applies
// metadata, in order, and must not block for long.
type LeadershipListener func(tp metadata.TopicPartition, leaderEpoch int32, leader bool)
