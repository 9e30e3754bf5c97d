package workloads_test

import (
	"bytes"
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/linearizability"
	"github.com/weirlab/weir/workloads"
	"github.com/weirlab/weir/workloads/scenario"
)

// Readers that begin anywhere, dawdle and vanish get what is in the log, in
// order and without a gap.
func TestSeekers(t *testing.T) {
	s, err := scenario.Parse("seekers.yaml", []byte(`
name: seekers
seed: 2
cluster:
  brokers: 3
  properties: {min.insync.replicas: 2, broker.session.timeout.ms: 2000, broker.heartbeat.interval.ms: 400}
topics:
  - {name: orders, partitions: 2, replication.factor: 3, configs: {min.insync.replicas: 2}}
load:
  duration: 30s
  properties: {request.timeout.ms: 3000}
  programs:
    - producers: {topic: orders, count: 2, rate: 60, record-size: 100}
    - seekers: {topic: orders, count: 4, slow: 1s, properties: {max.poll.records: 10}}
faults:
  plan:
    - {kind: crash, at: 8s, for: 2s, node: leader of orders-0}
    - {kind: partition, at: 15s, for: 3s, between: [broker-1], and: [broker-2]}
`))
	require.NoError(t, err)
	var file bytes.Buffer
	o, err := workloads.RunSim(context.Background(), workloads.Options{Scenario: s, History: &file})
	require.NoError(t, err)
	requirePassed(t, o)
	for _, c := range o.Verdict.Checks {
		if c.Code == "K7" || c.Code == "K5" && c.Unit == "records read" {
			require.Equal(t, linearizability.Pass, c.Status, "%s %s: %s", c.Code, c.Name, c.Note)
			require.NotZero(t, c.Inputs, "%s %s", c.Code, c.Name)
		}
	}
	h, err := linearizability.ReadHistory(&file)
	require.NoError(t, err)
	sessions, begun := map[[2]int64]bool{}, map[int64]bool{}
	for _, p := range h.Polls {
		sessions[[2]int64{p.Process, p.Session}] = true
		begun[p.Position] = true
	}
	require.Greater(t, len(sessions), 40, "visits")
	require.Greater(t, len(begun), 40, "places where they begin")
}
