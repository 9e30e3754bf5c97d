package storage

import (
	"github.com/weirlab/weir/env"
)

// Log is one replica's sequence of record batches. All methods may be called
// from any task; those that write are expected from one task at a time
// (a leader's or a fetcher's), and serialise if they are not.
type Log struct{}

// Open opens the log in dir, creating an empty one if there is none. After a
// crash it scans what was not known to be durable, cuts the log off at the
// first batch that is not valid, and rebuilds indexes, leader epochs and
// producer state. What it found is in the Recovery. Everything the opened log
// holds is durable.
func Open(e env.Env, dir string, cfg Config) (*Log, Recovery, error) { panic("soon") }

// Recovery says what Open found.
type Recovery struct {
	Dir             string
	StateProblem    string // why the log-state file was not used, or ""
	BatchesChecked  int64
	BytesChecked    int64
	TruncatedFile   string // segment whose tail was cut off, or ""
	TruncatedAt     int64  // byte position of the cut
	TruncatedBytes  int64  // bytes cut off, those of removed segments included
	TruncatedReason string // why the batch at the cut was not valid
	RemovedFiles    []string
	IndexesRebuilt  int
	ProducersLoaded int
	LostSyncedFrom  int64 // offsets once durable that are gone: [LostSyncedFrom, LostSyncedTo);
	LostSyncedTo    int64 // both 0 unless the disk broke its promise
}

// AppendOptions says on whose behalf a leader appends.
type AppendOptions struct {
	// Internal is set for batches the broker itself makes (group and
	// transaction state, metadata): control batches are allowed and
	// max.message.bytes does not apply.
	Internal bool
}

// AppendResult says where an append went.
type AppendResult struct {
	BaseOffset     int64 // of the first record; of the earlier copy if Duplicate
	LastOffset     int64 // of the last record; BaseOffset-1 for an empty append
	LogAppendTime  int64 // ms since 1970, -1 unless the topic uses log append time
	MaxTimestamp   int64 // ms since 1970
	LogStartOffset int64
	Bytes          int64
	Batches        int
	Duplicate      bool // the batch was in the log already; nothing was appended
}

// AppendLeader validates records (whole batches), assigns their offsets and
// leaderEpoch in place and appends them, all or nothing. The bytes may be
// reused afterwards. Errors are *AppendError.
func (l *Log) AppendLeader(records []byte, leaderEpoch int32, opts AppendOptions) (AppendResult, error) {
	panic("soon")
}

// AppendFollower appends batches copied from a leader, all or nothing. They
// must be valid, start at the end offset, leave no gap and not go back in
// leader epoch. Errors are *AppendError.
func (l *Log) AppendFollower(records []byte) (AppendResult, error) { panic("soon") }

// Read returns whole batches starting with the one that holds offset off and
// ending before upTo, at most maxBytes of them. With minOneBatch the first
// batch is returned even if it alone is larger. Nothing to return is no error;
// the first batch may begin below off. The bytes are the caller's.
//
// Errors: *OffsetOutOfRangeError if off is not in [StartOffset, EndOffset],
// *CorruptError if the file does not hold what was written, *IOError.
func (l *Log) Read(off, upTo int64, maxBytes int32, minOneBatch bool) ([]byte, error) { panic("soon") }

// StartOffset is the first offset that can be read.
func (l *Log) StartOffset() int64 { panic("soon") }

// EndOffset is the offset the next record gets.
func (l *Log) EndOffset() int64 { panic("soon") }

// LatestEpoch is the largest leader epoch known to the log, -1 if there is none.
func (l *Log) LatestEpoch() int32 { panic("soon") }

// Epochs lists the leader epochs of the log with their first offsets, ascending.
func (l *Log) Epochs() []EpochStart { panic("soon") }

// EpochStart is the first offset of one leader epoch.
type EpochStart struct {
	Epoch       int32
	StartOffset int64
}

// AssignEpoch notes that a leader of this epoch starts at the end offset,
// before it has appended anything. Epochs not above the latest are ignored.
func (l *Log) AssignEpoch(epoch int32) { panic("soon") }

// EpochEnd answers where the given leader epoch ends in this log: the largest
// epoch not above it that the log knows, and the offset after its last record
// (KIP-101, KIP-279). For the latest epoch or a later one that offset is
// EndOffset. For an epoch before all known ones it is the given epoch and the
// start of the first known. A log that knows no epoch answers (-1, -1).
func (l *Log) EpochEnd(epoch int32) (foundEpoch int32, endOffset int64) { panic("soon") }

// TruncateTo removes every batch that ends at or behind off. The cut is
// durable when it returns. Truncating at or behind EndOffset removes only
// epochs that were assigned but never written. An off inside a batch removes
// the whole batch; below StartOffset it empties the log at StartOffset.
func (l *Log) TruncateTo(off int64) error { panic("soon") }

// TruncateFullyAndStartAt empties the log and makes off its start and end.
func (l *Log) TruncateFullyAndStartAt(off int64) error { panic("soon") }

// TimestampOffset is a record found by timestamp.
type TimestampOffset struct {
	Offset      int64
	Timestamp   int64 // ms since 1970
	LeaderEpoch int32
}

// OffsetForTimestamp finds the first record whose timestamp is at least
// tsMillis. found is false if there is none.
func (l *Log) OffsetForTimestamp(tsMillis int64) (at TimestampOffset, found bool, err error) {
	panic("soon")
}

// OffsetOfMaxTimestamp finds the first record with the largest timestamp (KIP-734).
func (l *Log) OffsetOfMaxTimestamp() (at TimestampOffset, found bool, err error) { panic("soon") }

// DeleteRecordsBefore makes off the start offset and removes the segments that
// lie wholly before it. Going back is ignored; beyond EndOffset is an
// *OffsetOutOfRangeError.
func (l *Log) DeleteRecordsBefore(off int64) error { panic("soon") }

// ApplyRetention removes the oldest segments that the retention settings no
// longer keep and that lie wholly below highWatermark, and forgets producers
// that have been silent too long. It returns how many segments it removed.
func (l *Log) ApplyRetention(nowWallMillis, highWatermark int64) (removed int, err error) {
	panic("soon")
}

// SetConfig changes the settings from the next append on.
func (l *Log) SetConfig(cfg Config) { panic("soon") }

// SizeBytes is the size of the log's segments.
func (l *Log) SizeBytes() int64 { panic("soon") }

// Sync makes everything appended so far durable.
func (l *Log) Sync() error { panic("soon") }

// SyncedOffset is the offset below which everything is known to be durable.
func (l *Log) SyncedOffset() int64 { panic("soon") }

// Failed is the error that fenced the log, nil while it takes writes.
func (l *Log) Failed() error { panic("soon") }

// Close makes the log durable and closes its files. The log cannot be used
// afterwards, but may be opened again.
func (l *Log) Close() error { panic("soon") }

// Delete closes the log without syncing and removes its directory.
func (l *Log) Delete() error { panic("soon") }
