package program

import (
	"fmt"
	"time"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/linearizability"
	"github.com/weirlab/weir/workloads/client"
)

// Pipeline is the program of consume, transform, produce, exactly once: members of
// a group read a topic with read_committed, write one record of each that they read
// to another, and commit both the records and the offsets in one transaction
// (KIP-98, KIP-447). When the load has ended they go on until everything is read.
type Pipeline struct {
	Consume // of the topic that is read, by Consumers members of Group
	Transacting
	To          string // the topic that is written
	RecordBytes int    // value size; default 64

	// In the run.
	to      *topic
	number  int64 // of the first client's values
	process int64 // of the first client's transactions
}

// turnPause is how long a client waits at most, once the load has ended, before it
// follows the producer that it lost: clients that share a transactional id would
// otherwise fence each other in step for as long as there is anything to read.
const turnPause = 2 * time.Second

// Kind implements Program.
func (p *Pipeline) Kind() string { return "pipeline" }

// Transactional implements Program.
func (p *Pipeline) Transactional() []string { return p.names("pipeline-"+p.Group, p.Consumers) }

// Promise implements Program: what is read, what is made of it, and that each
// record is read to the end.
func (p *Pipeline) Promise(m *linearizability.Manifest) {
	p.Consume.Promise(m)
	m.Producers += p.Consumers
	m.Transactional += p.Consumers
	m.Plain = append(m.Plain, p.To)
	m.Pipelines = append(m.Pipelines, linearizability.Pipeline{Group: p.Group, From: p.Topic, To: p.To})
}

func (p *Pipeline) join(w *Workload, first int) error {
	to, err := w.topic(p.To)
	if err != nil || p.Consumers == 0 {
		return err
	}
	if p.RecordBytes == 0 {
		p.RecordBytes = 64
	}
	switch err := p.check(p.Consumers); {
	case err != nil:
		return err
	case p.Group == "":
		return fmt.Errorf("a pipeline of no group")
	case p.To == p.Topic:
		return fmt.Errorf("a pipeline from %q into itself never ends", p.To)
	case w.cfg.bulk():
		return fmt.Errorf("a pipeline reads record by record, which a history of batches does not take down")
	}
	if err := p.Consume.join(w, first); err != nil {
		return err
	}
	p.Consumer.ReadCommitted = true
	p.to = to
	p.number, p.process = w.transactors(int64(p.Consumers)), w.claim(int64(p.Consumers))
	w.piping.Add(int64(p.Consumers))
	return nil
}

func (p *Pipeline) run(e env.Env, name string, i int) error {
	w := p.w
	defer w.piping.Add(-1)
	c, err := w.connect(e, name)
	if err != nil {
		return err
	}
	defer c.Close()
	if wait := w.cfg.Start - w.now(e); wait > 0 {
		e.Sleep(wait)
	}
	run := &piping{p: p, rand: e.Rand("pipeline", name), consuming: &consuming{p: &p.Consume, w: w, e: e, c: c, index: i}}
	cfg := p.Consumer
	cfg.Group, cfg.OnAssigned = p.Group, run.assigned
	if run.k, err = c.NewConsumer(cfg); err != nil {
		return err
	}
	defer run.k.Close()
	if err := run.k.Subscribe([]string{p.Topic}); err != nil {
		return err
	}
	run.t = newTransactor(w, e, c, &p.Transacting, run.rand, "pipeline-"+p.Group, p.number+int64(i), p.process+int64(i), i)
	run.pump()
	if run.t.p != nil {
		run.t.p.Close(w.cfg.Drain)
	}
	return nil
}

// piping is one client of a pipeline.
type piping struct {
	*consuming
	p    *Pipeline
	t    *transactor
	rand *env.Rand
}

// pump makes of what it reads what it writes until everything is read and committed.
func (r *piping) pump() {
	w := r.w
	var ends map[client.TopicPartition]int64 // once nothing more is written
	for w.now(r.e) < w.end()+w.cfg.Drain && r.t.ready() {
		// Of the generation before the poll: should another begin meanwhile, the
		// commit is refused, and the records are read again by who owns them then.
		group := r.k.GroupMetadata()
		started := r.e.Now()
		batch := r.k.Poll(pollTimeout)
		r.record(&batch, started)
		if len(batch.Partitions) > 0 {
			if !r.transform(&batch, group) {
				if r.t.p == nil && w.over(r.e) {
					r.e.Sleep(r.rand.Between(0, turnPause))
				}
				r.rewind()
			}
			if !w.over(r.e) {
				r.e.Sleep(r.p.Every.draw(r.rand))
			}
			continue
		}
		if w.producing.Load() > 0 || !w.over(r.e) {
			continue
		}
		if ends == nil {
			ends = map[client.TopicPartition]int64{}
		}
		if r.finished(ends) {
			return
		}
	}
	r.fetchStable(r.p.topic.every(0, 1)) // what became of all, for the judge
}

// transform is one transaction. It reports whether it is committed.
func (r *piping) transform(batch *client.Batch, group client.GroupMetadata) bool {
	started := r.e.Now()
	if r.t.begin() != nil {
		return false
	}
	var offsets []client.OffsetCommit
	for i := range batch.Partitions {
		from := &batch.Partitions[i]
		epoch := int32(-1)
		for j := range from.Records {
			got := &from.Records[j]
			epoch = got.LeaderEpoch
			if v, ok := linearizability.ParsePayload(got.Value); ok {
				r.t.send(r.p.To, from.Partition%r.p.to.Partitions, 0, v, r.p.RecordBytes)
			}
		}
		offsets = append(offsets, client.OffsetCommit{TopicPartition: from.TopicPartition, Offset: from.Next, LeaderEpoch: epoch})
	}
	committed := false
	r.t.stopHere()
	if err := r.t.sendOffsets(offsets, group, func(partition int32) int64 { return r.p.Consume.process(r.index, partition) }); err != nil {
		r.t.abort()
	} else {
		committed = r.t.end()
	}
	outcome := client.OutcomeFail
	if committed {
		outcome = client.OutcomeOK
	}
	r.w.meter.Operated("transaction", started-r.w.origin, r.e.Now()-r.w.origin, outcome)
	return committed
}

// rewind goes back to what the group has committed, in the partitions that the
// client still has. What an earlier producer of it left open is settled first.
func (r *piping) rewind() {
	if !r.t.ready() {
		return
	}
	parts := r.k.Assigned()
	committed, ok := r.fetchStable(parts)
	for !ok && r.w.now(r.e) < r.w.end()+r.w.cfg.Drain {
		parts = r.k.Assigned()
		committed, ok = r.fetchStable(parts)
	}
	for i, tp := range parts {
		switch {
		case !ok:
		case committed[i] >= 0:
			r.k.Seek(tp, committed[i])
		default:
			r.k.SeekTime(tp, client.TimestampEarliest)
		}
	}
}

func (r *piping) fetchStable(parts []client.TopicPartition) ([]int64, bool) {
	if len(parts) == 0 {
		return nil, true
	}
	return r.fetchOffsets(parts, r.c.FetchStableOffsets)
}

// finished reports whether the group has committed everything that was written,
// noting ends as it learns them.
func (r *piping) finished(ends map[client.TopicPartition]int64) bool {
	parts := r.p.topic.every(0, 1)
	if !r.learnEnds(parts, ends) {
		return false
	}
	committed, ok := r.fetchStable(parts)
	for i, tp := range parts {
		// Nothing is committed of a partition with nothing in it, nor behind what
		// only markers follow.
		if !ok || committed[i] < ends[tp] && ends[tp] > 0 && !r.passed(tp, ends[tp]) {
			return false
		}
	}
	return ok
}

// passed reports whether the client has read past an end of one of its partitions.
func (r *piping) passed(tp client.TopicPartition, end int64) bool {
	position, _ := r.k.Position(tp)
	return position >= end
}
