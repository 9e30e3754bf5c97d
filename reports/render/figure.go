package render

import (
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/weirlab/weir/reports/drawing"
	"github.com/weirlab/weir/workloads/experiment/document"
)

// ink is the colour of series i.
func (f figure) ink(i int) drawing.Ink {
	s := &f.Series[i]
	if s.Color > 0 {
		return drawing.Series[(s.Color-1)%len(drawing.Series)]
	}
	if s.Basis == document.Specification && f.Kind != document.Bars {
		return drawing.MutedInk
	}
	return drawing.Series[i%len(drawing.Series)]
}

// line is the style of a series: its basis can be read from it without colour.
func (f figure) line(i int) draw.LineStyle {
	s := drawing.Solid(f.ink(i), 1.6)
	switch f.Series[i].Basis {
	case document.Simulated:
		// Where nothing real stands beside it, dashes would only disturb.
		if f.Basis != document.Simulated {
			s.Dashes = []vg.Length{6, 3}
		}
	case document.Published:
		s.Dashes = []vg.Length{1.5, 2.5}
	case document.Specification:
		s.Width = 0.9
	}
	return s
}

// Widths in points. A page is wider than that, so that letters grow on it.
const (
	wideWidth = 900
	halfWidth = 438
)

// drawn is the figure as package drawing draws it.
func (f figure) drawn() *drawing.Figure {
	if f.Kind == document.Bars {
		return f.drawnBars()
	}
	d := &drawing.Figure{Name: f.Name, Title: f.Title, About: f.About, Width: wideWidth, Height: 280, Bottom: 42}
	if f.Half {
		d.Width, d.Height = halfWidth, 230
	}
	d.X, d.Y = f.axes(int(d.Width / 90))
	d.Data = append(d.Data, f.behind(d.X)...)
	for i := range f.Series {
		d.Data = append(d.Data, f.plotters(i)...)
	}
	labels := f.endLabels(d)
	f.legend(d, labels != nil)
	d.Over = func(c, in draw.Canvas, p *plot.Plot) {
		f.markLabels(c, in, p)
		for _, l := range labels {
			l.draw(c, in, p)
		}
		if f.Kind == document.Scatter {
			f.pointNames(c, in, p)
		}
	}
	return d
}

// legend names the series, unless labels at the ends of the curves do.
func (f figure) legend(d *drawing.Figure, labelled bool) {
	if labelled || (len(f.Series) == 1 && f.Kind != document.Scatter) {
		return
	}
	for i := range f.Series {
		d.Legend = append(d.Legend, drawing.Entry{Name: f.Series[i].Name, Ink: f.ink(i), Thin: f.Kind != document.Bars,
			Dashed: f.Series[i].Basis == document.Simulated && f.Basis != document.Simulated})
	}
}

// points are the points of a series on the drawn axes.
func (f figure) points(s *document.Series, ys []float64) drawing.Points {
	var ps drawing.Points
	for i, y := range ys {
		x := s.X[i]
		if f.Kind == document.Percentiles {
			x = depth(x)
		}
		if f.Kind == document.Steps && i > 0 {
			ps = append(ps, drawing.Point{X: x, Y: ps[len(ps)-1].Y})
		}
		if f.Y.Log {
			y = max(y, math.SmallestNonzeroFloat64)
		}
		ps = append(ps, drawing.Point{X: x, Y: y})
	}
	return ps
}

// depth is where a percentile lies on an axis of nines.
func depth(percent float64) float64 { return 1 / (1 - percent/100) }

func (f figure) plotters(i int) []plot.Plotter {
	s, line := &f.Series[i], f.line(i)
	var all []plot.Plotter
	if f.Kind == document.Scatter && s.Basis != document.Specification {
		return []plot.Plotter{whiskers{points: f.points(s, s.Y), low: s.Low, high: s.High, ink: f.ink(i), filled: s.Basis != document.Simulated}}
	}
	if len(s.Low) > 0 {
		all = append(all, drawing.Range{Low: f.points(s, s.Low), High: f.points(s, s.High), Fill: f.ink(i).Alpha(0.16)})
	}
	all = append(all, drawing.Curve{Points: f.points(s, s.Y), Line: line})
	if len(s.Y) <= 12 && f.Kind == document.Lines {
		all = append(all, whiskers{points: f.points(s, s.Y), ink: f.ink(i), filled: s.Basis != document.Simulated, small: true})
	}
	return all
}

// behind are bands and marks, which lie under the curves.
func (f figure) behind(x drawing.Axis) []plot.Plotter {
	var all []plot.Plotter
	for _, b := range f.Bands {
		all = append(all, drawing.Band{From: max(b.From, x.Min), To: min(b.To, x.Max), Fill: drawing.SlateInk.Alpha(0.10), Edge: drawing.AxisInk.RGB})
	}
	for _, m := range f.Marks {
		if m.Vertical {
			all = append(all, drawing.Moment{At: m.At, Ink: drawing.SlateInk})
		} else {
			all = append(all, drawing.Level{At: m.At, Line: draw.LineStyle{Color: drawing.SlateInk.RGB, Width: 1, Dashes: []vg.Length{4, 3}}})
		}
	}
	return all
}

// extent is the least and the greatest value that must be seen; positive
// leaves out what a logarithmic axis cannot show.
func extent(positive bool, lists ...[]float64) (low, high float64) {
	low, high = math.Inf(1), math.Inf(-1)
	for _, vs := range lists {
		for _, v := range vs {
			if positive && v <= 0 {
				continue
			}
			low, high = min(low, v), max(high, v)
		}
	}
	if low > high {
		return 0, 1
	}
	return low, high
}

// axes work out both axes, with about n ticks along X.
func (f figure) axes(n int) (x, y drawing.Axis) {
	var xs, ys [][]float64
	for i := range f.Series {
		s := &f.Series[i]
		xs, ys = append(xs, s.X), append(ys, s.Y, s.Low, s.High)
	}
	for _, m := range f.Marks {
		if m.Vertical {
			xs = append(xs, []float64{m.At})
		} else {
			ys = append(ys, []float64{m.At})
		}
	}
	for _, b := range f.Bands {
		xs = append(xs, []float64{b.From, b.To})
	}
	lowX, highX := extent(f.X.Log && f.Kind != document.Percentiles, xs...)
	if f.Kind == document.Percentiles {
		x = drawing.PercentileAxis(max(10, depth(highX)))
	} else {
		x = axis{&f.X}.ticks(lowX, highX, n, false, f.Kind == document.Scatter)
	}
	lowY, highY := extent(f.Y.Log, ys...)
	y = axis{&f.Y}.ticks(lowY, highY, 5, true, false)
	x.Label, y.Label = axis{&f.X}.name(), axis{&f.Y}.name()
	return x, y
}

// axis is an axis that can be drawn.
type axis struct{ *document.Axis }

// name is the label of an axis with its unit, unless the ticks carry it.
func (a axis) name() string {
	switch a.Unit {
	case "1", "", "ms", "s", "%":
		return a.Label
	}
	return a.Label + ", " + a.Unit
}

// write formats a value of an axis.
func (a axis) write(v float64) string {
	switch a.Unit {
	case "ms":
		return drawing.Milliseconds(v)
	case "s":
		return secondsText(v)
	case "%":
		return drawing.Trim(v) + " %"
	}
	return drawing.SI(v)
}

func secondsText(v float64) string {
	switch {
	case v >= 7200:
		return drawing.Trim(v/3600) + " h"
	case v == 0 || v >= 1:
		return drawing.Trim(v) + " s"
	}
	return drawing.Milliseconds(v * 1000)
}

// ticks makes an axis over what must be seen. With headroom it begins at 0 and
// leaves a little space above, padded it leaves some on both sides.
func (a axis) ticks(low, high float64, n int, headroom, padded bool) drawing.Axis {
	fixed := a.Min != a.Max
	if fixed {
		low, high = a.Min, a.Max
	}
	var d drawing.Axis
	if a.Log {
		d.Log = true
		if low <= 0 {
			low = high / 1000
		}
		d.Ticks, d.Min, d.Max = drawing.LogTicks(low, max(high, low*1.01), a.write)
		if d.Max/d.Min <= 100 {
			for i, t := range d.Ticks {
				d.Ticks[i].Label = a.write(t.At)
			}
		}
		return d
	}
	if !fixed && headroom && low >= 0 {
		if a.Unit != "%" || high > 100 {
			high *= 1.04
		}
		d.Ticks, d.Max = drawing.NiceTicks(high, n, a.write)
		return d
	}
	if !fixed && high <= low {
		high = low + 1
	}
	if !fixed && low > 0 && low < high/10 {
		low = 0
	}
	d.Min, d.Max = low, high
	if !fixed && (headroom || padded) {
		d.Min, d.Max = low-(high-low)*0.05, high+(high-low)*0.05
		if low >= 0 {
			d.Min = max(0, d.Min)
		}
	}
	// Ticks of hours are round in their own unit.
	step := 1.0
	if a.Unit == "s" && high >= 7200 {
		step = 3600
	}
	for _, t := range drawing.TicksBetween(d.Min/step, d.Max/step, n, func(v float64) string { return a.write(v * step) }) {
		t.At *= step
		d.Ticks = append(d.Ticks, t)
	}
	return d
}

// whiskers are points with their spread.
type whiskers struct {
	points    drawing.Points
	low, high []float64
	ink       drawing.Ink
	filled    bool
	small     bool
}

func (w whiskers) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	radius := vg.Length(4)
	if w.small {
		radius = 2.2
	}
	for i, pt := range w.points {
		at := vg.Point{X: x(pt.X), Y: y(max(p.Y.Min, min(pt.Y, p.Y.Max)))}
		if len(w.low) > 0 {
			line := drawing.Solid(w.ink, 1)
			low, high := y(max(p.Y.Min, w.low[i])), y(min(p.Y.Max, w.high[i]))
			c.StrokeLine2(line, at.X, low, at.X, high)
			c.StrokeLine2(line, at.X-3, low, at.X+3, low)
			c.StrokeLine2(line, at.X-3, high, at.X+3, high)
		}
		if w.filled {
			c.DrawGlyph(draw.GlyphStyle{Color: w.ink.RGB, Radius: radius, Shape: draw.CircleGlyph{}}, at)
			continue
		}
		c.DrawGlyph(draw.GlyphStyle{Color: drawing.PaperInk.RGB, Radius: radius, Shape: draw.CircleGlyph{}}, at)
		c.DrawGlyph(draw.GlyphStyle{Color: w.ink.RGB, Radius: radius, Shape: draw.RingGlyph{}}, at)
	}
}
