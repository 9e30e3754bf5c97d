package linearizability

import (
	"cmp"
	"slices"
)

// valueIndex finds runs by the values in them.
type valueIndex struct {
	rows []valueRow // by ascending first value
	// crossed says that the rows are not one behind the other, which no
	// workload of Weir does: then a look-up may have to try them all.
	crossed bool
}

// valueRow is a run and whose it is.
type valueRow struct {
	Run
	batch *BatchOp // that sent it, or
	found *ScanRun // that it is part of
}

func (x *valueIndex) add(r valueRow) {
	if r.Value != None {
		x.rows = append(x.rows, r)
	}
}

func (x *valueIndex) sort() {
	slices.SortStableFunc(x.rows, func(a, b valueRow) int { return cmp.Compare(a.Value, b.Value) })
	for i := 1; i < len(x.rows); i++ {
		x.crossed = x.crossed || x.rows[i].Value <= x.rows[i-1].last()
	}
}

// find returns the row that holds a value and the value's place in it, or nil.
func (x *valueIndex) find(value int64) (*valueRow, int64) {
	i, exact := slices.BinarySearchFunc(x.rows, value, func(r valueRow, v int64) int { return cmp.Compare(r.Value, v) })
	if !exact {
		i--
	}
	for ; i >= 0; i-- {
		if k := x.rows[i].place(value); k != None {
			return &x.rows[i], k
		}
		if !x.crossed {
			break
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
	eachRun(l.scan.Runs, r, func(piece Run, in *ScanRun, place int64) {
		start := at
		at += piece.Count
		if in != nil {
			differing(piece, in.part(place, piece.Count), func(i int64) { yield(start + i) })
			return
		}
		for i := range piece.Count {
			if !t.Deletes || piece.Offset+i >= l.scan.LogStart {
				yield(start + i)
			}
		}
	})
}
