package reports

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/weirlab/weir/linearizability"
	"github.com/weirlab/weir/reports/drawing"
)

// faultEnd is when a fault was over on the time axis.
func faultEnd(f linearizability.Fault, span time.Duration) time.Duration {
	switch {
	case f.End > f.Start:
		return f.End
	case f.End == 0 && f.Kind != linearizability.ClockJump && f.Kind != linearizability.Corruption:
		return span // never undone
	}
	return f.Start + span/400
}

// behind are the plotters that every time figure begins with: the warm-up,
// fault bands and the end of the load. The moments of findings go on top, see ahead.
func (r *result) behind() []plot.Plotter {
	var ps []plot.Plotter
	span := r.span()
	if r.run.WarmUp > 0 {
		ps = append(ps, drawing.Band{From: r.run.LoadStart.Seconds(), To: r.run.countsFrom().Seconds(), Fill: drawing.SlateInk.Alpha(0.12), Edge: drawing.AxisInk.RGB})
	}
	for _, f := range r.run.Faults {
		i := faultInk(f.Kind)
		ps = append(ps, drawing.Band{From: f.Start.Seconds(), To: faultEnd(f, span).Seconds(), Fill: i.Alpha(0.10), Edge: i.Alpha(0.45)})
	}
	if end := r.run.LoadEnd; end > 0 && end < span {
		ps = append(ps, drawing.Band{From: end.Seconds(), To: span.Seconds(), Fill: drawing.SlateInk.Alpha(0.05), Edge: drawing.AxisInk.RGB})
	}
	return ps
}

func (r *result) ahead() []plot.Plotter {
	var ps []plot.Plotter
	for _, f := range r.run.Verdict.Findings {
		if f.Time > 0 && len(ps) < 20 {
			ps = append(ps, drawing.Moment{At: f.Time.Seconds(), Ink: drawing.RedInk})
		}
	}
	return ps
}

// timeFigure starts a figure over the time of the run.
func (r *result) timeFigure(name, title string, width, height vg.Length) *drawing.Figure {
	f := &drawing.Figure{Name: name, Title: title, Width: width, Height: height,
		X: timeAxis(r.span().Seconds(), int(width/90)), Data: r.behind(), Time: true}
	if r.run.WarmUp > 0 {
		f.Over = func(_, in draw.Canvas, p *plot.Plot) {
			x, _ := p.Transforms(&in)
			style := drawing.TextStyle(9.5, drawing.SlateInk, text.XLeft, text.YTop)
			in.FillText(style, vg.Point{X: x(r.run.LoadStart.Seconds()) + 3, Y: in.Max.Y - 2}, "warm-up")
		}
	}
	return f
}

// throughput is records per second offered, acknowledged and consumed, with
// what failed as bars.
func (r *result) throughput() *drawing.Figure {
	t := &r.series
	if len(t.rows) == 0 {
		return nil
	}
	f := r.timeFigure("throughput", "Throughput", drawing.FullWidth, 250)
	f.About = "Records per second, counted each second. Coloured bands are faults."
	high := 0.0
	series := func(column string) drawing.Points {
		i := t.column(column)
		if i < 0 {
			return nil
		}
		ps := t.rates(i, 1)
		for _, p := range ps {
			high = max(high, p.Y)
		}
		return ps
	}
	offered, acked, consumed := series(ColOffered), series(ColAcked), series(ColConsumed)
	failed, unknown := series(ColFailed), series(ColUnknown)
	ticks, end := drawing.NiceTicks(high*1.04, 4, drawing.SI)
	f.Y = drawing.Axis{Label: "records/s", Max: end, Ticks: ticks}
	if acked != nil {
		f.Data = append(f.Data, drawing.Curve{Points: acked, Line: drawing.Solid(drawing.BlueInk, 1.75), Fill: drawing.BlueInk.Alpha(0.14)})
		f.Legend = append(f.Legend, drawing.Entry{Name: "acknowledged", Ink: drawing.BlueInk})
	}
	if consumed != nil {
		f.Data = append(f.Data, drawing.Curve{Points: consumed, Line: drawing.Solid(drawing.TealInk, 1.25)})
		f.Legend = append(f.Legend, drawing.Entry{Name: "consumed", Ink: drawing.TealInk, Thin: true})
	}
	if offered != nil {
		line := drawing.Solid(drawing.TextInk, 1)
		line.Dashes = []vg.Length{3, 2.5}
		f.Data = append(f.Data, drawing.Curve{Points: offered, Line: line})
		f.Legend = append(f.Legend, drawing.Entry{Name: "offered", Ink: drawing.TextInk, Thin: true, Dashed: true})
	}
	for _, b := range []struct {
		ps   drawing.Points
		ink  drawing.Ink
		name string
	}{{failed, drawing.RedInk, "refused"}, {unknown, drawing.AmberInk, "of unknown fate"}} {
		if slices.ContainsFunc(b.ps, func(p drawing.Point) bool { return p.Y > 0 }) {
			f.Data = append(f.Data, drawing.Bars{Points: b.ps, Width: 0.7, Fill: b.ink.RGB})
			f.Legend = append(f.Legend, drawing.Entry{Name: b.name, Ink: b.ink})
		}
	}
	f.Data = append(f.Data, r.ahead()...)
	return f
}

// latencyOverTime is percentiles of the produce latency of each second, from
// that second's own histogram.
func (r *result) latencyOverTime() *drawing.Figure {
	f := r.timeFigure("latency", "Produce latency over time", drawing.FullWidth, 250)
	f.About = "From the instant a record was meant to be sent to its acknowledgement; percentiles of each second. Logarithmic."
	type line struct {
		name    string
		percent float64
		ink     drawing.Ink
		width   vg.Length
		points  drawing.Points
	}
	lines := []line{
		{"max", 100, drawing.SlateInk, 0.75, nil},
		{"p99.9", 99.9, drawing.RedInk, 1, nil},
		{"p99", 99, drawing.VioletInk, 1.5, nil},
		{"p50", 50, drawing.BlueInk, 1.75, nil},
	}
	low, high := 1e18, 0.0
	for _, i := range r.latency {
		if i.tag != TagProduce || i.hist.TotalCount() == 0 {
			continue
		}
		at := (i.start + i.end).Seconds() / 2
		for k := range lines {
			ms := max(inMillis(i.hist.ValueAtPercentile(lines[k].percent)), 0.001)
			lines[k].points = append(lines[k].points, drawing.Point{X: at, Y: ms})
			low, high = min(low, ms), max(high, ms)
		}
	}
	if high == 0 {
		return nil
	}
	f.Y = drawing.Axis{Log: true}
	f.Y.Ticks, f.Y.Min, f.Y.Max = drawing.LogTicks(low, high, drawing.Milliseconds)
	for _, l := range lines {
		f.Data = append(f.Data, drawing.Curve{Points: l.points, Line: drawing.Solid(l.ink, l.width), Gap: 2.5})
	}
	slices.Reverse(lines)
	for _, l := range lines {
		f.Legend = append(f.Legend, drawing.Entry{Name: l.name, Ink: l.ink, Thin: true})
	}
	f.Data = append(f.Data, r.ahead()...)
	return f
}

// lag is what was acknowledged and not yet consumed.
func (r *result) lag() *drawing.Figure {
	i := r.series.column(ColLag)
	if i < 0 || len(r.series.rows) == 0 {
		return nil
	}
	f := r.timeFigure("lag", "Consumer lag", drawing.FullWidth, 130)
	f.About = "Records acknowledged and not yet consumed, at the end of each second."
	ps := r.series.states(i, 1)
	high := 0.0
	for _, p := range ps {
		high = max(high, p.Y)
	}
	f.Y = drawing.Axis{Label: "records"}
	f.Y.Ticks, f.Y.Max = drawing.NiceTicks(high*1.04, 3, drawing.SI)
	f.Data = append(f.Data, drawing.Curve{Points: ps, Line: drawing.Solid(drawing.TealInk, 1.5), Fill: drawing.TealInk.Alpha(0.14)})
	return f
}

// perBroker are the resources of each broker over time.
func (r *result) perBroker() []*drawing.Figure {
	var all []*drawing.Figure
	for _, k := range []struct {
		name, column, title, about, unit string
		scale                            float64
	}{
		{"disk", ColDiskWritten, "Disk writes", "Bytes per second that each broker's device took.", "MB/s", 1e-6},
		{"syncs", ColDiskSyncs, "Disk syncs", "fdatasync calls per second.", "1/s", 1},
		{"network", ColNetSent, "Network", "Bytes per second that each broker sent.", "MB/s", 1e-6},
		{"cpu", ColCPU, "CPU", "Cores that each broker kept busy.", "cores", 1e-9},
	} {
		all = append(all, r.rateOfBrokers(k.name, k.column, k.title, k.about, k.unit, k.scale)...)
	}
	return append(all, r.credits()...)
}

// rateOfBrokers is a figure of what each broker used; none if nothing was
// measured.
func (r *result) rateOfBrokers(name, column, title, about, unit string, scale float64) []*drawing.Figure {
	names, columns := r.series.perBroker(column)
	f := r.timeFigure(name, title, drawing.HalfWidth, 160)
	f.About = about
	high := 0.0
	for n, c := range columns {
		ps := r.series.rates(c, scale)
		for _, p := range ps {
			high = max(high, p.Y)
		}
		f.Data = append(f.Data, drawing.Curve{Points: ps, Line: drawing.Solid(brokerInk(n), 1.25)})
		f.Legend = append(f.Legend, drawing.Entry{Name: names[n], Ink: brokerInk(n), Thin: true})
	}
	if high == 0 {
		return nil
	}
	f.Y = drawing.Axis{Label: unit}
	f.Y.Ticks, f.Y.Max = drawing.NiceTicks(high*1.04, 3, drawing.SI)
	return []*drawing.Figure{f}
}

// credits is a figure of the brokers' burst credits; none if no storage has
// any.
func (r *result) credits() []*drawing.Figure {
	names, columns := r.series.perBroker(ColCredits)
	f := r.timeFigure("credits", "Burst credits", drawing.HalfWidth, 160)
	f.About = "What is left of the burst credits of each broker's storage, of those that are the lowest."
	high := 0.0
	for n, c := range columns {
		var ps drawing.Points
		for _, p := range r.series.states(c, 1e-4) {
			if p.Y >= 0 {
				ps, high = append(ps, p), max(high, p.Y)
			}
		}
		if len(ps) == 0 {
			continue
		}
		f.Data = append(f.Data, drawing.Curve{Points: ps, Line: drawing.Solid(brokerInk(n), 1.25)})
		f.Legend = append(f.Legend, drawing.Entry{Name: names[n], Ink: brokerInk(n), Thin: true})
	}
	if len(f.Legend) == 0 {
		return nil
	}
	f.Y = drawing.Axis{Label: "percent"}
	f.Y.Ticks, f.Y.Max = drawing.NiceTicks(high, 4, drawing.SI)
	return []*drawing.Figure{f}
}

// basis says under every plot of the page what kind of figures it shows. What
// the models are is said once, above.
func (r *result) basis() string {
	switch {
	case !r.run.Simulated():
		return "measured on real processes"
	case slices.ContainsFunc(r.run.Models, func(m Model) bool { return !m.Checked }):
		return "simulated, on models that were never compared with hardware: see provenance"
	}
	return "simulated, on models that were compared with hardware: see provenance"
}

// caption says on every plot where its figures come from.
func (r *result) caption() string {
	if !r.run.Simulated() {
		return fmt.Sprintf("%s · measured on real processes (%s) · seed %s", r.run.Scenario, r.run.Target, r.run.Seed)
	}
	parts := []string{fmt.Sprintf("%s · simulated · seed %s", r.run.Scenario, r.run.Seed)}
	for _, checked := range []bool{false, true} {
		var models []string
		for _, m := range r.run.Models {
			if m.Checked == checked {
				models = append(models, m.What+m.basis())
			}
		}
		switch {
		case len(models) == 0:
		case checked:
			parts = append(parts, "compared with hardware: "+strings.Join(models, ", "))
		default:
			parts = append(parts, "models never compared with hardware: "+strings.Join(models, ", "))
		}
	}
	return strings.Join(parts, " · ")
}
