package calibrate

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/sim"
	"github.com/weirlab/weir/sim/machine"
	"github.com/weirlab/weir/workloads"
	"github.com/weirlab/weir/workloads/measure"
	"github.com/weirlab/weir/workloads/scenario"
	"github.com/weirlab/weir/workloads/target"
)

func testMachine(t *testing.T) machine.Profile {
	t.Helper()
	costs, err := machine.CostTable("weir")
	require.NoError(t, err)
	micros := func(low, high int64) []sim.Quantile {
		return []sim.Quantile{{PPM: 0, Value: time.Duration(low) * time.Microsecond}, {PPM: 1_000_000, Value: time.Duration(high) * time.Microsecond}}
	}
	p := machine.Profile{
		Schema: machine.Schema, Name: "test", Title: "a test's machine", Cores: 2, MemoryBytes: 4 << 30, Costs: costs,
		Wakeup: micros(10, 50), Timer: micros(50, 1050),
		Disk: &machine.Disk{
			Title: "a test's disk", CapacityBytes: 1 << 40, WriteBytesPerSecond: 1e9, ReadBytesPerSecond: 1e9,
			Series: []machine.DiskSeries{
				{Op: machine.OverwriteSync, Bytes: 4096, Depth: 1, Count: 100, BytesPerSecond: 4096 * 7000, Latency: micros(100, 200)},
				{Op: machine.AppendSync, Bytes: 4096, Depth: 1, Count: 100, BytesPerSecond: 4096 * 5000, Latency: micros(150, 300)},
			},
		},
		Network: &machine.Network{Loopback: micros(3, 4)},
	}
	require.NoError(t, p.Check())
	return p
}

// A machine whose commits are known to take longer among busy brokers stands
// in for the real one: the fit must find by how much.
func TestWhatSyncsTakeInBusyBrokersIsFound(t *testing.T) {
	if testing.Short() {
		t.Skip("-short leaves out simulating 50 clusters")
	}
	plan := Plan{WarmUp: 200 * time.Millisecond, Window: 500 * time.Millisecond, Rate: 500, Bytes: 1 << 10}
	for _, want := range []time.Duration{0, 160 * time.Microsecond} {
		stand := testMachine(t)
		stand.Disk.BusyCommitNanos = int64(want)
		real := map[Workload][]target.Usage{}
		for _, w := range Workloads() {
			if !w.Fsync || !w.Calibration() {
				continue
			}
			for seed := range scenario.Seed(4) {
				m, err := measure.Run(context.Background(), w.Scenario(Saturated, plan, "machine.json", 7+seed), measure.Target{Kind: measure.Sim, Options: workloads.Options{Machine: &stand}})
				require.NoError(t, err)
				// On a real machine the system call is part of what a sync takes.
				for i := range m.Machines {
					u := &m.Machines[i]
					u.DiskSyncTime += time.Duration(u.DiskSyncs) * stand.Price(syncOperation, 1)
				}
				real[w] = append(real[w], m.Machines...)
			}
		}
		require.Len(t, real, 2)
		p := testMachine(t)
		fit, err := fitSync(context.Background(), &p, plan, real, func(string) {})
		require.NoError(t, err)
		require.InDelta(t, want, fit.Busy, float64(30*time.Microsecond), "the seeds differ")
		require.Equal(t, int64(fit.Busy), p.Disk.BusyCommitNanos)
		require.Len(t, fit.Runs, 2)
	}
}

func TestWithoutSyncsNothingIsFitted(t *testing.T) {
	p := testMachine(t)
	fit, err := fitSync(context.Background(), &p, DefaultPlan(), nil, func(string) {})
	require.NoError(t, err)
	require.Empty(t, fit.Runs)
	require.Zero(t, p.Disk.BusyCommitNanos)
}
