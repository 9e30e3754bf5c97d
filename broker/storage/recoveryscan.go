package storage

import (
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"syscall"

	"github.com/weirlab/weir/env/planted"
)

// scan walks what is not known to be durable and cuts it off where it stops
// making sense.
func (o *opener) scan() error {
	first, pos, offset := 0, int64(0), o.segments[0].base
	if o.trusted {
		rp := o.state.recovery
		first = slices.IndexFunc(o.segments, func(s *segment) bool { return s.base == rp.segment })
		pos, offset = rp.position, rp.offset
		o.epochs.entries = slices.Clone(o.state.epochs)
		o.synced.Store(offset)
		o.proven = map[*segment]int64{o.segments[first]: pos}
		for _, seg := range o.segments[:first] {
			o.proven[seg] = math.MaxInt64
		}
	}
	if err := o.acceptTrusted(first, pos, offset); err != nil {
		return err
	}
	stop, err := o.scanFrom(first, offset)
	if last := o.active(); err == nil && stop == nil && last.size > 0 && o.rec.BytesChecked > 0 && planted.Is("drop-unsealed-segment") {
		stop = &scanStop{segment: len(o.segments) - 1, reason: "it was not sealed"}
		o.dropSegment(stop)
	}
	if err != nil || stop == nil {
		return err
	}
	return o.cut(stop)
}

// acceptTrusted takes the part before the recovery point, which is at byte pos
// of segment number n, as it is, and gets indexes and producers for it.
func (o *opener) acceptTrusted(n int, pos, offset int64) error {
	for i, seg := range o.segments[:n+1] {
		seg.size, seg.next = pos, offset
		if i < n {
			seg.size, seg.next = o.found[i], o.segments[i+1].base
		}
		if err := seg.loadAborted(o.fs, seg.next); errors.As(err, new(*CorruptError)) {
			o.abortedUnknown = true
		} else if err != nil {
			return err
		}
		if seg.size == 0 {
			continue
		}
		if err := o.restoreIndex(seg); err != nil {
			return err
		}
		if b, _, err := seg.reader(0, -1, o.gaps).next(); err == nil {
			seg.firstTimestamp = b.beginsAt()
		}
	}
	table, from, err := loadProducers(o.fs, o.Dir(), offset, o.clocks())
	if err != nil {
		return err
	}
	o.producers = table
	err = o.replayProducers(from, nil)
	if err == nil && o.abortedUnknown {
		err = o.rebuildAborted()
	}
	var corrupt *CorruptError
	if errors.As(err, &corrupt) {
		return nil // whoever reads there will be told; producers lose some memory
	}
	return err
}

// restoreIndex reads the index files of a trusted segment, or makes the index
// anew from as many of its batches as are undamaged. Index files may cover less
// than the segment: what is missing behind their last entry is added.
func (o *opener) restoreIndex(seg *segment) error {
	err := seg.loadIndex(o.fs, seg.size, seg.next)
	var corrupt *CorruptError
	switch {
	case err == nil:
		err = o.reindexTail(seg)
	case isMissing(err) || errors.As(err, &corrupt):
		o.rec.IndexesRebuilt++
		o.unsavedIndexes = append(o.unsavedIndexes, seg)
		seg.indexVerified = true
		seg.index = newSegmentIndex()
		err = o.reindexTail(seg)
	}
	if errors.As(err, &corrupt) {
		return nil // whoever reads there will be told
	}
	return err
}

// rebuildAborted makes the indexes of aborted transactions anew. Whether a
// transaction that ended in a segment was open before is only told by the
// batches before it, so all that is accepted is walked once more.
func (o *opener) rebuildAborted() error {
	table := o.producers
	o.producers = newProducerTable()
	for _, seg := range o.segments {
		seg.aborted = nil
	}
	err := o.replayProducers(0, func(seg *segment, a AbortedTransaction) { seg.aborted = append(seg.aborted, a) })
	for _, seg := range o.segments {
		if seg.size > 0 && !slices.Contains(o.unsavedIndexes, seg) {
			o.unsavedIndexes = append(o.unsavedIndexes, seg)
		}
	}
	o.rec.IndexesRebuilt++
	o.producers = table
	return err
}

func (o *opener) countChecked(b Batch) {
	o.env.Work("storage.recover", int64(len(b)))
	o.rec.BatchesChecked++
	o.rec.BytesChecked += int64(len(b))
}

// scanStop is where a scan could not go on.
type scanStop struct {
	segment int // its number
	pos     int64
	reason  string
}

// scanFrom accepts valid batches from the end of the accepted part of segment
// number n on, where the next offset is offset.
func (o *opener) scanFrom(n int, offset int64) (*scanStop, error) {
	at := continuation{next: offset, last: -1, epoch: o.epochs.latest(), gaps: o.gaps}
	for i, seg := range o.segments {
		if i < n {
			continue
		}
		if i > n && !at.joins(seg.base) {
			return &scanStop{segment: i, reason: fmt.Sprintf("the segment starts at offset %d, the one before it ends at %d",
				seg.base, at.next)}, nil
		}
		if i > n {
			at.next = seg.base
		}
		// Even where there is nothing new: the last thing before the crash may
		// have been a cut that was not yet durable.
		seg.dirty = o.trusted || o.found[i] > 0
		r := &batchReader{file: seg.file, name: seg.name(), pos: seg.size, end: o.found[i], at: at}
		for {
			b, pos, err := r.next()
			var corrupt *CorruptError
			switch {
			case errors.As(err, &corrupt):
				return &scanStop{segment: i, pos: pos, reason: corrupt.Reason}, nil
			case err != nil && err != io.EOF:
				return nil, err
			}
			if err == io.EOF {
				break
			}
			o.countChecked(b)
			if b.LastOffset()-seg.base > math.MaxInt32 {
				return &scanStop{segment: i, pos: pos,
					reason: fmt.Sprintf("the batch ends at offset %d, too far from its segment's base", b.LastOffset())}, nil
			}
			o.noteBatch(seg, b)
		}
		at = r.at
		if i < len(o.segments)-1 {
			seg.index.noteTime(seg.base)
			o.unsavedIndexes = append(o.unsavedIndexes, seg)
		}
	}
	return nil, nil
}

// cut removes everything from stop on.
func (o *opener) cut(stop *scanStop) error {
	if planted.Is("drop-damaged-segment") {
		o.dropSegment(stop)
	}
	keep := stop.segment + 1
	if stop.pos == 0 && stop.segment > 0 {
		keep = stop.segment
	}
	at := o.segments[stop.segment]
	o.rec.TruncatedFile, o.rec.TruncatedAt, o.rec.TruncatedReason = at.name(), stop.pos, stop.reason
	o.rec.TruncatedBytes = o.found[stop.segment] - stop.pos
	for i := len(o.segments) - 1; i >= keep; i-- {
		seg := o.segments[i]
		if i > stop.segment {
			o.rec.TruncatedBytes += o.found[i]
		}
		if err := o.removeSegmentFiles(seg); err != nil {
			return err
		}
		o.rec.RemovedFiles = append(o.rec.RemovedFiles, seg.name())
	}
	o.changed = o.changed || keep < len(o.segments)
	o.segments = o.segments[:keep]
	o.unsavedIndexes = slices.DeleteFunc(o.unsavedIndexes, func(s *segment) bool { return s == o.active() })
	if keep <= stop.segment {
		return nil
	}
	if err := at.file.Truncate(stop.pos); err != nil {
		return &IOError{Op: "truncate", File: at.name(), Position: stop.pos, Err: err}
	}
	at.dirty = true
	if err := o.removeIndexFiles(at); err != nil {
		return err
	}
	o.changed = true
	return nil
}

// finish cleans up behind the scan and makes the opened log durable.
func (o *opener) finish() error {
	active := o.active()
	o.start.Store(max(o.state.logStart, o.segments[0].base))
	o.next = active.next
	if promised := o.state.recovery.offset; o.next < promised && o.state.logStart < promised {
		if o.rec.LostSyncedTo == 0 {
			o.rec.LostSyncedFrom = max(o.next, o.state.logStart)
		}
		o.rec.LostSyncedTo = promised
	}
	if err := o.removeSnapshotsAfter(o.next); err != nil {
		return err
	}
	o.epochs.truncateStart(o.start.Load())
	o.end.Store(max(o.next, o.start.Load()))
	for _, seg := range o.segments {
		o.size.Add(seg.size)
		o.changed = o.changed || seg.dirty
	}
	if o.next < o.start.Load() {
		return o.restart(o.start.Load(), o.start.Load())
	}
	if o.changed {
		o.dirDirty = true
		if err := o.rewrite(); err != nil {
			return err
		}
		if err := o.sync(); err != nil {
			return err
		}
	}
	o.synced.Store(o.next)
	o.rec.Producers = len(o.producers.byID)
	o.transactional.Store(o.producers.txns.count() > 0)
	return o.saveRecovered()
}

// rewrite makes a sync write what the kernel may take for written although it is
// not.
func (o *opener) rewrite() error {
	if !o.cfg.Unproven {
		return nil
	}
	var buf []byte
	for _, seg := range o.segments {
		for pos := o.proven[seg]; pos < seg.size; pos += int64(len(buf)) {
			if buf == nil {
				buf = make([]byte, 256<<10)
			}
			buf = buf[:min(int64(cap(buf)), seg.size-pos)]
			if _, err := seg.file.ReadAt(buf, pos); err != nil {
				return &IOError{Op: "read", File: seg.name(), Position: pos, Err: err}
			}
			if _, err := seg.file.WriteAt(buf, pos); err != nil {
				return &IOError{Op: "write", File: seg.name(), Position: pos, Err: err}
			}
			seg.dirty = true
		}
	}
	return nil
}

// saveRecovered writes down what the scan found, so that it need not be found
// again. On a full disk that can wait, unless the file there says too much.
func (o *opener) saveRecovered() error {
	active := o.active()
	rp := recoveryPoint{offset: o.next, segment: active.base, position: active.size}
	if o.trusted && rp == o.state.recovery || o.log0() {
		o.recovery = o.state.recovery
		return nil
	}
	err := o.saveIndexes()
	if err == nil {
		err = active.saveAborted(o.fs)
	}
	if err == nil {
		err = o.saveState(rp)
	}
	if errors.Is(err, syscall.ENOSPC) && o.next >= o.state.recovery.offset {
		o.recovery = o.state.recovery
		return nil
	}
	return err
}

// log0 reports whether the log is one that never held anything.
func (o *opener) log0() bool {
	return !o.trusted && o.rec.StateProblem == "" && o.next == o.start.Load()
}

func (o *opener) saveIndexes() error {
	for _, seg := range o.unsavedIndexes {
		if seg == o.active() {
			continue
		}
		if err := seg.saveIndex(o.fs); err != nil {
			return err
		}
	}
	return nil
}
