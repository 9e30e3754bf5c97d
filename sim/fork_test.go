package sim_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/sim"
)

// draws runs a world in which a program draws at every millisecond, and sleeps
// for as long as it drew.
func draws(t *testing.T, fork sim.Fork) []string {
	k := sim.NewKernel(sim.Options{Seed: 7, PreemptOneIn: 3, Fork: fork})
	var told []string
	for _, name := range []string{"a", "b"} {
		k.NewNode(name).Start("draw", func(e env.Env) {
			for e.Now() < 200*time.Millisecond {
				pause := e.Rand("pause", "").Between(100*time.Microsecond, time.Millisecond)
				told = append(told, fmt.Sprintf("%v %s %v %d", e.Now(), name, pause, k.Rand("world", name).Uint64()))
				e.Sleep(pause)
			}
		})
	}
	require.NoError(t, k.RunUntil(time.Second))
	require.NoError(t, k.Close())
	return told
}

// A fork is the same up to its time, and another from there; its seed says which.
func TestAForkDrawsAnewFromItsTime(t *testing.T) {
	const at = 100 * time.Millisecond
	whole := draws(t, sim.Fork{})
	require.Equal(t, whole, draws(t, sim.Fork{At: at}), "without a seed there is no fork")
	one, other := draws(t, sim.Fork{At: at, Seed: 1}), draws(t, sim.Fork{At: at, Seed: 2})
	require.Equal(t, one, draws(t, sim.Fork{At: at, Seed: 1}))
	require.NotEqual(t, one, other)
	same := 0
	for same < len(whole) && same < len(one) && whole[same] == one[same] {
		same++
	}
	require.Greater(t, same, len(whole)/3)
	require.Less(t, same, len(whole))
	last, err := time.ParseDuration(whole[same-1][:indexOf(whole[same-1], ' ')])
	require.NoError(t, err)
	require.InDelta(t, at, last, float64(2*time.Millisecond), "they part at the time of the fork")
	require.NotEqual(t, whole[0], draws(t, sim.Fork{Seed: 3})[0], "a fork at the beginning is another world")
}

func indexOf(s string, b byte) int {
	for i := range len(s) {
		if s[i] == b {
			return i
		}
	}
	return len(s)
}
