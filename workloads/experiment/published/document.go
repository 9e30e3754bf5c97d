package published

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/weirlab/weir/workloads/experiment/document"
)

// Targets of a comparison, as fractions.
const (
	throughputTarget = 0.15 // median
	p50Target        = 0.25 // median
	latencyMiss      = 0.35 // an error beyond this is marked
)

// Document is the comparison for readers.
func (r *Result) Document() *document.Document {
	all := r.Predictions()
	d := &document.Document{
		Title:    "Published Kafka runs, simulated",
		Subtitle: "Runs of Apache Kafka that " + r.labNames() + " published between 2014 and 2023, against Weir's simulation of them",
		Summary:  r.summary(all),
	}
	d.Sections = append(d.Sections, r.validationSection(all), r.predictionSection(all), r.throughputSection(), r.latencySection())
	if load := r.loadSection(); load != nil {
		d.Sections = append(d.Sections, *load)
	}
	if followers := r.followersSection(); followers != nil {
		d.Sections = append(d.Sections, *followers)
	}
	d.Sections = append(d.Sections, r.saturatedSection(), r.labsSection(), physicsSection(r.Rows), r.missesSection(all), r.modelSection(), r.unpredictedSection())
	d.Provenance = r.sources()
	return d
}

func percent(e float64) string { return fmt.Sprintf("%+.0f%%", 100*e) }

// labNames are the labs of the rows in words.
func (r *Result) labNames() string {
	var names []string
	for i := range r.Rows {
		if lab := string(r.Rows[i].Row.Lab); !slices.Contains(names, lab) {
			names = append(names, lab)
		}
	}
	switch n := len(names); n {
	case 0:
		return "nobody"
	case 1:
		return names[0]
	default:
		return strings.Join(names[:n-1], ", ") + " and " + names[n-1]
	}
}

// labSpread is the least and the most that the labs differ over their pairs.
func (r *Result) labSpread() (low, high float64, pairs int) {
	low = math.Inf(1)
	for _, p := range r.Pairs() {
		d := math.Abs(p.published())
		low, high = min(low, d), max(high, d)
		pairs++
	}
	return low, high, pairs
}

// published is how far StreamNative's figure is from Confluent's: throughput
// if saturated, else the median publish latency.
func (p Pair) published() float64 {
	if p.Confluent.Row.Saturated() {
		return relative(p.StreamNative.Row.AckedPerSecond, p.Confluent.Row.AckedPerSecond)
	}
	a, _ := p.Confluent.Row.Publish.P(50)
	b, _ := p.StreamNative.Row.Publish.P(50)
	return relative(float64(b), float64(a))
}

// simulated is the same of the simulations.
func (p Pair) simulated() (float64, bool) {
	a, b := p.Confluent.Measurement, p.StreamNative.Measurement
	switch {
	case a == nil || b == nil:
		return 0, false
	case p.Confluent.Row.Saturated():
		return relative(b.AckedPerSecond, a.AckedPerSecond), true
	default:
		return relative(float64(b.ProduceUncorrected.P(50)), float64(a.ProduceUncorrected.P(50))), true
	}
}

func (r *RowResult) role() document.Cell {
	if r.Fitted {
		return document.Words("fitted").Marked(document.Neutral)
	}
	return document.Words("held out")
}

func errorCell(e float64, ok bool, miss float64) document.Cell {
	if !ok {
		return document.Words("–").Marked(document.Neutral)
	}
	c := document.Quantity(100*e, "%", percent(e))
	if math.Abs(e) > miss {
		return c.Marked(document.Bad)
	}
	return c.Marked(document.Good)
}

func mibCell(recordsPerSecond float64, recordBytes int64) document.Cell {
	v := recordsPerSecond * float64(recordBytes) / mib
	return document.Quantity(v, "MiB/s", fmt.Sprintf("%.0f", v))
}

func millisCell(d time.Duration) document.Cell {
	ms := float64(d) / float64(time.Millisecond)
	text := fmt.Sprintf("%.2f", ms)
	switch {
	case ms >= 100:
		text = fmt.Sprintf("%.0f", ms)
	case ms >= 10:
		text = fmt.Sprintf("%.1f", ms)
	}
	return document.Quantity(ms, "ms", text)
}

// everyRow takes all rows.
func everyRow(*RowResult) bool { return true }

// seldom is of how many rows a figure has to be for its place in the summary.
const seldom = 1

func (r *Result) summary(all []Prediction) []string {
	var lines []string
	if s := score(all, Throughput, false, everyRow); s.Rows >= seldom {
		left := score(all, Throughput, true, everyRow)
		lines = append(lines, fmt.Sprintf("Maximum throughput: over the %d rows that nothing was fitted to the median error is %.0f%% (target %.0f%%: %s), and %d of %d are within 35%% (target nine of ten: %s). Fitted without a row's own lab it is %.0f%%. The median of %s.",
			s.Rows, 100*s.Median, 100*throughputTarget, met(s.Median <= throughputTarget), s.Near, s.Rows, met(10*s.Near >= 9*s.Rows), 100*left.Median, labMedians(all, Throughput)))
	}
	p50, p99 := score(all, P50, false, everyRow), score(all, P99, false, everyRow)
	if p50.Rows >= seldom && p99.Rows >= seldom {
		left50, left99 := score(all, P50, true, everyRow), score(all, P99, true, everyRow)
		lines = append(lines, fmt.Sprintf("Publish latency below saturation: the median error of the 50th percentile is %.0f%% over %d rows (target %.0f%%: %s); the 99th is within a factor of two in %d of %d (target two thirds: %s). Without a row's own lab: %.0f%%, and %d of %d. The median of %s in the 50th percentile.",
			100*p50.Median, p50.Rows, 100*p50Target, met(p50.Median <= p50Target), p99.Near, p99.Rows, met(3*p99.Near >= 2*p99.Rows), 100*left50.Median, left99.Near, left99.Rows, labMedians(all, P50)))
	}
	for _, says := range []string{coverage(all), r.basis()} {
		if says != "" {
			lines = append(lines, says)
		}
	}
	if slices.ContainsFunc(r.Rows, func(x RowResult) bool { return x.LeftOut != nil }) {
		lines = append(lines, shapeSeen)
	}
	if low, high, n := r.labSpread(); n > 0 {
		lines = append(lines, fmt.Sprintf("Between Confluent and StreamNative, \"the same\" test differs by %.0f%% to %.0f%% in maximum throughput or median publish latency.", 100*low, 100*high))
	}
	return lines
}

// labMedians are the labs' medians in words.
func labMedians(all []Prediction, f Figure) string {
	median, n := eachLabOnce(all, f, true)
	return fmt.Sprintf("%d labs' medians is %.0f%%", n, 100*median)
}

func met(yes bool) string {
	if yes {
		return "met"
	}
	return "missed"
}

// validationSection has the errors by lab and by dimension.
func (r *Result) validationSection(all []Prediction) document.Section {
	t := document.Table{
		Name: "published-validation", Title: "Errors of rows that were not fitted",
		Columns: []document.Column{
			{Name: "Rows"}, {Name: "throughput: rows", Number: true}, {Name: "median error", Number: true}, {Name: "within 35%", Number: true},
			{Name: "p50: rows", Number: true}, {Name: "p50 error", Number: true}, {Name: "p99: rows", Number: true}, {Name: "within a factor of 2", Number: true}, {Name: "in their intervals", Number: true},
		},
		Notes: []string{"A lab's line is by the parameters that were fitted without its rows; a lab that has no fitted row has no other. A row counts in each dimension in which it differs from 100 partitions, two to four producers, i3en.2xlarge, no fsync, and Kafka of 2020 and later."},
	}
	line := func(name string, leftOut bool, of func(*RowResult) bool) {
		tp, p50, p99 := score(all, Throughput, leftOut, of), score(all, P50, leftOut, of), score(all, P99, leftOut, of)
		if tp.Rows+p50.Rows+p99.Rows == 0 {
			return
		}
		in, judged := held(all, of)
		t.Rows = append(t.Rows, []document.Cell{document.Words(name),
			countCell(tp.Rows), medianCell(tp, throughputTarget), ofCell(tp.Near, tp.Rows),
			countCell(p50.Rows), medianCell(p50, p50Target), countCell(p99.Rows), ofCell(p99.Near, p99.Rows), ofCell(in, judged)})
	}
	line("all", false, everyRow)
	line("all, each without its lab", true, everyRow)
	for _, known := range labs {
		line("lab: "+string(known.lab), true, func(x *RowResult) bool { return x.Row.Lab == known.lab })
	}
	for _, d := range Dimensions() {
		line("dimension: "+string(d), true, func(x *RowResult) bool { return slices.Contains(x.Row.Differs(), d) })
	}
	return document.Section{
		Title: "How well it predicts",
		Text: []string{
			"A few rows of three labs fix the model's free parameters; all others are predicted. To see what a prediction for yet another lab is worth, each lab's rows are predicted by parameters that were fitted without it.",
			"That a broker does one request of a connection at a time, and that its sockets' buffers are of a set size, are properties of Kafka's code without a free parameter; but they were looked for while the misses of these rows were known.",
		},
		Tables: []document.Table{t},
	}
}

func countCell(n int) document.Cell { return document.Quantity(float64(n), "", fmt.Sprint(n)) }

func ofCell(n, of int) document.Cell {
	if of == 0 {
		return document.Words("–").Marked(document.Neutral)
	}
	return document.Quantity(float64(n)/float64(of), "", fmt.Sprintf("%d of %d", n, of))
}

func medianCell(s Score, target float64) document.Cell {
	if s.Rows == 0 {
		return document.Words("–").Marked(document.Neutral)
	}
	c := document.Quantity(100*s.Median, "%", fmt.Sprintf("%.0f%%", 100*s.Median))
	if s.Median <= target {
		return c.Marked(document.Good)
	}
	return c.Marked(document.Bad)
}

// predictionSection has every figure with its interval.
func (r *Result) predictionSection(all []Prediction) document.Section {
	t := document.Table{
		Name: "published-predictions", Title: "Every figure",
		Columns: []document.Column{{Name: "Row"}, {Name: "Role"}, {Name: "Figure"}, {Name: "Published", Number: true}, {Name: "Simulated", Number: true},
			{Name: "80% interval"}, {Name: "Error", Number: true}, {Name: "Error without the lab", Number: true}},
		Notes: []string{"Throughput in MiB/s of record values, latencies in ms. An interval is the prediction of the fit without the row's lab, times what others' published figures are of theirs. Rows that were fitted count in no error and in no share of intervals."},
	}
	for _, p := range all {
		within := document.Words("–").Marked(document.Neutral)
		if p.Judged() {
			words := p.Figure.shown(p.Low).Text + " to " + p.Figure.shown(p.High).Text
			if !p.Held() {
				words += ", not in it"
			}
			within = document.Words(words)
		}
		errorOf := func(e float64) document.Cell {
			c := document.Quantity(100*e, "%", percent(e)).Marked(document.Good)
			if p.marked(e) {
				return c.Marked(document.Bad)
			}
			return c
		}
		left := document.Words("–").Marked(document.Neutral)
		if p.Row.LeftOut != nil {
			left = errorOf(p.LeftOutError())
		}
		t.Rows = append(t.Rows, []document.Cell{document.Words(p.Row.Row.Name()), p.Row.role(), document.Words(string(p.Figure)),
			p.Figure.shown(p.Published), p.Figure.shown(p.Simulated), within, errorOf(p.Error()), left})
	}
	return document.Section{Title: "Every figure, with its interval", Tables: []document.Table{t}}
}

// loadSection is AWS's row of load points as a figure, nil without them.
func (r *Result) loadSection() *document.Section {
	f := document.Figure{
		Name: "published-load", Title: "Managed Kafka on three m5.xlarge, gp2, three zones", Kind: document.Lines,
		X: document.Axis{Label: "load", Unit: "MiB/s"}, Y: document.Axis{Label: "publish latency", Unit: "ms"},
		Basis: document.Compared, Model: r.model(), Validated: r.validated(),
	}
	for i, q := range []Figure{P50, P99} {
		was := document.Series{Name: string(q) + ", published", Basis: document.Published, Color: i + 1}
		is := document.Series{Name: string(q) + ", simulated", Basis: document.Simulated, Color: i + 1}
		for k := range r.Rows {
			x := &r.Rows[k]
			v, ok := q.published(x.Row)
			if x.Row.Lab != AWS || !ok || x.Measurement == nil {
				continue
			}
			load := x.Row.MiBPerSecond()
			was.X, was.Y = append(was.X, load), append(was.Y, v)
			is.X, is.Y = append(is.X, load), append(is.Y, q.of(x.Row, x.Measurement))
		}
		if len(was.X) > 1 {
			f.Series = append(f.Series, was, is)
		}
	}
	if len(f.Series) == 0 {
		return nil
	}
	return &document.Section{Title: "Latency over load", Figures: []document.Figure{f}}
}

// unpredictedSection lists what is not simulated.
func (r *Result) unpredictedSection() document.Section {
	t := document.Table{Name: "published-unpredicted", Title: "What was not predicted", Columns: []document.Column{{Name: "Row"}, {Name: "System"}, {Name: "Why not"}}}
	rows, _ := Rows() // that they can be read was seen when the run began
	for _, row := range rows {
		why := row.Unpredicted
		if why == "" && !slices.ContainsFunc(r.Rows, func(x RowResult) bool { return x.Row.ID == row.ID }) {
			why = "was not simulated this time; weir published --rows " + row.Slug()
		}
		if why != "" {
			t.Rows = append(t.Rows, []document.Cell{document.Words(row.ID), document.Words(row.System), document.Words(why)})
		}
	}
	return document.Section{Title: "What was not predicted", Tables: []document.Table{t}}
}

func (r *Result) throughputSection() document.Section {
	t := document.Table{
		Name: "published-throughput", Title: "Maximum throughput",
		Columns: []document.Column{
			{Name: "Row"}, {Name: "Role"}, {Name: "Published", Unit: "MiB/s", Number: true}, {Name: "Simulated", Unit: "MiB/s", Number: true},
			{Name: "Error", Number: true}, {Name: "Ruled by, from its figures"}, {Name: "Busiest in the simulation"},
		},
		Notes: []string{fmt.Sprintf("MiB/s of record values, as OMB counts. An error is marked beyond %.0f%%.", 100*throughputTarget)},
	}
	var names []string
	var published, simulated []float64
	for i := range r.Rows {
		x := &r.Rows[i]
		if !x.Row.Saturated() {
			continue
		}
		cells := []document.Cell{document.Words(x.Row.Name()), x.role(), mibCell(x.Row.AckedPerSecond, x.Row.RecordBytes)}
		e, ok := x.ThroughputError()
		if ok {
			cells = append(cells, mibCell(x.Measurement.AckedPerSecond, x.Row.RecordBytes), errorCell(e, ok, throughputTarget),
				document.Words(x.Row.Rules()), document.Words(busiest(x.Measurement.Machines)))
			names = append(names, x.Row.Name())
			published = append(published, x.Row.MiBPerSecond())
			simulated = append(simulated, x.Measurement.AckedPerSecond*float64(x.Row.RecordBytes)/mib)
		} else {
			cells = append(cells, document.Words("failed").Marked(document.Bad), errorCell(0, false, 0), document.Words(x.Row.Rules()), document.Words(x.Error))
		}
		t.Rows = append(t.Rows, cells)
	}
	s := document.Section{
		Title: "Maximum throughput",
		Text: []string{
			"With replication factor 3 on three brokers every broker writes every byte. The two disks of an i3en.2xlarge take 654 MB/s together (dd), which is 624 MiB/s.",
		},
		Tables: []document.Table{t},
	}
	if len(names) > 0 {
		s.Figures = append(s.Figures, document.Figure{
			Name: "published-throughput", Title: "Maximum throughput, published and simulated", Kind: document.Bars,
			X: document.Axis{Label: "run", Categories: names}, Y: document.Axis{Label: "acknowledged record values", Unit: "MiB/s"},
			Series: []document.Series{
				{Name: "published", Basis: document.Published, Y: published},
				{Name: "simulated", Basis: document.Simulated, Y: simulated},
			},
			Basis: document.Compared, Model: r.model(), Validated: r.validated(),
		})
	}
	return s
}

// latencyTable has a line for every row and kind of latency.
func (r *Result) latencyTable(name, title string, of Selection) document.Table {
	t := document.Table{
		Name: name, Title: title,
		Columns: []document.Column{{Name: "Row"}, {Name: "Role"}, {Name: "Latency"}, {Name: "Of"}},
		Notes:   []string{fmt.Sprintf("ms. An error is marked beyond %.0f%%.", 100*latencyMiss)},
	}
	for _, p := range Percentiles() {
		t.Columns = append(t.Columns, document.Column{Name: fmt.Sprintf("p%v", p), Unit: "ms", Number: true})
	}
	for i := range r.Rows {
		x := &r.Rows[i]
		if !of(x) {
			continue
		}
		for _, kind := range []LatencyKind{Publish, EndToEnd} {
			head := func(what string) []document.Cell {
				return []document.Cell{document.Words(x.Row.Name()), x.role(), document.Words(string(kind)), document.Words(what)}
			}
			was, is, off := head("published"), head("simulated"), head("error")
			if from, _ := x.latencies(kind); len(from.Quantiles) == 0 {
				continue
			}
			for _, p := range Percentiles() {
				a, b, e, ok := x.LatencyError(kind, p)
				if a > 0 {
					was = append(was, millisCell(a))
				} else {
					was = append(was, document.Words("–").Marked(document.Neutral))
				}
				if ok {
					is = append(is, millisCell(b))
				} else {
					is = append(is, document.Words("–").Marked(document.Neutral))
				}
				off = append(off, errorCell(e, ok, latencyMiss))
			}
			t.Rows = append(t.Rows, was, is, off)
		}
	}
	return t
}

func (r *Result) latencySection() document.Section {
	modest := func(x *RowResult) bool { return !x.Row.Saturated() && len(x.Row.Publish.Quantiles) > 2 }
	s := document.Section{
		Title: "Latency below saturation",
		Text: []string{
			"Of most rows 200,000 records/s, a third of what the disks take: what rules here are round trips, linger.ms, the write to the page cache and, with flush.messages=1, the wait for the disk.",
			"Publish latency counts from the hand-over to the producer, as OMB of 2020 does. End-to-end latency of some published rows is in whole milliseconds.",
		},
		Tables: []document.Table{r.latencyTable("published-latency", "Latency below saturation", modest)},
	}
	for i := range r.Rows {
		if x := &r.Rows[i]; modest(x) {
			s.Figures = append(s.Figures, r.percentiles(x)...)
		}
	}
	return s
}

func (r *Result) saturatedSection() document.Section {
	s := document.Section{
		Title: "Latency of saturated clusters",
		Text: []string{
			"The latency of a saturated cluster is the length of its queues: its mean is buffer.memory over throughput whatever the brokers do (see the arithmetic below). How it is spread around that mean is what the simulation can be asked.",
			"Runs of minutes let consumers and followers fall behind by seconds; the few seconds simulated cannot show that.",
		},
		Tables: []document.Table{r.latencyTable("published-saturated", "Latency of saturated clusters", func(x *RowResult) bool { return x.Row.Saturated() && len(x.Row.Publish.Quantiles) > 2 })},
	}
	for i := range r.Rows {
		if x := &r.Rows[i]; x.Row.Saturated() && Many(x) && len(x.Row.Publish.Quantiles) > 2 {
			s.Figures = append(s.Figures, r.percentiles(x)...)
		}
	}
	return s
}

// percentiles is the figure of a row's latencies, none if it failed.
func (r *Result) percentiles(x *RowResult) []document.Figure {
	if x.Measurement == nil {
		return nil
	}
	f := document.Figure{
		Name: "published-latency-" + x.Row.Slug(), Title: x.Row.Name(), Kind: document.Percentiles, Half: true,
		X: document.Axis{Label: "percentile", Unit: "%"}, Y: document.Axis{Label: "latency", Unit: "ms", Log: true},
		Basis: document.Compared, Model: r.model(), Validated: r.validated(),
	}
	if x.Fitted {
		f.Note = "One of the rows that the processor costs were fitted on."
	}
	for i, kind := range []LatencyKind{Publish, EndToEnd} {
		from, d := x.latencies(kind)
		if len(from.Quantiles) == 0 {
			continue
		}
		was := document.Series{Name: string(kind) + ", published", Basis: document.Published, Color: i + 1}
		is := document.Series{Name: string(kind) + ", simulated", Basis: document.Simulated, Color: i + 1}
		for _, q := range from.Quantiles {
			// What follows is of single hiccups in minutes, and a few seconds
			// cannot have it.
			if q.Percentile > 99.9 {
				break
			}
			was.X = append(was.X, q.Percentile)
			was.Y = append(was.Y, float64(q.Latency)/float64(time.Millisecond))
			if d.Count() > 0 {
				is.X = append(is.X, q.Percentile)
				is.Y = append(is.Y, float64(d.P(q.Percentile))/float64(time.Millisecond))
			}
		}
		f.Series = append(f.Series, was)
		if len(is.X) > 0 {
			f.Series = append(f.Series, is)
		}
	}
	return []document.Figure{f}
}

func (r *Result) labsSection() document.Section {
	t := document.Table{
		Name: "published-labs", Title: "The same test, two labs",
		Columns: []document.Column{
			{Name: "Test"}, {Name: "Figure"}, {Name: "Confluent", Number: true}, {Name: "StreamNative", Number: true}, {Name: "StreamNative against Confluent", Number: true},
			{Name: "The same, simulated", Number: true}, {Name: "Error Confluent", Number: true}, {Name: "Error StreamNative", Number: true},
		},
		Notes: []string{"Both labs: three i3en.2xlarge, 100 partitions, acks=all, 1 KiB records. Confluent: 4 producers and consumers; throughput with linger 10 ms. StreamNative: 2 producers and consumers, linger 1 ms, batches of 1 MiB."},
	}
	for _, p := range r.Pairs() {
		cells := []document.Cell{document.Words(p.What)}
		var errs [2]document.Cell
		for i, x := range []*RowResult{p.Confluent, p.StreamNative} {
			if p.Confluent.Row.Saturated() {
				e, ok := x.ThroughputError()
				errs[i] = errorCell(e, ok, throughputTarget)
			} else {
				_, _, e, ok := x.LatencyError(Publish, 50)
				errs[i] = errorCell(e, ok, latencyMiss)
			}
		}
		if p.Confluent.Row.Saturated() {
			cells = append(cells, document.Words("MiB/s"), mibCell(p.Confluent.Row.AckedPerSecond, p.Confluent.Row.RecordBytes),
				mibCell(p.StreamNative.Row.AckedPerSecond, p.StreamNative.Row.RecordBytes))
		} else {
			a, _ := p.Confluent.Row.Publish.P(50)
			b, _ := p.StreamNative.Row.Publish.P(50)
			cells = append(cells, document.Words("publish p50, ms"), millisCell(a), millisCell(b))
		}
		spread := p.published()
		cells = append(cells, document.Quantity(100*spread, "%", percent(spread)))
		if e, ok := p.simulated(); ok {
			cells = append(cells, document.Quantity(100*e, "%", percent(e)))
		} else {
			cells = append(cells, document.Words("–"))
		}
		t.Rows = append(t.Rows, append(cells, errs[:]...))
	}
	return document.Section{
		Title:  "Two labs, one test",
		Text:   []string{"How far apart two real measurements of nominally the same thing are is the measure for how close a simulation can be asked to come."},
		Tables: []document.Table{t},
	}
}

func physicsSection(rows []RowResult) document.Section {
	t := document.Table{
		Name: "published-arithmetic", Title: "What the publications say by themselves",
		Columns: []document.Column{
			{Name: "Row"}, {Name: "Throughput", Unit: "MiB/s", Number: true}, {Name: "Of the disks", Number: true},
			{Name: "Mean publish latency", Unit: "ms", Number: true}, {Name: "buffer.memory over throughput", Unit: "ms", Number: true},
			{Name: "Full pipeline over throughput", Unit: "ms", Number: true}, {Name: "A request of a connection", Unit: "ms", Number: true}, {Name: "So it is ruled by"},
		},
		Notes: []string{
			"buffer.memory over throughput: the latency that 32 MiB of buffered records per producer make, if all of it is full (Little's law).",
			"Full pipeline over throughput: how long a produce request takes if five of 1 MiB are under way from every producer to every leader. A request of a connection: if it is one at a time.",
		},
	}
	for i := range rows {
		row := &rows[i].Row
		if !row.Saturated() || row.Publish.Mean == 0 {
			continue
		}
		p := row.Physics()
		t.Rows = append(t.Rows, []document.Cell{
			document.Words(row.Name()), mibCell(row.AckedPerSecond, row.RecordBytes),
			document.Quantity(100*p.DiskUse, "%", fmt.Sprintf("%.0f%%", 100*p.DiskUse)),
			millisCell(row.Publish.Mean), millisCell(p.Buffered), millisCell(p.UnderWay), millisCell(p.UnderWay / maxInFlight), document.Words(row.Rules()),
		})
	}
	return document.Section{
		Title: "What the publications say by themselves",
		Text: []string{
			"Arithmetic on the published figures; nothing here is simulated. In every saturated row the mean publish latency is what full buffers make.",
			"The rows with acks=1, and Confluent's four producers, use the disks to more than nine tenths. StreamNative's two producers with acks=all do not. Nor does what five requests under way would carry rule them: on one partition as on a hundred, over two connections as over six, a connection carries 1 MiB in some 11 to 14 ms. That is how long one request takes through leader and followers, and so what a broker that reads a connection's next request once the one before is answered lets through.",
		},
		Tables: []document.Table{t},
	}
}
