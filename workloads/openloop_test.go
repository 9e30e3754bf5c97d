package workloads_test

import (
	"context"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/workloads"
	"github.com/weirlab/weir/workloads/scenario"
)

// openLoop is 600,000 records a second for two seconds, on schedule, recorded
// by the batch. Acknowledged by leaders alone and read by nobody, so that what
// the clients cost shows.
const openLoop = `
name: open-loop
seed: 1
cluster:
  brokers: 3
  machine: i3en.2xlarge
  storage: instance-store
topic: {name: bench, partitions: 48, replication.factor: 1}
load:
  duration: 2s
  history: batches
  producers:
    count: 6
    rate: 600000
    arrivals: poisson
    partitioner: sticky
    record-size: 1024
    properties: {acks: 1, enable.idempotence: false, batch.size: 131072, linger.ms: 1}
  consumers:
    count: 3
recovery: 1m
`

// BenchmarkOpenLoop simulates that on one processor. Look at its CPU profile
// for what a record costs its clients.
func BenchmarkOpenLoop(b *testing.B) {
	s, err := scenario.Parse("open-loop.yaml", []byte(openLoop))
	require.NoError(b, err)
	s = s.Resolve()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	for b.Loop() {
		cpu, _ := cpuTime()
		o, err := workloads.RunSim(context.Background(), workloads.Options{Scenario: s, Brief: true})
		require.NoError(b, err)
		require.True(b, o.Complete, o.Interrupted)
		require.Empty(b, o.Verdict.Findings)
		if now, ok := cpuTime(); ok {
			b.ReportMetric(float64((now-cpu).Nanoseconds())/float64(o.Acked), "cpu-ns/record")
		}
		b.ReportMetric(float64(o.Acked), "records")
		b.ReportMetric(float64(o.Operations), "operations")
		b.ReportMetric(float64(o.LateBy.Microseconds()), "late-µs")
	}
}
