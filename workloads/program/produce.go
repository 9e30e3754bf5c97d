package program

import (
	"time"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/linearizability"
	"github.com/weirlab/weir/workloads/client"
)

// intended is when producer i is to send its nth record, since the origin.
// The producers share one regular schedule, each taking its turn.
func (w *Workload) intended(i int, n int64) time.Duration {
	slot := n*int64(w.cfg.Producers) + int64(i)
	rate := w.cfg.RatePerSecond
	return w.cfg.Start + time.Duration(slot/rate)*time.Second + time.Duration(slot%rate*int64(time.Second)/rate)
}

// value identifies producer i's nth record.
func value(i int, n int64) int64 { return int64(i)<<valueBits | n }

// intendedOf is when the record with a value was to be sent.
func (w *Workload) intendedOf(v int64) time.Duration {
	return w.intended(int(v>>valueBits), v&(1<<valueBits-1))
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
	run := &producing{w: w, e: e}
	run.done = run.settled
	var payload []byte
	for n := int64(0); ; n++ {
		at := w.intended(i, n)
		if at >= w.end() {
			break
		}
		if early := at - w.now(e); early > 0 {
			e.Sleep(early)
		}
		if w.stop.Load() {
			break
		}
		payload = linearizability.AppendPayload(payload[:0], value(i, n), w.cfg.RecordBytes)
		run.send(p, i, n, at, payload)
	}
	p.Close(w.cfg.Drain)
	return nil
}

func (r *producing) send(p *client.Producer, i int, n int64, intended time.Duration, payload []byte) {
	w := r.w
	now := r.e.Now()
	s := &sending{intended: intended, sent: now - w.origin}
	s.rec.Topic = w.cfg.Topic
	s.rec.Partition = int32((n + int64(i)) % int64(w.cfg.Partitions))
	s.rec.Value = payload
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
	w.rec.Complete(s.number, linearizability.Op{
		Time: now, Type: ended(res.Outcome), Offset: res.Offset,
		Broker: res.LeaderID, LeaderEpoch: res.LeaderEpoch,
		Idempotent: res.ProducerID >= 0, ProducerID: res.ProducerID, ProducerEpoch: res.ProducerEpoch,
		Sequence: res.Sequence, Attempts: res.Attempts, Error: reason(res.Err),
	})
	switch res.Outcome {
	case client.OutcomeOK:
		w.acked.Add(1)
	case client.OutcomeFail:
		w.failed.Add(1)
	default:
		w.unknown.Add(1)
	}
	w.meter.Produced(s.intended, s.sent, now-w.origin, w.cfg.RecordBytes, res.Outcome)
}
