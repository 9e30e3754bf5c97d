package results

import (
	"fmt"
	"slices"
	"time"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/reports/drawing"
	"github.com/weirlab/weir/sim"
	"github.com/weirlab/weir/sim/machine"
	"github.com/weirlab/weir/workloads/calibrate"
	"github.com/weirlab/weir/workloads/experiment/document"
)

// Calibration is what weir calibrate found as a document.
func Calibration(r *calibrate.Result) *document.Document {
	p := &r.Profile
	d := &document.Document{
		Title:    "The machine that the measurements were made on",
		Subtitle: fmt.Sprintf("%s, %s of memory", p.Title, drawing.SI(float64(p.MemoryBytes))+"B"),
	}
	for _, s := range p.Sources {
		d.Provenance = append(d.Provenance, document.Source{What: s.What, Basis: s.Basis, Source: s.Source, Validated: s.Validated})
	}
	if p.Disk != nil {
		d.Summary = append(d.Summary, diskWords(p))
		d.Sections = append(d.Sections, diskSection(p.Disk, p.Title))
	}
	d.Sections = append(d.Sections, networkSection(r), costSection(&r.Fit, p.Title))
	return d
}

func diskWords(p *machine.Profile) string {
	words := p.Title
	if s, ok := p.Disk.Find(machine.AppendSync, 4<<10, 1); ok {
		words += fmt.Sprintf(": an append of 4 KiB is durable after %s (p50) or %s (p99)", quantileText(s.Latency, 50), quantileText(s.Latency, 99))
	}
	if len(p.Wakeup) > 0 {
		words += fmt.Sprintf("; a task that waited runs %s after what it waited for (p50)", quantileText(p.Wakeup, 50))
	}
	return words + "."
}

// at is a percentile of integer quantiles.
func at(qs []sim.Quantile, percent float64) time.Duration {
	i := slices.IndexFunc(qs, func(q sim.Quantile) bool { return float64(q.PPM) >= percent*10_000 })
	if i < 0 {
		return 0
	}
	return qs[i].Value
}

func millis(d time.Duration) float64 { return float64(d) / 1e6 }

func quantileText(qs []sim.Quantile, percent float64) string {
	return drawing.Milliseconds(millis(at(qs, percent)))
}

func latencyCell(qs []sim.Quantile, percent float64) document.Cell {
	if len(qs) == 0 {
		return document.Words("–").Marked(document.Neutral)
	}
	return document.Quantity(millis(at(qs, percent)), "ms", quantileText(qs, percent))
}

func sizeText(n int64) string {
	switch {
	case n >= 1<<20 && n%(1<<20) == 0:
		return fmt.Sprintf("%d MiB", n>>20)
	case n >= 1<<10 && n%(1<<10) == 0:
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%d B", n)
}

func diskSection(disk *machine.Disk, on string) document.Section {
	s := document.Section{Title: "Disk", Text: []string{fmt.Sprintf("%s. Long sequential runs past the page cache: %s written, %s read.", disk.Title,
		drawing.SI(float64(disk.WriteBytesPerSecond))+"B/s", drawing.SI(float64(disk.ReadBytesPerSecond))+"B/s")}}
	t := document.Table{Name: "disk", Title: "Latency of one call", Columns: []document.Column{
		{Name: "operation"}, {Name: "size", Number: true}, {Name: "files side by side", Number: true}, {Name: "calls", Number: true},
		{Name: "p50", Number: true}, {Name: "p90", Number: true}, {Name: "p99", Number: true}, {Name: "p99.9", Number: true}, {Name: "together", Unit: "MB/s", Number: true}}}
	bySize := document.Figure{Name: "disk-size", Title: "One call by its size", About: "Median; the bands reach from the 10th to the 90th percentile. One file.",
		Kind: document.Lines, X: document.Axis{Label: "size", Unit: "KiB", Log: true}, Y: document.Axis{Label: "latency", Unit: "ms", Log: true}, Basis: document.Real, Half: true, Note: on}
	byDepth := bySize
	byDepth.Name, byDepth.Title = "disk-depth", "4 KiB by how many files are written side by side"
	byDepth.About, byDepth.X = "Median; the bands reach from the 10th to the 90th percentile.", document.Axis{Label: "files", Unit: "1"}
	for i := range disk.Series {
		e := &disk.Series[i]
		rate := float64(e.BytesPerSecond) / 1e6
		t.Rows = append(t.Rows, []document.Cell{document.Words(e.Op), document.Quantity(float64(e.Bytes), "B", sizeText(e.Bytes)),
			document.Quantity(float64(e.Depth), "", fmt.Sprint(e.Depth)), document.Quantity(float64(e.Count), "", fmt.Sprint(e.Count)),
			latencyCell(e.Latency, 50), latencyCell(e.Latency, 90), latencyCell(e.Latency, 99), latencyCell(e.Latency, 99.9),
			document.Quantity(rate, "MB/s", drawing.Trim(rate))})
		if e.Depth == 1 {
			addPoint(&bySize, e.Op, float64(e.Bytes)/1024, e.Latency)
		}
		if e.Bytes == 4<<10 {
			addPoint(&byDepth, e.Op, float64(e.Depth), e.Latency)
		}
	}
	s.Tables = []document.Table{t}
	for _, f := range []document.Figure{bySize, byDepth} {
		f.Series = slices.DeleteFunc(f.Series, func(s document.Series) bool { return len(s.X) < 2 })
		if len(f.Series) > 0 {
			s.Figures = append(s.Figures, f)
		}
	}
	return s
}

// addPoint adds what a series of calls took to the curve of its operation.
func addPoint(f *document.Figure, name string, x float64, qs []sim.Quantile) {
	if len(qs) == 0 || at(qs, 10) <= 0 {
		return // a logarithmic axis has no place for it
	}
	i := slices.IndexFunc(f.Series, func(s document.Series) bool { return s.Name == name })
	if i < 0 {
		i = len(f.Series)
		f.Series = append(f.Series, document.Series{Name: name, Basis: document.Real})
	}
	s := &f.Series[i]
	s.X, s.Y = append(s.X, x), append(s.Y, millis(at(qs, 50)))
	s.Low, s.High = append(s.Low, millis(at(qs, 10))), append(s.High, millis(at(qs, 90)))
}

func networkSection(r *calibrate.Result) document.Section {
	t := document.Table{Name: "waiting", Title: "Waiting", Columns: []document.Column{
		{Name: "what"}, {Name: "p50", Number: true}, {Name: "p90", Number: true}, {Name: "p99", Number: true}, {Name: "p99.9", Number: true}}}
	row := func(name string, qs []sim.Quantile) {
		if len(qs) > 0 {
			t.Rows = append(t.Rows, []document.Cell{document.Words(name), latencyCell(qs, 50), latencyCell(qs, 90), latencyCell(qs, 99), latencyCell(qs, 99.9)})
		}
	}
	if r.Loopback != nil {
		for _, trip := range r.Loopback.RoundTrips {
			name := fmt.Sprintf("round trip between two processes, %s, ", sizeText(trip.Bytes))
			if trip.Pause > 0 {
				name += fmt.Sprintf("after %s of silence", trip.Pause)
			} else {
				name += "one after the other"
			}
			row(name, trip.Latency)
		}
	}
	row("waking a task that waited", r.Profile.Wakeup)
	row("how much later than asked a sleep ends", r.Profile.Timer)
	s := document.Section{Title: "Loopback network, wake-ups and timers", Tables: []document.Table{t}}
	if n := r.Profile.Network; n != nil && n.LoopbackBytesPerSecond > 0 {
		s.Text = []string{fmt.Sprintf("One connection carries %s.", drawing.SI(float64(n.LoopbackBytesPerSecond))+"B/s")}
	}
	return s
}

func costSection(fit *calibrate.CostFit, on string) document.Section {
	s := document.Section{Title: "CPU costs of broker and client"}
	t := document.Table{Name: "costs", Title: "Price of an operation, in time of one core", Columns: []document.Column{
		{Name: "operation"}, {Name: "a call", Unit: "µs", Number: true}, {Name: "a unit", Unit: "ns", Number: true}},
		Notes: []string{"A unit is a byte, or a record where the operation is about records."}}
	for _, op := range env.SortedKeys(fit.Costs.Operations) {
		c := fit.Costs.Operations[op]
		call, unit := float64(c.CallNanos)/1e3, float64(c.UnitPicos)/1e3
		t.Rows = append(t.Rows, []document.Cell{document.Words(op), document.Quantity(call, "µs", drawing.Trim(call)), document.Quantity(unit, "ns", drawing.Trim(unit))})
	}
	s.Tables = append(s.Tables, t)
	if len(fit.Observations) == 0 {
		return s
	}
	median, greatest := fit.Error()
	s.Text = []string{fmt.Sprintf("Non-negative least squares over %d observations: the fitted costs explain the CPU time of a process with a median error of %.0f %%, at most %.0f %%.",
		len(fit.Observations), median, greatest)}
	f := document.Figure{Name: "fit", Title: "CPU time that the fitted costs explain", Kind: document.Scatter, About: "One point for each process and run; a perfect fit lies on the line.",
		X: document.Axis{Label: "CPU time measured", Unit: "s"}, Y: document.Axis{Label: "CPU time explained", Unit: "s"},
		Basis: document.Real, Note: on}
	var most float64
	points := document.Series{Name: "processes", Basis: document.Real}
	for _, o := range fit.Observations {
		points.X, points.Y = append(points.X, o.CPU.Seconds()), append(points.Y, o.Explained.Seconds())
		most = max(most, o.CPU.Seconds(), o.Explained.Seconds())
	}
	most *= 1.05
	f.X.Max, f.Y.Max = most, most
	f.Series = []document.Series{{Name: "explained as measured", Basis: document.Specification, X: []float64{0, most}, Y: []float64{0, most}}, points}
	s.Figures = append(s.Figures, f)
	return s
}
