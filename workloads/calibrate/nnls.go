package calibrate

import (
	"errors"
	"fmt"
	"math"
)

// errNothingToFit is returned by fit for a system without equations.
var errNothingToFit = errors.New("calibrate: there is no equation to fit costs to")

// fit finds x ≥ 0 that makes |A·x − b|² least, where A has a row for each
// equation. It is the non-negative least squares of Lawson and Hanson
// ("Solving Least Squares Problems", 1974, ch. 23): their active-set method, on
// the normal equations of columns scaled to the same size.
func fit(a [][]float64, b []float64) ([]float64, error) {
	if len(a) == 0 || len(a) != len(b) {
		return nil, errNothingToFit
	}
	n := len(a[0])
	for i, row := range a {
		if len(row) != n {
			return nil, fmt.Errorf("calibrate: equation %d has %d unknowns, the first has %d", i, len(row), n)
		}
	}
	scale := columnScales(a, n)
	h, f := normalEquations(a, b, scale, n)
	trace := 0.0
	for j := range n {
		trace += h[j][j]
	}
	if trace == 0 {
		return nil, errors.New("calibrate: every coefficient is zero, so no cost can be fitted")
	}
	x := solve(h, f)
	for j := range x {
		if scale[j] > 0 {
			x[j] /= scale[j]
		} else {
			x[j] = 0
		}
	}
	return x, nil
}

// columnScales is the root mean square of each column.
func columnScales(a [][]float64, n int) []float64 {
	scale := make([]float64, n)
	for _, row := range a {
		for j, v := range row {
			scale[j] += v * v
		}
	}
	for j := range scale {
		scale[j] = math.Sqrt(scale[j] / float64(len(a)))
	}
	return scale
}

// normalEquations is (SᵀAᵀAS, SᵀAᵀb) with S = 1/scale.
func normalEquations(a [][]float64, b, scale []float64, n int) (h [][]float64, f []float64) {
	h, f = make([][]float64, n), make([]float64, n)
	for j := range h {
		h[j] = make([]float64, n)
	}
	scaled := make([]float64, n)
	for i, row := range a {
		for j, v := range row {
			if scaled[j] = 0; scale[j] > 0 {
				scaled[j] = v / scale[j]
			}
		}
		for j, v := range scaled {
			if v == 0 {
				continue
			}
			f[j] += v * b[i]
			for k, w := range scaled {
				h[j][k] += v * w
			}
		}
	}
	return h, f
}

// solve minimises ½xᵀhx − fᵀx over x ≥ 0. Unknowns join the free set one at a
// time, the steepest first; one that would turn negative leaves it again.
func solve(h [][]float64, f []float64) []float64 {
	n := len(f)
	x, free := make([]float64, n), make([]bool, n)
	const tolerance = 1e-10
	for range 10 * (n + 1) {
		steepest, joining := tolerance*norm(f), -1
		for j := range x {
			if slope := f[j] - dot(h[j], x); !free[j] && h[j][j] > 0 && slope > steepest {
				steepest, joining = slope, j
			}
		}
		if joining < 0 {
			break
		}
		free[joining] = true
		for {
			z := solveFree(h, f, free)
			// Go from x towards z as far as nothing turns negative.
			step := 1.0
			for j := range z {
				if free[j] && z[j] <= 0 && x[j] > z[j] {
					step = min(step, x[j]/(x[j]-z[j]))
				}
			}
			for j := range x {
				x[j] += step * (z[j] - x[j])
			}
			left := false
			for j := range x {
				if free[j] && z[j] <= 0 && x[j] <= tolerance {
					free[j], x[j], left = false, 0, true
				}
			}
			if !left {
				break
			}
		}
	}
	return x
}

// solveFree solves h·z = f for the free unknowns by Cholesky's decomposition;
// the others are zero. An unknown that the earlier ones explain stays zero too.
func solveFree(h [][]float64, f []float64, free []bool) []float64 {
	var at []int
	for j, ok := range free {
		if ok {
			at = append(at, j)
		}
	}
	n := len(at)
	l, y := make([][]float64, n), make([]float64, n)
	for i := range n {
		l[i] = make([]float64, n)
		for j := range i + 1 {
			sum := h[at[i]][at[j]] - dot(l[i][:j], l[j][:j])
			switch {
			case i != j && l[j][j] > 0:
				l[i][j] = sum / l[j][j]
			case i == j && sum > 1e-12*h[at[i]][at[i]]:
				l[i][i] = math.Sqrt(sum)
			}
		}
		if l[i][i] > 0 {
			y[i] = (f[at[i]] - dot(l[i][:i], y[:i])) / l[i][i]
		}
	}
	z := make([]float64, len(f))
	for i := n - 1; i >= 0; i-- {
		if l[i][i] == 0 {
			continue
		}
		sum := y[i]
		for k := i + 1; k < n; k++ {
			sum -= l[k][i] * z[at[k]]
		}
		z[at[i]] = sum / l[i][i]
	}
	return z
}

func dot(a, b []float64) (sum float64) {
	for i := range a {
		sum += a[i] * b[i]
	}
	return sum
}

func norm(a []float64) float64 { return math.Sqrt(dot(a, a)) }
