package workloads_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/linearizability"
	"github.com/weirlab/weir/workloads"
	"github.com/weirlab/weir/workloads/scenario"
	"github.com/weirlab/weir/workloads/target"
)

// rows is a sink that keeps rows and their times.
type rows struct {
	at   []time.Duration
	sum  workloads.Row
	late map[string][]time.Duration // latencies of at least 10 ms
}

func (r *rows) Latency(tag string, _, d time.Duration, n int64) {
	if r.late == nil {
		r.late = map[string][]time.Duration{}
	}
	for range n {
		if d >= 10*time.Millisecond {
			r.late[tag] = append(r.late[tag], d)
		}
	}
}
func (r *rows) Event(string, time.Duration, string, []env.Attr) {}
func (r *rows) PartitionState(linearizability.PartitionState)   {}
func (r *rows) Row(at time.Duration, row workloads.Row) {
	r.at = append(r.at, at)
	r.sum.Offered += row.Offered
	r.sum.Acked += row.Acked
	r.sum.AckedBytes += row.AckedBytes
	r.sum.Failed += row.Failed
	r.sum.Unknown += row.Unknown
	r.sum.Consumed += row.Consumed
}

func measured(t *testing.T, load string) (*workloads.Outcome, *rows) {
	s, err := scenario.Parse("throughput.yaml", []byte(`
name: throughput
seed: 1
recovery: 60s
`+load))
	require.NoError(t, err)
	var r rows
	o, err := workloads.RunSim(t.Context(), workloads.Options{Scenario: s.Resolve(), Sink: &r})
	require.NoError(t, err)
	return o, &r
}

// A broker that pauses from the middle of the load until after its end: what
// was offered meanwhile is acknowledged late, and the load was carried.
const pausedLoad = `
cluster: {brokers: 1, storage: gp3}
topic: {name: orders, partitions: 1, replication.factor: 1}
load:
  duration: 10s
  producers: {count: 1, rate: 100, record-size: 100, properties: {acks: all}}
  consumers: {count: 1}
faults:
  plan:
    - {kind: pause, at: 4s, for: 8s, node: broker-1}
`

func TestThroughputIsOfTheSecondsOfLoad(t *testing.T) {
	o, _ := measured(t, pausedLoad)
	require.Equal(t, 10*time.Second, o.Throughput.To-o.Throughput.From)
	require.Equal(t, o.LoadStart, o.Throughput.From)
	require.EqualValues(t, 1000, o.Throughput.Acked)
	require.EqualValues(t, 100_000, o.Throughput.AckedBytes)
	require.EqualValues(t, 600, o.Throughput.Late)
}

// A pause of 6 s (the load ends, and all faults with it) at 100 records/s is
// 600 records whose latency falls evenly from 6 s to nothing, counted from when
// they were meant to be sent.
func TestEveryRecordOfAPauseWaitsForItsEnd(t *testing.T) {
	_, r := measured(t, pausedLoad)
	for _, tag := range []string{workloads.TagProduce, workloads.TagEndToEnd} {
		late := r.late[tag]
		slices.Sort(late)
		require.GreaterOrEqual(t, len(late), 598, tag)
		for i, d := range late[len(late)-598:] {
			require.InDelta(t, float64(i+2)*0.01, d.Seconds(), 0.05, "%s: record %d from the end of the pause", tag, i)
		}
	}
}

func TestThroughputLeavesTheWarmUpOut(t *testing.T) {
	o, _ := measured(t, `
cluster: {brokers: 1, storage: gp3}
topic: {name: orders, partitions: 1, replication.factor: 1}
load:
  duration: 6s
  warm-up: 2s
  history: batches
  producers: {count: 1, rate: 2000, record-size: 100, properties: {acks: 1}}
`)
	require.EqualValues(t, 12_000, o.Acked)
	require.Equal(t, 4*time.Second, o.Throughput.To-o.Throughput.From)
	require.EqualValues(t, 8000, o.Throughput.Acked)
	require.EqualValues(t, 800_000, o.Throughput.AckedBytes)
}

func TestSumsOfTheSeriesEqualTheCounters(t *testing.T) {
	o, r := measured(t, pausedLoad)
	require.EqualValues(t, 1000, r.sum.Offered)
	require.Equal(t, o.Acked, r.sum.Acked)
	require.Equal(t, o.Failed, r.sum.Failed)
	require.Equal(t, o.Unknown, r.sum.Unknown)
	require.Equal(t, o.Consumed, r.sum.Consumed)
	require.Equal(t, 100*o.Acked, r.sum.AckedBytes)
	require.Equal(t, o.ClusterTime, r.at[len(r.at)-1], "the last partial second is there")
	for i, at := range r.at[:len(r.at)-1] {
		require.Equal(t, time.Duration(i+1)*time.Second, at)
	}
}

// What waits for its turn has not passed: in no window does a limit let pass
// more than it allows, and an EBS pipe without credits is at its baseline.
func TestNoLimitLetsMorePassThanItAllows(t *testing.T) {
	o, _ := measured(t, `
cluster: {brokers: 1, machine: m5.large, storage: gp3, volume: {throughput-mibps: 250, credits-percent: 0}}
load:
  duration: 3s
  warm-up: 1s
  history: batches
  producers: {count: 4, rate: 150000, record-size: 1000, properties: {acks: 1, linger.ms: 5, batch.size: 100000}}
topic: {name: orders, partitions: 4, replication.factor: 1, configs: {flush.messages: 1}}
`)
	require.Len(t, o.Usage, 1)
	var pipe *target.LimitUse
	for i, l := range o.Usage[0].Limits {
		require.LessOrEqual(t, l.Percent(), int64(100), "%+v", l)
		if l.Name == "EBS bandwidth of the instance" {
			pipe = &o.Usage[0].Limits[i]
		}
	}
	require.NotNil(t, pipe)
	require.EqualValues(t, 81_250_000, pipe.PerSecond, "its credits are spent")
	require.InEpsilon(t, 81_250_000, pipe.Used, 0.02, "saturated")
}

// cancelAt is a sink that ends the run at a time.
type cancelAt struct {
	rows
	at     time.Duration
	cancel context.CancelFunc
}

func (c *cancelAt) Row(at time.Duration, row workloads.Row) {
	if c.rows.Row(at, row); at >= c.at {
		c.cancel()
	}
}

// A run that is cut short is measured over the seconds that it had, not over
// those that were planned, and what its series tells is what it counted.
func TestARunCutShortIsMeasuredOverWhatThereWasOfIt(t *testing.T) {
	for _, c := range []struct {
		name string
		at   time.Duration
		load string
	}{
		{"in the load", 8 * time.Second, "warm-up: 2s"},
		{"in the warm-up", 2 * time.Second, "warm-up: 300s"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := scenario.Parse("short.yaml", []byte(`
name: short
seed: 1
recovery: 60s
cluster: {brokers: 1, storage: gp3}
topic: {name: orders, partitions: 1, replication.factor: 1}
load: {duration: 600s, `+c.load+`, producers: {count: 1, rate: 100, record-size: 100, properties: {acks: all}}, consumers: {count: 1}}
`))
			require.NoError(t, err)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			r := cancelAt{at: c.at, cancel: cancel}
			o, err := workloads.RunSim(ctx, workloads.Options{Scenario: s.Resolve(), Sink: &r})
			require.NoError(t, err)
			require.False(t, o.Complete)
			require.Greater(t, o.Acked, int64(100))
			require.Equal(t, o.Acked, r.sum.Acked)
			require.Equal(t, o.Consumed, r.sum.Consumed)
			if c.name == "in the warm-up" {
				require.Zero(t, o.Throughput, "nothing was to be measured yet")
				return
			}
			require.Equal(t, o.LoadStart+2*time.Second, o.Throughput.From)
			require.Equal(t, o.ClusterTime, o.Throughput.To)
			require.InDelta(t, 100, float64(o.Throughput.Acked)/(o.Throughput.To-o.Throughput.From).Seconds(), 1)
		})
	}
}
