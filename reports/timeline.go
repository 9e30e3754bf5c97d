package reports

import (
	"fmt"
	"slices"
	"time"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/weirlab/weir/linearizability"
	"github.com/weirlab/weir/reports/drawing"
)

// The cluster timeline has a lane per broker. In a lane, from the bottom: how
// many partitions the broker leads, as an area; a strip that is solid while
// all its replicas are in sync and pale while some are not; marks where it
// became a leader; and over everything what was done to it. A last lane holds
// the controller.
const (
	laneHeight       = 58
	laneGap          = 12
	controllerHeight = 14
)

type lane struct {
	broker  Broker
	ink     drawing.Ink
	leads   drawing.Points // partitions led, as steps
	lacking drawing.Points // replicas out of the ISR, as steps
	elected []float64
	faults  []linearizability.Fault
}

// lanes works out the brokers' lanes from the committed metadata.
func (r *result) lanes() (all []*lane, partitions int, controllers []Event) {
	byID := map[int32]*lane{}
	for i, b := range r.run.Brokers {
		l := &lane{broker: b, ink: brokerInk(i)}
		byID[b.ID] = l
		all = append(all, l)
	}
	for _, f := range r.run.Faults {
		for _, id := range f.Brokers {
			if l := byID[id]; l != nil {
				l.faults = append(l.faults, f)
			}
		}
	}
	type key struct {
		topic     string
		partition int32
	}
	now := map[key]*linearizability.PartitionState{}
	for _, e := range r.events {
		if e.Name == EventController {
			controllers = append(controllers, e)
		}
		if e.Partition == nil {
			continue
		}
		s, k, at := e.Partition, key{e.Partition.Topic, e.Partition.Partition}, e.Time.Seconds()
		before := now[k]
		now[k] = s
		if l := byID[s.Leader]; l != nil && (before == nil || before.LeaderEpoch != s.LeaderEpoch) && before != nil {
			l.elected = append(l.elected, at)
		}
		for id, l := range byID {
			leads, lacking := 0, 0
			for _, p := range now {
				if p.Leader == id {
					leads++
				}
				if slices.Contains(p.Replicas, id) && !slices.Contains(p.ISR, id) {
					lacking++
				}
			}
			l.leads = step(l.leads, at, float64(leads))
			l.lacking = step(l.lacking, at, float64(lacking))
		}
	}
	return all, len(now), controllers
}

// step appends a value to a step function unless it is unchanged.
func step(ps drawing.Points, at, v float64) drawing.Points {
	n := len(ps)
	if n > 0 && ps[n-1].Y == v {
		return ps
	}
	if n > 0 && ps[n-1].X == at {
		ps[n-1].Y = v
		return ps
	}
	return append(ps, drawing.Point{X: at, Y: v})
}

// timeline draws the lanes.
func (r *result) timeline() *drawing.Figure {
	lanes, partitions, controllers := r.lanes()
	if len(lanes) == 0 || (partitions == 0 && len(r.run.Faults) == 0) {
		return nil
	}
	height := vg.Length(len(lanes))*(laneHeight+laneGap) + controllerHeight + 6
	f := r.timeFigure("timeline", "Cluster timeline", drawing.FullWidth, height+drawing.MarginTop+drawing.MarginBottom)
	f.Data = nil
	f.About = fmt.Sprintf("For each broker: the area is how many of %s it leads, the strip below is pale while any of its replicas is out of the ISR, a triangle is an election it won. The last lane is the leadership of the metadata quorum.", plural(partitions, "partition"))
	f.Y = drawing.Axis{Min: 0, Max: 1, Bare: true}
	span := r.span()
	f.Over = func(c, in draw.Canvas, p *plot.Plot) {
		x, _ := p.Transforms(&in)
		top := in.Max.Y
		for _, l := range lanes {
			bottom := top - laneHeight
			l.draw(c, in, x, top, bottom, max(partitions, 1), span)
			top = bottom - laneGap
		}
		drawControllers(c, in, x, top, lanes, controllers, r.run.Brokers, span)
		for _, g := range f.X.Ticks {
			c.StrokeLine2(draw.LineStyle{Color: drawing.GridInk.Alpha(0.6), Width: 0.5}, x(g.At), in.Min.Y, x(g.At), in.Max.Y)
		}
		for _, m := range r.ahead() {
			m.Plot(in, p)
		}
	}
	kinds := map[linearizability.FaultKind]bool{}
	for _, fault := range r.run.Faults {
		if !kinds[fault.Kind] {
			kinds[fault.Kind] = true
			f.Legend = append(f.Legend, drawing.Entry{Name: string(fault.Kind), Ink: faultInk(fault.Kind)})
		}
	}
	return f
}

func (l *lane) draw(c, in draw.Canvas, x func(float64) vg.Length, top, bottom vg.Length, partitions int, span time.Duration) {
	const strip = 5
	name := drawing.TextStyle(10.5, drawing.TextInk, text.XRight, text.YCenter)
	c.FillText(name, vg.Point{X: in.Min.X - 7, Y: (top + bottom) / 2}, l.broker.Name)
	c.FillPolygon(drawing.GridInk.Alpha(0.35), drawing.Rectangle(in.Min.X, bottom, in.Max.X, top))
	end := span.Seconds()
	base := bottom + strip + 2
	room := top - base - 12 // the marks stand above the area
	each(l.leads, end, func(from, to, v float64) {
		if v > 0 {
			c.FillPolygon(l.ink.Alpha(0.75), drawing.Rectangle(x(from), base, x(to), base+room*vg.Length(v/float64(partitions))))
		}
	})
	each(l.lacking, end, func(from, to, v float64) {
		fill := l.ink.Alpha(0.75)
		if v > 0 {
			fill = drawing.AmberInk.Alpha(0.35)
		}
		c.FillPolygon(fill, drawing.Rectangle(x(from), bottom, x(to), bottom+strip))
	})
	labelled := vg.Length(-1)
	for _, f := range l.faults {
		i := faultInk(f.Kind)
		from, to := x(f.Start.Seconds()), x(faultEnd(f, span).Seconds())
		strength := 0.16
		switch f.Kind {
		case linearizability.Crash, linearizability.PowerLoss, linearizability.DiskGone, linearizability.Pause, "restart":
			strength = 0.42 // the broker does nothing at all
		}
		c.FillPolygon(i.Alpha(strength), drawing.Rectangle(from, bottom, to, top))
		c.StrokeLine2(draw.LineStyle{Color: i.RGB, Width: 1}, from, bottom, from, top)
		label := drawing.TextStyle(9.5, i, text.XLeft, text.YTop)
		at, width := from+3, label.Width(string(f.Kind))
		if at+width > in.Max.X {
			at = from - 3 - width
		}
		if at > labelled {
			c.FillText(label, vg.Point{X: at, Y: top - 1}, string(f.Kind))
			labelled = at + width + 3
		}
	}
	for _, at := range l.elected {
		mark := []vg.Point{{X: x(at) - 3.5, Y: base + room + 1}, {X: x(at) + 3.5, Y: base + room + 1}, {X: x(at), Y: base + room + 7.5}}
		c.FillPolygon(l.ink.RGB, mark)
	}
}

// each calls fn for every stretch of a step function up to end.
func each(ps drawing.Points, end float64, fn func(from, to, v float64)) {
	for i, p := range ps {
		to := end
		if i+1 < len(ps) {
			to = ps[i+1].X
		}
		fn(p.X, to, p.Y)
	}
}

// drawControllers shows who led the metadata quorum, in the brokers' colours.
func drawControllers(c, in draw.Canvas, x func(float64) vg.Length, top vg.Length, lanes []*lane, events []Event, brokers []Broker, span time.Duration) {
	const height = controllerHeight
	name := drawing.TextStyle(10.5, drawing.MutedInk, text.XRight, text.YCenter)
	c.FillText(name, vg.Point{X: in.Min.X - 7, Y: top - height/2}, "controller")
	c.FillPolygon(drawing.GridInk.Alpha(0.35), drawing.Rectangle(in.Min.X, top-height, in.Max.X, top))
	for i, e := range events {
		n := slices.IndexFunc(brokers, func(b Broker) bool { return b.Name == e.Node })
		if n < 0 {
			continue
		}
		end := span
		if i+1 < len(events) {
			end = events[i+1].Time
		}
		from, to := x(e.Time.Seconds()), x(end.Seconds())
		c.FillPolygon(lanes[n].ink.Alpha(0.75), drawing.Rectangle(from, top-height, to, top))
		label := drawing.TextStyle(9, drawing.PaperInk, text.XLeft, text.YCenter)
		words := e.Node
		if epoch, ok := e.Attrs["epoch"].(float64); ok {
			words = fmt.Sprintf("%s, epoch %.0f", e.Node, epoch)
		}
		if label.Width(words)+6 < to-from {
			c.FillText(label, vg.Point{X: from + 4, Y: top - height/2}, words)
		}
	}
}
