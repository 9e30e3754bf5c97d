package workloads

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/linearizability"
	"github.com/weirlab/weir/sim"
)

// simSlice is how much simulated time passes between two looks at the real
// world, for progress and cancellation.
const simSlice = 250 * time.Millisecond

// RunSim simulates a scenario and judges it. The outcome is a function of the
// scenario alone: calling it again gives the same trace. Canceling ctx ends
// the run early, with an outcome that says so. An error means that Weir itself
// failed.
func RunSim(ctx context.Context, o Options) (*Outcome, error) {
	if !o.Scenario.Explicit() {
		return nil, errors.New("workloads: the scenario is not explicit; call Resolve first")
	}
	k := sim.NewKernel(sim.Options{Seed: uint64(o.Scenario.Seed), Window: o.Window})
	defer func() { _ = k.Close() }()

	var d *director
	var watch *simWatch
	m := o.Machine
	if m == nil {
		var err error
		if m, err = MachineOf(o.Scenario.Cluster); err != nil {
			return nil, err
		}
	}
	c, err := newSimCluster(o.Scenario, k, m, func(index int) func(metadata.TopicPartition, int32, int64) {
		return func(tp metadata.TopicPartition, epoch int32, offset int64) {
			if tp.Topic == o.Scenario.Topic.Name {
				d.log.AddHighWatermark(linearizability.HighWatermark{
					Topic: tp.Topic, Partition: tp.Partition, Time: k.Now(), Broker: int32(index + 1), LeaderEpoch: epoch, Offset: offset,
				})
			}
		}
	})
	if err != nil {
		return nil, err
	}
	if d, err = newDirector(o, c); err != nil {
		return nil, err
	}
	watch = &simWatch{c: c, brief: o.Brief, watcher: linearizability.NewWatcher(judgedTopics(o.Scenario)), used: map[int32]bool{}}
	d.log.OnCommitted(watch.watcher.Committed)
	d.strikes = watch.watcher.AddFault
	d.facts = []linearizability.Fact{
		linearizability.FactStates, linearizability.FactElections, linearizability.FactEpochStarts,
		linearizability.FactWatermarks, linearizability.FactReplicas, linearizability.FactLive,
	}
	d.observe = imageEvery
	k.OnEvent(func(node string, at time.Duration, name string, attrs []env.Attr) {
		d.sink.Event(node, at, name, attrs)
		watch.onEvent(name)
	})
	watch.start()
	c.tellRows(d)
	done := false
	c.machine("director").Start("director", func(e env.Env) {
		d.run(e)
		done = true
	})

	interrupted, err := d.simulate(ctx, o, k, &done)
	if err != nil {
		return nil, err
	}
	c.tellRow(d)
	if o.Unjudged || o.Brief {
		return d.unjudged(k, interrupted)
	}
	return d.finishSim(ctx, k, c, watch, interrupted)
}

func (d *director) unjudged(k *sim.Kernel, interrupted string) (*Outcome, error) {
	if d.trouble != nil {
		return nil, d.trouble
	}
	out := &Outcome{}
	d.fill(out, interrupted)
	out.Trace, out.Stats, out.Failures, out.ClusterTime = k.Trace(), k.Stats(), k.Failures(), k.Now()
	out.Verdict.Status = linearizability.Unknown
	out.Verdict.Findings = append(d.findings, panics(k.Failures())...)
	return out, nil
}

// simulate runs the world until the director is done.
func (d *director) simulate(ctx context.Context, o Options, k *sim.Kernel, done *bool) (interrupted string, err error) {
	for !*done {
		if err := ctx.Err(); err != nil {
			return "the run was interrupted: " + context.Cause(ctx).Error(), nil
		}
		end := k.Now() + simSlice
		var stuck *sim.DeadlockError
		var live *sim.LivelockError
		switch err := k.RunWhile(func() bool { return !*done && k.Now() < end }); {
		case errors.As(err, &stuck), errors.As(err, &live):
			d.findings = append(d.findings, linearizability.Finding{
				Code: codeProgress, Sentence: "the simulated world can make no progress", Offset: linearizability.None,
				Time: k.Now(), Evidence: []string{err.Error()}, Count: 1,
			})
			return "the simulated world can make no progress", nil
		case err != nil:
			return "", err
		}
		if o.Progress != nil {
			total, _ := d.meter.totals()
			o.Progress(Progress{Phase: d.phase, Now: k.Now(), Total: d.loadStart + o.Scenario.Load.Duration.Value(), Acked: total.Acked, Events: int64(k.Stats().Events)})
		}
	}
	return "", nil
}

// finishSim reads the replicas and has the judge look at everything.
func (d *director) finishSim(ctx context.Context, k *sim.Kernel, c *simCluster, watch *simWatch, interrupted string) (*Outcome, error) {
	out := &Outcome{Trace: k.Trace(), Stats: k.Stats(), Failures: k.Failures(), ClusterTime: k.Now()}
	if d.scanned {
		watch.findImage()
		watch.picture()
		scans, err := c.replicas()
		if err != nil {
			d.findings = append(d.findings, linearizability.Finding{Code: "K11", Sentence: err.Error(), Offset: linearizability.None, Time: k.Now(), Count: 1})
		}
		for _, s := range scans {
			d.log.AddScan(s)
		}
	}
	for _, e := range watch.watcher.EpochStarts() {
		d.log.AddEpochStart(e)
	}
	d.findings = append(d.findings, panics(k.Failures())...)
	return d.judge(ctx, out, watch.watcher.Verdict(), interrupted)
}

// judge closes the history and completes the outcome.
func (d *director) judge(ctx context.Context, out *Outcome, watched linearizability.Verdict, interrupted string) (*Outcome, error) {
	if d.trouble != nil {
		return nil, d.trouble
	}
	progress := linearizability.Check{Code: codeProgress, Name: "the cluster recovers after healing and no task panics", Status: linearizability.Pass, Inputs: 1, Unit: "run"}
	if !d.scanned {
		progress.Status, progress.Note = linearizability.Unknown, "the run did not come to the point where everything is read back"
	}
	if len(d.findings) > 0 {
		progress.Status, progress.Findings = linearizability.Failed, int64(len(d.findings))
	}
	watched.Merge(linearizability.Verdict{Status: progress.Status, Findings: d.findings, Checks: []linearizability.Check{progress}})
	d.log.AddLive(watched)
	if err := d.close(interrupted); err != nil {
		return nil, err
	}
	ok, fail, info := d.log.Counts()
	out.Operations = ok + fail + info
	out.Verdict = linearizability.Judge(ctx, d.log.History(), linearizability.Options{})
	d.fill(out, interrupted)
	return out, nil
}

// healed is when the last fault was over.
func (d *director) healed() time.Duration {
	at := d.loadStart
	for _, f := range d.faults {
		at = max(at, f.End)
	}
	return at
}

// close ends the history.
func (d *director) close(interrupted string) error {
	d.log.End(linearizability.End{
		Interrupted: interrupted,
		Drained:     d.scanned && d.s.Load.Consumers.Count > 0,
		Healed:      d.healed(),
		Patience:    d.s.Recovery / 2,
	})
	if err := d.log.Flush(); err != nil {
		return fmt.Errorf("history: %w", err)
	}
	return nil
}

// fill adds what was counted.
func (d *director) fill(out *Outcome, interrupted string) {
	total, late := d.meter.totals()
	out.Acked, out.Failed, out.Unknown, out.Consumed, out.LateBy = total.Acked, total.Failed, total.Unknown, total.Consumed, late
	out.Complete, out.Interrupted = interrupted == "", interrupted
	out.Faults, out.Missed = d.faults, d.missed
	out.LoadStart, out.LoadEnd = d.loadStart, d.loadEnd
	out.Throughput = d.meter.measured()
	out.Usage = d.usage
}

// panics are the findings that tasks panicked.
func panics(failures []sim.Failure) []linearizability.Finding {
	var all []linearizability.Finding
	for _, f := range failures {
		all = append(all, linearizability.Finding{
			Code: codePanic, Sentence: fmt.Sprintf("task %s of %s panicked: %s", f.Task, f.Node, f.Value),
			Offset: linearizability.None, Time: f.At, Evidence: []string{f.Stack}, Count: 1,
		})
	}
	return all
}

// tellRows tells the sink once a second what happened.
func (c *simCluster) tellRows(d *director) {
	c.k.After(time.Second, "row", func() {
		c.tellRow(d)
		c.tellRows(d)
	})
}

// tellRow tells the sink what happened since it was told last.
func (c *simCluster) tellRow(d *director) {
	var rows []BrokerRow
	for _, b := range c.brokers {
		rows = append(rows, b.row(c.net))
	}
	d.meter.row(c.k.Now(), rows)
}
