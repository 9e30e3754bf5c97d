package linearizability

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strconv"
	"strings"
	"time"
)

// fileLine is one line of a history file before its value is looked at.
type fileLine struct {
	Index     *int64          `json:"index"`
	Time      int64           `json:"time"`
	Process   json.RawMessage `json:"process"`
	Type      string          `json:"type"`
	F         string          `json:"f"`
	Value     json.RawMessage `json:"value"`
	Error     string          `json:"error"`
	Invoke    *int64          `json:"invoke"`
	Key       string          `json:"key"`
	Position  int64           `json:"position"`
	Session   int64           `json:"session"`
	Acks      int16           `json:"acks"`
	Broker    int32           `json:"broker"`
	Epoch     *int32          `json:"epoch"`
	Attempts  int32           `json:"attempts"`
	PID       *int64          `json:"pid"`
	PEpoch    int16           `json:"pepoch"`
	Seq       int32           `json:"seq"`
	Refused   *Refusal        `json:"refused"`
	Isolation string          `json:"isolation"`
}

// reader rebuilds a Log from its lines.
type reader struct {
	log  *Log
	ops  map[int64]int64 // operation by index of its invocation
	scan int             // the scan that chunks belong to, -1 before the first
	// How many records or runs each scan is said to have.
	sizes []int
	runs  bool // the last one has runs
	sum   uint32
}

// ReadHistory reads JSON lines as written by a [Log]. An error names the line
// and what was expected there. A file that ends inside a line, as a killed
// run leaves it, is read up to there and History.CutShort says so; likewise one
// that begins with a manifest and has a damaged line.
func ReadHistory(r io.Reader) (*History, error) {
	rd := &reader{log: NewLog(nil), ops: map[int64]int64{}, scan: -1}
	in := bufio.NewReaderSize(r, 1<<20)
	for n := 1; ; n++ {
		text, err := in.ReadBytes('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("history line %d: %w", n, err)
		}
		last := err != nil
		whole := text
		if text = bytes.TrimSpace(text); len(text) > 0 {
			closed := rd.log.h.Closing != nil
			if err := rd.line(text); err != nil {
				if last {
					rd.log.h.CutShort = fmt.Sprintf("line %d is incomplete", n)
					break
				}
				if rd.log.h.Manifest != nil {
					rd.log.h.CutShort = fmt.Sprintf("line %d is damaged: %v", n, err)
					break
				}
				return nil, fmt.Errorf("history line %d: %w", n, err)
			}
			rd.compare(n, closed)
		}
		rd.sum = crc32.Update(rd.sum, checksums, whole)
		if last {
			break
		}
	}
	h := rd.log.History()
	for i, s := range h.Scans {
		if got, want := len(s.Records)+len(s.Runs), rd.sizes[i]; got < want && h.CutShort == "" {
			h.CutShort = fmt.Sprintf("the scan of %s on broker %d has %d of %d records",
				TopicPartition{s.Topic, s.Partition}, s.Broker, got, want)
		}
	}
	return h, nil
}

// compare notes what shows that the file is not as it was written: a line after
// its last, or a last line with the checksum of others than those before it.
func (rd *reader) compare(n int, closed bool) {
	h := &rd.log.h
	switch {
	case h.Altered != "" || h.Closing == nil:
	case closed:
		h.Altered = fmt.Sprintf("line %d stands after the line that closes the history", n)
	case h.Closing.Checksum != "" && h.Closing.Checksum != h.Closing.checksum(rd.sum):
		h.Altered = fmt.Sprintf("its lines are not those that were written: their checksum is %s, and was %s", h.Closing.checksum(rd.sum), h.Closing.Checksum)
	}
}

func (rd *reader) line(text []byte) error {
	var l fileLine
	if err := json.Unmarshal(text, &l); err != nil {
		return fmt.Errorf("not a history line: %w", err)
	}
	if f, ok := functionNamed(l.F); ok {
		return rd.op(f, &l)
	}
	return rd.fact(&l)
}

func functionNamed(s string) (Function, bool) {
	for f, name := range functionNames {
		if name == s {
			return Function(f), true
		}
	}
	return 0, false
}

func (rd *reader) op(f Function, l *fileLine) error {
	op := Op{Time: time.Duration(l.Time), F: f, Error: l.Error, Session: l.Session,
		Acks: l.Acks, Refused: l.Refused, Broker: l.Broker, Attempts: l.Attempts}
	switch {
	case l.Epoch != nil:
		op.LeaderEpoch = *l.Epoch
	case f == Poll: // of histories that did not say it
		op.LeaderEpoch = None
	}
	process, err := strconv.ParseInt(string(l.Process), 10, 64)
	if err != nil {
		return fmt.Errorf("process %s of a %s: want a number", l.Process, l.F)
	}
	op.Process, op.ReadCommitted = process, l.Isolation == isolationReadCommitted
	found := false
	for t, name := range typeNames {
		if name == l.Type {
			op.Type, found = Type(t), true
		}
	}
	if !found {
		return fmt.Errorf("type %q: want invoke, ok, fail or info", l.Type)
	}
	if l.PID != nil {
		op.Idempotent, op.ProducerID, op.ProducerEpoch, op.Sequence = true, *l.PID, l.PEpoch, l.Seq
	}
	if err := rd.value(&op, l); err != nil {
		return fmt.Errorf("value of a %s %s: %w", l.F, l.Type, err)
	}
	if (f == SendBatch || op.Runs != nil) && rd.log.h.Recording.mode() != RecordBatches {
		return errors.New(`batches and runs need a line {"f":"recording","value":{"mode":"batches"}} before them`)
	}
	if op.Type == Invoke {
		if l.Index == nil {
			return errors.New("an invoke needs an index")
		}
		rd.ops[*l.Index] = rd.log.Invoke(op)
		return nil
	}
	if l.Invoke == nil {
		return errors.New(`a completion needs "invoke", the index of its invocation`)
	}
	n, ok := rd.ops[*l.Invoke]
	if !ok {
		return fmt.Errorf("completes operation %d, which was not invoked or is complete already", *l.Invoke)
	}
	if Function(n&(1<<functionBits-1)) != f {
		return fmt.Errorf("completes operation %d, which is no %s", *l.Invoke, l.F)
	}
	delete(rd.ops, *l.Invoke)
	rd.log.Complete(n, op)
	return nil
}

// value takes the micro-operations apart.
func (rd *reader) value(op *Op, l *fileLine) error {
	var key string
	switch op.F {
	case Send:
		var micro [][3]json.RawMessage
		if err := json.Unmarshal(l.Value, &micro); err != nil || len(micro) != 1 {
			return fmt.Errorf(`want one [["send", key, …]], got %.80s`, l.Value)
		}
		if err := json.Unmarshal(micro[0][1], &key); err != nil {
			return err
		}
		if op.Type != OK {
			if err := json.Unmarshal(micro[0][2], &op.Value); err != nil {
				return err
			}
			break
		}
		var pair [2]*int64
		if err := json.Unmarshal(micro[0][2], &pair); err != nil {
			return err
		}
		if pair[1] == nil {
			return errors.New("the value is null")
		}
		op.Offset, op.Value = orNone(pair[0]), *pair[1]
	case SendBatch:
		var micro [][3]json.RawMessage
		if err := json.Unmarshal(l.Value, &micro); err != nil || len(micro) != 1 {
			return fmt.Errorf(`want one [["send-batch", key, …]], got %.80s`, l.Value)
		}
		if err := json.Unmarshal(micro[0][1], &key); err != nil {
			return err
		}
		if op.Type == Invoke {
			if err := json.Unmarshal(micro[0][2], &op.Value); err != nil {
				return err
			}
			break
		}
		var err error
		if op.Runs, err = runs(micro[0][2]); err != nil {
			return err
		}
		if op.Offset = None; len(op.Runs) > 0 {
			op.Offset = op.Runs[0].Offset
		}
	case Poll:
		if op.Type != OK {
			key, op.Offset = l.Key, l.Position
			break
		}
		var micro [][2]json.RawMessage
		if err := json.Unmarshal(l.Value, &micro); err != nil || len(micro) != 1 {
			return fmt.Errorf(`want one [["poll", {key: [[offset, value], …]}]], got %.80s`, l.Value)
		}
		if bytes.Equal(micro[0][0], []byte(`"poll-runs"`)) {
			var read map[string]json.RawMessage
			if err := json.Unmarshal(micro[0][1], &read); err != nil {
				return err
			}
			if len(read) != 1 {
				return fmt.Errorf("%d keys: want one partition a poll", len(read))
			}
			for k, rows := range read {
				var err error
				if op.Runs, err = runs(rows); err != nil {
					return err
				}
				key = k
			}
			break
		}
		var read map[string][][2]*int64
		if err := json.Unmarshal(micro[0][1], &read); err != nil {
			return err
		}
		if len(read) != 1 {
			return fmt.Errorf("%d keys: want one partition a poll", len(read))
		}
		for k, pairs := range read {
			key = k
			if len(pairs) > 0 {
				op.Records = make([]Record, len(pairs))
			}
			for i, p := range pairs {
				if p[0] == nil {
					return fmt.Errorf("record %d has no offset", i)
				}
				op.Records[i] = Record{Offset: *p[0], Value: orNone(p[1])}
			}
		}
	case Transact, InitTransactions:
		op.Transaction = &Transaction{}
		if err := json.Unmarshal(l.Value, op.Transaction); err != nil {
			return err
		}
		return op.Transaction.check()
	case Commit, FetchOffset:
		var v [3]any
		d := json.NewDecoder(bytes.NewReader(l.Value))
		d.UseNumber()
		if err := d.Decode(&v); err != nil {
			return err
		}
		var ok1, ok2 bool
		op.Group, ok1 = v[0].(string)
		key, ok2 = v[1].(string)
		if !ok1 || !ok2 {
			return errors.New("want [group, key, offset]")
		}
		return rd.tail(op, key, v[2])
	default:
		var v [2]any
		d := json.NewDecoder(bytes.NewReader(l.Value))
		d.UseNumber()
		if err := d.Decode(&v); err != nil {
			return err
		}
		var ok bool
		if key, ok = v[0].(string); !ok {
			return errors.New("want [key, offset]")
		}
		return rd.tail(op, key, v[1])
	}
	return splitKey(op, key)
}

// runs reads rows of offset, value, stride, count.
func runs(text json.RawMessage) ([]Run, error) {
	var rows [][4]int64
	if err := json.Unmarshal(text, &rows); err != nil {
		return nil, err
	}
	all := make([]Run, len(rows))
	for i, r := range rows {
		all[i] = Run{Offset: r[0], Value: r[1], Stride: r[2], Count: r[3]}
		if err := all[i].check(); err != nil {
			return nil, fmt.Errorf("row %d: %w", i, err)
		}
	}
	return all, nil
}

// check refuses what is no run.
func (r Run) check() error {
	switch {
	case r.Count < 1 || r.Count > maxScanRecords:
		return fmt.Errorf("a run of %d records: want 1 to %d", r.Count, maxScanRecords)
	case r.Value < None || r.Offset < None:
		return fmt.Errorf("value %d at offset %d: neither may be below -1", r.Value, r.Offset)
	case r.Count > 1 && (r.Stride < 1 || r.Value == None || r.Stride > (1<<62-r.Value)/r.Count):
		return fmt.Errorf("%d records from value %d on in steps of %d are not possible", r.Count, r.Value, r.Stride)
	}
	return nil
}

func (rd *reader) tail(op *Op, key string, offset any) error {
	op.Offset = None
	if n, ok := offset.(json.Number); ok {
		v, err := n.Int64()
		if err != nil {
			return err
		}
		op.Offset = v
	}
	return splitKey(op, key)
}

func orNone(p *int64) int64 {
	if p == nil {
		return None
	}
	return *p
}

func splitKey(op *Op, key string) error {
	cut := strings.LastIndexByte(key, '-')
	if cut < 0 {
		return fmt.Errorf("key %q: want topic-partition", key)
	}
	p, err := strconv.ParseInt(key[cut+1:], 10, 32)
	if err != nil || p < 0 {
		return fmt.Errorf("key %q: want topic-partition", key)
	}
	op.Topic, op.Partition = key[:cut], int32(p)
	return nil
}

func (rd *reader) fact(l *fileLine) error {
	h := &rd.log.h
	var err error
	switch l.F {
	case "recording":
		var r Recording
		if err = json.Unmarshal(l.Value, &r); err == nil {
			if err = r.Check(); err == nil {
				h.Recording = r
			}
		}
	case "manifest":
		err = onceFact(&h.Manifest, l.Value)
	case "end":
		err = onceFact(&h.Closing, l.Value)
	case "live":
		err = appendFact(&h.Live, l.Value)
	case "assignment":
		err = appendFact(&h.Assignments, l.Value)
	case "sharing":
		err = appendFact(&h.Sharings, l.Value)
	case "flaw":
		err = appendFact(&h.Flaws, l.Value)
	case "administration":
		err = appendFact(&h.Administrations, l.Value)
	case "topic":
		err = appendFact(&h.Topics, l.Value)
	case "fault":
		err = appendFact(&h.Faults, l.Value)
	case "partition-state":
		err = appendFact(&h.States, l.Value)
	case "epoch-start":
		err = appendFact(&h.Epochs, l.Value)
	case "high-watermark":
		err = appendFact(&h.HighWatermarks, l.Value)
	case "scan":
		err = rd.scanHead(l.Value)
	case "scan-records":
		err = rd.scanChunk(l.Value)
	default:
		return fmt.Errorf("f %q: want one of %s, recording, manifest, topic, fault, partition-state, epoch-start, high-watermark, assignment, sharing, flaw, scan, scan-records, live or end",
			l.F, strings.Join(functionNames[:], ", "))
	}
	if err != nil {
		return fmt.Errorf("value of a %s: %w", l.F, err)
	}
	return nil
}

func onceFact[T any](to **T, value json.RawMessage) error {
	if *to != nil {
		return errors.New("there was one before")
	}
	*to = new(T)
	return json.Unmarshal(value, *to)
}

func appendFact[T any](to *[]T, value json.RawMessage) error {
	var v T
	if err := json.Unmarshal(value, &v); err != nil {
		return err
	}
	*to = append(*to, v)
	return nil
}

// maxScanRecords bounds what a scan may claim to hold, so that a damaged
// number cannot exhaust memory.
const maxScanRecords = 1 << 28

func (rd *reader) scanHead(value json.RawMessage) error {
	var v scanHead
	if err := json.Unmarshal(value, &v); err != nil {
		return err
	}
	if v.Records < 0 || v.Records > maxScanRecords || v.Runs < 0 || v.Runs > maxScanRecords || v.Runs > 0 && v.Records > 0 {
		return fmt.Errorf("%d records and %d runs: want 0 to %d of one of them", v.Records, v.Runs, maxScanRecords)
	}
	if v.Runs > 0 && rd.log.h.Recording.mode() != RecordBatches {
		return errors.New(`a scan with runs needs a line {"f":"recording","value":{"mode":"batches"}} before it`)
	}
	s := Scan{Topic: v.Topic, Partition: v.Partition, Broker: v.Broker, Leader: v.Leader,
		LogStart: v.LogStart, HighWatermark: v.HighWatermark, LogEnd: v.LogEnd}
	s.Time = time.Duration(v.Time)
	for _, row := range v.Markers {
		s.Markers = append(s.Markers, markerOf(row))
	}
	rd.sizes = append(rd.sizes, v.Records+v.Runs)
	rd.runs = v.Runs > 0
	for _, e := range v.Epochs {
		s.Epochs = append(s.Epochs, EpochStart{Topic: v.Topic, Partition: v.Partition,
			LeaderEpoch: int32(e[0]), Leader: None, StartOffset: e[1]})
	}
	rd.log.h.Scans = append(rd.log.h.Scans, s)
	rd.scan = len(rd.log.h.Scans) - 1
	return nil
}

func (rd *reader) scanChunk(value json.RawMessage) error {
	var v scanChunk
	if err := json.Unmarshal(value, &v); err != nil {
		return err
	}
	if rd.scan < 0 {
		return errors.New("no scan came before these records")
	}
	s := &rd.log.h.Scans[rd.scan]
	if got := len(s.Records) + len(s.Runs); v.From != got || v.Count < 0 || v.Count > rd.sizes[rd.scan]-got {
		return fmt.Errorf("records %d to %d do not follow the %d read so far of %d", v.From, v.From+v.Count, got, rd.sizes[rd.scan])
	}
	if v.SameAs == nil {
		if len(v.Rows) != v.Count {
			return fmt.Errorf("%d rows where %d were announced", len(v.Rows), v.Count)
		}
		for i, r := range v.Rows {
			switch {
			case !rd.runs && (len(r) == 6 || len(r) == 7):
				s.Records = append(s.Records, ScanRecord{Offset: r[0], Value: r[1], LeaderEpoch: int32(r[2]),
					ProducerID: r[3], ProducerEpoch: int16(r[4]), Sequence: int32(r[5]), Transactional: len(r) == 7})
			case rd.runs && (len(r) == 8 || len(r) == 9):
				run := Run{Offset: r[0], Value: r[1], Stride: r[6], Count: r[7]}
				if err := run.check(); err != nil {
					return fmt.Errorf("row %d: %w", i, err)
				}
				s.Runs = append(s.Runs, ScanRun{Run: run, LeaderEpoch: int32(r[2]),
					ProducerID: r[3], ProducerEpoch: int16(r[4]), Sequence: int32(r[5]), Transactional: len(r) == 9})
			default:
				return fmt.Errorf("row %d has %d numbers: want 6 or 7 for a record, 8 or 9 for a run", i, len(r))
			}
		}
		return nil
	}
	for i := rd.scan - 1; i >= 0; i-- {
		o := &rd.log.h.Scans[i]
		if o.Topic == s.Topic && o.Partition == s.Partition && o.Broker == *v.SameAs && max(len(o.Records), len(o.Runs)) >= v.From+v.Count {
			if rd.runs && o.Runs != nil {
				s.Runs = append(s.Runs, o.Runs[v.From:v.From+v.Count]...)
				return nil
			}
			if !rd.runs && o.Records != nil {
				s.Records = append(s.Records, o.Records[v.From:v.From+v.Count]...)
				return nil
			}
		}
	}
	return fmt.Errorf("no earlier scan of this partition on broker %d holds them", *v.SameAs)
}
