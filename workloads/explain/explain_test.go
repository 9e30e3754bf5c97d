package explain_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/faults"
	"github.com/weirlab/weir/linearizability/story"
	"github.com/weirlab/weir/sim"
	"github.com/weirlab/weir/workloads/explain"
	"github.com/weirlab/weir/workloads/scenario"
)

const plan = `
name: model
seed: 5
cluster: {brokers: 3}
topic: {name: orders, partitions: 1, replication.factor: 3}
load: {duration: 20s, producers: {count: 1, rate: 10, record-size: 100}}
faults:
  plan:
  - {kind: crash, at: 2s, for: 1s, node: broker-1}
  - {kind: pause, at: 4s, for: 1s, node: broker-2}
`

func parse(t *testing.T) *scenario.Scenario {
	s, err := scenario.Parse("model.yaml", []byte(plan))
	require.NoError(t, err)
	return s
}

// model needs the crash; from 5 s on the failure is bound to happen, before that
// half of the draws have it. The pause has nothing to do with it.
func model(_ context.Context, s *scenario.Scenario, f sim.Fork) ([]string, error) {
	if s.Faults.Plan.Count(faults.Crash) == 0 {
		return []string{"another"}, nil
	}
	if f.Seed == 0 || f.At >= 5*time.Second || f.Seed%2 == 0 {
		return []string{"another", "wanted"}, nil
	}
	return nil, nil
}

func TestFromWhenAFailureIsBoundToHappen(t *testing.T) {
	times := []time.Duration{time.Second, 4999 * time.Millisecond, 5 * time.Second, 9 * time.Second}
	var results [][]story.Fork
	for _, workers := range []int{1, 4} {
		done := 0
		forks, parts := explain.Of(context.Background(), parse(t), "wanted", times, model, explain.Options{Workers: workers, Draws: 8, Progress: func(d, of int) {
			require.LessOrEqual(t, d, of)
			done = d
		}})
		require.Equal(t, 2*(1+8)+(4+1)*8, done)
		require.Equal(t, []story.Fork{{At: times[0], Runs: 8, Failed: 4}, {At: times[1], Runs: 8, Failed: 4}, {At: times[2], Runs: 8, Failed: 8}, {At: times[3], Runs: 8, Failed: 8}}, forks)
		require.Equal(t, []story.Contribution{
			{Fault: "crash of broker-1 at 2s for 1s", Other: true, Runs: 8, With: 4},
			{Fault: "pause of broker-2 at 4s for 1s", Same: true, Runs: 8, With: 4, Without: 4},
		}, parts)
		results = append(results, forks)
	}
	require.Equal(t, results[0], results[1], "the number of workers changes nothing")
}

// When the time is up, what was not asked is not made up.
func TestABudgetLeavesTheRestOut(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	runs := 0
	forks, parts := explain.Of(ctx, parse(t), "wanted", []time.Duration{time.Second, 6 * time.Second}, func(c context.Context, s *scenario.Scenario, f sim.Fork) ([]string, error) {
		if runs++; runs == 4 {
			cancel()
			return nil, errors.New("canceled")
		}
		return model(c, s, f)
	}, explain.Options{})
	require.Len(t, parts, 2)
	require.Len(t, forks, 1)
	require.Equal(t, 1, forks[0].Runs)
	require.Zero(t, parts[0].Runs)
}

func TestTimesAreJustBeforeTheSteps(t *testing.T) {
	s := &story.Story{Steps: []story.Step{{At: time.Second}, {At: 3 * time.Second}, {At: 3*time.Second + 1}, {At: 4 * time.Second}}}
	times := explain.Times(s, 2*time.Second)
	require.Equal(t, []time.Duration{2 * time.Second, 2999 * time.Millisecond, 3999 * time.Millisecond}, times)
	require.True(t, slices.IsSorted(times))
}
