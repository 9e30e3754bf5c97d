// Package coordinatortest has a log for tests of coordinators.
package coordinatortest

import (
	"errors"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/weirlab/weir/broker/storage"
	"github.com/weirlab/weir/env"
)

// Log is one partition of an internal topic (coordinator.Log) that several
// coordinators may believe to lead, as brokers do: only the epoch elected last
// can append and commit. It takes any partition number for its own.
type Log struct {
	mu        env.Mutex
	changed   env.Cond
	clock     env.Clock
	epoch     int32
	end       int64
	committed int64
	held      bool
	refusals  []int16
	batches   []storage.Batch
}

// NewLog returns an empty log, led in no epoch.
func NewLog(e env.Env) *Log {
	l := &Log{mu: e.NewMutex(), clock: e}
	l.changed = e.NewCond(l.mu)
	return l
}

// Elect begins an epoch. What is not committed is lost from offset keep on.
func (l *Log) Elect(keep int64) (epoch int32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	keep = max(keep, l.committed)
	l.batches = slices.DeleteFunc(l.batches, func(b storage.Batch) bool { return b.NextOffset() > keep })
	l.end = 0
	if n := len(l.batches); n > 0 {
		l.end = l.batches[n-1].NextOffset()
	}
	l.epoch++
	l.settle()
	return l.epoch
}

// Epoch is the epoch that was elected last.
func (l *Log) Epoch() int32 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.epoch
}

// Hold makes the log append and not commit, until it is let go.
func (l *Log) Hold(held bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held = held
	l.settle()
}

// CommitTo commits up to an offset although the log is held.
func (l *Log) CommitTo(offset int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.committed = max(l.committed, min(offset, l.end))
	l.changed.Broadcast()
}

// Refuse refuses the next appends with these codes; 0 takes one.
func (l *Log) Refuse(codes ...int16) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refusals = append(l.refusals, codes...)
}

// End is the offset behind the last record, and how far the log is committed.
func (l *Log) End() (end, committed int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.end, l.committed
}

// Records are the records in the log.
func (l *Log) Records() (records []storage.Record) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, b := range l.batches {
		for r, err := range b.Records() {
			if err != nil {
				break
			}
			records = append(records, r)
		}
	}
	return records
}

func (l *Log) settle() {
	if !l.held {
		l.committed = l.end
	}
	l.changed.Broadcast()
}

// Append is coordinator.Log's.
func (l *Log) Append(_, epoch int32, records []byte, _ storage.AppendOptions) (int64, int16) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if epoch != l.epoch {
		return -1, kerr.NotLeaderForPartition.Code
	}
	if len(l.refusals) > 0 {
		code := l.refusals[0]
		if l.refusals = l.refusals[1:]; code != 0 {
			return -1, code
		}
	}
	b := storage.Batch(slices.Clone(records))
	b.SetBaseOffset(l.end)
	base := l.end
	l.end = b.NextOffset()
	l.batches = append(l.batches, b)
	l.settle()
	return base, 0
}

// AwaitCommitted is coordinator.Log's.
func (l *Log) AwaitCommitted(_, epoch int32, offset int64, patience time.Duration) (int64, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	until := l.clock.Now() + patience
	for epoch == l.epoch && l.committed <= offset {
		left := until - l.clock.Now()
		if left <= 0 {
			break
		}
		l.changed.WaitTimeout(left)
	}
	return l.committed, epoch == l.epoch
}

// Load is coordinator.Log's.
func (l *Log) Load(_, epoch int32, fn func(storage.Batch)) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if epoch != l.epoch {
		return errors.New("coordinatortest: the epoch is over")
	}
	if l.committed < l.end {
		return errors.New("coordinatortest: the end of the log is not committed")
	}
	for _, b := range l.batches {
		fn(b)
	}
	return nil
}
