package results

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/weirlab/weir/reports/drawing"
	"github.com/weirlab/weir/reports/render"
	"github.com/weirlab/weir/workloads/experiment/document"
)

// brief is what RESULTS.md takes from a part.
type brief struct {
	question string
	answer   int // how many paragraphs of the summary
	key      []excerpt
	// spread says what the figures vary by, or why that is not known.
	spread string
	figure string // the picture, by its name in the part
	basis  string // what kind of figures these are, where no figure says it
}

// excerpt is a part of a table.
type excerpt struct {
	table string
	take  func(document.Table) document.Table
}

// briefs by the name of the part.
var briefs = map[string]brief{
	"calibrate": {
		question: "What is the machine like that the measurements were made on?", answer: 1,
		key: []excerpt{{"disk", lines("one file: operation", columns("operation", "size", "p50", "p90", "p99", "p99.9", "calls"), func(row []document.Cell) bool {
			return row[2].Text == "1" && (row[1].Text == "4 KiB" || row[1].Text == "64 KiB") && row[0].Text != "append"
		})}},
		spread: "Percentiles of single calls.",
	},
	"versus": {
		question: "Does the simulation predict real brokers on this machine?", answer: 3,
		key:    []excerpt{{"versus-throughput", columns("Workload", "Half", "real", "±", "simulated", "error")}},
		spread: "± is half the range of the real runs.", figure: "versus-throughput",
	},
	"unseen": {
		question: "And records of a size that nobody had looked at?", answer: 3,
		key:    []excerpt{{"unseen-throughput", columns("Workload", "real", "±", "simulated", "error")}},
		spread: "± is half the range of the real runs.",
	},
	"published": {
		question: "Does it predict Kafka clusters that others measured?", answer: 6,
		key: []excerpt{{"published-validation", columns("Rows", "throughput: rows", "median error", "within 35%", "p50: rows", "p50 error", "p99: rows", "within a factor of 2", "in their intervals")},
			{"published-predictions", lines("Row, maximum throughput in MiB/s", columns("Row", "Role", "Published", "Simulated", "80% interval", "Error", "Error without the lab"),
				func(row []document.Cell) bool { return row[2].Text == "throughput" })}},
		spread: "The published figures are of one run each; intervals are made of the errors of other labs' rows.", figure: "published-load",
	},
	"compare": {
		question: "Instance store or EBS?", answer: 2,
		key:    []excerpt{{"overview", columns("storage", "sustained", "held back by", "sustained, fsync", "p99", "p99, fsync", "replica missing", "price", "per MB/s")}},
		spread: "Simulated once each; how far the model is from hardware is in the question above.", figure: "cost",
	},
	"regress": {
		question: "Does weir regress find a slowdown, and nothing else?", answer: 1,
		key:    []excerpt{{"trials", trials}},
		spread: "Least and most are over the trials.",
	},
	"mutants": {question: "Which planted bugs are found?", answer: 1,
		spread: "Every bug met the same seeds; a run is a function of its seed.", basis: "simulated"},
	"bench": {
		question: "What does a simulation cost?", answer: 2,
		key: []excerpt{{"benchmarks", benchmarks}}, spread: "Least and most are over repetitions.",
	},
}

// question is what the part answers.
func (p *Part) question() string {
	if q := briefs[p.Name].question; q != "" {
		return q
	}
	return p.Document.Title
}

// briefTo writes the part's place in RESULTS.md, among all parts.
func (p *Part) briefTo(b *strings.Builder, all []*Part) error {
	d, is := p.shown(), briefs[p.Name]
	fmt.Fprintf(b, "\n## %s\n", p.question())
	for _, words := range d.Summary[:min(is.answer, len(d.Summary))] {
		fmt.Fprintf(b, "\n%s\n", words)
	}
	for _, x := range is.key {
		if t := table(d, x.table); t != nil {
			short := x.take(*t)
			short.Title, short.Notes = "", nil
			b.WriteString(render.Table(&short))
		}
	}
	if f := figure(d, p.Name, is.figure); f != nil {
		fmt.Fprintf(b, "\n%s\n", render.Image(f, FigureDir))
	}
	fmt.Fprintf(b, "\n%s *%s.* [Everything](%s)\n", is.spread+p.earlierFits(all), strings.TrimSuffix(p.basis(d), "."), path.Join(FigureDir, p.page()))
	return nil
}

// earlierFits says which fitted models the part rests on of which a later part has
// another fit, empty if there are none: what the later one says of how good they
// are is not of these.
func (p *Part) earlierFits(all []*Part) string {
	var says string
	for _, s := range p.Document.Provenance {
		if s.Basis != fitted {
			continue
		}
		for _, later := range all {
			of := func(o document.Source) bool { return o.Basis == fitted && o.What == s.What }
			same := func(o document.Source) bool { return o.What == s.What && o.Source == s.Source }
			if later.Made.Date.After(p.Made.Date) && slices.ContainsFunc(later.Document.Provenance, of) && !slices.ContainsFunc(later.Document.Provenance, same) {
				says += fmt.Sprintf(" These figures are of %s, from an earlier fit of %q than that of %q; weir results --only %s makes them again.",
					p.Made.Date.UTC().Format("2006-01-02"), s.What, later.question(), p.Name)
			}
		}
	}
	return says
}

// fitted is the basis of models that were fitted.
const fitted = "derived"

// basis is what kind of figures these are and what the model behind them was
// held against, in the words of the part's figures.
func (p *Part) basis(d *document.Document) string {
	if f := figure(d, p.Name, briefs[p.Name].figure); f != nil {
		return f.Caption()
	}
	for i := range d.Sections {
		for k := range d.Sections[i].Figures {
			return d.Sections[i].Figures[k].Caption()
		}
	}
	if is := briefs[p.Name].basis; is != "" {
		for _, s := range d.Provenance {
			is += " · " + s.What + ": " + s.Source
		}
		return is
	}
	return "measured on " + orUnknown(p.Made.Machine)
}

func table(d *document.Document, name string) *document.Table {
	for i := range d.Sections {
		for k := range d.Sections[i].Tables {
			if t := &d.Sections[i].Tables[k]; t.Name == name {
				return t
			}
		}
	}
	return nil
}

func figure(d *document.Document, part, name string) *document.Figure {
	for i := range d.Sections {
		for k := range d.Sections[i].Figures {
			if f := &d.Sections[i].Figures[k]; name != "" && (f.Name == name || f.Name == part+"-"+name) {
				return f
			}
		}
	}
	return nil
}

// columns takes some columns, each the first of its name.
func columns(names ...string) func(document.Table) document.Table {
	return func(t document.Table) document.Table {
		var of []int
		for _, name := range names {
			if i := slices.IndexFunc(t.Columns, func(c document.Column) bool { return c.Name == name }); i >= 0 {
				of = append(of, i)
			}
		}
		out := document.Table{Name: t.Name}
		for _, i := range of {
			out.Columns = append(out.Columns, t.Columns[i])
		}
		for _, row := range t.Rows {
			var cells []document.Cell
			for _, i := range of {
				cells = append(cells, row[i])
			}
			out.Rows = append(out.Rows, cells)
		}
		return out
	}
}

// lines takes some lines of a table and then what next takes, under a first
// column of another name.
func lines(first string, next func(document.Table) document.Table, keep func([]document.Cell) bool) func(document.Table) document.Table {
	return func(t document.Table) document.Table {
		t.Rows = slices.DeleteFunc(slices.Clone(t.Rows), func(row []document.Cell) bool { return !keep(row) })
		t = next(t)
		t.Columns[0].Name = first
		return t
	}
}

// trials has one line for each kind of trial of weir regress.
func trials(t document.Table) document.Table {
	change := slices.IndexFunc(t.Columns, func(c document.Column) bool { return strings.HasPrefix(c.Name, "change") })
	if change < 0 {
		return document.Table{}
	}
	out := document.Table{Columns: []document.Column{{Name: "new build"}, {Name: "trials", Number: true}, {Name: "alarms", Number: true},
		{Name: "change of processor time, median", Unit: "%", Number: true}, {Name: "least", Unit: "%", Number: true}, {Name: "most", Unit: "%", Number: true}}}
	var kinds []string
	values, alarms := map[string][]float64{}, map[string]int{}
	for _, row := range t.Rows {
		kind := row[0].Text
		if !slices.Contains(kinds, kind) {
			kinds = append(kinds, kind)
		}
		if row[change].Number != nil {
			values[kind] = append(values[kind], *row[change].Number)
		}
		if row[len(row)-1].Text == "alarm" {
			alarms[kind]++
		}
	}
	for _, kind := range kinds {
		vs := slices.Sorted(slices.Values(values[kind]))
		n := len(vs)
		if n == 0 {
			continue
		}
		percent := func(v float64) document.Cell { return document.Quantity(v, "%", fmt.Sprintf("%+.1f", v)) }
		out.Rows = append(out.Rows, []document.Cell{document.Words(kind), countCell(n), countCell(alarms[kind]), percent((vs[(n-1)/2] + vs[n/2]) / 2), percent(vs[0]), percent(vs[n-1])})
	}
	return out
}

// benchmarks has the figures of the simulator's benchmarks that people ask
// for: what a second of a cluster, a request, an event costs.
func benchmarks(t document.Table) document.Table {
	asked := []string{"events/s", "sim-s/cpu-s", "acked-req/cpu-s", "cpu-ns/record", "cpu-s", "peak-MB"}
	out := document.Table{Columns: t.Columns}
	name := ""
	for _, row := range t.Rows {
		if row[0].Text != "" {
			name = row[0].Text
		}
		if unit := row[2].Text; slices.Contains(asked, unit) {
			row = slices.Clone(row)
			row[0] = document.Words(strings.TrimRight(strings.TrimRight(name, "0123456789"), "-"))
			for _, i := range []int{1, 3, 4} {
				if v := row[i].Number; v != nil {
					row[i].Text = drawing.SI(*v)
				}
			}
			if v := row[5].Number; v != nil {
				row[5].Text = strconv.Itoa(int(*v))
			}
			out.Rows = append(out.Rows, row)
		}
	}
	return out
}
