package storage

import (
	"slices"
	"time"
)

// DeleteRecordsBefore makes off the start offset and removes the segments that
// lie wholly before it. Going back is ignored. Errors: an
// *OffsetOutOfRangeError beyond EndOffset; an *IOError, after which the start
// offset is unchanged or, if only removing files failed, the log is fenced.
func (l *Log) DeleteRecordsBefore(off int64) error {
	l.maintenance.Lock()
	defer l.maintenance.Unlock()
	_, err := l.advanceStart(off)
	return err
}

// advanceStart moves the start offset to off and returns how many segments
// that removed. maintenance is held.
//
// The new start is durable before any file goes, so that files which come back
// after a loss of power are known to be too old.
func (l *Log) advanceStart(off int64) (removed int, err error) {
	l.mu.Lock()
	if err := l.usable(); err != nil {
		l.mu.Unlock()
		return 0, err
	}
	start, end := l.start.Load(), l.end.Load()
	if off > end {
		l.mu.Unlock()
		return 0, &OffsetOutOfRangeError{Dir: l.dir, Offset: off, Start: start, End: end}
	}
	if off <= start {
		l.mu.Unlock()
		return 0, nil
	}
	l.start.Store(off)
	rp := l.recovery
	for i, seg := range l.segments[:len(l.segments)-1] {
		// The recovery point may not name a segment that is about to go.
		if seg.next <= off && rp.offset < seg.next {
			rp = recoveryPoint{offset: l.segments[i+1].base, segment: l.segments[i+1].base}
		}
	}
	l.mu.Unlock()

	if err := l.saveState(rp); err != nil {
		l.start.Store(start)
		return 0, err
	}

	l.mu.Lock()
	defer l.mu.Unlock()
	l.gen.Add(1)
	for len(l.segments) > 1 && l.segments[0].next <= off {
		seg := l.segments[0]
		if err := l.removeSegmentFiles(seg); err != nil {
			return removed, l.fenceFor(err)
		}
		l.size.Add(-seg.size)
		l.segments = slices.Clone(l.segments[1:])
		l.sealed = slices.DeleteFunc(l.sealed, func(s sealedSegment) bool { return s.seg == seg })
		removed++
	}
	l.epochs.truncateStart(off)
	return removed, nil
}

// ApplyRetention removes the oldest segments that the retention settings no
// longer keep and that lie wholly below highWatermark, and forgets producers
// that have been silent too long. It returns how many segments it removed.
// Errors are those of DeleteRecordsBefore.
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
	l.producers.expire(nowWallMillis - int64(l.cfg.ProducerIDExpiration/time.Millisecond))
	if seg := l.active(); l.expired(seg, nowWallMillis) && seg.next <= highWatermark && !l.closing {
		// Once sealed it can go like any other.
		if _, err := l.roll(); err != nil {
			l.mu.Unlock()
			return 0, err
		}
	}
	size, off := l.size.Load(), l.start.Load()
	for _, seg := range l.segments[:len(l.segments)-1] {
		tooMuch := l.cfg.RetentionBytes > 0 && size-seg.size >= l.cfg.RetentionBytes
		if seg.next > highWatermark || !tooMuch && !l.expired(seg, nowWallMillis) {
			break
		}
		off = max(off, seg.next)
		size -= seg.size
	}
	l.mu.Unlock()
	return l.advanceStart(off)
}

// expired reports whether a segment is older than retention.ms keeps it.
func (l *Log) expired(seg *segment, nowMillis int64) bool {
	return l.cfg.RetentionMillis > 0 && seg.size > 0 && seg.index.maxTimestamp >= 0 &&
		nowMillis-seg.index.maxTimestamp > l.cfg.RetentionMillis
}
