package faults_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/weirlab/weir/faults"
	"github.com/weirlab/weir/faults/drawn"
)

// A trigger is read back as it was written.
func TestTriggersAsText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := faults.Trigger{
			Event: rapid.SampledFrom(faults.Events()).Draw(t, "event"),
			Of:    rapid.SampledFrom([]string{"orders-0", "controller", "broker-2", "a.b_c-12"}).Draw(t, "of"),
			Delay: time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "delay")),
		}
		text, err := want.MarshalText()
		require.NoError(t, err)
		var got faults.Trigger
		require.NoError(t, got.UnmarshalText(text))
		require.Equal(t, want, got)
		require.True(t, got.Met(faults.Occurrence{Event: want.Event, Of: want.Of, Broker: 1}))
		require.False(t, got.Met(faults.Occurrence{Event: want.Event, Of: want.Of + "0", Broker: 1}))
	})
	var on faults.Trigger
	require.NoError(t, on.UnmarshalText(nil))
	require.True(t, on.IsZero())
	for text, want := range map[string]string{
		"orders-0":                   "is not an event; write one such as",
		"storm of orders-0":          "the events are election, isr-expansion",
		"election of orders-0 +soon": `"+soon" is no delay`,
		"election of orders-0 +-3ms": "is no delay",
	} {
		require.ErrorContains(t, on.UnmarshalText([]byte(text)), want)
	}
}

// Of a plan drawn with triggers about so many faults wait for events as were
// asked for, every event comes up, and the plan keeps the atlas; the draws of
// all other faults stay what they are.
func TestSomeFaultsAreTriggered(t *testing.T) {
	plain, d := everything(), everything()
	for _, whole := range []string{"cascade", "late-return"} { // find another place as a whole
		delete(plain.Counts, whole)
		delete(d.Counts, whole)
	}
	d.Triggered = drawn.Exactly(40)
	require.NoError(t, d.Validate(cluster))
	waiting, all, its := 0, 0, 0
	seen := map[faults.Event]bool{}
	for seed := range uint64(1000) {
		before := faults.Generate(seed, plain, cluster)
		for _, f := range faults.Generate(seed, d, cluster) {
			require.NoError(t, f.Validate(cluster), "seed %d: %s", seed, f)
			require.GreaterOrEqual(t, f.At, d.Start, "seed %d: %s", seed, f)
			all++
			if f.After.IsZero() {
				if f.Kind == faults.ClockJump || f.Kind == faults.MessageDelay { // which go anywhere
					require.Contains(t, before, f, "seed %d", seed)
				}
				continue
			}
			waiting++
			seen[f.After.Event] = true
			require.LessOrEqual(t, f.After.Delay, 100*time.Millisecond)
			if f.Node == faults.It {
				its++
			}
		}
	}
	require.Len(t, seen, len(faults.Events()))
	require.InDelta(t, 0.4, float64(waiting)/float64(all), 0.1)
	require.Greater(t, its, waiting/8)

	d.Triggered = drawn.Number{Min: 0, Max: 101}
	require.ErrorContains(t, d.Validate(cluster), "triggered: 101 is not a percentage")
}

// Of a plan drawn with coordinators about so many drawings that are about a
// partition are about theirs; without, none is.
func TestSomeFaultsAreAboutCoordinators(t *testing.T) {
	with, d := cluster, everything()
	with.Coordinators = []string{"__consumer_offsets-0", "__transaction_state-1"}
	about := func(d faults.Draw) (theirs, all int) {
		for seed := range uint64(300) {
			for _, f := range faults.Generate(seed, d, with) {
				require.NoError(t, f.Validate(with), "seed %d: %s", seed, f)
				role, name := f.Node.Parse()
				if role != faults.Leader && role != faults.Follower {
					continue
				}
				if all++; strings.HasPrefix(name, "__") {
					theirs++
				}
			}
		}
		return theirs, all
	}
	theirs, _ := about(d)
	require.Zero(t, theirs)
	d.Coordinators = drawn.Exactly(40)
	require.NoError(t, d.Validate(with))
	theirs, all := about(d)
	require.InDelta(t, 0.4, float64(theirs)/float64(all), 0.1)

	d.Coordinators = drawn.Number{Min: 0, Max: 101}
	require.ErrorContains(t, d.Validate(with), "coordinators: 101 is not a percentage")
}
