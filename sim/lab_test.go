package sim_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/sim"
)

// strikes runs a program that comes by the points a thousand times on two
// machines, and crashes one of them half-way.
func strikes(t *testing.T, seed uint64, on bool, points ...string) (fired map[string][]int, k *sim.Kernel) {
	k = sim.NewKernel(sim.Options{Seed: seed, Buggify: on})
	t.Cleanup(func() { require.NoError(t, k.Close()) })
	fired = map[string][]int{}
	for _, name := range []string{"a", "b"} {
		n := k.NewNode(name)
		program := func(e env.Env) {
			for i := range 1000 {
				e.Sleep(time.Millisecond)
				for _, p := range points {
					if e.Lab().Rare(p) {
						key := fmt.Sprintf("%s %d %s", name, n.Epoch(), p)
						fired[key] = append(fired[key], i)
					}
				}
			}
			e.Lab().Reached("program", "ended", name)
		}
		n.Start("main", program)
		if name == "b" {
			k.At(500*time.Millisecond, "crash", func() { n.Crash(); n.Start("main", program) })
		}
	}
	require.NoError(t, k.Run())
	return fired, k
}

func TestPointsNeitherDependOnEachOtherNorRepeatThemselves(t *testing.T) {
	differ := 0
	for seed := range uint64(200) {
		alone, _ := strikes(t, seed, true, "x")
		both, k := strikes(t, seed, true, "y", "x", "z")
		for _, key := range []string{"a 1 x", "b 1 x", "b 2 x"} {
			require.Equal(t, alone[key], both[key], "seed %d", seed)
		}
		if len(alone["b 2 x"]) > 0 {
			require.NotEqual(t, alone["a 1 x"], alone["b 2 x"])
			require.NotEqual(t, alone["b 1 x"], alone["b 2 x"])
			differ++
		}
		for _, p := range k.Points() {
			require.True(t, p.OneIn > 0 || p.Fired == 0)
			require.EqualValues(t, 2499, p.Asked)
		}
		require.Equal(t, []sim.State{{Kind: "program", State: "ended", Detail: "a", Times: 1}, {Kind: "program", State: "ended", Detail: "b", Times: 1}}, k.States())
	}
	require.Greater(t, differ, 20, "in about a quarter of the seeds")
}

func TestWithoutBuggifyNothingRareHappens(t *testing.T) {
	for seed := range uint64(50) {
		fired, k := strikes(t, seed, false, "x", "y")
		require.Empty(t, fired)
		require.Equal(t, []sim.Point{{Name: "x", Asked: 2499}, {Name: "y", Asked: 2499}}, k.Points())
	}
}

// Who looks into a program from outside neither meets anything rare nor counts.
func TestPointsAreForTheTasksOfTheProcess(t *testing.T) {
	k := sim.NewKernel(sim.Options{Seed: 1, Buggify: true})
	t.Cleanup(func() { require.NoError(t, k.Close()) })
	a, b := k.NewNode("a"), k.NewNode("b")
	lab := a.Env().Lab()
	look := func() {
		for range 10_000 {
			require.False(t, lab.Rare("x"))
			lab.Reached("program", "looked", "at")
		}
	}
	look()
	k.At(time.Second, "look", look)
	b.Start("other", func(env.Env) { look() })
	require.NoError(t, k.Run())
	require.Empty(t, k.Points())
	require.Empty(t, k.States())
}
