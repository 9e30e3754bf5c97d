package workloads

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/weirlab/weir/linearizability"
	"github.com/weirlab/weir/workloads/scenario"
	"github.com/weirlab/weir/workloads/target"
	"github.com/weirlab/weir/workloads/target/kafka"
	"github.com/weirlab/weir/workloads/target/local"
	"github.com/weirlab/weir/workloads/target/sim"
)

// RunSim simulates a scenario and judges it. The outcome is a function of the
// scenario alone: calling it again gives the same trace. Canceling ctx ends
// the run early, with an outcome that says so. An error means that Weir itself
// failed.
//
// A task that never waits and asks nothing of its machine holds the simulator up
// for ever. After a minute of real time the run is given up, with a finding that
// names the task, and its goroutine is left behind ([Outcome.Abandoned]).
func RunSim(ctx context.Context, o Options) (*Outcome, error) {
	return orAbandon(func(stuck func(who, dump string)) (*Outcome, error) {
		return run(ctx, o, func(tell target.Listener) (target.Cluster, error) {
			return sim.New(o.Scenario, sim.Options{Machine: o.Machine, Clients: o.Clients, Window: o.Window, Tape: o.Tape, Unwatched: o.Brief, Fork: o.Fork, Probe: o.Probe, Watchdog: o.Watchdog, Stuck: stuck}, tell)
		})
	})
}

// RunLocal runs a scenario against broker processes on this machine and judges
// it. Faults are made with signals; what signals cannot do is imitated by the
// nearest thing that they can, and the outcome says so. Canceling ctx ends the
// run early, with an outcome that says so.
func RunLocal(ctx context.Context, o Options) (*Outcome, error) {
	return run(ctx, o, func(tell target.Listener) (target.Cluster, error) {
		return local.New(o.Scenario, local.Options{Broker: o.Broker, Dir: o.Dir}, tell)
	})
}

// RunApacheKafka is RunLocal with brokers of Apache Kafka.
func RunApacheKafka(ctx context.Context, o Options) (*Outcome, error) {
	return run(ctx, o, func(tell target.Listener) (target.Cluster, error) {
		return local.NewKafka(o.Scenario, local.KafkaOptions{Jars: o.Kafka, Dir: o.Dir}, tell)
	})
}

// RunKafka runs a scenario against a cluster that somebody else runs and judges
// what its clients saw. No fault happens, and the outcome says so.
func RunKafka(ctx context.Context, o Options) (*Outcome, error) {
	prepared, err := kafka.Prepare(o.Scenario, o.Bootstrap)
	if err != nil {
		return nil, err
	}
	o.Scenario = prepared
	return run(ctx, o, func(tell target.Listener) (target.Cluster, error) {
		return kafka.New(o.Scenario, o.Bootstrap, tell)
	})
}

// run leads a run against the cluster that build makes.
func run(ctx context.Context, o Options, build func(target.Listener) (target.Cluster, error)) (*Outcome, error) {
	if !o.Scenario.Explicit() {
		return nil, errors.New("workloads: the scenario is not explicit; call Resolve first")
	}
	d := newDirector(o)
	c, err := build(d)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	if err := d.takeOn(c); err != nil {
		return nil, err
	}
	interrupted, err := c.Direct(ctx, d.run)
	if err != nil {
		return nil, err
	}
	judged := !o.Unjudged && !o.Brief
	left, err := c.Remains(judged && d.scanned, d.loadStart+d.s.Load.WarmUp, d.loadEnd, d.usage)
	if err != nil {
		return nil, err
	}
	out := &Outcome{Trace: left.Trace, Stats: left.Stats, Failures: left.Failures, Points: left.Points, States: left.States, ClusterTime: left.Now, Blind: left.Blind}
	if left.Running {
		d.workload.Stop()
		d.meter.fill(out)
		ok, fail, info := d.log.Counts()
		out.Operations = ok + fail + info
		out.Interrupted, out.Verdict.Status = interrupted, linearizability.Unknown
		return out, d.close(interrupted)
	}
	if d.trouble != nil {
		return nil, d.trouble
	}
	d.findings = append(d.findings, left.Findings...)
	if !judged {
		d.fill(out, interrupted)
		out.Verdict = linearizability.Verdict{Status: linearizability.Unknown, Findings: d.findings}
		return out, nil
	}
	for _, s := range left.Scans {
		d.log.AddScan(s)
	}
	for _, e := range left.Epochs {
		d.log.AddEpochStart(e)
	}
	return d.judge(ctx, out, left.Watched, interrupted)
}

// judge closes the history and completes the outcome.
func (d *director) judge(ctx context.Context, out *Outcome, watched linearizability.Verdict, interrupted string) (*Outcome, error) {
	if d.trouble != nil {
		return nil, d.trouble
	}
	progress := linearizability.Check{Code: target.CodeProgress, Name: "the cluster recovers after healing, no task panics and no program of the caller's fails", Status: linearizability.Pass, Inputs: 1, Unit: "run"}
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
		Drained:     d.scanned && scenario.Count[*scenario.Consumers](d.s.Load)+scenario.Count[*scenario.Members](d.s.Load)+scenario.Count[*scenario.Pipelines](d.s.Load)+scenario.Count[*scenario.Sharers](d.s.Load) > 0,
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
	out.Throughput = d.meter.measured(out.ClusterTime)
	out.Usage = d.usage
}
