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

// endLabel names a curve at its end.
type endLabel struct {
	name string
	ink  drawing.Ink
	end  drawing.Point
	at   vg.Length // height on the canvas, in points from the bottom of the frame
	near bool      // stands at the end of the curve, not in the column beside the frame
}

const endLabelGap = 12

// endLabels places the names of curves at their right ends, moved apart where
// they would lie over each other; nil if there is no room or no need.
func (f figure) endLabels(d *drawing.Figure) []*endLabel {
	if f.Kind == document.Scatter || len(f.Series) < 2 || len(f.Series) > 12 {
		return nil
	}
	style := drawing.TextStyle(10.5, drawing.TextInk, text.XLeft, text.YCenter)
	var labels []*endLabel
	widest := vg.Length(0)
	room := d.Height - drawing.MarginTop - d.Bottom
	for i := range f.Series {
		s := &f.Series[i]
		ps := f.points(s, s.Y)
		if len(ps) == 0 {
			continue
		}
		end := ps[len(ps)-1]
		labels = append(labels, &endLabel{name: s.Name, ink: f.ink(i), end: end, at: room * vg.Length(d.Y.Share(end.Y))})
		widest = max(widest, style.Width(s.Name))
	}
	if widest > d.Width/4 || vg.Length(len(labels))*endLabelGap > room {
		return nil
	}
	d.Right = widest + 24
	beside := labels[:0:0]
	for _, l := range labels {
		early, alone := ends(l, labels, d)
		if early && !alone {
			d.Right = 0
			return nil // a legend is better than lines across the figure
		}
		if l.near = early; !early {
			beside = append(beside, l)
		}
	}
	slices.SortStableFunc(beside, func(a, b *endLabel) int {
		switch {
		case a.at < b.at:
			return -1
		case a.at > b.at:
			return 1
		}
		return 0
	})
	spread(beside, room)
	return labels
}

// ends says whether a curve ends well before the right edge, and if so, whether
// no other ends near it, so that its name has room there.
func ends(l *endLabel, labels []*endLabel, d *drawing.Figure) (early, alone bool) {
	width := d.Width - drawing.MarginLeft - d.Right
	x := func(l *endLabel) vg.Length { return width * vg.Length(d.X.Share(l.end.X)) }
	if x(l) > width*0.85 {
		return false, false
	}
	for _, o := range labels {
		if o != l && x(o)-x(l) < d.Right && x(l)-x(o) < d.Right && o.at-l.at < endLabelGap && l.at-o.at < endLabelGap {
			return true, false
		}
	}
	return true, true
}

// spread moves labels apart, as little as it takes, within 0 to room.
func spread(labels []*endLabel, room vg.Length) {
	for range 50 {
		moved := false
		for i := 1; i < len(labels); i++ {
			if lack := endLabelGap - (labels[i].at - labels[i-1].at); lack > 0.01 {
				labels[i-1].at -= lack / 2
				labels[i].at += lack / 2
				moved = true
			}
		}
		if n := len(labels); n > 0 {
			labels[0].at = max(labels[0].at, 0)
			labels[n-1].at = min(labels[n-1].at, room)
		}
		if !moved {
			return
		}
	}
}

func (l *endLabel) draw(c, in draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&in)
	from := vg.Point{X: x(l.end.X), Y: y(max(p.Y.Min, min(l.end.Y, p.Y.Max)))}
	if l.near {
		c.FillText(drawing.TextStyle(10.5, l.ink, text.XLeft, text.YBottom), vg.Point{X: from.X + 4, Y: from.Y + 2}, l.name)
		return
	}
	to := vg.Point{X: in.Max.X + 8, Y: in.Min.Y + l.at}
	c.StrokeLine2(draw.LineStyle{Color: l.ink.Alpha(0.45), Width: 0.6}, from.X, from.Y, to.X-1, to.Y)
	style := drawing.TextStyle(10.5, l.ink, text.XLeft, text.YCenter)
	c.FillText(style, vg.Point{X: to.X + 2, Y: to.Y}, l.name)
}

// markLabels writes what bands and marks are.
func (f figure) markLabels(c, in draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&in)
	style := drawing.TextStyle(9.5, drawing.SlateInk, text.XLeft, text.YTop)
	for _, b := range f.Bands {
		at := max(x(max(b.From, p.X.Min)), in.Min.X)
		c.FillText(style, vg.Point{X: at + 4, Y: in.Max.Y - 2}, b.Label)
	}
	row := 0
	for _, m := range f.Marks {
		if m.Vertical {
			at := x(m.At) + 4
			if at+style.Width(m.Label) > in.Max.X {
				at = x(m.At) - 4 - style.Width(m.Label)
			}
			c.FillText(style, vg.Point{X: at, Y: in.Max.Y - 2 - vg.Length(row%3)*11}, m.Label)
			row++
			continue
		}
		if m.At < p.Y.Min || m.At > p.Y.Max {
			continue
		}
		above := style
		above.YAlign = text.YBottom
		c.FillText(above, vg.Point{X: in.Min.X + 5, Y: y(m.At) + 1}, m.Label)
	}
}

// pointNames writes the names of points beside them.
func (f figure) pointNames(c, in draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&in)
	for i := range f.Series {
		s := &f.Series[i]
		style := drawing.TextStyle(9.5, f.ink(i), text.XLeft, text.YCenter)
		for k, name := range s.Names {
			at := vg.Point{X: x(s.X[k]) + 7, Y: y(s.Y[k])}
			if at.X+style.Width(name) > in.Max.X {
				at.X -= 14 + style.Width(name)
			}
			c.FillText(style, at, name)
		}
	}
}
