package calibrate

import (
	"slices"
	"time"

	"github.com/weirlab/weir/sim"
)

// quantilePPM are the points kept of a measured distribution.
var quantilePPM = []int64{0, 10_000, 100_000, 250_000, 500_000, 750_000, 900_000, 950_000, 990_000, 999_000, 1_000_000}

// median is the middle of quantilePPM.
const median = 500_000

// quantilesOf are the quantiles of samples, in ascending order; samples is
// sorted. The quantile at p is the least sample that p of all do not exceed.
func quantilesOf(samples []time.Duration) []sim.Quantile {
	if len(samples) == 0 {
		return nil
	}
	slices.Sort(samples)
	list := make([]sim.Quantile, 0, len(quantilePPM))
	for _, ppm := range quantilePPM {
		rank := (int64(len(samples))*ppm + 999_999) / 1_000_000
		list = append(list, sim.Quantile{PPM: ppm, Value: samples[max(rank, 1)-1]})
	}
	return list
}

// at is the value of a measured distribution at one of quantilePPM.
func at(list []sim.Quantile, ppm int64) time.Duration {
	for _, q := range list {
		if q.PPM >= ppm {
			return q.Value
		}
	}
	return 0
}
