package compare

import (
	"fmt"
	"slices"
	"strings"

	"github.com/weirlab/weir/workloads/experiment/document"
)

// Document is the comparison for people.
func (r *Result) Document() *document.Document {
	p := r.Plan
	var kinds []string
	for _, e := range r.Configurations {
		kinds = append(kinds, e.name())
	}
	d := &document.Document{
		Title: "Ephemeral storage or EBS?",
		Subtitle: fmt.Sprintf("%s compared for %d brokers with %d replicas, acks=all and min.insync.replicas=%d; %s of records of %d bytes, %s kept on each broker. Simulated with Weir's broker and the cost table %q; nothing here was measured on EC2.",
			strings.Join(kinds, ", "), p.Brokers, p.ReplicationFactor, p.MinISR, megabytes(p.LoadBytesPerSecond), p.RecordBytes, gibibytes(p.StoredBytes), p.Costs),
	}
	for i, a := range Advise(r) {
		reasons := 1
		if i == 0 {
			d.Summary = append(d.Summary, a.Question+" "+a.Answer)
			a.Question, a.Answer, reasons = "", "", len(a.Reasons)
		}
		d.Summary = append(d.Summary, strings.TrimSpace(a.sentence(reasons)))
	}
	d.Sections = []document.Section{
		r.glance(), r.throughput(), r.latency(), r.burst(), r.loss(), r.exposed(), r.cost(), r.advice(), r.method(),
	}
	d.Provenance, d.Facts = r.sources(), r.Facts
	return d
}

// Brief is the document for a terminal: the tables that answer questions,
// without those that one looks things up in.
func (r *Result) Brief() *document.Document {
	d := r.Document()
	var kept []document.Section
	for _, s := range d.Sections {
		s.Figures, s.Text = nil, nil
		s.Tables = slices.DeleteFunc(s.Tables, func(t document.Table) bool {
			return slices.Contains([]string{"bills", "simulations", "rebuild-limits", "catch-up"}, t.Name)
		})
		for i := range s.Tables {
			dropColumn(&s.Tables[i], "busiest limits")
		}
		if len(s.Tables) > 0 {
			kept = append(kept, s)
		}
	}
	d.Sections = kept
	d.Provenance, d.Facts = nil, nil
	return d
}

// sentence is an advice in one paragraph, with as many of its reasons.
func (a Advice) sentence(reasons int) string {
	text := a.Question + " " + a.Answer
	for _, reason := range a.Reasons[:min(reasons, len(a.Reasons))] {
		text += " " + capital(reason) + "."
	}
	return text
}

// capital begins a sentence, unless with a name.
func capital(s string) string {
	first, _, _ := strings.Cut(s, " ")
	if s == "" || strings.ContainsAny(first, "0123456789") {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// dropColumn leaves a column out.
func dropColumn(t *document.Table, name string) {
	i := slices.IndexFunc(t.Columns, func(c document.Column) bool { return c.Name == name })
	if i < 0 {
		return
	}
	t.Columns = slices.Delete(t.Columns, i, i+1)
	for n := range t.Rows {
		t.Rows[n] = slices.Delete(t.Rows[n], i, i+1)
	}
	t.Notes = nil // they explain it
}

// color keeps one colour for each configuration in all figures.
func (r *Result) color(e *Entry) int { return slices.Index(r.Configurations, e) + 1 }

// glance is the table for those who read only one.
func (r *Result) glance() document.Section {
	t := document.Table{
		Name: "overview", Title: "At a glance",
		Columns: []document.Column{
			{Name: "storage"}, {Name: "ceiling", Unit: "MB/s", Number: true}, {Name: "sustained", Unit: "MB/s", Number: true}, {Name: "held back by"},
			{Name: "sustained, fsync", Unit: "MB/s", Number: true}, {Name: "p99", Unit: "ms", Number: true}, {Name: "p99, fsync", Unit: "ms", Number: true},
			{Name: "replica missing", Number: true}, {Name: "price", Unit: "$/month", Number: true}, {Name: "per MB/s", Unit: "$/month", Number: true},
		},
		Notes: []string{
			"ceiling: record values acknowledged by the whole cluster when producers send as fast as they can, page caches dirty. Sustained: the same with all burst credits spent.",
			fmt.Sprintf("p99: produce latency at %s, from the intended sending. A mark means that the load was not carried.", megabytes(r.Plan.LoadBytesPerSecond)),
			fmt.Sprintf("replica missing: from the failure of a host until the replicas are in sync, with %v until a machine runs in its place.", r.Plan.Away),
			"per MB/s: price over what is sustained without fsync.",
		},
	}
	for _, e := range r.Configurations {
		t.Rows = append(t.Rows, []document.Cell{
			document.Words(e.Configuration.title()),
			rate(e.Off.Ceiling.Acked), r.lasting(&e.Off), document.Words(e.Off.Bottleneck()),
			r.lasting(&e.On),
			latencyCell(e.Off.Common, 99), latencyCell(e.On.Common, 99),
			waitCell(e.Host), document.Quantity(e.Bill.USD(), "$/month", strings.TrimPrefix(dollars(e.Bill.USD()), "$")),
			document.Quantity(e.dollarsPerMB(false), "$/month", fmt.Sprintf("%.2f", e.dollarsPerMB(false))),
		})
	}
	return document.Section{Title: "All of them", Tables: []document.Table{t}}
}

// title is a configuration in a table: "gp3 500 GiB".
func (c Configuration) title() string {
	if c.Volume == nil {
		return c.Instance + " instance store"
	}
	return fmt.Sprintf("%s %d GiB on %s", c.Volume.Class, c.Volume.GiB, c.Instance)
}

func rate(bytesPerSecond int64) document.Cell {
	return document.Quantity(float64(bytesPerSecond)/1e6, "MB/s", strings.TrimSuffix(megabytes(bytesPerSecond), " MB/s"))
}

// lasting is what goes on for ever, marked if the burst promised more or if it
// is too little.
func (r *Result) lasting(p *Pattern) document.Cell {
	c := rate(p.Sustained())
	switch {
	case p.Sustained() < r.Plan.LoadBytesPerSecond:
		return c.Marked(document.Bad)
	case p.Spent != nil && float64(p.Spent.Acked) < gap*float64(p.Ceiling.Acked):
		return c.Marked(document.Neutral)
	}
	return c
}

func latencyCell(f *Figures, percent float64) document.Cell {
	d := At(f.Produce, percent)
	ms := float64(d) / 1e6
	text := fmt.Sprintf("%.2f", ms)
	if ms >= 100 {
		text = fmt.Sprintf("%.0f", ms)
	} else if ms >= 10 {
		text = fmt.Sprintf("%.1f", ms)
	}
	c := document.Quantity(ms, "ms", text)
	if len(f.Broken) > 0 {
		c = c.Marked(document.Bad)
	}
	return c
}

func waitCell(b *Rebuild) document.Cell {
	if b.Never {
		return document.Words("always").Marked(document.Bad)
	}
	return document.Quantity(b.Exposed().Seconds(), "s", long(b.Exposed()))
}

// throughput is what the cluster takes, and what held it back.
func (r *Result) throughput() document.Section {
	t := document.Table{
		Name: "ceilings", Title: "Throughput ceiling and what held it back",
		Columns: []document.Column{
			{Name: "storage"}, {Name: "fsync"}, {Name: "burst credits"}, {Name: "records", Unit: "MB/s", Number: true},
			{Name: "written by each broker", Unit: "MB/s", Number: true}, {Name: "I/Os of each broker", Unit: "1/s", Number: true}, {Name: "held back by"}, {Name: "busiest limits"},
		},
		Notes: []string{"Busiest limits are of the broker that used most of each, in percent of what the limit allows while it bursts."},
	}
	fig := document.Figure{
		Name: "ceiling", Title: "What the cluster takes", Kind: document.Bars,
		About: "Record values acknowledged with producers sending as fast as they can; all burst credits at hand, and none.",
		X:     document.Axis{Label: "storage", Categories: r.names()}, Y: document.Axis{Label: "acknowledged", Unit: "MB/s"},
		Basis: document.Simulated, Model: r.model(), Validated: document.NeverCompared,
	}
	bars := map[string]*document.Series{}
	names := []string{"without fsync", "without fsync, credits spent", "fsync of every batch", "fsync, credits spent"}
	for _, n := range names {
		bars[n] = &document.Series{Name: n, Basis: document.Simulated}
	}
	for i, e := range r.Configurations {
		for k, p := range e.Patterns() {
			for n, f := range []*Figures{p.Ceiling, p.Spent} {
				if f == nil {
					continue
				}
				s := bars[names[2*k+n]]
				s.X, s.Y = append(s.X, float64(i)), append(s.Y, float64(f.Acked)/1e6)
				t.Rows = append(t.Rows, []document.Cell{
					document.Words(e.name()), document.Words(onOff(p.Fsync)), document.Words([]string{"full", "spent"}[n]), rate(f.Acked), rate(f.Demand.WriteBytes),
					document.Quantity(float64(f.Demand.WriteIOs), "1/s", fmt.Sprint(f.Demand.WriteIOs)), document.Words(f.Bottleneck), document.Words(used(f.Used)),
				})
			}
		}
	}
	for _, n := range names {
		if len(bars[n].X) > 0 {
			fig.Series = append(fig.Series, *bars[n])
		}
	}
	return document.Section{
		Title: "Throughput",
		Text: []string{fmt.Sprintf("%d producers send batches of up to %d KiB with linger.ms=%d to %d partitions as fast as buffer.memory lets them, for %v of simulated time after a warm-up of %v, or of %v with dirty page caches; %d consumers read along. Without fsync the page caches start where hours of a load that the disk cannot take leave them: so dirty that Linux lets writers go no faster than the disk. For that they are only as large as the disk writes in %d seconds; how much memory there is decides how long a cache takes to fill, and not what the disk takes then.",
			r.Plan.Producers, r.Plan.BatchBytes>>10, r.Plan.Linger.Milliseconds(), r.Plan.Partitions, r.Plan.Window, warmUp, trial{settled: true}.warmUp(), r.Plan.Consumers, settledSeconds)},
		Tables: []document.Table{t}, Figures: []document.Figure{fig},
	}
}

func onOff(fsync bool) string {
	if fsync {
		return "every batch"
	}
	return "no"
}

func used(limits []LimitUse) string {
	var words []string
	for _, l := range limits[:min(3, len(limits))] {
		words = append(words, fmt.Sprintf("%s %d%%", l.Name, l.Percent))
	}
	return strings.Join(words, ", ")
}

func (r *Result) names() []string {
	var all []string
	for _, e := range r.Configurations {
		all = append(all, e.name())
	}
	return all
}

// latency is what producers and consumers wait at the load of the plan.
func (r *Result) latency() document.Section {
	t := document.Table{
		Name: "latency", Title: "Latency at " + megabytes(r.Plan.LoadBytesPerSecond),
		Columns: []document.Column{
			{Name: "storage"}, {Name: "fsync"}, {Name: "acknowledged", Unit: "MB/s", Number: true}, {Name: "p50", Unit: "ms", Number: true}, {Name: "p99", Unit: "ms", Number: true}, {Name: "p99.9", Unit: "ms", Number: true},
			{Name: "end to end p50", Unit: "ms", Number: true}, {Name: "end to end p99", Unit: "ms", Number: true}, {Name: "valid?"},
		},
		Notes: []string{
			"Produce latency counts from the intended sending of a record to its acknowledgement (acks=all), end-to-end latency to its arrival at a consumer.",
			"Valid: what was not met is in the last section.",
			"Without fsync no record waits for a disk as long as the page cache takes what is written; at a load that the disk cannot sustain that ends when the cache is full.",
		},
	}
	s := document.Section{Title: "Latency at the load", Tables: nil}
	for _, fsync := range []bool{false, true} {
		f := document.Figure{
			Name: map[bool]string{false: "latency", true: "latency-fsync"}[fsync], Title: "Produce latency " + withFsync(fsync), Kind: document.Percentiles, Half: true,
			X: document.Axis{Label: "percentile", Unit: "%"}, Y: document.Axis{Label: "from the intended sending", Unit: "ms", Log: true},
			Basis: document.Simulated, Model: r.model(), Validated: document.NeverCompared,
		}
		for _, e := range r.Configurations {
			p := e.pattern(fsync)
			c := p.Common
			valid := document.Words("yes")
			if len(c.Broken) > 0 {
				valid = document.Words("no").Marked(document.Bad)
			}
			row := []document.Cell{document.Words(e.name()), document.Words(onOff(fsync)), rate(c.Acked)}
			for _, q := range []float64{50, 99, 99.9} {
				row = append(row, latencyCell(c, q))
			}
			for _, q := range []float64{50, 99} {
				row = append(row, latencyCell(&Figures{Produce: c.EndToEnd, Broken: c.Broken}, q))
			}
			t.Rows = append(t.Rows, append(row, valid))
			if len(c.Produce) == 0 {
				continue
			}
			series := document.Series{Name: e.name(), Basis: document.Simulated, Color: r.color(e)}
			for _, q := range c.Produce {
				series.X, series.Y = append(series.X, q.Percent), append(series.Y, max(float64(q.Latency)/1e6, 0.001))
			}
			f.Series = append(f.Series, series)
		}
		if len(f.Series) > 0 {
			s.Figures = append(s.Figures, f)
		}
	}
	s.Tables = []document.Table{t}
	return s
}
