package reports

import (
	"fmt"

	"github.com/HdrHistogram/hdrhistogram-go"
	"gonum.org/v1/plot/vg"
)

// distribution is the HDR percentile plot: latency against 1/(1-p), on which
// every further nine takes the same room. Corrected and uncorrected produce
// latency lie over each other; where they part, coordinated omission would
// have hidden the difference.
func (r *result) distribution() *figure {
	f := &figure{name: "percentiles", title: "Latency by percentile", width: fullWidth, height: 300}
	f.about = "Each nine takes the same room. Corrected counts from the instant a record was meant to be sent; uncorrected only from when the producer got round to it."
	inks := map[string]ink{TagProduce: inkBlue, TagProduceUncorrected: inkAmber, TagEndToEnd: inkTeal}
	low, high, deepest := 1e18, 0.0, 10.0
	// The corrected curve is drawn last, on top.
	for _, tag := range []string{TagEndToEnd, TagProduceUncorrected, TagProduce} {
		h, _ := r.merged(tag)
		if h == nil || h.TotalCount() == 0 {
			continue
		}
		ps := percentileCurve(h)
		for _, p := range ps {
			low, high, deepest = min(low, p.y), max(high, p.y), max(deepest, p.x)
		}
		line := solid(inks[tag], 1.75)
		if tag == TagProduceUncorrected {
			line.Dashes = []vg.Length{5, 3}
		}
		f.data = append(f.data, curve{points: ps, line: line})
		f.legend = append([]legendEntry{{Name: tagName(tag), ink: inks[tag], Thin: true}}, f.legend...)
	}
	if high == 0 {
		return nil
	}
	f.y = axis{log: true}
	f.y.ticks, f.y.min, f.y.max = logTicks(low, high, milliseconds)
	f.x = axis{log: true, min: 1, max: deepest * 1.2}
	for v, n := 1.0, 0; v <= f.x.max; v, n = v*10, n+1 {
		t := tick{at: v}
		switch n {
		case 0:
			t.label = "0"
		case 1:
			t.label = "90 %"
		case 2:
			t.label = "99 %"
		default:
			t.label = fmt.Sprintf("%.*f %%", n-2, 100-100/v)
		}
		f.x.ticks = append(f.x.ticks, t)
	}
	f.x.ticks = append(f.x.ticks, tick{at: 2, label: "50 %"})
	return f
}

// percentileCurve are the steps of a histogram as points of 1/(1-p) and ms. It
// ends at the depth that its number of values supports.
func percentileCurve(h *hdrhistogram.Histogram) points {
	total := h.TotalCount()
	var ps points
	for _, b := range h.CumulativeDistributionWithTicks(10) {
		x := 1 / (1 - b.Quantile/100)
		if b.Quantile >= 100 || x > float64(total) {
			x = max(1, float64(total))
		}
		ps = append(ps, point{x, max(inMillis(b.ValueAt), 0.001)})
		if x >= float64(total) {
			break
		}
	}
	return ps
}

// tagName is what a kind of latency is called on the page.
func tagName(tag string) string {
	switch tag {
	case TagProduce:
		return "produce, corrected"
	case TagProduceUncorrected:
		return "produce, uncorrected"
	case TagEndToEnd:
		return "end to end"
	}
	return tag
}
