package reports

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/weirlab/weir/linearizability"
	"github.com/weirlab/weir/reports/drawing"
)

//go:embed report.html.tmpl
var pageTemplate string

//go:embed report.css
var pageStyle string

//go:embed report.js
var pageScript string

// page is what the template is filled with. Everything is text by now.
type page struct {
	Run                         *Run
	Title, Started, Caption     string
	Status, StatusWord          string
	Sentence                    string
	Findings                    []pageFinding
	Excused                     []string
	Tiles                       []pageTile
	Notices                     []string
	Figures, Small              []pageFigure
	PercentileNames             []string
	Percentiles                 []pagePercentiles
	WarmUp                      string
	Checks                      []pageCheck
	Faults                      []pageFault
	Counters, Provenance, Files []pageRow
	Data                        pageData
	Why                         *pageWhy // nil if there is nothing to explain
	Style                       template.CSS
	Script                      template.JS
}

type pageFinding struct {
	linearizability.Finding
	CountText, CodeMeaning string
}

type pageTile struct{ Name, Value, Unit, More string }

type pageRow struct{ Name, Value, Size string }

type pageFigure struct {
	Name, Title, About string
	Legend             []drawing.Entry
	Time               bool
	Width              int
	SVG                template.HTML
	Basis              string
}

type pagePercentiles struct {
	Name, Count, Note string
	Values            []string
}

type pageCheck struct {
	linearizability.Check
	InputsText, Result, Class, Meaning string
}

type pageFault struct {
	Kind, At, For, Brokers, Detail, Effect string
	Lossy                                  bool
	Var                                    template.CSS
}

// pageData drives the crosshair. Left, right, top and bottom are the figures'
// margins in points.
type pageData struct {
	Span   float64     `json:"span"`
	Reach  float64     `json:"reach"` // how far from a value the crosshair still shows it, in s
	Left   float64     `json:"left"`
	Right  float64     `json:"right"`
	Top    float64     `json:"top"`
	Bottom float64     `json:"bottom"`
	Groups []dataGroup `json:"groups"`
	Faults []dataFault `json:"faults"`
}

type dataGroup struct {
	Times  []float64    `json:"times"`
	Series []dataSeries `json:"series"`
}

type dataSeries struct {
	Name string   `json:"name"`
	Text []string `json:"text"`
}

type dataFault struct {
	Kind    string  `json:"kind"`
	Brokers string  `json:"brokers"`
	From    float64 `json:"from"`
	To      float64 `json:"to"`
}

var parsedPage = template.Must(template.New("report").Parse(pageTemplate))

// html renders the page. figures and their SVG documents are parallel; the first
// of them, as many as why, are of the explanation.
func (r *result) html(figures []*drawing.Figure, docs [][]byte, why int) ([]byte, error) {
	run := r.run
	p := page{
		Run:             run,
		Title:           fmt.Sprintf("%s · seed %s · %s", run.Scenario, run.Seed, strings.ToLower(statusWord(run))),
		Started:         run.Started.UTC().Format("2006-01-02 15:04 UTC"),
		Caption:         r.caption() + " · all times since the run began · MB = 10⁶ bytes",
		Status:          string(run.Verdict.Status),
		StatusWord:      statusWord(run),
		Sentence:        r.sentence(),
		Tiles:           r.tiles(),
		Notices:         r.notices(),
		PercentileNames: percentileNames(),
		Percentiles:     r.percentileTable(),
		Counters:        r.counters(),
		Provenance:      r.provenance(),
		Data:            r.crosshair(),
		Why:             r.why(),
		Style:           template.CSS(drawing.Style + pageStyle), //nolint:gosec // our own file
		Script:          template.JS(pageScript),                 //nolint:gosec // our own file
	}
	if run.WarmUp > 0 {
		p.WarmUp = seconds(run.WarmUp)
	}
	for _, f := range run.Verdict.Findings {
		p.Findings = append(p.Findings, pageFinding{f, fmt.Sprintf("stands for %s", count(f.Count, "violation")), codeMeaning[f.Code]})
	}
	for _, e := range excuses(&run.Verdict) {
		p.Excused = append(p.Excused, excuseText(e))
	}
	for i, f := range figures {
		pf := pageFigure{f.Name, f.Title, f.About, f.Legend, f.Time, int(f.Width),
			template.HTML(drawing.InlineSVG(docs[i], f.Title)), r.basis()} //nolint:gosec // drawn here; texts are escaped by the canvas
		if i < why {
			p.Why.Figures = append(p.Why.Figures, pf)
		} else if f.Width < drawing.FullWidth {
			p.Small = append(p.Small, pf)
		} else {
			p.Figures = append(p.Figures, pf)
		}
	}
	for _, k := range run.Verdict.Checks {
		c := pageCheck{Check: k, InputsText: number(k.Inputs), Meaning: codeMeaning[k.Code]}
		c.Result, c.Class = checkResult(k)
		p.Checks = append(p.Checks, c)
	}
	for _, f := range run.Faults {
		length := "–"
		if f.End > f.Start {
			length = seconds(f.End - f.Start)
		}
		p.Faults = append(p.Faults, pageFault{string(f.Kind), seconds(f.Start), length, brokerList(f.Brokers), f.Detail, r.effect(f), f.Lossy,
			template.CSS("var(--" + faultInk(f.Kind).Name + ")")})
	}
	for _, f := range r.files {
		p.Files = append(p.Files, pageRow{Name: f.Name, Size: bytesText(f.Size)})
	}
	for _, f := range figures {
		p.Files = append(p.Files, pageRow{Name: f.Name + ".png"}, pageRow{Name: f.Name + ".svg"})
	}
	var b bytes.Buffer
	if err := parsedPage.Execute(&b, p); err != nil {
		return nil, fmt.Errorf("%s: %w", ReportFile, err)
	}
	return b.Bytes(), nil
}

// crosshair is what the page shows under the pointer.
func (r *result) crosshair() pageData {
	span := r.span()
	d := pageData{Span: span.Seconds(), Reach: 1, Left: drawing.MarginLeft, Right: drawing.MarginRight,
		Top: drawing.MarginTop, Bottom: drawing.MarginBottom, Groups: []dataGroup{}, Faults: []dataFault{}}
	t := &r.series
	var rates dataGroup
	for _, c := range []struct{ column, name string }{
		{ColOffered, "offered"}, {ColAcked, "acknowledged"}, {ColConsumed, "consumed"}, {ColFailed, "refused"}, {ColUnknown, "unknown fate"},
	} {
		i := t.column(c.column)
		if i < 0 {
			continue
		}
		s := dataSeries{Name: c.name}
		ps := t.rates(i, 1)
		for _, p := range ps {
			text := drawing.SI(p.Y) + "/s"
			if p.Y == 0 && (c.column == ColFailed || c.column == ColUnknown) {
				text = ""
			}
			s.Text = append(s.Text, text)
		}
		if rates.Times == nil {
			for _, p := range ps {
				rates.Times = append(rates.Times, p.X)
			}
		}
		rates.Series = append(rates.Series, s)
	}
	if rates.Times != nil {
		d.Groups = append(d.Groups, rates)
	}
	lat := dataGroup{Series: []dataSeries{{Name: "p50"}, {Name: "p99"}, {Name: "max"}}}
	for _, i := range r.latency {
		if i.tag != TagProduce {
			continue
		}
		lat.Times = append(lat.Times, (i.start+i.end).Seconds()/2)
		for k, q := range []float64{50, 99, 100} {
			lat.Series[k].Text = append(lat.Series[k].Text, drawing.Milliseconds(inMillis(i.hist.ValueAtPercentile(q))))
		}
	}
	if lat.Times != nil {
		d.Groups = append(d.Groups, lat)
	}
	for _, f := range r.run.Faults {
		d.Faults = append(d.Faults, dataFault{string(f.Kind), brokerList(f.Brokers), f.Start.Seconds(), faultEnd(f, span).Seconds()})
	}
	return d
}

func brokerList(ids []int32) string {
	if len(ids) == 0 {
		return "–"
	}
	var s []string
	for _, id := range ids {
		s = append(s, strconv.Itoa(int(id)))
	}
	return strings.Join(s, ", ")
}

func checkResult(k linearizability.Check) (result, class string) {
	switch {
	case k.Status == linearizability.Failed:
		result, class = count(k.Findings, "violation"), "fail"
	case k.Status == linearizability.Unknown:
		return "unknown", "unknown"
	case k.Status == linearizability.Skipped:
		return "skipped", "warn"
	case k.Inputs == 0:
		return "proved nothing", "warn"
	default:
		result, class = "passed", "pass"
	}
	if k.Excused > 0 {
		result += fmt.Sprintf(", %s excused", number(k.Excused))
	}
	return result, class
}

// codeMeaning is what the checkers' codes stand for.
var codeMeaning = map[string]string{
	"K1": "offset to value agreement", "K2": "lost acknowledged records, with excuses", "K3": "duplicates",
	"K4": "append order", "K5": "reads of what was not committed", "K6": "torn transactions", "K7": "consumer sessions",
	"K8": "committed-offset register", "K9": "group exclusivity", "K10": "progress after healing", "K11": "replica convergence",
	"K12": "epoch and high-watermark invariants", "K13": "live state against replay", "K14": "compaction", "K15": "administration", "K16": "sums of transactions", "K17": "exactly once, end to end", "K18": "what share groups finish", "LIN": "linearizability of the log",
}

func excuseText(e linearizability.Excuse) string {
	where := fmt.Sprintf("offset %d of %s-%d", e.First, e.Topic, e.Partition)
	if e.Count > 1 {
		where = fmt.Sprintf("%s between offsets %d and %d of %s-%d", count(e.Count, "record"), e.First, e.Last, e.Topic, e.Partition)
	}
	return fmt.Sprintf("%s %s: %s.", e.Code, where, e.Reason)
}

func percentileNames() []string {
	var names []string
	for _, q := range tablePercentiles {
		names = append(names, "p"+strconv.FormatFloat(q, 'f', -1, 64))
	}
	return append(names, "max")
}

var tablePercentiles = []float64{50, 90, 95, 99, 99.9, 99.99}

// tooDeep says that a histogram holds too few values for a percentile, which
// would be the maximum under another name.
func tooDeep(h *hdrhistogram.Histogram, percent float64) bool {
	return float64(h.TotalCount())*(100-percent) < 100-1e-6
}

func (r *result) percentileTable() []pagePercentiles {
	var rows []pagePercentiles
	for _, tag := range r.tags() {
		h, dropped := r.merged(tag)
		if h == nil {
			continue
		}
		row := pagePercentiles{Name: tagName(tag), Count: number(h.TotalCount())}
		if dropped > 0 {
			row.Note = fmt.Sprintf("%s were out of range and are missing", count(dropped, "value"))
		}
		for _, q := range tablePercentiles {
			if tooDeep(h, q) {
				row.Values = append(row.Values, "–")
				continue
			}
			row.Values = append(row.Values, drawing.Milliseconds(inMillis(h.ValueAtPercentile(q))))
		}
		row.Values = append(row.Values, drawing.Milliseconds(inMillis(h.Max())))
		rows = append(rows, row)
	}
	return rows
}

func (r *result) counters() []pageRow {
	var rows []pageRow
	for _, c := range r.run.Counters {
		v := number(c.Value)
		switch c.Unit {
		case "":
		case "B":
			v = bytesText(c.Value)
		case "ns":
			v = time.Duration(c.Value).String()
		default:
			v += " " + c.Unit
		}
		rows = append(rows, pageRow{Name: c.Name, Value: v})
	}
	return rows
}

func (r *result) provenance() []pageRow {
	run := r.run
	p := run.Provenance
	rows := []pageRow{{Name: "weir", Value: strings.TrimSpace(p.Version + " " + p.Commit)},
		{Name: "built with", Value: p.Go},
		{Name: "ran on", Value: fmt.Sprintf("%s/%s, %s", p.OS, p.Arch, plural(p.CPUs, "CPU"))},
		{Name: "started", Value: run.Started.UTC().Format(time.RFC3339)}}
	if run.Simulated() {
		rows = append(rows, pageRow{Name: "time", Value: fmt.Sprintf("%s simulated in %s", seconds(run.ClusterTime), seconds(run.WallTime))})
	} else {
		rows = append(rows, pageRow{Name: "time", Value: seconds(run.WallTime)})
	}
	if run.TraceHash != "" {
		hash := run.TraceHash
		switch run.Rerun {
		case "same":
			hash += " (the same when run again)"
		case "different":
			hash += " (different when run again: not deterministic)"
		}
		rows = append(rows, pageRow{Name: "trace hash", Value: hash})
	}
	for _, b := range run.Brokers {
		rows = append(rows, pageRow{Name: b.Name, Value: strings.Join(slices.DeleteFunc([]string{b.Machine, b.Storage}, func(s string) bool { return s == "" }), ", ")})
	}
	for _, m := range run.Models {
		state := "checked against hardware"
		if !m.Checked {
			state = "never checked against hardware"
		}
		rows = append(rows, pageRow{Name: m.What, Value: fmt.Sprintf("%s: %s (%s)", m.Name, m.Source, state)})
	}
	return rows
}
