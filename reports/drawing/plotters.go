package drawing

import (
	"image/color"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Point is one value of a curve, in units of the axes.
type Point struct{ X, Y float64 }

// Points are a curve.
type Points []Point

// Curve is a line through points, with the area down to the axis filled if
// Fill is set.
type Curve struct {
	Points Points
	Line   draw.LineStyle
	Fill   color.Color
	// Gap breaks the line between points further apart than this; 0 never.
	Gap float64
}

// Plot draws the curve.
func (k Curve) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	for _, run := range k.runs() {
		var line []vg.Point
		for _, pt := range run {
			line = append(line, vg.Point{X: x(pt.X), Y: y(max(p.Y.Min, min(pt.Y, p.Y.Max)))})
		}
		if k.Fill != nil && len(line) > 1 {
			area := append([]vg.Point{{X: line[0].X, Y: c.Min.Y}}, line...)
			area = append(area, vg.Point{X: line[len(line)-1].X, Y: c.Min.Y})
			c.FillPolygon(k.Fill, area)
		}
		if k.Line.Width == 0 {
			continue
		}
		if len(line) == 1 {
			// A lone point would be invisible as a line.
			c.DrawGlyph(draw.GlyphStyle{Color: k.Line.Color, Radius: k.Line.Width, Shape: draw.CircleGlyph{}}, line[0])
			continue
		}
		c.StrokeLines(k.Line, line)
	}
}

func (k Curve) runs() []Points {
	var all []Points
	start := 0
	for i := 1; i <= len(k.Points); i++ {
		if i == len(k.Points) || (k.Gap > 0 && k.Points[i].X-k.Points[i-1].X > k.Gap) {
			all = append(all, k.Points[start:i])
			start = i
		}
	}
	return all
}

// Range fills what lies between two curves over the same X values.
type Range struct {
	Low, High Points
	Fill      color.Color
}

// Plot draws the range.
func (r Range) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	var area []vg.Point
	add := func(pt Point) {
		area = append(area, vg.Point{X: x(pt.X), Y: y(max(p.Y.Min, min(pt.Y, p.Y.Max)))})
	}
	for _, pt := range r.Low {
		add(pt)
	}
	for i := len(r.High) - 1; i >= 0; i-- {
		add(r.High[i])
	}
	if len(area) > 2 {
		c.FillPolygon(r.Fill, area)
	}
}

// Band fills a stretch of the x axis over the whole height, with a thin edge.
type Band struct {
	From, To float64
	Fill     color.Color
	Edge     color.Color
}

// Plot draws the band.
func (b Band) Plot(c draw.Canvas, p *plot.Plot) {
	x, _ := p.Transforms(&c)
	from, to := x(max(b.From, p.X.Min)), x(min(b.To, p.X.Max))
	if to > from {
		c.FillPolygon(b.Fill, Rectangle(from, c.Min.Y, to, c.Max.Y))
	}
	if b.Edge != nil {
		c.StrokeLine2(draw.LineStyle{Color: b.Edge, Width: 0.75}, from, c.Min.Y, from, c.Max.Y)
	}
}

// Moment is a dashed line over the whole height.
type Moment struct {
	At  float64
	Ink Ink
}

// Plot draws the line.
func (m Moment) Plot(c draw.Canvas, p *plot.Plot) {
	x, _ := p.Transforms(&c)
	style := draw.LineStyle{Color: m.Ink.RGB, Width: 1.25, Dashes: []vg.Length{4, 3}}
	c.StrokeLine2(style, x(m.At), c.Min.Y, x(m.At), c.Max.Y)
}

// Level is a thin line over the whole width.
type Level struct {
	At   float64
	Line draw.LineStyle
}

// Plot draws the line.
func (l Level) Plot(c draw.Canvas, p *plot.Plot) {
	_, y := p.Transforms(&c)
	if l.At >= p.Y.Min && l.At <= p.Y.Max {
		c.StrokeLine2(l.Line, c.Min.X, y(l.At), c.Max.X, y(l.At))
	}
}

// Bars stand on the axis, one per point, of a width given on the x axis.
type Bars struct {
	Points Points
	Width  float64
	Fill   color.Color
}

// Plot draws the bars.
func (b Bars) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	for _, pt := range b.Points {
		if pt.Y > 0 {
			c.FillPolygon(b.Fill, Rectangle(x(pt.X-b.Width/2), c.Min.Y, x(pt.X+b.Width/2), y(min(pt.Y, p.Y.Max))))
		}
	}
}

// Rectangle is a polygon with these corners.
func Rectangle(x0, y0, x1, y1 vg.Length) []vg.Point {
	return []vg.Point{{X: x0, Y: y0}, {X: x1, Y: y0}, {X: x1, Y: y1}, {X: x0, Y: y1}}
}
