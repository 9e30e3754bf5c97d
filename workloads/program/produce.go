package program

import (
	"time"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/linearizability"
	"github.com/weirlab/weir/workloads/client"
)

// value identifies producer i's nth record.
func value(i int, n int64) int64 { return int64(i)<<valueBits | n }

// turn is the partition of producer i's nth record when each has its turn.
func (w *Workload) turn(i int, n int64) int32 {
	return int32((n + int64(i)) % int64(w.cfg.Partitions))
}

// payload appends the value of a record.
func (w *Workload) payload(dst []byte, v int64, intended time.Duration) []byte {
	if w.cfg.timed() {
		return linearizability.AppendTimedPayload(dst, v, intended, w.cfg.RecordBytes)
	}
	return linearizability.AppendPayload(dst, v, w.cfg.RecordBytes)
}

// parse reads the value of a record, and when it was to be sent. It reports
// false if nobody here wrote it.
func (w *Workload) parse(b []byte) (v int64, intended time.Duration, ok bool) {
	if w.cfg.timed() {
		return linearizability.ParseTimedPayload(b)
	}
	v, ok = linearizability.ParsePayload(b)
	if ok && v>>valueBits < int64(w.cfg.Producers) {
		intended = w.intended(int(v>>valueBits), v&(1<<valueBits-1))
	}
	return v, intended, ok
}

// sending is one record under way.
type sending struct {
	rec      client.Record
	number   int64 // of the operation
	intended time.Duration
	sent     time.Duration
}

// producing is one producer's run.
type producing struct {
	w    *Workload
	e    env.Env
	done func(*client.Record, client.Result)
}

// produce sends records on schedule until the load ends, then waits for their
// results.
func (w *Workload) produce(e env.Env, name string, i int) error {
	defer w.producing.Add(-1)
	c, err := w.connect(e, name)
	if err != nil {
		return err
	}
	defer c.Close()
	p, err := c.NewProducer(w.cfg.Producer)
	if err != nil {
		return err
	}
	if w.cfg.streams() {
		w.stream(e, p, name, i)
	} else {
		w.sendEach(e, p, name, i)
	}
	p.Close(w.cfg.Drain)
	return nil
}

// sendEach sends one record after the other, until the load ends.
func (w *Workload) sendEach(e env.Env, p *client.Producer, name string, i int) {
	run := &producing{w: w, e: e}
	run.done = run.settled
	schedule := w.newSchedule(e, name, i)
	var payload []byte
	for n := int64(0); ; n++ {
		at := schedule.next()
		if at >= w.end() {
			break
		}
		if early := at - w.now(e); early > 0 {
			e.Sleep(early)
		}
		if w.stop.Load() {
			break
		}
		payload = w.payload(payload[:0], value(i, n), at)
		run.send(p, i, n, at, payload)
	}
}

func (r *producing) send(p *client.Producer, i int, n int64, intended time.Duration, payload []byte) {
	w := r.w
	now := r.e.Now()
	s := &sending{intended: intended, sent: now - w.origin}
	s.rec.Topic = w.cfg.Topic
	s.rec.Partition = w.turn(i, n)
	s.rec.Value = payload
	s.rec.TimestampMillis = r.e.Wall().UnixMilli()
	var sent []byte
	s.rec.Key, sent = linearizability.Dress(value(i, n), s.rec.TimestampMillis)
	s.rec.Headers = []client.Header{{Key: linearizability.SentHeader, Value: sent}}
	s.rec.Tag = s
	s.number = w.rec.Invoke(linearizability.Op{
		Time: now, Process: int64(i), F: linearizability.Send,
		Topic: s.rec.Topic, Partition: s.rec.Partition, Value: value(i, n),
		Offset: linearizability.None, Acks: int16(w.cfg.Producer.Acks), Broker: linearizability.None,
		LeaderEpoch: linearizability.None, Idempotent: w.cfg.Producer.Idempotent,
		ProducerID: linearizability.None, Sequence: linearizability.None,
	})
	w.sent.Add(1)
	w.meter.Offered(1)
	p.Produce(&s.rec, r.done)
}

// settled takes down a record's result. It runs on the client's tasks.
func (r *producing) settled(rec *client.Record, res client.Result) {
	w := r.w
	s := rec.Tag.(*sending)
	now := r.e.Now()
	w.rec.Complete(s.number, result(&res, now, nil))
	w.count(res.Outcome, 1)
	w.meter.Produced(s.intended, s.sent, now-w.origin, w.cfg.RecordBytes, res.Outcome)
}

// result is the end of an operation that sent records.
func result(res *client.Result, now time.Duration, runs []linearizability.Run) linearizability.Op {
	var refused *linearizability.Refusal
	if r := res.Refused; r != nil {
		refused = &linearizability.Refusal{Error: reason(r.Err), ProducerID: r.ProducerID, ProducerEpoch: r.ProducerEpoch, Sequence: r.Sequence}
	}
	return linearizability.Op{
		Refused: refused,
		Time:    now, Type: ended(res.Outcome), Offset: res.Offset,
		Broker: res.LeaderID, LeaderEpoch: res.LeaderEpoch,
		Idempotent: res.ProducerID >= 0, ProducerID: res.ProducerID, ProducerEpoch: res.ProducerEpoch,
		Sequence: res.Sequence, Attempts: res.Attempts, Error: reason(res.Err), Runs: runs,
	}
}

// count adds records by what became of them.
func (w *Workload) count(o client.Outcome, records int64) {
	switch o {
	case client.OutcomeOK:
		w.acked.Add(records)
	case client.OutcomeFail:
		w.failed.Add(records)
	default:
		w.unknown.Add(records)
	}
}
