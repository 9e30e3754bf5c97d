package sim_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/sim"
)

// policies are all but Replay, which needs a tape.
var policies = map[string]sim.Options{
	"uniform":            {},
	"uniform, preempted": {PreemptOneIn: 5},
	"fifo":               {Policy: sim.FIFO},
	"fifo, preempted":    {Policy: sim.FIFO, PreemptOneIn: 3},
	"pct":                {Policy: sim.PCT, Depth: 4, Points: 500},
}

func TestEveryPolicyIsAFunctionOfTheSeed(t *testing.T) {
	nodes := []string{"a", "b", "c"}
	hashes := map[uint64]string{}
	for name, opts := range policies {
		opts.Seed = 11
		one := bustle(opts, nodes, quiet).Trace()
		require.Equal(t, one, bustle(opts, nodes, quiet).Trace(), name)
		require.NotContains(t, hashes, one.Hash, "%s runs as another policy does", name)
		hashes[one.Hash] = name
		if opts.Policy == sim.FIFO && opts.PreemptOneIn == 0 {
			continue
		}
		schedules := map[string]bool{}
		for opts.Seed = range uint64(10) {
			var order string
			bustle(opts, []string{"a"}, func(_, what string) { order += what })
			schedules[order] = true
		}
		require.Greater(t, len(schedules), 5, "%s hardly heeds the seed", name)
	}
}

// A node less leaves the schedule of the others as it was, under every policy.
func TestNoPolicyRephasesTheOtherNodes(t *testing.T) {
	for name, opts := range policies {
		opts.Seed = 5
		run := func(nodes ...string) map[string]string {
			orders := map[string]string{}
			bustle(opts, nodes, func(node, what string) { orders[node] += what })
			return orders
		}
		all, fewer := run("victim", "a", "b", "c"), run("victim", "a", "c")
		require.NotEmpty(t, all["a"])
		require.Equal(t, all["a"], fewer["a"], name)
		require.Equal(t, all["c"], fewer["c"], name)
	}
}

// A tape, written and read, replays what was recorded under any policy; the
// recording itself changes nothing; an empty tape is FIFO.
func TestATapeReplaysTheRun(t *testing.T) {
	nodes := []string{"a", "b", "c"}
	for name, opts := range policies {
		opts.Seed = 3
		want := bustle(opts, nodes, quiet).Trace()
		opts.Record = &sim.Tape{}
		require.Equal(t, want, bustle(opts, nodes, quiet).Trace(), name)

		text, err := opts.Record.MarshalText()
		require.NoError(t, err)
		tape := &sim.Tape{}
		require.NoError(t, tape.UnmarshalText(text))
		replayed := bustle(sim.Options{Seed: 3, Policy: sim.Replay, Tape: tape}, nodes, quiet)
		require.Equal(t, want, replayed.Trace(), name)
		if name == "fifo" {
			require.Zero(t, tape.Len())
		} else {
			require.NotZero(t, tape.Len(), name)
		}
	}
	fifo := bustle(sim.Options{Seed: 3, Policy: sim.FIFO}, nodes, quiet)
	require.Equal(t, fifo.Trace(), bustle(sim.Options{Seed: 3, Policy: sim.Replay}, nodes, quiet).Trace())
}

// Any tape at all can be replayed: what it says that cannot be is as near to it
// as can be.
func TestAnyTapeReplays(t *testing.T) {
	recorded := sim.Options{Seed: 3, PreemptOneIn: 5, Record: &sim.Tape{}}
	bustle(recorded, []string{"a", "b"}, quiet)
	rapid.Check(t, func(rt *rapid.T) {
		var text string
		for range rapid.IntRange(0, 200).Draw(rt, "choices") {
			text += fmt.Sprintf("%d:%d ", rapid.IntRange(1, 9).Draw(rt, "gap"), rapid.IntRange(1, 5).Draw(rt, "choice"))
		}
		tape := &sim.Tape{}
		require.NoError(rt, tape.UnmarshalText([]byte(text)))
		if rapid.Bool().Draw(rt, "thinned") {
			tape = recorded.Record.Keep(func(i int) bool { return i%3 != 0 })
			require.Less(rt, tape.Len(), recorded.Record.Len())
		}
		opts := sim.Options{Seed: 3, Policy: sim.Replay, Tape: tape}
		require.Equal(rt, bustle(opts, []string{"a", "b"}, quiet).Trace(), bustle(opts, []string{"a", "b"}, quiet).Trace())
	})
}

func TestWhatIsNoTapeIsRefused(t *testing.T) {
	for _, text := range []string{"x", "0", "1:0", "1:", "-1", "1:2:3", "1:99999999999"} {
		require.ErrorContains(t, new(sim.Tape).UnmarshalText([]byte(text)), "is no choice of a tape", text)
	}
}

// interleaving runs two tasks of three steps each, which may be interrupted
// after each, and returns the order of the steps. Another five tasks are there
// to be in the way.
func interleaving(opts sim.Options) string {
	k := sim.NewKernel(opts)
	defer func() { _ = k.Close() }()
	var order string
	k.NewNode("n").Start("main", func(e env.Env) {
		step := func(what string) {
			m := e.NewMutex()
			m.Lock()
			order += what
			m.Unlock()
		}
		run := func(steps ...string) func() {
			return func() {
				for _, s := range steps {
					step(s)
				}
			}
		}
		begun := e.NewSignal()
		for _, fn := range []func(){run("a", "b", "c"), run("x", "y", "z"), run("", "", ""), run("", "", ""), run("", "", ""), run("", "", ""), run("", "", "")} {
			e.Go("task", func() {
				begun.Wait(env.Forever)
				fn()
			})
		}
		e.Sleep(time.Millisecond)
		begun.Set()
	})
	if err := k.Run(); err != nil {
		panic(err)
	}
	return order
}

// handovers counts how often the turn goes to one of the two.
func handovers(order string) int {
	n, last := 0, rune(0)
	for _, step := range order {
		if who := step / 'x'; n == 0 || who != last {
			n, last = n+1, who
		}
	}
	return n
}

// A schedule that takes d orderings is found with that depth, at least as often
// as the theorem says, and never with less.
func TestPCTFindsErrorsUpToItsDepth(t *testing.T) {
	const tasks, points = 8, 60
	count := func(depth int, seeds uint64, want func(string) bool) int {
		n := 0
		for seed := range seeds {
			if want(interleaving(sim.Options{Seed: seed, Policy: sim.PCT, Depth: depth, Points: points})) {
				n++
			}
		}
		return n
	}
	// One task in the middle of the other has a depth of 2, each in the middle of
	// the other one of 3.
	within := func(s string) bool { return handovers(s) == 3 }
	both := func(s string) bool { return handovers(s) == 4 }
	require.Zero(t, count(1, 500, within))
	require.GreaterOrEqual(t, count(2, 2000, within), 2000/(tasks*points))
	require.Zero(t, count(2, 500, both))
	require.GreaterOrEqual(t, count(3, 4000, both), max(1, 4000/(tasks*points*points)))
}
