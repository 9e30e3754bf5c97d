package sim_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/weirlab/weir/sim"
)

// What is queued at a constant rate passes at that rate, whenever one looks.
func TestAFlowNeverPassesMoreThanItCan(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var f sim.Flow
		rate := rapid.Int64Range(1, 1_000_000_000).Draw(t, "units per second")
		var now, free time.Duration
		var total, seen int64
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			before := now
			now += time.Duration(rapid.Int64Range(0, int64(time.Second)).Draw(t, "pause"))
			got := f.At(now)
			require.LessOrEqual(t, float64(got-seen), float64(rate)*(now-before).Seconds()+201, "a unit of rounding for each of what is on its way")
			require.GreaterOrEqual(t, got, seen)
			seen = got
			n := rapid.Int64Range(0, rate/5).Draw(t, "n")
			begin := max(now, free)
			free = begin + time.Duration(n*int64(time.Second)/rate)
			f.Add(begin, free, n)
			total += n
		}
		require.Equal(t, total, f.At(free))
	})
}

func TestWhatIsDroppedNeverPasses(t *testing.T) {
	var f sim.Flow
	f.Add(0, 10*time.Second, 1000)
	f.Add(10*time.Second, 20*time.Second, 1000)
	f.Drop(4 * time.Second)
	require.EqualValues(t, 400, f.At(time.Hour))
}
