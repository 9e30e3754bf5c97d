package linearizability

import (
	"bufio"
	"io"
	"sync"
	"time"
)

// Log is a [Recorder] that keeps a history in memory and, if it has a writer,
// streams it there as JSON lines while it happens, so that a run that is cut
// short leaves what it saw. It also takes the facts that the judge needs.
// Safe for concurrent use.
type Log struct {
	mu    sync.Mutex
	h     History
	out   *bufio.Writer // nil if only memory is wanted
	line  []byte
	index int64
	err   error
	sum   uint32 // of the lines written

	ok, fail, info int64

	// Index of the invoke line by operation, parallel to h's slices; only
	// kept if there is a writer.
	sendLine, pollLine, offsetLine, endLine, batchLine, transactLine, initLine []int64
	keys                                                                       map[TopicPartition]string // quoted names
	// Scans already written, by partition, for writing equal chunks once.
	scanned map[TopicPartition][]int

	committed func(tp TopicPartition, next int64, epoch int32, at time.Duration)
}

// NewLog returns an empty Log that streams to w. w may be nil.
func NewLog(w io.Writer) *Log {
	l := &Log{scanned: map[TopicPartition][]int{}, keys: map[TopicPartition]string{}}
	if w != nil {
		l.out = bufio.NewWriterSize(w, 256<<10)
	}
	return l
}

// OnCommitted sets a function that is called whenever a client learns that
// everything below offset next of a partition must be committed: by an
// acknowledgement with acks=all or by reading it. epoch is a leader epoch in
// which the record before next was there: the one in which the client believed
// when it sent it, or that of the batch it read; None if it does not know.
// [Watcher.Committed] takes it. Call before recording starts.
func (l *Log) OnCommitted(fn func(tp TopicPartition, next int64, epoch int32, at time.Duration)) {
	l.committed = fn
}

// An operation's number holds its function in the low bits and its place in
// the slice of that function above.
const functionBits = 3

// Invoke implements Recorder.
func (l *Log) Invoke(op Op) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	tp := TopicPartition{op.Topic, op.Partition}
	var n int
	switch op.F {
	case Send:
		n = len(l.h.Sends)
		l.h.Sends = append(l.h.Sends, SendOp{TP: tp, Process: op.Process, Call: op.Time, Return: Never, Ended: Never,
			Value: op.Value, Offset: None, Acks: op.Acks, Idempotent: op.Idempotent, ProducerID: None,
			Sequence: None, Broker: None, LeaderEpoch: None, Outcome: Info})
	case Poll:
		n = len(l.h.Polls)
		l.h.Polls = append(l.h.Polls, PollOp{TP: tp, Process: op.Process, Session: op.Session,
			Call: op.Time, Return: Never, Position: op.Offset, LeaderEpoch: None, ReadCommitted: op.ReadCommitted, Outcome: Info})
	case Commit, FetchOffset:
		n = len(l.h.Offsets)
		w := op.F == Commit
		off := op.Offset
		if !w {
			off = None
		}
		l.h.Offsets = append(l.h.Offsets, OffsetOp{Group: op.Group, TP: tp, Process: op.Process,
			Call: op.Time, Return: Never, Offset: off, Write: w, Outcome: Info})
	case SendBatch:
		n = len(l.h.Batches)
		l.h.Batches = append(l.h.Batches, BatchOp{SendOp: SendOp{TP: tp, Process: op.Process, Call: op.Time, Return: Never, Ended: Never,
			Value: op.Value, Offset: None, Acks: op.Acks, Idempotent: op.Idempotent, ProducerID: None,
			Sequence: None, Broker: None, LeaderEpoch: None, Outcome: Info}})
	case Transact:
		n = len(l.h.Transactions)
		l.h.Transactions = append(l.h.Transactions, TransactOp{Transaction: *op.Transaction, Process: op.Process, Call: op.Time, Return: Never, Ended: Never, Outcome: Info})
	case InitTransactions:
		n = len(l.h.Inits)
		l.h.Inits = append(l.h.Inits, InitOp{Transaction: *op.Transaction, Process: op.Process, Call: op.Time, Return: Never, Outcome: Info})
	default:
		n = len(l.h.Ends)
		l.h.Ends = append(l.h.Ends, EndOp{TP: tp, Process: op.Process, Call: op.Time, Return: Never,
			Offset: None, LeaderEpoch: None, Outcome: Info})
	}
	if l.out != nil {
		switch op.F {
		case Send:
			l.sendLine = append(l.sendLine, l.index)
		case Poll:
			l.pollLine = append(l.pollLine, l.index)
		case Commit, FetchOffset:
			l.offsetLine = append(l.offsetLine, l.index)
		case SendBatch:
			l.batchLine = append(l.batchLine, l.index)
		case Transact:
			l.transactLine = append(l.transactLine, l.index)
		case InitTransactions:
			l.initLine = append(l.initLine, l.index)
		default:
			l.endLine = append(l.endLine, l.index)
		}
		op.Type = Invoke
		l.writeOp(&op, -1)
	}
	return int64(n)<<functionBits | int64(op.F)
}

// Complete implements Recorder.
func (l *Log) Complete(number int64, op Op) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := number >> functionBits
	op.F = Function(number & (1<<functionBits - 1))
	ret := op.Time
	switch op.Type {
	case OK:
		l.ok++
	case Fail:
		l.fail++
	default:
		op.Type = Info
		l.info++
		ret = Never
	}
	invoke := int64(-1)
	switch op.F {
	case Send:
		l.sent(&l.h.Sends[n], &op, ret, 1)
		if l.out != nil {
			invoke = l.sendLine[n]
		}
	case SendBatch:
		b := &l.h.Batches[n]
		b.Runs = op.Runs
		records := int64(0)
		for _, r := range op.Runs {
			records += r.Count
		}
		l.sent(&b.SendOp, &op, ret, records)
		if l.out != nil {
			invoke = l.batchLine[n]
		}
	case Poll:
		p := &l.h.Polls[n]
		p.Return, p.Outcome, p.Error = ret, op.Type, op.Error
		if op.Type == OK {
			p.Records, p.Runs, p.LeaderEpoch = op.Records, op.Runs, op.LeaderEpoch
		}
		if l.committed != nil {
			if k := len(p.Records); k > 0 {
				l.committed(p.TP, p.Records[k-1].Offset+1, op.LeaderEpoch, op.Time)
			}
			if k := len(p.Runs); k > 0 {
				l.committed(p.TP, p.Runs[k-1].end(), op.LeaderEpoch, op.Time)
			}
		}
		op.Process, op.Session = p.Process, p.Session
		op.Topic, op.Partition = p.TP.Topic, p.TP.Partition
		if l.out != nil {
			invoke = l.pollLine[n]
		}
	case Commit, FetchOffset:
		o := &l.h.Offsets[n]
		o.Return, o.Outcome, o.Error = ret, op.Type, op.Error
		if !o.Write && op.Type == OK {
			o.Offset = op.Offset
		}
		if o.Write {
			o.Generation = op.Session
		}
		op.Process, op.Group, op.Offset = o.Process, o.Group, o.Offset
		op.Topic, op.Partition = o.TP.Topic, o.TP.Partition
		if l.out != nil {
			invoke = l.offsetLine[n]
		}
	case Transact:
		t := &l.h.Transactions[n]
		t.Transaction, t.Return, t.Ended, t.Outcome, t.Error = *op.Transaction, ret, op.Time, op.Type, op.Error
		op.Process = t.Process
		if l.out != nil {
			invoke = l.transactLine[n]
		}
	case InitTransactions:
		i := &l.h.Inits[n]
		i.Transaction, i.Return, i.Outcome, i.Error = *op.Transaction, ret, op.Type, op.Error
		op.Process = i.Process
		if l.out != nil {
			invoke = l.initLine[n]
		}
	default:
		e := &l.h.Ends[n]
		e.Return, e.Outcome, e.Error, e.LeaderEpoch = ret, op.Type, op.Error, op.LeaderEpoch
		if op.Type == OK {
			e.Offset = op.Offset
		}
		op.Process, op.Offset = e.Process, e.Offset
		op.Topic, op.Partition = e.TP.Topic, e.TP.Partition
		if l.out != nil {
			invoke = l.endLine[n]
		}
	}
	if l.out != nil {
		l.writeOp(&op, invoke)
	}
}

// sent takes down the end of an operation that sent records.
func (l *Log) sent(s *SendOp, op *Op, ret time.Duration, records int64) {
	s.Return, s.Ended, s.Outcome, s.Error = ret, op.Time, op.Type, op.Error
	s.Refused = op.Refused
	s.Broker, s.LeaderEpoch, s.Attempts = op.Broker, op.LeaderEpoch, op.Attempts
	if s.Idempotent = s.Idempotent || op.Idempotent; s.Idempotent {
		s.ProducerID, s.ProducerEpoch, s.Sequence = op.ProducerID, op.ProducerEpoch, op.Sequence
	}
	if op.Type == OK {
		s.Offset = op.Offset
	}
	if l.committed != nil && op.Type == OK && s.Acks == -1 && s.Offset >= 0 {
		l.committed(s.TP, s.Offset+records, op.LeaderEpoch, op.Time)
	}
	op.Process, op.Value, op.Acks, op.Idempotent = s.Process, s.Value, s.Acks, s.Idempotent
	op.Topic, op.Partition = s.TP.Topic, s.TP.Partition
}

// SetRecording says how much of the run is recorded. Call before recording
// starts; without it, everything is.
func (l *Log) SetRecording(r Recording) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.h.Recording = r
	if r.mode() != RecordRecords {
		l.writeFact("recording", r)
	}
}

// Begin opens the history with what it is going to hold. Call before recording
// starts. A history without a manifest proves nothing.
func (l *Log) Begin(m Manifest) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.h.Manifest = &m
	l.writeFact("manifest", m)
}

// End closes the history with what it holds. Nothing must be recorded
// afterwards.
func (l *Log) End(e End) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e.Counts = l.h.Counts()
	if l.out != nil {
		e.Checksum = e.checksum(l.sum)
	}
	l.h.Closing = &e
	l.writeFact("end", e)
}

// AddLive takes the verdict on what was watched while the run went on, before
// the history is closed. The judge adds it to its own.
func (l *Log) AddLive(v Verdict) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.h.Live = append(l.h.Live, v)
	l.writeFact("live", v)
}

// AddAssignment takes the partitions that a member of a group was given.
func (l *Log) AddAssignment(a Assignment) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.h.Assignments = append(l.h.Assignments, a)
	l.writeFact("assignment", a)
}

// AddSharing takes what a member of a share group was given, or said.
func (l *Log) AddSharing(s Sharing) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.h.Sharings = append(l.h.Sharings, s)
	l.writeFact("sharing", s)
}

// AddFlaw takes a record that was not as it was sent.
func (l *Log) AddFlaw(f Flaw) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.h.Flaws = append(l.h.Flaws, f)
	l.writeFact("flaw", f)
}

// AddTopic takes the settings of a topic.
func (l *Log) AddTopic(t Topic) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.h.Topics = append(l.h.Topics, t)
	l.writeFact("topic", t)
}

// AddFault takes a fault, once it is over or the run is.
func (l *Log) AddFault(f Fault) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.h.Faults = append(l.h.Faults, f)
	l.writeFact("fault", f)
}

// AddPartitionState takes a committed change of a partition's metadata. The
// states of one partition must come in the order they were committed.
func (l *Log) AddPartitionState(s PartitionState) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.h.States = append(l.h.States, s)
	l.writeFact("partition-state", s)
}

// AddEpochStart takes the offset at which a leader began.
func (l *Log) AddEpochStart(e EpochStart) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.h.Epochs = append(l.h.Epochs, e)
	l.writeFact("epoch-start", e)
}

// AddHighWatermark takes a leader's high watermark. If any are given for a
// partition, then every advance must be: a read above all of them is a finding.
func (l *Log) AddHighWatermark(w HighWatermark) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.h.HighWatermarks = append(l.h.HighWatermarks, w)
	l.writeFact("high-watermark", w)
}

// AddScan takes the final log of one replica.
func (l *Log) AddScan(s Scan) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.h.Scans = append(l.h.Scans, s)
	l.writeScan(len(l.h.Scans) - 1)
}

// Counts is how many operations have completed, by outcome.
func (l *Log) Counts() (ok, fail, info int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ok, l.fail, l.info
}

// Flush writes what is buffered and returns the first write error, if any.
func (l *Log) Flush() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.out != nil && l.err == nil {
		l.err = l.out.Flush()
	}
	return l.err
}

// History is what has been recorded. Nothing must be recorded afterwards.
func (l *Log) History() *History { return &l.h }
