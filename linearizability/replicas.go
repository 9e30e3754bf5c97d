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
	ref := p.log.scan
	if ref == nil {
		c.noScan(p)
		return
	}
	if int32(len(p.scans)) < p.topic.ReplicationFactor && len(c.h.Topics) > 0 {
		c.cur.Note = fmt.Sprintf("only %d of %d replicas of %s were read", len(p.scans), p.topic.ReplicationFactor, p.tp)
	}
	epoch := int32(None)
	for _, r := range ref.Runs {
		if r.LeaderEpoch < epoch {
			c.found(p, 2, r.Offset, 0, fmt.Sprintf("on broker %d the leader epoch of %s falls from %d to %d at offset %d",
				ref.Broker, p.tp, epoch, r.LeaderEpoch, r.Offset))
			break
		}
		epoch = r.LeaderEpoch
	}
	for _, r := range ref.Records {
		if r.LeaderEpoch < epoch {
			c.found(p, 2, r.Offset, 0, fmt.Sprintf("on broker %d the leader epoch of %s falls from %d to %d at offset %d",
				ref.Broker, p.tp, epoch, r.LeaderEpoch, r.Offset))
			break
		}
		epoch = r.LeaderEpoch
	}
	for _, s := range p.scans {
		if s == ref {
			continue
		}
		if c.runs() {
			c.replicaRuns(p, ref, s)
			continue
		}
		a, b := from(ref.Records, s.LogStart), from(s.Records, ref.LogStart)
		n := min(len(a), len(b))
		c.cur.Inputs += int64(n)
		i := 0
		for i < n && a[i] == b[i] {
			i++
		}
		switch {
		case i < n:
			c.found(p, 0, min(a[i].Offset, b[i].Offset), 0, fmt.Sprintf("replicas of %s differ from offset %d on: %s, %s",
				p.tp, min(a[i].Offset, b[i].Offset), holding(ref, &a[i]), holding(s, &b[i])),
				differences(a[i:], b[i:])...)
		case len(a) != len(b) || unequalEnds(ref, s):
			c.unconverged(p, ref, s)
		}
	}
}

// replicaRuns compares a replica with the reference where runs are recorded.
func (c *court) replicaRuns(p *partition, ref, s *Scan) {
	n, a, b, longer := replicasRuns(ref.Runs, s.Runs, max(ref.LogStart, s.LogStart))
	c.cur.Inputs += n
	switch {
	case a != nil:
		c.found(p, 0, min(a.Offset, b.Offset), 0, fmt.Sprintf("replicas of %s differ from offset %d on: %s, %s",
			p.tp, min(a.Offset, b.Offset), holding(ref, a), holding(s, b)))
	case longer || unequalEnds(ref, s):
		c.unconverged(p, ref, s)
	}
}

func unequalEnds(a, b *Scan) bool {
	return a.LogEnd != None && b.LogEnd != None && a.LogEnd != b.LogEnd
}

func (c *court) unconverged(p *partition, ref, s *Scan) {
	c.found(p, 1, min(ref.LogEnd, s.LogEnd), 0, fmt.Sprintf("replicas of %s did not converge: the log ends at offset %d on broker %d and at %d on broker %d",
		p.tp, ref.LogEnd, ref.Broker, s.LogEnd, s.Broker))
}

func from(records []ScanRecord, offset int64) []ScanRecord {
	i, _ := slices.BinarySearchFunc(records, offset, func(r ScanRecord, o int64) int { return cmp.Compare(r.Offset, o) })
	return records[i:]
}

func holding(s *Scan, r *ScanRecord) string {
	return fmt.Sprintf("broker %d holds value %d of leader epoch %d at offset %d", s.Broker, r.Value, r.LeaderEpoch, r.Offset)
}

// differences shows the first offsets at which two logs differ.
func differences(a, b []ScanRecord) []string {
	var lines []string
	n := 0
	for i := range min(len(a), len(b)) {
		if a[i] == b[i] {
			continue
		}
		if n++; n <= 4 {
			lines = append(lines, fmt.Sprintf("offset %d: value %d (epoch %d) against offset %d: value %d (epoch %d)",
				a[i].Offset, a[i].Value, a[i].LeaderEpoch, b[i].Offset, b[i].Value, b[i].LeaderEpoch))
		}
	}
	if n > 4 {
		lines = append(lines, fmt.Sprintf("and %d more", n-4))
	}
	return lines
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
