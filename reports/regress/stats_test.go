package regress

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// synthetic noise of one process, in logarithms; at is where in the comparison
// the round is, 0 to 1.
type synthetic struct {
	name    string
	process func(r *rand.Rand) float64
	drift   func(r *rand.Rand, at float64) float64 // shared by a round
}

func normal(sd float64) func(*rand.Rand) float64 {
	return func(r *rand.Rand) float64 { return sd * r.NormFloat64() }
}

var worlds = []synthetic{
	{name: "quiet", process: normal(0.01)},
	{name: "loaded", process: normal(0.035)},
	{name: "very loaded", process: normal(0.06)},
	// Student's t with three degrees of freedom: an infinite fourth moment.
	{name: "heavy tails", process: func(r *rand.Rand) float64 {
		chi := 0.0
		for range 3 {
			chi += square(r.NormFloat64())
		}
		return 0.02 * r.NormFloat64() / math.Sqrt(chi/3)
	}},
	// One process in ten meets a neighbour that costs up to a half more.
	{name: "bursts", process: func(r *rand.Rand) float64 {
		v := 0.02 * r.NormFloat64()
		if r.IntN(10) == 0 {
			v += 0.5 * r.Float64()
		}
		return v
	}},
	// Two states that a process stays in for its life, 15 % apart.
	{name: "two modes", process: func(r *rand.Rand) float64 {
		return 0.015*r.NormFloat64() + 0.15*float64(r.IntN(4)/3)
	}},
	{name: "drift", process: normal(0.02), drift: func(r *rand.Rand, at float64) float64 {
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

func TestSim(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, w := range worlds {
		for _, n := range []int{4, 6} {
			const k = 10000
			var sum, sum2, ns float64
			var aa, det [3]int
			for range k {
				x := w.rounds(r, n, 0)
				c := change(x)
				sum += c
				sum2 += c * c
				ns += square(noise(x))
				for i, l := range []float64{1e-3, 5e-4, 1e-4} {
					if c > max(0.04, aaGate(x, l)) && pValue(x) < 0.01 {
						aa[i]++
					}
				}
				x = w.rounds(r, n, 0.15)
				c = change(x)
				for i, l := range []float64{1e-3, 5e-4, 1e-4} {
					if c > max(0.04, aaGate(x, l)) && pValue(x) < 0.01 {
						det[i]++
					}
				}
			}
			t.Logf("%-12s n=%d sd %.4f noise %.4f  false per 10k %.1f %.1f %.1f  found %.4f %.4f %.4f", w.name, n, math.Sqrt(sum2/k-square(sum/k)), math.Sqrt(ns/k),
				1e4*float64(aa[0])/k, 1e4*float64(aa[1])/k, 1e4*float64(aa[2])/k, float64(det[0])/k, float64(det[1])/k, float64(det[2])/k)
		}
	}
	require.InDelta(t, 5.694, studentQuantile(10, 1e-4), 0.01)
	require.InDelta(t, 2.015, studentQuantile(5, 0.05), 0.01)
}
