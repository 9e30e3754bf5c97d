package reports

import (
	"fmt"
	"slices"
	"time"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/weirlab/weir/linearizability"
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

// behind are the plotters that every time figure begins with: fault bands and
// the end of the load. The moments of findings go on top, see ahead.
func (r *result) behind() []plot.Plotter {
	var ps []plot.Plotter
	span := r.span()
	for _, f := range r.run.Faults {
		i := faultInk(f.Kind)
		ps = append(ps, band{f.Start.Seconds(), faultEnd(f, span).Seconds(), i.alpha(0.10), i.alpha(0.45)})
	}
	if end := r.run.LoadEnd; end > 0 && end < span {
		ps = append(ps, band{from: end.Seconds(), to: span.Seconds(), fill: inkSlate.alpha(0.05), edge: inkAxis.rgb})
	}
	return ps
}

func (r *result) ahead() []plot.Plotter {
	var ps []plot.Plotter
	for _, f := range r.run.Verdict.Findings {
		if f.Time > 0 && len(ps) < 20 {
			ps = append(ps, moment{f.Time.Seconds(), inkRed})
		}
	}
	return ps
}

// timeFigure starts a figure over the time of the run.
func (r *result) timeFigure(name, title string, width, height vg.Length) *figure {
	return &figure{name: name, title: title, width: width, height: height,
		x: timeAxis(r.span().Seconds(), int(width/90)), data: r.behind(), time: true}
}

func solid(i ink, width vg.Length) draw.LineStyle {
	return draw.LineStyle{Color: i.rgb, Width: width}
}

// throughput is records per second offered, acknowledged and consumed, with
// what failed as bars.
func (r *result) throughput() *figure {
	t := &r.series
	if len(t.rows) == 0 {
		return nil
	}
	f := r.timeFigure("throughput", "Throughput", fullWidth, 250)
	f.about = "Records per second, counted each second. Coloured bands are faults."
	high := 0.0
	series := func(column string) points {
		i := t.column(column)
		if i < 0 {
			return nil
		}
		ps := t.rates(i, 1)
		for _, p := range ps {
			high = max(high, p.y)
		}
		return ps
	}
	offered, acked, consumed := series(ColOffered), series(ColAcked), series(ColConsumed)
	failed, unknown := series(ColFailed), series(ColUnknown)
	ticks, end := niceTicks(high*1.04, 4, si)
	f.y = axis{label: "records/s", max: end, ticks: ticks}
	if acked != nil {
		f.data = append(f.data, curve{points: acked, line: solid(inkBlue, 1.75), fill: inkBlue.alpha(0.14)})
		f.legend = append(f.legend, legendEntry{Name: "acknowledged", ink: inkBlue})
	}
	if consumed != nil {
		f.data = append(f.data, curve{points: consumed, line: solid(inkTeal, 1.25)})
		f.legend = append(f.legend, legendEntry{Name: "consumed", ink: inkTeal, Thin: true})
	}
	if offered != nil {
		line := solid(inkText, 1)
		line.Dashes = []vg.Length{3, 2.5}
		f.data = append(f.data, curve{points: offered, line: line})
		f.legend = append(f.legend, legendEntry{Name: "offered", ink: inkText, Thin: true})
	}
	for _, b := range []struct {
		ps   points
		ink  ink
		name string
	}{{failed, inkRed, "refused"}, {unknown, inkAmber, "of unknown fate"}} {
		if slices.ContainsFunc(b.ps, func(p point) bool { return p.y > 0 }) {
			f.data = append(f.data, bars{b.ps, 0.7, b.ink.rgb})
			f.legend = append(f.legend, legendEntry{Name: b.name, ink: b.ink})
		}
	}
	f.data = append(f.data, r.ahead()...)
	return f
}

// latencyOverTime is percentiles of the produce latency of each second, from
// that second's own histogram.
func (r *result) latencyOverTime() *figure {
	f := r.timeFigure("latency", "Produce latency over time", fullWidth, 250)
	f.about = "From the instant a record was meant to be sent to its acknowledgement; percentiles of each second. Logarithmic."
	type line struct {
		name    string
		percent float64
		ink     ink
		width   vg.Length
		points  points
	}
	lines := []line{
		{"max", 100, inkSlate, 0.75, nil},
		{"p99.9", 99.9, inkRed, 1, nil},
		{"p99", 99, inkViolet, 1.5, nil},
		{"p50", 50, inkBlue, 1.75, nil},
	}
	low, high := 1e18, 0.0
	for _, i := range r.latency {
		if i.tag != TagProduce || i.hist.TotalCount() == 0 {
			continue
		}
		at := (i.start + i.end).Seconds() / 2
		for k := range lines {
			ms := max(inMillis(i.hist.ValueAtPercentile(lines[k].percent)), 0.001)
			lines[k].points = append(lines[k].points, point{at, ms})
			low, high = min(low, ms), max(high, ms)
		}
	}
	if high == 0 {
		return nil
	}
	f.y = axis{log: true}
	f.y.ticks, f.y.min, f.y.max = logTicks(low, high, milliseconds)
	for _, l := range lines {
		f.data = append(f.data, curve{points: l.points, line: solid(l.ink, l.width), gap: 2.5})
	}
	slices.Reverse(lines)
	for _, l := range lines {
		f.legend = append(f.legend, legendEntry{Name: l.name, ink: l.ink, Thin: true})
	}
	f.data = append(f.data, r.ahead()...)
	return f
}

// lag is what was acknowledged and not yet consumed.
func (r *result) lag() *figure {
	i := r.series.column(ColLag)
	if i < 0 || len(r.series.rows) == 0 {
		return nil
	}
	f := r.timeFigure("lag", "Consumer lag", fullWidth, 130)
	f.about = "Records acknowledged and not yet consumed, at the end of each second."
	ps := r.series.states(i, 1)
	high := 0.0
	for _, p := range ps {
		high = max(high, p.y)
	}
	f.y = axis{label: "records"}
	f.y.ticks, f.y.max = niceTicks(high*1.04, 3, si)
	f.data = append(f.data, curve{points: ps, line: solid(inkTeal, 1.5), fill: inkTeal.alpha(0.14)})
	return f
}

// perBroker are the resources of each broker over time.
func (r *result) perBroker() []*figure {
	var all []*figure
	for _, k := range []struct {
		name, column, title, about, unit string
		scale                            float64
	}{
		{"disk", ColDiskWritten, "Disk writes", "Bytes per second that each broker's device took.", "MB/s", 1e-6},
		{"syncs", ColDiskSyncs, "Disk syncs", "fdatasync calls per second.", "1/s", 1},
		{"network", ColNetSent, "Network", "Bytes per second that each broker sent.", "MB/s", 1e-6},
		{"cpu", ColCPU, "CPU", "Cores that each broker kept busy.", "cores", 1e-9},
	} {
		names, columns := r.series.perBroker(k.column)
		f := r.timeFigure(k.name, k.title, halfWidth, 160)
		f.about = k.about
		high := 0.0
		for n, c := range columns {
			ps := r.series.rates(c, k.scale)
			for _, p := range ps {
				high = max(high, p.y)
			}
			f.data = append(f.data, curve{points: ps, line: solid(brokerInk(n), 1.25)})
			f.legend = append(f.legend, legendEntry{Name: names[n], ink: brokerInk(n), Thin: true})
		}
		if high == 0 {
			continue // nothing was measured
		}
		f.y = axis{label: k.unit}
		f.y.ticks, f.y.max = niceTicks(high*1.04, 3, si)
		all = append(all, f)
	}
	return all
}

// caption says on every plot where its figures come from.
func (r *result) caption() string {
	if !r.run.Simulated() {
		return fmt.Sprintf("%s · measured on real processes (%s) · seed %s", r.run.Scenario, r.run.Target, r.run.Seed)
	}
	c := fmt.Sprintf("%s · simulated · seed %s", r.run.Scenario, r.run.Seed)
	for _, m := range r.run.Models {
		if !m.Checked {
			return c + " · models from specifications, not checked against hardware"
		}
	}
	return c
}
