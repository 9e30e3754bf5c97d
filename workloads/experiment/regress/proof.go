package regress

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/weirlab/weir/workloads/experiment"
	"github.com/weirlab/weir/workloads/experiment/document"
)

// ProofSchema of a proof file.
const ProofSchema = "weir.regress-proof/1"

// PlantedSlowdown is by how much more processor time S1 (package faults)
// makes requests take.
const PlantedSlowdown = 0.15

// plantArgument turns it on.
const plantArgument = "--plant=S1"

// ProofOptions is what Prove needs to know.
type ProofOptions struct {
	Options       // of each comparison; Old and New are set by Prove
	Plain   Build // an ordinary build
	Faults  Build // one with planted bugs in it
	Runs    int   // comparisons of each kind
	// Told gets each comparison when it is over, if it is not nil.
	Told func(Trial)
}

// Proof is many comparisons whose answer is known.
type Proof struct {
	Schema  string        `json:"schema"`
	Started time.Time     `json:"started"`
	Took    time.Duration `json:"took_ns"`
	Machine string        `json:"machine"`
	Go      string        `json:"go"`
	Plain   Build         `json:"plain"`
	Faults  Build         `json:"faults"`
	Trials  []Trial       `json:"trials"`
}

// Trial is one comparison of a build with itself.
type Trial struct {
	Number  int           `json:"number"`
	Planted bool          `json:"planted"` // the new side was slower
	Alarm   bool          `json:"alarm"`
	Alarmed []string      `json:"alarmed,omitempty"` // metrics
	Rounds  int           `json:"rounds"`
	Took    time.Duration `json:"took_ns"`
	// CPU is the comparison of processor time over all loads, without the
	// single processes.
	CPU Comparison `json:"cpu"`
}

// String is the trial in a line.
func (t Trial) String() string {
	kind, answer := "equal builds", "no alarm"
	if t.Planted {
		kind = "slowdown planted"
	}
	if t.Alarm {
		answer = "alarm: " + strings.Join(t.Alarmed, ", ")
	}
	return fmt.Sprintf("%2d  %-16s  processor time %s (%s to %s), gate %s, %d rounds, %.0f s: %s", t.Number, kind,
		percent(t.CPU.Change), percent(t.CPU.Low), percent(t.CPU.High), percent(t.CPU.Gate), t.Rounds, t.Took.Seconds(), answer)
}

// Prove compares equal builds, and equal builds of which one has a slowdown
// planted, in turn, so that both kinds see the same machine.
func Prove(ctx context.Context, o ProofOptions) (*Proof, error) {
	p := &Proof{Schema: ProofSchema, Started: time.Now().UTC(), Plain: o.Plain, Faults: o.Faults}
	for n := range 2 * o.Runs {
		planted := n%2 == 1
		one := o.Options
		one.Old, one.New = o.Plain, o.Plain
		if planted {
			one.Old, one.New = o.Faults, o.Faults
			one.New.Arguments = []string{plantArgument}
		}
		r, err := Run(ctx, one)
		if err != nil {
			return nil, err
		}
		t := Trial{Number: n/2 + 1, Planted: planted, Alarm: r.Alarm, Rounds: r.Rounds, Took: r.Took}
		for _, c := range r.Metrics {
			if c.Name == allCPU {
				t.CPU = c
				t.CPU.Old.All, t.CPU.New.All = nil, nil
			}
			if c.Alarm {
				t.Alarmed = append(t.Alarmed, c.Name)
			}
		}
		p.Trials = append(p.Trials, t)
		p.Machine, p.Go, p.Took = r.machine(), r.Go, time.Since(p.Started)
		if o.Told != nil {
			o.Told(t)
		}
	}
	return p, nil
}

// count is how many trials of one kind there are, and how many gave an alarm.
func (p *Proof) count(planted bool) (trials, alarms int) {
	for _, t := range p.Trials {
		if t.Planted == planted {
			trials++
			if t.Alarm {
				alarms++
			}
		}
	}
	return trials, alarms
}

// Holds reports whether equal builds never gave an alarm and the planted
// slowdown did at least 18 times of 20.
func (p *Proof) Holds() bool {
	equal, wrong := p.count(false)
	planted, found := p.count(true)
	return equal > 0 && planted > 0 && wrong == 0 && found*20 >= planted*18
}

// Verdict is the outcome in a sentence.
func (p *Proof) Verdict() string {
	equal, wrong := p.count(false)
	planted, found := p.count(true)
	return fmt.Sprintf("The same build against itself, %d times: %d alarms. With a slowdown of %.0f%% planted, %d times: %d alarms.", equal, wrong, 100*PlantedSlowdown, planted, found)
}

// Document is the proof for readers.
func (p *Proof) Document() *document.Document {
	t := document.Table{
		Name: "trials", Title: "Comparisons whose answer is known",
		Columns: []document.Column{
			{Name: "new build"}, {Name: "trial", Number: true}, {Name: "change of processor time", Unit: "%", Number: true}, {Name: "95% interval"},
			{Name: "gate", Unit: "%", Number: true}, {Name: "rounds", Number: true}, {Name: "took", Unit: "s", Number: true}, {Name: "answer"},
		},
	}
	f := document.Figure{
		Name: "regress-proof", Title: "What weir regress saw: equal builds, and 15% planted",
		About: "Change of the brokers' processor time in each comparison, with its 95% interval. The gate is where the alarm begins.",
		Kind:  document.Scatter, X: document.Axis{Label: "trial", Unit: "number"}, Y: document.Axis{Label: "change of processor time", Unit: "%"},
		Basis: document.Real, Model: notModelled, Validated: "by the planted slowdown",
		Marks: []document.Line{{At: 100 * PlantedSlowdown, Label: "planted"}, {At: 0, Label: "equal"}},
	}
	gate := document.Series{Name: "gate of each", Basis: document.Real}
	for _, planted := range []bool{false, true} {
		s := document.Series{Name: "equal builds", Basis: document.Real}
		if planted {
			s.Name = "slowdown planted"
		}
		for _, trial := range p.Trials {
			if trial.Planted != planted {
				continue
			}
			at := float64(trial.Number)
			if planted {
				at += 0.3
			}
			s.X, s.Y = append(s.X, at), append(s.Y, 100*trial.CPU.Change)
			s.Low, s.High = append(s.Low, 100*trial.CPU.Low), append(s.High, 100*trial.CPU.High)
			gate.X, gate.Y = append(gate.X, at), append(gate.Y, 100*trial.CPU.Gate)
			t.Rows = append(t.Rows, trial.row(s.Name))
		}
		f.Series = append(f.Series, s)
	}
	f.Series = append(f.Series, gate)
	return &document.Document{
		Title: "Does weir regress find a slowdown, and nothing else?", Subtitle: "Comparisons of one build with itself, with and without a planted slowdown",
		Summary: []string{p.Verdict()},
		Sections: []document.Section{{Title: "The trials", Text: []string{
			"The planted slowdown (S1) makes the broker processes of one side burn 15% on top of the processor time of their own work, which on a busy machine displaces a little more. It is compiled into the build with planted bugs only. Both kinds of trial took turns.",
		}, Tables: []document.Table{t}, Figures: []document.Figure{f}}},
		Provenance: []document.Source{{What: "processor time", Basis: "measurement", Source: fmt.Sprintf("this machine, %s: %s", p.Started.Format("2006-01-02"), p.Machine), Validated: "by the planted slowdown"}},
		Facts: []document.Fact{
			{Name: "started", Value: p.Started.Format(time.RFC3339)}, {Name: "took", Value: p.Took.Round(time.Second).String()},
			{Name: "machine", Value: p.Machine}, {Name: "equal builds", Value: p.Plain.describe()}, {Name: "slowdown planted", Value: p.Faults.describe()},
		},
	}
}

func (t Trial) row(kind string) []document.Cell {
	answer := document.Words("no alarm")
	if t.Alarm {
		answer = document.Words("alarm")
	}
	if t.Alarm == t.Planted {
		answer = answer.Marked(document.Good)
	} else {
		answer = answer.Marked(document.Bad)
	}
	return []document.Cell{
		document.Words(kind), document.Quantity(float64(t.Number), "", fmt.Sprint(t.Number)),
		document.Quantity(100*t.CPU.Change, "%", fmt.Sprintf("%+.1f", 100*t.CPU.Change)),
		document.Words(percent(t.CPU.Low) + " to " + percent(t.CPU.High)),
		document.Quantity(100*t.CPU.Gate, "%", fmt.Sprintf("%+.1f", 100*t.CPU.Gate)),
		document.Quantity(float64(t.Rounds), "", fmt.Sprint(t.Rounds)),
		document.Quantity(t.Took.Seconds(), "s", fmt.Sprintf("%.0f", t.Took.Seconds())), answer,
	}
}

// ReadProof takes in what [experiment.Write] wrote of a proof.
func ReadProof(from io.Reader) (*Proof, error) { return experiment.Read[Proof](from, ProofSchema) }
