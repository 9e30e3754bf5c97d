package program

import (
	"strconv"
	"time"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/linearizability"
	"github.com/weirlab/weir/workloads/client"
)

const (
	pollTimeout  = 500 * time.Millisecond
	commitEvery  = time.Second
	probeTimeout = 5 * time.Second
)

// consuming is one consumer's run.
type consuming struct {
	w     *Workload
	e     env.Env
	c     *client.Client
	k     *client.Consumer
	index int

	// Of pollBatches.
	runs     []linearizability.Run
	intended []time.Duration
	bytes    int64
}

// consume reads until the load has ended and everything written is read, or
// Drain has passed.
func (w *Workload) consume(e env.Env, name string, i int) error {
	c, err := w.connect(e, name)
	if err != nil {
		return err
	}
	defer c.Close()
	cfg := w.cfg.Consumer
	cfg.Group = w.cfg.Group
	run := &consuming{w: w, e: e, c: c, index: i}
	cfg.OnAssigned = run.assigned
	k, err := c.NewConsumer(cfg)
	if err != nil {
		return err
	}
	defer k.Close()
	run.k = k
	if cfg.Group != "" {
		if err := k.Subscribe([]string{w.cfg.Topic}); err != nil {
			return err
		}
	} else {
		parts := w.partitions(i, w.cfg.Consumers)
		if len(parts) == 0 {
			return nil // more consumers than partitions
		}
		k.Assign(parts)
	}
	stop := e.NewSignal()
	var probe env.Task
	if w.cfg.ListOffsetsEvery > 0 {
		probe = e.Go("probe", func() { run.probe(stop) })
	}
	run.read()
	stop.Set()
	if probe != nil {
		probe.Wait()
	}
	return nil
}

// assigned takes down what the group has given this member.
func (r *consuming) assigned(parts []client.TopicPartition) {
	log, ok := r.w.rec.(interface {
		AddAssignment(linearizability.Assignment)
	})
	if !ok {
		return
	}
	a := linearizability.Assignment{Group: r.w.cfg.Group, Process: r.w.pollProcess(r.index, 0), Topic: r.w.cfg.Topic, Time: r.e.Now()}
	a.Member, a.Generation = r.k.Member()
	for _, tp := range parts {
		a.Partitions = append(a.Partitions, tp.Partition)
	}
	log.AddAssignment(a)
}

// partitions lists every stride-th partition from first on.
func (w *Workload) partitions(first, stride int) []client.TopicPartition {
	var parts []client.TopicPartition
	for p := int32(first); p < w.cfg.Partitions; p += int32(stride) {
		parts = append(parts, client.TopicPartition{Topic: w.cfg.Topic, Partition: p})
	}
	return parts
}

// read polls until it is time to end.
func (r *consuming) read() {
	w := r.w
	committed := r.e.Now()
	var ends map[client.TopicPartition]int64 // once nothing more is written
	for {
		if w.cfg.bulk() {
			r.pollBatches()
		} else {
			started := r.e.Now()
			batch := r.k.Poll(pollTimeout)
			r.record(&batch, started)
		}
		now := r.e.Now()
		if w.cfg.Group != "" && now-committed >= commitEvery {
			committed = now
			r.k.CommitPositions(w.requestTimeout())
		}
		deadline := w.end() + w.cfg.Drain
		if w.now(r.e) >= deadline {
			return
		}
		if w.producing.Load() > 0 || !w.over(r.e) {
			continue
		}
		if ends == nil {
			ends = map[client.TopicPartition]int64{}
		}
		if r.caughtUp(ends) {
			return
		}
	}
}

// caughtUp reports whether everything written has been read, noting ends as it
// learns them. A member of a group answers for the whole group, by what is
// committed: in the middle of a rebalance its own partitions are none.
func (r *consuming) caughtUp(ends map[client.TopicPartition]int64) bool {
	w := r.w
	parts := r.k.Assigned()
	if w.cfg.Group != "" {
		parts = w.partitions(0, 1)
	}
	for _, tp := range parts {
		if _, known := ends[tp]; known {
			continue
		}
		end, _, err := r.c.Admin().ListOffset(tp, client.TimestampLatest, probeTimeout)
		if err != nil {
			return false
		}
		ends[tp] = end
	}
	positions := make([]int64, len(parts))
	if w.cfg.Group == "" {
		for i, tp := range parts {
			positions[i], _ = r.k.Position(tp)
		}
	} else {
		r.k.CommitPositions(w.requestTimeout())
		committed, _, err := r.c.FetchOffsets(w.cfg.Group, parts, probeTimeout)
		if err != nil {
			return false
		}
		positions = committed
	}
	for i, tp := range parts {
		if positions[i] < ends[tp] {
			return false
		}
	}
	return true
}

// record takes down what a poll that began at started has returned.
func (r *consuming) record(batch *client.Batch, started time.Duration) {
	w := r.w
	now := r.e.Now()
	for i := range batch.Partitions {
		p := &batch.Partitions[i]
		records := make([]linearizability.Record, len(p.Records))
		for j := range p.Records {
			got := &p.Records[j]
			v, intended, ok := w.parse(got.Value)
			records[j] = linearizability.Record{Offset: got.Offset, Value: v}
			if !ok {
				records[j].Value = linearizability.None
				continue
			}
			r.undress(got, v, now)
			if v>>valueBits < int64(w.cfg.Producers) {
				w.meter.Consumed(intended, now-w.origin, len(got.Value))
			}
		}
		w.consumed.Add(int64(len(records)))
		n := r.invokePoll(started, p.TopicPartition, p.Position, p.Session)
		w.rec.Complete(n, linearizability.Op{
			Time: now, Type: linearizability.OK, Records: records,
			Broker: linearizability.None, LeaderEpoch: linearizability.None,
		})
	}
	r.recordErrors(batch.Errors, started, now)
}

// undress takes down what is wrong with what goes around a value.
func (r *consuming) undress(got *client.ConsumedRecord, value int64, now time.Duration) {
	if r.w.cfg.streams() {
		return
	}
	var sent []byte
	for i := range got.Headers {
		if got.Headers[i].Key == linearizability.SentHeader {
			sent = got.Headers[i].Value
		}
	}
	what := linearizability.Undress(value, got.Key, sent, got.TimestampMillis, r.w.cfg.LogAppendTime)
	log, ok := r.w.rec.(interface {
		AddFlaw(linearizability.Flaw)
	})
	if what != "" && ok {
		log.AddFlaw(linearizability.Flaw{Topic: got.Topic, Partition: got.Partition, Offset: got.Offset, Value: value,
			Time: now, Where: "client " + strconv.FormatInt(r.w.pollProcess(r.index, got.Partition), 10), What: what})
	}
}

// invokePoll takes down the start of a poll.
func (r *consuming) invokePoll(started time.Duration, tp client.TopicPartition, position, session int64) int64 {
	return r.w.rec.Invoke(linearizability.Op{
		Time: started, Process: r.w.pollProcess(r.index, tp.Partition), F: linearizability.Poll,
		Topic: tp.Topic, Partition: tp.Partition, Offset: position, Session: session,
		Broker: linearizability.None, LeaderEpoch: linearizability.None,
	})
}

// recordErrors takes down what a poll has failed to read.
func (r *consuming) recordErrors(errs []client.PartitionError, started, now time.Duration) {
	w := r.w
	for _, failed := range errs {
		if failed.Topic == "" {
			continue // of the group as a whole
		}
		position, _ := r.k.Position(failed.TopicPartition)
		n := r.invokePoll(started, failed.TopicPartition, position, linearizability.None)
		w.rec.Complete(n, linearizability.Op{
			Time: now, Type: linearizability.Fail, Error: reason(failed.Err),
			Broker: linearizability.None, LeaderEpoch: linearizability.None,
		})
	}
}

// probe asks for the end of one partition after the other.
func (r *consuming) probe(stop env.Signal) {
	w := r.w
	admin := r.c.Admin()
	for next := int32(r.index) % w.cfg.Partitions; !stop.Wait(w.cfg.ListOffsetsEvery); next = (next + 1) % w.cfg.Partitions {
		tp := client.TopicPartition{Topic: w.cfg.Topic, Partition: next}
		n := w.rec.Invoke(linearizability.Op{
			Time: r.e.Now(), Process: w.probeProcess(r.index), F: linearizability.ListOffsets,
			Topic: tp.Topic, Partition: tp.Partition, Offset: linearizability.None,
			Broker: linearizability.None, LeaderEpoch: linearizability.None,
		})
		offset, epoch, err := admin.ListOffset(tp, client.TimestampLatest, probeTimeout)
		done := linearizability.Op{
			Time: r.e.Now(), Type: linearizability.OK, Offset: offset, LeaderEpoch: epoch, Broker: linearizability.None,
		}
		if err != nil {
			done.Type, done.Error = linearizability.Fail, reason(err)
		}
		w.rec.Complete(n, done)
	}
}
