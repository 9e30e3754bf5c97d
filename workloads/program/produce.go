package program

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/linearizability"
	"github.com/weirlab/weir/workloads/client"
)

// Produce is the program of producers: they send records to a topic in an open
// loop, on a schedule that they share, and then wait for the results.
type Produce struct {
	Topic string

	// Producers share RatePerSecond records of RecordBytes (value size; at
	// least linearizability.MinPayload, or linearizability.MinTimedPayload where the schedule
	// cannot be computed from a record's number or the history is not of records).
	Producers     int
	RatePerSecond int64
	RecordBytes   int
	Producer      client.ProducerConfig
	// Arrivals is how the records are spread over time. ArrivalsSaturate has
	// no rate; ArrivalsRamp goes from RampFrom records/s to RatePerSecond.
	Arrivals Arrivals
	RampFrom int64
	// Sticky leaves records to the client's partitioner (without keys: batch
	// by batch, KIP-480) instead of giving each partition its turn.
	Sticky bool
	// Keys, unless 0, makes the topic a table of so many keys: each record writes
	// one of them, or deletes it, as follows from its value
	// (linearizability.KeyOf). All producers of a topic agree on it.
	Keys int64

	// In the run.
	w       *Workload
	topic   *topic
	first   int   // number of the first producer
	process int64 // of the first producer
}

// Kind implements Program.
func (p *Produce) Kind() string { return "producer" }

// Clients implements Program.
func (p *Produce) Clients() int { return p.Producers }

// On implements Program.
func (p *Produce) On() string { return p.Topic }

// Groups implements Program.
func (p *Produce) Groups() []string { return nil }

// Transactional implements Program.
func (p *Produce) Transactional() []string { return nil }

// Promise implements Program: every record sent and what became of it.
func (p *Produce) Promise(m *linearizability.Manifest) {
	m.Producers += p.Producers
	switch {
	case p.Keys > 0 && !slices.Contains(m.Keyed, p.Topic):
		m.Keyed = append(m.Keyed, p.Topic)
		m.Dressed = true
	case p.streams():
		m.Plain = append(m.Plain, p.Topic)
	default:
		m.Dressed = true
	}
}

func (p *Produce) join(w *Workload, _ int) error {
	topic, err := w.topic(p.Topic)
	if err != nil {
		return err
	}
	p.w, p.topic, p.first = w, topic, w.producers
	if err := p.check(); p.Producers > 0 && err != nil {
		return err
	}
	if p.Producers > 0 {
		topic.keys = p.Keys
	}
	w.producers += p.Producers
	p.process = w.claim(int64(p.Producers))
	w.authors = append(w.authors, p)
	w.stamped = w.stamped && p.timed()
	w.producing.Add(int64(p.Producers))
	return nil
}

func (p *Produce) check() error {
	switch {
	case p.first+p.Producers > maxProducers:
		return fmt.Errorf("%d producers are too many: there can be at most %d", p.first+p.Producers, maxProducers)
	case p.Arrivals < ArrivalsConstant || p.Arrivals > ArrivalsSaturate:
		return fmt.Errorf("arrivals %d are none of the four known", p.Arrivals)
	case p.Arrivals == ArrivalsSaturate && p.RatePerSecond != 0:
		return fmt.Errorf("producers that saturate have no rate, but %d records/s are given", p.RatePerSecond)
	case p.Arrivals == ArrivalsRamp && p.RampFrom < 1:
		return fmt.Errorf("a ramp starts at 1 record/s or more, not %d", p.RampFrom)
	case p.RatePerSecond < 1 && p.Arrivals != ArrivalsSaturate:
		return fmt.Errorf("producers need a rate of at least 1 record/s, not %d", p.RatePerSecond)
	case p.RecordBytes < linearizability.MinPayload:
		return fmt.Errorf("records need at least %d bytes to carry their identity, not %d", linearizability.MinPayload, p.RecordBytes)
	case p.timed() && p.RecordBytes < linearizability.MinTimedPayload:
		return fmt.Errorf("records need at least %d bytes to carry their identity and time, not %d", linearizability.MinTimedPayload, p.RecordBytes)
	case p.Keys < 0:
		return fmt.Errorf("%d keys are not possible", p.Keys)
	case p.Keys > 0 && p.streams():
		return errors.New("producers that write keys need a history of records and a schedule, and give each record its partition")
	case p.topic.keys > 0 && p.Keys != p.topic.keys || p.Keys > 0 && p.w.writes(p.Topic, 0):
		return fmt.Errorf("producers of topic %q write %d keys, others another number: let them agree", p.Topic, p.Keys)
	case p.RatePerSecond > 0 && p.w.cfg.Duration/time.Second >= 1<<valueBits/time.Duration(p.RatePerSecond):
		return fmt.Errorf("%s at %d records/s are more records than can be told apart (2^%d)", p.w.cfg.Duration, p.RatePerSecond, valueBits)
	}
	return nil
}

// timed says that records carry the time at which they were to be sent: it
// does not follow from their number, or it is not worth working out.
func (p *Produce) timed() bool { return p.Arrivals != ArrivalsConstant || p.w.cfg.bulk() }

// streams says that records are sent by the batch: because that is how they are
// recorded, or because only the client knows where each one goes.
func (p *Produce) streams() bool {
	return p.w.cfg.bulk() || p.Sticky || p.Arrivals == ArrivalsSaturate
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
	p    *Produce
	w    *Workload
	e    env.Env
	i    int
	done func(*client.Record, client.Result)
}

func (p *Produce) run(e env.Env, name string, i int) error {
	w := p.w
	defer w.producing.Add(-1)
	c, err := w.connect(e, name)
	if err != nil {
		return err
	}
	defer c.Close()
	to, err := c.NewProducer(p.Producer)
	if err != nil {
		return err
	}
	if p.streams() {
		p.stream(e, to, name, i)
	} else {
		p.sendEach(e, to, name, i)
	}
	to.Close(w.cfg.Drain)
	return nil
}

// sendEach sends one record after the other, until the load ends.
func (p *Produce) sendEach(e env.Env, to *client.Producer, name string, i int) {
	w := p.w
	run := &producing{p: p, w: w, e: e, i: i}
	run.done = run.settled
	schedule := p.newSchedule(e, name, i)
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
		payload = p.payload(payload[:0], p.value(i, n), at)
		run.send(to, n, at, payload)
	}
}

func (r *producing) send(to *client.Producer, n int64, intended time.Duration, payload []byte) {
	p, w := r.p, r.w
	value := p.value(r.i, n)
	now := r.e.Now()
	s := &sending{intended: intended, sent: now - w.origin}
	s.rec.Topic = p.Topic
	s.rec.Partition = p.turn(r.i, n)
	s.rec.Value = payload
	s.rec.TimestampMillis = r.e.Wall().UnixMilli()
	var sent []byte
	if p.Keys > 0 {
		key := linearizability.KeyOf(value, p.Keys)
		s.rec.Partition = int32(key % int64(p.topic.Partitions))
		s.rec.Key = linearizability.KeyName(key)
		s.rec.Headers = []client.Header{{Key: linearizability.WriteHeader, Value: linearizability.DressWrite(value)}}
		if linearizability.IsTombstone(value) {
			s.rec.Value = nil
		}
	} else {
		s.rec.Key, sent = linearizability.Dress(value, s.rec.TimestampMillis)
		s.rec.Headers = []client.Header{{Key: linearizability.SentHeader, Value: sent}}
	}
	s.rec.Tag = s
	s.number = w.rec.Invoke(linearizability.Op{
		Time: now, Process: p.process + int64(r.i), F: linearizability.Send,
		Topic: s.rec.Topic, Partition: s.rec.Partition, Value: value,
		Offset: linearizability.None, Acks: int16(p.Producer.Acks), Broker: linearizability.None,
		LeaderEpoch: linearizability.None, Idempotent: p.Producer.Idempotent,
		ProducerID: linearizability.None, Sequence: linearizability.None,
	})
	w.sent.Add(1)
	w.meter.Offered(1)
	to.Produce(&s.rec, r.done)
}

// settled takes down a record's result. It runs on the client's tasks.
func (r *producing) settled(rec *client.Record, res client.Result) {
	w := r.w
	s := rec.Tag.(*sending)
	now := r.e.Now()
	w.rec.Complete(s.number, result(&res, now, nil))
	r.p.count(res.Outcome, 1)
	w.meter.Produced(s.intended, s.sent, now-w.origin, r.p.RecordBytes, res.Outcome)
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
func (p *Produce) count(o client.Outcome, records int64) {
	w := p.w
	switch o {
	case client.OutcomeOK:
		if p.Keys == 0 { // of others, nobody is given all
			w.due.Add(records * p.topic.readers)
		}
		w.acked.Add(records)
	case client.OutcomeFail:
		w.failed.Add(records)
	default:
		w.unknown.Add(records)
	}
}
