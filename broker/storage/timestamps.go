package storage

// TimestampOffset is a record found by timestamp.
type TimestampOffset struct {
	Offset      int64
	Timestamp   int64 // ms since 1970
	LeaderEpoch int32
}

// timestampReadBytes is how much of the log one step of a search reads.
const timestampReadBytes = 256 << 10

// OffsetForTimestamp finds the first record whose timestamp is at least
// tsMillis. found is false if there is none. Errors are those of Read, and
// *CorruptError for records that cannot be decompressed or decoded.
func (l *Log) OffsetForTimestamp(tsMillis int64) (at TimestampOffset, found bool, err error) {
	l.mu.Lock()
	from, end := int64(-1), l.end.Load()
	for _, seg := range l.segments {
		if seg.index.maxTimestamp >= tsMillis {
			from = max(seg.index.offsetBefore(seg.base, tsMillis), l.start.Load())
			break
		}
	}
	l.mu.Unlock()
	if from < 0 {
		return TimestampOffset{}, false, nil
	}
	return l.search(from, end, tsMillis)
}

// OffsetOfMaxTimestamp finds the first record with the largest timestamp
// (KIP-734). found is false if the log is empty. Errors are those of
// OffsetForTimestamp.
func (l *Log) OffsetOfMaxTimestamp() (at TimestampOffset, found bool, err error) {
	l.mu.Lock()
	largest := int64(-1)
	for _, seg := range l.segments {
		largest = max(largest, seg.index.maxTimestamp)
	}
	l.mu.Unlock()
	if largest < 0 {
		return TimestampOffset{}, false, nil
	}
	at, found, err = l.OffsetForTimestamp(largest)
	if err != nil || found {
		return at, found, err
	}
	// The largest was only in records below the start offset.
	return l.searchMax()
}

// search looks for the first record of [from, end) with a timestamp of at
// least ts.
func (l *Log) search(from, end, ts int64) (TimestampOffset, bool, error) {
	start := l.start.Load()
	for from < end {
		data, err := l.Read(from, end, timestampReadBytes, true)
		if err != nil || len(data) == 0 {
			return TimestampOffset{}, false, err
		}
		for b, err := range Batches(data) {
			if err != nil {
				return TimestampOffset{}, false, err
			}
			from = b.NextOffset()
			if b.MaxTimestamp() < ts {
				continue
			}
			for r, err := range b.Records() {
				if err != nil {
					return TimestampOffset{}, false, l.undecodable(b, err)
				}
				if r.TimestampMillis >= ts && r.Offset >= start {
					return TimestampOffset{Offset: r.Offset, Timestamp: r.TimestampMillis, LeaderEpoch: b.LeaderEpoch()}, true, nil
				}
			}
		}
	}
	return TimestampOffset{}, false, nil
}

// searchMax looks at every record.
func (l *Log) searchMax() (best TimestampOffset, found bool, err error) {
	start, end := l.start.Load(), l.end.Load()
	for from := start; from < end; {
		data, err := l.Read(from, end, timestampReadBytes, true)
		if err != nil || len(data) == 0 {
			return best, found, err
		}
		for b, err := range Batches(data) {
			if err != nil {
				return best, found, err
			}
			from = b.NextOffset()
			if found && b.MaxTimestamp() <= best.Timestamp {
				continue
			}
			for r, err := range b.Records() {
				if err != nil {
					return best, found, l.undecodable(b, err)
				}
				if r.Offset >= start && (!found || r.TimestampMillis > best.Timestamp) {
					best = TimestampOffset{Offset: r.Offset, Timestamp: r.TimestampMillis, LeaderEpoch: b.LeaderEpoch()}
					found = true
				}
			}
		}
	}
	return best, found, nil
}

// undecodable is the error for a batch whose checksum holds but whose records
// make no sense: a producer sent it so.
func (l *Log) undecodable(b Batch, err error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	seg := l.segmentFor(b.BaseOffset())
	pos, _ := seg.index.position(seg.base, b.BaseOffset())
	return &CorruptError{File: seg.name(), Position: pos,
		Reason: "at or behind this byte, the records of a batch cannot be decoded: " + err.Error()}
}
