package versus

import (
	"fmt"
	"math"
	"strings"

	"github.com/weirlab/weir/workloads/calibrate"
	"github.com/weirlab/weir/workloads/experiment/document"
	"github.com/weirlab/weir/workloads/measure"
)

// Document is the comparison for readers.
func (r *Result) Document() *document.Document {
	d := &document.Document{
		Title:    "Simulated against real",
		Subtitle: "Eight workloads on three broker processes of this machine and on its simulation: " + r.Profile.Title,
		Summary:  r.summary(),
	}
	if r.unseen() {
		d.Title = fmt.Sprintf("Simulated against real, on records of %d bytes", r.Plan.Bytes)
	}
	d.Sections = append(d.Sections, r.errorSection(), r.throughputSection(), r.latencySection(), r.mechanismSection())
	for _, s := range r.Profile.Sources {
		validated := s.Validated
		if validated == "" {
			validated = r.validated()
		}
		d.Provenance = append(d.Provenance, document.Source{What: s.What, Basis: s.Basis, Source: s.Source, Validated: validated})
	}
	return d
}

func (r *Result) repetitions() (real, sim int) {
	for i := range r.Cases {
		real, sim = max(real, len(r.Cases[i].Saturated.Real)), max(sim, len(r.Cases[i].Saturated.Sim))
	}
	return real, sim
}

// validated says how well the model did on what it was not fitted to.
func (r *Result) validated() string {
	throughput, ok := r.Median(HeldOut, Throughput)
	p50, _ := r.Median(HeldOut, P50)
	if !ok {
		return document.NeverCompared
	}
	return fmt.Sprintf("against %s: median error of %s %.0f%% in throughput, %.0f%% in p50", r.Profile.Title, r.heldOut(), throughput, p50)
}

func (r *Result) model() string { return "machine profile of weir calibrate, " + r.Profile.Title }

func (r *Result) summary() []string {
	real, sim := r.repetitions()
	var lines []string
	for _, f := range []Figure{Throughput, P50} {
		held, ok := r.Median(HeldOut, f)
		if !ok {
			continue
		}
		verdict := "met"
		if !r.Met(f) {
			verdict = "missed"
		}
		line := fmt.Sprintf("%s: the median error of the %s is %.0f%%, the target is %.0f%%: %s.",
			strings.ToUpper(f.Name[:1])+f.Name[1:], r.heldOut(), held, f.Target, verdict)
		if calibration, ok := r.Median(Calibration, f); ok {
			line += fmt.Sprintf(" Of those that costs were fitted to it is %.0f%%.", calibration)
		}
		lines = append(lines, line)
	}
	if held, ok := r.Median(HeldOut, P50Sent); ok {
		p99, _ := r.Median(HeldOut, P99)
		lines = append(lines, fmt.Sprintf("Without the generator's timer, from the hand-over of a record, the error of p50 is %.0f%% (median, held out); the error of p99 is %.0f%%.", held, p99))
	}
	if worst := r.worst(); worst != "" {
		lines = append(lines, worst)
	}
	return append(lines, fmt.Sprintf("%d real runs of each phase of each workload, in turn, and %d simulated ones with different seeds; %v measured after %v of warm-up; %d records/s in the phase that latency is from; RF 3, %d-byte records, one producer without linger, one consumer.",
		real, sim, r.Plan.Window, r.Plan.WarmUp, r.Plan.Rate, r.Plan.Bytes))
}

// worst names the workload with the greatest error beyond its target, and what
// its real and its simulated machine were busy with.
func (r *Result) worst() string {
	worst, by, of := (*Case)(nil), 0.0, Figure{}
	for i := range r.Cases {
		for _, f := range []Figure{Throughput, P50} {
			c := &r.Cases[i]
			if e, ok := c.Compare(f).Error(); ok && math.Abs(e) > f.Target && math.Abs(e)/f.Target > math.Abs(by)/max(of.Target, 1) {
				worst, by, of = c, e, f
			}
		}
	}
	if worst == nil {
		return ""
	}
	return fmt.Sprintf("The greatest miss is the %s of %s, %+.0f%%: %s", of.Name, worst.Workload.Title(), by, worst.reason(of))
}

// calibration reports whether the costs were fitted to this workload too.
func (c *Case) calibration() bool { return c.Workload.Calibration() && !c.Unseen }

// half is what a workload was to the calibration.
func (c *Case) half() string {
	switch {
	case c.Unseen:
		return "unseen"
	case c.calibration():
		return "calibration"
	}
	return "held out"
}

func (c *Case) halfCell() document.Cell {
	cell := document.Words(c.half())
	if c.calibration() {
		cell = cell.Marked(document.Neutral)
	}
	return cell
}

// unseen reports whether no workload had a part in the calibration.
func (r *Result) unseen() bool { return len(r.Cases) > 0 && r.Cases[0].Unseen }

// heldOut is what the workloads outside of the calibration are called.
func (r *Result) heldOut() string {
	if r.unseen() {
		return "unseen workloads"
	}
	return "workloads held out of calibration"
}

// figureName begins the names of tables and figures.
func (r *Result) figureName() string {
	if r.unseen() {
		return "unseen"
	}
	return "versus"
}

func errorCell(c Compared, target float64) document.Cell {
	e, ok := c.Error()
	if !ok {
		return document.Words("–").Marked(document.Neutral)
	}
	cell := document.Quantity(e, "%", fmt.Sprintf("%+.0f%%", e))
	switch {
	case target == 0:
		return cell
	case math.Abs(e) <= target:
		return cell.Marked(document.Good)
	}
	return cell.Marked(document.Bad)
}

func cell(v float64, unit string) document.Cell {
	text := fmt.Sprintf("%.0f", v)
	switch {
	case v < 10:
		text = fmt.Sprintf("%.2f", v)
	case v < 100:
		text = fmt.Sprintf("%.1f", v)
	}
	return document.Quantity(v, unit, text)
}

// halves says which workloads had a part in what.
func (r *Result) halves() string {
	if r.unseen() {
		return fmt.Sprintf("Calibration saw records of %d bytes, and so did those who made the model: no workload here had a part in either.", calibrate.DefaultPlan().Bytes)
	}
	return "Calibration saw the workloads with an even number of acks=all, fsync on and 12 partitions; the others are held out: no figure of the model was fitted to them. " +
		"Its shape was worked on, though, while the errors of all eight were known. Records of another size, which were never looked at meanwhile, are a test of that too."
}

func (r *Result) errorSection() document.Section {
	s := document.Section{
		Title: "Errors",
		Text: []string{
			"An error is that of the medians, simulated against real. ± is half the range of the real runs: an error below it says nothing.",
			r.halves(),
		},
	}
	for _, kind := range []struct {
		name, title, unit string
		figures           []Figure
	}{
		{r.figureName() + "-throughput", "Throughput, saturated", "records/s", []Figure{Throughput}},
		{r.figureName() + "-latency", fmt.Sprintf("Latency at %d records/s", r.Plan.Rate), "ms", []Figure{P50, P50Sent, P99}},
	} {
		t := document.Table{Name: kind.name, Title: kind.title, Columns: []document.Column{{Name: "Workload"}, {Name: "Half"}}}
		for _, f := range kind.figures {
			prefix := ""
			if len(kind.figures) > 1 {
				prefix = f.Name + " "
			}
			t.Columns = append(t.Columns,
				document.Column{Name: prefix + "real", Unit: kind.unit, Number: true}, document.Column{Name: "±", Unit: "%", Number: true},
				document.Column{Name: "simulated", Unit: kind.unit, Number: true}, document.Column{Name: "error", Number: true})
			if f.Target > 0 {
				t.Notes = append(t.Notes, fmt.Sprintf("The target for %s is an error of %.0f%% as the median of the %s; beyond it an error is marked.", f.Name, f.Target, r.heldOut()))
			}
		}
		for i := range r.Cases {
			c := &r.Cases[i]
			row := []document.Cell{document.Words(c.Workload.Title()), c.halfCell()}
			for _, f := range kind.figures {
				x := c.Compare(f)
				row = append(row, cell(x.Real.Median, kind.unit), document.Quantity(x.Noise(), "%", fmt.Sprintf("%.0f%%", x.Noise())), cell(x.Sim.Median, kind.unit), errorCell(x, f.Target))
			}
			t.Rows = append(t.Rows, row)
		}
		rest := "held out"
		if r.unseen() {
			rest = "unseen"
		}
		for _, half := range []struct {
			name string
			of   Half
		}{{"calibration", Calibration}, {rest, HeldOut}} {
			if half.name == "calibration" && r.unseen() {
				continue
			}
			row := []document.Cell{document.Words("median error"), document.Words(half.name)}
			for _, f := range kind.figures {
				e, ok := r.Median(half.of, f)
				c := document.Words("–").Marked(document.Neutral)
				if ok {
					c = document.Quantity(e, "%", fmt.Sprintf("%.0f%%", e))
					if f.Target > 0 {
						c = c.Marked(document.Bad)
						if e <= f.Target {
							c = c.Marked(document.Good)
						}
					}
				}
				row = append(row, document.Words(""), document.Words(""), document.Words(""), c)
			}
			t.Rows = append(t.Rows, row)
		}
		s.Tables = append(s.Tables, t)
	}
	return s
}

func (r *Result) throughputSection() document.Section {
	var real, sim document.Series
	real = document.Series{Name: "real", Basis: document.Real, Color: 1}
	sim = document.Series{Name: "simulated", Basis: document.Simulated, Color: 2}
	var names []string
	for i := range r.Cases {
		c := &r.Cases[i]
		x := c.Compare(Throughput)
		name := c.Workload.Title()
		if !c.calibration() {
			name += " (" + c.half() + ")"
		}
		names = append(names, name)
		for _, one := range []struct {
			series *document.Series
			s      Spread
		}{{&real, x.Real}, {&sim, x.Sim}} {
			one.series.Y = append(one.series.Y, one.s.Median)
			one.series.Low, one.series.High = append(one.series.Low, one.s.Low), append(one.series.High, one.s.High)
		}
	}
	f := document.Figure{
		Name: r.figureName() + "-throughput", Title: "Throughput, real and simulated", About: "Bars are medians, whiskers the whole range of the runs.",
		Kind: document.Bars, X: document.Axis{Label: "workload", Unit: "1", Categories: names}, Y: document.Axis{Label: "acknowledged records", Unit: "records/s"},
		Series: []document.Series{real, sim}, Basis: document.Both, Model: r.model(), Validated: r.validated(),
	}
	if real.Y == nil || !r.hasReal() {
		f.Series, f.Basis = []document.Series{sim}, document.Simulated
	}
	return document.Section{Title: "Throughput", Text: []string{"Each producer sends as fast as its buffer.memory of 4 MiB lets it."}, Figures: []document.Figure{f}}
}

func (r *Result) hasReal() bool {
	real, _ := r.repetitions()
	return real > 0
}

// percentiles are where latency distributions are drawn.
var percentiles = []float64{0, 10, 25, 50, 75, 90, 95, 98, 99, 99.5, 99.9}

func (r *Result) latencySection() document.Section {
	s := document.Section{
		Title: "Latency",
		Text: []string{fmt.Sprintf("From the intended sending of a record to its acknowledgement, at %d records/s. The band is the whole range of the real runs. "+
			"Half of it is the generator's own timer: Go's sleeps end on whole milliseconds, on the real machine and, by its profile, on the simulated one.", r.Plan.Rate)},
	}
	for i := range r.Cases {
		c := &r.Cases[i]
		title := c.Workload.Title()
		if !c.calibration() {
			title += " (" + c.half() + ")"
		}
		f := document.Figure{
			Name: r.figureName() + "-latency-" + c.Workload.Name(), Title: title, Kind: document.Percentiles, Half: true,
			X: document.Axis{Label: "percentile", Unit: "%"}, Y: document.Axis{Label: "latency", Unit: "ms", Log: true},
			Basis: document.Both, Model: r.model(), Validated: r.validated(),
		}
		if len(c.FixedRate.Real) > 0 {
			f.Series = append(f.Series, distribution("real", document.Real, 1, c.FixedRate.Real))
		} else {
			f.Basis = document.Simulated
		}
		f.Series = append(f.Series, distribution("simulated", document.Simulated, 2, c.FixedRate.Sim))
		s.Figures = append(s.Figures, f)
	}
	return s
}

// distribution is the median over runs of every percentile, with their range.
func distribution(name string, basis document.Basis, color int, runs []*measure.Measurement) document.Series {
	s := document.Series{Name: name, Basis: basis, Color: color}
	for _, p := range percentiles {
		x := spread(each(runs, func(m *measure.Measurement) float64 { return millis(m.Produce.P(p)) }))
		s.X, s.Y = append(s.X, p), append(s.Y, x.Median)
		s.Low, s.High = append(s.Low, x.Low), append(s.High, x.High)
	}
	return s
}
