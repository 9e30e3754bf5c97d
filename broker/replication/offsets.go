package replication

import (
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/broker/storage"
	"github.com/weirlab/weir/env/planted"
)

// ListOffsets finds an offset by timestamp on the leader. currentLeaderEpoch
// -1 skips the epoch check. Until a new leader's high watermark has reached
// its epoch's start, TimestampLatest and times are OFFSET_NOT_AVAILABLE
// (KIP-207): an earlier leader may have answered more.
func (m *Manager) ListOffsets(tp metadata.TopicPartition, timestampMs int64, currentLeaderEpoch int32, readCommitted bool) ListOffsetsResult {
	failed := func(code int16) ListOffsetsResult {
		return ListOffsetsResult{ErrorCode: code, Offset: -1, Timestamp: -1, LeaderEpoch: -1}
	}
	p := m.partition(tp)
	if p == nil {
		return failed(m.missing(tp))
	}
	p.mu.Lock()
	code := p.checkEpoch(currentLeaderEpoch)
	epoch, start, mark, committed := p.state.LeaderEpoch(), p.state.Log().Start, p.state.HighWatermark(), p.state.HighWatermark() >= p.state.EpochStart()
	if readCommitted {
		mark = p.log.LastStableOffset(mark)
	}
	p.mu.Unlock()
	switch {
	case code != 0:
		return failed(code)
	case timestampMs == TimestampEarliest, timestampMs == TimestampEarliestLocal:
		return ListOffsetsResult{Offset: start, Timestamp: -1, LeaderEpoch: p.epochAt(start)}
	case timestampMs == TimestampLatestTiered, timestampMs == TimestampEarliestPendingUpload:
		return failed(0)
	case !committed && !planted.Is("latest-before-epoch-start"),
		p.m.lab.Rare("replication/offset-unavailable"): // as at the beginning of an epoch
		return failed(kerr.OffsetNotAvailable.Code)
	case timestampMs == TimestampLatest:
		return ListOffsetsResult{Offset: mark, Timestamp: -1, LeaderEpoch: epoch}
	}
	// The search may read all of the log, so it is done without the lock. What
	// it finds counts only if nobody can have cut the log meanwhile.
	var at storage.TimestampOffset
	var found bool
	var err error
	switch {
	case timestampMs == TimestampMaxTimestamp:
		at, found, err = p.log.OffsetOfMaxTimestamp()
	case timestampMs >= 0:
		at, found, err = p.log.OffsetForTimestamp(timestampMs)
	default:
		return failed(kerr.UnsupportedVersion.Code)
	}
	if p.leading.Load() != epoch {
		return failed(kerr.NotLeaderForPartition.Code)
	}
	if err != nil {
		p.check("read", err)
		var corrupt *storage.CorruptError
		if errors.As(err, &corrupt) {
			return failed(kerr.CorruptMessage.Code)
		}
		return failed(kerr.KafkaStorageError.Code)
	}
	if !found || at.Offset >= mark {
		return failed(0)
	}
	return ListOffsetsResult{Offset: at.Offset, Timestamp: at.Timestamp, LeaderEpoch: at.LeaderEpoch}
}

// epochAt is the leader epoch of the record at offset, -1 if unknown.
func (p *partition) epochAt(offset int64) int32 {
	epoch := int32(-1)
	for _, e := range p.log.Epochs() {
		if e.StartOffset > offset {
			break
		}
		epoch = e.Epoch
	}
	return epoch
}

// OffsetForLeaderEpoch finds where an epoch ends in the leader's log (KIP-101,
// KIP-279). currentLeaderEpoch -1 skips the epoch check (KIP-320).
func (m *Manager) OffsetForLeaderEpoch(tp metadata.TopicPartition, currentLeaderEpoch, leaderEpoch int32) EpochEndResult {
	failed := func(code int16) EpochEndResult {
		return EpochEndResult{ErrorCode: code, LeaderEpoch: -1, EndOffset: -1}
	}
	p := m.partition(tp)
	if p == nil {
		return failed(m.missing(tp))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if code := p.checkEpoch(currentLeaderEpoch); code != 0 {
		return failed(code)
	}
	if leaderEpoch < 0 || leaderEpoch > p.state.LeaderEpoch() {
		return failed(0) // an epoch that this log cannot know says nothing
	}
	epoch, end := p.epochEnd(leaderEpoch)
	return EpochEndResult{LeaderEpoch: epoch, EndOffset: end}
}

// DeleteRecords moves the leader's log start offset up to before (-1: the high
// watermark); followers hear of it with their next fetch. The records of an
// internal topic are state, which only its coordinator may give up:
// INVALID_TOPIC_EXCEPTION. A topic whose policy does not contain "delete" is not
// to be cut either: POLICY_VIOLATION.
func (m *Manager) DeleteRecords(tp metadata.TopicPartition, before int64) DeleteRecordsResult {
	failed := func(code int16) DeleteRecordsResult { return DeleteRecordsResult{ErrorCode: code, LowWatermark: -1} }
	if metadata.IsInternalTopic(tp.Topic) {
		return failed(kerr.InvalidTopicException.Code)
	}
	return m.trim(tp, before)
}

// TrimInternal is DeleteRecords for the coordinator that keeps its state in an internal
// topic, and knows that records say nothing any more.
func (m *Manager) TrimInternal(tp metadata.TopicPartition, before int64) DeleteRecordsResult {
	return m.trim(tp, before)
}

func (m *Manager) trim(tp metadata.TopicPartition, before int64) DeleteRecordsResult {
	failed := func(code int16) DeleteRecordsResult { return DeleteRecordsResult{ErrorCode: code, LowWatermark: -1} }
	p := m.partition(tp)
	if p == nil {
		return failed(m.missing(tp))
	}
	p.changing.Lock()
	defer p.changing.Unlock()
	p.mu.Lock()
	code, start, mark := p.checkEpoch(-1), p.state.Log().Start, p.state.HighWatermark()
	p.mu.Unlock()
	if code != 0 {
		return failed(code)
	}
	if p.log.CleanupPolicy()&storage.CleanupDelete == 0 {
		return failed(kerr.PolicyViolation.Code)
	}
	if before == -1 {
		before = mark
	}
	if before < start || before > mark {
		return failed(kerr.OffsetOutOfRange.Code)
	}
	err := p.log.DeleteRecordsBefore(before)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.trimmed("trim", err)
	if err != nil {
		return failed(kerr.KafkaStorageError.Code)
	}
	return DeleteRecordsResult{LowWatermark: p.state.Log().Start}
}

// readCommitted reads whole batches of the local log from offset, below the
// high watermark. It returns nil at the high watermark, and an error if this
// broker does not lead tp.
func (m *Manager) readCommitted(tp metadata.TopicPartition, offset int64, maxBytes int32) ([]byte, error) {
	results := m.Fetch(FetchParams{ReplicaID: -1, ReplicaEpoch: -1, MaxBytes: maxBytes},
		[]FetchPartition{{TP: tp, CurrentLeaderEpoch: -1, FetchOffset: offset, LastFetchedEpoch: -1, MaxBytes: maxBytes}})
	if code := results[0].ErrorCode; code != 0 {
		return nil, fmt.Errorf("replication: read %v at offset %d: %w", tp, offset, kerr.ErrorForCode(code))
	}
	return results[0].Records, nil
}

// AwaitCommitted waits until the high watermark of tp is above offset, but not
// longer than timeout. It returns the high watermark, and whether this broker
// leads tp in epoch; if it does not, nothing more will be committed in it.
func (m *Manager) AwaitCommitted(tp metadata.TopicPartition, epoch int32, offset int64, timeout time.Duration) (highWatermark int64, leading bool) {
	p := m.partition(tp)
	if p == nil {
		return -1, false
	}
	p.awaitHighWatermark(epoch, func(*State) int64 { return offset + 1 }, timeout)
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.state.HighWatermark(), p.leading.Load() == epoch
}

// LoadCommitted gives fn every batch of tp that is in the log of this broker, which
// leads it in epoch, in order and once all of it is committed:
// what a coordinator builds its state from, and later answers from, without
// ever having believed a record that another leader took back. What it has written
// in that epoch itself is among them, should its log have failed it meanwhile. It fails if the
// broker does not lead in that epoch to the end, if nothing is committed for as
// long as timeout, or with the error of fn.
func (m *Manager) LoadCommitted(tp metadata.TopicPartition, epoch int32, timeout time.Duration, fn func(batch []byte) error) error {
	p := m.partition(tp)
	if p == nil {
		return fmt.Errorf("replication: load %v: %w", tp, kerr.UnknownTopicOrPartition)
	}
	p.mu.Lock()
	last := p.state.Log().End
	p.mu.Unlock()
	upTo := func(s *State) int64 { return max(last, s.EpochStart()) }
	if planted.Is("load-before-commit") {
		upTo = (*State).HighWatermark
	}
	if !p.awaitHighWatermark(epoch, upTo, timeout) {
		return fmt.Errorf("replication: load %v: epoch %d has not committed its start after %v, or is over: %w", tp, epoch, timeout, kerr.NotLeaderForPartition)
	}
	// No lock is held: the epoch may be over before anything is read.
	if d := m.lab.Late("replication/load-late", 500*time.Millisecond); d > 0 {
		m.stopping.Wait(d)
	}
	p.mu.Lock()
	offset, end := p.state.Log().Start, upTo(p.state)
	p.mu.Unlock()
	for offset < end {
		records, err := m.readCommitted(tp, offset, 1<<20)
		if err != nil {
			return err
		}
		for batch, err := range storage.Batches(records) {
			if err != nil {
				return fmt.Errorf("replication: load %v at offset %d: %w", tp, offset, err)
			}
			if base := batch.BaseOffset(); base > offset && planted.Is("load-without-gaps") {
				return fmt.Errorf("replication: load %v: offset %d is missing: %w", tp, offset, kerr.UnknownServerError)
			}
			if err := fn(batch); err != nil {
				return err
			}
			offset = batch.NextOffset()
		}
		if len(records) == 0 {
			return fmt.Errorf("replication: load %v: nothing to read at offset %d below %d", tp, offset, end)
		}
	}
	if p.leading.Load() != epoch {
		return fmt.Errorf("replication: load %v: epoch %d is over: %w", tp, epoch, kerr.NotLeaderForPartition)
	}
	return nil
}
