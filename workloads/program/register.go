package program

import (
	"time"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/linearizability"
	"github.com/weirlab/weir/workloads/client"
)

// registering is one client of the committed offsets of a group that has no
// members: each is a register, written by commits and read by fetches.
type registering struct {
	w       *Workload
	e       env.Env
	c       *client.Client
	process int64
	group   string
}

// register commits and fetches at random until the load ends, and then reads
// each register once more.
func (w *Workload) register(e env.Env, name string, i int) error {
	c, err := w.connect(e, name)
	if err != nil {
		return err
	}
	defer c.Close()
	r := &registering{w: w, e: e, c: c, process: w.registerProcess(i), group: w.cfg.RegisterGroup}
	rand := e.Rand("register", name)
	if wait := w.cfg.Start - w.now(e) + time.Duration(rand.Int64n(int64(w.cfg.RegisterEvery)+1)); wait > 0 {
		e.Sleep(wait)
	}
	for n := int64(0); !w.over(e); n++ {
		tp := client.TopicPartition{Topic: w.cfg.Topic, Partition: int32(rand.Int64n(int64(w.cfg.RegisterPartitions)))}
		started := e.Now()
		if rand.Chance(1, 2) {
			// Each value is written once, so that a read tells by whom.
			r.commit(tp, n*int64(w.cfg.Registers)+int64(i))
		} else {
			r.fetch(tp, w.requestTimeout())
		}
		if left := w.cfg.RegisterEvery - (e.Now() - started); left > 0 {
			e.Sleep(left)
		}
	}
	for p := range w.cfg.RegisterPartitions {
		r.fetch(client.TopicPartition{Topic: w.cfg.Topic, Partition: p}, w.cfg.Drain/time.Duration(w.cfg.RegisterPartitions))
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
