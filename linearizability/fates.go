package linearizability

import (
	"cmp"
	"slices"
)

// fate is what became of a record, by the log that it is in: a transaction ends in
// a partition with the next marker of its producer.
type fate uint8

const (
	plain     fate = iota // not part of a transaction
	open                  // no marker follows
	aborted               // an abort marker follows
	committed             // a commit marker follows
	absent                // not in the log
)

func (f fate) String() string {
	return [...]string{"outside of any transaction", "in a transaction that never ended", "aborted", "committed", "not there"}[f]
}

// visible says whether read_committed shows it.
func (f fate) visible() bool { return f == plain || f == committed }

// settle works out the fates of the runs of the final log. It costs nothing
// without transactions.
func (l *finalLog) settle() {
	if l.Scan == nil || !slices.ContainsFunc(l.runs, func(r ScanRun) bool { return r.Transactional }) {
		return
	}
	byProducer := map[int64][]Marker{}
	for _, m := range l.Markers {
		byProducer[m.ProducerID] = append(byProducer[m.ProducerID], m)
	}
	l.fates, l.endedIn = make([]fate, len(l.runs)), make([]int32, len(l.runs))
	for i := range l.runs {
		r := &l.runs[i]
		l.endedIn[i] = None
		if !r.Transactional {
			continue
		}
		l.fates[i] = open
		markers := byProducer[r.ProducerID]
		next, _ := slices.BinarySearchFunc(markers, r.end(), func(m Marker, o int64) int { return cmp.Compare(m.Offset, o) })
		if next < len(markers) {
			l.fates[i], l.endedIn[i] = aborted, markers[next].LeaderEpoch
			if markers[next].Commit {
				l.fates[i] = committed
			}
		}
	}
}

// fate is that of the record at an offset.
func (l *finalLog) fate(offset int64) fate {
	i, in := l.find(offset)
	switch {
	case !in:
		return absent
	case l.fates == nil:
		return plain
	}
	return l.fates[i]
}

// firstOpen is the first offset of a transaction that never ended, never if all did.
func (l *finalLog) firstOpen() int64 {
	if i := slices.Index(l.fates, open); i >= 0 {
		return l.runs[i].Offset
	}
	return never
}

// find is the run that an offset is in, or else the first behind it.
func (l *finalLog) find(offset int64) (run int, in bool) {
	i, _ := slices.BinarySearchFunc(l.runs, offset, func(f ScanRun, o int64) int { return cmp.Compare(f.end()-1, o) })
	return i, i < len(l.runs) && l.runs[i].Offset <= offset
}

// shownBetween is between for a reader who is shown only what is committed, or
// everything.
func (l *finalLog) shownBetween(from, to int64, readCommitted bool) *ScanRecord {
	if !readCommitted || l.fates == nil {
		return l.between(from, to)
	}
	for i, _ := l.find(from); i < len(l.runs) && l.runs[i].Offset < to; i++ {
		if l.fates[i].visible() {
			return l.between(max(from, l.runs[i].Offset), to)
		}
	}
	return nil
}

// wrote is a record of a transaction with what is known of it.
type wrote struct {
	Write
	p    *partition // that it was sent to, nil if nobody sent it
	send *SendOp
	at   int64 // where in the final log, None if nowhere
	fate fate
}

// transactions finds out once what became of each transaction's records. The slice
// is parallel to the history's.
func (c *court) transactions() [][]wrote {
	if c.wrote != nil || len(c.h.Transactions) == 0 {
		return c.wrote
	}
	c.wrote = make([][]wrote, len(c.h.Transactions))
	for i := range c.h.Transactions {
		t := &c.h.Transactions[i]
		for _, w := range t.Writes {
			c.wrote[i] = append(c.wrote[i], c.trace(w))
		}
	}
	return c.wrote
}

// trace finds a record of a transaction.
func (c *court) trace(w Write) wrote {
	found := wrote{Write: w, at: None, fate: absent}
	for _, p := range c.parts {
		row, k := p.sent.find(w.Value)
		if row == nil {
			continue
		}
		found.p, found.send = p, row.batch.record(row.Run, k)
		if s, k := p.stored.find(w.Value); s != nil {
			found.at = s.Offset + k
			found.fate = p.log.fate(found.at)
		}
		break
	}
	return found
}

// deleted says that the record may have left the log by a policy.
func (w *wrote) deleted() bool {
	return w.p != nil && w.p.topic.Deletes && (w.send.Offset == None || w.send.Offset < w.p.log.LogStart)
}
