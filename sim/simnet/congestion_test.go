package simnet

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

const rtt = 100 * time.Millisecond

// rounds has a sender use its whole window for some round trips.
func (g *congestion) rounds(now time.Duration, n int) time.Duration {
	for range n {
		now += rtt
		for left := g.window; left > 0; left -= g.mss {
			g.acked(now, rtt, min(g.mss, left), true)
		}
	}
	return now
}

// RFC 5681 3.1: the window doubles each round trip.
func TestSlowStartDoubles(t *testing.T) {
	g := newCongestion(1000)
	g.rounds(0, 5)
	require.EqualValues(t, 320_000, g.window)
	g.acked(0, rtt, 1000, false)
	require.EqualValues(t, 320_000, g.window, "who does not use the window has it grow no more")
}

// RFC 9438 4.1, 4.6: after a loss at 1000 segments the window is 700, and at
// 1000 again after K = cbrt(300/0.4) = 9.085 s; concave before, convex after.
func TestCubicIsBackAtItsPeakAfterK(t *testing.T) {
	g := newCongestion(1000)
	g.window = 1_000_000
	g.lost(false)
	require.EqualValues(t, 700_000, g.window)
	now := g.rounds(0, 1)
	require.EqualValues(t, 9085, g.k.Milliseconds())
	now = g.rounds(now, 45)
	require.InDelta(t, 962_000, g.window, 8000, "300/8 below the peak, half way in time")
	now = g.rounds(now, 45)
	require.InDelta(t, 1_000_000, g.window, 5000)
	flat := g.window
	g.rounds(now, 90)
	require.InDelta(t, 1_300_000, g.window, 20_000, "as far above it after K as below it before")
	require.Greater(t, g.window, flat)
}

// RFC 9438 4.3: over short ways CUBIC is no slower than Reno.
func TestShortWaysGrowAsRenoDoes(t *testing.T) {
	g := newCongestion(1000)
	g.window = 20_000
	g.lost(false)
	for range 40 {
		g.acked(0, time.Millisecond, g.window, true)
	}
	require.Greater(t, g.window, int64(30_000), "9/17 of a segment a round trip, then a whole one")
}

// RFC 5681 3.1 (4): a timeout leaves one segment and slow start to β of what
// was.
func TestATimeoutLeavesOneSegment(t *testing.T) {
	g := newCongestion(1000)
	g.window = 100_000
	g.lost(true)
	require.EqualValues(t, 1000, g.window)
	require.EqualValues(t, 70_000, g.threshold)
	g.window = 100_000
	g.idle()
	require.EqualValues(t, 10_000, g.window)
}

func TestTheWindowStaysWithinBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := newCongestion(rapid.Int64Range(100, 65_483).Draw(t, "mss"))
		var now time.Duration
		for range rapid.IntRange(1, 300).Draw(t, "steps") {
			before := g.window
			switch rapid.IntRange(0, 9).Draw(t, "step") {
			case 0:
				g.lost(rapid.Bool().Draw(t, "timeout"))
				require.LessOrEqual(t, g.window, max(before, 2*g.mss))
			case 1:
				g.idle()
			default:
				now += time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "time"))
				n := min(g.window, 6<<20)
				g.acked(now, rtt, n, true)
				require.LessOrEqual(t, g.window, before+n, "no more than in slow start")
				g.window = min(g.window, 6<<20)
			}
			require.GreaterOrEqual(t, g.window, g.mss)
		}
	})
}

func TestCubeRoot(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64Range(0, 1<<62).Draw(t, "n")
		r := cubeRoot(n)
		require.LessOrEqual(t, r*r*r, n)
		require.True(t, (r+1) > 2_097_151 || (r+1)*(r+1)*(r+1) > n)
	})
}
