package render

import (
	"bytes"
	"flag"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/reports/internal/browsertest"
	"github.com/weirlab/weir/workloads/experiment/document"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files anew")

// sample has one of everything.
func sample() *document.Document {
	const model = "sim/ec2, AWS documentation of June 2024"
	curve := func(scale float64, percents ...float64) (x, y []float64) {
		for _, p := range percents {
			x, y = append(x, p), append(y, scale*(1+0.4*math.Log(1/(1-p/100))))
		}
		return x, y
	}
	px, real := curve(2, 0, 50, 75, 90, 95, 99, 99.9, 99.99)
	_, simulated := curve(2.4, px...)
	_, low := curve(1.7, px...)
	_, high := curve(2.3, px...)
	var hours, credits, rate []float64
	for i := range 49 {
		hours = append(hours, float64(i)*900)
		credits = append(credits, max(0, 100-float64(i)*4))
		rate = append(rate, map[bool]float64{true: 250, false: 125}[i < 25])
	}
	return &document.Document{
		Title:    "Ephemeral storage against EBS",
		Subtitle: "Three brokers of 8 cores in one region, replication factor 3",
		Summary: []string{"Take i4i.2xlarge: it carries 2.4 times what gp3 does at a third of the price per MB/s.",
			"What is lost with a machine is re-replicated in 41 minutes, during which one more failure stops writes."},
		Sections: []document.Section{{
			Title: "Throughput ceiling",
			Text:  []string{"The highest rate that every broker's disk takes once the page cache is full."},
			Tables: []document.Table{{Name: "ceiling", Title: "Ceiling and what sets it",
				Columns: []document.Column{{Name: "configuration"}, {Name: "ceiling", Unit: "MB/s", Number: true}, {Name: "bottleneck"}, {Name: "cost", Unit: "$/month", Number: true}},
				Rows: [][]document.Cell{
					{document.Words("i4i.2xlarge instance store"), document.Quantity(612.4, "MB/s", "612").Marked(document.Good), document.Words("disk write bandwidth, 97 % busy"), document.Quantity(1503, "$/month", "1,503")},
					{document.Words("m5.2xlarge gp2 500 GiB"), document.Quantity(118, "MB/s", "118").Marked(document.Bad), document.Words("volume throughput: the 250 MiB/s of gp2, held back in 96 % of the seconds | <b>"), document.Quantity(988, "$/month", "988")},
					{document.Words("m5.2xlarge st1"), document.Words("–").Marked(document.Neutral), document.Words("not run"), document.Words("–")},
				},
				Notes: []string{"At acks=all and 1 KiB records."}}},
			Figures: []document.Figure{{Name: "ceiling", Title: "Throughput ceiling", About: "Acknowledged bytes per second at saturation.", Kind: document.Bars,
				X: document.Axis{Label: "configuration", Unit: "1", Categories: []string{"i4i.2xlarge instance store", "m5.2xlarge gp2 500 GiB", "m5.2xlarge st1 500 GiB"}},
				Y: document.Axis{Label: "acknowledged", Unit: "MB/s"},
				Series: []document.Series{{Name: "measured", Basis: document.Real, Y: []float64{590, 121, 88}, Low: []float64{560, 101, 60}, High: []float64{640, 130, 110}},
					{Name: "simulated", Basis: document.Simulated, X: []float64{0, 1}, Y: []float64{612, 118}}},
				Marks: []document.Line{{At: 500, Label: "target"}},
				Basis: document.Both, Model: model, Validated: "against this machine, throughput within 14 %"}},
		}, {
			Title: "Latency and credits",
			Figures: []document.Figure{{Name: "latency", Title: "Produce latency, acks=all, fsync on", Kind: document.Percentiles, About: "The band is the spread of five real runs.",
				X: document.Axis{Label: "percentile", Unit: "%"}, Y: document.Axis{Label: "produce latency", Unit: "ms", Log: true},
				Series: []document.Series{{Name: "real", Basis: document.Real, X: px, Y: real, Low: low, High: high}, {Name: "simulated", Basis: document.Simulated, X: px, Y: simulated}},
				Basis:  document.Both, Model: "machine profile measured here", Validated: "p50 within 21 %"},
				{Name: "credits", Title: "Burst credits of gp2", Kind: document.Lines, Half: true, X: document.Axis{Label: "time", Unit: "s"}, Y: document.Axis{Label: "credits", Unit: "%"},
					Series: []document.Series{{Name: "gp2, 500 GiB", Basis: document.Simulated, X: hours, Y: credits}},
					Bands:  []document.Band{{From: 0, To: 3600, Label: "warm-up"}}, Marks: []document.Line{{At: 25 * 900, Label: "credits gone", Vertical: true}},
					Basis: document.Simulated, Model: model, Validated: document.NeverCompared},
				{Name: "rate", Title: "What the volume carries", Kind: document.Steps, Half: true, X: document.Axis{Label: "time", Unit: "s"}, Y: document.Axis{Label: "written", Unit: "MB/s"},
					Series: []document.Series{{Name: "gp2", Basis: document.Simulated, X: hours, Y: rate}, {Name: "baseline", Basis: document.Specification, X: []float64{0, 43200}, Y: []float64{125, 125}}},
					Basis:  document.Simulated, Model: model, Validated: document.NeverCompared},
				{Name: "price", Title: "Price against ceiling", Kind: document.Scatter, X: document.Axis{Label: "price", Unit: "$/month"}, Y: document.Axis{Label: "ceiling", Unit: "MB/s"},
					Series: []document.Series{{Name: "instance store", Basis: document.Simulated, X: []float64{1503, 1320}, Y: []float64{612, 480}, Names: []string{"i4i.2xlarge", "i3en.2xlarge"}},
						{Name: "published", Basis: document.Published, X: []float64{1320}, Y: []float64{510}, Low: []float64{450}, High: []float64{540}, Names: []string{"confluent20"}}},
					Basis: document.Compared, Model: model, Validated: document.NeverCompared}},
		}},
		Provenance: []document.Source{{What: "limits of gp2", Basis: "specification", Source: "AWS, EBS volume types, June 2024", Validated: document.NeverCompared}},
		Facts:      []document.Fact{{Name: "commit", Value: "abc123"}, {Name: "command", Value: "weir compare ephemeral ebs"}},
	}
}

func golden(t *testing.T, name, got string) {
	file := filepath.Join("testdata", name)
	if *rewrite {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(file, []byte(got), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(want), got, "if this is meant, run go test ./reports/render -rewrite and look at the difference")
}

func TestTextIsGolden(t *testing.T) {
	for columns, name := range map[int]string{100: "sample.txt", 60: "narrow.txt"} {
		var b bytes.Buffer
		require.NoError(t, Text(&b, sample(), columns, false))
		golden(t, name, b.String())
		for _, l := range strings.Split(b.String(), "\n") {
			if !strings.Contains(l, "figure ") {
				require.LessOrEqual(t, len([]rune(l)), columns, l)
			}
		}
	}
	var colored, plain bytes.Buffer
	require.NoError(t, Text(&colored, sample(), 100, true))
	require.Contains(t, colored.String(), "\x1b[32m612\x1b[0m")
	require.NoError(t, Text(&plain, sample(), 100, false))
	require.Contains(t, plain.String(), "612 +", "marks show without colour too")
}

// A table with the title of its section does not repeat it.
func TestTitlesAreSaidOnce(t *testing.T) {
	d := sample()
	d.Sections[0].Tables[0].Title = d.Sections[0].Title
	for _, render := range []func(*bytes.Buffer) error{
		func(b *bytes.Buffer) error { return Text(b, d, 100, false) },
		func(b *bytes.Buffer) error { return Markdown(b, d, ".") },
	} {
		var b bytes.Buffer
		require.NoError(t, render(&b))
		require.Equal(t, 1, len(regexp.MustCompile(`(?m)^[#* ]*Throughput ceiling\**$`).FindAllString(b.String(), -1)), b.String())
	}
}

func TestMarkdownIsGolden(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, Markdown(&b, sample(), "docs/results"))
	golden(t, "sample.md", b.String())
}

func TestPageIsGolden(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("plots are drawn with floating point, which differs in the last digit on " + runtime.GOARCH)
	}
	var b bytes.Buffer
	require.NoError(t, HTML(&b, sample()))
	golden(t, "sample.html", b.String())
}

var outside = regexp.MustCompile(`(?i)(src|href|action)="(https?:)?//|@import|url\(|<link[^>]+href="[^d]|<(img|iframe|object|embed)`)

func TestPageIsSelfContained(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, HTML(&b, sample()))
	require.Empty(t, outside.FindAllString(b.String(), -1))
	require.NotContains(t, b.String(), "ZgotmplZ", "html/template refused a value")
	require.NotContains(t, b.String(), "<b>")
	require.NotRegexp(t, `(fill|stroke):#[0-9A-F]{6}`, b.String(), "every colour follows light and dark")
	for _, caption := range []string{"never compared with hardware", "model: sim/ec2", "measured on hardware (solid) and simulated (dashed)"} {
		require.Contains(t, b.String(), caption)
	}
}

func TestWriteDirAndReadBack(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	d := sample()
	files, err := WriteDir(dir, "compare", d)
	require.NoError(t, err)
	require.Len(t, files, 2+2*5)
	for _, name := range files {
		b, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		if strings.HasSuffix(name, ".png") {
			img, err := png.Decode(bytes.NewReader(b))
			require.NoError(t, err)
			require.Greater(t, img.Bounds().Dx(), 800)
		}
		if strings.HasSuffix(name, ".svg") {
			require.Contains(t, string(b), "model: ", "the caption is inside the picture")
		}
	}
	f, err := os.Open(filepath.Join(dir, "compare.json"))
	require.NoError(t, err)
	defer func() { _ = f.Close() }()
	back, err := document.Read(f)
	require.NoError(t, err)
	back.Schema = ""
	require.Equal(t, d, back)
}

func TestCheckRefuses(t *testing.T) {
	figure := func(d *document.Document) *document.Figure { return &d.Sections[1].Figures[0] }
	for want, spoil := range map[string]func(*document.Document){
		"the document has no title": func(d *document.Document) { d.Title = "" },
		"figure latency: it shows a simulation and does not name the source of its model":       func(d *document.Document) { figure(d).Model = "" },
		"figure latency: it shows a simulation and does not say whether the model was compared": func(d *document.Document) { figure(d).Validated = "" },
		"figure latency: the Y axis has no label or no unit":                                    func(d *document.Document) { figure(d).Y.Unit = "" },
		"figure latency: the X axis has no label or no unit":                                    func(d *document.Document) { figure(d).X.Label = "" },
		`figure latency: basis ""`:                                                   func(d *document.Document) { figure(d).Basis = "" },
		`figure latency: unknown kind "pie"`:                                         func(d *document.Document) { figure(d).Kind = "pie" },
		"figure latency: no series":                                                  func(d *document.Document) { figure(d).Series = nil },
		`figure latency: series "real": point 2 is NaN`:                              func(d *document.Document) { figure(d).Series[0].Y[1] = math.NaN() },
		`figure latency: series "real": 8 X and 7 Y values`:                          func(d *document.Document) { s := &figure(d).Series[0]; s.Y = s.Y[1:] },
		`figure latency: series "real": point 8: 100 is no percentile below 100`:     func(d *document.Document) { figure(d).Series[0].X[7] = 100 },
		`figure latency: series "real": point 1: Y is 0 on a logarithmic axis`:       func(d *document.Document) { figure(d).Series[0].Y[0] = 0 },
		`figure "ceiling": the name is used twice`:                                   func(d *document.Document) { figure(d).Name = "ceiling" },
		`figure "../x": the name is used for files`:                                  func(d *document.Document) { figure(d).Name = "../x" },
		"table ceiling, row 2: 3 cells in 4 columns":                                 func(d *document.Document) { r := d.Sections[0].Tables[0].Rows; r[1] = r[1][1:] },
		"table ceiling, row 1, column ceiling: +Inf is no number":                    func(d *document.Document) { *d.Sections[0].Tables[0].Rows[0][1].Number = math.Inf(1) },
		`schema "weir.document/9", but this version of weir reads "weir.document/1"`: func(d *document.Document) { d.Schema = "weir.document/9" },
		`provenance "limits of gp2": what, basis and source are needed`:              func(d *document.Document) { d.Provenance[0].Source = "" },
		`figure ceiling: series "simulated": point 2: 3 is no index of a category`:   func(d *document.Document) { d.Sections[0].Figures[0].Series[1].X[1] = 3 },
	} {
		d := sample()
		spoil(d)
		require.ErrorContains(t, d.Check(), want)
		require.Error(t, Text(&bytes.Buffer{}, d, 80, false))
		require.Error(t, HTML(&bytes.Buffer{}, d))
		require.Error(t, Markdown(&bytes.Buffer{}, d, "."))
		require.Error(t, d.JSON(&bytes.Buffer{}))
	}
	require.NoError(t, sample().Check())
}

// Odd figures must draw, even if there is little to see in them.
func TestOddFigures(t *testing.T) {
	axis := document.Axis{Label: "x", Unit: "s"}
	for name, f := range map[string]document.Figure{
		"one point": {Kind: document.Lines, Series: []document.Series{{Name: "a", Basis: document.Real, X: []float64{1}, Y: []float64{1}}}},
		"no points": {Kind: document.Lines, Series: []document.Series{{Name: "a", Basis: document.Real}, {Name: "b", Basis: document.Real}}},
		"all zero":  {Kind: document.Lines, Series: []document.Series{{Name: "a", Basis: document.Real, X: []float64{0, 0}, Y: []float64{0, 0}}}},
		"negative":  {Kind: document.Scatter, Series: []document.Series{{Name: "a", Basis: document.Real, X: []float64{-4, 3}, Y: []float64{-1, -2}}}},
		"same ends": {Kind: document.Steps, Series: []document.Series{{Name: "a", Basis: document.Real, X: []float64{0, 9}, Y: []float64{5, 5}}, {Name: "b", Basis: document.Real, X: []float64{0, 9}, Y: []float64{5, 5}}}},
		"bars below": {Kind: document.Bars, X: document.Axis{Categories: []string{"a", "b"}},
			Series: []document.Series{{Name: "a", Basis: document.Real, Y: []float64{-3, 4}}}},
		"log bars": {Kind: document.Bars, X: document.Axis{Categories: []string{"a", "b"}}, Y: document.Axis{Label: "y", Unit: "ms", Log: true},
			Series: []document.Series{{Name: "a", Basis: document.Real, Y: []float64{3, 4000}}}},
	} {
		f.Name, f.Title, f.Basis = "odd", name, document.Real
		if f.Kind != document.Bars {
			f.X = axis
		}
		if f.Y.Unit == "" {
			f.Y = document.Axis{Label: "y", Unit: "1"}
		}
		d := &document.Document{Title: "odd", Sections: []document.Section{{Title: "s", Figures: []document.Figure{f}}}}
		_, err := WriteDir(t.TempDir(), "odd", d)
		require.NoError(t, err, name)
	}
}

// Chromium opens the page, its console stays silent, and the script works.
func TestPageInABrowser(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, HTML(&b, sample()))
	dom := browsertest.Open(t, strings.Replace(b.String(), "</body>", `<script>document.getElementById("theme").click();
		document.body.dataset.fits = document.documentElement.scrollWidth <= innerWidth;</script></body>`, 1))
	require.Regexp(t, `<html[^>]* data-theme="(dark|light)"`, dom)
	require.Contains(t, dom, `data-fits="true"`, "nothing sticks out of the page")
}
