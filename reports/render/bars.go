package render

import (
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/weirlab/weir/reports/drawing"
	"github.com/weirlab/weir/workloads/experiment/document"
)

// Sizes of lying bars, in points.
const (
	barHeight = 13
	barGap    = 2
	groupGap  = 12
)

// drawnBars is a bar chart: the groups from top to bottom, the quantity from
// left to right.
func (f figure) drawnBars() *drawing.Figure {
	d := &drawing.Figure{Name: f.Name, Title: f.Title, About: f.About, Width: wideWidth, Bottom: 42, Right: 84}
	if f.Half {
		d.Width = halfWidth
	}
	rows := f.layBars()
	height := vg.Length(0)
	for _, r := range rows {
		height = max(height, r.bottom)
	}
	d.Height = height + drawing.MarginTop + d.Bottom
	style := drawing.TextStyle(10.5, drawing.TextInk, text.XRight, text.YCenter)
	for _, c := range f.X.Categories {
		d.Left = max(d.Left, style.Width(c)+18)
	}
	_, d.X = f.barAxes(int((d.Width - d.Left) / 90))
	d.Y = drawing.Axis{Min: 0, Max: 1, Bare: true}
	f.legend(d, false)
	d.Over = func(c, in draw.Canvas, p *plot.Plot) {
		x, _ := p.Transforms(&in)
		for _, t := range d.X.Ticks {
			c.StrokeLine2(drawing.Solid(drawing.GridInk, 0.75), x(t.At), in.Min.Y, x(t.At), in.Max.Y)
		}
		for g, name := range f.X.Categories {
			c.FillText(style, vg.Point{X: in.Min.X - 8, Y: in.Max.Y - (rows[g].top+rows[g].bottom)/2}, name)
		}
		for i := range f.Series {
			f.drawBars(c, in, x, i, d, rows)
		}
		c.StrokeLine2(drawing.Solid(drawing.AxisInk, 1), in.Min.X, in.Min.Y, in.Min.X, in.Max.Y)
		f.barMarks(c, in, x)
	}
	return d
}

// group is where the bars of a category lie, from the top of the frame.
type group struct {
	top, bottom vg.Length
	slot        []int // of each series, -1 without a bar
}

// layBars gives each category as much room as it has bars.
func (f figure) layBars() []group {
	rows := make([]group, len(f.X.Categories))
	top := vg.Length(0)
	for g := range rows {
		r := &rows[g]
		bars := 0
		for i := range f.Series {
			r.slot = append(r.slot, -1)
			if s := &f.Series[i]; len(s.X) == 0 || slices.Contains(s.X, float64(g)) {
				r.slot[i] = bars
				bars++
			}
		}
		r.top, r.bottom = top, top+vg.Length(max(bars, 1))*(barHeight+barGap)+groupGap
		top = r.bottom
	}
	return rows
}

func (f figure) barAxes(n int) (groups, values drawing.Axis) {
	var vs [][]float64
	for i := range f.Series {
		vs = append(vs, f.Series[i].Y, f.Series[i].Low, f.Series[i].High)
	}
	for _, m := range f.Marks {
		vs = append(vs, []float64{m.At})
	}
	low, high := extent(f.Y.Log, vs...)
	if !f.Y.Log {
		low = min(low, 0)
	}
	values = axis{&f.Y}.ticks(low, high, n, true, false)
	values.Label = axis{&f.Y}.name()
	return groups, values
}

func (f figure) drawBars(c, in draw.Canvas, x func(float64) vg.Length, i int, d *drawing.Figure, rows []group) {
	s, ink := &f.Series[i], f.ink(i)
	label := drawing.TextStyle(9.5, drawing.MutedInk, text.XLeft, text.YCenter)
	base := in.Min.X
	if d.X.Min < 0 {
		base = x(0)
	}
	for k, v := range s.Y {
		g := k
		if len(s.X) > 0 {
			g = int(s.X[k])
		}
		top := in.Max.Y - rows[g].top - groupGap/2 - vg.Length(rows[g].slot[i])*(barHeight+barGap)
		bottom, end := top-barHeight, x(max(d.X.Min, min(v, d.X.Max)))
		bar := drawing.Rectangle(base, bottom, end, top)
		if s.Basis == document.Simulated && f.Basis != document.Simulated {
			c.FillPolygon(ink.Alpha(0.28), bar)
			outline := drawing.Solid(ink, 1)
			outline.Dashes = []vg.Length{4, 2}
			c.StrokeLines(outline, append(bar, bar[0]))
		} else {
			c.FillPolygon(ink.Alpha(0.85), bar)
		}
		far := max(end, base)
		if len(s.Low) > 0 {
			line, mid := drawing.Solid(drawing.TextInk, 1), (top+bottom)/2
			low, high := x(max(d.X.Min, s.Low[k])), x(min(d.X.Max, s.High[k]))
			c.StrokeLine2(line, low, mid, high, mid)
			c.StrokeLine2(line, low, mid-3, low, mid+3)
			c.StrokeLine2(line, high, mid-3, high, mid+3)
			far = max(far, high)
		}
		c.FillText(label, vg.Point{X: far + 5, Y: (top + bottom) / 2}, axis{&f.Y}.write(v))
	}
}

// barMarks draws limits and targets across the bars.
func (f figure) barMarks(c, in draw.Canvas, x func(float64) vg.Length) {
	style := drawing.TextStyle(9.5, drawing.SlateInk, text.XLeft, text.YBottom)
	for _, m := range f.Marks {
		at := x(m.At)
		c.StrokeLine2(draw.LineStyle{Color: drawing.SlateInk.RGB, Width: 1.25, Dashes: []vg.Length{4, 3}}, at, in.Min.Y, at, in.Max.Y)
		from := at + 3
		if from+style.Width(m.Label) > in.Max.X+70 {
			from = at - 3 - style.Width(m.Label)
		}
		c.FillText(style, vg.Point{X: from, Y: in.Max.Y + 3}, m.Label)
	}
}
