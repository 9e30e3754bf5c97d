package compare

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/env/envtest"
	"github.com/weirlab/weir/workloads/experiment"
)

// made up figures of a simulation.
func madeUp(fsync bool, mb int64, p99 time.Duration) *Figures {
	f := &Figures{
		Fsync: fsync, Acked: mb * 1e6, Consumed: mb * 1e6, Bottleneck: "disk", Window: time.Second, WarmUp: warmUp, TraceHash: "0",
		Used:   []LimitUse{{"disk", 100}},
		Demand: Demand{WriteBytes: mb * 1e6, WriteIOs: mb * 4, InBytes: mb * 1e6, OutBytes: mb * 1e6},
	}
	for _, q := range percentiles {
		f.Produce = append(f.Produce, Quantile{q, time.Duration(float64(p99) * q / 99)})
	}
	f.EndToEnd = f.Produce
	f.Seconds = []Second{{At: time.Second, Acked: 1, P50: p99 / 2, P99: p99}, {At: 2 * time.Second, Acked: 1, P50: p99 / 2, P99: p99}}
	return f
}

// madeUpResult is a comparison with made up simulations and everything else as
// it is computed.
func madeUpResult(t *testing.T) *Result {
	t.Helper()
	envtest.NoRaces(t, "figures that are given")
	p := DefaultPlan()
	p.Hours = 4
	r := &Result{Schema: Schema, Plan: p}
	for _, x := range []struct {
		ceiling, spent int64 // MB/s
		p99            time.Duration
	}{
		{600, 0, 2 * time.Millisecond}, {1000, 580, time.Millisecond}, // i3en, i4i
		{250, 0, 9 * time.Millisecond}, {125, 0, 8 * time.Millisecond}, // gp2, gp3
		{590, 290, 4 * time.Millisecond}, {120, 19, 50 * time.Millisecond}, // io2, st1
	} {
		c := p.Configurations[len(r.Configurations)]
		e := &Entry{Configuration: c, CatchUp: &CatchUp{Instance: c.Instance, Bytes: 1e9, Took: 2 * time.Second, BytesPerSecond: 5e8}}
		var err error
		for _, pattern := range e.Patterns() {
			pattern.Fsync = pattern == &e.On
			pattern.Ceiling, pattern.Common = madeUp(pattern.Fsync, x.ceiling, time.Second), madeUp(pattern.Fsync, 20, x.p99)
			pattern.Course, err = Drain(c, pattern.Ceiling.Demand, p.Hours)
			require.NoError(t, err)
			if x.spent > 0 {
				require.NotEmpty(t, pattern.Course.Exhausted, c)
				pattern.Spent = madeUp(pattern.Fsync, x.spent, time.Second)
				pattern.Before, pattern.After = madeUp(pattern.Fsync, (x.ceiling+x.spent)/2, x.p99), madeUp(pattern.Fsync, x.spent, time.Second)
				pattern.Before.Requested = pattern.Before.Acked
				pattern.BetweenCourse, err = Drain(c, pattern.Before.Demand, p.Hours)
				require.NoError(t, err)
			}
		}
		e.Bill, err = Price(p, c)
		require.NoError(t, err)
		e.Host, err = Refill(p, c, HostLost, e.CatchUp.BytesPerSecond)
		require.NoError(t, err)
		e.Storage, err = Refill(p, c, StorageLost, e.CatchUp.BytesPerSecond)
		require.NoError(t, err)
		e.Exposure, err = Expose(p, c, e.Host)
		require.NoError(t, err)
		r.Configurations = append(r.Configurations, e)
	}
	return r
}

// TestAdviceFollowsTheFigures: the answers change when the figures do.
func TestAdviceFollowsTheFigures(t *testing.T) {
	r := madeUpResult(t)
	by := func(question int) Advice { return Advise(r)[question+1] } // after the one for all

	// st1 is the cheapest volume, but is too slow once its credits are spent.
	require.Equal(t, "gp3", by(0).Choice)
	require.Contains(t, by(0).Reasons, "st1 carries it only while burst credits last: 120 MB/s with them, 19.0 MB/s without")
	r.entry("st1").Off.Spent = nil
	require.Equal(t, "st1", by(0).Choice)
	r = madeUpResult(t)

	// $1,502 for 580 MB/s.
	require.Equal(t, "i4i.2xlarge", by(2).Choice)
	require.Contains(t, by(2).Answer, "$2.59")
	r.entry("i4i.2xlarge").Off.Spent.Acked = 1e6
	require.NotEqual(t, "i4i.2xlarge", by(2).Choice)
	r = madeUpResult(t)

	all := Advise(r)[0]
	require.Equal(t, "gp3", all.Choice)
	require.Contains(t, all.sentence(9), "The cheapest of the other kind, instance store of i4i.2xlarge, costs $339 a month more")
	require.Contains(t, all.sentence(9), "Take i4i.2xlarge instead if every batch has to be synced and latency matters: 1.00 ms against 8.00 ms")

	// What does not keep up is not quick.
	require.Equal(t, "i4i.2xlarge", by(3).Choice)
	r.entry("i4i.2xlarge").On.Common.Broken = []string{"not met"}
	require.Equal(t, "i3en.2xlarge", by(3).Choice)
	r = madeUpResult(t)

	// Only volumes survive that everything is stopped.
	require.Equal(t, "gp3", by(4).Choice)
	r.Configurations = r.Configurations[:2]
	require.Empty(t, by(4).Choice)
	require.Contains(t, by(4).Answer, "Not with instance store")
	r = madeUpResult(t)

	// What holds for a while only.
	last := by(5)
	require.Contains(t, last.Reasons[len(last.Reasons)-1], "st1 with an fsync of every batch takes 120 MB/s until its st1 throughput credits run out")

	// Nothing carries everything.
	r.Plan.LoadBytesPerSecond = 5e9
	require.Empty(t, by(0).Choice)
	require.Contains(t, by(0).Answer, "None")
	require.Len(t, by(0).Reasons, 6)
}

func (r *Result) entry(name string) *Entry {
	for _, e := range r.Configurations {
		if e.name() == name {
			return e
		}
	}
	return nil
}

// TestTurn: one EBS cluster after the other becomes dearer than one of
// instance stores.
func TestTurn(t *testing.T) {
	r := madeUpResult(t)
	load, from, to := r.turn()
	require.Equal(t, EBS, from.Configuration.Kind())
	require.Equal(t, Ephemeral, to.Configuration.Kind())
	require.Less(t, from.costAt(load-1_000_000), to.costAt(load-1_000_000))
	require.GreaterOrEqual(t, from.costAt(load), to.costAt(load))
}

// TestDocument holds that a document of a result is whole, and that a result
// survives its file.
func TestDocument(t *testing.T) {
	r := madeUpResult(t)
	require.NoError(t, r.Document().Check())
	require.NoError(t, r.Brief().Check())

	var file bytes.Buffer
	require.NoError(t, experiment.Write(&file, r))
	again, err := Read(bytes.NewReader(file.Bytes()))
	require.NoError(t, err)
	require.Equal(t, r.Document(), again.Document())

	_, err = Read(bytes.NewReader(bytes.Replace(file.Bytes(), []byte(Schema), []byte("weir-compare-0"), 1)))
	require.ErrorContains(t, err, "run the experiment again")

	// Few configurations leave sections short, not broken.
	r.Configurations = r.Configurations[3:4]
	require.NoError(t, r.Document().Check())
}
