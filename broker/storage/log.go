package storage

import (
	"slices"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/weirlab/weir/env"
)

// Log is one replica's sequence of record batches. All methods may be called
// from any task; those that write are expected from one task at a time
// (a leader's or a fetcher's), and serialise if they are not.
//
// Lock order: cleaning, then maintenance, then mu.
type Log struct {
	env env.Env
	lab *env.Lab
	fs  env.FS
	at  atomic.Pointer[string] // the directory, which moves

	// cleaning is held while the log is cleaned, which stopCleaning ends early.
	cleaning     env.Mutex
	stopCleaning atomic.Bool

	// maintenance is held by whatever syncs, changes the set of segments other
	// than by rolling, or writes the log-state file. Appends and reads never
	// wait for it, but for the sync that flush.messages asks for.
	maintenance env.Mutex

	kept []int64 // offsets of the producer snapshots in dir, ascending; maintenance guards it

	// mu guards everything below. It is held while an append writes, never
	// while something syncs, except in a truncation.
	mu        env.Mutex
	cfg       Config
	segments  []*segment // ascending by base; the last is active
	next      int64      // offset of the next record
	epochs    epochCache
	producers producerTable
	recent    recentBatches

	verifications verifications
	recovery      recoveryPoint // as in the log-state file
	unflushed     int64         // records appended since the last sync
	gaps          bool          // offsets may be missing between batches
	swap          swapRange     // the replacement of segments under way, if any
	dirDirty      bool          // a segment was created since the last sync of dir
	sealed        []sealedSegment
	flusher       env.Task   // writes what belongs to sealed segments, nil if none runs
	timed         env.Task   // syncs when FlushAfter is over, nil if nothing waits for that
	closing       bool       // no more appends
	over          env.Signal // set when closing is
	closed        bool       // the files are closed

	// What other tasks may see without mu.
	start  atomic.Int64
	end    atomic.Int64 // follows next; behind it while an append waits for its sync
	synced atomic.Int64
	size   atomic.Int64
	failed atomic.Pointer[IOError]

	// Of Config.
	onFailed      func(error)
	onRoll        func(int64)
	onFirstAppend func(int32, int64)

	// transactional is set while transactions are open or their ends not known
	// to be committed.
	transactional atomic.Bool

	// gen counts removals of bytes. A reader that finds it changed after
	// reading must not use what it read.
	gen atomic.Uint64

	cuts atomic.Uint64
}

// sealedSegment is work left over from sealing a segment.
type sealedSegment struct {
	seg       *segment
	producers []byte // the producer snapshot at its end
}

// Cuts counts how often the log's end has been cut, or the log emptied, since it was
// opened.
func (l *Log) Cuts() uint64 { return l.cuts.Load() }

// StartOffset is the first offset that can be read.
func (l *Log) StartOffset() int64 { return l.start.Load() }

// EndOffset is the offset after the last record that can be read. With
// flush.messages set to 1 everything before it is durable.
func (l *Log) EndOffset() int64 { return l.end.Load() }

// NextOffset is the offset that the next record gets. It is beyond EndOffset
// while records wait for their sync.
func (l *Log) NextOffset() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.next
}

// SyncedOffset is the offset below which everything is known to be durable.
func (l *Log) SyncedOffset() int64 { return l.synced.Load() }

// SizeBytes is the size of the log's segments.
func (l *Log) SizeBytes() int64 { return l.size.Load() }

// Dir is the directory the log lives in.
func (l *Log) Dir() string { return *l.at.Load() }

// Failed is the error that fenced the log, nil while it takes writes.
func (l *Log) Failed() error {
	if err := l.failed.Load(); err != nil {
		return err
	}
	return nil
}

// LatestEpoch is the largest leader epoch known to the log, -1 if there is none.
func (l *Log) LatestEpoch() int32 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.epochs.latest()
}

// Epochs lists the leader epochs of the log with their first offsets, ascending.
func (l *Log) Epochs() []EpochStart {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.epochs.entries)
}

// AssignEpoch notes that a leader of this epoch starts at the end offset,
// before it has appended anything. Epochs not above the latest are ignored. What
// was verified under an earlier leadership is void.
// The note is kept in memory only: an epoch without records means nothing to a
// log that is opened again.
func (l *Log) AssignEpoch(epoch int32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.verifications = verifications{}
	if epoch > l.epochs.latest() {
		l.epochs.note(epoch, l.next)
	}
}

// EpochEnd answers where the given leader epoch ends in this log: the largest
// epoch not above it that the log knows, and the offset after its last record
// (KIP-101, KIP-279). For the latest epoch or a later one that offset is
// EndOffset. For an epoch before all known ones it is the given epoch and the
// start of the first known. A log that knows no epoch answers (-1, -1).
func (l *Log) EpochEnd(epoch int32) (foundEpoch int32, endOffset int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.epochs.end(epoch, l.end.Load())
}

// SetConfig changes the settings from the next append on.
func (l *Log) SetConfig(cfg Config) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cfg = cfg.withDefaults()
}

// Gaps reports whether offsets may be missing between the log's batches.
func (l *Log) Gaps() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.gaps
}

// SegmentBytes is how large a segment may become.
func (l *Log) SegmentBytes() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cfg.SegmentBytes
}

// CleanupPolicy says what may be removed from the log.
func (l *Log) CleanupPolicy() CleanupPolicy {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cfg.CleanupPolicy
}

func (l *Log) active() *segment { return l.segments[len(l.segments)-1] }

// fence stops all writing: what the files hold is no longer known. The first
// reason is kept, told and returned.
func (l *Log) fence(op, file string, pos int64, err error) *IOError {
	failure := &IOError{Op: op, File: file, Position: pos, Fenced: true, Err: err}
	if l.failed.CompareAndSwap(nil, failure) {
		l.env.Event("log-fenced", env.Text("dir", l.Dir()), env.Text("error", failure.Error()))
		if l.onFailed != nil {
			l.onFailed(failure)
		}
	}
	return l.failed.Load()
}

// Fence makes the log take no more writes, since others in its directory failed
// with cause. Config.OnFailed hears of it.
func (l *Log) Fence(cause error) { _ = l.fence("use", l.Dir(), -1, cause) }

// writable reports why the log takes no appends, nil if it does. mu is held.
func (l *Log) writable() error {
	if l.closing {
		return l.closedError()
	}
	return l.usable()
}

// usable reports why the log's files can no longer be changed, nil if they can.
// mu is held.
func (l *Log) usable() error {
	if err := l.failed.Load(); err != nil {
		return err
	}
	if l.closed {
		return l.closedError()
	}
	return nil
}

func (l *Log) closedError() *IOError {
	return &IOError{Op: "use closed log", File: l.Dir(), Position: -1, Err: errClosed}
}

// unavailable is the protocol's form of a log that cannot take an append.
func unavailable(err error) *AppendError {
	return &AppendError{Code: kerr.KafkaStorageError.Code, Message: err.Error(), Err: err}
}

// empty reports whether the log holds no batch at all. mu is held.
func (l *Log) empty() bool { return len(l.segments) == 1 && l.active().size == 0 }

// recentBatches remembers where the last batches of the active segment start,
// so that the readers at its tail go straight to theirs.
type recentBatches struct {
	ring  []recentBatch
	first int // index in ring of the oldest
	n     int
}

type recentBatch struct{ base, last, pos int64 }

const recentBatchCount = 128

func (r *recentBatches) add(base, last, pos int64) {
	if r.ring == nil {
		r.ring = make([]recentBatch, recentBatchCount)
	}
	if r.n == recentBatchCount {
		r.first = (r.first + 1) % recentBatchCount
		r.n--
	}
	r.ring[(r.first+r.n)%recentBatchCount] = recentBatch{base: base, last: last, pos: pos}
	r.n++
}

func (r *recentBatches) reset() { r.first, r.n = 0, 0 }

// find returns the batch that holds offset.
func (r *recentBatches) find(offset int64) (recentBatch, bool) {
	if r.n == 0 || offset < r.ring[r.first].base {
		return recentBatch{}, false
	}
	// Readers are mostly within a few batches of the end.
	for i := r.n - 1; i >= 0; i-- {
		if b := &r.ring[(r.first+i)%recentBatchCount]; b.base <= offset {
			return *b, offset <= b.last
		}
	}
	return recentBatch{}, false
}
