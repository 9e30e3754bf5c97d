package linearizability

// Run is a row of records of one partition at consecutive offsets, whose
// values rise evenly: record i of Count is at Offset+i and holds
// Value+i·Stride. It says as much of each record as a [Record] does.
type Run struct {
	Offset int64 // None in a send whose offset is not known
	Value  int64 // None if the payload was not one that the workload wrote; then Count is 1
	Stride int64 // above 0; 0 if Count is 1
	Count  int64
}

// at is the value of the record i places behind the first.
func (r Run) at(i int64) int64 { return r.Value + i*r.Stride }

// end is the offset behind the last record.
func (r Run) end() int64 { return r.Offset + r.Count }

// last is the value of the last record.
func (r Run) last() int64 { return r.at(r.Count - 1) }

// part is n records of the run from place i on.
func (r Run) part(i, n int64) Run {
	p := Run{Offset: r.Offset, Value: r.at(i), Stride: r.Stride, Count: n}
	if r.Offset != None {
		p.Offset += i
	}
	if n == 1 {
		p.Stride = 0
	}
	return p
}

// place is where in the run a value stands, None if it does not.
func (r Run) place(value int64) int64 {
	switch d := value - r.Value; {
	case d == 0:
		return 0
	case d < 0 || r.Count == 1 || d%r.Stride != 0 || d/r.Stride >= r.Count:
		return None
	default:
		return d / r.Stride
	}
}

// takes reports whether a record continues the run, and with which stride.
func (r *Run) takes(offset, value int64) (stride int64, ok bool) {
	if value == None || r.Value == None || offset != r.end() {
		return 0, false
	}
	stride = r.Stride
	if r.Count == 1 {
		stride = value - r.Value
	}
	return stride, stride > 0 && value == r.Value+r.Count*stride
}

// AppendRun adds the next record to runs: to the last one if it continues it.
func AppendRun(runs []Run, offset, value int64) []Run {
	if n := len(runs); n > 0 {
		r := &runs[n-1]
		if stride, ok := r.takes(offset, value); ok {
			r.Stride = stride
			r.Count++
			return runs
		}
	}
	return append(runs, Run{Offset: offset, Value: value, Count: 1})
}

// ScanRun is a [Run] found in a log whose records are all of one leader epoch
// and one producer epoch, with consecutive sequence numbers.
type ScanRun struct {
	Run
	ProducerID    int64 // None if not idempotent
	LeaderEpoch   int32
	Sequence      int32 // of the first record; None if not idempotent
	ProducerEpoch int16
	Transactional bool
}

// record is the record at place i.
func (r *ScanRun) record(i int64) ScanRecord {
	return ScanRecord{
		Offset: r.Offset + i, Value: r.at(i), ProducerID: r.ProducerID, LeaderEpoch: r.LeaderEpoch,
		Sequence: sequenceAfter(r.Sequence, i), ProducerEpoch: r.ProducerEpoch, Transactional: r.Transactional,
	}
}

// sequenceAfter is the sequence number n places behind s: after the largest
// int32 comes 0.
func sequenceAfter(s int32, n int64) int32 {
	if s < 0 {
		return s
	}
	return int32((int64(s) + n) & (1<<31 - 1))
}

// Keep adds the record that was found next in the log, as far as r has it
// recorded.
func (s *Scan) Keep(r Recording, rec ScanRecord) {
	switch r.mode() {
	case RecordSampled:
		if rec.Value != None && !r.Keeps(rec.Value) {
			return
		}
		s.Records = append(s.Records, rec)
	case RecordBatches:
		if n := len(s.Runs); n > 0 {
			l := &s.Runs[n-1]
			if l.Transactional == rec.Transactional && l.LeaderEpoch == rec.LeaderEpoch && l.ProducerID == rec.ProducerID && l.ProducerEpoch == rec.ProducerEpoch &&
				sequenceAfter(l.Sequence, l.Count) == rec.Sequence {
				if stride, ok := l.takes(rec.Offset, rec.Value); ok {
					l.Stride = stride
					l.Count++
					return
				}
			}
		}
		s.Runs = append(s.Runs, ScanRun{Run: Run{Offset: rec.Offset, Value: rec.Value, Count: 1},
			ProducerID: rec.ProducerID, LeaderEpoch: rec.LeaderEpoch, Sequence: rec.Sequence, ProducerEpoch: rec.ProducerEpoch, Transactional: rec.Transactional})
	default:
		s.Records = append(s.Records, rec)
	}
}
