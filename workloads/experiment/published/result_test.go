package published

import (
	"bytes"
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/sim"
	"github.com/weirlab/weir/sim/machine"
	"github.com/weirlab/weir/workloads/experiment/document"
	"github.com/weirlab/weir/workloads/measure"
	"github.com/weirlab/weir/workloads/scenario"
	"github.com/weirlab/weir/workloads/target"
	simtarget "github.com/weirlab/weir/workloads/target/sim"
)

// asPublished is a result whose simulation came out as published, times a
// factor.
func asPublished(t *testing.T, factor float64) *Result {
	t.Helper()
	costs, err := machine.CostTable(CostTable)
	require.NoError(t, err)
	r := &Result{Schema: Schema, Seed: 7, Costs: costs, Fitted: Fitted()}
	for _, row := range rows(t) {
		m := &measure.Measurement{
			AckedPerSecond: factor * row.AckedPerSecond,
			Machines:       []target.Usage{{Name: "broker-1", Limits: []target.LimitUse{{Name: "disk bandwidth", Used: 9, PerSecond: 10}}}},
			Models:         []simtarget.Model{{What: "disk latency", Name: "x", Source: "assumption: a table"}},
		}
		fill(&m.ProduceUncorrected, row.Publish, factor)
		fill(&m.EndToEnd, row.EndToEnd, factor)
		x := RowResult{Row: row, Measurement: m}
		for _, id := range Fitted() {
			x.Fitted = x.Fitted || id == row.ID
		}
		r.Rows = append(r.Rows, x)
	}
	return r
}

// fill puts a value for every hundred-thousandth of a distribution.
func fill(d *measure.Distribution, l Latencies, factor float64) {
	var done int64
	for _, q := range l.Quantiles {
		upTo := int64(q.Percentile * 1000)
		d.Record(time.Duration(factor*float64(q.Latency)), upTo-done)
		done = upTo
	}
}

func TestErrorsAreRelativeToThePublication(t *testing.T) {
	r := asPublished(t, 1)
	median, n := r.MedianThroughputError()
	assert.Equal(t, saturated(t), n)
	assert.InDelta(t, 0, median, 1e-9)
	for i := range r.Rows {
		for _, p := range Percentiles() {
			_, _, e, ok := r.Rows[i].LatencyError(Publish, p)
			if !ok {
				continue // not published
			}
			assert.InDelta(t, 0, e, 0.02, "%s p%v", r.Rows[i].Row.Slug(), p)
		}
	}

	r = asPublished(t, 1.2)
	median, n = r.MedianThroughputError(HeldOut)
	assert.Equal(t, saturated(t)-2, n, "all but those that were fitted")
	assert.InDelta(t, 0.2, median, 1e-9)
	median, _ = r.MedianLatencyError(EndToEnd, 99)
	assert.InDelta(t, 0.2, median, 0.02)
}

func saturated(t *testing.T) (n int) {
	for _, r := range rows(t) {
		if r.Saturated() {
			n++
		}
	}
	return n
}

// Where every lab's figures are equally far off, an interval is where its row's
// figure is; where one lab's are, they are outside of theirs.
func TestIntervalsComeFromOtherLabs(t *testing.T) {
	for _, p := range asPublished(t, 1.25).Predictions() {
		require.True(t, p.Row.Fitted || math.Abs(p.Error()-0.25) < 0.02, "%s %s: %v", p.Row.Row.ID, p.Figure, p.Error())
		if !p.Judged() {
			assert.Equal(t, StreamNative, p.Row.Row.Lab, "which has most of the rows on throughput: the others' are too few")
			assert.Equal(t, Throughput, p.Figure)
			continue
		}
		assert.InDelta(t, p.Published, (p.Low+p.High)/2, 0.02*p.Published, "%s %s", p.Row.Row.ID, p.Figure)
	}
	r := asPublished(t, 1)
	for i := range r.Rows {
		if m := r.Rows[i].Measurement; r.Rows[i].Row.Lab == Confluent {
			m.AckedPerSecond *= 2
		}
	}
	for _, p := range r.Predictions() {
		if p.Row.Row.Lab == Confluent && p.Figure == Throughput {
			assert.False(t, p.Held())
			assert.InDelta(t, 2*p.Published, p.High, 0.01*p.Published)
		}
	}
	s := score(r.Predictions(), Throughput, true, func(x *RowResult) bool { return x.Row.Lab == Confluent })
	assert.Equal(t, Score{Rows: 2, Median: 1, Judged: 2}, s)
}

// Nine others are what an 80% interval takes.
func TestIntervalsTakeEnoughErrors(t *testing.T) {
	var all []Prediction
	for range 9 {
		all = append(all, Prediction{Row: &RowResult{Row: Row{Lab: Kesque}}, Published: 1, Simulated: 1, LeftOut: 1})
	}
	all = append(all, Prediction{Row: &RowResult{Row: Row{Lab: AWS}}, Published: 1, Simulated: 1, LeftOut: 1})
	addIntervals(all)
	assert.True(t, all[9].Judged())
	assert.False(t, all[0].Judged(), "one error says nothing")
	few := all[1:]
	addIntervals(few)
	assert.False(t, few[8].Judged(), "from the least to the greatest of eight there is less than 80%")
}

// A lab with many rows is no more than a lab, and what the others come to without
// it is said.
func TestSummaryIsNotOfOneLab(t *testing.T) {
	r := asPublished(t, 1)
	for i := range r.Rows {
		x := &r.Rows[i]
		x.Measurement.WarmUp, x.Measurement.Window = time.Second, 2*time.Second
		if x.Row.Lab == Kesque {
			x.Measurement.ProduceUncorrected = measure.Distribution{}
			fill(&x.Measurement.ProduceUncorrected, x.Row.Publish, 3)
			x.Measurement.Window = 800 * time.Millisecond
		}
	}
	all := r.Predictions()
	median, n := eachLabOnce(all, P50, false)
	assert.Equal(t, 4, n, "Confluent, StreamNative, Kesque, AWS")
	assert.InDelta(t, 0, median, 0.02)
	in, of := held(all, func(x *RowResult) bool { return x.Row.Lab == Kesque })
	assert.Equal(t, 8, of)
	assert.Less(t, in, of)
	says := strings.Join(r.summary(all), "\n")
	assert.Contains(t, says, "51 of the 51 rows that say enough were simulated, each once, with seed 0x7: 0.8 to 2 s after a warm-up of 1 s")
	assert.Contains(t, says, "That is less than weir published takes by default, 2 to 4 s.")
	assert.Regexp(t, `Without the \d+ of AWS, of which they hold \d+, it is \d+% of \d+\.`, says)
	assert.NotContains(t, says, "Switched off")
	assert.NotContains(t, says, shapeSeen, "nothing was left out")
	r.Without = []string{ZonesMechanism}
	assert.Contains(t, r.basis(), "Switched off: zones.")
	r.Rows[0].LeftOut = r.Rows[0].Measurement
	assert.Contains(t, strings.Join(r.summary(all), "\n"), shapeSeen)
}

// An earlier result that is not of the same model is not added to.
func TestKnownRowsAreOfTheSameModel(t *testing.T) {
	known := asPublished(t, 1)
	_, err := Run(t.Context(), Options{Seed: 7, Known: known, Without: []string{ZonesMechanism}})
	require.ErrorContains(t, err, "with other mechanisms switched off")
	again, err := Run(t.Context(), Options{Seed: 7, Known: known, Only: []string{"msk22-m5.xlarge-8"}})
	require.NoError(t, err)
	assert.Len(t, again.Rows, len(known.Rows), "nothing was simulated")
	for i := range again.Rows {
		assert.Equal(t, known.Rows[i].Row.ID, again.Rows[i].Row.ID, "rows are in the order of the data")
	}
	twice, err := Run(t.Context(), Options{Seed: 7, Known: known, Only: []string{"msk22-m5.xlarge-8", "msk22"}})
	require.NoError(t, err)
	assert.Len(t, twice.Rows, len(known.Rows), "a row that is named twice is there once")
}

// Not all rows that a parameter was fitted on need be among those shown.
func TestFittedRowsAreNamedWhetherShownOrNot(t *testing.T) {
	r := asPublished(t, 1)
	assert.Contains(t, r.validated(), "4 parameters were fitted to 5 runs, 5 of them among these")
	r.Rows = slices.DeleteFunc(r.Rows, func(x RowResult) bool { return x.Row.Lab != AWS })
	assert.Contains(t, r.validated(), "4 parameters were fitted to 5 runs, 0 of them among these")
	assert.Equal(t, 5, strings.Count(r.modelSection().Text[0], "(which is not among the rows here)"))
}

// What a fit without a lab predicts of its rows is what the lab's line is about.
func TestLeftOutIsByTheOtherTable(t *testing.T) {
	r := asPublished(t, 1)
	for i := range r.Rows {
		if x := &r.Rows[i]; x.Row.Lab == StreamNative {
			m := *x.Measurement
			m.AckedPerSecond *= 1.5
			x.LeftOut = &m
		}
	}
	all := r.Predictions()
	of := func(x *RowResult) bool { return x.Row.Lab == StreamNative }
	assert.InDelta(t, 0, score(all, Throughput, false, of).Median, 1e-9)
	assert.InDelta(t, 0.5, score(all, Throughput, true, of).Median, 1e-9)
	assert.Zero(t, score(all, Throughput, true, of).Near, "50% is not within 35%")
}

func TestTablesWithoutLabs(t *testing.T) {
	labs, err := fittedLabs()
	require.NoError(t, err)
	require.ElementsMatch(t, []Lab{Confluent, StreamNative, LinkedIn}, labs)
	used, err := machine.CostTable(CostTable)
	require.NoError(t, err)
	for _, lab := range labs {
		costs, ok, err := withoutLab(lab)
		require.NoError(t, err)
		require.True(t, ok)
		assert.Equal(t, used.Name, costs.Name)
		for _, id := range Fitted() {
			if of := row(t, id); of.Lab == lab {
				assert.NotContains(t, costs.Source.Source, id)
			}
		}
	}
	_, ok, err := withoutLab(AWS)
	require.NoError(t, err)
	assert.False(t, ok, "it has no part in the fit")
}

// A row that misses shows what each experiment made of it.
func TestMissesShowTheirExperiments(t *testing.T) {
	r := asPublished(t, 1)
	x := &r.Rows[0]
	x.Measurement.ProduceUncorrected = measure.Distribution{}
	fill(&x.Measurement.ProduceUncorrected, x.Row.Publish, 4)
	x.Switched = []Switched{{Mechanism: machine.HandOverMechanism, Figures: map[Figure]float64{P50: 1.25, P99: 2}}}
	s := r.missesSection(r.Predictions())
	require.Len(t, s.Tables[0].Rows, 2, "p50 and p99")
	assert.Equal(t, "1.25", s.Tables[0].Rows[0][5].Text)
	assert.Equal(t, "–", s.Tables[0].Rows[0][6].Text, "not tried")
	require.ErrorContains(t, CheckMechanisms([]string{"luck"}), `no mechanism "luck"; use hand-over, collector, partitions, sockets, muting, zones`)
}

// Where followers fall behind as long as it lasts, the table of 2014 says so.
func TestFollowersThatFallBehindAreNoSteadyState(t *testing.T) {
	r := asPublished(t, 1)
	for i := range r.Rows {
		x := &r.Rows[i]
		x.Measurement.FollowerLagTime = 2 * time.Second
		x.Measurement.FollowerLagBefore = 1000
		x.Measurement.FollowerLag = 1000
		if x.Row.ID == "kreps14-3prod-rf3-async" {
			x.Measurement.FollowerLag = 1000 + int64(x.Row.AckedPerSecond)
		}
	}
	rows := r.followersSection().Tables[0].Rows
	require.Len(t, rows, 5)
	for _, cells := range rows {
		says := cells[len(cells)-1].Text
		switch cells[0].Text {
		case "kreps14-3prod-rf3-async":
			assert.Equal(t, "no: followers fall behind as long as it lasts", says)
			assert.Equal(t, "1012016", cells[len(cells)-2].Text, "half of two million a second")
		case "kreps14-1prod-rf1":
			assert.Equal(t, "yes: nothing is copied", says)
		default:
			assert.Equal(t, "yes", says)
		}
	}
	r.Rows = slices.DeleteFunc(r.Rows, func(x RowResult) bool { return x.Row.Lab == LinkedIn })
	assert.Nil(t, r.followersSection())
}

// A run of elastic-stream is at a stated rate: its latencies count, and not the
// rate.
func TestElasticStreamsRunsAreLoadPoints(t *testing.T) {
	x := row(t, "es23-kafka-1broker-1p")
	assert.False(t, x.Saturated())
	assert.InDelta(t, 384e6, x.AckedPerSecond*float64(x.RecordBytes), 1, "MB as printed")
	p99, ok := x.Publish.P(99)
	assert.True(t, ok)
	assert.Equal(t, 19*time.Millisecond, p99)
	_, ok = Throughput.published(x)
	assert.False(t, ok)
}

func TestPairsAreTheSameTestOfBothLabs(t *testing.T) {
	pairs := asPublished(t, 1).Pairs()
	require.Len(t, pairs, 4)
	for _, p := range pairs {
		s, ok := p.simulated()
		assert.True(t, ok)
		assert.InDelta(t, p.published(), s, 0.02, p.What)
	}
	low, high, _ := asPublished(t, 1).labSpread()
	assert.Greater(t, low, 0.15)
	assert.Less(t, high, 0.9)
}

func TestDocumentShowsEveryRowAndMarksWhatMisses(t *testing.T) {
	good, bad := asPublished(t, 1).Document(), asPublished(t, 1.5).Document()
	require.NoError(t, good.Check())
	require.NoError(t, bad.Check())
	marks := func(d *document.Document, m document.Mark) (n int) {
		for _, s := range d.Sections {
			for _, table := range s.Tables {
				for _, cells := range table.Rows {
					for _, c := range cells {
						if c.Mark == m {
							n++
						}
					}
				}
			}
		}
		return n
	}
	assert.Zero(t, marks(good, document.Bad))
	assert.Greater(t, marks(bad, document.Bad), 16)

	var text bytes.Buffer
	require.NoError(t, good.JSON(&text))
	for _, r := range rows(t) {
		assert.Contains(t, text.String(), strings.ReplaceAll(r.Name(), "&", `\u0026`))
	}
	assert.Contains(t, text.String(), "Nothing is beyond its limit")
}

func TestRowThatFailsIsShown(t *testing.T) {
	r := asPublished(t, 1)
	r.Rows[2].Measurement, r.Rows[2].Error = nil, "the disk burst into flames"
	d := r.Document()
	require.NoError(t, d.Check())
	var text bytes.Buffer
	require.NoError(t, d.JSON(&text))
	assert.Contains(t, text.String(), "the disk burst into flames")
	_, n := r.MedianThroughputError()
	assert.Equal(t, saturated(t)-1, n)
}

func TestResultSurvivesJSON(t *testing.T) {
	r := asPublished(t, 1.1)
	text, err := json.Marshal(r)
	require.NoError(t, err)
	var back Result
	require.NoError(t, json.Unmarshal(text, &back))
	again, err := json.Marshal(&back)
	require.NoError(t, err)
	assert.Equal(t, string(text), string(again))
	a, _ := r.MedianLatencyError(Publish, 99)
	b, _ := back.MedianLatencyError(Publish, 99)
	assert.Equal(t, a, b)
}

func TestFittedRowsExistAndAreFew(t *testing.T) {
	assert.LessOrEqual(t, len(Fitted()), 5)
	for _, id := range Fitted() {
		_, err := Select([]string{id})
		require.NoError(t, err)
	}
}

func TestFactorsChangeWhatTheyAreNamedFor(t *testing.T) {
	shape := machine.Costs{Name: "shape", Operations: map[string]machine.Cost{
		"client.record": {CallNanos: 100, UnitPicos: 10}, "client.partition": {UnitPicos: 10}, "peer.request": {CallNanos: 100, UnitPicos: 10},
	}, Mechanisms: machine.Mechanisms{HandOver: &machine.HandOver{Wait: []sim.Quantile{{PPM: 1_000_000, Value: 50}}}}}
	costs := with(shape, []float64{5, 2, 3, 7})
	assert.Equal(t, machine.Cost{CallNanos: 100, UnitPicos: 50}, costs.Operations["client.record"])
	assert.Equal(t, machine.Cost{UnitPicos: 30}, costs.Operations["client.partition"])
	assert.Equal(t, machine.Cost{CallNanos: 100, UnitPicos: 70}, costs.Operations["peer.request"])
	assert.Equal(t, time.Duration(100), costs.Mechanisms.HandOver.Wait[0].Value)
	assert.Equal(t, int64(10), shape.Operations["peer.request"].UnitPicos, "the shape stays as it was")
	assert.Equal(t, time.Duration(50), shape.Mechanisms.HandOver.Wait[0].Value)
}

func TestSecantFindsTheFactorOfALinearFigure(t *testing.T) {
	trials := 0
	best, err := secant(1, func(f float64) (published, simulated float64, err error) {
		trials++
		return 100, 30 + 7*f, nil
	})
	require.NoError(t, err)
	assert.InDelta(t, 10, best, 0.41)
	assert.LessOrEqual(t, trials, 3)

	best, err = secant(1, func(float64) (published, simulated float64, err error) { return 100, 30, nil })
	require.NoError(t, err)
	assert.InDelta(t, 1, best, 1e-9, "what no factor moves stays")
}

// Every row becomes a scenario that a file can hold.
func TestScenariosAreExplicitAndValid(t *testing.T) {
	for _, r := range rows(t) {
		s := r.Scenario(scenario.Seed(1), CostTable, ThroughputWindows)
		require.True(t, s.Explicit(), r.Slug())
		text, err := s.YAML()
		require.NoError(t, err)
		back, err := scenario.Parse(r.Slug()+".yaml", text)
		require.NoError(t, err)
		assert.Equal(t, s, back)
		assert.Equal(t, r.Fsync, s.Topic.Configs.Text("flush.messages", "") == "1")
		of := scenario.Of[*scenario.Producers](s.Load)
		require.Len(t, of, 1)
		assert.Equal(t, r.Saturated(), of[0].Rate.IsZero())
	}
}
