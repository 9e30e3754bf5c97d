package program

import (
	"fmt"
	"time"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/linearizability"
	"github.com/weirlab/weir/workloads/client"
)

// Register is the program of register clients: they commit and fetch offsets of
// a group at random until the load ends, and then read each once more, so that
// the committed offset can be checked as a register.
type Register struct {
	Topic string

	// Registers clients work on the committed offsets of Partitions partitions
	// (default 1) in Group (default "weir-register"), each with one operation
	// every Every (default 100 ms).
	Registers  int
	Group      string
	Partitions int32
	Every      time.Duration

	// In the run.
	w       *Workload
	topic   *topic
	process int64 // of the first client
}

// Kind implements Program.
func (p *Register) Kind() string { return "register" }

// Clients implements Program.
func (p *Register) Clients() int { return p.Registers }

// On implements Program.
func (p *Register) On() string { return p.Topic }

// Groups implements Program.
func (p *Register) Groups() []string {
	switch {
	case p.Registers == 0:
		return nil
	case p.Group == "":
		return []string{"weir-register"}
	}
	return []string{p.Group}
}

// Transactional implements Program.
func (p *Register) Transactional() []string { return nil }

// Promise implements Program: every commit and fetch.
func (p *Register) Promise(m *linearizability.Manifest) { m.Registers += p.Registers }

func (p *Register) join(w *Workload, _ int) error {
	topic, err := w.topic(p.Topic)
	if err != nil || p.Registers == 0 {
		return err
	}
	p.Group = p.Groups()[0]
	p.Partitions = max(p.Partitions, 1)
	if p.Every == 0 {
		p.Every = 100 * time.Millisecond
	}
	switch {
	case p.Every < 0:
		return fmt.Errorf("%s between operations of a register client: it must not be negative", p.Every)
	case p.Partitions > topic.Partitions:
		return fmt.Errorf("registers on %d partitions of a topic that has %d", p.Partitions, topic.Partitions)
	}
	p.w, p.topic, p.process = w, topic, w.claim(int64(p.Registers))
	return nil
}

// registering is one client of the committed offsets of a group that has no
// members: each is a register, written by commits and read by fetches.
type registering struct {
	w       *Workload
	e       env.Env
	c       *client.Client
	process int64
	group   string
}

func (p *Register) run(e env.Env, name string, i int) error {
	w := p.w
	c, err := w.connect(e, name)
	if err != nil {
		return err
	}
	defer c.Close()
	r := &registering{w: w, e: e, c: c, process: p.process + int64(i), group: p.Group}
	rand := e.Rand("register", name)
	if wait := w.cfg.Start - w.now(e) + time.Duration(rand.Int64n(int64(p.Every)+1)); wait > 0 {
		e.Sleep(wait)
	}
	for n := int64(0); !w.over(e); n++ {
		tp := p.topic.partition(int32(rand.Int64n(int64(p.Partitions))))
		started := e.Now()
		if rand.Chance(1, 2) {
			// Each value is written once, so that a read tells by whom.
			r.commit(tp, n*int64(p.Registers)+int64(i))
		} else {
			r.fetch(tp, w.requestTimeout())
		}
		if left := p.Every - (e.Now() - started); left > 0 {
			e.Sleep(left)
		}
	}
	for partition := range p.Partitions {
		r.fetch(p.topic.partition(partition), w.cfg.Drain/time.Duration(p.Partitions))
	}
	return nil
}

func (r *registering) invoke(f linearizability.Function, tp client.TopicPartition, offset int64) (int64, time.Duration) {
	now := r.e.Now()
	return r.w.rec.Invoke(linearizability.Op{
		Time: now, Process: r.process, F: f, Group: r.group, Topic: tp.Topic, Partition: tp.Partition,
		Offset: offset, Broker: linearizability.None, LeaderEpoch: linearizability.None,
	}), now
}

func (r *registering) complete(n int64, name string, started time.Duration, outcome client.Outcome, offset int64, broker int32, err error) {
	now := r.e.Now()
	r.w.rec.Complete(n, linearizability.Op{
		Time: now, Type: ended(outcome), Offset: offset, Broker: broker,
		LeaderEpoch: linearizability.None, Error: reason(err),
	})
	r.w.meter.Operated(name, started-r.w.origin, now-r.w.origin, outcome)
}

func (r *registering) commit(tp client.TopicPartition, offset int64) {
	n, started := r.invoke(linearizability.Commit, tp, offset)
	res := r.c.CommitOffsets(r.group, []client.OffsetCommit{{TopicPartition: tp, Offset: offset, LeaderEpoch: -1}}, r.w.requestTimeout())
	r.complete(n, "commit", started, res.Outcome, offset, res.Broker, res.Err)
}

func (r *registering) fetch(tp client.TopicPartition, timeout time.Duration) {
	n, started := r.invoke(linearizability.FetchOffset, tp, linearizability.None)
	offsets, broker, err := r.c.FetchOffsets(r.group, []client.TopicPartition{tp}, timeout)
	if err != nil {
		// A read that was not answered has not happened.
		r.complete(n, "fetch-offset", started, client.OutcomeFail, linearizability.None, broker, err)
		return
	}
	r.complete(n, "fetch-offset", started, client.OutcomeOK, offsets[0], broker, nil)
}
