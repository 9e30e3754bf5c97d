package published

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/weirlab/weir/sim/machine"
	"github.com/weirlab/weir/workloads/experiment/document"
	"github.com/weirlab/weir/workloads/scenario"
)

// ZonesMechanism is the latency between availability zones. The others are
// those of [machine.MechanismNames].
const ZonesMechanism = "zones"

// Mechanisms are the names of what can be switched off in the model, so that
// what each explains of a row can be seen.
func Mechanisms() []string { return append(machine.MechanismNames(), ZonesMechanism) }

// CheckMechanisms says which name is no mechanism's.
func CheckMechanisms(names []string) error {
	for _, name := range names {
		if !slices.Contains(Mechanisms(), name) {
			return fmt.Errorf("published: there is no mechanism %q; use %s", name, strings.Join(Mechanisms(), ", "))
		}
	}
	return nil
}

// withoutMechanisms is a table of costs with some mechanisms switched off.
func withoutMechanisms(costs machine.Costs, names []string) (machine.Costs, error) {
	if err := CheckMechanisms(names); err != nil {
		return costs, err
	}
	return costs.Without(slices.DeleteFunc(slices.Clone(names), func(name string) bool { return name == ZonesMechanism })...)
}

// flatten puts all machines into one zone if zones are switched off.
func (o Options) flatten(s *scenario.Scenario) {
	if slices.Contains(o.Without, ZonesMechanism) {
		s.Cluster.BetweenRacks = ""
	}
}

// Switched is a row simulated with one mechanism switched off.
type Switched struct {
	Mechanism string             `json:"mechanism"`
	Figures   map[Figure]float64 `json:"figures"`
}

// explain simulates a row again with each mechanism switched off, if it misses.
func (o Options) explain(ctx context.Context, x *RowResult) error {
	if !o.Explain || x.Measurement == nil || !x.misses() {
		return nil
	}
	for _, name := range Mechanisms() {
		if name == ZonesMechanism && x.Row.Lab != AWS {
			continue
		}
		// As long as the row was measured, which may have been another time.
		windows := Windows{WarmUp: x.Measurement.WarmUp, Measured: x.Measurement.Window}
		one := o
		one.Throughput, one.Latency = windows, windows
		one.Without = append(slices.Clone(o.Without), name)
		costs, err := withoutMechanisms(*o.Costs, one.Without)
		if err != nil {
			return err
		}
		one.Costs = &costs
		s, err := one.scenario(ctx, x.Row)
		if err != nil {
			return err
		}
		m, err := simulate(ctx, x.Row, s, costs)
		if err != nil {
			return fmt.Errorf("without %s: %w", name, err)
		}
		off := Switched{Mechanism: name, Figures: map[Figure]float64{}}
		for _, f := range Figures() {
			if _, ok := f.published(x.Row); ok {
				off.Figures[f] = f.of(x.Row, m)
			}
		}
		x.Switched = append(x.Switched, off)
	}
	return nil
}

// misses reports whether a figure of the row is beyond what is marked.
func (r *RowResult) misses() bool {
	for _, f := range Figures() {
		if was, ok := f.published(r.Row); ok {
			if p := (Prediction{Figure: f}); p.marked(relative(f.of(r.Row, r.Measurement), was)) {
				return true
			}
		}
	}
	return false
}

// marked reports whether an error is shown as a miss.
func (p Prediction) marked(e float64) bool {
	switch p.Figure {
	case Throughput:
		return e > throughputTarget || e < -throughputTarget
	case P50:
		return e > latencyMiss || e < -latencyMiss
	}
	return !p.near(e)
}

// shown is a figure as tables show it.
func (f Figure) shown(v float64) document.Cell {
	if f == Throughput {
		return document.Quantity(v, "MiB/s", fmt.Sprintf("%.0f", v))
	}
	return millisCell(time.Duration(math.Round(v * 1e6)))
}

// missesSection has every error beyond its target, and what the figure is with
// each mechanism switched off.
func (r *Result) missesSection(all []Prediction) document.Section {
	t := document.Table{
		Name: "published-misses", Title: "What misses",
		Columns: []document.Column{{Name: "Row"}, {Name: "Figure"}, {Name: "Published", Number: true}, {Name: "Simulated", Number: true}, {Name: "Error", Number: true}},
	}
	for _, name := range Mechanisms() {
		t.Columns = append(t.Columns, document.Column{Name: "without " + name, Number: true})
	}
	t.Columns = append(t.Columns, document.Column{Name: "Suspected"})
	tried := 0
	for _, p := range all {
		e := p.Error()
		if !p.marked(e) {
			continue
		}
		x := p.Row
		if len(x.Switched) > 0 {
			tried++
		}
		cells := []document.Cell{document.Words(x.Row.Name()), document.Words(string(p.Figure)), p.Figure.shown(p.Published), p.Figure.shown(p.Simulated), errorCell(e, true, 0)}
		for _, name := range Mechanisms() {
			cell := document.Words("–").Marked(document.Neutral)
			if i := slices.IndexFunc(x.Switched, func(s Switched) bool { return s.Mechanism == name }); i >= 0 {
				cell = p.Figure.shown(x.Switched[i].Figures[p.Figure])
			}
			cells = append(cells, cell)
		}
		why := x.throughputSuspicion(e)
		switch p.Figure {
		case P50:
			why = x.latencySuspicion(50, e)
		case P99:
			why = x.latencySuspicion(99, e)
		}
		t.Rows = append(t.Rows, append(cells, document.Words(why)))
	}
	t.Notes = []string{fmt.Sprintf("MiB/s or ms. Without: the same figure with one mechanism of the model switched off; where it does not move, the mechanism has no part in it. "+
		"That was tried of %d of the %d figures here; – was not. Suspected: what may be the reason, which no experiment has shown.", tried, len(t.Rows))}
	s := document.Section{Title: "What misses, and what was tried", Tables: []document.Table{t}}
	if len(t.Rows) == 0 {
		s.Text, s.Tables = []string{"Nothing is beyond its limit."}, nil
	}
	return s
}

// mechanismTable lists the mechanisms with their parameters.
func (r *Result) mechanismTable() document.Table {
	t := document.Table{
		Name: "published-mechanisms", Title: "Mechanisms",
		Columns: []document.Column{{Name: "Mechanism"}, {Name: "Parameter"}, {Name: "Value"}, {Name: "Basis"}, {Name: "Source"}},
	}
	add := func(name, parameter, value string, s machine.Source) {
		t.Rows = append(t.Rows, []document.Cell{document.Words(name), document.Words(parameter), document.Words(value), document.Words(s.Basis), document.Words(s.Source)})
	}
	m := r.Costs.Mechanisms
	if h := m.HandOver; h != nil {
		for _, q := range h.Wait {
			if q.PPM == 500_000 || q.PPM == 990_000 {
				add(machine.HandOverMechanism, fmt.Sprintf("one hand-over, p%d", q.PPM/10_000), q.Value.String(), h.Source)
			}
		}
	}
	if g := m.Collector; g != nil {
		add(machine.CollectorMechanism, "allocated between two collections", fmt.Sprintf("%d MB", g.YoungBytes/1e6), g.Source)
		for _, q := range g.Pause {
			if q.PPM == 500_000 || q.PPM == 990_000 {
				add(machine.CollectorMechanism, fmt.Sprintf("pause, p%d", q.PPM/10_000), q.Value.String(), g.Source)
			}
		}
	}
	for _, op := range []string{partitionOfProducer, "fetch.partition", "peer.partition"} {
		if c, ok := r.Costs.Operations[op]; ok {
			source := machine.Source{Basis: "assumption", Source: "a round figure; nothing of it is fitted"}
			if op == partitionOfProducer {
				source = machine.Source{Basis: "derived", Source: "fitted; see the source of the costs"}
			}
			add(machine.PartitionsMechanism, op, fmt.Sprintf("%.2f µs", float64(c.UnitPicos)/1e6), source)
		}
	}
	return t
}
