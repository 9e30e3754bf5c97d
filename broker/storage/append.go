package storage

import (
	"errors"
	"io"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/weirlab/weir/env/planted"
)

// AppendOptions says what a leader may append that no client may, and when. The
// zero value is a client's append.
type AppendOptions struct {
	// ControlBatches allows control batches: those of the controller and of
	// transaction coordinators.
	ControlBatches bool

	// AnySize takes batches larger than max.message.bytes. The state of a
	// coordinator must not depend on a setting for clients.
	AnySize bool

	// Coordinator says that the records are those of a coordinator, which numbers
	// none: sequences are not looked at.
	Coordinator bool

	// Verified is the verification of a transactional batch. Without it the batch
	// is taken only into a transaction that is open (KIP-890).
	Verified *Verification

	// Unverified takes a transactional batch without verification too.
	// [transaction.partition.verification.enable=false]
	Unverified bool

	// TransactionVersion is the transaction.version that a marker belongs to: from
	// 2 on each transaction has an epoch of its own (KIP-1228).
	TransactionVersion int8

	// OnlyInEpoch, unless nil, is the only leader epoch to append in: state that
	// is kept in a log must not be written by one whose time is over.
	OnlyInEpoch *int32
}

// AppendResult says where an append went.
type AppendResult struct {
	BaseOffset     int64 // of the first record; of the earlier copy if Duplicate
	LastOffset     int64 // of the last record
	LogAppendTime  int64 // ms since 1970, -1 unless the topic uses log append time
	MaxTimestamp   int64 // ms since 1970
	LogStartOffset int64
	Bytes          int64
	Batches        int
	Duplicate      bool // the batch was in the log already; nothing was appended

	// Unsynced says that flush.messages wants the records durable before anybody
	// counts on them: EndOffset will pass them once AwaitSync has returned.
	Unsynced bool
}

// AppendLeader validates records (whole batches), assigns their offsets and
// leaderEpoch in place and appends them, all or nothing. The bytes may be
// reused afterwards.
//
// A batch with a producer ID must be alone and continue its producer's
// sequence; one that repeats any of the producer's last five batches is
// answered with the offsets of the earlier copy.
//
// Every record is checked as Kafka's LogValidator does, in compressed batches
// too, what the header claims of timestamps is made true, and where the topic
// wants another codec the batch is written anew.
//
// Errors are *AppendError with the codes CORRUPT_MESSAGE, INVALID_RECORD,
// INVALID_TIMESTAMP, UNSUPPORTED_COMPRESSION_TYPE, INVALID_TXN_STATE,
// MESSAGE_TOO_LARGE, RECORD_LIST_TOO_LARGE, UNSUPPORTED_FOR_MESSAGE_FORMAT,
// OUT_OF_ORDER_SEQUENCE_NUMBER, INVALID_PRODUCER_EPOCH, FENCED_LEADER_EPOCH:
// nothing was appended. KAFKA_STORAGE_ERROR: what survives is decided by
// whether the log is fenced (see Failed) and what it holds when opened again.
//
// It waits for the sync that flush.messages asks for; BeginAppendLeader leaves
// that to AwaitSync.
func (l *Log) AppendLeader(records []byte, leaderEpoch int32, opts AppendOptions) (AppendResult, error) {
	return l.await(l.BeginAppendLeader(records, leaderEpoch, opts))
}

// await makes an append that has begun a whole one.
func (l *Log) await(result AppendResult, err error) (AppendResult, error) {
	if err == nil && result.Unsynced {
		if err := l.AwaitSync(result.LastOffset + 1); err != nil {
			return AppendResult{}, unavailable(err)
		}
		result.Unsynced = false
	}
	return result, err
}

// AwaitSync blocks until every record below end is durable, and EndOffset has
// passed them. Appends that wait at the same time share one sync. An error is
// that of Sync. A truncation below end ends the wait too.
func (l *Log) AwaitSync(end int64) error {
	if l.synced.Load() >= end {
		return nil
	}
	// Whoever waits for a sync is promised no time, and nothing is held.
	if d := l.lab.Late("storage/sync-late", 100*time.Millisecond); d > 0 {
		l.env.Sleep(d)
	}
	l.maintenance.Lock()
	defer l.maintenance.Unlock()
	if l.synced.Load() >= end {
		return nil
	}
	return l.sync()
}

// BeginAppendLeader is AppendLeader without the wait. Appends are in the log in
// the order in which this was called.
func (l *Log) BeginAppendLeader(records []byte, leaderEpoch int32, opts AppendOptions) (AppendResult, error) {
	p, err := l.Prepare(records, opts)
	if err != nil {
		return AppendResult{}, err
	}
	return l.AppendPrepared(p, leaderEpoch)
}

// Prepared is what Prepare has found fit to be appended.
type Prepared struct {
	records []byte
	batches []Batch
	opts    AppendOptions
}

// Prepare checks everything about records that does not depend on what the log
// holds, which may mean to decompress them, and brings them into the form in
// which the log keeps them. Errors are those of AppendLeader.
func (l *Log) Prepare(records []byte, opts AppendOptions) (Prepared, error) {
	l.env.Work("storage.append", int64(len(records)))
	p := Prepared{records: records, opts: opts}
	var err error
	if p.batches, err = splitVerified(nil, records); err != nil {
		return Prepared{}, err
	}
	l.mu.Lock()
	cfg := l.cfg
	l.mu.Unlock()
	v := validation{cfg: &cfg, nowMillis: l.env.Wall().UnixMilli(), opts: opts, maxDecompressed: maxDecompressed(cfg.MaxMessageBytes)}
	recoded := false
	for i, b := range p.batches {
		if b.ProducerID() >= 0 && len(p.batches) > 1 {
			return Prepared{}, refuse(kerr.InvalidRecord.Code,
				"a batch with a producer ID must be the only one of its request, there are %d", len(p.batches))
		}
		checked, refused := v.batch(b)
		if refused != nil {
			return Prepared{}, refused
		}
		recoded = recoded || &checked[0] != &b[0]
		p.batches[i] = checked
	}
	if recoded {
		p.records = nil
		for _, b := range p.batches {
			p.records = append(p.records, b...)
		}
		if p.batches, err = splitVerified(p.batches[:0], p.records); err != nil {
			return Prepared{}, err
		}
	}
	for _, b := range p.batches {
		if !opts.AnySize && len(b) > int(cfg.MaxMessageBytes) {
			return Prepared{}, refuse(kerr.MessageTooLarge.Code,
				"the batch has %d bytes, max.message.bytes is %d", len(b), cfg.MaxMessageBytes)
		}
	}
	if int64(len(p.records)) > cfg.SegmentBytes {
		return Prepared{}, refuse(kerr.RecordListTooLarge.Code,
			"the request has %d bytes for one partition, segment.bytes is %d", len(p.records), cfg.SegmentBytes)
	}
	// Nothing is held: what the log holds by the time of the append is another matter.
	if d := l.lab.Late("storage/prepare-late", 50*time.Millisecond); d > 0 {
		l.env.Sleep(d)
	}
	return p, nil
}

// AppendPrepared appends what Prepare has checked. Errors are those of
// AppendLeader; it does not wait for a sync.
func (l *Log) AppendPrepared(p Prepared, leaderEpoch int32) (AppendResult, error) {
	if only := p.opts.OnlyInEpoch; only != nil && *only != leaderEpoch && !planted.Is("append-in-any-epoch") {
		return AppendResult{}, refuse(kerr.FencedLeaderEpoch.Code, "the records belong to leader epoch %d, the log is in epoch %d", *only, leaderEpoch)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.writable(); err != nil {
		return AppendResult{}, unavailable(err)
	}
	if start := l.start.Load(); l.next < start {
		// Left by a follower that made room for a batch and could not write it.
		l.mu.Unlock()
		err := l.TruncateFullyAndStartAt(start)
		l.mu.Lock()
		if err != nil {
			return AppendResult{}, unavailable(err)
		}
	}
	if latest := l.epochs.latest(); leaderEpoch < latest {
		return AppendResult{}, refuse(kerr.FencedLeaderEpoch.Code,
			"leader epoch %d is over, the log has epoch %d", leaderEpoch, latest)
	}
	if first := p.batches[0]; first.ProducerID() >= 0 {
		dup, err := l.admit(first, p.opts)
		if err != nil {
			return AppendResult{}, err
		}
		if dup != nil {
			return l.duplicate(dup)
		}
	}

	result := AppendResult{BaseOffset: l.next, LogAppendTime: -1}
	next := l.next
	for _, b := range p.batches {
		b.SetBaseOffset(next)
		b.SetLeaderEpoch(leaderEpoch)
		if l.cfg.LogAppendTime {
			result.LogAppendTime = l.env.Wall().UnixMilli()
			b.setLogAppendTime(result.LogAppendTime)
		}
		next = b.NextOffset()
	}
	return l.write(p.records, p.batches, result)
}

// AppendFollower appends batches copied from a leader, all or nothing. They
// must be valid, start at the end offset, leave no gap and not go back in
// leader epoch; the leader's log may have gaps where the policy is to compact, or
// AllowGaps was called. Only in an empty log may the first batch begin below the end
// offset, as a leader sends whole batches: the records below stay hidden under
// the start offset.
//
// Errors are *AppendError with the codes CORRUPT_MESSAGE (invalid bytes),
// UNSUPPORTED_FOR_MESSAGE_FORMAT, OFFSET_OUT_OF_RANGE (a gap or an overlap),
// FENCED_LEADER_EPOCH (an epoch below that of the record before):
// nothing was appended. KAFKA_STORAGE_ERROR as for AppendLeader.
//
// It waits for the sync that flush.messages asks for; BeginAppendFollower leaves
// that to AwaitSync.
func (l *Log) AppendFollower(records []byte) (AppendResult, error) {
	return l.await(l.BeginAppendFollower(records))
}

// BeginAppendFollower is AppendFollower without the wait.
func (l *Log) BeginAppendFollower(records []byte) (AppendResult, error) {
	l.env.Work("replica.append", int64(len(records)))
	var few [4]Batch
	batches, err := splitVerified(few[:0], records)
	if err != nil {
		return AppendResult{}, err
	}
	for {
		done, result, err := l.appendFollower(records, batches)
		switch {
		case err == errGap: //nolint:errorlint // never wrapped
			if err := l.AllowGaps(); err != nil {
				return AppendResult{}, unavailable(err)
			}
			continue
		case done || err != nil:
			return result, err
		}
		// The log is empty and the first batch begins below its end. Making
		// room for it removes a segment, which needs the maintenance lock.
		if err := l.restartBelow(batches[0].BaseOffset()); err != nil {
			return AppendResult{}, unavailable(err)
		}
	}
}

// errGap says that the leader's log has a gap, the first that this one gets.
var errGap = errors.New("the first gap")

func (l *Log) appendFollower(records []byte, batches []Batch) (done bool, _ AppendResult, _ error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.writable(); err != nil {
		return true, AppendResult{}, unavailable(err)
	}
	first := batches[0]
	if base := first.BaseOffset(); base < l.next && l.next <= first.LastOffset() && l.empty() {
		return false, AppendResult{}, nil
	}
	at := continuation{next: l.next, last: -1, epoch: l.epochs.floorEpoch(l.next), gaps: l.gaps || l.cfg.CleanupPolicy&CleanupCompact != 0}
	gap := false
	for _, b := range batches {
		if problem := at.misfit(b); problem != "" {
			code := kerr.OffsetOutOfRange.Code
			if b.LeaderEpoch() < at.epoch {
				code = kerr.FencedLeaderEpoch.Code
			}
			return true, AppendResult{}, refuse(code, "what the leader has sent does not continue %s: %s", l.Dir(), problem)
		}
		gap = gap || b.BaseOffset() > at.next
		at.take(b)
	}
	if gap && !l.gaps {
		return false, AppendResult{}, errGap
	}
	result, err := l.write(records, batches, AppendResult{BaseOffset: l.next, LogAppendTime: -1})
	return true, result, err
}

// splitVerified splits records into batches, each with a valid checksum.
func splitVerified(batches []Batch, records []byte) ([]Batch, error) {
	if len(records) == 0 {
		return nil, refuse(kerr.InvalidRecord.Code, "there is no record to append")
	}
	for rest := records; len(rest) > 0; {
		at := len(records) - len(rest)
		b, tail, err := SplitBatch(rest)
		if err != nil {
			if len(rest) > atMagic && rest[atMagic] < 2 {
				return nil, oldFormat(rest[atMagic])
			}
			return nil, refuse(kerr.CorruptMessage.Code, "at byte %d of the records: %v", at, err)
		}
		if b.Magic() < 2 {
			return nil, oldFormat(b[atMagic])
		}
		if err := b.Verify(); err != nil {
			return nil, refuse(kerr.CorruptMessage.Code, "at byte %d of the records: %v", at, err)
		}
		batches = append(batches, b)
		rest = tail
	}
	return batches, nil
}

func oldFormat(magic byte) *AppendError {
	return refuse(kerr.UnsupportedForMessageFormat.Code,
		"message format version %d is not supported; a producer of Kafka 0.11 or later writes version 2", magic)
}

// duplicate answers a retry of a batch that is in the log.
func (l *Log) duplicate(dup *producerBatch) (AppendResult, error) {
	result := AppendResult{
		BaseOffset: dup.base, LastOffset: dup.last, LogAppendTime: -1,
		MaxTimestamp: dup.timestamp, LogStartOffset: l.start.Load(), Duplicate: true,
	}
	if l.cfg.LogAppendTime {
		result.LogAppendTime = dup.timestamp
	}
	result.Unsynced = l.end.Load() <= dup.last // the first copy still waits for its sync
	return result, nil
}

// write puts checked batches with final headers at the end of the log. mu is
// held.
func (l *Log) write(records []byte, batches []Batch, result AppendResult) (AppendResult, error) {
	seg := l.active()
	if l.rollNeeded(seg, records, batches) {
		var err error
		if seg, err = l.roll(); err != nil {
			return AppendResult{}, unavailable(err)
		}
	}
	if err := l.writeAtEnd(seg, records); err != nil {
		if planted.Is("producers-before-write") {
			for _, b := range batches {
				l.producers.update(b, l.env.Now())
			}
		}
		return AppendResult{}, unavailable(err)
	}
	if l.lab.Rare("storage/write-yield") {
		l.env.Yield() // a write may take time, and mu is held
	}
	count := int64(0)
	for _, b := range batches {
		if l.lab.Rare("storage/recent-forgotten") {
			l.recent.reset() // a cache: readers go by the index instead
		}
		l.recent.add(b.BaseOffset(), b.LastOffset(), seg.size)
		l.noteBatch(seg, b)
		if hear := l.onFirstAppend; hear != nil && l.epochs.begins(b.LeaderEpoch(), b.BaseOffset()) {
			hear(b.LeaderEpoch(), b.BaseOffset())
		}
		result.MaxTimestamp = max(result.MaxTimestamp, b.MaxTimestamp())
		count += int64(b.LastOffsetDelta()) + 1
	}
	seg.dirty = true
	l.next = seg.next
	l.size.Add(int64(len(records)))

	result.LastOffset = l.next - 1
	result.LogStartOffset = l.start.Load()
	result.Bytes = int64(len(records))
	result.Batches = len(batches)

	l.unflushed += count
	l.syncInTime()
	// What stands behind records that wait for a sync waits with them.
	waits := l.end.Load() < result.BaseOffset
	flush := l.cfg.FlushMessages > 0 && l.unflushed >= l.cfg.FlushMessages ||
		l.lab.Seldom("storage/flush-now") // flush.messages is an upper bound
	result.Unsynced = waits || flush
	if !result.Unsynced || planted.Is("answer-before-sync") {
		result.Unsynced = false
		l.publish(l.next)
	}
	return result, nil
}

// publish lets readers see the log up to end. mu is held.
func (l *Log) publish(end int64) {
	if end > l.end.Load() {
		l.end.Store(end)
	}
}

// writeAtEnd appends p to the segment's file. If that fails the file is cut
// back, so that nothing is ever written behind a partial batch; if that fails
// too, or the device is not merely full, the log is fenced. mu is held.
func (l *Log) writeAtEnd(seg *segment, p []byte) error {
	err := writeFull(seg.file, p, seg.size)
	if err == nil {
		return nil
	}
	if planted.Is("write-behind-error") {
		seg.size, _ = seg.file.Size()
		return &IOError{Op: "write", File: seg.name(), Position: seg.size, Err: err}
	}
	if terr := seg.file.Truncate(seg.size); terr != nil {
		return l.fence("write", seg.name(), seg.size, errors.Join(err, terr))
	}
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, io.ErrShortWrite) {
		return &IOError{Op: "write", File: seg.name(), Position: seg.size, Err: err}
	}
	return l.fence("write", seg.name(), seg.size, err)
}
