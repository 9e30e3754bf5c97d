package storage

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAppendReadReopen(t *testing.T) {
	e := newTestEnv(t)
	l, rec, err := Open(e, "data/topic-0", Config{SegmentBytes: 2000, IndexIntervalBytes: 300})
	require.NoError(t, err)
	require.False(t, rec.Damaged(), rec.String())
	for i := range 100 {
		res, err := l.AppendLeader(testBatch(fmt.Sprintf("value-%d", i)), int32(i/30), AppendOptions{})
		require.NoError(t, err)
		require.EqualValues(t, i, res.BaseOffset)
	}
	require.EqualValues(t, 100, l.EndOffset())
	check := func(l *Log) {
		t.Helper()
		for off := int64(0); off < 100; {
			data, err := l.Read(off, 100, 500, true)
			require.NoError(t, err)
			require.NotEmpty(t, data)
			for b, err := range Batches(data) {
				require.NoError(t, err)
				require.Equal(t, off, b.BaseOffset())
				require.Equal(t, int32(off/30), b.LeaderEpoch())
				for r, err := range b.Records() {
					require.NoError(t, err)
					require.Equal(t, fmt.Sprintf("value-%d", off), string(r.Value))
				}
				off = b.NextOffset()
			}
		}
		epoch, end := l.EpochEnd(1)
		require.EqualValues(t, 1, epoch)
		require.EqualValues(t, 60, end)
	}
	check(l)
	require.NoError(t, l.Close())
	l, rec, err = Open(e, "data/topic-0", Config{SegmentBytes: 2000, IndexIntervalBytes: 300})
	require.NoError(t, err)
	require.False(t, rec.Damaged(), rec.String())
	require.Zero(t, rec.BatchesChecked)
	check(l)
	require.NoError(t, l.TruncateTo(57))
	require.EqualValues(t, 57, l.EndOffset())
	require.EqualValues(t, 1, l.LatestEpoch())
	require.NoError(t, l.Close())
}
