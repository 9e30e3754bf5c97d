package published

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/sim/machine"
	"github.com/weirlab/weir/workloads/scenario"
)

// rows are the rows that are simulated.
func rows(t *testing.T) []Row {
	t.Helper()
	chosen, err := Select(nil)
	require.NoError(t, err)
	return chosen
}

func row(t *testing.T, slug string) Row {
	t.Helper()
	chosen, err := Select([]string{slug})
	require.NoError(t, err)
	return chosen[0]
}

func TestRowsAreThoseAskedFor(t *testing.T) {
	all, err := Rows()
	require.NoError(t, err)
	count := map[Lab]int{}
	slugs := map[string]bool{}
	for _, r := range all {
		assert.False(t, slugs[r.Slug()], "%s is there twice", r.Slug())
		slugs[r.Slug()] = true
		assert.NotEmpty(t, r.URL, r.ID)
		if r.Unpredicted == "" {
			count[r.Lab]++
		}
	}
	assert.Len(t, all, 79)
	assert.Equal(t, map[Lab]int{Confluent: 4, StreamNative: 23, LinkedIn: 5, Kesque: 4, ElasticStream: 3, AWS: 12}, count)
}

// What another system than Kafka did, and what does not say on what, is no row to
// predict.
func TestWhatIsNotPredictedSaysWhy(t *testing.T) {
	all, err := Rows()
	require.NoError(t, err)
	for _, r := range all {
		switch {
		case !strings.Contains(r.System, "Kafka"):
			assert.Contains(t, r.Unpredicted, "another system", r.ID)
		case r.Lab == Pravega:
			assert.Contains(t, r.Unpredicted, "hardware is not stated", r.ID)
		}
	}
	_, err = Select([]string{"confluent20-pulsar-latency-default-sync-200k"})
	require.ErrorContains(t, err, "another system")
}

func TestRowsDifferInDimensions(t *testing.T) {
	assert.Empty(t, row(t, "confluent20-thr-all-nofsync").Differs())
	assert.Equal(t, []Dimension{ByPartitions, ByFsync}, row(t, "sn20-lat-all-fsync-5000p").Differs())
	assert.Equal(t, []Dimension{ByPartitions, ByClients, ByInstance}, row(t, "msk22-m5.xlarge-8").Differs())
	assert.Contains(t, row(t, "kreps14-1prod-rf1").Differs(), ByAge)
	assert.Contains(t, row(t, "kreps14-1prod-rf1").Differs(), ByClients)
	assert.NotContains(t, row(t, "kreps14-3prod-rf3-async").Differs(), ByClients, "three producers are between two and four")
}

func TestRowsAreChosenByHowTheyBegin(t *testing.T) {
	chosen, err := Select([]string{"msk22"})
	require.NoError(t, err)
	assert.Len(t, chosen, 12)
	chosen, err = Select([]string{"msk22-m5.xlarge-8"})
	require.NoError(t, err)
	assert.Len(t, chosen, 1, "a whole name is that row only")
}

// Managed Kafka: a load point is a rate, two groups read along, brokers and
// clients are in three zones, and only two percentiles were published.
func TestLoadPointsOfManagedKafka(t *testing.T) {
	r := row(t, "msk22-m5.xlarge-96")
	assert.InDelta(t, 96, r.MiBPerSecond(), 1e-9)
	assert.False(t, r.Saturated())
	assert.Equal(t, 2, r.Groups)
	p99, ok := r.Publish.P(99)
	assert.True(t, ok)
	assert.Equal(t, 25870*time.Microsecond, p99)
	assert.Len(t, r.Publish.Quantiles, 2)
	s := r.Scenario(1, CostTable, LatencyWindows)
	assert.Equal(t, scenario.CrossZone, s.Cluster.BetweenRacks)
	assert.Equal(t, "gp2", s.Cluster.Storage)
	assert.Len(t, s.Load.Programs, 3, "producers and two groups")
	m, err := r.machine(machine.Costs{Name: "x", Source: machine.Source{What: "CPU costs", Basis: "assumption", Source: "none"}})
	require.NoError(t, err)
	assert.Equal(t, "m5.xlarge", m.Instance)
}

func TestOldProducersGoRound(t *testing.T) {
	assert.Equal(t, scenario.PartitionerRoundRobin, row(t, "kesque19-6p-fsync").partitioner())
	assert.Equal(t, scenario.PartitionerSticky, row(t, "sn20-thr-all-fsync").partitioner())
}

func TestRowReadsItsFigures(t *testing.T) {
	r := row(t, "confluent20-thr-all-nofsync")
	assert.Equal(t, "confluent20-thr-nofsync", r.ID)
	assert.InDelta(t, 604.5, r.MiBPerSecond(), 0.1)
	p99, ok := r.Publish.P(99)
	assert.True(t, ok)
	assert.Equal(t, 1521927*time.Microsecond, p99)
	_, ok = r.EndToEnd.P(12.5)
	assert.False(t, ok, "not published")
	assert.Equal(t, int64(128<<10), row(t, "confluent20-lat-all-nofsync").BatchBytes, "a batch size in words")
}

// The mean latency of a saturated producer is its buffer over its rate. That
// this holds for every saturated row within a few percent is what allows to
// say that the drivers left buffer.memory at its default.
func TestFullBuffersExplainSaturatedLatency(t *testing.T) {
	for _, r := range rows(t) {
		if !r.Saturated() || r.Publish.Mean == 0 {
			continue
		}
		assert.InEpsilon(t, float64(r.Publish.Mean), float64(r.Physics().Buffered), 0.04, r.Slug())
	}
}

func TestDisksBoundEveryRowOfTheLabsOf2020(t *testing.T) {
	for _, r := range rows(t) {
		if r.Lab == Confluent || r.Lab == StreamNative {
			assert.Less(t, r.Physics().DiskUse, 1.0, r.Slug())
		}
	}
	assert.Equal(t, "disk bandwidth", row(t, "confluent20-thr-all-nofsync").Rules())
	assert.Equal(t, "request pipeline", row(t, "sn20-thr-all-fsync").Rules())
	assert.Equal(t, "round trips", row(t, "sn20-lat-1-nofsync").Rules())
}

func TestRatesAreNumbersOrLeftOut(t *testing.T) {
	for text, want := range map[string]float64{"": 0, "max": 0, "~50000": 50000, "200076.1": 200076.1} {
		l := &line{header: []string{"rate"}, cells: []string{text}}
		assert.InDelta(t, want, l.rate("rate"), 1e-9, text)
		require.NoError(t, l.err)
	}
	for _, text := range []string{"50k", "200,000", "many"} {
		l := &line{at: "runs.csv, line 7", header: []string{"rate"}, cells: []string{text}}
		l.rate("rate")
		require.ErrorContains(t, l.err, "runs.csv, line 7, column rate", text)
	}
}

func TestUnknownRowIsNamed(t *testing.T) {
	_, err := Select([]string{"confluent21"})
	require.ErrorContains(t, err, `no row "confluent21"`)
	require.ErrorContains(t, err, "sn20-thr-all-fsync")
}
