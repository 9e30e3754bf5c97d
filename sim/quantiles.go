package sim

import (
	"fmt"
	"slices"
	"time"

	"github.com/weirlab/weir/env"
)

// Quantile is one point of a distribution: PPM millionths of all draws are at
// most Value.
type Quantile struct {
	PPM   int64         `json:"ppm"`
	Value time.Duration `json:"ns"`
}

// Quantiles is a distribution of durations as measured quantiles, with straight
// lines between them. It is drawn from with integers alone, so that every
// architecture draws the same.
type Quantiles struct {
	points []Quantile
}

// NewQuantiles makes a distribution of points in ascending order. The first
// must be at 0 PPM (the least value) and the last at 1,000,000 (the greatest).
func NewQuantiles(points ...Quantile) (Quantiles, error) {
	if len(points) < 2 || points[0].PPM != 0 || points[len(points)-1].PPM != 1_000_000 {
		return Quantiles{}, fmt.Errorf("quantiles: need at least the points 0 and 1000000 ppm, have %v", points)
	}
	for i := 1; i < len(points); i++ {
		if points[i].PPM <= points[i-1].PPM || points[i].Value < points[i-1].Value {
			return Quantiles{}, fmt.Errorf("quantiles: point %d (%d ppm, %v) does not ascend from (%d ppm, %v)",
				i, points[i].PPM, points[i].Value, points[i-1].PPM, points[i-1].Value)
		}
	}
	if points[0].Value < 0 {
		return Quantiles{}, fmt.Errorf("quantiles: negative duration %v", points[0].Value)
	}
	return Quantiles{slices.Clone(points)}, nil
}

// MustQuantiles is NewQuantiles for tables written in code; it panics where
// that returns an error.
func MustQuantiles(points ...Quantile) Quantiles {
	q, err := NewQuantiles(points...)
	if err != nil {
		panic(err)
	}
	return q
}

// Constant is the distribution that is always d.
func Constant(d time.Duration) Quantiles {
	return Quantiles{[]Quantile{{0, d}, {1_000_000, d}}}
}

// IsZero reports whether q is the zero value, which draws 0.
func (q Quantiles) IsZero() bool { return len(q.points) == 0 }

// Min is the least value.
func (q Quantiles) Min() time.Duration {
	if len(q.points) == 0 {
		return 0
	}
	return q.points[0].Value
}

// Typical is the median.
func (q Quantiles) Typical() time.Duration { return q.at(500_000) }

// Draw draws a duration. It always takes exactly one number from r.
func (q Quantiles) Draw(r *env.Rand) time.Duration {
	// Scaling 32 random bits is off from uniform by less than one part in four
	// thousand of a ppm, and unlike rejection it always takes one draw.
	u := int64(r.Uint64()>>32) * 1_000_000 >> 32
	return q.at(u)
}

// at is the value that u ppm of all draws do not reach.
func (q Quantiles) at(u int64) time.Duration {
	if len(q.points) == 0 {
		return 0
	}
	i := 1
	for q.points[i].PPM <= u {
		i++
	}
	a, b := &q.points[i-1], &q.points[i]
	if a.Value == b.Value {
		return a.Value
	}
	return a.Value + time.Duration(int64(b.Value-a.Value)*(u-a.PPM)/(b.PPM-a.PPM))
}
