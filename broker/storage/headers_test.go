package storage

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// Headers are those of the batches that Read returns, over segments and from
// any offset to any other.
func TestHeadersAreThoseOfTheBatchesRead(t *testing.T) {
	l, _, err := Open(newTestEnv(t), "data/topic-0", Config{SegmentBytes: 1000, IndexIntervalBytes: 300})
	require.NoError(t, err)
	defer func() { require.NoError(t, l.Close()) }()
	for i := range 40 {
		_, err := l.AppendLeader(testBatch(fmt.Sprint("a", i), fmt.Sprint("b", i), fmt.Sprint("c", i)), int32(i/15), AppendOptions{})
		require.NoError(t, err)
	}
	type seen struct {
		base, last int64
		epoch      int32
		crc        uint32
	}
	of := func(b Batch) seen { return seen{b.BaseOffset(), b.LastOffset(), b.LeaderEpoch(), b.CRC()} }
	for from := int64(0); from <= 120; from += 7 {
		for to := from; to <= 120; to += 5 {
			var want, got []seen
			for next := from; next < to; {
				data, err := l.Read(next, to, 500, true)
				require.NoError(t, err)
				if len(data) == 0 {
					break
				}
				for b, err := range Batches(data) {
					require.NoError(t, err)
					if b.BaseOffset() >= from {
						want = append(want, of(b))
					}
					next = b.NextOffset()
				}
			}
			require.NoError(t, l.Headers(from, to, func(b Batch) bool { got = append(got, of(b)); return true }))
			require.Equal(t, want, got, "from %d to %d", from, to)
		}
	}
	n := 0
	require.NoError(t, l.Headers(0, 120, func(Batch) bool { n++; return n < 3 }))
	require.Equal(t, 3, n)
	require.Error(t, l.Headers(121, 130, func(Batch) bool { return true }))
}
