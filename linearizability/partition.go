package linearizability

import (
	"cmp"
	"fmt"
	"slices"
)

// partition is all that a history holds about one partition. However a run was
// recorded, what was sent, read and found in the logs is here as runs.
type partition struct {
	tp     TopicPartition
	topic  Topic
	sends  []*BatchOp // in the order of invocation
	polls  []poll
	ends   []*EndOp
	states []PartitionState
	logs   []storedLog
	marks  []HighWatermark // by time, the highest so far in each
	log    finalLog
	elect  []election
	starts []EpochStart // known epoch starts, by epoch then offset
	begun  bool         // of every leader that began its epoch there is a start
	faults []Fault      // of the whole run
	flaws  []Flaw

	// The values sent, and those in the final log.
	sent, stored valueIndex

	ledger ledger
	keyed  *keyedLog // of a topic of keys; made when first asked
	// givenAnew is the court's, nil for a Watcher.
	givenAnew func(id int64, epoch int16) *ruling
}

// poll is a poll with what it returned as runs.
type poll struct {
	*PollOp
	runs []Run
}

// last is the last record that the poll returned.
func (p *poll) last() (Record, bool) {
	n := len(p.runs)
	if n == 0 {
		return Record{}, false
	}
	return Record{p.runs[n-1].end() - 1, p.runs[n-1].last()}, true
}

// storedLog is the scan of a replica with what it holds as runs.
type storedLog struct {
	*Scan
	runs []ScanRun
}

// finalLog is the log that a partition ended with, the one that every promise
// is held against. It is empty if no replica was read.
type finalLog struct {
	*Scan
	runs  []ScanRun
	fates []fate // of the runs, nil if none is part of a transaction
	// endedIn is the leader epoch of the marker that ended each run's transaction, None
	// if none did; it is there if fates is.
	endedIn []int32
}

func (l *finalLog) known() bool { return l.Scan != nil }

// end is where the log ends; a consumer knows only how much of it is committed.
func (l *finalLog) end() int64 { return max(l.LogEnd, l.HighWatermark) }

// partitions sorts a history by partition.
func (c *court) partitions() []*partition {
	byTP := map[TopicPartition]*partition{}
	var all []*partition
	get := func(tp TopicPartition) *partition {
		p := byTP[tp]
		if p == nil {
			p = &partition{tp: tp, topic: c.h.topic(tp.Topic), faults: concerning(tp, c.h.Faults), begun: c.h.Manifest.gives(FactBeginnings), givenAnew: c.givenAnew}
			byTP[tp] = p
			all = append(all, p)
		}
		return p
	}
	h := c.h
	for _, t := range h.Topics {
		for i := range t.Partitions {
			get(TopicPartition{t.Name, i})
		}
	}
	batches := make([]BatchOp, len(h.Sends))
	runs := make([]Run, len(h.Sends))
	for i := range h.Sends {
		s := &h.Sends[i]
		runs[i] = Run{Offset: s.Offset, Value: s.Value, Count: 1}
		batches[i] = BatchOp{SendOp: *s, Runs: runs[i : i+1 : i+1]}
		p := get(s.TP)
		p.sends = append(p.sends, &batches[i])
	}
	for i := range h.Batches {
		p := get(h.Batches[i].TP)
		p.sends = append(p.sends, &h.Batches[i])
	}
	var read []Run
	for i := range h.Polls {
		op := &h.Polls[i]
		from := len(read)
		if op.Runs != nil {
			read = append(read, op.Runs...)
		}
		for k, r := range op.Records {
			if k == 0 {
				read = append(read, Run{Offset: r.Offset, Value: r.Value, Count: 1})
				continue
			}
			read = AppendRun(read, r.Offset, r.Value)
		}
		p := get(op.TP)
		p.polls = append(p.polls, poll{op, read[from:len(read):len(read)]})
	}
	for i := range h.Ends {
		p := get(h.Ends[i].TP)
		p.ends = append(p.ends, &h.Ends[i])
	}
	for _, s := range h.States {
		p := get(TopicPartition{s.Topic, s.Partition})
		p.states = append(p.states, s)
	}
	for _, e := range h.Epochs {
		p := get(TopicPartition{e.Topic, e.Partition})
		p.starts = append(p.starts, e)
	}
	for _, w := range h.HighWatermarks {
		p := get(TopicPartition{w.Topic, w.Partition})
		p.marks = append(p.marks, w)
	}
	for _, f := range h.Flaws {
		p := get(TopicPartition{f.Topic, f.Partition})
		p.flaws = append(p.flaws, f)
	}
	for i := range h.Scans {
		s := &h.Scans[i]
		p := get(TopicPartition{s.Topic, s.Partition})
		p.logs = append(p.logs, storedLog{s, s.asRuns()})
		p.starts = append(p.starts, s.Epochs...)
	}
	for _, p := range all {
		p.finish()
	}
	slices.SortFunc(all, func(a, b *partition) int { return compareTP(a.tp, b.tp) })
	return all
}

// finish works out what follows from what was collected.
func (p *partition) finish() {
	slices.SortFunc(p.starts, func(a, b EpochStart) int {
		return cmp.Or(cmp.Compare(a.LeaderEpoch, b.LeaderEpoch), cmp.Compare(a.StartOffset, b.StartOffset))
	})
	p.log = chooseFinal(p.logs)
	p.log.settle()
	runs := 0
	for _, b := range p.sends {
		runs += len(b.Runs)
	}
	p.sent.rows = make([]valueRow, 0, runs)
	for i, b := range p.sends {
		for _, r := range b.Runs {
			p.sent.add(valueRow{Run: r, batch: b, rank: i + 1})
		}
	}
	p.stored.rows = make([]valueRow, 0, len(p.log.runs))
	for i := range p.log.runs {
		p.stored.add(valueRow{Run: p.log.runs[i].Run, found: &p.log.runs[i]})
	}
	p.sent.sort()
	p.stored.sort()
	p.elect = elections(p)
}

// asRuns is what a scan found as runs.
func (s *Scan) asRuns() []ScanRun {
	if s.Runs != nil || len(s.Records) == 0 {
		return s.Runs
	}
	runs := Scan{Runs: make([]ScanRun, 0, len(s.Records))}
	for _, r := range s.Records {
		runs.Keep(Recording{Mode: RecordBatches}, r)
	}
	return runs.Runs
}

// chooseFinal takes the leader's log; without a leader, the one that would win
// an election: the highest last epoch, then the longest.
func chooseFinal(logs []storedLog) finalLog {
	var best storedLog
	for _, s := range logs {
		switch {
		case best.Scan == nil, s.Leader && !best.Leader:
			best = s
		case s.Leader == best.Leader && cmp.Or(cmp.Compare(s.lastEpoch(), best.lastEpoch()), cmp.Compare(s.LogEnd, best.LogEnd)) > 0:
			best = s
		}
	}
	return finalLog{Scan: best.Scan, runs: best.runs}
}

func (s storedLog) lastEpoch() int32 {
	e := int32(None)
	if n := len(s.runs); n > 0 {
		e = s.runs[n-1].LeaderEpoch
	}
	if n := len(s.Epochs); n > 0 {
		e = max(e, s.Epochs[n-1].LeaderEpoch)
	}
	return e
}

// at returns the record at an offset, nil if there is none.
func (l *finalLog) at(offset int64) *ScanRecord { return l.between(offset, offset+1) }

// between returns the first record with an offset in [from, to), nil if there
// is none.
func (l *finalLog) between(from, to int64) *ScanRecord {
	j, _ := slices.BinarySearchFunc(l.runs, from, func(f ScanRun, o int64) int { return cmp.Compare(f.end()-1, o) })
	if from >= to || j == len(l.runs) || l.runs[j].Offset >= to {
		return nil
	}
	r := l.runs[j].record(max(0, from-l.runs[j].Offset))
	return &r
}

// holds says whether the log has this value at this offset, or no longer
// reaches down to the offset because of a policy that deletes.
func (l *finalLog) holds(t Topic, offset, value int64) bool {
	if t.Deletes && offset < l.LogStart {
		return true
	}
	r := l.at(offset)
	return r != nil && r.Value == value
}

// describe says what the log has at an offset.
func (l *finalLog) describe(offset int64) string {
	where := fmt.Sprintf("broker %d", l.Broker)
	if r := l.at(offset); r != nil {
		return fmt.Sprintf("%s holds value %d of leader epoch %d at offset %d", where, r.Value, r.LeaderEpoch, offset)
	}
	switch {
	case offset < l.LogStart:
		return fmt.Sprintf("%s starts at offset %d, although nothing may delete records", where, l.LogStart)
	case offset >= l.end():
		return fmt.Sprintf("%s ends at offset %d", where, l.end())
	}
	return fmt.Sprintf("%s holds no record at offset %d", where, offset)
}
