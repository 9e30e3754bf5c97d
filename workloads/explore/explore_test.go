package explore_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/linearizability"
	"github.com/weirlab/weir/sim"
	"github.com/weirlab/weir/workloads"
	"github.com/weirlab/weir/workloads/explore"
	"github.com/weirlab/weir/workloads/scenario"
)

const text = `
name: small
seed: 5
cluster: {brokers: 3, properties: {min.insync.replicas: 2, replica.lag.time.max.ms: 1000..9000}}
topics:
  - {name: orders, partitions: 1..4, replication.factor: 3, configs: {min.insync.replicas: 2, flush.messages: 1 | 100}}
load:
  duration: 20s..30s
  properties: {metadata.max.age.ms: 5000 | 10000}
  programs:
    - producers: {topic: orders, count: 1, rate: 20, record-size: 100, properties: {acks: all}}
faults:
  draw: {start: 1s, heal-by: 18s, crash: 1..3, power-loss: 0..2, partition: 0..1, leader-crash: 0..1}
`

func base(t *testing.T) *scenario.Scenario {
	s, err := scenario.Parse("small.yaml", []byte(text))
	require.NoError(t, err)
	return s
}

// Changed plans are valid, explicit, and within the atlas where their ancestors
// are; what was changed is said, and the ancestor stays as it was.
func TestChangedPlansArePlans(t *testing.T) {
	m := &explore.Mutator{Base: base(t)}
	kinds := map[string]int{}
	for seed := range scenario.Seed(60) {
		s := base(t)
		s.Seed = seed
		plan := s.Resolve()
		require.True(t, plan.Faults.Plan.Survivable(plan.Topology()), "what is drawn is within the atlas")
		before, err := plan.YAML()
		require.NoError(t, err)
		for generation := range 5 {
			mutant, what := m.Mutate(plan, env.NewRand(uint64(seed), "test", fmt.Sprint(generation)))
			require.NotNil(t, mutant)
			require.NotEmpty(t, what)
			require.True(t, mutant.Explicit())
			require.True(t, mutant.Faults.Plan.Survivable(mutant.Topology()), what)
			after, err := plan.YAML()
			require.NoError(t, err)
			require.Equal(t, string(before), string(after), "the ancestor is not touched")
			changed, err := mutant.YAML()
			require.NoError(t, err)
			require.NotEqual(t, string(before), string(changed), what)

			again, same := m.Mutate(plan, env.NewRand(uint64(seed), "test", fmt.Sprint(generation)))
			require.Equal(t, what, same)
			require.Equal(t, mutant, again)

			word, _, _ := strings.Cut(what, " ")
			kinds[word]++
			plan, before = mutant, changed
		}
	}
	for _, word := range []string{"moved", "added", "left", "run", "cluster.properties.replica.lag.time.max.ms", "topics.orders.flush.messages", "load.properties.metadata.max.age.ms"} {
		require.Positive(t, kinds[word], "%v", kinds)
	}
}

func TestAPlanThatTheAtlasForbidsIsToldApart(t *testing.T) {
	s, err := scenario.Parse("two.yaml", []byte(strings.Replace(text, "draw: {start: 1s, heal-by: 18s, crash: 1..3, power-loss: 0..2, partition: 0..1, leader-crash: 0..1}",
		"plan: [{kind: power-loss, at: 2s, for: 1s, node: broker-1}, {kind: power-loss, at: 2s, for: 1s, node: broker-2}]", 1)))
	require.NoError(t, err)
	plan := s.Faults.Plan
	require.False(t, plan.Survivable(s.Topology()))
	require.True(t, plan[:1].Survivable(s.Topology()))
	weak := s.Topology()
	weak.MinISR = 1
	require.False(t, plan[:1].Survivable(weak))
}

// search runs a search over a world in which a plan reaches the states of its
// faults' seconds, and of its seed's last digit.
func search(t *testing.T, workers, percent int, ctx context.Context) (*explore.Summary, []string) {
	var log []string
	var ran atomic.Int64
	s, err := explore.Search(ctx, explore.Options{
		Base: base(t), Runs: 100, Percent: percent, Workers: workers,
		Run: func(_ context.Context, plan *scenario.Scenario) ([]explore.State, any, error) {
			ran.Add(1)
			states := []explore.State{{Kind: "seed", State: fmt.Sprint(plan.Seed % 4)}}
			for _, f := range plan.Faults.Plan {
				states = append(states, explore.State{Kind: "fault", State: string(f.Kind), Detail: fmt.Sprint(int(f.At / (100 * time.Millisecond)))})
			}
			return states, int(plan.Seed), nil
		},
		Done: func(r *explore.Run) {
			log = append(log, fmt.Sprintf("%d of %d %q %v %v", r.Number, r.Of, r.Change, r.Fresh, r.Result))
		},
	})
	require.NoError(t, err)
	require.EqualValues(t, ran.Load(), 100)
	return s, log
}

func TestASearchDoesNotDependOnHowManyRunAtATime(t *testing.T) {
	one, first := search(t, 1, 50, context.Background())
	many, second := search(t, 7, 50, context.Background())
	require.Equal(t, first, second)
	require.Equal(t, one.Text(), many.Text())
	require.Equal(t, 100, one.Runs[0]+one.Runs[1])
	require.Greater(t, one.Runs[1], 20)
	require.Positive(t, one.Fresh[1], "changed plans were somewhere new")
	require.Positive(t, one.Kept)
	require.Equal(t, len(one.States()), one.Fresh[0]+one.Fresh[1])
}

func TestWithoutAShareEveryPlanIsDrawn(t *testing.T) {
	s, log := search(t, 2, 0, context.Background())
	require.Zero(t, s.Runs[1])
	require.Contains(t, log[99], "104", "seed 5 and the 99 after it")
}

func TestASearchEndsWithItsContextAndWithItsTrouble(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	done := 0
	o := explore.Options{Base: base(t), Runs: 100, Percent: 30, Workers: 1,
		Run: func(context.Context, *scenario.Scenario) ([]explore.State, any, error) {
			if done++; done == 20 {
				cancel()
			}
			return nil, nil, nil
		},
		Done: func(*explore.Run) {}}
	s, err := explore.Search(ctx, o)
	require.NoError(t, err)
	require.True(t, s.Stopped)
	require.Less(t, s.Runs[0]+s.Runs[1], 20)

	o.Run = func(context.Context, *scenario.Scenario) ([]explore.State, any, error) {
		return nil, nil, errors.New("broken")
	}
	_, err = explore.Search(context.Background(), o)
	require.ErrorContains(t, err, "broken")
}

func TestStatesOfARunAndWhatIsNeverReached(t *testing.T) {
	o := &workloads.Outcome{
		States: []sim.State{{Kind: "answer", State: "Produce", Detail: "NONE", Times: 9}, {Kind: "replica leader", State: "isr", Times: 1}},
		Points: []sim.Point{{Name: "storage/roll-early", Asked: 9, Fired: 2}, {Name: "storage/flush-now", Asked: 9}},
		Faults: []linearizability.Fault{
			{Kind: "crash", Start: 1, End: 5}, {Kind: "partition", Start: 4, End: 9, Effect: "12 packets dropped"}, {Kind: "pause", Start: 20, End: 30}},
	}
	o.Verdict.Checks = []linearizability.Check{{Code: "K1", Inputs: 3}, {Code: "K2"}}
	var names []string
	for _, s := range explore.Of(o) {
		names = append(names, s.String())
	}
	require.Equal(t, []string{"answer: Produce, NONE", "checked: K1", "fault: crash, no effect seen", "fault: partition, # packets dropped",
		"fault: pause, no effect seen", "faults: crash, partition", "rare: storage/roll-early", "replica leader: isr"}, names)

	var m explore.Map
	require.Len(t, m.Add("run 0", explore.Of(o)), 8)
	require.Empty(t, m.Add("run 1", explore.Of(o)))
	require.Equal(t, explore.Seen{Runs: 2, First: "run 0"}, m.Seen(explore.State{Kind: "checked", State: "K1"}))
	require.Contains(t, m.Text(), "     2  checked: K1  (first by run 0)\n")

	known := explore.Known()
	never := explore.Never(m.Names())
	require.Len(t, never, len(known)-5, "a point, an output of replicas, and three kinds of faults")
	require.NotContains(t, never, explore.State{Kind: "replica", State: "isr"})
	require.Contains(t, never, explore.State{Kind: "rare", State: "storage/flush-now"})
	require.Contains(t, strings.Join(explore.Told([]string{"guard: eligible, leader"}), "\n"), "guard: batch-epoch, broker-epoch, divergence-first")
	require.NotContains(t, strings.Join(explore.Told([]string{"guard: eligible, leader"}), "\n"), " eligible,")
}
