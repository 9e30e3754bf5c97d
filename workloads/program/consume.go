package program

import (
	"fmt"
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

// Consume is the program of consumers: they read a topic until the load has
// ended and everything written is read, or Drain has passed.
type Consume struct {
	Topic string

	// Consumers read as members of Group if it is set, else each reads the
	// partitions p with p mod Consumers equal to its number.
	Consumers int
	Group     string
	Consumer  client.ConsumerConfig
	// ListOffsetsEvery is the pause between ListOffsets(latest) probes of a
	// consumer. 0: none.
	ListOffsetsEvery time.Duration

	// In the run.
	w             *Workload
	topic         *topic
	probes, polls int64 // first processes: one per consumer, and one per partition of each
}

// Kind implements Program.
func (p *Consume) Kind() string { return "consumer" }

// Clients implements Program.
func (p *Consume) Clients() int { return p.Consumers }

// On implements Program.
func (p *Consume) On() string { return p.Topic }

// Groups implements Program.
func (p *Consume) Groups() []string {
	if p.Group == "" || p.Consumers == 0 {
		return nil
	}
	return []string{p.Group}
}

// Transactional implements Program.
func (p *Consume) Transactional() []string { return nil }

// Promise implements Program: everything that is read, to the end of the topic.
func (p *Consume) Promise(m *linearizability.Manifest) {
	m.Consumers += p.Consumers
	m.ReadBy(p.Topic, p.Group != "")
	m.Probes = m.Probes || p.ListOffsetsEvery > 0
	if p.Group != "" {
		m.Group = true
		m.Registers += p.Consumers
	}
}

func (p *Consume) join(w *Workload, _ int) error {
	topic, err := w.topic(p.Topic)
	if err != nil {
		return err
	}
	if p.ListOffsetsEvery < 0 {
		return fmt.Errorf("%s between ListOffsets probes: it must not be negative", p.ListOffsetsEvery)
	}
	p.w, p.topic = w, topic
	p.probes = w.claim(int64(p.Consumers))
	p.polls = w.claim(int64(p.Consumers) * int64(topic.Partitions))
	if p.Consumers > 0 {
		topic.readers++
	}
	return nil
}

// process is that of a pair of a consumer and a partition, since a consumer
// reads its partitions side by side.
func (p *Consume) process(consumer int, partition int32) int64 {
	return p.polls + int64(consumer)*int64(p.topic.Partitions) + int64(partition)
}

// consuming is one consumer's run.
type consuming struct {
	p     *Consume
	w     *Workload
	e     env.Env
	c     *client.Client
	k     *client.Consumer
	index int

	// Of members of a group that come and go.
	life   int64         // how many consumers this client was before
	static string        // the id under which it is a static member, "" if it is none
	until  time.Duration // when to stop reading although there may be more; 0 is never

	// committing lets commits of polls and of revocations pass one by one; nil if
	// there are only those of polls.
	committing env.Mutex

	// echoes are what the client was before, nil if that stays silent.
	echoes *echoes

	// Of pollBatches.
	runs     []linearizability.Run
	intended []time.Duration
	bytes    int64
}

func (p *Consume) run(e env.Env, name string, i int) error {
	w := p.w
	c, err := w.connect(e, name)
	if err != nil {
		return err
	}
	defer c.Close()
	cfg := p.Consumer
	cfg.Group = p.Group
	run := &consuming{p: p, w: w, e: e, c: c, index: i}
	run.attend(&cfg)
	k, err := c.NewConsumer(cfg)
	if err != nil {
		return err
	}
	defer k.Close()
	run.k = k
	if cfg.Group != "" {
		if err := k.Subscribe([]string{p.Topic}); err != nil {
			return err
		}
	} else {
		parts := p.topic.every(i, p.Consumers)
		if len(parts) == 0 {
			return nil // more consumers than partitions
		}
		k.Assign(parts)
	}
	stop := e.NewSignal()
	var probe env.Task
	if p.ListOffsetsEvery > 0 {
		probe = e.Go("probe", func() { run.probe(stop) })
	}
	run.read()
	stop.Set()
	if probe != nil {
		probe.Wait()
	}
	return nil
}

// attend has the membership tell of changes. Under the consumer protocol what is to be
// given up is committed first, as Java's consumer does (enable.auto.commit).
func (r *consuming) attend(cfg *client.ConsumerConfig) {
	cfg.OnAssigned = r.assigned
	if !cfg.ConsumerProtocol {
		return
	}
	r.committing = r.e.NewMutex()
	cfg.OnRevoked = func(_ []client.TopicPartition, lost bool) {
		if !lost {
			r.commit()
		}
	}
}

// assignments are recorders that take down what groups give their members.
type assignments interface {
	AddAssignment(linearizability.Assignment)
}

// assigned takes down what the group has given this member.
func (r *consuming) assigned(parts []client.TopicPartition) {
	log, ok := r.w.rec.(assignments)
	if !ok {
		return
	}
	a := linearizability.Assignment{Group: r.p.Group, Process: r.p.process(r.index, 0), Topic: r.p.Topic, Time: r.e.Now()}
	a.Member, a.Generation = r.k.Member()
	if r.p.Consumer.ConsumerProtocol {
		life, asked := r.k.Membership()
		a.Membership, a.Asked = int(r.life)<<16+life, asked
	}
	if r.static != "" { // its member id is another one each time
		a.Member = r.static
	}
	for _, tp := range parts {
		a.Partitions = append(a.Partitions, tp.Partition)
	}
	log.AddAssignment(a)
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
		if r.p.Group != "" && now-committed >= commitEvery {
			committed = now
			r.commit()
			r.echo()
		}
		if r.until > 0 && now >= r.until && !w.over(r.e) {
			return
		}
		deadline := w.end() + w.cfg.Drain
		if w.now(r.e) >= deadline {
			return
		}
		if w.producing.Load()+w.piping.Load() > 0 || !w.over(r.e) {
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
	parts := r.k.Assigned()
	if r.p.Group != "" {
		parts = r.p.topic.every(0, 1)
	}
	if !r.learnEnds(parts, ends) {
		return false
	}
	positions := make([]int64, len(parts))
	if r.p.Group == "" {
		for i, tp := range parts {
			positions[i], _ = r.k.Position(tp)
		}
	} else {
		r.commit()
		committed, ok := r.fetchCommitted(parts)
		if !ok {
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

// learnEnds looks up the ends of partitions that are not known yet.
func (r *consuming) learnEnds(parts []client.TopicPartition, ends map[client.TopicPartition]int64) bool {
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
	return true
}

// commit commits what polls have returned.
func (r *consuming) commit() {
	if r.committing != nil {
		r.committing.Lock()
		defer r.committing.Unlock()
	}
	positions := r.k.Positions()
	if len(positions) == 0 {
		return
	}
	r.echoes.note(r.k.GroupMetadata(), positions, r.e.Now())
	r.commitBy(positions, func(timeout time.Duration) client.CommitResult { return r.k.Commit(positions, timeout) })
}

// commitBy commits positions in one way or another and takes that down: of each
// partition by itself, as the register that it is.
func (r *consuming) commitBy(positions []client.OffsetCommit, how func(timeout time.Duration) client.CommitResult) {
	w := r.w
	numbers := make([]int64, len(positions))
	for i, o := range positions {
		numbers[i] = w.rec.Invoke(linearizability.Op{
			Time: r.e.Now(), Process: r.p.process(r.index, o.Partition), F: linearizability.Commit, Group: r.p.Group,
			Topic: o.Topic, Partition: o.Partition, Offset: o.Offset,
			Broker: linearizability.None, LeaderEpoch: linearizability.None,
		})
	}
	res := how(w.requestTimeout())
	for _, n := range numbers {
		w.rec.Complete(n, linearizability.Op{
			Time: r.e.Now(), Type: ended(res.Outcome), Session: int64(res.Generation), Broker: res.Broker,
			LeaderEpoch: linearizability.None, Error: reason(res.Err),
		})
	}
}

// fetchCommitted reads what the group has committed, and takes it down.
func (r *consuming) fetchCommitted(parts []client.TopicPartition) (offsets []int64, ok bool) {
	return r.fetchOffsets(parts, r.c.FetchOffsets)
}

// fetchOffsets reads what the group has committed in one way or another.
func (r *consuming) fetchOffsets(parts []client.TopicPartition, how func(string, []client.TopicPartition, time.Duration) ([]int64, int32, error)) (offsets []int64, ok bool) {
	w := r.w
	numbers := make([]int64, len(parts))
	for i, tp := range parts {
		numbers[i] = w.rec.Invoke(linearizability.Op{
			Time: r.e.Now(), Process: r.p.process(r.index, tp.Partition), F: linearizability.FetchOffset, Group: r.p.Group,
			Topic: tp.Topic, Partition: tp.Partition, Offset: linearizability.None,
			Broker: linearizability.None, LeaderEpoch: linearizability.None,
		})
	}
	offsets, broker, err := how(r.p.Group, parts, probeTimeout)
	for i, n := range numbers {
		done := linearizability.Op{Time: r.e.Now(), Type: linearizability.OK, Broker: broker, LeaderEpoch: linearizability.None}
		if err != nil {
			done.Type, done.Error, done.Offset = linearizability.Fail, reason(err), linearizability.None
		} else {
			done.Offset = offsets[i]
		}
		w.rec.Complete(n, done)
	}
	return offsets, err == nil
}

// session is the number of a consumer's session, which is unique among all
// that the client was.
func (r *consuming) session(s int64) int64 {
	if s < 0 {
		return s
	}
	return r.life<<32 + s
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
			var flaw string
			v, by, intended, ok := int64(0), (*Produce)(nil), time.Duration(0), false
			if keys := r.p.topic.keys; keys > 0 {
				v, by, intended, flaw, ok = w.parseWrite(keys, got)
			} else if v, by, intended, ok = w.parse(got.Value); ok && by != nil {
				flaw = r.undressed(got, by, v)
			}
			records[j] = linearizability.Record{Offset: got.Offset, Value: v}
			if !ok {
				records[j].Value = linearizability.None
				continue
			}
			if flaw != "" {
				r.flawed(got, v, flaw, now)
			}
			if by != nil {
				if r.p.topic.keys == 0 {
					w.read.Add(1)
				}
				w.meter.Consumed(intended, now-w.origin, len(got.Value))
			}
		}
		w.consumed.Add(int64(len(records)))
		n := r.invokePoll(started, p.TopicPartition, p.Position, r.session(p.Session))
		epoch := int32(linearizability.None)
		if k := len(p.Records); k > 0 {
			epoch = p.Records[k-1].LeaderEpoch
		}
		w.rec.Complete(n, linearizability.Op{
			Time: now, Type: linearizability.OK, Records: records,
			Broker: linearizability.None, LeaderEpoch: epoch,
		})
	}
	r.recordErrors(batch.Errors, started, now)
}

// undressed is what is wrong with what goes around a value, "" if nothing.
func (r *consuming) undressed(got *client.ConsumedRecord, by *Produce, value int64) string {
	if by.streams() {
		return ""
	}
	return linearizability.Undress(value, got.Key, header(got.Headers, linearizability.SentHeader), got.TimestampMillis, r.p.topic.LogAppendTime)
}

// flawed takes down what is wrong with what goes around a value.
func (r *consuming) flawed(got *client.ConsumedRecord, value int64, what string, now time.Duration) {
	log, ok := r.w.rec.(interface {
		AddFlaw(linearizability.Flaw)
	})
	if ok {
		log.AddFlaw(linearizability.Flaw{Topic: got.Topic, Partition: got.Partition, Offset: got.Offset, Value: value,
			Time: now, Where: "client " + strconv.FormatInt(r.p.process(r.index, got.Partition), 10), What: what})
	}
}

// invokePoll takes down the start of a poll.
func (r *consuming) invokePoll(started time.Duration, tp client.TopicPartition, position, session int64) int64 {
	return r.w.rec.Invoke(linearizability.Op{
		Time: started, Process: r.p.process(r.index, tp.Partition), F: linearizability.Poll,
		Topic: tp.Topic, Partition: tp.Partition, Offset: position, Session: session, ReadCommitted: r.p.Consumer.ReadCommitted,
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
	partitions := r.p.topic.Partitions
	for next := int32(r.index) % partitions; !stop.Wait(r.p.ListOffsetsEvery); next = (next + 1) % partitions {
		tp := r.p.topic.partition(next)
		n := w.rec.Invoke(linearizability.Op{
			Time: r.e.Now(), Process: r.p.probes + int64(r.index), F: linearizability.ListOffsets,
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
