package simtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/faults"
	"github.com/weirlab/weir/linearizability"
	"github.com/weirlab/weir/workloads"
	"github.com/weirlab/weir/workloads/client"
)

// World is a simulated cluster, for the task of a [Cluster].
type World struct{ s *workloads.Stage }

// Cluster simulates brokers and runs act next to them, as a task on a machine of
// its own. It fails the test if act returns an error, a task panics, the brokers
// break an invariant of theirs, or nothing can happen any more. It does so for
// each seed, in a parallel sub-test, and returns when all have ended. What act uses
// besides its arguments it must make itself: it is called anew for every seed, and
// again when one has failed.
func Cluster(t *testing.T, act func(e env.Env, w *World) error, opts ...Option) {
	t.Helper()
	o, err := collect(opts)
	if err != nil {
		t.Fatalf("simtest: %v", err)
	}
	r := &runner{o: o, pkg: callersPackage(), simulate: func(ctx context.Context, wo workloads.Options) (*workloads.Outcome, error) {
		return workloads.Perform(ctx, wo, func(e env.Env, s *workloads.Stage) error { return act(e, &World{s}) })
	}}
	r.seeds(t, o.stage())
}

// Bootstrap lists the brokers' addresses, "host:port".
func (w *World) Bootstrap() []string { return w.s.Bootstrap() }

// Go starts fn on a machine of its own. Its env.Env is that machine's; tasks on
// the same one are started with env.Env.Go.
func (w *World) Go(name string, fn func(e env.Env)) env.Task { return w.s.Go(name, fn) }

// Client is Weir's own client of the cluster, on the machine of e. Close it.
func (w *World) Client(e env.Env, id string) (*client.Client, error) { return w.s.Client(e, id) }

// Strike lets something go wrong now, in the words of a scenario's fault plan, but
// for its times: "kind: crash, node: leader of orders-0". It returns what ends it.
// "weir faults" lists what there is.
func (w *World) Strike(e env.Env, fault string) (heal func(), err error) {
	var f faults.Fault
	decoder := yaml.NewDecoder(bytes.NewReader([]byte("{" + fault + "}")))
	decoder.KnownFields(true)
	if err := decoder.Decode(&f); err != nil {
		return nil, fmt.Errorf("simtest: fault %q: %w", fault, err)
	}
	if f.At != 0 || f.For != 0 {
		return nil, fmt.Errorf("simtest: fault %q: it begins now and ends when it is told to; leave out the keys at and for", fault)
	}
	heal, err = w.s.Strike(e, f)
	if err != nil {
		return nil, fmt.Errorf("simtest: fault %q: %w", fault, err)
	}
	return heal, nil
}

// Partitions are the committed states of the partitions of the cluster's topics.
func (w *World) Partitions(e env.Env) []linearizability.PartitionState { return w.s.Partitions(e) }

// AwaitSettled waits until every broker is up and every replica in sync, for at
// most so long; an error says what is not.
func (w *World) AwaitSettled(e env.Env, patience time.Duration) error {
	if why := w.s.AwaitSettled(e, patience); why != "" {
		return errors.New("simtest: the cluster has not settled: " + why)
	}
	return nil
}
