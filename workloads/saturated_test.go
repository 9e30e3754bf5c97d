package workloads_test

import (
	"context"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/linearizability"
	"github.com/weirlab/weir/workloads"
	"github.com/weirlab/weir/workloads/scenario"
)

// saturatedI3en is 10 s of a cluster that is given more than its disks can
// write: each broker takes in everything once, as leader or follower, and
// stripes it over two NVMe disks of 333 MB/s.
const saturatedI3en = `
name: saturated-i3en
seed: 1
cluster:
  brokers: 3
  machine: i3en.2xlarge
  storage: instance-store
  dirty-percent: 80
  properties: {min.insync.replicas: 2}
topic: {name: bench, partitions: 96, replication.factor: 3}
load:
  duration: 10s
  history: batches
  producers:
    count: 4
    arrivals: saturate
    partitioner: sticky
    record-size: 1024
    properties: {acks: all, enable.idempotence: false, batch.size: 131072, linger.ms: 10, max.request.size: 1048576}
  consumers:
    count: 4
recovery: 1m
`

// BenchmarkSaturatedI3en simulates those 10 s on one processor and reports what
// that took: only measured, as comparisons do, and with invariants watched,
// replicas read back and all judged, as weir run does. Run it with
// -benchtime=1x, and one of the two at a time: peak-MB is the process's.
func BenchmarkSaturatedI3en(b *testing.B) {
	b.Run("measured", func(b *testing.B) { saturated(b, true) })
	b.Run("judged", func(b *testing.B) { saturated(b, false) })
}

func saturated(b *testing.B, brief bool) {
	s, err := scenario.Parse("saturated.yaml", []byte(saturatedI3en))
	require.NoError(b, err)
	s = s.Resolve()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	for b.Loop() {
		tally := &tally{}
		cpu, _ := cpuTime()
		o, err := workloads.RunSim(context.Background(), workloads.Options{Scenario: s, Sink: tally, Brief: brief})
		require.NoError(b, err)
		require.True(b, o.Complete, o.Interrupted)
		require.Empty(b, o.Verdict.Findings)
		if now, ok := cpuTime(); ok {
			b.ReportMetric((now - cpu).Seconds(), "cpu-s")
		}
		seconds := 10.0
		b.ReportMetric(float64(o.Acked)*1024/seconds/1e6, "acked-MB/sim-s")
		b.ReportMetric(float64(o.Consumed)*1024/seconds/1e6, "consumed-MB/sim-s")
		b.ReportMetric(float64(tally.written)/3/seconds/1e6, "disk-MB/sim-s/broker")
		b.ReportMetric(float64(o.Stats.Events), "events")
		b.ReportMetric(o.ClusterTime.Seconds(), "cluster-s")
	}
	if peak, ok := peakMemory(); ok {
		b.ReportMetric(float64(peak)/1e6, "peak-MB")
	}
}

// TestASaturatedRunIsAFunctionOfItsScenario: what runs share to be fast, buffers
// and compressed chunks, has no effect on them, and nothing is lost or changed.
func TestASaturatedRunIsAFunctionOfItsScenario(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	s, err := scenario.Parse("saturated.yaml", []byte(strings.Replace(saturatedI3en, "duration: 10s", "duration: 400ms", 1)))
	require.NoError(t, err)
	s = s.Resolve()
	first, second := simulate(t, s), simulate(t, s)
	requirePassed(t, first)
	require.Equal(t, first.Acked, first.Consumed)
	require.Greater(t, first.Acked, int64(100_000))
	require.Equal(t, first.Trace, second.Trace)
}

// tally keeps of a run what its brokers' disks wrote.
type tally struct{ written int64 }

func (t *tally) Latency(string, time.Duration, time.Duration, int64) {}
func (t *tally) Event(string, time.Duration, string, []env.Attr)     {}
func (t *tally) PartitionState(linearizability.PartitionState)       {}
func (t *tally) Row(_ time.Duration, r workloads.Row) {
	for _, b := range r.Brokers {
		t.written += b.DiskWrittenBytes
	}
}
