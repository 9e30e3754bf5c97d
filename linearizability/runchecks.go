package linearizability

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// The checks of histories that record batches. They ask the same of every
// record as those of single records do, but look at runs: a batch or a poll
// that is as it should be costs as much as one record.

// claim is a sighting of a run.
type claim struct {
	Run
	at   time.Duration
	by   sight
	id   int64
	sent *BatchOp // set if the sighting is an acknowledgement
}

// observation is the claim's record at an offset.
func (k *claim) observation(p *partition, offset int64) observation {
	i := offset - k.Offset
	o := observation{value: k.Run.at(i), at: k.at, by: k.by, id: k.id, call: -1}
	if k.sent != nil {
		o.call, o.send = k.sent.Call, k.sent.record(k.Run, i)
	} else if row, _ := p.sent.find(o.value); row != nil {
		o.call = row.batch.Call
	}
	return o
}

// agreementRuns is agreement for runs.
func (c *court) agreementRuns(p *partition) {
	var claims []claim
	for _, b := range p.batches {
		if b.Outcome != OK || b.Offset == None {
			continue
		}
		for _, r := range b.Runs {
			claims = append(claims, claim{r, b.Return, ackedTo, b.Process, b})
		}
	}
	for _, poll := range p.polls {
		for _, r := range poll.Runs {
			claims = append(claims, claim{r, poll.Return, readBy, poll.Process, nil})
			c.inventedRun(p, r, poll.Return, readBy, poll.Process)
		}
	}
	if l := p.log.scan; l != nil {
		next := int64(None)
		for _, r := range l.Runs {
			claims = append(claims, claim{r.Run, 0, inLog, int64(l.Broker), nil})
			c.inventedRun(p, r.Run, 0, inLog, int64(l.Broker))
			if next != None && r.Offset < next {
				c.found(p, 1, r.Offset, 0, fmt.Sprintf("offset %d of %s follows offset %d in the final log of broker %d", r.Offset, p.tp, next-1, l.Broker))
			}
			next = r.end()
		}
	}
	for i := range claims {
		c.cur.Inputs += claims[i].Count
	}
	slices.SortStableFunc(claims, func(a, b claim) int { return cmp.Compare(a.Offset, b.Offset) })
	told := map[int64]bool{}
	c.compareClaims(p, claims, told, func(a, b *claim) bool { return a.sent != nil || b.sent != nil })
	c.compareClaims(p, claims, told, func(a, b *claim) bool { return a.sent == nil && b.sent == nil })
}

// compareClaims compares the claims of each pair that overlaps and that is
// asked for, offset by offset, unless the offset was told of. The claims ascend
// by offset.
func (c *court) compareClaims(p *partition, claims []claim, told map[int64]bool, wanted func(a, b *claim) bool) {
	var open []*claim // those that reach up to the present one
	for n := range claims {
		k := &claims[n]
		open = slices.DeleteFunc(open, func(f *claim) bool { return f.end() <= k.Offset })
		for _, f := range open {
			if !wanted(f, k) {
				continue
			}
			first, second := f, k // what a client was promised goes first
			if f.sent == nil && k.sent != nil {
				first, second = k, f
			}
			shared := min(f.end(), k.end()) - k.Offset
			differing(f.part(k.Offset-f.Offset, shared), k.part(0, shared), func(i int64) {
				if offset := k.Offset + i; !told[offset] {
					told[offset] = c.disagree(p, offset, first.observation(p, offset), second.observation(p, offset))
				}
			})
		}
		open = append(open, k)
	}
}

// inventedRun is invented for runs.
func (c *court) inventedRun(p *partition, r Run, at time.Duration, by sight, id int64) {
	p.sent.each(r, func(piece Run, row *valueRow, _ int64) {
		if row != nil {
			return
		}
		for i := range piece.Count {
			var elsewhere *TopicPartition
			for _, other := range c.parts {
				if row, _ := other.sent.find(piece.at(i)); row != nil {
					elsewhere = &other.tp
				}
			}
			c.inventedAt(p, piece.Offset+i, observation{value: piece.at(i), at: at, by: by, id: id}, elsewhere)
		}
	})
}

// survivalRuns is survival for runs.
func (c *court) survivalRuns(p *partition) {
	for _, b := range p.batches {
		if b.Outcome != OK || b.Acks == 0 {
			continue
		}
		c.cur.Inputs += b.records()
		for _, r := range b.Runs {
			if r.Offset == None {
				p.stored.each(r, func(piece Run, row *valueRow, _ int64) {
					for i := int64(0); row == nil && i < piece.Count; i++ {
						c.lost(p, b.record(r, r.place(piece.at(i))), "nowhere in the log")
					}
				})
				continue
			}
			p.log.missing(p.topic, r, func(i int64) {
				found := p.log.describe(r.Offset + i)
				if row, k := p.stored.find(r.at(i)); row != nil {
					found += fmt.Sprintf("; the record is at offset %d instead", row.Offset+k)
				}
				c.lost(p, b.record(r, i), found)
			})
		}
	}
}

// readsStayRuns is readsStay for runs.
func (c *court) readsStayRuns(p *partition) {
	seen := map[Record]bool{}
	for _, poll := range p.polls {
		for _, r := range poll.Runs {
			c.cur.Inputs += r.Count
			p.log.missing(p.topic, r, func(i int64) {
				rec := Record{r.Offset + i, r.at(i)}
				if seen[rec] {
					return
				}
				seen[rec] = true
				call := time.Duration(-1)
				if row, _ := p.sent.find(rec.Value); row != nil {
					call = row.batch.Call
				}
				c.readGone(p, poll, rec, call)
			})
		}
	}
}

// duplicatesRuns is duplicates for runs: only where runs of the log reach over
// each other in value can there be any.
func (c *court) duplicatesRuns(p *partition) {
	rows := p.stored.rows
	for _, r := range p.log.scan.Runs {
		c.cur.Inputs += r.Count
	}
	for i := 0; i < len(rows); {
		j, last := i+1, rows[i].last()
		for ; j < len(rows) && rows[j].Value <= last; j++ {
			last = max(last, rows[j].last())
		}
		if j > i+1 {
			c.duplicatesAmong(p, rows[i:j])
		}
		i = j
	}
}

func (c *court) duplicatesAmong(p *partition, rows []valueRow) {
	rows = slices.SortedStableFunc(slices.Values(rows), func(a, b valueRow) int { return cmp.Compare(a.Offset, b.Offset) })
	first := map[int64]ScanRecord{}
	for _, row := range rows {
		for k := range row.Count {
			r := row.found.record(k)
			f, again := first[r.Value]
			if !again {
				first[r.Value] = r
				continue
			}
			var s *SendOp
			if row, k := p.sent.find(r.Value); row != nil {
				s = row.batch.record(row.Run, k)
			}
			c.duplicate(p, &f, &r, s)
		}
	}
}

// sequencesRuns is sequences for runs, within which they hold by definition.
func (c *court) sequencesRuns(p *partition) {
	last := map[producer]*ScanRun{}
	for i := range p.log.scan.Runs {
		r := &p.log.scan.Runs[i]
		if r.ProducerID == None {
			continue
		}
		c.cur.Inputs += r.Count
		k := producer{r.ProducerID, r.ProducerEpoch}
		l := last[k]
		last[k] = r
		if l == nil || r.Sequence == sequenceAfter(l.Sequence, l.Count) {
			continue
		}
		before, after := l.record(l.Count-1), r.record(0)
		c.sequenceBroken(p, k, &before, &after)
	}
}

// fifoRuns is fifo for runs: the values of one process rise in the order in
// which it sends.
func (c *court) fifoRuns(p *partition) {
	type session struct {
		process int64
		producer
	}
	type behind struct {
		s  *SendOp
		at int64
	}
	last := map[session]behind{}
	for i := range p.log.scan.Runs {
		r := &p.log.scan.Runs[i]
		if r.ProducerID == None {
			continue
		}
		p.sent.each(r.Run, func(piece Run, row *valueRow, place int64) {
			if row == nil {
				return
			}
			c.cur.Inputs += piece.Count
			k := session{row.batch.Process, producer{r.ProducerID, r.ProducerEpoch}}
			s := row.batch.record(row.Run, place)
			if b, ok := last[k]; ok && s.Value <= b.s.Value {
				c.disordered(p, piece.Offset, s, b.s, b.at)
				return
			}
			last[k] = behind{row.batch.record(row.Run, place+piece.Count-1), piece.end() - 1}
		})
	}
}

// honestyRuns is honesty for runs.
func (c *court) honestyRuns(p *partition) {
	var refused valueIndex
	for _, b := range p.batches {
		if b.Outcome == Fail {
			c.cur.Inputs += b.records()
			for _, r := range b.Runs {
				refused.add(valueRow{Run: r, batch: b})
			}
		}
	}
	if len(refused.rows) == 0 {
		return
	}
	refused.sort()
	told := map[int64]bool{}
	tell := func(r Run, where string) {
		refused.each(r, func(piece Run, row *valueRow, place int64) {
			for i := int64(0); row != nil && i < piece.Count; i++ {
				if v := piece.at(i); !told[v] {
					told[v] = true
					c.dishonest(p, row.batch.record(row.Run, place+i), piece.Offset+i, where)
				}
			}
		})
	}
	for _, poll := range p.polls {
		for _, r := range poll.Runs {
			tell(r, fmt.Sprintf("what client %d read", poll.Process))
		}
	}
	if l := p.log.scan; l != nil {
		for _, r := range l.Runs {
			tell(r.Run, fmt.Sprintf("in the final log of broker %d", l.Broker))
		}
	}
}

// replicasRuns compares what two replicas hold from an offset on. It returns
// the first records that differ, and whether one holds more than the other.
func replicasRuns(a, b []ScanRun, offset int64) (compared int64, x, y *ScanRecord, longer bool) {
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
			r, s := a[0].record(i+k), b[0].record(j+k)
			if r != s {
				return compared + k, &r, &s, false
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

// unseenRuns is unseen for runs.
func (c *court) unseenRuns(p *partition) {
	var read []Run // by offset; values do not matter
	for _, poll := range p.polls {
		read = append(read, poll.Runs...)
	}
	slices.SortFunc(read, func(a, b Run) int { return cmp.Compare(a.Offset, b.Offset) })
	merged := read[:0]
	for _, r := range read {
		if n := len(merged); n > 0 && r.Offset <= merged[n-1].end() {
			merged[n-1].Count = max(merged[n-1].end(), r.end()) - merged[n-1].Offset
			continue
		}
		merged = append(merged, r)
	}
	given := make([]ScanRun, len(merged))
	for i, r := range merged {
		given[i].Run = r
	}
	for _, b := range p.batches {
		if b.Outcome != OK || b.Offset == None {
			continue
		}
		for _, r := range b.Runs {
			gone := map[int64]bool{}
			p.log.missing(p.topic, r, func(i int64) { gone[r.Offset+i] = true })
			eachRun(given, r, func(piece Run, in *ScanRun, _ int64) {
				for i := range piece.Count {
					offset := piece.Offset + i
					if offset < p.log.scan.LogStart || gone[offset] {
						continue
					}
					if c.cur.Inputs++; in == nil {
						c.neverGiven(p, offset, b.Return)
					}
				}
			})
		}
	}
}

// appended are the records of the final log with who sent them, nil if nobody
// did or they stand there a second time: one for each batch's part of each run.
func (c *court) appended(p *partition) []appended {
	l := p.log.scan
	if c.runs() {
		type part struct {
			row   *valueRow
			place int64
		}
		var all []appended
		placed := map[part]bool{}
		for _, r := range l.Runs {
			p.sent.each(r.Run, func(piece Run, row *valueRow, place int64) {
				a := appended{offset: piece.Offset, records: piece.Count}
				if row != nil && !placed[part{row, place}] {
					placed[part{row, place}] = true
					a.send = row.batch.record(row.Run, place)
				}
				all = append(all, a)
			})
		}
		return all
	}
	all := make([]appended, len(l.Records))
	placed := map[int64]bool{}
	for i, r := range l.Records {
		all[i] = appended{offset: r.Offset, records: 1}
		n, ok := c.byValue[r.Value]
		if !ok || placed[r.Value] || c.h.Sends[n].TP != p.tp {
			continue
		}
		placed[r.Value] = true
		all[i].send = &c.h.Sends[n]
	}
	return all
}

// appended is records that were appended together.
type appended struct {
	offset, records int64
	send            *SendOp // of the first
}

// lastRead is the last record that a poll returned.
func (p *PollOp) lastRead() (Record, bool) {
	if n := len(p.Runs); n > 0 {
		return Record{p.Runs[n-1].end() - 1, p.Runs[n-1].last()}, true
	}
	if n := len(p.Records); n > 0 {
		return p.Records[n-1], true
	}
	return Record{}, false
}

// runsRead is what a poll returned, as runs of offsets.
func (p *PollOp) runsRead(yield func(Run)) {
	for _, r := range p.Runs {
		yield(r)
	}
	for _, r := range p.Records {
		yield(Run{Offset: r.Offset, Value: r.Value, Count: 1})
	}
}
