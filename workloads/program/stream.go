package program

import (
	"time"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/linearizability"
	"github.com/weirlab/weir/workloads/client"
)

// wakeEvery is how long a producer at speed waits at least before it looks at
// its schedule again: what has come due meanwhile goes out together, late by
// no more than this. A task that woke for every record would do little else.
const wakeEvery = 50 * time.Microsecond

// How many records are handed over in one go: of a schedule that is behind,
// and by a producer that saturates.
const (
	groupRecords    = 256
	saturateRecords = 32
)

// streaming is one producer's run by the batch.
type streaming struct {
	p    *Produce
	w    *Workload
	e    env.Env
	i    int
	s    *client.Stream
	mode linearizability.RecordingMode

	mu   env.Mutex
	open map[int64]int64 // operations on records, by number, unless whole batches are recorded
}

// stream sends records until the load ends.
func (p *Produce) stream(e env.Env, to *client.Producer, name string, i int) {
	w := p.w
	r := &streaming{p: p, w: w, e: e, i: i, mode: w.cfg.History.Mode, mu: e.NewMutex(), open: map[int64]int64{}}
	cfg := client.StreamConfig{
		Topic: p.Topic, ValueBytes: p.RecordBytes, Origin: w.origin, Done: r.settled,
		Append: func(dst []byte, n int64, intended time.Duration) []byte {
			return p.payload(dst, p.value(i, n), intended)
		},
	}
	if !p.Sticky {
		cfg.Partition = func(n int64) int32 { return p.turn(i, n) }
	}
	if r.mode == linearizability.RecordBatches {
		cfg.Opened = r.opened
	} else {
		cfg.Placed = r.placed
	}
	r.s = to.NewStream(cfg)
	if p.Arrivals == ArrivalsSaturate {
		r.saturate()
	} else {
		r.keepTo(p.newSchedule(e, name, i))
	}
}

// keepTo sends on schedule.
func (r *streaming) keepTo(s *schedule) {
	w := r.w
	due := make([]time.Duration, 0, groupRecords)
	now := w.now(r.e)
	at := s.next()
	for first := int64(0); at < w.end(); first += int64(len(due)) {
		if wait := max(at, now+wakeEvery) - now; at > now {
			r.e.Sleep(wait)
		}
		if w.stop.Load() {
			return
		}
		now = w.now(r.e)
		due = due[:0]
		for at <= now && at < w.end() && len(due) < groupRecords {
			due = append(due, at)
			at = s.next()
		}
		r.send(first, len(due), due)
	}
}

// saturate sends without a schedule.
func (r *streaming) saturate() {
	w := r.w
	if early := w.cfg.Start - w.now(r.e); early > 0 {
		r.e.Sleep(early)
	}
	for first := int64(0); !w.over(r.e); first += saturateRecords {
		r.send(first, saturateRecords, nil)
	}
}

func (r *streaming) send(first int64, n int, intended []time.Duration) {
	r.w.sent.Add(int64(n))
	r.w.meter.Offered(int64(n))
	r.s.Produce(first, n, intended)
}

// opened takes down that a batch has begun.
func (r *streaming) opened(partition int32, n int64) int64 {
	return r.w.rec.Invoke(r.op(linearizability.SendBatch, r.e.Now(), partition, n))
}

// placed takes down that a record is on its way to a partition.
func (r *streaming) placed(partition int32, n int64, sent time.Duration) {
	if !r.w.cfg.History.Keeps(r.p.value(r.i, n)) {
		return
	}
	op := r.w.rec.Invoke(r.op(linearizability.Send, r.w.origin+sent, partition, n))
	r.mu.Lock()
	r.open[n] = op
	r.mu.Unlock()
}

func (r *streaming) op(f linearizability.Function, at time.Duration, partition int32, n int64) linearizability.Op {
	p := r.p
	return linearizability.Op{
		Time: at, Process: p.process + int64(r.i), F: f,
		Topic: p.Topic, Partition: partition, Value: p.value(r.i, n),
		Offset: linearizability.None, Acks: int16(p.Producer.Acks), Broker: linearizability.None,
		LeaderEpoch: linearizability.None, Idempotent: p.Producer.Idempotent,
		ProducerID: linearizability.None, Sequence: linearizability.None,
	}
}

// settled takes down a batch's result. It runs on the client's tasks.
func (r *streaming) settled(res *client.BatchResult) {
	w := r.w
	now := r.e.Now()
	if res.Partition >= 0 {
		if r.mode == linearizability.RecordBatches {
			r.completeBatch(res, now)
		} else {
			r.completeRecords(res, now)
		}
	}
	r.p.count(res.Outcome, int64(len(res.Times)))
	w.meter.ProducedBatch(res.Times, now-w.origin, res.Bytes, res.Outcome)
}

func (r *streaming) completeBatch(res *client.BatchResult, now time.Duration) {
	runs := make([]linearizability.Run, 0, len(res.Rows))
	offset := res.Offset
	for _, row := range res.Rows {
		run := linearizability.Run{Offset: offset, Value: r.p.value(r.i, row.First), Stride: row.Stride, Count: row.Count}
		if offset >= 0 {
			offset += row.Count
		}
		runs = append(runs, run)
	}
	r.w.rec.Complete(res.Tag, result(&res.Result, now, runs))
}

func (r *streaming) completeRecords(res *client.BatchResult, now time.Duration) {
	place := int64(0)
	for _, row := range res.Rows {
		for k := range row.Count {
			n := row.First + k*row.Stride
			if !r.w.cfg.History.Keeps(r.p.value(r.i, n)) {
				continue
			}
			r.mu.Lock()
			op := r.open[n]
			delete(r.open, n)
			r.mu.Unlock()
			one := res.Result
			if one.Offset >= 0 {
				one.Offset += place + k
			}
			one.Sequence = client.AddSequence(one.Sequence, int32(place+k))
			if one.Refused != nil {
				refused := *one.Refused
				refused.Sequence = client.AddSequence(refused.Sequence, int32(place+k))
				one.Refused = &refused
			}
			r.w.rec.Complete(op, result(&one, now, nil))
		}
		place += row.Count
	}
}
