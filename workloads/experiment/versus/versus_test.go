package versus

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/env/envtest"
	"github.com/weirlab/weir/reports/render"
	"github.com/weirlab/weir/sim"
	"github.com/weirlab/weir/sim/machine"
	"github.com/weirlab/weir/workloads/calibrate"
	"github.com/weirlab/weir/workloads/experiment/document"
	"github.com/weirlab/weir/workloads/measure"
	"github.com/weirlab/weir/workloads/target"
)

// profile is a small machine that nobody has.
func profile(t *testing.T) machine.Profile {
	costs, err := machine.CostTable("weir")
	require.NoError(t, err)
	micros := func(low, high int64) []sim.Quantile {
		return []sim.Quantile{{PPM: 0, Value: time.Duration(low) * time.Microsecond}, {PPM: 1_000_000, Value: time.Duration(high) * time.Microsecond}}
	}
	p := machine.Profile{
		Schema: machine.Schema, Name: "test", Title: "a test's machine, 2 cores", Cores: 2, MemoryBytes: 4 << 30, Costs: costs,
		Wakeup: micros(10, 50), Timer: micros(50, 1050),
		Disk: &machine.Disk{
			Title: "a test's disk", CapacityBytes: 1 << 40, WriteBytesPerSecond: 1e9, ReadBytesPerSecond: 1e9,
			Series: []machine.DiskSeries{
				{Op: machine.OverwriteSync, Bytes: 4096, Depth: 1, Count: 100, BytesPerSecond: 4096 * 7000, Latency: micros(100, 200)},
				{Op: machine.AppendSync, Bytes: 4096, Depth: 1, Count: 100, BytesPerSecond: 4096 * 5000, Latency: micros(150, 300)},
			},
		},
		Network: &machine.Network{Loopback: micros(3, 4)},
		Sources: []machine.Source{{What: "everything", Basis: "assumption", Source: "this test"}},
	}
	require.NoError(t, p.Check())
	return p
}

func TestSimulatedWorkloadsMakeADocument(t *testing.T) {
	envtest.NoRaces(t, "a simulated cluster")
	plan := calibrate.DefaultPlan()
	plan.WarmUp, plan.Window = 100*time.Millisecond, 200*time.Millisecond
	r, err := Run(context.Background(), Options{Profile: profile(t), Plan: plan, Seeds: 2, SkipReal: true, Only: []string{"acks-all-fsync-on-1p", "acks-1-fsync-on-12p"}})
	require.NoError(t, err)
	require.Len(t, r.Cases, 2)
	for i := range r.Cases {
		require.Len(t, r.Cases[i].Saturated.Sim, 2)
		require.Positive(t, r.Cases[i].Compare(Throughput).Sim.Median)
		require.Positive(t, r.Cases[i].Compare(P50).Sim.Median)
	}
	_, ok := r.Median(HeldOut, Throughput)
	require.False(t, ok, "nothing is real")
	require.False(t, r.Met(Throughput))
	d := r.Document()
	require.NoError(t, d.Check())

	text, err := json.Marshal(r)
	require.NoError(t, err)
	var back Result
	require.NoError(t, json.Unmarshal(text, &back))
	require.Equal(t, d, back.Document(), "a result that was saved says the same")
}

func TestOneSeedIsTheSameEveryTime(t *testing.T) {
	plan := calibrate.DefaultPlan()
	plan.WarmUp, plan.Window = 50*time.Millisecond, 100*time.Millisecond
	hashes := map[string]bool{}
	for range 2 {
		r, err := Run(context.Background(), Options{Profile: profile(t), Plan: plan, Seeds: 1, SkipReal: true, Only: []string{"acks-all-fsync-on-12p"}})
		require.NoError(t, err)
		hashes[r.Cases[0].Saturated.Sim[0].TraceHash] = true
	}
	require.Len(t, hashes, 1)
}

func TestRunNamesTheWorkloadsThereAre(t *testing.T) {
	_, err := Run(context.Background(), Options{Profile: profile(t), SkipReal: true, Only: []string{"acks-2"}})
	require.ErrorContains(t, err, "acks-all-fsync-on-12p")
}

// made is a measurement with the figures that errors are computed from.
func made(perSecond float64, p50 time.Duration, cores float64) *measure.Measurement {
	m := &measure.Measurement{AckedPerSecond: perSecond, Machines: []target.Usage{
		{Name: "broker-1", Over: time.Second, CPU: time.Duration(cores * 1e9), Cores: 2, Work: []target.WorkCount{{Op: "response", Calls: 10}}},
		{Name: "machine", Over: time.Second, CPU: time.Hour},
	}}
	for range 100 {
		m.Produce.Record(p50, 1)
		m.ProduceUncorrected.Record(p50/2, 1)
	}
	return m
}

// compared has the simulation off by so many percent in every workload.
func compared(throughput, p50 float64) *Result {
	r := &Result{Schema: Schema, Plan: calibrate.DefaultPlan(), Profile: machine.Profile{Title: "a machine"}}
	for _, w := range calibrate.Workloads() {
		real := []*measure.Measurement{made(900, time.Millisecond, 1.9), made(1000, time.Millisecond, 1.9), made(1300, time.Millisecond, 1.9)}
		m := made(1000*(1+throughput/100), time.Duration(float64(time.Millisecond)*(1+p50/100)), 1)
		r.Cases = append(r.Cases, Case{
			Workload:  w,
			Saturated: Phase{Real: real, Sim: []*measure.Measurement{m}}, FixedRate: Phase{Real: real, Sim: []*measure.Measurement{m}},
		})
	}
	return r
}

func TestErrorsAreOfMedians(t *testing.T) {
	r := compared(-15, 30)
	c := r.Cases[0].Compare(Throughput)
	require.Equal(t, Spread{Median: 1000, Low: 900, High: 1300}, c.Real)
	require.InDelta(t, 20, c.Noise(), 1e-9)
	e, ok := c.Error()
	require.True(t, ok)
	require.InDelta(t, -15, e, 1e-9)
	for _, half := range []Half{Calibration, HeldOut} {
		e, ok = r.Median(half, P50)
		require.True(t, ok)
		require.InDelta(t, 30, e, 0.5)
	}
	require.True(t, r.Met(Throughput))
	require.True(t, r.Met(P50))
	require.InDelta(t, 1900, r.Cases[0].Compare(CPUPerRecord).Real.Median, 1e-6, "the machine that processes share does not count twice")
}

// A simulation that is far off must not look well.
func TestAMissIsTold(t *testing.T) {
	r := compared(60, -50)
	require.False(t, r.Met(Throughput))
	require.False(t, r.Met(P50))
	d := r.Document()
	require.NoError(t, d.Check())
	var text bytes.Buffer
	require.NoError(t, render.Text(&text, d, 200, false))
	require.Contains(t, text.String(), "missed")
	require.Contains(t, strings.Join(d.Summary, "\n"), "The real machine is short of CPU and the simulated one waits for something else.")
	bad := 0
	for _, s := range d.Sections {
		for _, table := range s.Tables {
			for _, row := range table.Rows {
				for _, cell := range row {
					if cell.Mark == document.Bad {
						bad++
					}
				}
			}
		}
	}
	require.GreaterOrEqual(t, bad, 16, "throughput and p50 of eight workloads")
	require.NotContains(t, text.String(), "No workload misses a target.")
	require.Contains(t, func() string {
		var b bytes.Buffer
		require.NoError(t, render.Text(&b, compared(5, 5).Document(), 200, false))
		return b.String()
	}(), "No workload misses a target.")
}

func TestRecordsOfAnotherSizeAreUnseen(t *testing.T) {
	plan := calibrate.DefaultPlan()
	plan.WarmUp, plan.Window, plan.Bytes = 100*time.Millisecond, 200*time.Millisecond, 200
	r, err := Run(context.Background(), Options{Profile: profile(t), Plan: plan, Seeds: 1, SkipReal: true, Only: []string{"acks-1-fsync-off-1p"}})
	require.NoError(t, err)
	require.True(t, r.Cases[0].Workload.Calibration(), "with records of the usual size")
	require.False(t, r.Cases[0].calibration())
	d := r.Document()
	require.NoError(t, d.Check())
	var text bytes.Buffer
	require.NoError(t, render.Text(&text, d, 120, false))
	require.Contains(t, text.String(), "on records of 200 bytes")
	require.NotContains(t, text.String(), "held out")
}
