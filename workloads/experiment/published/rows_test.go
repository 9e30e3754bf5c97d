package published

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func rows(t *testing.T) []Row {
	t.Helper()
	all, err := Rows()
	require.NoError(t, err)
	return all
}

func row(t *testing.T, slug string) Row {
	t.Helper()
	chosen, err := choose(rows(t), []string{slug})
	require.NoError(t, err)
	return chosen[0]
}

func TestRowsAreThoseAskedFor(t *testing.T) {
	count := map[Lab]map[bool]int{Confluent: {}, StreamNative: {}}
	slugs := map[string]bool{}
	for _, r := range rows(t) {
		assert.False(t, slugs[r.Slug()], "%s is there twice", r.Slug())
		slugs[r.Slug()] = true
		assert.Equal(t, "i3en.2xlarge", r.Instance)
		assert.NotEmpty(t, r.URL, r.ID)
		if r.Partitions == 100 {
			count[r.Lab][r.Saturated()]++
		}
	}
	assert.Equal(t, 2, count[Confluent][true])
	assert.Equal(t, 2, count[Confluent][false])
	assert.Equal(t, 4, count[StreamNative][true])
	assert.Equal(t, 4, count[StreamNative][false])
	assert.Len(t, slugs, 16, "and four of one partition")
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
		if !r.Saturated() {
			continue
		}
		assert.InEpsilon(t, float64(r.Publish.Mean), float64(r.Physics().Buffered), 0.04, r.Slug())
	}
}

func TestDisksBoundEveryRow(t *testing.T) {
	for _, r := range rows(t) {
		assert.Less(t, r.Physics().DiskUse, 1.0, r.Slug())
	}
	assert.Equal(t, "disk bandwidth", row(t, "confluent20-thr-all-nofsync").Rules())
	assert.Equal(t, "request pipeline", row(t, "sn20-thr-all-fsync").Rules())
	assert.Equal(t, "round trips", row(t, "sn20-lat-1-nofsync").Rules())
}

func TestUnknownRowIsNamed(t *testing.T) {
	_, err := choose(rows(t), []string{"confluent21"})
	require.ErrorContains(t, err, `no row "confluent21"`)
	require.ErrorContains(t, err, "sn20-thr-all-fsync")
}
