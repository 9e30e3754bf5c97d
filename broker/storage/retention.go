package storage

import (
	"slices"

	"github.com/weirlab/weir/env/planted"
)

// DeleteRecordsBefore makes off the start offset and removes the segments that
// lie wholly before it. Going back is ignored. Errors: an
// *OffsetOutOfRangeError beyond EndOffset; an *IOError, after which the start
// offset is unchanged and, unless the disk was full, the log is fenced.
//
// Neither appends nor reads wait for it.
func (l *Log) DeleteRecordsBefore(off int64) error {
	l.maintenance.Lock()
	defer l.maintenance.Unlock()
	_, err := l.advanceStart(off)
	return err
}

// advanceStart moves the start offset to off and returns how many segments
// that removed. maintenance is held.
//
// The new start is durable before anybody sees it and before any file goes, so
// that files which come back after a loss of power are known to be too old.
func (l *Log) advanceStart(off int64) (removed int, err error) {
	l.mu.Lock()
	if err := l.usable(); err != nil {
		l.mu.Unlock()
		return 0, err
	}
	start, end := l.start.Load(), l.end.Load()
	if off > end {
		l.mu.Unlock()
		return 0, &OffsetOutOfRangeError{Dir: l.Dir(), Offset: off, Start: start, End: end}
	}
	if off <= start {
		l.mu.Unlock()
		return 0, nil
	}
	rp := l.recovery
	for i, seg := range l.segments[:len(l.segments)-1] {
		// The recovery point may not name a segment that is about to go.
		if seg.next <= off && rp.offset < seg.next {
			rp = recoveryPoint{offset: l.segments[i+1].base, segment: l.segments[i+1].base}
		}
	}
	l.mu.Unlock()

	if err := l.aside(l.saveStateFrom(off, rp)); err != nil {
		return 0, err
	}

	l.mu.Lock()
	l.start.Store(off)
	if planted.Is("producers-go-with-records") {
		l.producers.dropBefore(off)
	}
	l.epochs.truncateStart(off)
	n := 0
	for n < len(l.segments)-1 && l.segments[n].next <= off {
		l.size.Add(-l.segments[n].size)
		n++
	}
	gone := l.segments[:n]
	if n > 0 {
		l.gen.Add(1)
		l.segments = slices.Clone(l.segments[n:])
		l.sealed = slices.DeleteFunc(l.sealed, func(s sealedSegment) bool { return slices.Contains(gone, s.seg) })
	}
	l.mu.Unlock()
	for _, seg := range gone {
		if err := l.removeSegmentFiles(seg); err != nil {
			return removed, l.fenceFor(err)
		}
		removed++
	}
	return removed, nil
}

// ApplyRetention removes the oldest segments that the retention settings no
// longer keep and that lie wholly below highWatermark, and returns how many it
// removed. It removes none unless CleanupPolicy contains CleanupDelete. Only a
// leader calls it: its followers take the start of its log. Errors are those of
// DeleteRecordsBefore.
//
// Age is that of a segment's newest timestamp; a segment without timestamps
// does not age.
func (l *Log) ApplyRetention(nowWallMillis, highWatermark int64) (removed int, err error) {
	l.maintenance.Lock()
	defer l.maintenance.Unlock()
	l.mu.Lock()
	if err := l.usable(); err != nil {
		l.mu.Unlock()
		return 0, err
	}
	off := l.keptFrom(nowWallMillis, highWatermark)
	if off == l.next && l.dirDirty {
		// The active segment goes too, for which it has to be sealed. What that
		// waits for is done without the lock.
		l.mu.Unlock()
		if err := l.sync(); err != nil {
			return 0, err
		}
		l.mu.Lock()
		off = l.keptFrom(nowWallMillis, highWatermark)
	}
	if off == l.next && l.active().size > 0 && !l.closing {
		if _, err := l.roll(); err != nil {
			l.mu.Unlock()
			return 0, err
		}
	}
	l.mu.Unlock()
	return l.advanceStart(off)
}

// keptFrom is where the oldest segment begins that retention keeps, or the end
// of the log. mu is held.
func (l *Log) keptFrom(nowMillis, highWatermark int64) int64 {
	size, off := l.size.Load(), l.start.Load()
	for _, seg := range l.segments {
		if seg.size == 0 || seg.next > highWatermark || !l.unwanted(seg, size, nowMillis) {
			break
		}
		off = max(off, seg.next)
		size -= seg.size
		if l.lab.Rare("storage/retain-more") {
			break // the next round removes the rest: retention says what may go, not when
		}
	}
	return off
}

// unwanted reports whether retention no longer keeps seg, the oldest segment of
// a log of size bytes.
func (l *Log) unwanted(seg *segment, size, nowMillis int64) bool {
	if l.cfg.CleanupPolicy&CleanupDelete == 0 {
		return false
	}
	tooMuch := l.cfg.RetentionBytes >= 0 && size-seg.size >= l.cfg.RetentionBytes
	newest := seg.index.maxTimestamp
	tooOld := l.cfg.RetentionMillis >= 0 && newest >= 0 && nowMillis-newest > l.cfg.RetentionMillis
	return tooMuch || tooOld
}

// ExpireProducers forgets producers of which nothing was appended for longer
// than ProducerIDExpiration. Each replica does so by the time that has passed
// for it: what timestamps say, and how its wall clock is set, makes no producer
// be forgotten before its time, or never.
func (l *Log) ExpireProducers() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.verifications.expire(l.env.Now() - l.cfg.ProducerIDExpiration)
	if planted.Is("expire-by-timestamps") {
		l.producers.expireByTimestamps(l.env.Wall().Add(-l.cfg.ProducerIDExpiration).UnixMilli())
		return
	}
	l.producers.expire(l.env.Now() - l.cfg.ProducerIDExpiration)
}
