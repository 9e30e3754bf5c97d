package storage

import (
	"math"
	"strings"
	"time"
)

// Config holds the settings of one log. The zero value of a field stands for
// its default where one is named; names in brackets are the Kafka topic
// settings.
type Config struct {
	// SegmentBytes is the size at which a segment is sealed and the next one
	// started. [segment.bytes] Default 1 GiB, at most 2 GiB - 1.
	SegmentBytes int64

	// SegmentMillis is the span of batch timestamps after which a segment is
	// sealed even if it is small. [segment.ms] Default 0: by size only.
	SegmentMillis int64

	// SegmentJitterMillis is by how much less than SegmentMillis a segment may span,
	// at random: logs that were begun together are not to roll together.
	// [segment.jitter.ms] Default 0: none.
	SegmentJitterMillis int64

	// IndexIntervalBytes is how many bytes of log one entry of the offset and
	// time index stands for. [index.interval.bytes] Default 4096.
	IndexIntervalBytes int64

	// FlushMessages is after how many records an append waits for fsync before
	// it returns. [flush.messages] Default 0: never, replication is the
	// durability.
	FlushMessages int64

	// FlushAfter is how long an appended record may wait for fsync, which nobody
	// waits for. [flush.ms] Default 0: for ever.
	FlushAfter time.Duration

	// CleanupPolicy says what may be removed. [cleanup.policy] The zero value
	// allows nothing.
	CleanupPolicy CleanupPolicy

	// RetentionBytes is the size that ApplyRetention keeps of a log with
	// CleanupDelete: the oldest segments go as long as what is left is at least
	// as large. [retention.bytes] Negative: no limit; 0 keeps nothing.
	RetentionBytes int64

	// RetentionMillis is the age of a segment's newest record above which
	// ApplyRetention removes the segment of a log with CleanupDelete.
	// [retention.ms] Negative: no limit; 0 keeps nothing that is older than now.
	RetentionMillis int64

	// MinCleanableDirtyPPM is how much of a log, in millionths, must be dirty
	// before it is cleaned. [min.cleanable.dirty.ratio] Default 0: whatever there is.
	MinCleanableDirtyPPM int64

	// MinCompactionLagMillis and MaxCompactionLagMillis are how long a record
	// stays as it is at least, and how long what is dirty waits to be cleaned at
	// most. [min.compaction.lag.ms, max.compaction.lag.ms] Default 0: no limits.
	MinCompactionLagMillis, MaxCompactionLagMillis int64

	// DeleteRetentionMillis is how long tombstones and markers stay after the
	// first cleaning that found them. [delete.retention.ms] Default 0: until the
	// next one.
	DeleteRetentionMillis int64

	// MaxMessageBytes is the largest batch a client may append.
	// [max.message.bytes] Default 1 MiB + 12 bytes.
	MaxMessageBytes int32

	// LogAppendTime makes the broker's wall clock the timestamp of every
	// batch. [message.timestamp.type=LogAppendTime]
	LogAppendTime bool

	// CompressionType is the codec that batches are kept with.
	// [compression.type] Default: that of the producer.
	CompressionType CompressionType

	// Timestamps are the limits of record timestamps that producers set.
	// [message.timestamp.before.max.ms, message.timestamp.after.max.ms]
	// Default: none.
	Timestamps TimestampLimits

	// ProducerIDExpiration is how long after its last batch a producer's
	// sequence numbers are remembered. [producer.id.expiration.ms] Default 24 h.
	ProducerIDExpiration time.Duration

	// Unproven says that an earlier process may have been told that a sync failed.
	// The kernel then keeps the bytes in its cache and takes them for written, so
	// that to sync them again does nothing: Open writes anew what is not known to be
	// durable. SetConfig does not change it.
	Unproven bool

	// OnFailed, if set, hears why the log takes no more writes, once, before the
	// operation that met the error returns. It is called with the log locked:
	// it may use the file system but not the log. SetConfig does not change it.
	OnFailed func(error)

	// OnRoll, if set, hears of every new segment, which begins at an offset, and
	// OnFirstAppend of the first batch of a leader epoch, when it is in the log.
	// They are called with the log locked and must not block or use it.
	// SetConfig changes neither.
	OnRoll        func(offset int64)
	OnFirstAppend func(leaderEpoch int32, offset int64)
}

// CleanupPolicy is a set of ways in which old records may go.
type CleanupPolicy uint8

// The policies, by their names in cleanup.policy.
const (
	CleanupDelete  CleanupPolicy = 1 << iota // "delete": by age, size and DeleteRecords
	CleanupCompact                           // "compact": when a later record has the same key
)

// ParseCleanupPolicy reads a value of cleanup.policy: a list of "delete" and
// "compact", with commas between. Other words count for nothing.
func ParseCleanupPolicy(list string) CleanupPolicy {
	var p CleanupPolicy
	for word := range strings.SplitSeq(list, ",") {
		switch strings.TrimSpace(word) {
		case "delete":
			p |= CleanupDelete
		case "compact":
			p |= CleanupCompact
		}
	}
	return p
}

const (
	maxSegmentBytes          = 1<<31 - 1
	defaultSegmentBytes      = 1 << 30
	defaultIndexInterval     = 4096
	defaultMaxMessageBytes   = 1<<20 + 12
	defaultProducerIDExpires = 24 * time.Hour
)

func (c Config) withDefaults() Config {
	if c.SegmentBytes <= 0 {
		c.SegmentBytes = defaultSegmentBytes
	}
	c.SegmentBytes = min(c.SegmentBytes, maxSegmentBytes)
	if c.IndexIntervalBytes <= 0 {
		c.IndexIntervalBytes = defaultIndexInterval
	}
	if c.MaxCompactionLagMillis <= 0 {
		c.MaxCompactionLagMillis = math.MaxInt64
	}
	if c.MaxMessageBytes <= 0 {
		c.MaxMessageBytes = defaultMaxMessageBytes
	}
	if c.ProducerIDExpiration <= 0 {
		c.ProducerIDExpiration = defaultProducerIDExpires
	}
	return c
}
