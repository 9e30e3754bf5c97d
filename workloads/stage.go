package workloads

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/faults"
	"github.com/weirlab/weir/linearizability"
	"github.com/weirlab/weir/workloads/client"
	"github.com/weirlab/weir/workloads/target"
	"github.com/weirlab/weir/workloads/target/sim"
)

// Stage is the simulated cluster of a scenario, given to a program of the
// caller's own in place of load and fault plan. Its methods are called from the
// program's tasks.
type Stage struct {
	o       Options
	cluster target.Cluster
	on      *triggers
	tell    func(linearizability.Fault, bool)
}

// Perform simulates the cluster of a scenario, which must be explicit, and runs
// act next to it, as a task of a machine of its own, once the brokers have joined
// and the scenario's topics are there. The load and the faults of the scenario are
// left out. What act returns is a finding, as are broken invariants over the
// brokers' states and panics; no client's history is judged. An error means that
// Weir itself failed.
func Perform(ctx context.Context, o Options, act func(e env.Env, s *Stage) error) (*Outcome, error) {
	if !o.Scenario.Explicit() {
		return nil, errors.New("workloads: the scenario is not explicit; call Resolve first")
	}
	d := newDirector(o)
	c, err := sim.New(o.Scenario, sim.Options{Machine: o.Machine, Clients: o.Clients, Window: o.Window, Tape: o.Tape}, d)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	if err := d.takeOn(c); err != nil {
		return nil, err
	}
	s := &Stage{o: o, cluster: c}
	ctx, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	interrupted, err := c.Direct(ctx, func(e env.Env) {
		returned := false
		defer func() {
			if !returned {
				giveUp(errors.New("its task panicked"))
			}
		}()
		switch why := d.await(e, bootPatience, c.Unready); {
		case why != "":
			d.stuck(e, fmt.Sprintf("the brokers did not join their cluster within %v: %s", bootPatience, why))
		default:
			if err := d.workload.CreateTopics(e, bootPatience); err != nil {
				d.stuck(e, "the cluster did not get ready to serve: "+err.Error())
			}
		}
		if len(d.findings) > 0 {
			returned = true
			return
		}
		s.on, s.tell = newTriggers(e, c.Soon), d.tellFault
		if err := act(e, s); err != nil {
			d.findings = append(d.findings, linearizability.Finding{
				Code: target.CodeProgram, Sentence: err.Error(), Offset: linearizability.None, Time: e.Now(), Count: 1,
			})
		}
		d.scanned, returned = true, true
	})
	if err != nil {
		return nil, err
	}
	left, err := c.Remains(false, 0, 0, nil)
	if err != nil {
		return nil, err
	}
	out := &Outcome{Trace: left.Trace, Stats: left.Stats, Failures: left.Failures, Points: left.Points, States: left.States,
		ClusterTime: left.Now, Blind: left.Blind, Complete: interrupted == "" && d.scanned, Interrupted: interrupted}
	own := linearizability.Verdict{Status: linearizability.Pass, Findings: append(d.findings, left.Findings...)}
	switch {
	case len(own.Findings) > 0:
		own.Status = linearizability.Failed
	case !out.Complete:
		own.Status = linearizability.Unknown
	}
	out.Verdict = left.Watched
	out.Verdict.Merge(own)
	return out, nil
}

// Bootstrap lists the brokers' addresses, for clients.
func (s *Stage) Bootstrap() []string { return s.cluster.Bootstrap() }

// Go starts fn on a machine of its own.
func (s *Stage) Go(name string, fn func(e env.Env)) env.Task { return s.cluster.StartClient(name, fn) }

// Client is a client of the cluster on the machine of e. The caller closes it.
func (s *Stage) Client(e env.Env, id string) (*client.Client, error) {
	return client.New(e, client.Config{Bootstrap: s.Bootstrap(), ClientID: id})
}

// Strike lets a fault begin now, whatever its times say, and returns what ends it.
// An error says why it cannot happen: no such broker, or one that is down already.
func (s *Stage) Strike(e env.Env, f faults.Fault) (heal func(), err error) {
	f.At, f.For = 0, untilHealed
	if err := f.Validate(s.o.Scenario.Topology()); err != nil {
		return nil, err
	}
	if !f.After.IsZero() {
		return nil, fmt.Errorf("after: %s: a fault that is told to begin waits for nothing", f.After.Event)
	}
	begun := e.NewSignal()
	inj := newInjector(e, s.cluster, s.o.Scenario.Topology(), s.on, func(record linearizability.Fault, begins bool) {
		s.tell(record, begins)
		begun.Set()
	})
	inj.start(faults.Plan{f}, e.Now())
	for !begun.Wait(targetPoll) {
		if _, missed := inj.results(); len(missed) > 0 {
			return nil, errors.New(missed[0])
		}
	}
	return inj.stop, nil
}

// untilHealed is how long a fault of a stage lasts that nobody ends.
const untilHealed = 10000 * time.Hour

// Partitions are the committed states of the partitions of the scenario's topics.
func (s *Stage) Partitions(e env.Env) []linearizability.PartitionState {
	return s.cluster.Partitions(e)
}

// AwaitSettled waits until every broker is up and every replica in sync, for at
// most so long, and returns what is not, "" if nothing.
func (s *Stage) AwaitSettled(e env.Env, patience time.Duration) string {
	for end := e.Now() + patience; ; {
		why := s.cluster.Unsettled(e)
		if why == "" || e.Now() >= end {
			return why
		}
		e.Sleep(settlePoll)
	}
}
