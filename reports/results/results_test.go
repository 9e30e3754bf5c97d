package results

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/reports/internal/browsertest"
	"github.com/weirlab/weir/reports/render"
	"github.com/weirlab/weir/sim"
	"github.com/weirlab/weir/sim/machine"
	"github.com/weirlab/weir/workloads/calibrate"
	"github.com/weirlab/weir/workloads/experiment/document"
	"github.com/weirlab/weir/workloads/mutants"
	"github.com/weirlab/weir/workloads/scenario"
)

const ms = time.Millisecond

var made = Made{Command: "weir versus", Date: time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC), Took: 500 * time.Second,
	Version: "devel", Commit: "0123456789abcdef0123-dirty", Go: "go1.26", Machine: "2 cores | 24 GB"}

func part(name, title string) *Part {
	return &Part{Name: name, Made: made, Document: &document.Document{Title: title, Summary: []string{"It took " + name + "."},
		Facts: []document.Fact{{Name: "only", Value: "alone"}},
		Sections: []document.Section{{Title: "One", Figures: []document.Figure{{Name: "f", Title: "F", Kind: document.Lines,
			X: document.Axis{Label: "time", Unit: "s"}, Y: document.Axis{Label: "rate", Unit: "MB/s"}, Basis: document.Simulated, Model: "m", Validated: document.NeverCompared,
			Series: []document.Series{{Name: "a", Basis: document.Simulated, X: []float64{0, 1}, Y: []float64{1, 2}}}}}}}}}
}

func TestResultsAreRenderedFromTheirParts(t *testing.T) {
	root := t.TempDir()
	_, err := Render(root)
	require.ErrorContains(t, err, "docs/results/data holds no results; run weir results")
	require.NoError(t, Save(root, part("compare", "Storage on EC2")))
	require.NoError(t, Save(root, part("versus", "Real (and) simulated")))
	stale := filepath.Join(root, FigureDir, "old.png")
	require.NoError(t, os.WriteFile(stale, nil, 0o644))
	files, err := Render(root)
	require.NoError(t, err)
	require.Equal(t, []string{File, FigureDir + "/versus.md", FigureDir + "/versus-f.png", FigureDir + "/versus-f.svg",
		FigureDir + "/compare.md", FigureDir + "/compare-f.png", FigureDir + "/compare-f.svg"}, files)
	for _, f := range files {
		require.FileExists(t, filepath.Join(root, f))
	}
	require.NoFileExists(t, stale)
	b, err := os.ReadFile(filepath.Join(root, File))
	require.NoError(t, err)
	text := string(b)
	for _, want := range []string{
		"- [Does the simulation predict real brokers on this machine?](#does-the-simulation-predict-real-brokers-on-this-machine)\n- [Instance store or EBS?](#instance-store-or-ebs)\n",
		"## Instance store or EBS?\n\nIt took compare.\n", "*simulated · model: m · validated: never compared with hardware.* [Everything](docs/results/compare.md)\n",
		"| [Storage on EC2](docs/results/data/compare.json) | `weir versus` | 2026-11-21 09:00 UTC | 8m20s | 0123456789ab-dirty | weir devel, go1.26 | 2 cores / 24 GB |",
	} {
		require.Contains(t, text, want)
	}
	require.NotContains(t, text, "alone", "facts of a part are in the table of all parts")
	page, err := os.ReadFile(filepath.Join(root, FigureDir, "versus.md"))
	require.NoError(t, err)
	for _, want := range []string{"# Real (and) simulated\n", "## One\n", "[![F](versus-f.png)](versus-f.svg)", "| [Real (and) simulated](data/versus.json) | `weir versus` |"} {
		require.Contains(t, string(page), want)
	}
	_, err = Render(root)
	require.NoError(t, err)
	again, err := os.ReadFile(filepath.Join(root, File))
	require.NoError(t, err)
	require.Equal(t, text, string(again))
}

func TestPartsThatAreNone(t *testing.T) {
	root := t.TempDir()
	require.ErrorContains(t, Save(root, part("other", "x")), `no part is called "other"; the parts are calibrate, versus`)
	bad := part("versus", "x")
	bad.Document.Sections[0].Figures[0].Model = ""
	require.ErrorContains(t, Save(root, bad), "part versus: figure f: it shows a simulation and does not name the source of its model")
	require.ErrorContains(t, Save(root, &Part{Name: "versus"}), "part versus has no document")
	require.NoError(t, Save(root, part("versus", "x")))
	file := filepath.Join(root, DataDir, "versus.json")
	b, err := os.ReadFile(file)
	require.NoError(t, err)
	for text, want := range map[string]string{
		"{": "docs/results/data/versus.json: unexpected end of JSON input; run weir results --only versus",
		strings.Replace(string(b), Schema, "weir.results/0", 1):                                  `schema "weir.results/0"`,
		strings.Replace(string(b), `"name": "versus"`, `"name": "compare"`, 1):                   `it holds part "compare"`,
		strings.Replace(string(b), `"validated": "`+document.NeverCompared+`"`, `"note":"x"`, 1): "does not say whether the model was compared",
	} {
		require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
		_, err := Load(root)
		require.ErrorContains(t, err, want)
	}
}

// RESULTS.md and its pictures are what the committed data renders to: nothing
// in them was typed or drawn by hand.
func TestCommittedResults(t *testing.T) {
	root := filepath.Join("..", "..")
	parts, err := Load(root)
	require.NoError(t, err)
	require.NotEmpty(t, parts, "RESULTS.md comes with the data that it was made from")
	text, err := os.ReadFile(filepath.Join(root, File))
	require.NoError(t, err)
	want, err := Markdown(parts)
	require.NoError(t, err)
	require.Equal(t, want, string(text), "run weir results --render")
	require.Less(t, strings.Count(want, "\n"), MostLines, "RESULTS.md is a summary: what is long belongs on the part's page")
	fresh := t.TempDir()
	for _, p := range parts {
		require.NoError(t, Save(fresh, p))
	}
	files, err := Render(fresh)
	require.NoError(t, err)
	for _, f := range files {
		committed, err := os.ReadFile(filepath.Join(root, f))
		require.NoError(t, err, "run weir results --render")
		drawn, err := os.ReadFile(filepath.Join(fresh, f))
		require.NoError(t, err)
		if filepath.Ext(f) == ".md" {
			require.Equal(t, string(drawn), string(committed), "%s: run weir results --render", f)
		}
		// Floating point differs in the last digit between architectures.
		if runtime.GOARCH == "amd64" && strings.HasSuffix(f, ".svg") {
			require.Equal(t, string(drawn), string(committed), "%s: run weir results --render", f)
		}
	}
	figures := slices.DeleteFunc(slices.Clone(files), func(f string) bool { return filepath.Ext(f) == ".md" })
	left, err := filepath.Glob(filepath.Join(root, FigureDir, "*.[ps][nv]g"))
	require.NoError(t, err)
	require.Len(t, left, len(figures), "figures that no part has; run weir results --render")
}

// What RESULTS.md takes from a part is in the part, all of it.
func TestBriefsFindWhatTheyName(t *testing.T) {
	parts, err := Load(filepath.Join("..", ".."))
	require.NoError(t, err)
	for _, p := range parts {
		is, known := briefs[p.Name]
		require.True(t, known, "%s: RESULTS.md does not say which question it answers", p.Name)
		require.NotEmpty(t, is.spread, p.Name)
		require.GreaterOrEqual(t, len(p.Document.Summary), is.answer, p.Name)
		for _, x := range is.key {
			found := table(p.shown(), x.table)
			require.NotNil(t, found, "%s has no table %s", p.Name, x.table)
			short := x.take(*found)
			require.NotEmpty(t, short.Rows, "%s, table %s", p.Name, x.table)
			for _, row := range short.Rows {
				require.Len(t, row, len(short.Columns), "%s, table %s", p.Name, x.table)
			}
		}
		if is.figure != "" {
			require.NotNil(t, figure(p.shown(), p.Name, is.figure), "%s has no figure %s", p.Name, is.figure)
		}
	}
	for name := range briefs {
		require.Contains(t, Names, name)
	}
}

// A part whose model was fitted anew since says so.
func TestEarlierFitsAreNamed(t *testing.T) {
	part := func(name string, day int, source string) *Part {
		return &Part{Name: name, Made: Made{Date: time.Date(2026, 11, day, 0, 0, 0, 0, time.UTC)},
			Document: &document.Document{Provenance: []document.Source{{What: "CPU costs", Basis: fitted, Source: source}, {What: "page cache", Basis: "assumption", Source: source}}}}
	}
	old, now := part("compare", 1, "a"), part("published", 2, "b")
	all := []*Part{now, old}
	require.Empty(t, now.earlierFits(all))
	require.Equal(t, " These figures are of 2026-11-01, from an earlier fit of \"CPU costs\" than that of \"Does it predict Kafka clusters that others measured?\"; weir results --only compare makes them again.",
		old.earlierFits(all))
	require.Empty(t, part("compare", 1, "b").earlierFits(all))
}

// A column that a brief names and its table does not have is left out, which
// the committed parts must not need.
func TestBriefsNameColumnsThatThereAre(t *testing.T) {
	full := document.Table{Columns: []document.Column{{Name: "a"}, {Name: "b"}, {Name: "a"}}, Rows: [][]document.Cell{{document.Words("1"), document.Words("2"), document.Words("3")}}}
	short := columns("b", "a", "c")(full)
	require.Equal(t, []document.Column{{Name: "b"}, {Name: "a"}}, short.Columns)
	require.Equal(t, []string{"2", "1"}, texts(short.Rows[0]))
	short = trials(document.Table{Columns: []document.Column{{Name: "new build"}, {Name: "change of processor time"}, {Name: "answer"}}, Rows: [][]document.Cell{
		{document.Words("equal builds"), document.Quantity(1, "%", "+1"), document.Words("no alarm")},
		{document.Words("slower"), document.Quantity(15, "%", "+15"), document.Words("alarm")},
		{document.Words("equal builds"), document.Quantity(-2, "%", "-2"), document.Words("alarm")}}})
	require.Equal(t, []string{"equal builds", "2", "1", "-0.5", "-2.0", "+1.0"}, texts(short.Rows[0]))
	require.Equal(t, []string{"slower", "1", "1", "+15.0", "+15.0", "+15.0"}, texts(short.Rows[1]))
}

// Every part that is committed can be read as a page.
func TestCommittedResultsInABrowser(t *testing.T) {
	parts, err := Load(filepath.Join("..", ".."))
	require.NoError(t, err)
	for _, p := range parts {
		t.Run(p.Name, func(t *testing.T) {
			var page strings.Builder
			require.NoError(t, render.HTML(&page, p.Document))
			require.Contains(t, browsertest.Open(t, page.String()), p.Document.Sections[0].Title)
		})
	}
}

func TestCalibrationDocument(t *testing.T) {
	latency := func(p50 time.Duration) []sim.Quantile {
		return []sim.Quantile{{PPM: 0, Value: p50 / 2}, {PPM: 100_000, Value: p50 / 2}, {PPM: 500_000, Value: p50}, {PPM: 990_000, Value: 5 * p50}, {PPM: 1_000_000, Value: 9 * p50}}
	}
	r := &calibrate.Result{Profile: machine.Profile{Title: "2 cores of a processor", MemoryBytes: 24e9, Wakeup: latency(ms / 20),
		Disk: &machine.Disk{Title: "ext4", WriteBytesPerSecond: 4e8, ReadBytesPerSecond: 9e8, Series: []machine.DiskSeries{
			{Op: machine.AppendSync, Bytes: 4 << 10, Depth: 1, Count: 900, BytesPerSecond: 4e6, Latency: latency(ms)},
			{Op: machine.AppendSync, Bytes: 64 << 10, Depth: 1, Count: 900, BytesPerSecond: 4e7, Latency: latency(2 * ms)},
			{Op: machine.AppendSync, Bytes: 4 << 10, Depth: 4, Count: 900, BytesPerSecond: 9e6, Latency: latency(3 * ms)},
			{Op: machine.Append, Bytes: 4 << 10, Depth: 1, Latency: []sim.Quantile{{PPM: 1_000_000}}},
		}},
		Network: &machine.Network{LoopbackBytesPerSecond: 2e9},
		Sources: []machine.Source{{What: "disk latency", Basis: "measurement", Source: "weir calibrate"}}},
		Loopback: &calibrate.Loopback{RoundTrips: []calibrate.RoundTrips{{Bytes: 100, Latency: latency(ms / 10)}, {Bytes: 1000, Pause: 2 * ms, Latency: latency(ms / 5)}}},
		Fit: calibrate.CostFit{Costs: machine.Costs{Operations: map[string]machine.Cost{"request.produce": {CallNanos: 25_000, UnitPicos: 300}}},
			Observations: []calibrate.Fitted{{Workload: "a", Process: "broker-1", CPU: time.Second, Explained: 900 * ms}, {Workload: "b", Process: "broker-2", CPU: 2 * time.Second, Explained: 2 * time.Second}}}}
	d := Calibration(r)
	require.NoError(t, d.Check())
	require.Equal(t, "2 cores of a processor: an append of 4 KiB is durable after 1 ms (p50) or 5 ms (p99); a task that waited runs 50 µs after what it waited for (p50).", d.Summary[0])
	require.Len(t, d.Sections[0].Figures, 2)
	require.Len(t, d.Sections[0].Figures[0].Series, 1, "a single point is no curve")
	_, err := render.WriteDir(t.TempDir(), "calibrate", d)
	require.NoError(t, err)
}

func TestBenchDocument(t *testing.T) {
	d, err := Bench(strings.NewReader("goos: linux\ncpu: some\nBenchmarkEvents-2  100  160.5 ns/op  6229479 events/s\nBenchmarkEvents-2  100  180.5 ns/op  6000000 events/s\nPASS\n"))
	require.NoError(t, err)
	require.NoError(t, d.Check())
	rows := d.Sections[0].Tables[0].Rows
	require.Equal(t, []string{"Events-2", "170", "ns/op", "160", "180", "2"}, texts(rows[0]))
	require.Equal(t, []string{"", "6.11 M", "events/s", "6 M", "6.23 M", "2"}, texts(rows[1]))
	d, err = Bench(strings.NewReader("BenchmarkSaturatedI3en/measured \t 1\t 31200000000 ns/op\t 12.5 cluster-s\t 29.96 cpu-s\t 812 peak-MB\n"))
	require.NoError(t, err)
	require.Equal(t, []string{"SaturatedI3en/measured: 12.5 simulated seconds took 31.2 s on one core (30 s of processor time) and 812 MB of memory."}, d.Summary)
	_, err = Bench(strings.NewReader("PASS\n"))
	require.ErrorContains(t, err, "no benchmark results; give the output of go test -bench")
	_, err = Bench(strings.NewReader("BenchmarkX 1 x ns/op\n"))
	require.ErrorContains(t, err, `line 1: "x" is no number`)
}

func texts(row []document.Cell) (all []string) {
	for _, c := range row {
		all = append(all, c.Text)
	}
	return all
}

// The table of planted bugs is on its page, and RESULTS.md has what it comes to.
func TestPlantedBugsAreOnTheirPage(t *testing.T) {
	find := &mutants.Find{Seed: 7, Finding: mutants.Finding{Code: "K2", Sentence: "offset 3 of orders-0 is gone"}}
	score := &mutants.Score{Scenario: "swarm", From: 1, Seeds: 40, Alarms: []scenario.Seed{9}, Rows: []*mutants.Row{
		{ID: "B1", Also: []string{"B2"}, Name: "a", Source: "KIP-101", Starred: true, About: "truncates too much", Checks: []string{"K2"}, Seeds: 7, Asked: 3, Differed: 2, Find: find},
		{ID: "B3", Name: "b", Source: "KIP-279", Starred: true, About: "compares too little", Checks: []string{"K1"}, Seeds: 39, Asked: 1},
		{ID: "B5", Name: "c", Source: "Weir", About: "nothing", Equivalent: "both say the same"},
	}}
	root := t.TempDir()
	require.NoError(t, Save(root, &Part{Name: "mutants", Document: Mutants(score)}))
	files, err := Render(root)
	require.NoError(t, err)
	require.Equal(t, []string{"RESULTS.md", "docs/results/mutants.md"}, files)
	text, err := os.ReadFile(filepath.Join(root, "RESULTS.md"))
	require.NoError(t, err)
	require.Contains(t, string(text), "1 of 2 planted bugs are found (50%), 1 of the 2 starred ones, by at most 40 seeds of the scenario swarm; the median of those found takes 7 seeds.")
	require.Contains(t, string(text), "Seeds left out since something was found in them without any bug: 1.")
	require.NotContains(t, string(text), "truncates too much")
	page, err := os.ReadFile(filepath.Join(root, "docs", "results", "mutants.md"))
	require.NoError(t, err)
	for _, line := range []string{"| B1, B2 | ★ | truncates too much | KIP-101 | 7 | 3 | 0.0 | K2 | offset 3 of orders-0 is gone |",
		"| B3 | ★ | compares too little | KIP-279 | 39 | 1 | 0 | 0.0 | reached, no run differed |", "| B5 | nothing | both say the same |"} {
		require.Contains(t, string(page), line)
	}
}
