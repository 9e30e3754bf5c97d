package sim

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/sim/simdisk"
)

func TestLeastCredits(t *testing.T) {
	_, ok := leastCredits(simdisk.Credits{})
	require.False(t, ok)
	for want, c := range map[int64]simdisk.Credits{
		500_000:   {IOs: 2_700_000, MostIOs: 5_400_000},
		250_000:   {IOs: 5_400_000, MostIOs: 5_400_000, PipeBytes: 1 << 60, MostPipeBytes: 4 << 60},
		1_000_000: {Bytes: 7, MostBytes: 7},
		0:         {Bytes: 0, MostBytes: 1 << 40, PipeBytes: 3, MostPipeBytes: 3},
	} {
		ppm, ok := leastCredits(c)
		require.True(t, ok)
		require.InDelta(t, want, ppm, 10)
	}
}
