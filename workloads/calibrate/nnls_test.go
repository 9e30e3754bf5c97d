package calibrate

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFitFindsTheCostsThatMadeTheEquations(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	truth := []float64{12_000, 0.4, 0, 3_000, 250, 0}
	var a [][]float64
	var b []float64
	for range 60 {
		row, sum := make([]float64, len(truth)), 0.0
		for j := range row {
			row[j] = r.Float64() * 1000 / (truth[j] + 1) // sizes as different as calls and bytes
			sum += row[j] * truth[j]
		}
		a, b = append(a, row), append(b, sum)
	}
	x, err := fit(a, b)
	require.NoError(t, err)
	for j := range truth {
		require.InDelta(t, truth[j], x[j], 1e-3*truth[j]+1e-6, "cost %d", j)
	}
}

// The conditions of Karush, Kuhn and Tucker are what makes a point the
// optimum: the gradient is zero where x is positive and not negative where x
// is zero.
func TestFitMeetsTheOptimumConditions(t *testing.T) {
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 7))
		rows, n := 5+r.IntN(40), 1+r.IntN(12)
		a, b := make([][]float64, rows), make([]float64, rows)
		for i := range a {
			a[i] = make([]float64, n)
			for j := range a[i] {
				a[i][j] = r.NormFloat64()
			}
			b[i] = r.NormFloat64()
		}
		x, err := fit(a, b)
		require.NoError(t, err)
		for j := range n {
			gradient := 0.0
			for i := range a {
				residual := -b[i]
				for k := range x {
					residual += a[i][k] * x[k]
				}
				gradient += a[i][j] * residual
			}
			require.GreaterOrEqual(t, x[j], 0.0)
			require.GreaterOrEqual(t, gradient, -1e-4, "seed %d, x[%d] = %g could grow", seed, j, x[j])
			if x[j] > 1e-9 {
				require.LessOrEqual(t, math.Abs(gradient), 1e-4, "seed %d, x[%d] = %g could move", seed, j, x[j])
			}
		}
	}
}

func TestFitRefusesWhatIsNoSystem(t *testing.T) {
	_, err := fit(nil, nil)
	require.ErrorIs(t, err, errNothingToFit)
	_, err = fit([][]float64{{1}, {1, 2}}, []float64{1, 2})
	require.ErrorContains(t, err, "equation 1")
	_, err = fit([][]float64{{0}}, []float64{1})
	require.ErrorContains(t, err, "zero")
}
