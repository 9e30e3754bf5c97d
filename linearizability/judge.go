package linearizability

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"
)

// Options bound what Judge may spend and say what it may assume.
type Options struct {
	// Budget is the wall time that Porcupine may use in total; what is not
	// proved by then is Unknown. 0 means 20 s.
	Budget time.Duration
	// MaxEvidence caps the lines of evidence of one finding. 0 means 12.
	MaxEvidence int
	// Drained says that consumers read on until they had everything, so that
	// an acknowledged record that nobody read is a finding.
	Drained bool
}

// Judge checks a history against what Kafka promises. It stops early, with
// Unknown for what is left, when ctx ends.
func Judge(ctx context.Context, h *History, o Options) Verdict {
	if o.Budget == 0 {
		o.Budget = 20 * time.Second
	}
	if o.MaxEvidence == 0 {
		o.MaxEvidence = 12
	}
	c := &court{o: o, h: h, byValue: make(map[int64]int, len(h.Sends)), groups: map[groupKey]int{}}
	for i := range h.Sends {
		c.byValue[h.Sends[i].Value] = i
	}
	parts := c.partitions()
	c.parts = parts
	for _, step := range []struct {
		check
		run func(*partition)
	}{
		{checkSurvival, c.survival},
		{checkAgreement, c.agreement},
		{checkRead, c.readsStay},
		{checkDuplicates, c.duplicates},
		{checkSequence, c.sequences},
		{checkFIFO, c.fifo},
		{checkHonesty, c.honesty},
		{checkSessions, c.sessions},
		{checkWatermark, c.aboveWatermark},
		{checkLog, c.exactLog},
		{checkReplicas, c.replicas},
		{checkUnseen, c.unseen},
	} {
		c.begin(step.check)
		if step.check == checkUnseen && !o.Drained {
			c.cur.Note = "not asked for: the consumers were not drained"
			continue
		}
		for _, p := range parts {
			if ctx.Err() != nil {
				c.giveUp("interrupted")
				break
			}
			step.run(p)
		}
	}
	c.begin(checkRegister)
	c.registers(ctx, parts)
	if h.CutShort != "" {
		c.begin(checkWhole)
		c.cur.Inputs = 1
		c.giveUp("the history is cut short: " + h.CutShort)
	}
	return c.verdict()
}

func (c *court) verdict() Verdict {
	v := c.v
	v.Status = Pass
	if c.h.Recording.mode() != RecordRecords {
		v.Recording = c.h.Recording.String()
	}
	for _, k := range v.Checks {
		v.Status = worse(v.Status, k.Status)
	}
	return v
}

// check names one check of the verdict.
type check struct{ code, name, unit string }

var (
	checkAgreement  = check{"K1", "one offset, one record", "observations"}
	checkSurvival   = check{"K2", "acknowledged records survive", "acknowledged records"}
	checkRead       = check{"K5", "what was read was committed and stays", "records read"}
	checkDuplicates = check{"K3", "no duplicates under idempotence", "records in the log"}
	checkSequence   = check{"K4", "producer sequences are contiguous in the log", "idempotent records"}
	checkFIFO       = check{"K4", "each producer's records keep their order", "records in the log"}
	checkHonesty    = check{"K5", "a definite error appended nothing", "records refused"}
	checkSessions   = check{"K7", "consumers neither skip nor rewind", "records read"}
	checkWatermark  = check{"K5", "nothing was readable above the high watermark", "records read"}
	checkLog        = check{"LIN", "the log is linearizable (exact check by offsets)", "operations"}
	checkReplicas   = check{"K11", "replicas agree in the end", "records compared"}
	checkUnseen     = check{"K10", "acknowledged records reach consumers", "acknowledged records"}
	checkRegister   = check{"K8", "committed offsets are a linearizable register (Porcupine)", "operations"}
	checkWhole      = check{"–", "the history is whole", "files"}
)

// court holds a verdict in the making.
type court struct {
	o       Options
	h       *History
	v       Verdict
	cur     *Check
	index   int           // of cur
	byValue map[int64]int // index into h.Sends
	groups  map[groupKey]int
	parts   []*partition
}

// runs says that batches are recorded, and what was read and found as runs.
func (c *court) runs() bool { return c.h.Recording.mode() == RecordBatches }

// groupKey is what makes two violations the same finding.
type groupKey struct {
	check int
	tp    TopicPartition
	group int64
}

func (c *court) begin(k check) {
	c.v.Checks = append(c.v.Checks, Check{Code: k.code, Name: k.name, Unit: k.unit, Status: Pass})
	c.turn(len(c.v.Checks) - 1)
}

// turn makes a check that has begun the current one.
func (c *court) turn(index int) { c.cur, c.index = &c.v.Checks[index], index }

func (c *court) giveUp(note string) {
	c.cur.Status, c.cur.Note = worse(c.cur.Status, Unknown), note
}

// found adds a violation. Violations of one group in one partition make one
// finding: the first is told in full, the others are counted.
func (c *court) found(p *partition, group, offset int64, at time.Duration, sentence string, evidence ...string) {
	c.cur.Status = Failed
	c.cur.Findings++
	k := groupKey{c.index, p.tp, group}
	if i, ok := c.groups[k]; ok {
		f := &c.v.Findings[i]
		f.Count++
		if len(f.Evidence) < c.o.MaxEvidence && offset != None && offset != f.Offset {
			f.Evidence = append(f.Evidence, fmt.Sprintf("also: offset %d%s", offset, when(at)))
		}
		return
	}
	c.groups[k] = len(c.v.Findings)
	c.v.Findings = append(c.v.Findings, Finding{Code: c.cur.Code, Sentence: sentence, Topic: p.tp.Topic,
		Partition: p.tp.Partition, Offset: offset, Time: at, Evidence: evidence, Count: 1})
}

// excused adds a permitted loss.
func (c *court) excused(p *partition, offset int64, reason string) {
	c.cur.Excused++
	for i := range c.v.Excused {
		e := &c.v.Excused[i]
		if e.Code == c.cur.Code && e.Topic == p.tp.Topic && e.Partition == p.tp.Partition && e.Reason == reason {
			e.First, e.Last, e.Count = min(e.First, offset), max(e.Last, offset), e.Count+1
			return
		}
	}
	c.v.Excused = append(c.v.Excused, Excuse{Code: c.cur.Code, Topic: p.tp.Topic, Partition: p.tp.Partition,
		First: offset, Last: offset, Count: 1, Reason: reason})
}

// partition is all that a history holds about one partition.
type partition struct {
	tp      TopicPartition
	topic   Topic
	sends   []*SendOp
	batches []*BatchOp
	polls   []*PollOp
	ends    []*EndOp
	states  []PartitionState
	scans   []*Scan
	marks   []HighWatermark
	log     finalLog
	elect   []election
	starts  []EpochStart // known epoch starts, by epoch then offset
	faults  []Fault      // of the whole run

	// Where batches are recorded: the values sent, and those in the final log.
	sent, stored valueIndex
}

func (c *court) partitions() []*partition {
	byTP := map[TopicPartition]*partition{}
	get := func(tp TopicPartition) *partition {
		p := byTP[tp]
		if p == nil {
			p = &partition{tp: tp, topic: c.h.topic(tp.Topic), faults: c.h.Faults}
			byTP[tp] = p
		}
		return p
	}
	h := c.h
	for i := range h.Sends {
		p := get(h.Sends[i].TP)
		p.sends = append(p.sends, &h.Sends[i])
	}
	for i := range h.Batches {
		b := &h.Batches[i]
		p := get(b.TP)
		p.batches = append(p.batches, b)
		for _, r := range b.Runs {
			p.sent.add(valueRow{Run: r, batch: b})
		}
	}
	for i := range h.Polls {
		p := get(h.Polls[i].TP)
		p.polls = append(p.polls, &h.Polls[i])
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
	for i := range h.Scans {
		s := &h.Scans[i]
		p := get(TopicPartition{s.Topic, s.Partition})
		p.scans = append(p.scans, s)
		p.starts = append(p.starts, s.Epochs...)
	}
	var all []*partition
	for _, p := range byTP {
		slices.SortFunc(p.starts, func(a, b EpochStart) int {
			return cmp.Or(cmp.Compare(a.LeaderEpoch, b.LeaderEpoch), cmp.Compare(a.StartOffset, b.StartOffset))
		})
		p.log = chooseFinal(p.scans)
		if l := p.log.scan; l != nil {
			for i := range l.Runs {
				p.stored.add(valueRow{Run: l.Runs[i].Run, found: &l.Runs[i]})
			}
		}
		p.sent.sort()
		p.stored.sort()
		p.elect = elections(p)
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b *partition) int {
		return cmp.Or(cmp.Compare(a.tp.Topic, b.tp.Topic), cmp.Compare(a.tp.Partition, b.tp.Partition))
	})
	return all
}

// finalLog is the log that a partition ended with, the one that every promise
// is held against.
type finalLog struct {
	scan *Scan // nil if no replica was read
	// dense is set if record i has offset base+i, the usual case.
	dense bool
	base  int64
}

// chooseFinal takes the leader's log; without a leader, the one that would win
// an election: the highest last epoch, then the longest.
func chooseFinal(scans []*Scan) finalLog {
	var best *Scan
	for _, s := range scans {
		switch {
		case best == nil, s.Leader && !best.Leader:
			best = s
		case s.Leader == best.Leader && cmp.Or(cmp.Compare(s.lastEpoch(), best.lastEpoch()), cmp.Compare(s.LogEnd, best.LogEnd)) > 0:
			best = s
		}
	}
	l := finalLog{scan: best}
	if best != nil && len(best.Records) > 0 {
		l.base = best.Records[0].Offset
		l.dense = best.Records[len(best.Records)-1].Offset-l.base == int64(len(best.Records)-1)
	}
	return l
}

func (s *Scan) lastEpoch() int32 {
	e := int32(None)
	if n := len(s.Records); n > 0 {
		e = s.Records[n-1].LeaderEpoch
	}
	if n := len(s.Runs); n > 0 {
		e = s.Runs[n-1].LeaderEpoch
	}
	if n := len(s.Epochs); n > 0 {
		e = max(e, s.Epochs[n-1].LeaderEpoch)
	}
	return e
}

// at returns the record at an offset, nil if there is none.
func (l *finalLog) at(offset int64) *ScanRecord {
	if l.scan == nil {
		return nil
	}
	var found *ScanRecord
	if len(l.scan.Runs) > 0 {
		eachRun(l.scan.Runs, Run{Offset: offset, Count: 1}, func(_ Run, in *ScanRun, place int64) {
			if in != nil {
				r := in.record(place)
				found = &r
			}
		})
		return found
	}
	r := l.scan.Records
	if l.dense {
		if i := offset - l.base; i >= 0 && i < int64(len(r)) {
			return &r[i]
		}
		return nil
	}
	i, ok := slices.BinarySearchFunc(r, offset, func(r ScanRecord, o int64) int { return cmp.Compare(r.Offset, o) })
	if !ok {
		return nil
	}
	return &r[i]
}

// holds says whether the log has this value at this offset, or no longer
// reaches down to the offset because of a policy that deletes.
func (l *finalLog) holds(t Topic, offset, value int64) bool {
	if t.Deletes && offset < l.scan.LogStart {
		return true
	}
	r := l.at(offset)
	return r != nil && r.Value == value
}

// clock writes a time as reports do, "12.418 s".
func clock(t time.Duration) string {
	if t == Never {
		return "never"
	}
	return fmt.Sprintf("%.3f s", t.Seconds())
}

func acksName(a int16) string {
	if a == -1 {
		return "acks=all"
	}
	return fmt.Sprintf("acks=%d", a)
}
