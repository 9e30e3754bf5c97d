package client

import (
	"encoding/binary"
	"errors"
	"time"
)

// Times is when a record was to be sent and when it was handed to the
// producer, both since StreamConfig.Origin.
type Times struct{ Intended, Sent time.Duration }

// Row is records by their numbers: Count of them, from First on in steps of
// Stride.
type Row struct{ First, Stride, Count int64 }

// StreamConfig says what the records of a Stream are like.
type StreamConfig struct {
	// Topic receives the records. They have neither keys nor headers, and
	// values of exactly ValueBytes bytes.
	Topic      string
	ValueBytes int

	// Append appends the value of record number n to dst.
	Append func(dst []byte, n int64, intended time.Duration) []byte

	// Partition places record number n; nil leaves that to the producer's
	// partitioner.
	Partition func(n int64) int32

	// Origin is the reading of env.Clock.Now that Times count from.
	Origin time.Duration

	// Opened is told of a batch that begins with record number n, before it
	// can be sent; what it returns comes back as BatchResult.Tag. It is called
	// with the producer locked and must not call it. May be nil.
	Opened func(partition int32, n int64) int64

	// Placed is told of each record where it goes and when it was handed over,
	// before it can be sent, on the same terms as Opened. May be nil.
	Placed func(partition int32, n int64, sent time.Duration)

	// Done is told once what became of each batch, mostly on one of the
	// client's tasks: it must neither wait nor call Produce. The result is
	// valid during the call.
	Done func(*BatchResult)
}

// BatchResult is what became of the records of one batch.
type BatchResult struct {
	// Result of the first record. The others follow it in offset and sequence.
	// Partition is PartitionAny if the records went nowhere.
	Result
	Tag   int64
	Rows  []Row   // the records' numbers, in the batch's order
	Times []Times // one for each record
	Bytes int64   // of all values
}

// Stream sends many like records. It is Produce for loads of hundreds of
// thousands of records a second: a record costs its encoding and no more, with
// one result for each batch.
//
// Records of one stream and those of Produce share batches of a partition only
// in so far as one ends where the other begins.
type Stream struct {
	p   *Producer
	cfg StreamConfig
}

// NewStream makes a stream of records for a producer.
func (p *Producer) NewStream(cfg StreamConfig) *Stream { return &Stream{p: p, cfg: cfg} }

// Produce hands over n records, numbered from first on, as Producer.Produce
// does one by one. intended is when each was to be sent; nil means when it is
// handed over.
func (s *Stream) Produce(first int64, n int, intended []time.Duration) {
	p := s.p
	sent := p.e.Now() - s.cfg.Origin
	p.e.Work("client.record", int64(n))
	ts := p.e.Wall().UnixMilli()
	var refused []*BatchResult
	var at *batch
	p.mu.Lock()
	t, err := p.topic(s.cfg.Topic)
	if err == nil {
		err = p.checkSize(s.recordBytes(1<<40, 1<<30) + 5)
	}
	for i := 0; i < n; i++ {
		times := Times{sent, sent}
		if intended != nil {
			times.Intended = intended[i]
		}
		number := first + int64(i)
		index := PartitionAny
		if err == nil {
			var waited bool
			at, index, waited, err = s.batch(t, at, number, times, ts)
			if waited {
				sent = p.e.Now() - s.cfg.Origin
				ts = p.e.Wall().UnixMilli()
			}
			if err == nil {
				continue
			}
		}
		refused = append(refused, s.refusal(err, index, number, times))
		if errors.Is(err, ErrMaxBlock) {
			err = nil // the next one may have better luck
		}
	}
	p.mu.Unlock()
	for _, r := range refused {
		if s.cfg.Opened != nil && r.Partition >= 0 {
			r.Tag = s.cfg.Opened(r.Partition, r.Rows[0].First)
		}
		if s.cfg.Placed != nil && r.Partition >= 0 {
			s.cfg.Placed(r.Partition, r.Rows[0].First, r.Times[0].Sent)
		}
		s.cfg.Done(r)
	}
}

// refusal is the result of a record that came into no batch.
func (s *Stream) refusal(err error, index int32, number int64, times Times) *BatchResult {
	return &BatchResult{
		Result: Result{
			Outcome: OutcomeFail, Err: err, Partition: index, Offset: -1, LeaderID: -1, LeaderEpoch: -1,
			ProducerID: -1, ProducerEpoch: -1, Sequence: -1, LogAppendMillis: -1,
		},
		Rows: []Row{{First: number, Count: 1}}, Times: []Times{times}, Bytes: int64(s.cfg.ValueBytes),
	}
}

// batch adds a record to a batch of the partition that it goes to, beginning
// one if need be: see Producer.enqueue. last is the batch that the record
// before went to, if any. The lock is held, and released meanwhile.
func (s *Stream) batch(t *producerTopic, last *batch, number int64, times Times, ts int64) (b *batch, index int32, waited bool, err error) {
	p := s.p
	sticky := false
	if s.cfg.Partition != nil {
		index = s.cfg.Partition(number)
	} else {
		index, sticky = t.choose(p.cfg.Partitioner, &Record{}, p.rand)
	}
	if index < 0 || int(index) >= len(t.parts) {
		return nil, PartitionAny, false, errNoPartition(s.cfg.Topic, len(t.parts), index)
	}
	var end time.Duration
	for {
		if p.txn != nil {
			if err := p.txn.join(TopicPartition{s.cfg.Topic, index}); err != nil {
				return nil, index, waited, err
			}
		}
		pt := t.parts[index]
		b = last
		if b == nil || b.to != pt || b.sealed {
			b = pt.open()
		}
		if b != nil {
			if size := s.recordBytes(ts-b.firstTS, b.count); b.stream == s && b.holds(size, p.cfg.BatchBytes) {
				s.add(b, number, times, ts, size)
				return b, index, waited, nil
			}
			pt.complete(b)
		}
		if sticky {
			index, sticky = t.moveOn(p.rand), false
			last = nil
			continue
		}
		if end == 0 {
			end = p.e.Now() + p.cfg.MaxBlock
		}
		need := s.recordBytes(1<<40, 1<<30) + 5
		memory := p.batchMemory(need)
		w, err := p.reserve(memory, end)
		if err != nil {
			return nil, index, true, err
		}
		if w {
			waited, last = true, nil
			continue
		}
		b = newBatch(pt, max(need, p.usual(pt)))
		b.stream = s
		b.times = make([]Times, 0, max(pt.usualCount+pt.usualCount/8, 4))
		if s.cfg.Opened != nil {
			b.tag = s.cfg.Opened(index, number)
		}
		s.add(b, number, times, ts, s.recordBytes(0, 0))
		p.begin(b, memory)
		return b, index, waited, nil
	}
}

// recordBytes is what recordBytes is for a record of the stream.
func (s *Stream) recordBytes(tsDelta int64, offsetDelta int32) int {
	n := s.cfg.ValueBytes
	return 3 + varintLen(tsDelta) + varintLen(int64(offsetDelta)) + varintLen(int64(n)) + n
}

// add encodes a record. size is recordBytes for the batch's next offset.
func (s *Stream) add(b *batch, number int64, times Times, ts int64, size int) {
	if b.count == 0 {
		b.firstTS, b.maxTS = ts, ts
	}
	b.maxTS = max(b.maxTS, ts)
	if s.cfg.Placed != nil {
		s.cfg.Placed(b.to.index, number, times.Sent)
	}
	p := b.buf
	p = binary.AppendVarint(p, int64(size))
	p = append(p, 0) // attributes: none are defined
	p = binary.AppendVarint(p, ts-b.firstTS)
	p = binary.AppendVarint(p, int64(b.count))
	p = append(p, 1) // no key: length -1
	p = binary.AppendVarint(p, int64(s.cfg.ValueBytes))
	p = s.cfg.Append(p, number, times.Intended)
	b.buf = append(p, 0) // no headers
	b.count++
	b.times = append(b.times, times)
	b.rows = appendNumber(b.rows, number)
	s.p.outstanding.Add(1)
}

// appendNumber adds a number to rows of them.
func appendNumber(rows []Row, number int64) []Row {
	if n := len(rows); n > 0 {
		r := &rows[n-1]
		switch {
		case r.Count == 1:
			r.Stride = number - r.First
			r.Count = 2
			return rows
		case number == r.First+r.Stride*r.Count:
			r.Count++
			return rows
		}
	}
	return append(rows, Row{First: number, Count: 1})
}

// tell calls back for a batch.
func (s *Stream) tell(b *batch) {
	r := BatchResult{Result: b.result, Tag: b.tag, Rows: b.rows, Times: b.times, Bytes: int64(b.count) * int64(s.cfg.ValueBytes)}
	if r.ProducerID >= 0 {
		r.Sequence = b.sequence
	}
	s.cfg.Done(&r)
	b.rows, b.times = nil, nil
}
