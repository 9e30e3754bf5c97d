package drawing

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Axis of a figure.
type Axis struct {
	Label    string
	Min, Max float64
	Ticks    []Tick
	Log      bool
	Bare     bool // without grid and labels
}

// Tick is one labelled value of an axis. A minor one has a thinner line.
type Tick struct {
	At    float64
	Label string
	Minor bool
}

// NiceTicks are about n round values from 0 to high, and the end of the axis.
func NiceTicks(high float64, n int, format func(float64) string) ([]Tick, float64) {
	if high <= 0 {
		high = 1
	}
	step := niceStep(high, n)
	var ticks []Tick
	end := math.Ceil(high/step-1e-9) * step
	for i := 0; float64(i)*step <= end+step/2; i++ {
		ticks = append(ticks, Tick{At: float64(i) * step, Label: format(float64(i) * step)})
	}
	return ticks, end
}

// niceStep divides a length into at most n steps of a round size.
func niceStep(length float64, n int) float64 {
	step := math.Pow(10, math.Floor(math.Log10(length/float64(n))))
	for _, m := range []float64{1, 2, 2.5, 5, 10} {
		if length/(step*m) <= float64(n) {
			return step * m
		}
	}
	return step * 10
}

// TicksBetween are the round values, about n of them, of an axis that keeps
// its ends.
func TicksBetween(low, high float64, n int, format func(float64) string) []Tick {
	if high <= low {
		return []Tick{{At: low, Label: format(low)}}
	}
	step := niceStep(high-low, n)
	var ticks []Tick
	for i := math.Ceil(low/step-1e-9) + 0; i*step <= high+step*1e-9; i++ {
		ticks = append(ticks, Tick{At: i * step, Label: format(i * step)})
	}
	return ticks
}

// LogTicks label the decades of an axis that spans low to high, with
// unlabelled 2 and 5 in between; the axis ends at the nearest of these.
func LogTicks(low, high float64, format func(float64) string) (ticks []Tick, begin, end float64) {
	labelled := 0
	for d := math.Floor(math.Log10(low)); ; d++ {
		for _, m := range []float64{1, 2, 5} {
			t := Tick{At: m * math.Pow(10, d), Minor: m != 1}
			if t.At <= low {
				ticks, labelled = ticks[:0], 0 // the axis begins here or later
			}
			if !t.Minor {
				t.Label = format(t.At)
				labelled++
			}
			ticks = append(ticks, t)
			if t.At >= high && labelled > 0 && len(ticks) > 1 {
				return ticks, ticks[0].At, t.At
			}
		}
	}
}

// PercentileAxis is the axis of 1/(1-p), on which every further nine takes the
// same room, up to a depth.
func PercentileAxis(deepest float64) Axis {
	a := Axis{Log: true, Min: 1, Max: deepest * 1.2}
	for v, n := 1.0, 0; v <= a.Max; v, n = v*10, n+1 {
		t := Tick{At: v}
		switch n {
		case 0:
			t.Label = "0"
		case 1:
			t.Label = "90 %"
		case 2:
			t.Label = "99 %"
		default:
			t.Label = fmt.Sprintf("%.*f %%", n-2, 100-100/v)
		}
		a.Ticks = append(a.Ticks, t)
	}
	a.Ticks = append(a.Ticks, Tick{At: 2, Label: "50 %"})
	return a
}

// SI writes a number with a unit prefix of 1000: 12 k, 3.4 M.
func SI(v float64) string {
	switch a := math.Abs(v); {
	case a >= 1e9:
		return Trim(v/1e9) + " G"
	case a >= 1e6:
		return Trim(v/1e6) + " M"
	case a >= 1e4:
		return Trim(v/1e3) + " k"
	}
	return Trim(v)
}

// Trim writes a number with three significant digits or so.
func Trim(v float64) string {
	s := strconv.FormatFloat(v, 'f', 2, 64)
	if math.Abs(v) >= 100 {
		s = strconv.FormatFloat(v, 'f', 0, 64)
	} else if math.Abs(v) >= 10 {
		s = strconv.FormatFloat(v, 'f', 1, 64)
	}
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return s
}

// Milliseconds writes a time given in ms with the unit that suits it.
func Milliseconds(ms float64) string {
	switch {
	case ms >= 36_000_000:
		return Trim(ms/3_600_000) + " h"
	case ms >= 600_000:
		return Trim(ms/60_000) + " min"
	case ms >= 1000:
		return Trim(ms/1000) + " s"
	case ms >= 1:
		return Trim(ms) + " ms"
	case ms > 0:
		return Trim(ms*1000) + " µs"
	}
	return "0"
}

// Share is where a value lies between the ends of the axis, from 0 to 1.
func (a *Axis) Share(v float64) float64 {
	v = max(a.Min, min(v, a.Max))
	if a.Log {
		return math.Log(v/a.Min) / math.Log(a.Max/a.Min)
	}
	return (v - a.Min) / (a.Max - a.Min)
}
