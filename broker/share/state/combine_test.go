package state

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/weirlab/weir/broker/share"
)

func drawBatches(t *rapid.T, label string) []share.Batch {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) share.Batch {
		first := rapid.Int64Range(0, 12).Draw(t, "first")
		return share.Batch{First: first, Last: first + rapid.Int64Range(0, 6).Draw(t, "more"),
			State:         rapid.SampledFrom([]share.DeliveryState{share.Available, share.Acknowledged, share.Archived}).Draw(t, "state"),
			DeliveryCount: rapid.Int16Range(0, 2).Draw(t, "count")}
	}), 0, 6).Draw(t, label)
}

// Offset by offset, the batch counts that stands higher.
func TestCombineIsTheHigherOfEachOffset(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		known, more := drawBatches(t, "known"), drawBatches(t, "more")
		start := rapid.Int64Range(-1, 20).Draw(t, "start")
		want := map[int64]share.Batch{}
		for _, b := range append(append([]share.Batch(nil), known...), more...) {
			for o := max(b.First, start); o <= b.Last; o++ {
				if old, any := want[o]; !any || old.DeliveryCount < b.DeliveryCount || old.DeliveryCount == b.DeliveryCount && old.State < b.State {
					want[o] = b
				}
			}
		}
		got := Combine(known, more, start)
		n := 0
		for i, b := range got {
			require.LessOrEqual(t, b.First, b.Last)
			if i > 0 {
				before := got[i-1]
				require.Less(t, before.Last, b.First)
				require.False(t, before.Last+1 == b.First && alike(before, b), "two that are one: %v", got)
			}
			for o := b.First; o <= b.Last; o++ {
				require.True(t, alike(want[o], b), "offset %d: %v, not %v", o, b, want[o])
				n++
			}
		}
		require.Len(t, want, n)
		require.Equal(t, got, Combine(got, nil, start))
		require.Equal(t, got, Combine(more, known, start), "in any order")
	})
}

func TestCombineTakesLongBatches(t *testing.T) {
	require.Equal(t, []share.Batch{{First: 3, Last: math.MaxInt64 - 1, State: share.Archived, DeliveryCount: 1}},
		Combine([]share.Batch{{First: 0, Last: math.MaxInt64 - 1, DeliveryCount: 1}}, []share.Batch{{First: 0, Last: math.MaxInt64 - 1, State: share.Archived, DeliveryCount: 1}}, 3))
	require.Nil(t, Combine(nil, []share.Batch{{First: 0, Last: 4}}, 5))
}
