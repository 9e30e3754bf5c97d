package env

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestALimiterTellsTheFirstFewAndCountsTheRest(t *testing.T) {
	l := Limiter{Burst: 2, Period: time.Second}
	told, suppressed := 0, int64(0)
	for i := range 100 {
		tell, left := l.Allow("a", time.Duration(i)*time.Millisecond)
		if tell {
			told++
		}
		suppressed += left
	}
	require.Equal(t, 2, told)
	require.Zero(t, suppressed)
	tell, left := l.Allow("a", time.Second)
	require.True(t, tell)
	require.EqualValues(t, 98, left)
	tell, left = l.Allow("b", time.Second)
	require.True(t, tell)
	require.Zero(t, left)
}

func TestALimiterForgetsNoCount(t *testing.T) {
	l := Limiter{Burst: 1, Period: time.Second}
	var told, left int64
	for i := range 3000 { // more kinds than it tells apart
		for range 2 {
			if tell, n := l.Allow(fmt.Sprint(i), 0); tell {
				told++
				left += n
			}
		}
	}
	l.Flush(time.Millisecond, func(string, int64) { t.Fatal("the period is not over") })
	l.Flush(time.Second, func(_ string, n int64) { left += n })
	require.EqualValues(t, 6000, told+left)
	l.Flush(time.Hour, func(string, int64) { t.Fatal("told twice") })
	require.LessOrEqual(t, len(l.kinds), limiterKinds+1)
}
