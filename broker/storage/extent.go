package storage

// Extent is how many bytes the batches take that hold the offsets from off up
// to upTo, 0 if there are none. Nothing is read for it: it is exact where off
// and upTo are among the latest batches, and elsewhere, where it is known only
// to the index interval, rather too large.
func (l *Log) Extent(off, upTo int64) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	upTo = min(upTo, l.end.Load())
	if l.closed || off < l.start.Load() || off >= upTo {
		return 0
	}
	from := l.segmentFor(off)
	bytes := -l.positionOf(from, off, false)
	for _, seg := range l.segments {
		if seg.base >= from.base && seg.base < upTo {
			bytes += l.positionOf(seg, upTo, true)
		}
	}
	return max(bytes, HeaderBytes)
}

// positionOf is the byte position in seg of the batch that holds offset, or as
// much before it, or after it, as the index leaves open. mu is held.
func (l *Log) positionOf(seg *segment, offset int64, after bool) int64 {
	if offset >= seg.next {
		return seg.size
	}
	if seg == l.active() {
		if r, ok := l.recent.find(offset); ok {
			return r.pos
		}
	}
	pos, _ := seg.index.position(seg.base, offset)
	if after {
		pos = min(pos+l.cfg.IndexIntervalBytes, seg.size)
	}
	return pos
}
