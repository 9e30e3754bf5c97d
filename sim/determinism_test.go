package sim_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/sim"
)

// bustle is a world in which much happens at once.
func bustle(opts sim.Options, nodes []string, tell func(node, what string)) *sim.Kernel {
	k := sim.NewKernel(opts)
	for _, name := range nodes {
		n := k.NewNode(name)
		n.Start("main", func(e env.Env) {
			r := e.Rand("work", "main")
			m := e.NewMutex()
			c := e.NewCond(m)
			queue := 0
			for i := range 8 {
				e.Go(fmt.Sprint("taker-", i), func() {
					for {
						m.Lock()
						for queue == 0 {
							c.Wait()
						}
						queue--
						m.Unlock()
						tell(name, fmt.Sprint(i))
						e.Sleep(5 * time.Microsecond)
					}
				})
			}
			for range 200 {
				m.Lock()
				queue += 4
				c.Broadcast()
				m.Unlock()
				e.Event("put", env.Int("queue", queue), env.Text("who", name))
				e.Sleep(r.Between(0, 20*time.Microsecond))
			}
		})
	}
	k.At(time.Millisecond, "crash", func() { k.Node(nodes[0]).Crash() })
	if err := k.RunUntil(time.Second); err != nil {
		panic(err)
	}
	_ = k.Close()
	return k
}

func quiet(string, string) {}

func TestSameSeedSameRun(t *testing.T) {
	nodes := []string{"a", "b", "c"}
	for seed := range uint64(5) {
		one := bustle(sim.Options{Seed: seed, PreemptOneIn: 7}, nodes, quiet)
		two := bustle(sim.Options{Seed: seed, PreemptOneIn: 7}, nodes, quiet)
		require.Equal(t, one.Trace(), two.Trace())
		require.NotEmpty(t, one.Checkpoints())
	}
}

func TestTheHashOfAKnownRunIsTheSameEverywhere(t *testing.T) {
	k := bustle(sim.Options{Seed: 42}, []string{"a", "b", "c"}, quiet)
	require.Equal(t, knownHash, fmt.Sprintf("%016x", k.TraceHash()))
}

func TestDifferentSeedsDifferentSchedules(t *testing.T) {
	schedules := map[string]bool{}
	for seed := range uint64(10) {
		var order string
		bustle(sim.Options{Seed: seed}, []string{"a"}, func(_, what string) { order += what })
		schedules[order] = true
	}
	require.Len(t, schedules, 10)
}

func TestRemovingANodeDoesNotRephaseTheOthers(t *testing.T) {
	run := func(nodes ...string) map[string]string {
		orders := map[string]string{}
		bustle(sim.Options{Seed: 5}, nodes, func(node, what string) { orders[node] += what })
		return orders
	}
	all, fewer := run("victim", "a", "b", "c"), run("victim", "a", "c")
	require.NotEmpty(t, all["a"])
	require.Equal(t, all["a"], fewer["a"])
	require.Equal(t, all["c"], fewer["c"])
}

func TestRandStreams(t *testing.T) {
	k := newKernel(t, sim.Options{Seed: 1})
	n := k.NewNode("a")
	e := n.Env()
	require.Same(t, e.Rand("p", "x"), e.Rand("p", "x"))
	first := e.Rand("p", "x").Uint64()
	require.NotEqual(t, first, e.Rand("p", "y").Uint64())
	n.Crash()
	require.NotEqual(t, first, n.Env().Rand("p", "x").Uint64(), "a restarted process draws afresh")
	require.NotEqual(t, first, k.NewNode("b").Env().Rand("p", "x").Uint64())
	require.Equal(t, k.Rand("p", "x").Uint64(), k.Rand("p", "x").Uint64())
}

func TestCompareRunsFindsTheFirstDifference(t *testing.T) {
	leak := 0
	run := func(leaky bool) func(*sim.Window) sim.Trace {
		return func(w *sim.Window) sim.Trace {
			k := sim.NewKernel(sim.Options{Seed: 1, Window: w, CheckpointSteps: 64})
			defer func() { _ = k.Close() }()
			k.NewNode("a").Start("main", func(e env.Env) {
				for i := range 1000 {
					e.Sleep(time.Millisecond)
					if leaky && i == 500 {
						leak++
						e.Event("leak", env.Int("value", leak))
					}
				}
			})
			if err := k.Run(); err != nil {
				panic(err)
			}
			return k.Trace()
		}
	}
	require.Nil(t, sim.CompareRuns(run(false)))
	m := sim.CompareRuns(run(true))
	require.NotNil(t, m)
	require.Equal(t, sim.TraceNote, m.A.Kind)
	require.Equal(t, "leak value=3", m.A.Name)
	require.Equal(t, "leak value=4", m.B.Name)
	require.Equal(t, 501*time.Millisecond, m.A.At)
	require.Len(t, m.Before, 8)
	require.ErrorContains(t, m, `"leak value=3"`)
}
