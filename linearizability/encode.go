package linearizability

import (
	"encoding/json"
	"fmt"
	"hash/crc32"
	"strconv"
)

// The file is one JSON object a line, in Jepsen's form. Sends and polls carry
// the micro-operations of jepsen.tests.kafka as their value; what Jepsen has
// no place for stands beside it under its own key. "invoke" links a
// completion to its invocation by index, since pipelined sends of one process
// overlap. Where batches are recorded, the micro-operations are send-batch and
// poll-runs, which Jepsen does not know; a first line "recording" says so, or
// that records were sampled. The facts have a word for their process.

var typeNames = [...]string{Invoke: "invoke", OK: "ok", Fail: "fail", Info: "info"}

var functionNames = [...]string{Send: "send", Poll: "poll", Commit: "commit", FetchOffset: "fetch-offset", ListOffsets: "list-offsets", SendBatch: "send-batch",
	Transact: "transact", InitTransactions: "init-transactions"}

// String is the type's name in a history file.
func (t Type) String() string { return typeNames[t] }

// String is the function's name in a history file.
func (f Function) String() string { return functionNames[f] }

type lineBuilder []byte

func (b *lineBuilder) raw(s string) { *b = append(*b, s...) }
func (b *lineBuilder) int(v int64)  { *b = strconv.AppendInt(*b, v, 10) }
func (b *lineBuilder) text(s string) {
	q, err := json.Marshal(s)
	if err != nil {
		q = []byte(`""`) // a string always marshals
	}
	*b = append(*b, q...)
}
func (b *lineBuilder) offset(v int64) {
	if v < 0 {
		b.raw("null")
		return
	}
	b.int(v)
}
func (b *lineBuilder) field(name string, v int64) {
	b.raw(`,"`)
	b.raw(name)
	b.raw(`":`)
	b.int(v)
}

// runs writes rows of offset, value, stride, count.
func (b *lineBuilder) runs(runs []Run) {
	b.raw(`[`)
	for i, r := range runs {
		if i > 0 {
			b.raw(`,`)
		}
		b.raw(`[`)
		b.int(r.Offset)
		for _, v := range [...]int64{r.Value, r.Stride, r.Count} {
			b.raw(`,`)
			b.int(v)
		}
		b.raw(`]`)
	}
	b.raw(`]`)
}

// key is a partition's name, quoted.
func (l *Log) key(topic string, partition int32) string {
	tp := TopicPartition{topic, partition}
	k, ok := l.keys[tp]
	if !ok {
		var b lineBuilder
		b.text(tp.String())
		k = string(b)
		l.keys[tp] = k
	}
	return k
}

// writeOp writes one line. invoke is the index of the invocation, -1 if the
// line is one.
func (l *Log) writeOp(op *Op, invoke int64) {
	b := lineBuilder(l.line[:0])
	b.raw(`{"index":`)
	b.int(l.index)
	l.index++
	b.field("time", int64(op.Time))
	b.field("process", op.Process)
	b.raw(`,"type":"`)
	b.raw(op.Type.String())
	b.raw(`","f":"`)
	b.raw(op.F.String())
	b.raw(`","value":`)
	done := op.Type == OK
	switch op.F {
	case Send:
		b.raw(`[["send",`)
		b.raw(l.key(op.Topic, op.Partition))
		b.raw(`,`)
		if done {
			b.raw(`[`)
			b.offset(op.Offset)
			b.raw(`,`)
			b.int(op.Value)
			b.raw(`]`)
		} else {
			b.int(op.Value)
		}
		b.raw(`]]`)
	case SendBatch:
		b.raw(`[["send-batch",`)
		b.raw(l.key(op.Topic, op.Partition))
		b.raw(`,`)
		if invoke < 0 {
			b.int(op.Value)
		} else {
			b.runs(op.Runs)
		}
		b.raw(`]]`)
	case Poll:
		if !done {
			b.raw(`[["poll"]],"key":`)
			b.raw(l.key(op.Topic, op.Partition))
			break
		}
		if op.Runs != nil {
			b.raw(`[["poll-runs",{`)
			b.raw(l.key(op.Topic, op.Partition))
			b.raw(`:`)
			b.runs(op.Runs)
			b.raw(`}]]`)
			break
		}
		b.raw(`[["poll",{`)
		b.raw(l.key(op.Topic, op.Partition))
		b.raw(`:[`)
		for i, r := range op.Records {
			if i > 0 {
				b.raw(`,`)
			}
			b.raw(`[`)
			b.int(r.Offset)
			b.raw(`,`)
			b.offset(r.Value)
			b.raw(`]`)
		}
		b.raw(`]}]]`)
	case Transact, InitTransactions:
		text, err := json.Marshal(op.Transaction)
		if err != nil {
			l.err = err
			return
		}
		b = append(b, text...)
	case Commit, FetchOffset:
		b.raw(`[`)
		b.text(op.Group)
		b.raw(`,`)
		b.raw(l.key(op.Topic, op.Partition))
		b.raw(`,`)
		if op.F == Commit || done {
			b.offset(op.Offset)
		} else {
			b.raw(`null`)
		}
		b.raw(`]`)
	default:
		b.raw(`[`)
		b.raw(l.key(op.Topic, op.Partition))
		b.raw(`,`)
		if done {
			b.offset(op.Offset)
		} else {
			b.raw(`null`)
		}
		b.raw(`]`)
	}
	if invoke < 0 {
		switch op.F {
		case Send, SendBatch:
			b.field("acks", int64(op.Acks))
		case Poll:
			b.field("position", op.Offset)
			b.field("session", op.Session)
			if op.ReadCommitted {
				b.raw(`,"isolation":"` + isolationReadCommitted + `"`)
			}
		}
	} else {
		b.field("invoke", invoke)
		switch op.F {
		case Send, SendBatch:
			b.field("broker", int64(op.Broker))
			b.field("epoch", int64(op.LeaderEpoch))
			b.field("attempts", int64(op.Attempts))
			if op.Idempotent {
				b.field("pid", op.ProducerID)
				b.field("pepoch", int64(op.ProducerEpoch))
				b.field("seq", int64(op.Sequence))
			}
			if r := op.Refused; r != nil {
				b.raw(`,"refused":{"error":`)
				b.text(r.Error)
				b.field("pid", r.ProducerID)
				b.field("pepoch", int64(r.ProducerEpoch))
				b.field("seq", int64(r.Sequence))
				b.raw(`}`)
			}
		case Commit:
			if op.Session > 0 {
				b.field("session", op.Session)
			}
		case ListOffsets:
			b.field("epoch", int64(op.LeaderEpoch))
		case Poll:
			if op.Type == OK && op.LeaderEpoch != None {
				b.field("epoch", int64(op.LeaderEpoch))
			}
		}
	}
	if op.Error != "" {
		b.raw(`,"error":`)
		b.text(op.Error)
	}
	l.writeLine(b)
}

// checksums of histories: what a line says can be changed, dropped and doubled
// without a trace in the counts that close it.
var checksums = crc32.MakeTable(crc32.Castagnoli)

// checksum is that of the lines before the last, whose sum is given, and of what
// the last one says.
func (e End) checksum(sum uint32) string {
	e.Checksum = ""
	text, _ := json.Marshal(e) // always marshals
	return fmt.Sprintf("crc32c:%08x", crc32.Update(sum, checksums, text))
}

func (l *Log) writeLine(b lineBuilder) {
	b.raw("}\n")
	l.line = b
	if l.err == nil {
		l.sum = crc32.Update(l.sum, checksums, b)
		_, l.err = l.out.Write(b)
	}
}

var factProcess = map[string]string{
	"recording": "clients", "topic": "controller", "fault": "nemesis", "partition-state": "controller",
	"manifest": "clients", "end": "clients", "live": "watcher", "assignment": "clients", "sharing": "clients", "flaw": "clients",
	"epoch-start": "broker", "high-watermark": "broker", "scan": "broker", "scan-records": "broker",
}

func (l *Log) writeFact(f string, value any) {
	if l.out == nil {
		return
	}
	v, err := json.Marshal(value)
	if err != nil {
		l.err = err
		return
	}
	b := lineBuilder(l.line[:0])
	b.raw(`{"index":`)
	b.int(l.index)
	l.index++
	b.raw(`,"process":"`)
	b.raw(factProcess[f])
	b.raw(`","type":"info","f":"`)
	b.raw(f)
	b.raw(`","value":`)
	b = append(b, v...)
	l.writeLine(b)
}

// scanHead is a scan without its records.
type scanHead struct {
	Topic         string     `json:"topic"`
	Partition     int32      `json:"partition"`
	Broker        int32      `json:"broker"`
	Leader        bool       `json:"leader"`
	LogStart      int64      `json:"log_start"`
	HighWatermark int64      `json:"high_watermark"`
	LogEnd        int64      `json:"log_end"`
	Epochs        [][2]int64 `json:"epochs,omitempty"` // leader epoch, start offset
	Records       int        `json:"records"`
	Runs          int        `json:"runs,omitempty"`
	// Time in ns, and rows of offset, leader epoch, producer id, producer epoch,
	// coordinator epoch and 1 for a commit.
	Time    int64      `json:"time,omitempty"`
	Markers [][6]int64 `json:"markers,omitempty"`
}

// scanChunk is a run of a scan's records: rows of offset, value, leader epoch,
// producer id, producer epoch, sequence; of a scan that has runs, rows of
// offset, value, leader epoch, producer id, producer epoch, sequence, stride,
// count. Replicas hold the same records if all is well, so a chunk equal to
// one of an earlier replica only names it. What is part of a transaction has a 1
// behind.
type scanChunk struct {
	SameAs *int32    `json:"same_as,omitempty"` // broker
	From   int       `json:"from"`              // place in the scan, counted in records
	Count  int       `json:"count"`
	Rows   [][]int64 `json:"rows,omitempty"`
}

const scanChunkRecords = 1024

func (l *Log) writeScan(n int) {
	if l.out == nil {
		return
	}
	s := &l.h.Scans[n]
	tp := TopicPartition{s.Topic, s.Partition}
	head := scanHead{Topic: s.Topic, Partition: s.Partition, Broker: s.Broker, Leader: s.Leader,
		LogStart: s.LogStart, HighWatermark: s.HighWatermark, LogEnd: s.LogEnd, Records: len(s.Records), Runs: len(s.Runs)}
	head.Time = int64(s.Time)
	for _, m := range s.Markers {
		head.Markers = append(head.Markers, m.row())
	}
	for _, e := range s.Epochs {
		head.Epochs = append(head.Epochs, [2]int64{int64(e.LeaderEpoch), e.StartOffset})
	}
	l.writeFact("scan", head)
	writeChunks(l, tp, s.Records, func(s *Scan) []ScanRecord { return s.Records }, func(r ScanRecord) []int64 {
		return withFlag([]int64{r.Offset, r.Value, int64(r.LeaderEpoch), r.ProducerID, int64(r.ProducerEpoch), int64(r.Sequence)}, r.Transactional)
	})
	writeChunks(l, tp, s.Runs, func(s *Scan) []ScanRun { return s.Runs }, func(r ScanRun) []int64 {
		return withFlag([]int64{r.Offset, r.Value, int64(r.LeaderEpoch), r.ProducerID, int64(r.ProducerEpoch), int64(r.Sequence), r.Stride, r.Count}, r.Transactional)
	})
	l.scanned[tp] = append(l.scanned[tp], n)
}

// withFlag is a row with a 1 behind if flag is set.
func withFlag(row []int64, flag bool) []int64 {
	if flag {
		row = append(row, 1)
	}
	return row
}

// writeChunks writes a scan's records or runs. of takes the same from another
// scan.
func writeChunks[T comparable](l *Log, tp TopicPartition, all []T, of func(*Scan) []T, row func(T) []int64) {
	for from := 0; from < len(all); from += scanChunkRecords {
		rows := all[from:min(from+scanChunkRecords, len(all))]
		c := scanChunk{From: from, Count: len(rows)}
		if same := equalChunk(l, tp, from, rows, of); same >= 0 {
			c.SameAs = &l.h.Scans[same].Broker
		} else {
			for _, r := range rows {
				c.Rows = append(c.Rows, row(r))
			}
		}
		l.writeFact("scan-records", c)
	}
}

// equalChunk finds an earlier scan of tp that holds the same rows at the same
// place, or -1.
func equalChunk[T comparable](l *Log, tp TopicPartition, from int, rows []T, of func(*Scan) []T) int {
next:
	for _, n := range l.scanned[tp] {
		other := of(&l.h.Scans[n])
		if from+len(rows) > len(other) {
			continue
		}
		for i, r := range rows {
			if other[from+i] != r {
				continue next
			}
		}
		return n
	}
	return -1
}
