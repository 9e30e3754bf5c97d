package storage

import (
	"errors"
	"math"
	"syscall"
	"time"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/env/planted"
)

// rollNeeded reports whether the batches belong into a new segment.
func (l *Log) rollNeeded(seg *segment, records []byte, batches []Batch) bool {
	if seg.size == 0 {
		return false
	}
	last := batches[len(batches)-1]
	switch {
	case seg.size+int64(len(records)) > l.cfg.SegmentBytes:
		return true
	case l.lab.Seldom("storage/roll-early"):
		return true // segment.bytes is an upper bound
	case last.LastOffset()-seg.base > math.MaxInt32:
		return true // index entries hold 32 bits
	case l.cfg.SegmentMillis > 0 && seg.firstTimestamp >= 0:
		return last.MaxTimestamp()-seg.firstTimestamp > l.cfg.SegmentMillis-l.jitter(seg)
	}
	return false
}

// jitter is the segment's share of SegmentJitterMillis, the same at each call.
func (l *Log) jitter(seg *segment) int64 {
	most := min(l.cfg.SegmentJitterMillis, l.cfg.SegmentMillis)
	if most <= 0 {
		return 0
	}
	return l.env.Rand("storage: segment.jitter.ms", seg.path).Int64n(most)
}

// roll seals the active segment and starts an empty one. What makes the sealed
// one durable is left to a task, as it takes several syncs. mu is held.
func (l *Log) roll() (*segment, error) {
	old := l.active()
	if l.dirDirty && !planted.Is("roll-without-sync") {
		// A later segment must not outlive an earlier one in a loss of power.
		if err := l.syncDir(); err != nil {
			return nil, err
		}
		l.dirDirty = false
	}
	seg, err := createSegment(l.fs, l.Dir(), l.next)
	if err != nil {
		return nil, l.aside(err)
	}
	l.dirDirty = true
	l.segments = append(l.segments, seg)
	l.recent.reset()
	old.index.noteTime(old.base)
	l.sealed = append(l.sealed, sealedSegment{seg: old, producers: l.producers.encode(l.next, l.clocks())})
	if l.flusher == nil {
		l.flusher = l.env.Go("storage: flush sealed segments of "+l.Dir(), l.flushSealed)
	}
	if l.onRoll != nil {
		l.onRoll(seg.base)
	}
	return seg, nil
}

func createSegment(fsys env.FS, dir string, base int64) (*segment, error) {
	seg := newSegment(dir, base, nil)
	f, err := fsys.Create(seg.name())
	if err != nil {
		return nil, &IOError{Op: "create", File: seg.name(), Position: -1, Err: err}
	}
	seg.file = f
	return seg, nil
}

// flushSealed makes sealed segments durable, oldest first, and moves the
// recovery point behind them.
func (l *Log) flushSealed() {
	for l.flushOneSealed() {
	}
}

func (l *Log) flushOneSealed() (more bool) {
	// Nobody is promised when a sealed segment is durable.
	if d := l.lab.Late("storage/seal-late", 2*time.Second); d > 0 {
		l.env.Sleep(d)
	}
	l.maintenance.Lock()
	defer l.maintenance.Unlock()
	l.mu.Lock()
	if len(l.sealed) == 0 || l.closing || l.failed.Load() != nil {
		l.flusher = nil
		l.mu.Unlock()
		return false
	}
	job := l.sealed[0]
	l.sealed = l.sealed[1:]
	l.mu.Unlock()

	if !planted.Is("recovery-point-before-sync") && l.sync() != nil {
		return true
	}
	// None of the rest is needed to keep the promise made to producers: a full
	// disk here only means a longer scan after a crash.
	if err := l.aside(l.finishSealed(job)); err != nil {
		l.env.Event("log-flush-incomplete", env.Text("dir", l.Dir()), env.Text("error", err.Error()))
	}
	return true
}

// aside judges an error of making or writing a file beside the segments that
// hold records, and returns it. A full disk leaves what was there in place, and
// nothing is lost. Any other error fences the log: it is the same device. So
// does one of syncing the directory, which is told once and may be that of a
// segment's name.
func (l *Log) aside(err error) error {
	var failed *IOError
	if err == nil || errors.Is(err, syscall.ENOSPC) && (!errors.As(err, &failed) || failed.Op != opSyncDir) {
		return err
	}
	return l.fenceFor(err)
}

// finishSealed writes the files beside a sealed, synced segment and then moves
// the recovery point to its end. maintenance is held.
func (l *Log) finishSealed(job sealedSegment) error {
	end := job.seg.next
	if l.lab.Rare("storage/seal-unfinished") {
		return nil // as with a full disk: all of it can be made from the segment
	}
	if err := job.seg.saveIndex(l.fs); err != nil {
		return err
	}
	if err := l.saveSnapshot(end, job.producers); err != nil {
		return err
	}
	return l.saveState(recoveryPoint{offset: end, segment: end, position: 0})
}

// saveState writes the log-state file, with the recovery point at rp.
// maintenance is held.
func (l *Log) saveState(rp recoveryPoint) error { return l.saveStateFrom(l.start.Load(), rp) }

// saveStateFrom is saveState with a start offset that is to be the log's.
func (l *Log) saveStateFrom(start int64, rp recoveryPoint) error {
	l.mu.Lock()
	state := logState{logStart: start, recovery: rp, gaps: l.gaps, swap: l.swap, epochs: l.epochs.entries}
	data := state.encode()
	l.mu.Unlock()
	if err := WriteFile(l.fs, l.statePath(), data); err != nil {
		return err
	}
	l.mu.Lock()
	l.recovery = rp
	l.mu.Unlock()
	return nil
}
