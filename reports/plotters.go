package reports

import (
	"image/color"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// curve is a line through points, with the area down to the axis filled if
// fill is set.
type curve struct {
	points points
	line   draw.LineStyle
	fill   color.Color
	// gap breaks the line between points further apart than this; 0 never.
	gap float64
}

func (k curve) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	for _, run := range k.runs() {
		var line []vg.Point
		for _, pt := range run {
			line = append(line, vg.Point{X: x(pt.x), Y: y(max(p.Y.Min, min(pt.y, p.Y.Max)))})
		}
		if k.fill != nil && len(line) > 1 {
			area := append([]vg.Point{{X: line[0].X, Y: c.Min.Y}}, line...)
			area = append(area, vg.Point{X: line[len(line)-1].X, Y: c.Min.Y})
			c.FillPolygon(k.fill, area)
		}
		if k.line.Width == 0 {
			continue
		}
		if len(line) == 1 {
			// A lone point would be invisible as a line.
			c.DrawGlyph(draw.GlyphStyle{Color: k.line.Color, Radius: k.line.Width, Shape: draw.CircleGlyph{}}, line[0])
			continue
		}
		c.StrokeLines(k.line, line)
	}
}

func (k curve) runs() []points {
	var all []points
	start := 0
	for i := 1; i <= len(k.points); i++ {
		if i == len(k.points) || (k.gap > 0 && k.points[i].x-k.points[i-1].x > k.gap) {
			all = append(all, k.points[start:i])
			start = i
		}
	}
	return all
}

// band fills a stretch of the x axis over the whole height, with a thin edge.
type band struct {
	from, to float64
	fill     color.Color
	edge     color.Color
}

func (b band) Plot(c draw.Canvas, p *plot.Plot) {
	x, _ := p.Transforms(&c)
	from, to := x(max(b.from, p.X.Min)), x(min(b.to, p.X.Max))
	if to > from {
		c.FillPolygon(b.fill, rectangle(from, c.Min.Y, to, c.Max.Y))
	}
	if b.edge != nil {
		c.StrokeLine2(draw.LineStyle{Color: b.edge, Width: 0.75}, from, c.Min.Y, from, c.Max.Y)
	}
}

// moment is a dashed line over the whole height.
type moment struct {
	at  float64
	ink ink
}

func (m moment) Plot(c draw.Canvas, p *plot.Plot) {
	x, _ := p.Transforms(&c)
	style := draw.LineStyle{Color: m.ink.rgb, Width: 1.25, Dashes: []vg.Length{4, 3}}
	c.StrokeLine2(style, x(m.at), c.Min.Y, x(m.at), c.Max.Y)
}

// bars stand on the axis, one per point, of a width given on the x axis.
type bars struct {
	points points
	width  float64
	fill   color.Color
}

func (b bars) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	for _, pt := range b.points {
		if pt.y > 0 {
			c.FillPolygon(b.fill, rectangle(x(pt.x-b.width/2), c.Min.Y, x(pt.x+b.width/2), y(min(pt.y, p.Y.Max))))
		}
	}
}

func rectangle(x0, y0, x1, y1 vg.Length) []vg.Point {
	return []vg.Point{{X: x0, Y: y0}, {X: x1, Y: y0}, {X: x1, Y: y1}, {X: x0, Y: y1}}
}
