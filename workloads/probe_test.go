package workloads_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/linearizability"
	"github.com/weirlab/weir/linearizability/story"
	"github.com/weirlab/weir/workloads"
	"github.com/weirlab/weir/workloads/scenario"
	simtarget "github.com/weirlab/weir/workloads/target/sim"
)

// A run that is looked at closely takes the same course. What was seen is how the
// replicas stood and what was said about the partition, and follows a record
// from its producer to all replicas.
func TestLookingCloselyChangesNothing(t *testing.T) {
	s, err := scenario.Parse("test.yaml", []byte(`
name: test
seed: 3
cluster:
  brokers: 3
  properties: {min.insync.replicas: 2, broker.session.timeout.ms: 1500, broker.heartbeat.interval.ms: 300, replica.lag.time.max.ms: 1500}
topic: {name: orders, partitions: 2, replication.factor: 3}
load: {duration: 8s, producers: {count: 1, rate: 20, record-size: 100}, consumers: {count: 1}}
faults: {plan: [{kind: crash, at: 3s, for: 3s, node: leader of orders-1}]}
`))
	require.NoError(t, err)
	s = s.Resolve()
	plain, err := workloads.RunSim(context.Background(), workloads.Options{Scenario: s})
	require.NoError(t, err)
	requirePassed(t, plain)
	probe := &simtarget.Probe{Of: linearizability.TopicPartition{Topic: "orders", Partition: 1}}
	seen, err := workloads.RunSim(context.Background(), workloads.Options{Scenario: s, Probe: probe, Unjudged: true})
	require.NoError(t, err)
	require.Equal(t, plain.Trace.Hash, seen.Trace.Hash)

	epochs, down := map[int32]int32{}, map[int32]bool{}
	for _, r := range probe.Replicas {
		if !r.Up {
			down[r.Broker] = true
			continue
		}
		require.LessOrEqual(t, r.High, r.End)
		epochs[r.Broker] = r.LeaderEpoch
	}
	require.Len(t, epochs, 3)
	require.Len(t, down, 1)
	require.Positive(t, epochs[1])
	kinds := map[string]int{}
	for _, m := range probe.Messages {
		name := m.API
		if m.Answer {
			name += " answer"
		}
		kinds[name]++
		if m.Arrived != story.Never {
			require.Greater(t, m.Arrived, m.Sent)
		}
	}
	for _, name := range []string{"Produce", "Produce answer", "Fetch", "Fetch answer", "AlterPartition", "AlterPartition answer"} {
		require.Positive(t, kinds[name], name)
	}

	// Had its record been lost, this would be its story.
	first := -1
	for i, m := range probe.Messages {
		if m.API == "Produce" && m.Answer && m.Error == "" && m.Offset == 3 {
			first = i
		}
	}
	require.GreaterOrEqual(t, first, 0)
	e := story.Explain(story.Case{Finding: linearizability.Finding{Code: "K2", Topic: "orders", Partition: 1, Offset: 3, Sentence: "lost", Time: plain.ClusterTime},
		Replicas: probe.Replicas, Messages: probe.Messages})
	require.Positive(t, len(e.Story.Steps), 4)
	require.Contains(t, e.Story.Steps[0].Text, "appends it at offset 3")
	carried := 0
	for _, m := range e.Messages {
		if m.API == "Fetch" && m.Answer && m.Offset <= 3 && m.End > 3 {
			carried++
		}
	}
	require.GreaterOrEqual(t, carried, 2, "both followers were sent it")
}
