package compare

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/weirlab/weir/sim/ec2"
	"github.com/weirlab/weir/sim/machine"
	"github.com/weirlab/weir/workloads/experiment/document"
)

// exposed is what may be lost.
func (r *Result) exposed() document.Section {
	survive := document.Table{
		Name: "survival", Title: "What is left on one broker after",
		Columns: []document.Column{{Name: "event"}},
		Notes:   []string{"synced: what was synced is there, what was only in the page cache is not. With three replicas on three machines one broker may lose everything; a record is lost when all brokers that have it lose it."},
	}
	// Classes with the same outcomes share a column.
	var groups [][]*Entry
	for _, e := range r.Configurations {
		i := slices.IndexFunc(groups, func(g []*Entry) bool { return sameOutcomes(g[0], e) })
		if i < 0 {
			groups = append(groups, []*Entry{e})
			continue
		}
		groups[i] = append(groups[i], e)
	}
	for _, g := range groups {
		var names []string
		for _, e := range g {
			if name := e.Configuration.Class(); !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
		survive.Columns = append(survive.Columns, document.Column{Name: strings.Join(names, ", ")})
	}
	for i, event := range ec2.Events() {
		row := []document.Cell{document.Words(strings.ReplaceAll(string(event), "-", " "))}
		for _, g := range groups {
			x := g[0].Exposure.Events[i]
			c := document.Words(string(x.Outcome) + ": " + x.Note)
			switch x.Outcome {
			case ec2.Kept:
				c = c.Marked(document.Good)
			case ec2.Lost:
				c = c.Marked(document.Bad)
			}
			row = append(row, c)
		}
		survive.Rows = append(survive.Rows, row)
	}
	mean := document.Table{
		Name: "exposure", Title: "What is exposed while a replica is missing",
		Columns: []document.Column{
			{Name: "storage"}, {Name: "replica missing", Number: true}, {Name: "second failure", Unit: "in a million", Number: true}, {Name: "volumes lost a year"}, {Name: "if every broker stops at once"},
		},
		Notes: []string{
			"Meanwhile: " + meanwhile(r.Plan) + ".",
			"Second failure: how often one of the other brokers fails too in that time, if each machine fails once a year on average. A measure to compare with, no forecast.",
			"Zones: brokers of one zone are lost together. With each replica in a zone of its own the loss of a zone costs one replica, on every kind of storage.",
		},
	}
	for _, e := range r.Configurations {
		annual := e.Exposure.AnnualLoss
		if annual == "" {
			annual = "none published"
		}
		stopped := document.Words(e.Exposure.Stopped)
		if e.Configuration.Kind() == Ephemeral {
			stopped = stopped.Marked(document.Bad)
		}
		mean.Rows = append(mean.Rows, []document.Cell{
			document.Words(e.name()), waitCell(e.Host), document.Quantity(float64(e.Exposure.SecondPerMillion), "in a million", fmt.Sprint(e.Exposure.SecondPerMillion)),
			document.Words(annual), stopped,
		})
	}
	return document.Section{Title: "What is exposed", Tables: []document.Table{survive, mean}}
}

func sameOutcomes(a, b *Entry) bool {
	return slices.EqualFunc(a.Exposure.Events, b.Exposure.Events, func(x, y Survival) bool { return x.Outcome == y.Outcome && x.Note == y.Note })
}

// cost is what it costs.
func (r *Result) cost() document.Section {
	t := document.Table{
		Name: "cost", Title: fmt.Sprintf("Price of %d brokers, on demand in us-east-1", r.Plan.Brokers),
		Columns: []document.Column{
			{Name: "storage"}, {Name: "instances", Unit: "$/month", Number: true}, {Name: "volumes", Unit: "$/month", Number: true}, {Name: "between zones", Unit: "$/month", Number: true}, {Name: "together", Unit: "$/month", Number: true},
			{Name: "per MB/s", Unit: "$/month", Number: true}, {Name: "per MB/s, fsync", Unit: "$/month", Number: true}, {Name: "per GiB that fits", Unit: "$/month", Number: true},
		},
		Notes: []string{fmt.Sprintf("A month has %d hours. Per MB/s: of record values, sustained. Per GiB: of records that fit once, with all replicas.", ec2.HoursPerMonth)},
	}
	usd := func(v float64) document.Cell {
		return document.Quantity(v, "$/month", strings.TrimPrefix(dollars(v), "$"))
	}
	each := func(v float64) document.Cell {
		if v == 0 {
			return document.Words("–")
		}
		return document.Quantity(v, "$/month", fmt.Sprintf("%.2f", v))
	}
	for _, e := range r.Configurations {
		b := e.Bill
		fits := 0.0
		if l, err := e.Configuration.limits(); err == nil {
			fits = float64(l.capacity()) / (1 << 30) * float64(r.Plan.Brokers) / float64(r.Plan.ReplicationFactor)
		}
		t.Rows = append(t.Rows, []document.Cell{
			document.Words(e.name()), usd(float64(b.of(GroupInstances)) / 1e6), usd(float64(b.of(GroupVolumes)) / 1e6), usd(float64(b.of(GroupTransfer)) / 1e6), usd(b.USD()),
			each(e.dollarsPerMB(false)), each(e.dollarsPerMB(true)), document.Quantity(b.USD()/max(fits, 1), "$/month", fmt.Sprintf("%.3f", b.USD()/max(fits, 1))),
		})
	}
	f := document.Figure{
		Name: "cost", Title: "What a load costs", Kind: document.Steps,
		About: "Each step is one more cluster of the same kind, for the throughput that it sustains without fsync.",
		X:     document.Axis{Label: "load", Unit: "MB/s"}, Y: document.Axis{Label: "price", Unit: "$/month"},
		Basis: document.Simulated, Model: r.model(), Validated: document.NeverCompared,
	}
	// As far as two of the largest clusters go, but no further than is legible.
	most := int64(0)
	for _, e := range r.Configurations {
		most = max(most, e.Off.Sustained())
	}
	for _, e := range r.Configurations {
		if e.Off.Sustained() <= 0 {
			continue
		}
		line := document.Series{Name: e.name(), Basis: document.Simulated, Color: r.color(e)}
		for i := range int64(121) {
			load := max(1_000_000, most*i*5/4/120)
			if clusters := e.costAt(load) / max(1, e.Bill.MicroUSD()); clusters > 12 {
				break
			}
			line.X, line.Y = append(line.X, float64(load)/1e6), append(line.Y, float64(e.costAt(load))/1e6)
		}
		f.Series = append(f.Series, line)
	}
	s := document.Section{Title: "What it costs", Tables: []document.Table{t, r.bills()}}
	if len(f.Series) > 0 {
		s.Figures = append(s.Figures, f)
	}
	return s
}

// bills are the lines of all bills.
func (r *Result) bills() document.Table {
	t := document.Table{
		Name: "bills", Title: "The bills",
		Columns: []document.Column{{Name: "storage"}, {Name: "item"}, {Name: "price", Unit: "$/month", Number: true}, {Name: "basis"}},
	}
	for _, e := range r.Configurations {
		for _, l := range e.Bill.Lines {
			v := float64(l.MicroUSD) / 1e6
			basis := l.Basis
			if l.Date != "" {
				basis += ", " + l.Date
			}
			t.Rows = append(t.Rows, []document.Cell{document.Words(e.name()), document.Words(l.What), document.Quantity(v, "$/month", strings.TrimPrefix(dollars(v), "$")), document.Words(basis)})
		}
	}
	return t
}

// advice is the recommendation with all of its reasons.
func (r *Result) advice() document.Section {
	s := document.Section{Title: "Recommendation", Text: []string{
		"Computed from the figures above: a configuration sustains a load if its ceiling without burst credits is not below it and the simulation at the load met all conditions; among those that do, the cheapest is the choice.",
	}}
	for _, a := range Advise(r) {
		s.Text = append(s.Text, a.sentence(len(a.Reasons)))
	}
	return s
}

// method says how the figures came about.
func (r *Result) method() document.Section {
	t := document.Table{
		Name: "simulations", Title: "The simulations",
		Columns: []document.Column{{Name: "storage"}, {Name: "run"}, {Name: "conditions not met"}, {Name: "trace"}, {Name: "events", Number: true}, {Name: "took", Unit: "s", Number: true}},
		Notes:   []string{fmt.Sprintf("Seed %v. The same seed gives the same traces on every machine. %v of simulated time took %v.", r.Plan.Seed, r.Simulated.Round(1e9), r.Wall.Round(1e9))},
	}
	for _, e := range r.Configurations {
		for _, p := range e.Patterns() {
			for _, x := range []struct {
				name string
				f    *Figures
			}{{"ceiling", p.Ceiling}, {"ceiling, credits spent", p.Spent}, {"load", p.Common}, {"between", p.Before}, {"between, credits spent", p.After}} {
				if x.f == nil {
					continue
				}
				name := x.name
				if p.Fsync {
					name += ", fsync"
				}
				t.Rows = append(t.Rows, []document.Cell{
					document.Words(e.name()), document.Words(name), document.Words(strings.Join(x.f.Broken, "; ")), document.Words(x.f.TraceHash),
					document.Quantity(float64(x.f.Events), "", fmt.Sprint(x.f.Events)), document.Quantity(x.f.Wall.Seconds(), "s", fmt.Sprintf("%.1f", x.f.Wall.Seconds())),
				})
			}
		}
	}
	return document.Section{Title: "How it was simulated", Text: []string{
		"What is not modelled: the variation that AWS allows itself, snapshots, write amplification of nearly full disks, the limit of one TCP flow, noisy neighbours, and what operating either kind of cluster costs in work.",
	}, Tables: []document.Table{t}}
}

// model names the sources of the model, for captions.
func (r *Result) model() string {
	return "AWS specifications of volumes and instances, iotune measurements of instance stores; latency tables and credits at the start are assumptions; CPU costs: " + r.Plan.Costs
}

// sources are what all figures rest on, each once.
func (r *Result) sources() []document.Source {
	var all []document.Source
	add := func(s document.Source) {
		if s.Source != "" && !slices.ContainsFunc(all, func(o document.Source) bool { return o.What == s.What && o.Source == s.Source }) {
			all = append(all, s)
		}
	}
	for _, e := range r.Configurations {
		m, err := r.Plan.profile(e.Configuration, false)
		if err != nil {
			continue // it was simulated, so there is one
		}
		for _, s := range m.Sources {
			add(source(s))
		}
		for _, x := range e.Exposure.Events {
			add(document.Source{What: "what survives", Basis: x.Basis, Source: x.Source})
		}
		for _, l := range e.Bill.Lines {
			add(document.Source{What: "prices", Basis: l.Basis, Source: l.Source})
		}
	}
	slices.SortStableFunc(all, func(a, b document.Source) int { return cmp.Compare(a.What, b.What) })
	return all
}

func source(s machine.Source) document.Source {
	validated := s.Validated
	if validated == "" {
		validated = document.NeverCompared
	}
	return document.Source{What: s.What, Basis: s.Basis, Source: s.Source, Validated: validated}
}
