package ec2

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func machine(t *testing.T, name string) *Machine {
	t.Helper()
	i, err := Default().Instance(name)
	require.NoError(t, err)
	m, err := NewMachine(i)
	require.NoError(t, err)
	return m
}

// TestPipeBursts30MinutesADay: AWS specifies the burst of the EBS pipe for 30
// minutes at least once every 24 hours.
func TestPipeBursts30MinutesADay(t *testing.T) {
	m := machine(t, "i3en.2xlarge")
	rule, iops := m.EBSRules()
	require.EqualValues(t, 20_000, iops.Burst)
	dry := func(now time.Duration) time.Duration {
		for {
			saved, _ := m.EBSCredits(now)
			if saved < rule.Baseline/100 {
				return now
			}
			_, now = m.pipeBytes.Admit(now, 1<<20)
		}
	}
	now := dry(0)
	require.InDelta(t, PipeBurst.Seconds(), now.Seconds(), 5)

	// Then the baseline is left and no more, for as long as it is used.
	end := now
	for end < PipeDay {
		_, end = m.pipeBytes.Admit(end, rule.Baseline/10)
	}
	_, after := m.pipeBytes.Admit(end, 60*rule.Baseline)
	require.InEpsilon(t, 60, (after - end).Seconds(), 0.0001)

	// A day of rest later it can burst again.
	rested := after + PipeDay
	require.InEpsilon(t, PipeBurst.Seconds(), (dry(rested) - rested).Seconds(), 0.02)
}

// The published baseline of an m5.large is 650 Mbit/s, 81.25 MB/s.
func TestBaselineIsWhatAWSPublishes(t *testing.T) {
	m := machine(t, "m5.large")
	m.SetEBSCredits(0)
	rule, _ := m.EBSRules()
	require.EqualValues(t, 81_250_000, rule.Baseline)
	var now time.Duration
	for range 600 {
		_, now = m.pipeBytes.Admit(now, 8_125_000)
	}
	require.InDelta(t, 60, now.Seconds(), 0.001, "10 minutes of work at a tenth of a second each")
}

// TestPipeWithoutBurst: larger instances sustain their most.
func TestPipeWithoutBurst(t *testing.T) {
	rule, _ := machine(t, "i3en.6xlarge").EBSRules()
	require.Equal(t, rule.Baseline, rule.Burst)
	_, most := machine(t, "i3en.6xlarge").EBSCredits(0)
	require.Zero(t, most)
}

func TestNetworkBursts(t *testing.T) {
	m := machine(t, "i3en.2xlarge")
	rule := m.NetworkRule()
	d, bursts := rule.BurstDuration(rule.Credit)
	require.True(t, bursts)
	require.Equal(t, NetworkBurst, d)

	_, end := m.Send(0, rule.Burst*int64(NetworkBurst/time.Second))
	require.InDelta(t, NetworkBurst.Seconds(), end.Seconds(), 0.01)
	in, out, most := m.NetworkCredits(end)
	require.Zero(t, out)
	require.Equal(t, most, in, "each direction has its own credits")
	_, later := m.Send(end, 10*rule.Baseline)
	require.InDelta(t, 10, (later - end).Seconds(), 0.01)
	_, end = m.Receive(0, rule.Burst)
	require.InDelta(t, 1, end.Seconds(), 0.01)
}

// TestBottleneckIsNamed: of a volume and its instance, the narrower one.
func TestBottleneckIsNamed(t *testing.T) {
	bottleneck := func(a *Attached, size int64) (string, time.Duration) {
		var now time.Duration
		for range 1000 {
			_, now = a.Admit(now, size)
		}
		most := a.Held(now)[0]
		for _, h := range a.Held(now) {
			if h.For > most.For {
				most = h
			}
		}
		return most.Limit, now
	}
	attach := func(instance string, s VolumeSpec) *Attached {
		a := machine(t, instance).Attach(volume(t, s))
		require.Equal(t, s.Class, a.Volume().Limits().Spec.Class)
		return a
	}
	name, end := bottleneck(attach("i3en.2xlarge", VolumeSpec{Class: "gp3", GiB: 500}), 1<<20)
	require.Equal(t, "gp3 throughput", name)
	require.InDelta(t, 8, end.Seconds(), 0.01, "1000 MiB at 125 MiB/s")

	name, _ = bottleneck(attach("i3en.2xlarge", VolumeSpec{Class: "gp3", GiB: 500, IOPS: 8000, MiBps: 2000}), 1<<20)
	require.Equal(t, "EBS bandwidth of the instance", name)

	name, end = bottleneck(attach("i3en.2xlarge", VolumeSpec{Class: "gp2", GiB: 5334}), 1)
	require.Equal(t, "gp2 IOPS", name)
	require.InDelta(t, 1000.0/16_000, end.Seconds(), 0.001)
}

// TestSharedPipe: volumes of one instance share its pipe.
func TestSharedPipe(t *testing.T) {
	m := machine(t, "i3en.2xlarge")
	s := VolumeSpec{Class: "gp3", GiB: 500, IOPS: 8000, MiBps: 1000}
	a, b := m.Attach(volume(t, s)), m.Attach(volume(t, s))
	_, _ = a.Admit(0, 593_750_000)
	_, end := b.Admit(0, 593_750_000)
	require.InDelta(t, 2, end.Seconds(), 0.001)
}

// TestSameInputSameOutput: a model is a function of what it was given.
func TestSameInputSameOutput(t *testing.T) {
	i, err := Default().Instance("i4i.xlarge")
	require.NoError(t, err)
	rapid.Check(t, func(t *rapid.T) {
		class := rapid.SampledFrom([]string{"gp2", "gp3", "st1", "sc1"}).Draw(t, "class")
		gib := rapid.Int64Range(125, 16_384).Draw(t, "GiB")
		gaps := rapid.SliceOfN(rapid.Int64Range(0, int64(10*time.Second)), 1, 20).Draw(t, "gaps")
		sizes := rapid.SliceOfN(rapid.Int64Range(0, 1<<30), len(gaps), len(gaps)).Draw(t, "sizes")
		run := func() (ends []time.Duration) {
			m, err := NewMachine(i)
			require.NoError(t, err)
			v, err := NewVolume(VolumeSpec{Class: class, GiB: gib})
			require.NoError(t, err)
			a := m.Attach(v)
			var now time.Duration
			for n, gap := range gaps {
				now += time.Duration(gap)
				start, end := a.Submit(now, Transfer{Bytes: sizes[n], Continues: n%2 == 1})
				require.LessOrEqual(t, now, start)
				require.LessOrEqual(t, start, end)
				ends = append(ends, end)
				for _, credits := range []func(time.Duration) (int64, int64){v.IOCredits, v.ByteCredits, m.EBSCredits} {
					saved, most := credits(end)
					require.GreaterOrEqual(t, saved, int64(0))
					require.LessOrEqual(t, saved, most)
				}
			}
			return ends
		}
		require.Equal(t, run(), run())
	})
}
