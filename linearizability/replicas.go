package linearizability

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// replicas is K11: once everything has healed, every replica of a partition
// holds the same records, with the same leader epochs, up to the same end.
func (c *court) replicas(p *partition) {
	if !p.log.known() {
		return
	}
	epoch := int32(None)
	for _, r := range p.log.runs {
		if r.LeaderEpoch < epoch {
			c.found(p, 2, r.Offset, 0, fmt.Sprintf("on broker %d the leader epoch of %s falls from %d to %d at offset %d",
				p.log.Broker, p.tp, epoch, r.LeaderEpoch, r.Offset))
			break
		}
		epoch = r.LeaderEpoch
	}
	for _, s := range p.logs {
		if s.Scan == p.log.Scan {
			continue
		}
		if p.topic.Compacted {
			c.compactedReplica(p, &s)
			continue
		}
		n, a, b, longer := compareLogs(p.log.runs, s.runs, max(p.log.LogStart, s.LogStart))
		c.cur.Inputs += n
		switch {
		case a != nil:
			c.found(p, 0, min(a.Offset, b.Offset), 0, fmt.Sprintf("replicas of %s differ from offset %d on: %s, %s",
				p.tp, min(a.Offset, b.Offset), holding(p.log.Scan, a), holding(s.Scan, b)))
		case !sameMarkers(p.log.Scan, s.Scan):
			c.found(p, 3, None, 0, fmt.Sprintf("replicas of %s differ in the markers of transactions: broker %d has %d of them, broker %d %d, and not the same",
				p.tp, p.log.Broker, len(p.log.Markers), s.Broker, len(s.Markers)))
		case longer || unequalEnds(p.log.Scan, s.Scan):
			c.unconverged(p, p.log.Scan, s.Scan)
		}
	}
}

// sameMarkers compares the markers of two logs as far as both reach.
func sameMarkers(a, b *Scan) bool {
	from, to := max(a.LogStart, b.LogStart), min(a.LogEnd, b.LogEnd)
	within := func(s *Scan) []Marker {
		i, _ := slices.BinarySearchFunc(s.Markers, from, func(m Marker, o int64) int { return cmp.Compare(m.Offset, o) })
		j, _ := slices.BinarySearchFunc(s.Markers, to, func(m Marker, o int64) int { return cmp.Compare(m.Offset, o) })
		return s.Markers[i:max(i, j)]
	}
	return slices.Equal(within(a), within(b))
}

func unequalEnds(a, b *Scan) bool {
	return a.LogEnd != None && b.LogEnd != None && a.LogEnd != b.LogEnd
}

func (c *court) unconverged(p *partition, ref, s *Scan) {
	c.found(p, 1, min(ref.LogEnd, s.LogEnd), 0, fmt.Sprintf("replicas of %s did not converge: the log ends at offset %d on broker %d and at %d on broker %d",
		p.tp, ref.LogEnd, ref.Broker, s.LogEnd, s.Broker))
}

func holding(s *Scan, r *ScanRecord) string {
	return fmt.Sprintf("broker %d holds value %d of leader epoch %d at offset %d", s.Broker, r.Value, r.LeaderEpoch, r.Offset)
}

// compareLogs compares what two replicas hold from an offset on. It returns
// the first records that differ, and whether one holds more than the other.
func compareLogs(a, b []ScanRun, offset int64) (compared int64, x, y *ScanRecord, longer bool) {
	tail := func(runs []ScanRun) []ScanRun {
		j, _ := slices.BinarySearchFunc(runs, offset, func(f ScanRun, o int64) int { return cmp.Compare(f.end()-1, o) })
		return runs[j:]
	}
	a, b = tail(a), tail(b)
	var i, j int64 // places in a[0] and b[0]
	if len(a) > 0 {
		i = max(0, offset-a[0].Offset)
	}
	if len(b) > 0 {
		j = max(0, offset-b[0].Offset)
	}
	for len(a) > 0 && len(b) > 0 {
		n := min(a[0].Count-i, b[0].Count-j)
		for k := int64(0); k < n; k++ {
			if r, s := a[0].record(i+k), b[0].record(j+k); r != s {
				x, y = new(ScanRecord), new(ScanRecord)
				*x, *y = r, s
				return compared + k, x, y, false
			}
			if k == 0 && (n == 1 || a[0].Stride == b[0].Stride) {
				break // the others follow
			}
		}
		compared += n
		if i += n; i == a[0].Count {
			a, i = a[1:], 0
		}
		if j += n; j == b[0].Count {
			b, j = b[1:], 0
		}
	}
	return compared, nil, nil, len(a) != len(b)
}

func sortedMarks(marks []HighWatermark) []HighWatermark {
	s := slices.Clone(marks)
	slices.SortStableFunc(s, func(a, b HighWatermark) int { return cmp.Compare(a.Time, b.Time) })
	for i := 1; i < len(s); i++ {
		s[i].Offset = max(s[i].Offset, s[i-1].Offset)
	}
	return s
}

// markAt is the highest high watermark that any leader had by time t.
func markAt(marks []HighWatermark, t time.Duration) int64 {
	i, _ := slices.BinarySearchFunc(marks, t, func(m HighWatermark, t time.Duration) int {
		if m.Time <= t {
			return -1
		}
		return 1
	})
	if i == 0 {
		return 0
	}
	return marks[i-1].Offset
}
