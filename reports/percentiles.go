package reports

import (
	"github.com/HdrHistogram/hdrhistogram-go"
	"gonum.org/v1/plot/vg"

	"github.com/weirlab/weir/reports/drawing"
)

// distribution is the HDR percentile plot: latency against 1/(1-p), on which
// every further nine takes the same room. Corrected and uncorrected produce
// latency lie over each other; where they part, coordinated omission would
// have hidden the difference.
func (r *result) distribution() *drawing.Figure {
	f := &drawing.Figure{Name: "percentiles", Title: "Latency by percentile", Width: drawing.FullWidth, Height: 300}
	f.About = "Each nine takes the same room. Corrected counts from the instant a record was meant to be sent; uncorrected only from when the producer got round to it."
	inks := map[string]drawing.Ink{TagProduce: drawing.BlueInk, TagProduceUncorrected: drawing.AmberInk, TagEndToEnd: drawing.TealInk}
	low, high, deepest := 1e18, 0.0, 10.0
	// The corrected curve is drawn last, on top.
	for _, tag := range []string{TagEndToEnd, TagProduceUncorrected, TagProduce} {
		h, _ := r.merged(tag)
		if h == nil || h.TotalCount() == 0 {
			continue
		}
		ps := percentileCurve(h)
		for _, p := range ps {
			low, high, deepest = min(low, p.Y), max(high, p.Y), max(deepest, p.X)
		}
		line := drawing.Solid(inks[tag], 1.75)
		if tag == TagProduceUncorrected {
			line.Dashes = []vg.Length{5, 3}
		}
		f.Data = append(f.Data, drawing.Curve{Points: ps, Line: line})
		f.Legend = append([]drawing.Entry{{Name: tagName(tag), Ink: inks[tag], Thin: true, Dashed: tag == TagProduceUncorrected}}, f.Legend...)
	}
	if high == 0 {
		return nil
	}
	f.Y = drawing.Axis{Log: true}
	f.Y.Ticks, f.Y.Min, f.Y.Max = drawing.LogTicks(low, high, drawing.Milliseconds)
	f.X = drawing.PercentileAxis(deepest)
	return f
}

// percentileCurve are the steps of a histogram as points of 1/(1-p) and ms. It
// ends at the depth that its number of values supports.
func percentileCurve(h *hdrhistogram.Histogram) drawing.Points {
	total := h.TotalCount()
	var ps drawing.Points
	for _, b := range h.CumulativeDistributionWithTicks(10) {
		x := 1 / (1 - b.Quantile/100)
		if b.Quantile >= 100 || x > float64(total) {
			x = max(1, float64(total))
		}
		ps = append(ps, drawing.Point{X: x, Y: max(inMillis(b.ValueAt), 0.001)})
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
