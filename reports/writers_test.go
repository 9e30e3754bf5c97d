package reports

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/linearizability"
	"github.com/weirlab/weir/reports/drawing"
)

func TestLatencyLogIsReadableByHdrHistogram(t *testing.T) {
	var file bytes.Buffer
	l := NewLatency(&file, fixtureStart, time.Second)
	l.Record(TagProduce, 100*ms, 5*ms, 1)
	l.Record(TagProduce, 900*ms, 7*ms, 1)
	l.Record(TagEndToEnd, 950*ms, 9*ms, 1)
	l.Record(TagProduce, 3200*ms, 2*time.Second, 1) // two silent seconds leave no line
	require.NoError(t, l.Close())
	text := file.String()
	require.Contains(t, text, "#[Histogram log format version 1.3]")
	require.Contains(t, text, "Tag=produce,0.000000,1.000000,7.0")
	require.Contains(t, text, "Tag=produce,3.000000,1.000000,")
	require.Equal(t, 3, strings.Count(text, "Tag="))

	r := hdrhistogram.NewHistogramLogReader(&file)
	h, err := r.NextIntervalHistogram()
	require.NoError(t, err)
	require.Equal(t, TagProduce, h.Tag())
	require.EqualValues(t, 2, h.TotalCount())
	require.Equal(t, fixtureStart.UnixMilli(), h.StartTimeMs())
}

func TestLatencyTellsOfValuesOutOfRange(t *testing.T) {
	var file bytes.Buffer
	l := NewLatency(&file, fixtureStart, time.Second)
	l.Record(TagProduce, 0, -ms, 1)
	l.Record(TagProduce, 0, 2*time.Hour, 1)
	require.EqualError(t, l.Close(), "latency.hlog: 2 latencies were negative or above 1h0m0s and were clamped")
	all, err := readLatency(&file)
	require.NoError(t, err)
	require.InEpsilon(t, float64(time.Hour), float64(all[0].hist.Max()), 0.001)
}

func TestPercentilesAreMergedAfterTheWarmUp(t *testing.T) {
	var file bytes.Buffer
	l := NewLatency(&file, fixtureStart, time.Second)
	l.Record(TagProduce, 500*ms, 10*time.Second, 1)
	for i := range 1000 {
		l.Record(TagProduce, time.Second+time.Duration(i)*5*ms, time.Duration(i+1)*ms, 1)
	}
	require.NoError(t, l.Close())
	all, err := readLatency(&file)
	require.NoError(t, err)
	r := &result{run: &Run{WarmUp: time.Second}, latency: all}
	row := r.percentileTable()[0]
	require.Equal(t, "1,000", row.Count)
	require.Equal(t, []string{"p50", "p90", "p95", "p99", "p99.9", "p99.99", "max"}, percentileNames())
	require.Equal(t, []string{"500 ms", "900 ms", "950 ms", "990 ms", "999 ms", "–", "1 s"}, row.Values,
		"a thousand values say nothing of the ten-thousandth")
}

func TestSeriesRefusesWhatItCouldNotReadBack(t *testing.T) {
	for _, bad := range []string{"", "a,b", "a\nb", `a"b`, "time_s"} {
		_, err := NewSeries(&bytes.Buffer{}, bad)
		require.ErrorContains(t, err, "series.csv: column name")
	}
	var file bytes.Buffer
	s, err := NewSeries(&file, "a", "b")
	require.NoError(t, err)
	require.EqualError(t, s.Row(time.Second, 1), "series.csv: 1 values for 2 columns")
	require.NoError(t, s.Row(1500*ms, 3, -4))
	require.NoError(t, s.Close())
	require.Equal(t, "time_s,a,b\n1.500,3,-4\n", file.String())
	table, err := readSeries(&file)
	require.NoError(t, err)
	require.Equal(t, drawing.Points{{X: 0.75, Y: 2}}, table.rates(1, 1), "rates take the length of the interval")
}

func TestReadersNameTheLine(t *testing.T) {
	_, err := readSeries(strings.NewReader("time_s,a\n1,2\n2,x\n"))
	require.EqualError(t, err, `line 3, column a: "x" is no number`)
	_, err = readSeries(strings.NewReader("a,b\n"))
	require.EqualError(t, err, `the first column is "a", want "time_s"`)
	_, err = readLatency(strings.NewReader("#x\nTag=a,1,2,3\n"))
	require.EqualError(t, err, "line 2: 3 fields, want start, length, maximum and histogram")
	_, err = readLatency(strings.NewReader("1,2,3,HISTbroken\n"))
	require.ErrorContains(t, err, "line 1: histogram: ")
	_, err = readEvents(strings.NewReader("{}\n{\n"))
	require.ErrorContains(t, err, "line 2: ")
}

func FuzzReaders(f *testing.F) {
	f.Add([]byte("time_s,a\n1,2\n"))
	f.Add([]byte("Tag=produce,0.0,1.0,7.0,HISTFAAAABx42pNpmSzMwMBgyAABzFCaEUoz2X+AsgBHFQQh\n"))
	f.Add([]byte(`{"time":1,"node":"broker-1","name":"isr"}`))
	f.Fuzz(func(_ *testing.T, b []byte) {
		_, _ = readSeries(bytes.NewReader(b))
		_, _ = readLatency(bytes.NewReader(b))
		_, _ = readEvents(bytes.NewReader(b))
	})
}

func TestWords(t *testing.T) {
	for v, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1234: "-1,234"} {
		require.Equal(t, want, number(v))
	}
	for v, want := range map[float64]string{0: "0", 0.0123: "12.3 µs", 0.5: "500 µs", 1: "1 ms", 2.834: "2.83 ms", 51.64: "51.6 ms", 999: "999 ms", 1500: "1.5 s", 90_000: "90 s", 900_000: "15 min"} {
		require.Equal(t, want, drawing.Milliseconds(v))
	}
	for v, want := range map[float64]string{0: "0", 12: "12", 9999: "9999", 12_345: "12.3 k", 2.5e6: "2.5 M", 3e9: "3 G"} {
		require.Equal(t, want, drawing.SI(v))
	}
	for v, want := range map[int64]string{5: "5 B", 1500: "1.5 kB", 15_107_400: "15.1 MB", 2e9: "2.0 GB"} {
		require.Equal(t, want, bytesText(v))
	}
	for d, want := range map[time.Duration]string{5 * ms: "5 ms", 4600 * ms: "4.6 s", 140 * time.Second: "140 s", 20 * time.Minute: "20m0s"} {
		require.Equal(t, want, seconds(d))
	}
}

func TestSentences(t *testing.T) {
	fault := func(k linearizability.FaultKind) linearizability.Fault { return linearizability.Fault{Kind: k} }
	kept := linearizability.Verdict{Status: linearizability.Pass, Checks: []linearizability.Check{{Code: "K2", Inputs: 1200}}}
	for _, c := range []struct {
		run  Run
		want string
	}{
		{Run{Complete: true, Verdict: kept}, "Every promise was kept in a run without faults: all 1,200 acknowledged records survived."},
		{Run{Complete: true, Verdict: kept, Faults: []linearizability.Fault{fault("crash"), fault("power-loss"), fault("crash"), fault("partition")}},
			"Every promise was kept through 2 crashes, 1 power loss and 1 partition: all 1,200 acknowledged records survived."},
		{Run{Complete: true, Verdict: linearizability.Verdict{Status: linearizability.Pass}}, "No promise was broken in a run without faults."},
		{Run{Complete: true, Verdict: linearizability.Verdict{Status: linearizability.Unknown, Checks: []linearizability.Check{{Name: "x", Status: linearizability.Unknown}}}},
			"No promise was seen broken, but “x” could not be answered."},
		{Run{Complete: true, Rerun: "different", Verdict: kept}, "Every check passed, but the same seed gave a different trace when run again."},
		{Run{Complete: true, Verdict: linearizability.Verdict{Status: linearizability.Failed, Findings: make([]linearizability.Finding, 1)}, Faults: []linearizability.Fault{fault("pause")}},
			"The judge found one broken promise under 1 pause."},
	} {
		require.Equal(t, c.want, (&result{run: &c.run}).sentence())
	}
}
