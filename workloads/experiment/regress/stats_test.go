package regress

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// synthetic is the noise of a machine, in logarithms.
type synthetic struct {
	name    string
	process func(r *rand.Rand) float64
	drift   func(r *rand.Rand, at float64) float64 // shared by a round; at is from 0 to 1

	// What 15 % slower processes must at least give, of 1000 comparisons.
	found int
}

func normal(sd float64) func(*rand.Rand) float64 {
	return func(r *rand.Rand) float64 { return sd * r.NormFloat64() }
}

var machines = []synthetic{
	{name: "quiet", process: normal(0.01), found: 1000},
	{name: "loaded", process: normal(0.03), found: 990},
	{name: "very loaded", process: normal(0.045), found: 800},
	// Student's t with three degrees of freedom, which has no fourth moment.
	{name: "heavy tails", found: 980, process: func(r *rand.Rand) float64 {
		chi := 0.0
		for range 3 {
			chi += square(r.NormFloat64())
		}
		return 0.02 * r.NormFloat64() / math.Sqrt(chi/3)
	}},
	{name: "one process in ten up to half slower", found: 880, process: func(r *rand.Rand) float64 {
		v := 0.02 * r.NormFloat64()
		if r.IntN(10) == 0 {
			v += 0.4 * r.Float64()
		}
		return v
	}},
	// A quarter of the processes in a state that costs as much as is looked
	// for. That must not be taken for a change; whether it can be told from one
	// is another matter.
	{name: "two modes", found: 300, process: func(r *rand.Rand) float64 {
		return 0.015*r.NormFloat64() + 0.15*float64(r.IntN(4)/3)
	}},
	{name: "drift", process: normal(0.02), found: 1000, drift: func(r *rand.Rand, at float64) float64 {
		return 0.5*at + 0.2*r.NormFloat64()
	}},
}

func (s synthetic) rounds(r *rand.Rand, n int, slower float64) []round {
	list := make([]round, n)
	for i := range list {
		shared := 0.0
		if s.drift != nil {
			shared = s.drift(r, float64(i)/float64(n))
		}
		for j := range 2 {
			list[i].old[j] = shared + s.process(r)
			list[i].new[j] = shared + s.process(r) + math.Log1p(slower)
		}
	}
	return list
}

// alarm is the decision of Run about one metric, round by round.
func alarm(rounds []round) bool {
	m := Metric{Name: "synthetic", Least: leastCPU}
	for n := DefaultRounds; ; n++ {
		c := judge(m, rounds[:n], nil, nil)
		if n == len(rounds) || !c.suspicious() {
			return c.Alarm
		}
	}
}

func TestAlarmsOnSyntheticNoise(t *testing.T) {
	const trials = 1000
	r := rand.New(rand.NewPCG(3, 14))
	for _, s := range machines {
		count := func(slower float64) (alarms int) {
			for range trials {
				if alarm(s.rounds(r, DefaultMaxRounds, slower)) {
					alarms++
				}
			}
			return alarms
		}
		wrong, found := count(0), count(0.15)
		t.Logf("%s: of %d comparisons %d wrong alarms; 15%% slower found in %d, 8%% in %d", s.name, trials, wrong, found, count(0.08))
		require.LessOrEqual(t, wrong, 3, s.name)
		require.GreaterOrEqual(t, found, s.found, s.name)
	}
}

// TestAGateWithoutNoiseWouldCryWolf shows that the test above can fail: with
// the smallest change as the only gate, a loaded machine gives alarms.
func TestAGateWithoutNoiseWouldCryWolf(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	wrong := 0
	for range 1000 {
		if change(machines[2].rounds(r, DefaultRounds, 0)) > math.Log1p(leastCPU) {
			wrong++
		}
	}
	require.Greater(t, wrong, 10)
}

// TestTheNoiseIsThatOfTheEstimate compares the noise that is read off equal
// processes with how much the change really spreads.
func TestTheNoiseIsThatOfTheEstimate(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	for _, n := range []int{DefaultRounds, DefaultMaxRounds} {
		var spread, estimated float64
		const trials = 4000
		for range trials {
			rounds := machines[1].rounds(r, n, 0)
			spread += square(change(rounds))
			estimated += square(noise(rounds))
		}
		require.InEpsilon(t, math.Sqrt(spread/trials), math.Sqrt(estimated/trials), 0.1, "%d rounds", n)
	}
}

// TestTailCountsOrderings compares the exact distribution with all ways to
// give out the processes of two rounds.
func TestTailCountsOrderings(t *testing.T) {
	ways := [][4]bool{}
	for i := range 16 {
		w := [4]bool{i&1 != 0, i&2 != 0, i&4 != 0, i&8 != 0} // who is new, by rank
		n := 0
		for _, isNew := range w {
			if isNew {
				n++
			}
		}
		if n == 2 {
			ways = append(ways, w)
		}
	}
	require.Len(t, ways, 6)
	as := func(w [4]bool) round {
		var r round
		o, n := 0, 0
		for rank, isNew := range w {
			if isNew {
				r.new[n] = float64(rank)
				n++
			} else {
				r.old[o] = float64(rank)
				o++
			}
		}
		return r
	}
	positives := map[int]int{}
	for _, a := range ways {
		for _, b := range ways {
			n := 0
			for _, d := range differences([]round{as(a), as(b)}) {
				if d > 0 {
					n++
				}
			}
			positives[n]++
		}
	}
	at := 0
	for count := 2 * pairs; count >= 0; count-- {
		at += positives[count]
		require.InDelta(t, float64(at)/36, tail(2, count), 1e-12, "%d positive", count)
	}
	require.InDelta(t, 1.0/1296, pValue([]round{
		as([4]bool{false, false, true, true}), as([4]bool{false, false, true, true}),
		as([4]bool{false, false, true, true}), as([4]bool{false, false, true, true}),
	}), 1e-12)
}

func TestIntervalsCover(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 7))
	const trials, shift = 2000, 0.1
	for _, s := range machines {
		missed := 0
		for range trials {
			low, high := interval(s.rounds(r, DefaultRounds, math.Expm1(shift)), confidence)
			if low > shift || high < shift {
				missed++
			}
		}
		require.LessOrEqual(t, missed, trials*6/100, s.name)
		require.NotZero(t, missed, s.name)
	}
	low, high := interval(machines[0].rounds(r, 2, 0), confidence)
	require.True(t, math.IsInf(low, -1) && math.IsInf(high, 1), "two rounds cannot be sure of anything")
}

func TestStudent(t *testing.T) {
	// Abramowitz and Stegun, table 26.10, and known values for one in 10,000.
	for _, c := range []struct {
		df    int
		level float64
		want  float64
	}{{1, 0.05, 6.314}, {5, 0.05, 2.015}, {10, 0.005, 3.169}, {8, 1e-4, 6.442}, {12, 1e-4, 5.263}} {
		require.InDelta(t, c.want, studentQuantile(c.df, c.level), 0.002, "%d degrees, %g", c.df, c.level)
	}
}

func TestMedians(t *testing.T) {
	require.InDelta(t, 4.5, middleMean([]float64{100, 1, 4, 5, 3, 6, -50, 7}), 1e-12)
	require.True(t, math.IsNaN(middleMean(nil)))
	values := []float64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}
	low, mid, high := medianInterval(values, confidence)
	require.Equal(t, []float64{3, 6.5, 10}, []float64{low, mid, high}, "from the third to the third last: 96.1 %")
	r := rand.New(rand.NewPCG(9, 9))
	missed := 0
	for range 2000 {
		v := make([]float64, 9)
		for i := range v {
			v[i] = r.NormFloat64()
		}
		if low, _, high := medianInterval(v, confidence); low > 0 || high < 0 {
			missed++
		}
	}
	require.Less(t, float64(missed), 2000*confidence)
	low, mid, high = medianInterval([]float64{2, 1}, confidence)
	require.Equal(t, []float64{1, 1.5, 2}, []float64{low, mid, high})
	require.True(t, slices.IsSorted(differences(machines[0].rounds(r, 3, 0))))
}
