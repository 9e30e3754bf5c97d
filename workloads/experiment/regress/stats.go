package regress

import (
	"math"
	"slices"
)

// round is what one metric was in one round: two processes of each side, in
// logarithms, so that differences are ratios.
type round struct{ old, new [2]float64 }

// pairs is how many pairs of an old and a new process a round has.
const pairs = 4

// differences are all differences new minus old within rounds, sorted.
// Processes of different rounds are not compared: the machine may have changed
// in between.
func differences(rounds []round) []float64 {
	var d []float64
	for _, r := range rounds {
		for _, n := range r.new {
			for _, o := range r.old {
				d = append(d, n-o)
			}
		}
	}
	slices.Sort(d)
	return d
}

// change is the median of all differences within rounds, the estimate of
// Hodges and Lehmann (1963) for a shift, per stratum.
func change(rounds []round) float64 { return median(differences(rounds)) }

func median(sorted []float64) float64 {
	n := len(sorted)
	if n == 0 {
		return math.NaN()
	}
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// tail is the exact probability that at least count of the 4n differences
// of n rounds are positive if old and new are the same: Mann and Whitney's
// statistic per round, added over rounds (van Elteren 1960). Of the six ways
// in which two old and two new values can be ordered, 1, 1, 2, 1, 1 give 0 to 4
// positive differences. Nothing is assumed but that within a round the four
// processes could have been given out in any other way.
func tail(n, count int) float64 {
	one := [pairs + 1]float64{1. / 6, 1. / 6, 2. / 6, 1. / 6, 1. / 6}
	dist := []float64{1}
	for range n {
		next := make([]float64, len(dist)+pairs)
		for i, p := range dist {
			for j, q := range one {
				next[i+j] += p * q
			}
		}
		dist = next
	}
	sum := 0.0
	for i := max(count, 0); i < len(dist); i++ {
		sum += dist[i]
	}
	return min(sum, 1)
}

// pValue is the probability of so many positive differences, or more, if old
// and new are the same. Equal values count half, rounded down.
func pValue(rounds []round) float64 {
	positive, zero := 0, 0
	for _, d := range differences(rounds) {
		switch {
		case d > 0:
			positive++
		case d == 0:
			zero++
		}
	}
	return tail(len(rounds), positive+zero/2)
}

// interval is the exact confidence interval that belongs to change: the
// shifts that a two-sided test by tail does not reject at this level (0.05
// for 95 %). With too few rounds it is infinite.
func interval(rounds []round, level float64) (low, high float64) {
	d := differences(rounds)
	for k := range d {
		// A true shift below d[k] means that at least len(d)-k differences
		// exceed it.
		if tail(len(rounds), len(d)-k) > level/2 {
			if k == 0 {
				break
			}
			return d[k-1], d[len(d)-k]
		}
	}
	return math.Inf(-1), math.Inf(1)
}

// noise is the standard deviation that change has on this machine when
// nothing changed, from how the two processes of each side differ: these are
// two of the same, under way at the same time as the comparison.
func noise(rounds []round) float64 {
	if len(rounds) == 0 {
		return math.NaN()
	}
	var aa []float64
	for _, r := range rounds {
		aa = append(aa, math.Abs(r.old[0]-r.old[1]), math.Abs(r.new[0]-r.new[1]))
	}
	slices.Sort(aa)
	most := clipAt * median(aa)
	sum := 0.0
	for _, d := range aa {
		sum += square(min(d, most))
	}
	// Each square has twice the variance of one process as its mean.
	process := sum / float64(2*len(aa))
	return medianPenalty * math.Sqrt(process/float64(len(rounds)))
}

// clipAt bounds what one pair of processes that differ much, because only one of
// them met a neighbour, adds to the noise: so many medians. Change is a median
// as well, and as little impressed. Of normal differences one in 55 is
// beyond that.
const clipAt = 3.5

// medianPenalty is how much more change spreads than the mean difference
// would, for normal noise; TestTheNoiseIsThatOfTheEstimate measures it.
const medianPenalty = 1.12

func square(x float64) float64 { return x * x }

// aaGate is the change that a build shows against itself less than once in
// 1/level comparisons, by Student's distribution: the noise is itself an
// estimate, from two differences per round.
func aaGate(rounds []round, level float64) float64 {
	return noise(rounds) * studentQuantile(2*len(rounds), level)
}

// studentQuantile is the value that Student's t with df degrees of freedom
// exceeds with probability level.
func studentQuantile(df int, level float64) float64 {
	low, high := 0.0, 1e6
	for range 100 {
		mid := (low + high) / 2
		if studentTail(df, mid) > level {
			low = mid
		} else {
			high = mid
		}
	}
	return high
}

// studentTail is the probability that Student's t exceeds x >= 0: for whole
// degrees of freedom a finite sum (Abramowitz and Stegun 26.7.3 and 26.7.4).
func studentTail(df int, x float64) float64 {
	theta := math.Atan(x / math.Sqrt(float64(df)))
	sin, cos2 := math.Sin(theta), square(math.Cos(theta))
	var inside float64 // probability of -x..x
	if df%2 == 1 {
		term, sum := math.Cos(theta), 0.0
		for i := 1; i < df; i += 2 {
			sum += term
			term *= cos2 * float64(i+1) / float64(i+2)
		}
		inside = 2 / math.Pi * (theta + sin*sum)
	} else {
		term, sum := 1.0, 0.0
		for i := 0; i < df; i += 2 {
			sum += term
			term *= cos2 * float64(i+1) / float64(i+2)
		}
		inside = sin * sum
	}
	return (1 - inside) / 2
}

// middleMean is the mean of the middle half of the values: a quarter at each
// end, where neighbours of the machine took part, is left out.
func middleMean(values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	s := slices.Sorted(slices.Values(values))
	cut := len(s) / 4
	sum := 0.0
	for _, v := range s[cut : len(s)-cut] {
		sum += v
	}
	return sum / float64(len(s)-2*cut)
}

// medianInterval is the exact confidence interval of a median by order
// statistics: the binomial probability of the values outside is at most level.
// With too few values it is their range.
func medianInterval(values []float64, level float64) (low, mid, high float64) {
	s := slices.Sorted(slices.Values(values))
	if len(s) == 0 {
		return math.NaN(), math.NaN(), math.NaN()
	}
	n, below, term := len(s), 0.0, math.Pow(0.5, float64(len(s)))
	k := 0 // how many values at each end are outside
	for k < (n-1)/2 {
		below += term
		if 2*below > level {
			break
		}
		term *= float64(n-k) / float64(k+1)
		k++
	}
	k = max(k-1, 0)
	return s[k], median(s), s[n-1-k]
}
