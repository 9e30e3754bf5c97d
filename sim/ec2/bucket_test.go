package ec2

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func drawRule(t *rapid.T) Rule {
	r := Rule{Name: "drawn", Unit: unitBytes, Baseline: rapid.Int64Range(1000, 1<<33).Draw(t, "baseline")}
	r.Burst = r.Baseline + rapid.Int64Range(0, 1<<33).Draw(t, "burst above baseline")
	r.Credit = rapid.Int64Range(0, 1<<44).Draw(t, "credit")
	if rapid.Bool().Draw(t, "has a reserve") {
		r.Reserve = rapid.Int64Range(0, 1<<44).Draw(t, "reserve")
		r.Earn = rapid.Int64Range(0, r.Burst-r.Baseline).Draw(t, "earn")
	}
	return r
}

// TestBucketKeepsItsRule draws arrivals and holds a bucket to what a rule
// means: credits between none and full, order, and over any window no more
// than baseline*window + credits, nor than burst*window.
func TestBucketKeepsItsRule(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rule := drawRule(t)
		b, err := NewBucket(rule)
		require.NoError(t, err)
		type passed struct {
			start, end time.Duration
			n          int64
		}
		var all []passed
		var now, before time.Duration
		for range rapid.IntRange(1, 30).Draw(t, "transfers") {
			now += time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "gap")) * time.Duration(rapid.IntRange(0, 1).Draw(t, "waits"))
			n := rapid.Int64Range(0, 1<<36).Draw(t, "n")
			start, end := b.Admit(now, n)
			require.GreaterOrEqual(t, start, now)
			require.GreaterOrEqual(t, start, before, "served in order")
			require.GreaterOrEqual(t, end, start)
			before = end
			saved, most := b.Saved(end)
			require.GreaterOrEqual(t, saved, int64(0))
			require.LessOrEqual(t, saved, most)
			for _, a := range []account{b.credit, b.reserve} {
				require.GreaterOrEqual(t, a.units, int64(0))
				require.GreaterOrEqual(t, a.billionths, int64(0))
				require.Less(t, a.billionths, billion)
			}
			require.LessOrEqual(t, b.credit.units, rule.Credit)
			require.LessOrEqual(t, b.reserve.units, rule.Reserve)
			if n > 0 {
				all = append(all, passed{start, end, n})
			}
		}
		// What the rule allows, in units, rounded up by a nanosecond and the
		// fractions of the accounts.
		allowed := func(rate int64, d time.Duration, credit int64) float64 {
			return (float64(d)+2)*float64(rate)/1e9*(1+1e-12) + float64(credit) + 3
		}
		for i := range all {
			var sum int64
			for _, p := range all[i:] {
				sum += p.n
				window := p.end - all[i].start
				require.LessOrEqual(t, float64(sum), allowed(rule.Baseline, window, rule.Credit+rule.Reserve))
				require.LessOrEqual(t, float64(sum), allowed(rule.Burst, window, 0))
			}
		}
	})
}

// TestBucketIsWorkConserving: a saturated bucket passes all that its rule
// allows, however the work is cut.
func TestBucketIsWorkConserving(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rule := drawRule(t)
		whole, err := NewBucket(rule)
		require.NoError(t, err)
		cut, err := NewBucket(rule)
		require.NoError(t, err)
		var sum int64
		var end time.Duration
		pieces := rapid.SliceOfN(rapid.Int64Range(1, 1<<34), 1, 30).Draw(t, "pieces")
		for _, n := range pieces {
			sum += n
			_, end = cut.Admit(0, n)
		}
		_, once := whole.Admit(0, sum)
		// A unit of slack for fractions at the boundary of the two accounts.
		unit, _ := perSecond(3, rule.Baseline)
		require.InDelta(t, float64(once), float64(end), float64(unit)+float64(len(pieces))+2)
	})
}

// TestBucketDoesNotDrift: a million small transfers take as long as one large
// one, although none of them takes whole nanoseconds.
func TestBucketDoesNotDrift(t *testing.T) {
	for _, rule := range []Rule{
		FixedRule("flat", unitIOs, 66_969),
		{Name: "burst", Unit: unitIOs, Baseline: 300, Burst: 2999, Credit: 1 << 40},
		{Name: "dry", Unit: unitIOs, Baseline: 301, Burst: 2999},
	} {
		b, err := NewBucket(rule)
		require.NoError(t, err)
		var end time.Duration
		for range 1_000_000 {
			_, end = b.Admit(0, 1)
		}
		rate := rule.Burst
		if rule.Credit == 0 {
			rate = rule.Baseline
		}
		exact, _ := perSecond(1_000_000, rate)
		require.InDelta(t, float64(exact), float64(end), float64(10*time.Millisecond), rule.Name)
	}
}

func TestBucketRefusesRules(t *testing.T) {
	for _, wrong := range []struct {
		rule Rule
		says string
	}{
		{Rule{Name: "x", Unit: unitBytes}, `limit "x": its baseline is 0 bytes a second`},
		{Rule{Name: "x", Unit: unitBytes, Baseline: 2, Burst: 1}, "below its baseline"},
		{Rule{Name: "x", Baseline: 1, Burst: 1, Credit: -1}, "negative"},
		{Rule{Name: "x", Baseline: 1, Burst: math.MaxInt64}, "too large"},
	} {
		_, err := NewBucket(wrong.rule)
		require.ErrorContains(t, err, wrong.says)
	}
}

// TestBucketSurvivesExtremes: nothing overflows into a wrong answer.
func TestBucketSurvivesExtremes(t *testing.T) {
	b, err := NewBucket(Rule{Name: "slow", Unit: unitBytes, Baseline: 1, Burst: 1})
	require.NoError(t, err)
	for range 8 {
		start, end := b.Admit(math.MaxInt64>>2, math.MaxInt64)
		require.Positive(t, start)
		require.GreaterOrEqual(t, end, start)
	}
	saved, most := b.Saved(math.MaxInt64)
	require.LessOrEqual(t, saved, most)
	start, end := b.Admit(0, -5)
	require.Equal(t, start, end)
}

func BenchmarkAdmit(b *testing.B) {
	v, err := NewVolume(VolumeSpec{Class: "gp2", GiB: 100})
	require.NoError(b, err)
	var now time.Duration
	for b.Loop() {
		_, now = v.Admit(now, 256<<10)
	}
}

// TestSetCreditsAt: what an idle bucket saved before is gone.
func TestSetCreditsAt(t *testing.T) {
	b, err := NewBucket(Rule{Name: "x", Unit: unitBytes, Baseline: 100, Burst: 1000, Credit: 5000})
	require.NoError(t, err)
	b.SetCredits(0)
	b.SetCreditsAt(10*time.Second, 0)
	saved, _ := b.Saved(10 * time.Second)
	require.Zero(t, saved)
	saved, _ = b.Saved(12 * time.Second)
	require.EqualValues(t, 200, saved)
	_, end := b.Admit(10*time.Second, 100)
	require.Equal(t, 11*time.Second, end)
}
