package storage

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// What a fetch is told to wait for is counted without reading it.
func TestExtentCountsWhatReadWouldGive(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		interval := rapid.SampledFrom([]int64{1, 200, 4096}).Draw(rt, "interval")
		l := mustOpen(t, newMemEnv(t), Config{SegmentBytes: rapid.SampledFrom([]int64{600, 4000, 1 << 20}).Draw(rt, "segment"), IndexIntervalBytes: interval})
		defer func() { _ = l.Close() }()
		for range rapid.IntRange(1, 300).Draw(rt, "batches") {
			var records []Record
			for range rapid.IntRange(1, 3).Draw(rt, "records") {
				records = append(records, Record{TimestampMillis: 1, Value: []byte("0123456789")})
			}
			_, err := l.AppendLeader(BuildBatch(nil, NoProducer(), records), 1, AppendOptions{})
			require.NoError(rt, err)
		}
		end := l.EndOffset()
		off := rapid.Int64Range(0, end).Draw(rt, "off")
		exact := int64(0)
		for at := off; at < end; {
			chunk, err := l.Read(at, end, 1<<20, true)
			require.NoError(rt, err)
			for b, err := range Batches(chunk) {
				require.NoError(rt, err)
				exact, at = exact+b.SizeBytes(), b.NextOffset()
			}
		}
		got := l.Extent(off, end)
		require.GreaterOrEqual(rt, got, exact)
		require.LessOrEqual(rt, got, exact+interval+200, "more than an index interval too many")
		if end-off < recentBatchCount && l.segmentFor(off) == l.active() {
			require.Equal(rt, exact, got)
		}
		require.Zero(rt, l.Extent(end, end))
		require.Zero(rt, l.Extent(end+1, end+2))
	})
}
