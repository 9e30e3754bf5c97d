package storage

import (
	"errors"
	"io"
	"time"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/env/planted"
)

// TruncateTo removes every batch that ends at or behind off. The cut is
// durable when it returns. Truncating at or behind EndOffset removes only
// epochs that were assigned but never written. An off inside a batch removes
// the whole batch. One below StartOffset empties the log and makes off its start
// too: whoever says that the log is another from there on holds what this one
// has not.
//
// Errors are *IOError, after which the log is fenced, and *CorruptError if a
// damaged batch hides where to cut, after which nothing has changed.
func (l *Log) TruncateTo(off int64) error {
	l.maintenance.Lock()
	defer l.maintenance.Unlock()
	l.mu.Lock()
	if err := l.usable(); err != nil {
		l.mu.Unlock()
		return err
	}
	if off >= l.next {
		if l.epochs.latest() == l.epochs.floorEpoch(l.next) || !planted.Is("keep-empty-epochs") {
			l.epochs.truncateEnd(l.next)
		}
		l.mu.Unlock()
		return nil
	}
	start := l.start.Load()
	if off <= start {
		l.mu.Unlock()
		return l.restart(off, off)
	}
	seg := l.segmentFor(off)
	pos, last := seg.index.position(seg.base, off)
	r := seg.reader(pos, last, l.gaps)
	l.mu.Unlock()

	// Nothing but an append can change the log now, and that not before its end.
	cut, end, err := findCut(r, seg.base, off)
	if err != nil {
		return err
	}
	if end <= start {
		return l.restart(start, start)
	}
	return l.truncateAt(seg, cut, end)
}

// findCut returns where the batch that holds off begins, in bytes and as an
// offset.
func findCut(r *batchReader, base, off int64) (pos, end int64, err error) {
	end = base
	for {
		b, at, err := r.next()
		if err == io.EOF {
			return r.pos, end, nil
		}
		if err != nil {
			return 0, 0, err
		}
		if b.LastOffset() >= off {
			return at, b.BaseOffset(), nil
		}
		end = b.NextOffset()
	}
}

// truncateAt cuts the log at byte cut of seg, which is offset end. maintenance
// is held.
//
// The order of the steps makes every crash between them leave a log that was
// there before, or the cut one, or the cut one with later segments that do not
// join it and are removed when it is opened. It is synced because a lost cut
// could join old bytes to new ones. Readers see all of the log that was there
// before, its leader epochs too, until they see the cut one: the state that is
// saved first leaves out the epochs behind its recovery point by itself.
func (l *Log) truncateAt(seg *segment, cut, end int64) error {
	l.mu.Lock()
	lower := end < l.recovery.offset
	l.mu.Unlock()
	if lower {
		if err := l.saveState(recoveryPoint{offset: end, segment: seg.base, position: cut}); err != nil {
			return l.fenceFor(err)
		}
	}
	// The caller lets nobody append meanwhile, but everybody read.
	if d := l.lab.Late("storage/truncate-late", 50*time.Millisecond); d > 0 {
		l.env.Sleep(d)
	}

	l.mu.Lock()
	defer l.mu.Unlock()
	l.gen.Add(1)
	l.cuts.Add(1)
	if l.epochs.latest() == l.epochs.floorEpoch(end) || !planted.Is("keep-truncated-epochs") {
		l.epochs.truncateEnd(end)
	}
	for last := l.active(); last != seg; last = l.active() {
		if err := l.dropLastSegment(); err != nil {
			return l.fenceFor(err)
		}
	}
	if err := l.removeIndexFiles(seg); err != nil {
		return l.fenceFor(err)
	}
	if !planted.Is("keep-later-snapshots") {
		if err := l.removeSnapshotsAfter(end); err != nil {
			return l.fenceFor(err)
		}
	}
	if err := seg.file.Truncate(cut); err != nil {
		return l.fence("truncate", seg.name(), cut, err)
	}
	if !planted.Is("truncation-unsynced") {
		if err := seg.file.Sync(); err != nil {
			return l.fence("sync", seg.name(), -1, err)
		}
	}
	if err := l.syncDir(); err != nil {
		return err
	}
	l.size.Add(cut - seg.size)
	seg.size, seg.next, seg.dirty = cut, end, false
	seg.cutAborted(end)
	l.dirDirty = false
	if err := l.reindexTail(seg); err != nil {
		return l.fenceFor(err)
	}
	l.recent.reset()
	l.next = end
	l.end.Store(min(l.end.Load(), end))
	l.synced.Store(min(l.synced.Load(), end))
	l.dropSealed(seg.base)
	if l.producers.touches(end) && !planted.Is("producers-outlive-truncation") {
		return l.reloadProducers(end)
	}
	return nil
}

// reindexTail makes the index of a segment right for its size: entries beyond
// it go, and what lies behind the last entry left is noted.
func (l *Log) reindexTail(seg *segment) error {
	pos, last := seg.index.truncate(seg.base, seg.size, seg.next)
	r := seg.reader(pos, last, l.gaps)
	for {
		b, pos, err := r.next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err // the entries so far are right
		}
		seg.index.note(seg.base, b.LastOffset(), pos, int64(len(b)), b.MaxTimestamp(), l.cfg.IndexIntervalBytes)
	}
	if seg.size == 0 {
		seg.firstTimestamp = -1
	}
	return nil
}

// dropSealed forgets pending work for segments that are sealed no longer.
func (l *Log) dropSealed(from int64) {
	for n := len(l.sealed); n > 0 && l.sealed[n-1].seg.base >= from; n-- {
		l.sealed = l.sealed[:n-1]
	}
}

// TruncateFullyAndStartAt empties the log and makes off its start and end.
// Errors are *IOError, after which the log is fenced.
func (l *Log) TruncateFullyAndStartAt(off int64) error {
	l.maintenance.Lock()
	defer l.maintenance.Unlock()
	return l.restart(off, off)
}

// restartBelow makes base the next offset of an empty log that starts above it.
func (l *Log) restartBelow(base int64) error {
	l.maintenance.Lock()
	defer l.maintenance.Unlock()
	return l.restart(base, l.start.Load())
}

// restart empties the log so that the next batch gets offset next and readers
// see what is at or behind start. maintenance is held.
//
// A crash part-way leaves the older segments, which are scanned, or none: then
// the log begins no further on than start, so that nothing is taken for deleted.
func (l *Log) restart(next, start int64) error {
	l.mu.Lock()
	if err := l.usable(); err != nil {
		l.mu.Unlock()
		return err
	}
	from := min(start, l.start.Load())
	base := min(from, l.segments[0].base)
	l.mu.Unlock()
	// From here on nothing of the old log counts as known to be durable, but
	// until it is removed it can be read.
	if err := l.saveStateFrom(from, recoveryPoint{offset: base, segment: base}); err != nil {
		return l.fenceFor(err)
	}

	l.mu.Lock()
	l.gen.Add(1)
	l.cuts.Add(1)
	l.epochs, l.gaps = epochCache{}, false
	fresh, err := l.replaceSegments(next)
	if err != nil {
		l.closed = len(l.segments) == 0 // nothing is left to read
		l.mu.Unlock()
		return l.fenceFor(err)
	}
	l.segments = []*segment{fresh}
	l.producers = newProducerTable()
	l.transactional.Store(false)
	l.recent.reset()
	l.sealed = nil
	l.dirDirty = false
	l.next = next
	l.start.Store(start)
	l.end.Store(max(next, start))
	l.synced.Store(max(next, start))
	l.size.Store(0)
	l.mu.Unlock()
	if err := l.saveState(recoveryPoint{offset: next, segment: next}); err != nil {
		return l.fenceFor(err)
	}
	return nil
}

// replaceSegments removes every segment, newest first, and creates an empty
// one. mu is held.
//
// The oldest one's removal is made durable last and on its own: a later segment
// without it would pass for a log whose beginning was deleted.
func (l *Log) replaceSegments(next int64) (*segment, error) {
	for len(l.segments) > 0 {
		if len(l.segments) == 1 {
			if err := l.syncDir(); err != nil {
				return nil, err
			}
		}
		if err := l.dropLastSegment(); err != nil {
			return nil, err
		}
	}
	if err := l.removeSnapshotsAfter(-1); err != nil {
		return nil, err
	}
	if err := l.syncDir(); err != nil {
		return nil, err
	}
	fresh, err := createSegment(l.fs, l.Dir(), next)
	if err != nil {
		return nil, err
	}
	return fresh, l.syncDir()
}

// dropLastSegment closes and removes the last segment. mu is held.
func (l *Log) dropLastSegment() error {
	seg := l.active()
	if err := l.removeSegmentFiles(seg); err != nil {
		return err
	}
	l.size.Add(-seg.size)
	l.segments = l.segments[:len(l.segments)-1]
	return nil
}

// removeSegmentFiles closes a segment and removes its files.
func (l *Log) removeSegmentFiles(seg *segment) error {
	if err := seg.file.Close(); err != nil {
		return &IOError{Op: "close", File: seg.name(), Position: -1, Err: err}
	}
	if err := l.fs.Remove(seg.name()); err != nil {
		return &IOError{Op: "remove", File: seg.name(), Position: -1, Err: err}
	}
	if seg.abortedSaved {
		if err := l.fs.Remove(seg.abortedName()); err != nil && !isMissing(err) {
			return &IOError{Op: "remove", File: seg.abortedName(), Position: -1, Err: err}
		}
	}
	return l.removeIndexFiles(seg)
}

// removeIndexFiles removes what can be made from the segment's batches alone.
func (l *Log) removeIndexFiles(seg *segment) error {
	for _, name := range []string{seg.indexName(), seg.timeName()} {
		if err := l.fs.Remove(name); err != nil && !isMissing(err) {
			return &IOError{Op: "remove", File: name, Position: -1, Err: err}
		}
	}
	return nil
}

// removeSnapshotsAfter removes the producer snapshots of offsets above off.
func (l *Log) removeSnapshotsAfter(off int64) error {
	offsets, err := l.snapshots()
	if err != nil {
		return err
	}
	l.kept = offsets
	for n := len(offsets) - 1; n >= 0 && offsets[n] > off; n-- {
		if err := l.fs.Remove(l.snapshotPath(offsets[n])); err != nil {
			return &IOError{Op: "remove", File: l.snapshotPath(offsets[n]), Position: -1, Err: err}
		}
		l.kept = offsets[:n]
	}
	return nil
}

// reloadProducers makes the producer table what it was at offset end, which is
// the log's. mu is held.
func (l *Log) reloadProducers(end int64) error {
	table, from, err := loadProducers(l.fs, l.Dir(), end, l.clocks())
	if err != nil {
		return l.fenceFor(err)
	}
	l.producers = table
	if err := l.replayProducers(from, nil); err != nil {
		return l.fenceFor(err)
	}
	return nil
}

// replayProducers adds the log's batches from offset from on to the producers,
// and tells aborted, if not nil, of each transaction that turns out aborted.
func (l *Log) replayProducers(from int64, aborted func(*segment, AbortedTransaction)) error {
	for _, seg := range l.segments {
		if seg.next <= from || seg.size == 0 {
			continue
		}
		pos, last := seg.index.position(seg.base, max(from, seg.base))
		r := seg.reader(pos, last, l.gaps)
		for {
			b, _, err := r.next()
			if err == io.EOF {
				break
			}
			if err != nil {
				return err
			}
			if b.BaseOffset() >= from {
				if a, ok := l.producers.update(b, l.env.Now()); ok && aborted != nil {
					aborted(seg, a)
				}
			}
		}
	}
	l.transactional.Store(l.producers.txns.count() > 0)
	return nil
}

// fenceFor fences the log because of an error in the middle of a change.
func (l *Log) fenceFor(err error) error {
	var io *IOError
	if errors.As(err, &io) {
		return l.fence(io.Op, io.File, io.Position, io.Err)
	}
	var corrupt *CorruptError
	if errors.As(err, &corrupt) {
		return l.fence("read", corrupt.File, corrupt.Position, err)
	}
	return l.fence("change", l.Dir(), -1, err)
}

// loadProducers reads the newest usable producer snapshot at or before offset
// and returns the offset from which batches have to be added to it.
func loadProducers(fsys env.FS, dir string, offset int64, at clocks) (table producerTable, from int64, err error) {
	l := Log{fs: fsys}
	l.at.Store(&dir)
	offsets, err := l.snapshots()
	if err != nil {
		return producerTable{}, 0, err
	}
	for i := len(offsets) - 1; i >= 0; i-- {
		if offsets[i] > offset {
			continue
		}
		data, err := readWhole(fsys, l.snapshotPath(offsets[i]))
		if err == nil {
			table, err = decodeProducers(l.snapshotPath(offsets[i]), data, offsets[i], at)
		}
		if err == nil {
			return table, offsets[i], nil
		}
		var corrupt *CorruptError
		if !errors.As(err, &corrupt) {
			return producerTable{}, 0, err
		}
	}
	return newProducerTable(), 0, nil
}
