package linearizability

import (
	"cmp"
	"slices"
	"sort"
)

// valueIndex finds runs by the values in them.
type valueIndex struct {
	rows []valueRow // by ascending first value
	// reach is the highest value in the rows up to each: where rows lie across
	// each other, it says how far back a look-up must go.
	reach []int64
}

// valueRow is a run and whose it is.
type valueRow struct {
	Run
	batch *BatchOp // that sent it, or
	found *ScanRun // that it is part of
	rank  int      // of the batch among those sent to the partition
}

func (x *valueIndex) add(r valueRow) {
	if r.Value != None {
		x.rows = append(x.rows, r)
	}
}

func (x *valueIndex) sort() {
	slices.SortStableFunc(x.rows, func(a, b valueRow) int { return cmp.Compare(a.Value, b.Value) })
	x.reach = make([]int64, len(x.rows))
	high := int64(None)
	for i := range x.rows {
		high = max(high, x.rows[i].last())
		x.reach[i] = high
	}
}

// find returns the row that holds a value and the value's place in it, or nil.
func (x *valueIndex) find(value int64) (*valueRow, int64) {
	i := sort.Search(len(x.rows), func(i int) bool { return x.rows[i].Value >= value })
	if i == len(x.rows) || x.rows[i].Value > value {
		i--
	}
	for ; i >= 0 && x.reach[i] >= value; i-- {
		if k := x.rows[i].place(value); k != None {
			return &x.rows[i], k
		}
	}
	return nil, None
}

// each calls yield for the pieces of a run, each with the row that its values
// are in, nil if they are in none.
func (x *valueIndex) each(r Run, yield func(piece Run, row *valueRow, place int64)) {
	for i := int64(0); i < r.Count; {
		row, k := x.find(r.at(i))
		n := int64(1)
		if row != nil && row.Stride == r.Stride {
			n = min(r.Count-i, row.Count-k)
		}
		yield(r.part(i, n), row, k)
		i += n
	}
}

// record is the operation on one record of a batch alone: the one at place k of
// a run of it.
func (b *BatchOp) record(r Run, k int64) *SendOp {
	if k == 0 && r.Value == b.Value && r.Offset == b.Offset {
		return &b.SendOp
	}
	s := b.SendOp
	s.Value, s.Offset = r.at(k), r.Offset
	if s.Offset != None {
		s.Offset += k
	}
	for _, before := range b.Runs {
		if before == r {
			break
		}
		k += before.Count
	}
	s.Sequence = sequenceAfter(b.Sequence, k)
	if b.Refused != nil {
		refused := *b.Refused
		refused.Sequence = sequenceAfter(refused.Sequence, k)
		s.Refused = &refused
	}
	return &s
}

// records is how many a batch holds.
func (b *BatchOp) records() int64 {
	n := int64(0)
	for _, r := range b.Runs {
		n += r.Count
	}
	return n
}

// eachRun calls yield for the pieces of r that lie within one of runs, which
// ascend by offset, and for those that lie within none, with nil.
func eachRun(runs []ScanRun, r Run, yield func(piece Run, in *ScanRun, place int64)) {
	j, _ := slices.BinarySearchFunc(runs, r.Offset, func(f ScanRun, o int64) int { return cmp.Compare(f.end()-1, o) })
	for i := int64(0); i < r.Count; {
		offset := r.Offset + i
		for j < len(runs) && runs[j].end() <= offset {
			j++
		}
		n := r.Count - i
		if j == len(runs) || runs[j].Offset > offset {
			if j < len(runs) {
				n = min(n, runs[j].Offset-offset)
			}
			yield(r.part(i, n), nil, None)
		} else {
			k := offset - runs[j].Offset
			n = min(n, runs[j].Count-k)
			yield(r.part(i, n), &runs[j], k)
		}
		i += n
	}
}

// differing calls yield for each place at which two runs of the same offsets
// hold different values.
func differing(a, b Run, yield func(i int64)) {
	n := min(a.Count, b.Count)
	if a.Value == b.Value && (n == 1 || a.Stride == b.Stride) {
		return
	}
	for i := range n {
		if a.at(i) != b.at(i) {
			yield(i)
		}
	}
}

// missing calls yield for each record of a run that the log does not hold
// where the run has it.
func (l *finalLog) missing(t Topic, r Run, yield func(i int64)) {
	at := int64(0)
	eachRun(l.runs, r, func(piece Run, in *ScanRun, place int64) {
		start := at
		at += piece.Count
		if in != nil {
			differing(piece, in.part(place, piece.Count), func(i int64) { yield(start + i) })
			return
		}
		for i := range piece.Count {
			if !t.Deletes || piece.Offset+i >= l.LogStart {
				yield(start + i)
			}
		}
	})
}

// appended is records of the final log that were appended together.
type appended struct {
	offset, records int64
	send            *SendOp // of the first; nil if nobody sent it, or it stands there a second time
}

// appended are the records of the final log with who sent them: one for each
// batch's part of each run.
func (p *partition) appended() []appended {
	type part struct {
		row   *valueRow
		place int64
	}
	all := make([]appended, 0, len(p.log.runs))
	placed := make(map[part]bool, len(p.log.runs))
	for _, r := range p.log.runs {
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

// offsetsRead are the offsets that polls returned, merged.
func offsetsRead(polls []poll) []ScanRun {
	var read []Run // values do not matter
	for i := range polls {
		read = append(read, polls[i].runs...)
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
	return given
}
