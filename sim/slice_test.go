package sim_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/sim"
)

// turns has two processes do ten operations each on one core and returns whose
// were done, in order.
func turns(t *testing.T, slice time.Duration) string {
	k := newKernel(t, sim.Options{})
	p := k.NewProcessor("cpu", 1)
	p.SetSlice(slice)
	var order strings.Builder
	for _, name := range []string{"a", "b"} {
		n := k.NewNode(name)
		n.SetProcessor(p, func(string, int64) time.Duration { return 100 * time.Microsecond })
		n.Start("main", func(e env.Env) {
			for range 10 {
				e.Work("op", 1)
				order.WriteString(name)
			}
		})
	}
	require.NoError(t, k.Run())
	return order.String()
}

func TestProcessesTakeTurnsOperationByOperationWithoutASlice(t *testing.T) {
	require.Contains(t, []string{strings.Repeat("ab", 10), strings.Repeat("ba", 10)}, turns(t, 0))
}

func TestAProcessKeepsItsCoreForASlice(t *testing.T) {
	got := turns(t, 500*time.Microsecond)
	require.Contains(t, []string{strings.Repeat("aaaaabbbbb", 2), strings.Repeat("bbbbbaaaaa", 2)}, got)
}

// A process that waits for something else gives its core away at once.
func TestAProcessThatSleepsGivesItsCoreAway(t *testing.T) {
	k := newKernel(t, sim.Options{})
	p := k.NewProcessor("cpu", 1)
	p.SetSlice(time.Second)
	var ended time.Duration
	for _, name := range []string{"a", "b"} {
		n := k.NewNode(name)
		n.SetProcessor(p, func(string, int64) time.Duration { return time.Millisecond })
		n.Start("main", func(e env.Env) {
			for range 3 {
				e.Work("op", 1)
				e.Sleep(time.Millisecond)
			}
			ended = e.Now()
		})
	}
	require.NoError(t, k.Run())
	require.Less(t, ended, 8*time.Millisecond, "one sleeps while the other works")
	require.Equal(t, 6*time.Millisecond, p.Stats().Busy)
}

func TestACoreKeptForAProcessThatDiesIsFree(t *testing.T) {
	k := newKernel(t, sim.Options{})
	p := k.NewProcessor("cpu", 1)
	p.SetSlice(time.Second)
	price := func(string, int64) time.Duration { return time.Millisecond }
	a, b := k.NewNode("a"), k.NewNode("b")
	a.SetProcessor(p, price)
	b.SetProcessor(p, price)
	done := 0
	a.Start("main", func(e env.Env) {
		e.Work("op", 1)
		k.After(0, "crash", a.Crash) // while the core lingers for it
		e.Sleep(time.Second)
	})
	b.Start("main", func(e env.Env) {
		for range 3 {
			e.Work("op", 1)
			done++
		}
	})
	require.NoError(t, k.Run())
	require.Equal(t, 3, done)
	require.Equal(t, 4*time.Millisecond, p.Stats().Busy)
}
