package config

import (
	"math"
	"strconv"
)

// Names of the topic settings that code asks for one at a time.
const (
	CleanupPolicy         = "cleanup.policy"
	CompressionType       = "compression.type"
	FollowerThrottled     = "follower.replication.throttled.replicas"
	LeaderThrottled       = "leader.replication.throttled.replicas"
	MaxMessageBytes       = "max.message.bytes"
	MinInsyncReplicas     = "min.insync.replicas"
	RetentionMillis       = "retention.ms"
	SegmentBytes          = "segment.bytes"
	UncleanLeaderElection = "unclean.leader.election.enable"
)

// RackAwareSelector is what replica.selector.class may name.
const RackAwareSelector = "org.apache.kafka.common.replica.RackAwareReplicaSelector"

const (
	minutes = 60_000    // milliseconds
	hours   = 3_600_000 // milliseconds
	never   = math.MaxInt64
)

var neverText = strconv.FormatInt(never, 10)

const (
	tiered         = "tiered storage"
	inStorage      = "broker/storage"
	inManager      = "broker/replication"
	inController   = "broker/controller"
	inGroups       = "broker/group"
	inTransactions = "broker/transaction"
)

// topicSettings are Kafka's 33 settings of topics (TopicConfig) and its
// internal one, by name.
func topicSettings() []Setting {
	return []Setting{
		{Name: CleanupPolicy, Type: List, Default: "delete", Valid: listOf("compact", "delete"),
			Synonyms:  []Synonym{{Name: "log.cleanup.policy", Update: ClusterWide}},
			AppliedBy: inStorage,
			Doc: "What happens to old records: delete removes segments by retention.ms and retention.bytes, " +
				"compact removes records for whose key there is a later one."},
		{Name: "compression.gzip.level", Type: Int, Default: "-1", Valid: gzipLevel,
			Synonyms: []Synonym{{Name: "compression.gzip.level", Update: ClusterWide}},
			Needs:    "a choice of compression levels", AppliedBy: inStorage,
			Doc: "The gzip level, if compression.type is gzip."},
		{Name: "compression.lz4.level", Type: Int, Default: "9", Valid: between(1, 17),
			Synonyms: []Synonym{{Name: "compression.lz4.level", Update: ClusterWide}},
			Needs:    "a choice of compression levels", AppliedBy: inStorage,
			Doc: "The lz4 level, if compression.type is lz4."},
		{Name: CompressionType, Type: String, Default: "producer", Valid: oneOf("uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"),
			Synonyms:  []Synonym{{Name: "compression.type", Update: ClusterWide}},
			AppliedBy: inStorage,
			Doc:       "How batches are stored: as the producer compressed them (producer), or compressed so by the leader."},
		{Name: "compression.zstd.level", Type: Int, Default: "3", Valid: between(-131072, 22),
			Synonyms: []Synonym{{Name: "compression.zstd.level", Update: ClusterWide}},
			Needs:    "a choice of compression levels", AppliedBy: inStorage,
			Doc: "The zstd level, if compression.type is zstd."},
		{Name: "delete.retention.ms", Type: Long, Default: "86400000", Valid: atLeast(0),
			Synonyms:  []Synonym{{Name: "log.cleaner.delete.retention.ms", Update: ClusterWide}},
			AppliedBy: inStorage,
			Doc:       "How long compaction keeps a tombstone at least, in milliseconds, from when it has first met it."},
		{Name: "file.delete.delay.ms", Type: Long, Default: "60000", Valid: atLeast(0),
			Synonyms: []Synonym{{Name: "log.segment.delete.delay.ms", Update: ClusterWide}},
			Needs:    "delayed removal of files: they go at once", AppliedBy: inStorage,
			Doc: "How long a removed segment's files stay on disk, in milliseconds."},
		{Name: "flush.messages", Type: Long, Default: neverText, Valid: atLeast(1),
			Synonyms:  []Synonym{{Name: "log.flush.interval.messages", Update: ClusterWide}},
			AppliedBy: inStorage,
			Doc:       "After how many records an append waits for fsync. By default replication is the durability and flushing is left to the operating system."},
		{Name: "flush.ms", Type: Long, Default: neverText, Valid: atLeast(0),
			Synonyms:  []Synonym{{Name: "log.flush.interval.ms", Null: true, Update: ClusterWide}, {Name: "log.flush.scheduler.interval.ms"}},
			AppliedBy: inStorage,
			Doc:       "How long records may stay unflushed, in milliseconds. Each log keeps its own time: log.flush.scheduler.interval.ms only stands in where log.flush.interval.ms is not set."},
		{Name: FollowerThrottled, Type: List, Valid: throttledReplicas(FollowerThrottled), AppliedBy: inManager,
			Doc: "Replicas, as partition:broker or * for all, that fetch no faster than follower.replication.throttled.rate until they are in sync (KIP-73)."},
		{Name: "index.interval.bytes", Type: Int, Default: "4096", Valid: atLeast(0),
			Synonyms:  []Synonym{{Name: "log.index.interval.bytes", Update: ClusterWide}},
			AppliedBy: inStorage,
			Doc:       "How many bytes of log one entry of the offset and time index stands for."},
		{Name: "internal.segment.bytes", Type: Int, Null: true, Valid: atLeast(1), Hidden: true, AppliedBy: inStorage,
			Doc: "segment.bytes without its lower limit, for tests."},
		{Name: LeaderThrottled, Type: List, Valid: throttledReplicas(LeaderThrottled), AppliedBy: inManager,
			Doc: "Replicas, as partition:broker or * for all, that as leaders give followers which are not in sync no more than leader.replication.throttled.rate (KIP-73)."},
		{Name: "local.retention.bytes", Type: Long, Default: "-2", Valid: atLeast(-2),
			Synonyms: []Synonym{{Name: "log.local.retention.bytes", Update: ClusterWide}},
			Needs:    tiered, AppliedBy: inStorage,
			Doc: "retention.bytes of what stays on the broker's disk; -2 is retention.bytes itself."},
		{Name: "local.retention.ms", Type: Long, Default: "-2", Valid: atLeast(-2),
			Synonyms: []Synonym{{Name: "log.local.retention.ms", Update: ClusterWide}},
			Needs:    tiered, AppliedBy: inStorage,
			Doc: "retention.ms of what stays on the broker's disk; -2 is retention.ms itself."},
		{Name: "max.compaction.lag.ms", Type: Long, Default: neverText, Valid: atLeast(1),
			Synonyms:  []Synonym{{Name: "log.cleaner.max.compaction.lag.ms", Update: ClusterWide}},
			AppliedBy: inManager,
			Doc:       "How long a record may stay uncompacted at most, in milliseconds, if nothing is in the way."},
		{Name: MaxMessageBytes, Type: Int, Default: "1048588", Valid: atLeast(0),
			Synonyms:  []Synonym{{Name: "message.max.bytes", Update: ClusterWide}},
			AppliedBy: inStorage,
			Doc:       "The largest batch that is accepted, in bytes, as compressed."},
		{Name: "message.timestamp.after.max.ms", Type: Long, Default: "3600000", Valid: atLeast(0),
			Synonyms:  []Synonym{{Name: "log.message.timestamp.after.max.ms", Update: ClusterWide}},
			AppliedBy: inStorage,
			Doc:       "How far a producer's timestamp may be ahead of the leader's clock, in milliseconds; ignored with LogAppendTime."},
		{Name: "message.timestamp.before.max.ms", Type: Long, Default: neverText, Valid: atLeast(0),
			Synonyms:  []Synonym{{Name: "log.message.timestamp.before.max.ms", Update: ClusterWide}},
			AppliedBy: inStorage,
			Doc:       "How far a producer's timestamp may be behind the leader's clock, in milliseconds; ignored with LogAppendTime."},
		{Name: "message.timestamp.type", Type: String, Default: "CreateTime", Valid: oneOf("CreateTime", "LogAppendTime"),
			Synonyms:  []Synonym{{Name: "log.message.timestamp.type", Update: ClusterWide}},
			AppliedBy: inStorage,
			Doc:       "Whether a record's timestamp is the producer's (CreateTime) or that of the leader's clock (LogAppendTime)."},
		{Name: "min.cleanable.dirty.ratio", Type: Double, Default: "0.5", Valid: ratio,
			Synonyms:  []Synonym{{Name: "log.cleaner.min.cleanable.ratio", Update: ClusterWide}},
			AppliedBy: inManager,
			Doc:       "How much of a log must be uncompacted before compaction starts."},
		{Name: "min.compaction.lag.ms", Type: Long, Default: "0", Valid: atLeast(0),
			Synonyms:  []Synonym{{Name: "log.cleaner.min.compaction.lag.ms", Update: ClusterWide}},
			AppliedBy: inStorage,
			Doc:       "How long a record stays uncompacted at least, in milliseconds."},
		{Name: MinInsyncReplicas, Type: Int, Default: "1", Valid: atLeast(1),
			Synonyms:  []Synonym{{Name: MinInsyncReplicas, Update: ClusterWide, field: func(b *Broker) any { return &b.MinInsyncReplicas }}},
			AppliedBy: inManager,
			Doc:       "How many replicas must have a record before it is acknowledged with acks=all and can be read."},
		{Name: "preallocate", Type: Boolean, Default: "false",
			Synonyms: []Synonym{{Name: "log.preallocate", Update: ClusterWide}},
			Needs:    "preallocation of segments", AppliedBy: inStorage,
			Doc: "Whether a segment's file gets its full size when it is created."},
		{Name: "remote.log.copy.disable", Type: Boolean, Default: "false", Needs: tiered, AppliedBy: inStorage,
			Doc: "Whether nothing more is copied to remote storage."},
		{Name: "remote.log.delete.on.disable", Type: Boolean, Default: "false", Needs: tiered, AppliedBy: inStorage,
			Doc: "Whether remote data is deleted when remote storage is turned off."},
		{Name: "remote.storage.enable", Type: Boolean, Default: "false", Needs: tiered, AppliedBy: inStorage,
			Doc: "Whether segments are copied to remote storage."},
		{Name: "retention.bytes", Type: Long, Default: "-1",
			Synonyms:  []Synonym{{Name: "log.retention.bytes", Update: ClusterWide}},
			AppliedBy: inStorage,
			Doc:       "The size of a partition's log above which its oldest segments are removed; -1 keeps everything."},
		{Name: RetentionMillis, Type: Long, Default: "604800000", Valid: atLeast(-1),
			Synonyms: []Synonym{{Name: "log.retention.ms", Null: true, Valid: limit, Update: ClusterWide},
				{Name: "log.retention.minutes", Factor: minutes, Type: Int, Null: true, Valid: limit},
				{Name: "log.retention.hours", Factor: hours, Type: Int, Default: "168", Valid: limit}},
			AppliedBy: inStorage,
			Doc:       "The age of a segment's newest record above which the segment is removed, in milliseconds; -1 keeps everything."},
		{Name: SegmentBytes, Type: Int, Default: "1073741824", Valid: atLeast(1 << 20),
			Synonyms:  []Synonym{{Name: "log.segment.bytes", Update: ClusterWide}},
			AppliedBy: inStorage,
			Doc:       "The size at which a segment is closed and the next one started."},
		{Name: "segment.index.bytes", Type: Int, Default: "10485760", Valid: atLeast(4),
			Synonyms: []Synonym{{Name: "log.index.size.max.bytes", Update: ClusterWide}},
			Needs:    "indexes of limited size", AppliedBy: inStorage,
			Doc: "The size of a segment's offset index at which the next segment is started."},
		{Name: "segment.jitter.ms", Type: Long, Default: "0", Valid: atLeast(0),
			Synonyms: []Synonym{{Name: "log.roll.jitter.ms", Null: true, Update: ClusterWide},
				{Name: "log.roll.jitter.hours", Factor: hours, Type: Int}},
			AppliedBy: inStorage,
			Doc:       "How much earlier than segment.ms segments are closed at random, in milliseconds."},
		{Name: "segment.ms", Type: Long, Default: "604800000", Valid: atLeast(1),
			Synonyms: []Synonym{{Name: "log.roll.ms", Null: true, Update: ClusterWide},
				{Name: "log.roll.hours", Factor: hours, Type: Int, Default: "168"}},
			AppliedBy: inStorage,
			Doc:       "The span of timestamps after which a segment is closed even if it is small, in milliseconds."},
		{Name: UncleanLeaderElection, Type: Boolean, Default: "false",
			Synonyms:  []Synonym{{Name: UncleanLeaderElection, Update: ClusterWide}},
			AppliedBy: inController,
			Doc:       "Whether a replica that may lack acknowledged records can lead if no other is left."},
	}
}
