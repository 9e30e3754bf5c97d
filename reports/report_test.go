package reports

import (
	"flag"
	"image/png"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/env/envtest"
	"github.com/weirlab/weir/linearizability"
	"github.com/weirlab/weir/reports/internal/browsertest"
)

var rewrite = flag.Bool("rewrite", false, "write the fixture and the golden files anew")

const (
	fixtureDir = "testdata/quickstart"
	goldenDir  = "testdata/golden"
)

var inputs = []string{RunFile, SeriesFile, EventsFile, LatencyFile, PlanFile}

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(m.Run())
}

// fixture copies the committed result directory to a scratch one.
func fixture(t *testing.T) string {
	t.Helper()
	envtest.NoRaces(t, "a report of what others left")
	dir := t.TempDir()
	for _, name := range inputs {
		b, err := os.ReadFile(filepath.Join(fixtureDir, name))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), b, 0o644))
	}
	return dir
}

// change loads run.json, changes it and saves it.
func change(t *testing.T, dir string, f func(*Run)) {
	r, err := Load(dir)
	require.NoError(t, err)
	f(r)
	require.NoError(t, r.Save(dir))
}

func readFile(t *testing.T, parts ...string) string {
	b, err := os.ReadFile(filepath.Join(parts...))
	require.NoError(t, err)
	return string(b)
}

func golden(t *testing.T, name, got string) {
	file := filepath.Join(goldenDir, name)
	if *rewrite {
		require.NoError(t, os.MkdirAll(goldenDir, 0o755))
		require.NoError(t, os.WriteFile(file, []byte(got), 0o644))
	}
	require.Equal(t, readFile(t, file), got, "if this is meant, run go test ./reports -rewrite and look at the difference")
}

// The committed fixture is what the package's writers make today.
func TestFixtureIsWhatTheWritersWrite(t *testing.T) {
	if *rewrite {
		require.NoError(t, os.MkdirAll(fixtureDir, 0o755))
		writeFixture(t, fixtureDir)
	}
	dir := t.TempDir()
	writeFixture(t, dir)
	for _, name := range []string{RunFile, SeriesFile, EventsFile} {
		require.Equal(t, readFile(t, fixtureDir, name), readFile(t, dir, name), name)
	}
	want, err := read(fixtureDir)
	require.NoError(t, err)
	got, err := read(dir)
	require.NoError(t, err)
	require.Equal(t, want.percentileTable(), got.percentileTable(), "compressed bytes may differ, values may not")
	require.Len(t, got.latency, len(want.latency))
}

func TestReportIsGolden(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("plots are drawn with floating point, which differs in the last digit on " + runtime.GOARCH)
	}
	dir := fixture(t)
	require.NoError(t, Write(dir))
	golden(t, ReportFile, readFile(t, dir, ReportFile))
	for _, plot := range []string{"throughput", "latency", "timeline", "percentiles", "lag", "disk", "syncs", "network", "cpu", "credits"} {
		golden(t, plot+".svg", readFile(t, dir, plot+".svg"))
		f, err := os.Open(filepath.Join(dir, plot+".png"))
		require.NoError(t, err)
		img, err := png.Decode(f)
		require.NoError(t, err)
		require.NoError(t, f.Close())
		require.Greater(t, img.Bounds().Dx(), 1000)
	}
	before := readFile(t, dir, ReportFile)
	require.NoError(t, Write(dir))
	require.Equal(t, before, readFile(t, dir, ReportFile), "writing again changes nothing")
}

func TestSummaryIsGolden(t *testing.T) {
	dir := fixture(t)
	tidy := func(s string) string { return strings.ReplaceAll(s, dir, "DIR") }
	s, err := Summary(dir, false)
	require.NoError(t, err)
	golden(t, "summary.txt", tidy(s))
	change(t, dir, failed)
	s, err = Summary(dir, false)
	require.NoError(t, err)
	golden(t, "summary-failed.txt", tidy(s))
	colored, err := Summary(dir, true)
	require.NoError(t, err)
	require.Contains(t, colored, "\x1b[1;31mFAILED\x1b[0m")
	require.Equal(t, s, regexp.MustCompile("\x1b\\[[0-9;]*m").ReplaceAllString(colored, ""))
}

var outside = regexp.MustCompile(`(?i)(src|href|action)="(https?:)?//|@import|url\(|<link[^>]+href="[^d]|<(img|iframe|object|embed)`)

func TestReportIsSelfContained(t *testing.T) {
	dir := fixture(t)
	require.NoError(t, Write(dir))
	page := readFile(t, dir, ReportFile)
	require.Empty(t, outside.FindAllString(page, -1))
	require.NotContains(t, page, "ZgotmplZ", "html/template refused a value")
	require.NotRegexp(t, `(fill|stroke):#[0-9A-F]{6}`, page, "every colour follows light and dark")
}

func TestReportOfAFailedRun(t *testing.T) {
	dir := fixture(t)
	change(t, dir, func(r *Run) {
		failed(r)
		r.Verdict.Findings[1].Sentence = `<script>alert("no")</script>`
		r.Scenario = `</script><b>`
	})
	require.NoError(t, Write(dir))
	page := readFile(t, dir, ReportFile)
	require.Contains(t, page, "offset 1204 of orders-3 was acknowledged to client 7 with acks=all at 8.391 s and is absent from the log after leader epoch 2")
	require.Contains(t, page, "electable brokers 2 and 3 had lost nothing")
	require.Contains(t, page, "weir run quickstart --seed 0x2a --plant B1")
	require.Contains(t, page, "6 violations")
	require.NotContains(t, page, `<script>alert`)
	require.NotContains(t, page, `</script><b>`)
}

func TestReportNamesWhatIsMissing(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, fixtureRun().Save(dir))
	require.NoError(t, Write(dir))
	page := readFile(t, dir, ReportFile)
	for _, name := range []string{SeriesFile, LatencyFile, EventsFile} {
		require.Contains(t, page, name+" is missing")
	}
	_, err := Summary(dir, false)
	require.NoError(t, err)
}

// A run that was killed leaves files that end anywhere.
func TestReportOfAKilledRun(t *testing.T) {
	for _, share := range []int{0, 1, 3, 7, 9} {
		dir := fixture(t)
		for _, name := range []string{SeriesFile, LatencyFile, EventsFile} {
			b := readFile(t, dir, name)
			require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(b[:len(b)*share/10]), 0o644))
		}
		change(t, dir, func(r *Run) {
			r.Complete, r.Interrupted = false, "interrupted by the user"
			r.Verdict = linearizability.Verdict{Status: linearizability.Unknown}
		})
		require.NoError(t, Write(dir))
		page := readFile(t, dir, ReportFile)
		require.Contains(t, page, "The run did not come to its end (interrupted by the user).")
		if share > 0 {
			require.Contains(t, page, "was read in part: line ")
		}
		s, err := Summary(dir, false)
		require.NoError(t, err)
		require.True(t, strings.HasPrefix(s, "CUT SHORT"), s)
	}
}

func TestReportOfAnEmptyRun(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, (&Run{Scenario: "empty", Target: "local"}).Save(dir))
	require.NoError(t, os.WriteFile(filepath.Join(dir, SeriesFile), []byte("time_s,acked_records\n"), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(dir, LatencyFile), nil, 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(dir, EventsFile), nil, 0o644))
	require.NoError(t, Write(dir))
	_, err := Summary(dir, true)
	require.NoError(t, err)
}

func TestDirectoriesThatAreNone(t *testing.T) {
	dir := t.TempDir()
	require.ErrorContains(t, Write(dir), "is not a result directory")
	require.NoError(t, os.WriteFile(filepath.Join(dir, RunFile), []byte("{"), 0o644))
	require.ErrorContains(t, Write(dir), RunFile+": unexpected end of JSON input")
	require.NoError(t, os.WriteFile(filepath.Join(dir, RunFile), []byte(`{"schema":"weir.run/9"}`), 0o644))
	require.ErrorContains(t, Write(dir), `schema "weir.run/9", but this version of weir reads "weir.run/1"`)
}

// Chromium opens the page, its console stays silent, and the script works.
func TestReportInABrowser(t *testing.T) {
	dir := fixture(t)
	change(t, dir, failed)
	require.NoError(t, Write(dir))
	page := readFile(t, dir, ReportFile)
	dom := browsertest.Open(t, strings.Replace(page, "</body>", `<script>
		const fig = document.querySelector("figure.time"), box = fig.getBoundingClientRect();
		fig.dispatchEvent(new PointerEvent("pointermove", { clientX: box.left + box.width * .45, clientY: box.top + 20 }));
		document.getElementById("theme").click();
		document.getElementById("copy").click();
		document.body.dataset.read = document.querySelector(".read").textContent;
	</script></body>`, 1))
	require.Regexp(t, `data-read="19\.\d soffered420/s`, dom, "the crosshair reads the values under it")
	require.Contains(t, dom, "power-loss2", "and the faults")
	require.Regexp(t, `<html[^>]* data-theme="(dark|light)"`, dom)
}
