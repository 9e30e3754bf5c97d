package linearizability

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// recordings are the ways of recording the same run whole.
var recordings = []Recording{{}, {Mode: RecordBatches}, {Mode: RecordSampled, Every: 1}}

// recordedAs is a history of records as it would have been recorded otherwise,
// written to a file and read back.
func recordedAs(t *testing.T, r Recording, h *History) *History {
	var file bytes.Buffer
	l := NewLog(&file)
	l.SetRecording(r)
	if h.Manifest != nil {
		l.Begin(*h.Manifest)
	}
	for _, topic := range h.Topics {
		l.AddTopic(topic)
	}
	op := func(o SendOp) Op {
		return Op{Time: o.Call, Process: o.Process, F: Send, Topic: o.TP.Topic, Partition: o.TP.Partition, Value: o.Value, Offset: o.Offset,
			Acks: o.Acks, Broker: o.Broker, LeaderEpoch: o.LeaderEpoch, Idempotent: o.Idempotent, ProducerID: o.ProducerID,
			ProducerEpoch: o.ProducerEpoch, Sequence: o.Sequence, Attempts: o.Attempts, Error: o.Error}
	}
	ends := func(o *Op, outcome Type, call, ret time.Duration) {
		if o.Type, o.Time = outcome, ret; ret == Never {
			o.Time = call
		}
	}
	batches := h.Batches
	if batches == nil {
		for _, s := range h.Sends {
			batches = append(batches, BatchOp{SendOp: s, Runs: []Run{{Offset: s.Offset, Value: s.Value, Count: 1}}})
		}
	}
	for _, b := range batches {
		o := op(b.SendOp)
		if r.Mode == RecordBatches {
			o.F, o.Runs = SendBatch, b.Runs
			n := l.Invoke(o)
			ends(&o, b.Outcome, b.Call, b.Return)
			l.Complete(n, o)
			continue
		}
		for _, run := range b.Runs {
			for k := range run.Count {
				if !r.Keeps(run.at(k)) {
					continue
				}
				o := op(*b.record(run, k))
				n := l.Invoke(o)
				ends(&o, b.Outcome, b.Call, b.Return)
				l.Complete(n, o)
			}
		}
	}
	for _, p := range h.Polls {
		o := Op{Time: p.Call, Process: p.Process, F: Poll, Topic: p.TP.Topic, Partition: p.TP.Partition, Offset: p.Position, Session: p.Session, Error: p.Error}
		n := l.Invoke(o)
		ends(&o, p.Outcome, p.Call, p.Return)
		for _, run := range append(slices.Clone(p.Runs), singles(p.Records)...) {
			for k := range run.Count {
				switch v := run.at(k); {
				case r.Mode == RecordBatches:
					o.Runs = AppendRun(o.Runs, run.Offset+k, v)
				case v == None || r.Keeps(v):
					o.Records = append(o.Records, Record{run.Offset + k, v})
				}
			}
		}
		l.Complete(n, o)
	}
	for _, e := range h.Ends {
		o := Op{Time: e.Call, Process: e.Process, F: ListOffsets, Topic: e.TP.Topic, Partition: e.TP.Partition, Offset: e.Offset}
		n := l.Invoke(o)
		ends(&o, e.Outcome, e.Call, e.Return)
		l.Complete(n, o)
	}
	for _, c := range h.Offsets {
		o := Op{Time: c.Call, Process: c.Process, F: FetchOffset, Group: c.Group, Topic: c.TP.Topic, Partition: c.TP.Partition, Offset: c.Offset}
		if c.Write {
			o.F = Commit
		}
		n := l.Invoke(o)
		ends(&o, c.Outcome, c.Call, c.Return)
		l.Complete(n, o)
	}
	for _, f := range h.Faults {
		l.AddFault(f)
	}
	for _, s := range h.States {
		l.AddPartitionState(s)
	}
	for _, e := range h.Epochs {
		l.AddEpochStart(e)
	}
	for _, m := range h.HighWatermarks {
		l.AddHighWatermark(m)
	}
	for _, s := range h.Scans {
		other := s
		other.Records, other.Runs = nil, nil
		for _, rec := range s.Records {
			other.Keep(r, rec)
		}
		for i := range s.Runs {
			for k := range s.Runs[i].Count {
				other.Keep(r, s.Runs[i].record(k))
			}
		}
		l.AddScan(other)
	}
	require.NoError(t, l.Flush())
	read, err := ReadHistory(&file)
	require.NoError(t, err)
	require.Empty(t, read.CutShort)
	require.Equal(t, l.History(), read, "what is read back is what was recorded")
	return read
}

// singles are records as runs of one each.
func singles(records []Record) []Run {
	var runs []Run
	for _, r := range records {
		runs = append(runs, Run{Offset: r.Offset, Value: r.Value, Count: 1})
	}
	return runs
}

// load is a run at speed, recorded by the batch: two idempotent producers that
// give partitions their turn, a consumer, three replicas.
func load(batches int) *History {
	h := &History{Recording: Recording{Mode: RecordBatches}, Topics: []Topic{{Name: "orders", Partitions: 1, ReplicationFactor: 3, MinISR: 2}}}
	h.States = []PartitionState{{Topic: "orders", Leader: 1, LeaderEpoch: 1, ISR: []int32{1, 2, 3}}}
	scan := Scan{Topic: "orders", LogEnd: 0}
	next, sequence := [2]int64{}, [2]int32{}
	offset := int64(0)
	for i := range batches {
		p := int64(i % 2)
		run := Run{Offset: offset, Value: p<<32 | next[p], Stride: 12, Count: 10}
		at := time.Duration(i) * time.Millisecond
		h.Batches = append(h.Batches, BatchOp{Runs: []Run{run}, SendOp: SendOp{
			TP: TopicPartition{"orders", 0}, Process: p, Call: at, Return: at + 5*time.Millisecond, Value: run.Value, Offset: offset,
			ProducerID: 70 + p, Sequence: sequence[p], Broker: 1, LeaderEpoch: 1, Attempts: 1, Acks: -1, Idempotent: true, Outcome: OK,
		}})
		scan.Runs = append(scan.Runs, ScanRun{Run: run, ProducerID: 70 + p, LeaderEpoch: 1, Sequence: sequence[p]})
		h.Polls = append(h.Polls, PollOp{TP: TopicPartition{"orders", 0}, Process: 9, Session: 1, Call: at + 5*time.Millisecond,
			Return: at + 6*time.Millisecond, Position: offset, Runs: []Run{run}, Outcome: OK})
		next[p] += 120
		sequence[p] += 10
		offset += 10
	}
	scan.LogEnd, scan.HighWatermark = offset, offset
	for b := int32(1); b <= 3; b++ {
		s := scan
		s.Broker, s.Leader = b, b == 1
		s.Runs = slices.Clone(scan.Runs)
		h.Scans = append(h.Scans, s)
	}
	return h
}

// cut is runs without what lies in [from, to).
func cut(runs []ScanRun, from, to int64) []ScanRun {
	var kept []ScanRun
	s := Scan{}
	for i := range runs {
		for k := range runs[i].Count {
			if r := runs[i].record(k); r.Offset < from || r.Offset >= to {
				s.Keep(Recording{Mode: RecordBatches}, r)
			}
		}
	}
	return append(kept, s.Runs...)
}

// Loads at speed with one thing gone wrong in the middle of a batch: each is
// found where every batch is recorded, and where single records are, if they
// happen to be concerned.
func TestPlantedInLoads(t *testing.T) {
	const every = 7
	// Offset 502 is the third record of producer 0's 26th batch and holds value
	// 25·120 + 2·12, which is one that is sampled, as is that at 509.
	const at = 502
	for _, c := range []struct {
		name, code string
		plant      func(h *History)
	}{
		{"a record is lost", "K2", func(h *History) {
			for i := range h.Scans {
				h.Scans[i].Runs = cut(h.Scans[i].Runs, at, at+1)
			}
		}},
		{"the end of the log is lost", "K2", func(h *History) {
			for i := range h.Scans {
				h.Scans[i].Runs = cut(h.Scans[i].Runs, at, 2000)
				h.Scans[i].LogEnd = at
			}
		}},
		{"a record changes its place with the next but six", "K1", func(h *History) {
			for i := range h.Scans {
				swap(&h.Scans[i], at, at+7)
			}
		}},
		{"a batch stands there twice", "K3", func(h *History) {
			for i := range h.Scans {
				s := &h.Scans[i]
				again := s.Runs[50]
				again.Offset = s.LogEnd
				s.Runs = append(s.Runs, again)
				s.LogEnd += 10
			}
		}},
		{"a refused batch is in the log", "K5", func(h *History) {
			b := &h.Batches[50]
			b.Outcome, b.Error, b.Offset, b.Runs = Fail, "NOT_ENOUGH_REPLICAS", None, slices.Clone(b.Runs)
			b.Runs[0].Offset = None
		}},
		{"a consumer skips a record", "K7", func(h *History) {
			p := &h.Polls[50]
			p.Runs = []Run{p.Runs[0].part(0, 2), p.Runs[0].part(3, 7)}
		}},
		{"a consumer reads a batch again", "K7", func(h *History) { h.Polls[51].Runs = h.Polls[50].Runs }},
		{"a batch is read before it is sent", "LIN", func(h *History) {
			h.Polls[50].Call, h.Polls[50].Return = 0, time.Millisecond
		}},
		{"a batch is acknowledged and never read", "K10", func(h *History) { h.Polls[50].Runs = nil }},
		{"a replica lacks a record", "K11", func(h *History) { h.Scans[2].Runs = cut(h.Scans[2].Runs, at, at+1) }},
		{"a replica holds another record", "K11", func(h *History) { swap(&h.Scans[1], at, at+7) }},
		{"a record was corrupted", "K1", func(h *History) {
			for i := range h.Scans {
				s := &h.Scans[i]
				var runs []ScanRun
				for j := range s.Runs {
					for k := range s.Runs[j].Count {
						r := s.Runs[j].record(k)
						if r.Offset == at {
							r.Value = None
						}
						one := Scan{Runs: runs}
						one.Keep(h.Recording, r)
						runs = one.Runs
					}
				}
				s.Runs = runs
			}
		}},
	} {
		for _, r := range []Recording{{}, {Mode: RecordBatches}, {Mode: RecordSampled, Every: every}} {
			t.Run(c.name+", recorded "+r.String(), func(t *testing.T) {
				h := load(100)
				c.plant(h)
				v := judgeDrained(recordedAs(t, r, h))
				require.Equal(t, Failed, v.Status)
				require.Contains(t, codes(v), c.code)
			})
		}
	}
	for _, r := range []Recording{{}, {Mode: RecordBatches}, {Mode: RecordSampled, Every: every}} {
		t.Run("nothing, recorded "+r.String(), func(t *testing.T) {
			v := judgeDrained(recordedAs(t, r, load(100)))
			require.Empty(t, v.Findings)
			require.Equal(t, Pass, v.Status)
			k := checkNamed(t, v, checkSurvival)
			if r.Mode == RecordSampled {
				require.InDelta(t, 1000/every, k.Inputs, 2)
				require.Equal(t, "one record in 7", v.Recording)
			} else {
				require.EqualValues(t, 1000, k.Inputs)
			}
		})
	}
}

// swap exchanges the values at two offsets of a scan.
func swap(s *Scan, a, b int64) {
	var records []ScanRecord
	for i := range s.Runs {
		for k := range s.Runs[i].Count {
			records = append(records, s.Runs[i].record(k))
		}
	}
	records[a].Value, records[b].Value = records[b].Value, records[a].Value
	s.Runs = nil
	for _, r := range records {
		s.Keep(Recording{Mode: RecordBatches}, r)
	}
}

// The verdict on batches is that on their records, whatever happened.
func TestRunsAreJudgedAsRecords(t *testing.T) {
	for seed := range uint64(60) {
		rng := rand.New(rand.NewPCG(seed, 1))
		h := load(20)
		for range 1 + rng.IntN(3) {
			spoil(h, rng)
		}
		each := judgeDrained(recordedAs(t, Recording{}, h))
		runs := judgeDrained(recordedAs(t, Recording{Mode: RecordBatches}, h))
		require.Equal(t, each.Status, runs.Status, "seed %d", seed)
		a, b := codes(each), codes(runs)
		slices.Sort(a)
		slices.Sort(b)
		require.Equal(t, slices.Compact(a), slices.Compact(b), "seed %d", seed)
		for i, k := range each.Checks {
			if k.Code != "LIN" { // which counts the same, but may find a batch where it finds each record of it
				require.Equal(t, k.Findings > 0, runs.Checks[i].Findings > 0, "seed %d, %s", seed, k.Name)
			}
			require.Equal(t, k.Inputs > 0, runs.Checks[i].Inputs > 0, "seed %d, %s", seed, k.Name)
		}
	}
}

// spoil does something at random to a load.
func spoil(h *History, rng *rand.Rand) {
	end := h.Scans[0].LogEnd
	switch i, at := rng.IntN(len(h.Batches)), rng.Int64N(end); rng.IntN(8) {
	case 0:
		for j := range h.Scans {
			h.Scans[j].Runs = cut(h.Scans[j].Runs, at, min(end, at+rng.Int64N(15)))
		}
	case 1:
		s := &h.Scans[rng.IntN(3)]
		s.Runs = cut(s.Runs, at, at+1)
	case 2:
		h.Polls[i].Runs = nil
	case 3:
		h.Polls[i].Runs = []Run{h.Polls[i].Runs[0]}
		h.Polls[i].Runs[0].Offset += 3
	case 4:
		h.Batches[i].Outcome, h.Batches[i].Return = Info, Never
	case 5:
		b := &h.Batches[i]
		b.Outcome, b.Offset = Fail, None
		b.Runs = []Run{b.Runs[0]}
		b.Runs[0].Offset = None
	case 6:
		h.Polls[i].Session++
	default:
		h.Batches[i].Acks = 1
	}
}

func TestRunsAreRefused(t *testing.T) {
	for _, row := range []string{"[0,1,1,0]", "[0,-1,1,2]", "[0,1,0,2]", "[0,5,9000000000000000000,2]", "[-2,1,1,1]"} {
		_, err := ReadHistory(bytes.NewBufferString(
			`{"index":0,"process":"clients","type":"info","f":"recording","value":{"mode":"batches"}}` + "\n" + `{"index":0,"time":1,"process":1,"type":"invoke","f":"send-batch","value":[["send-batch","t-0",1]]}` + "\n" +
				`{"index":1,"time":2,"process":1,"type":"ok","f":"send-batch","value":[["send-batch","t-0",[` + row + `]]],"invoke":0}` + "\n"))
		require.ErrorContains(t, err, "history line 3: value of a send-batch ok: row 0", row)
	}
	_, err := ReadHistory(bytes.NewBufferString(
		`{"index":0,"time":1,"process":1,"type":"invoke","f":"send-batch","value":[["send-batch","t-0",1]]}` + "\n"))
	require.ErrorContains(t, err, "history line 1: batches and runs need a line")
	for _, r := range []Recording{{Mode: "some"}, {Mode: RecordSampled}, {Every: 3}} {
		require.Error(t, r.Check())
	}
}
