package calibrate

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestMeasureDiskMeasuresEverySeries(t *testing.T) {
	dir := t.TempDir()
	d, err := MeasureDisk(DiskOptions{Dir: dir, PerSeries: 5 * time.Millisecond, BulkBytes: 8 << 20, FileBytes: 2 << 20})
	require.NoError(t, err)
	for _, s := range d.Series {
		require.Positive(t, s.Count, "%s %d", s.Op, s.Bytes)
		require.Positive(t, s.BytesPerSecond)
		for i := 1; i < len(s.Latency); i++ {
			require.LessOrEqual(t, s.Latency[i-1].Value, s.Latency[i].Value)
		}
	}
	require.Positive(t, d.WriteBackBytesPerSecond)
	require.Positive(t, d.CapacityBytes)
	require.NotEmpty(t, d.FileSystem)
}
