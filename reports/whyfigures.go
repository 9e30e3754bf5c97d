package reports

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/weirlab/weir/linearizability/story"
	"github.com/weirlab/weir/reports/drawing"
)

// whyFigures are the drawings of an explanation.
func (r *result) whyFigures() []*drawing.Figure {
	if r.explained == nil {
		return nil
	}
	var all []*drawing.Figure
	for _, f := range []*drawing.Figure{r.messages(), r.inevitable()} {
		if f != nil {
			all = append(all, f)
		}
	}
	return all
}

const (
	spaceLane  = 46
	spaceLeft  = 84
	labelApart = 52
)

// messages is the space-time diagram: a line for each machine, time to the
// right, messages between them.
func (r *result) messages() *drawing.Figure {
	e := r.explained
	lanes := e.Nodes()
	var times []time.Duration
	for _, s := range e.Story.Steps[:max(0, len(e.Story.Steps)-1)] { // the last is the judge's
		times = append(times, s.At)
		if lane := laneOf(s.Node, lanes); lane != "" && !slices.Contains(lanes, lane) {
			lanes = append(lanes, lane)
		}
	}
	for _, m := range e.Messages {
		times = append(times, m.Sent)
		if m.Arrived != story.Never {
			times = append(times, m.Arrived)
		}
	}
	if len(lanes) < 2 || len(times) < 2 {
		return nil
	}
	axis := stretched(times)
	f := &drawing.Figure{Name: "messages", Title: "Messages that matter", Width: drawing.FullWidth, Left: spaceLeft, Right: 24,
		Height: vg.Length(len(lanes))*spaceLane + drawing.MarginTop + drawing.MarginBottom,
		About:  "A line for each machine, time to the right, stretched: what follows at once is kept apart, and long waits take little room. A line is thick while its broker leads the partition, and grey while its process does not run. Numbers are the steps of the story.",
		X:      drawing.Axis{Min: 0, Max: axis.end(), Bare: true}, Y: drawing.Axis{Min: 0, Max: 1, Bare: true},
		Legend: []drawing.Entry{{Name: "produce", Ink: drawing.BlueInk, Thin: true}, {Name: "fetch", Ink: drawing.TealInk, Thin: true}, {Name: "change of the ISR", Ink: drawing.VioletInk, Thin: true},
			{Name: "another", Ink: drawing.SlateInk, Thin: true}, {Name: "does not arrive", Ink: drawing.RedInk, Thin: true, Dashed: true}, {Name: "wrong", Ink: drawing.RedInk}},
	}
	f.Over = func(c, in draw.Canvas, p *plot.Plot) {
		x, _ := p.Transforms(&in)
		at := func(t time.Duration) vg.Length { return x(axis.x(t)) }
		y := func(node string) vg.Length {
			i := slices.Index(lanes, node)
			return in.Max.Y - spaceLane*(vg.Length(i)+0.5)
		}
		r.spaceLanes(c, in, lanes, at, y)
		for _, m := range e.Messages {
			drawMessage(c, m, at, y)
		}
		r.spaceSteps(c, in, lanes, at, y)
	}
	return f
}

// laneOf is the line of the machine that a step is about, "" if it is none: a
// client is the only producer that messages are of, or has a line of its own.
func laneOf(node string, lanes []string) string {
	if strings.HasPrefix(node, "client ") {
		var producers []string
		for _, l := range lanes {
			if strings.HasPrefix(l, "producer-") {
				producers = append(producers, l)
			}
		}
		if len(producers) == 1 {
			return producers[0]
		}
		return node
	}
	if node == "controller" || slices.Contains(lanes, node) {
		return node
	}
	return ""
}

// spaceLanes draws the machines.
func (r *result) spaceLanes(c, in draw.Canvas, lanes []string, at func(time.Duration) vg.Length, y func(string) vg.Length) {
	name := drawing.TextStyle(10.5, drawing.TextInk, text.XRight, text.YCenter)
	for _, lane := range lanes {
		ink := drawing.MutedInk
		if i := slices.IndexFunc(r.run.Brokers, func(b Broker) bool { return b.Name == lane }); i >= 0 {
			ink = brokerInk(i)
		}
		c.FillText(name, vg.Point{X: in.Min.X - 8, Y: y(lane)}, lane)
		c.StrokeLine2(drawing.Solid(ink, 0.8), in.Min.X, y(lane), in.Max.X, y(lane))
		var last *story.Sighting
		piece := func(until vg.Length) {
			if last == nil {
				return
			}
			from := max(in.Min.X, at(last.At))
			switch {
			case until <= from:
			case !last.Up:
				c.FillPolygon(drawing.DownInk.RGB, drawing.Rectangle(from, y(lane)-4, until, y(lane)+4))
			case last.Leader:
				c.FillPolygon(ink.Alpha(0.6), drawing.Rectangle(from, y(lane)-2.5, until, y(lane)+2.5))
			}
		}
		for i := range r.explained.Replicas {
			s := &r.explained.Replicas[i]
			if fmt.Sprintf("broker-%d", s.Broker) != lane || last != nil && last.Up == s.Up && last.Leader == s.Leader {
				continue
			}
			piece(at(s.At))
			last = s
		}
		piece(in.Max.X)
	}
}

func drawMessage(c draw.Canvas, m story.Message, at func(time.Duration) vg.Length, y func(string) vg.Length) {
	ink := drawing.SlateInk
	switch m.API {
	case "Produce":
		ink = drawing.BlueInk
	case "Fetch":
		ink = drawing.TealInk
	case "AlterPartition":
		ink = drawing.VioletInk
	}
	from, to := vg.Point{X: at(m.Sent), Y: y(m.From)}, vg.Point{Y: y(m.To)}
	line := drawing.Solid(ink, 1)
	if m.Arrived == story.Never {
		to = vg.Point{X: from.X + 9, Y: from.Y + (to.Y-from.Y)*0.6}
		line = drawing.Solid(drawing.RedInk, 1)
		line.Dashes = []vg.Length{3, 2}
		c.StrokeLine2(drawing.Solid(drawing.RedInk, 1.2), to.X-3, to.Y-3, to.X+3, to.Y+3)
		c.StrokeLine2(drawing.Solid(drawing.RedInk, 1.2), to.X-3, to.Y+3, to.X+3, to.Y-3)
	} else {
		to.X = at(m.Arrived)
	}
	c.StrokeLine2(line, from.X, from.Y, to.X, to.Y)
	if m.Arrived != story.Never { // an arrow's head
		dx, dy := float64(to.X-from.X), float64(to.Y-from.Y)
		if n := math.Hypot(dx, dy); n > 0 {
			dx, dy = dx/n, dy/n
			back := vg.Point{X: to.X - vg.Length(7*dx), Y: to.Y - vg.Length(7*dy)}
			c.FillPolygon(ink.RGB, []vg.Point{to, {X: back.X - vg.Length(2.5*dy), Y: back.Y + vg.Length(2.5*dx)}, {X: back.X + vg.Length(2.5*dy), Y: back.Y - vg.Length(2.5*dx)}})
		}
	}
}

// spaceSteps draws the numbers of the story's steps, and their times below.
func (r *result) spaceSteps(c, in draw.Canvas, lanes []string, at func(time.Duration) vg.Length, y func(string) vg.Length) {
	steps := r.explained.Story.Steps
	number := drawing.TextStyle(8.5, drawing.PaperInk, text.XCenter, text.YCenter)
	label := drawing.TextStyle(9.5, drawing.MutedInk, text.XCenter, text.YTop)
	labelled := in.Min.X - labelApart
	taken := map[string]vg.Length{}
	for i, s := range steps[:max(0, len(steps)-1)] {
		px := at(s.At)
		if px-labelled >= labelApart && px <= in.Max.X-10 {
			c.FillText(label, vg.Point{X: px, Y: in.Min.Y - 7}, shortSeconds(s.At))
			c.StrokeLine2(drawing.Solid(drawing.AxisInk, 0.75), px, in.Min.Y, px, in.Min.Y-4)
			labelled = px
		}
		lane := laneOf(s.Node, lanes)
		if lane == "" {
			continue
		}
		ink := drawing.TextInk
		if s.Wrong {
			ink = drawing.RedInk
		}
		py := y(lane) + 11
		if before, ok := taken[lane]; ok && px-before < 13 {
			px = before + 13
		}
		taken[lane] = px
		c.DrawGlyph(draw.GlyphStyle{Color: ink.RGB, Radius: 6, Shape: draw.CircleGlyph{}}, vg.Point{X: px, Y: py})
		c.FillText(number, vg.Point{X: px, Y: py - 0.3}, fmt.Sprint(i+1))
	}
}

// inevitable is how likely the failure was from each time on.
func (r *result) inevitable() *drawing.Figure {
	forks := r.explained.Forks
	if len(forks) < 2 {
		return nil
	}
	var times []time.Duration
	for _, f := range forks {
		times = append(times, f.At)
	}
	axis := stretched(times)
	f := &drawing.Figure{Name: "inevitable", Title: "When it was bound to happen", Width: drawing.FullWidth, Height: 230, Right: 32,
		About: fmt.Sprintf("The run as it was up to a time, with everything that is drawn after that drawn anew, up to %s at each time: how many fail in the same way. The whiskers are the 95 %% interval (Wilson). Simulated; time is stretched as above.", plural(mostRuns(forks), "time")),
		X:     drawing.Axis{Min: 0, Max: axis.end(), Bare: true}, Y: drawing.Axis{Min: 0, Max: 100, Label: "draws that fail, %"}}
	for v := 0.0; v <= 100; v += 25 {
		f.Y.Ticks = append(f.Y.Ticks, drawing.Tick{At: v, Label: fmt.Sprintf("%.0f %%", v)})
	}
	f.Over = func(c, in draw.Canvas, p *plot.Plot) {
		x, y := p.Transforms(&in)
		label := drawing.TextStyle(9.5, drawing.MutedInk, text.XCenter, text.YTop)
		labelled := in.Min.X - 100
		before := vg.Point{}
		for i, k := range forks {
			low, high := wilson(k.Failed, k.Runs)
			at := vg.Point{X: x(axis.x(k.At)), Y: y(100 * float64(k.Failed) / float64(k.Runs))}
			if i > 0 {
				c.StrokeLine2(drawing.Solid(drawing.RedInk, 1.4), before.X, before.Y, at.X, at.Y)
			}
			before = at
			line := drawing.Solid(drawing.RedInk, 1)
			c.StrokeLine2(line, at.X, y(100*low), at.X, y(100*high))
			c.StrokeLine2(line, at.X-3, y(100*low), at.X+3, y(100*low))
			c.StrokeLine2(line, at.X-3, y(100*high), at.X+3, y(100*high))
			c.DrawGlyph(draw.GlyphStyle{Color: drawing.RedInk.RGB, Radius: 3.2, Shape: draw.CircleGlyph{}}, at)
			if at.X-labelled >= labelApart {
				c.FillText(label, vg.Point{X: at.X, Y: in.Min.Y - 7}, shortSeconds(k.At))
				labelled = at.X
			}
		}
	}
	return f
}

func mostRuns(forks []story.Fork) int {
	most := 0
	for _, f := range forks {
		most = max(most, f.Runs)
	}
	return most
}

// wilson is the 95 % interval of a share (Wilson 1927).
func wilson(failed, runs int) (low, high float64) {
	const z = 1.96
	n, share := float64(runs), float64(failed)/float64(runs)
	middle := share + z*z/(2*n)
	spread := z * math.Sqrt(share*(1-share)/n+z*z/(4*n*n))
	return max(0, (middle-spread)/(1+z*z/n)), min(1, (middle+spread)/(1+z*z/n))
}
