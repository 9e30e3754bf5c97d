package regress

import (
	"fmt"
	"strings"
	"time"

	"github.com/weirlab/weir/workloads/experiment/document"
)

// Document is the comparison for readers.
func (r *Result) Document() *document.Document {
	d := &document.Document{
		Title:    "Is the new build slower?",
		Subtitle: fmt.Sprintf("%s against %s, interleaved on one machine", r.New.label(), r.Old.label()),
		Summary:  []string{r.Verdict(), r.howCertain()},
		Sections: []document.Section{
			{Title: "What changed", Tables: []document.Table{r.table()}, Figures: []document.Figure{r.changes()}},
			{Title: "The processes", Text: []string{"Each point is one process of three brokers, which had its turns among the other three of its round. How far two of one build lie apart is what this machine does to equal programs."}, Figures: r.scatters()},
			r.method(),
		},
		Provenance: []document.Source{{
			What: "time, processor time and latency", Basis: "measurement",
			Source:    fmt.Sprintf("this machine, %s: %s", r.Started.Format("2006-01-02"), r.machine()),
			Validated: "old against itself, in the same run",
		}},
		Facts: []document.Fact{
			{Name: "started", Value: r.Started.Format(time.RFC3339)},
			{Name: "took", Value: r.Took.Round(time.Second).String()},
			{Name: "machine", Value: r.machine()},
			{Name: Old, Value: r.Old.describe()},
			{Name: New, Value: r.New.describe()},
		},
	}
	return d
}

func (r *Result) machine() string {
	m := fmt.Sprintf("%d processors, %s/%s", r.CPUs, r.GOOS, r.GOARCH)
	if r.CPU != "" {
		m += ", " + r.CPU
	}
	return m
}

func (b Build) label() string {
	if len(b.Arguments) > 0 {
		return b.Name + " " + strings.Join(b.Arguments, " ")
	}
	return b.Name
}

func (b Build) describe() string {
	text := b.label()
	if b.Commit != "" {
		text += ", commit " + b.Commit
	}
	if len(b.SHA256) >= 12 {
		text += ", SHA-256 " + b.SHA256[:12] + "…"
	}
	return text
}

// Verdict is the answer in a sentence.
func (r *Result) Verdict() string {
	var slower, faster []string
	for _, c := range r.Metrics {
		switch {
		case c.Alarm:
			slower = append(slower, fmt.Sprintf("%s %s (%s to %s)", c.Name, percent(c.Change), percent(c.Low), percent(c.High)))
		case c.Faster:
			faster = append(faster, fmt.Sprintf("%s %s", c.Name, percent(c.Change)))
		}
	}
	switch {
	case len(slower) > 0:
		return "Slower: " + strings.Join(slower, ", ") + "."
	case len(faster) > 0:
		return "Not slower. Faster: " + strings.Join(faster, ", ") + "."
	}
	return "Not slower by anything that this machine can tell from noise."
}

func (r *Result) howCertain() string {
	if len(r.Metrics) == 0 {
		return "Nothing was measured."
	}
	c := r.Metrics[0]
	return fmt.Sprintf("%s: %s, 95%% interval %s to %s; equal builds differ by %.1f%% (standard deviation), and an alarm needs %s.",
		strings.ToUpper(c.About[:1])+c.About[1:], percent(c.Change), percent(c.Low), percent(c.High), 100*c.Noise, percent(c.Gate))
}

func percent(f float64) string {
	return fmt.Sprintf("%+.1f%%", 100*f)
}

func amount(v float64) string {
	if v >= 1000 {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.4g", v)
}

func (r *Result) table() document.Table {
	t := document.Table{
		Name: "metrics", Title: "Costs, old and new (more is worse)",
		Columns: []document.Column{
			{Name: "metric"}, {Name: "unit"}, {Name: "old", Number: true}, {Name: "new", Number: true}, {Name: "change", Unit: "%", Number: true},
			{Name: "95% interval"}, {Name: "p", Number: true}, {Name: "A/A noise", Unit: "%", Number: true}, {Name: "gate", Unit: "%", Number: true}, {Name: "verdict"},
		},
	}
	for _, c := range r.Metrics {
		verdict := document.Words("no change beyond the gate")
		switch {
		case c.Alarm:
			verdict = document.Words("slower").Marked(document.Bad)
		case c.Faster:
			verdict = document.Words("faster").Marked(document.Good)
		}
		t.Rows = append(t.Rows, []document.Cell{
			document.Words(c.Name), document.Words(c.Unit),
			document.Quantity(c.Old.Value, c.Unit, amount(c.Old.Value)), document.Quantity(c.New.Value, c.Unit, amount(c.New.Value)),
			document.Quantity(100*c.Change, "%", fmt.Sprintf("%+.1f", 100*c.Change)),
			document.Words(percent(c.Low) + " to " + percent(c.High)),
			document.Quantity(c.P, "", fmt.Sprintf("%.4f", c.P)),
			document.Quantity(100*c.Noise, "%", fmt.Sprintf("%.1f", 100*c.Noise)),
			document.Quantity(100*c.Gate, "%", fmt.Sprintf("%+.1f", 100*c.Gate)),
			verdict,
		})
		t.Notes = append(t.Notes, c.Name+": "+c.About+".")
	}
	return t
}

const notModelled = "nothing is modelled"

// changes is the figure of all metrics.
func (r *Result) changes() document.Figure {
	f := document.Figure{
		Name: "changes", Title: "Change of each cost, and the gate", About: "A slowdown is a bar that is longer than its gate. Whiskers are 95% intervals.",
		Kind: document.Bars, X: document.Axis{Label: "metric"}, Y: document.Axis{Label: "change of cost", Unit: "%"},
		Basis: document.Real, Model: notModelled, Validated: "old against itself, in the same run",
	}
	change := document.Series{Name: "change", Basis: document.Real}
	gate := document.Series{Name: "gate", Basis: document.Real}
	for _, c := range r.Metrics {
		f.X.Categories = append(f.X.Categories, c.Name)
		change.Y = append(change.Y, 100*c.Change)
		change.Low, change.High = append(change.Low, 100*c.Low), append(change.High, 100*c.High)
		gate.Y = append(gate.Y, 100*c.Gate)
	}
	f.Series = []document.Series{change, gate}
	return f
}

// scatters shows every process for the metrics that say most.
func (r *Result) scatters() []document.Figure {
	var figures []document.Figure
	for _, c := range r.Metrics {
		if c.Name != allCPU && c.Name != "paced/p50" {
			continue
		}
		f := document.Figure{
			Name: strings.ReplaceAll("processes-"+c.Name, "/", "-"), Title: c.Name + " of each process", About: c.About + ".", Kind: document.Scatter, Half: true,
			X: document.Axis{Label: "round", Unit: "number"}, Y: document.Axis{Label: c.Name, Unit: c.Unit},
			Basis: document.Real, Model: notModelled, Validated: "old against itself, in the same run",
		}
		for i, side := range []struct {
			name string
			all  []float64
		}{{Old, c.Old.All}, {New, c.New.All}} {
			s := document.Series{Name: side.name, Basis: document.Real}
			for j, v := range side.all {
				// Two of each side per round, beside each other.
				s.X = append(s.X, float64(j/2+1)+0.12*float64(2*i-1)+0.04*float64(2*(j%2)-1))
				s.Y = append(s.Y, v)
			}
			f.Series = append(f.Series, s)
		}
		figures = append(figures, f)
	}
	return figures
}

func (r *Result) method() document.Section {
	s := document.Section{Title: "How it was measured", Text: []string{
		fmt.Sprintf("In each of %d rounds four processes of three brokers ran at the same time, two of each build, and had slices of fixed work in turn, in balanced ABBA order. A process's value of a metric is the mean of the middle half of its slices. Only processes of the same round are compared.", r.Rounds),
		"The change is the median over all pairs of an old and a new process of one round, with the interval of the exact stratified rank test. The A/A noise is the standard deviation that this median has when nothing changed, from the difference between the two processes of each build.",
		fmt.Sprintf("There is an alarm if the change is beyond the gate and the order of the processes has a probability of at most %g by the exact test. The gate is the smallest change worth an alarm or, if that is more, what the noise exceeds once in %.0f comparisons.", rankLevel, 1/gateLevel),
	}}
	t := document.Table{Name: "loads", Title: "The loads", Columns: []document.Column{{Name: "load"}, {Name: "what"}, {Name: "requests of a slice", Number: true}}}
	for _, l := range loads {
		t.Rows = append(t.Rows, []document.Cell{document.Words(l.name), document.Words(l.title), document.Quantity(float64(l.requests), "", fmt.Sprint(l.requests))})
	}
	s.Tables = append(s.Tables, t)
	return s
}
