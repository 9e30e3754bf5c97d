package env_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/env/osenv"
	"github.com/weirlab/weir/env/osenv/osenvtest"
)

// always is a hand that says yes every time.
type always struct {
	r       *env.Rand
	times   int64 // of the last question
	reached []string
}

func (a *always) Strike(_ string, times int64) *env.Rand {
	a.times = times
	return a.r
}

func (a *always) Reached(kind, state, detail string) {
	a.reached = append(a.reached, kind+" "+state+" "+detail)
}

func TestNoLabWantsNothing(t *testing.T) {
	var l *env.Lab
	require.False(t, l.Rare("test/a"))
	require.False(t, l.Seldom("test/a"))
	require.Zero(t, l.Late("test/a", time.Second))
	require.EqualValues(t, 7, l.Fewer("test/a", 7))
	l.Reached("test", "a", "b")
	require.Zero(t, testing.AllocsPerRun(100, func() { l.Reached("test", "a", "b") }))
}

func TestWhatALabDrawsIsWithinBounds(t *testing.T) {
	a := &always{r: env.NewRand(1, "test", "")}
	l := env.NewLab(a)
	require.True(t, l.Rare("test/a"))
	require.EqualValues(t, 1, a.times)
	require.True(t, l.Seldom("test/a"))
	require.EqualValues(t, 16, a.times)
	few, late := map[int64]bool{}, map[time.Duration]bool{}
	for range 10_000 {
		n := l.Fewer("test/a", 5)
		require.True(t, 1 <= n && n < 5, n)
		few[n] = true
		d := l.Late("test/a", 5)
		require.True(t, 0 < d && d <= 6, d)
		late[d] = true
	}
	require.Len(t, few, 4)
	require.Len(t, late, 6)
	for _, n := range []int64{-1, 0, 1} {
		require.Equal(t, n, l.Fewer("test/a", n))
	}
	require.Zero(t, l.Late("test/a", 0))
	l.Reached("test", "a", "b")
	require.Equal(t, []string{"test a b"}, a.reached)
}

// What points cost where there is no laboratory: "kept" where a program keeps
// the *Lab, "asked" where it asks its Env each time.
func BenchmarkRareOnTheOperatingSystem(b *testing.B) {
	var e env.Env = osenvtest.New(b, osenv.Options{})
	b.Run("kept", func(b *testing.B) {
		lab := e.Lab()
		for b.Loop() {
			if lab.Rare("test/a") {
				b.Fatal("never")
			}
		}
	})
	b.Run("asked", func(b *testing.B) {
		for b.Loop() {
			if e.Lab().Rare("test/a") {
				b.Fatal("never")
			}
		}
	})
	b.Run("nothing", func(b *testing.B) {
		for b.Loop() {
		}
	})
}
