package program

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weirlab/weir/env"
)

// schedules are all producers' schedules of a load, to the end of it.
func schedules(p Produce, start, duration time.Duration) [][]time.Duration {
	w := &Workload{cfg: Config{Start: start, Duration: duration}}
	p.w = w
	var all [][]time.Duration
	for i := range p.Producers {
		s := &schedule{p: &p, producer: i, rand: env.NewRand(7, "arrivals", string(rune('a'+i)))}
		var at []time.Duration
		for t := s.next(); t < w.end(); t = s.next() {
			at = append(at, t)
		}
		all = append(all, at)
	}
	return all
}

func TestExponentialDraws(t *testing.T) {
	require.EqualValues(t, 0, exponential(math.MaxUint64)>>1, "-ln of nearly 1")
	require.InDelta(t, 64*math.Ln2*(1<<16), float64(exponential(1)), 2)
	for _, u := range []uint64{3, 1 << 20, 1<<63 + 12345, 0xdeadbeefdeadbeef} {
		require.InDelta(t, -math.Log(float64(u)/(1<<64))*(1<<16), float64(exponential(u)), 2)
	}
	const n = 200_000
	rand := env.NewRand(1, "x", "y")
	draws := make([]float64, n)
	sum := 0.0
	for i := range draws {
		draws[i] = float64(exponential(rand.Uint64())) / (1 << 16)
		sum += draws[i]
	}
	require.InDelta(t, 1, sum/n, 0.01)
	slices.Sort(draws)
	for i := range draws { // Kolmogorov and Smirnov, at a level of one in ten million
		require.InDelta(t, float64(i)/n, 1-math.Exp(-draws[i]), 2.9/math.Sqrt(n))
	}
}

func TestPoissonArrivals(t *testing.T) {
	all := schedules(Produce{Arrivals: ArrivalsPoisson, Producers: 3, RatePerSecond: 30_000}, time.Second, 4*time.Second)
	total := 0
	for _, at := range all {
		require.True(t, slices.IsSorted(at))
		require.GreaterOrEqual(t, at[0], time.Second)
		require.InDelta(t, 40_000, len(at), 1000) // five standard deviations
		total += len(at)
	}
	require.InDelta(t, 120_000, total, 1750)
	require.Equal(t, 70*time.Hour, intervals(70*3600*1_000_000<<16, 1, 1_000_000), "a long run")
	require.NotEqual(t, all[0][:10], all[1][:10], "each producer has a stream of its own")
}

func TestRamp(t *testing.T) {
	for name, p := range map[string]Produce{
		"up":       {RampFrom: 100, RatePerSecond: 1900},
		"down":     {RampFrom: 1900, RatePerSecond: 100},
		"to stop":  {RampFrom: 2000, RatePerSecond: 1},
		"level":    {RampFrom: 1000, RatePerSecond: 1000},
		"at speed": {RampFrom: 1, RatePerSecond: 1_000_000},
	} {
		t.Run(name, func(t *testing.T) {
			p.Arrivals, p.Producers = ArrivalsRamp, 2
			all := schedules(p, 0, 2*time.Second)
			var merged []time.Duration
			for _, at := range all {
				require.True(t, slices.IsSorted(at))
				merged = append(merged, at...)
			}
			slices.Sort(merged)
			from, to := float64(p.RampFrom), float64(p.RatePerSecond)
			require.InDelta(t, from+to, len(merged), 2) // the mean rate, for two seconds
			for n, at := range merged {
				s := at.Seconds()
				require.InDelta(t, n, from*s+(to-from)*s*s/4, 0.01)
			}
		})
	}
	// A day of a million records a second stays within the integers.
	p := &Produce{RampFrom: 1, RatePerSecond: 1_000_000, w: &Workload{cfg: Config{Duration: 24 * time.Hour}}}
	half := int64(24 * 3600 / 4 * 500_000)
	require.InDelta(t, 12*3600, p.ramp(half, 0).Seconds(), 1)
}

func TestConstantArrivalsTakeTurns(t *testing.T) {
	all := schedules(Produce{Producers: 3, RatePerSecond: 1000}, 0, time.Second)
	require.Len(t, all[0], 334)
	require.Equal(t, []time.Duration{0, time.Millisecond, 2 * time.Millisecond}, []time.Duration{all[0][0], all[1][0], all[2][0]})
}
