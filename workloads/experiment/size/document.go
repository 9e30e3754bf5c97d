package size

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/weirlab/weir/sim/ec2"
	"github.com/weirlab/weir/workloads/experiment/document"
)

// model names what simulations rest on, for captions and sources.
func (n Need) model() string {
	return "AWS specifications of instances and volumes, iotune measurements of instance stores; CPU costs: " + n.Costs
}

func megabytes(bytesPerSecond int64) string {
	return strings.TrimSuffix(fmt.Sprintf("%.1f", float64(bytesPerSecond)/1e6), ".0")
}

// Document is the answer for people.
func (r *Result) Document() *document.Document {
	n := r.Need
	d := &document.Document{
		Title: "What to buy",
		Subtitle: fmt.Sprintf("%s MB/s at most and %s MB/s on average, %d %% more with growth; records of %d bytes kept for %s, %d replicas in %s, %d consumer groups. %d %% of every limit stay free, bursts do not count, a broker may be lost, and its replicas are back within %s.",
			megabytes(n.PeakBytesPerSecond), megabytes(n.AverageBytesPerSecond), n.GrowthPercent, n.RecordBytes, span(n.Retention), n.ReplicationFactor, zones(n.Zones), n.Groups, n.HeadroomPercent, span(n.RebuildWithin)),
		Facts: r.Facts,
	}
	if holding := r.Holding(); len(holding) > 0 {
		best := holding[0]
		limit, percent := best.Rules()
		d.Summary = append(d.Summary, fmt.Sprintf("%v, for $%s a month. With a broker lost the term that rules is %s, of which %.0f %% is taken.", best.Candidate, dollars(best.Bill.USD()), limit, percent))
	} else {
		d.Summary = append(d.Summary, fmt.Sprintf("None of the %d clusters that were simulated holds. Allow more brokers, other instances, or more trials.", len(r.Trials)))
	}
	d.Summary = append(d.Summary, fmt.Sprintf("%d combinations of instance and storage hold by arithmetic; the cheapest %d were simulated with a broker lost and all burst credits spent.", r.Candidates, len(r.Trials)))
	d.Sections = []document.Section{r.answers(), r.bills(), r.limits()}
	if refused := r.refused(); len(refused.Tables[0].Rows) > 0 {
		d.Sections = append(d.Sections, refused)
	}
	d.Sections = append(d.Sections, n.method())
	d.Provenance = []document.Source{
		{What: "limits of instances and volumes", Basis: ec2.Specification.String(), Source: "AWS, see package sim/ec2", Validated: document.NeverCompared},
		{What: "processor costs, table " + n.Costs, Basis: "derived", Source: "see weir published", Validated: "published runs on i3en.2xlarge; see RESULTS.md"},
	}
	return d
}

func zones(n int) string {
	if n == 1 {
		return "one zone"
	}
	return fmt.Sprintf("%d zones", n)
}

func dollars(usd float64) string {
	text := fmt.Sprintf("%.0f", usd)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

func price(usd float64) document.Cell { return document.Quantity(usd, "$/month", dollars(usd)) }

// wait is a time that people wait.
func wait(d time.Duration) document.Cell { return document.Quantity(d.Seconds(), "s", span(d)) }

// span is a time in the unit that people would use.
func span(d time.Duration) string {
	if d < 2*time.Hour {
		return fmt.Sprintf("%.0f min", d.Minutes())
	}
	return fmt.Sprintf("%.0f h", d.Hours())
}

// answers is the table for those who read only one.
func (r *Result) answers() document.Section {
	t := document.Table{Name: "answers", Title: "Clusters that hold, the cheapest first",
		Columns: []document.Column{
			{Name: "brokers", Number: true}, {Name: "instance"}, {Name: "storage of each"}, {Name: "price", Unit: "$/month", Number: true},
			{Name: "p99, a broker lost", Unit: "ms", Number: true}, {Name: "of seeds", Unit: "ms"}, {Name: "rules, a broker lost"}, {Name: "taken", Unit: "%", Number: true},
			{Name: "in sync after a host's loss", Number: true}, {Name: "after its storage's", Number: true},
		},
		Notes: []string{
			"p99: produce latency from the intended sending, acks=all, at the peak with growth. The interval is over seeds; how far the model itself is from hardware is in RESULTS.md.",
			fmt.Sprintf("In sync: from the failure until the replicas are, with %s until a machine runs, beside the load at its peak.", span(r.Need.Away)),
		},
	}
	for _, x := range r.Holding() {
		p99, low, high := x.Latency(99)
		limit, percent := x.Rules()
		t.Rows = append(t.Rows, []document.Cell{
			document.Quantity(float64(x.Brokers), "", fmt.Sprint(x.Brokers)), document.Words(x.Instance), document.Words(x.Store.String()), price(x.Bill.USD()),
			document.Quantity(millis(p99), "ms", fmt.Sprintf("%.1f", millis(p99))), document.Words(fmt.Sprintf("%.1f to %.1f", millis(low), millis(high))),
			document.Words(limit), document.Quantity(percent, "%", fmt.Sprintf("%.0f", percent)), wait(x.Host.Exposed()), wait(x.Storage.Exposed()),
		})
	}
	return document.Section{Title: "What holds", Tables: []document.Table{t}}
}

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// bills are the lines of the bills of what holds.
func (r *Result) bills() document.Section {
	t := document.Table{Name: "bills", Title: "What it costs, on demand in us-east-1",
		Columns: []document.Column{{Name: "cluster"}, {Name: "item"}, {Name: "price", Unit: "$/month", Number: true}, {Name: "basis"}}}
	for _, x := range r.Holding() {
		for _, l := range x.Bill.Lines {
			t.Rows = append(t.Rows, []document.Cell{document.Words(fmt.Sprintf("%d × %s", x.Brokers, x.Instance)), document.Words(l.What), price(float64(l.MicroUSD) / 1e6), document.Words(l.Basis)})
		}
	}
	return document.Section{Title: "What it costs", Tables: []document.Table{t}}
}

// limits are what each limit is asked for.
func (r *Result) limits() document.Section {
	t := document.Table{Name: "limits", Title: "What a broker takes of what its limits sustain",
		Columns: []document.Column{{Name: "cluster"}, {Name: "limit"}, {Name: "with all brokers", Unit: "%", Number: true}, {Name: "a broker lost", Unit: "%", Number: true}}}
	for _, x := range r.Holding() {
		for _, u := range x.Whole {
			i := slices.IndexFunc(x.Lost, func(o Use) bool { return o.Limit == u.Limit })
			percent := func(u Use) document.Cell {
				return document.Quantity(u.Percent(), "%", fmt.Sprintf("%.0f", u.Percent()))
			}
			t.Rows = append(t.Rows, []document.Cell{document.Words(x.String()), document.Words(u.Limit), percent(u), percent(x.Lost[i])})
		}
	}
	return document.Section{Title: "The arithmetic", Tables: []document.Table{t}}
}

// refused is what was simulated and does not hold.
func (r *Result) refused() document.Section {
	t := document.Table{Name: "refused", Title: "Cheaper, and does not hold",
		Columns: []document.Column{{Name: "cluster"}, {Name: "price", Unit: "$/month", Number: true}, {Name: "why"}}}
	for _, x := range r.Trials {
		if x.Refused != "" {
			t.Rows = append(t.Rows, []document.Cell{document.Words(x.String()), price(x.Bill.USD()), document.Words(x.Refused)})
		}
	}
	return document.Section{Title: "What does not hold", Tables: []document.Table{t}}
}

func (n Need) method() document.Section {
	return document.Section{Title: "How it was found", Text: []string{
		"Each broker writes its share of every replica, with the heads of Kafka's batches and records; a leader's bytes leave it once for each follower and each group. Volumes are as large and as fast as that asks for. Then the cheapest were simulated at the peak with a broker lost, as a part of the cluster of " + fmt.Sprint(leastPart) + " brokers, or as many as there are replicas, with their share of load and partitions.",
		"Not in it: effects of many brokers, reads of consumers far behind from cold disks, what operating a cluster takes, prices by contract, and storage that moves to other tiers.",
	}}
}

// Document is the formula beside simulations, for people.
func (r *FormulaResult) Document() *document.Document {
	t := document.Table{Name: "formula", Title: "Throughput of three brokers with three replicas, burst credits spent",
		Columns: []document.Column{
			{Name: "instance"}, {Name: "volume"}, {Name: "groups", Number: true}, {Name: "formula", Unit: "MB/s", Number: true}, {Name: "by"},
			{Name: "simulated", Unit: "MB/s", Number: true}, {Name: "difference", Number: true}, {Name: "held back by"}, {Name: "free processors", Unit: "MB/s", Number: true}, {Name: "why"},
		},
		Notes: []string{fmt.Sprintf("A difference of more than %.0f%% is marked; what is below was simulated again with processors that cost nothing.", 100*Tolerance)},
	}
	f := document.Figure{
		Name: "formula", Title: "AWS's formula and the simulated ceiling", Kind: document.Scatter,
		About: "Each point is a combination of instance, volume and consumer groups. On the line both are the same.",
		X:     document.Axis{Label: "formula", Unit: "MB/s"}, Y: document.Axis{Label: "simulated", Unit: "MB/s"},
		Basis: document.Simulated, Model: r.Need.model(), Validated: document.NeverCompared,
	}
	points := document.Series{Name: "with processors", Basis: document.Simulated}
	free := document.Series{Name: "free processors", Basis: document.Simulated}
	most, within := 0.0, 0
	mb := func(v int64) document.Cell { return document.Quantity(float64(v)/1e6, "MB/s", megabytes(v)) }
	for _, row := range r.Rows {
		difference := document.Quantity(100*row.Off(), "%", fmt.Sprintf("%+.0f%%", 100*row.Off()))
		freeCell := document.Words("–")
		x := float64(row.Formula) / 1e6
		points.X, points.Y = append(points.X, x), append(points.Y, float64(row.Simulated.Acked)/1e6)
		if d := row.Off(); d >= -Tolerance && d <= Tolerance {
			within++
		} else {
			difference = difference.Marked(document.Bad)
		}
		if row.Free != nil {
			freeCell = mb(row.Free.Acked)
			free.X, free.Y = append(free.X, x), append(free.Y, float64(row.Free.Acked)/1e6)
		}
		most = max(most, x, float64(row.Simulated.Acked)/1e6)
		t.Rows = append(t.Rows, []document.Cell{
			document.Words(row.Instance), document.Words(row.Volume.String()), document.Quantity(float64(row.Groups), "", fmt.Sprint(row.Groups)),
			mb(row.Formula), document.Words(row.Term), mb(row.Simulated.Acked), difference, document.Words(row.Simulated.Bottleneck), freeCell, document.Words(row.Why()),
		})
	}
	f.Series = append(f.Series, points)
	if len(free.X) > 0 {
		f.Series = append(f.Series, free)
	}
	f.Series = append(f.Series, document.Series{Name: "the same", Basis: document.Specification, X: []float64{0, most}, Y: []float64{0, most}})
	return &document.Document{
		Title:    "AWS's sizing formula, and what it leaves out",
		Subtitle: fmt.Sprintf("%d combinations, simulated with the cost table %q; nothing here was measured on EC2", len(r.Rows), r.Need.Costs),
		Summary:  []string{fmt.Sprintf("%d of %d combinations are within %.0f%% of the formula.%s", within, len(r.Rows), 100*Tolerance, r.reasons())},
		Sections: []document.Section{{Title: "Formula and simulation", Text: []string{
			"The formula is the least of storage throughput × brokers ÷ replicas, the instance's bandwidth to EBS × brokers ÷ replicas, and its network bandwidth × brokers ÷ (consumer groups + replicas − 1), with what AWS says that each sustains.",
		}, Tables: []document.Table{t}, Figures: []document.Figure{f}}},
		Provenance: []document.Source{
			{What: "formula", Basis: "publication", Source: "AWS Big Data Blog, Best practices for right-sizing your Apache Kafka clusters to optimize performance and cost (2022)"},
			{What: "limits", Basis: ec2.Specification.String(), Source: "AWS, see package sim/ec2", Validated: document.NeverCompared},
		},
		Facts: r.Facts,
	}
}

// reasons counts what the differences come from.
func (r *FormulaResult) reasons() string {
	count := map[string]int{}
	for _, row := range r.Rows {
		if why, _, _ := strings.Cut(row.Why(), ":"); why != "" {
			count[why]++
		}
	}
	names := slices.SortedFunc(func(yield func(string) bool) {
		for name := range count {
			if !yield(name) {
				return
			}
		}
	}, func(a, b string) int { return cmp.Or(cmp.Compare(count[b], count[a]), cmp.Compare(a, b)) })
	var words []string
	for _, name := range names {
		words = append(words, fmt.Sprintf("%d by %s", count[name], name))
	}
	if len(words) == 0 {
		return ""
	}
	return " The others differ: " + strings.Join(words, ", ") + "."
}
