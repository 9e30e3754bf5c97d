package shrink_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/faults"
	"github.com/weirlab/weir/workloads/scenario"
	"github.com/weirlab/weir/workloads/shrink"
)

const large = `
name: large
question: What is left?
seed: 0x11
cluster:
  brokers: 5
  storage: gp2
  properties: {min.insync.replicas: 2, broker.session.timeout.ms: 4000, replica.lag.time.max.ms: 2000, replica.fetch.max.bytes: 300}
topic: {name: orders, partitions: 6, replication.factor: 3, configs: {unclean.leader.election.enable: true, segment.bytes: 1048576}}
load:
  duration: 36.445s
  properties: {request.timeout.ms: 5000}
  producers: {count: 6, rate: 216, record-size: 755, properties: {acks: 1, linger.ms: 5}}
  consumers: {count: 4}
  committers: {count: 4, every: 563ms}
faults:
  plan:
  - {kind: full-disk, at: 3.073s, for: 3.335s, node: follower of orders-1}
  - {kind: crash, at: 4.422s, for: 1.672s, node: follower of orders-0}
  - {kind: power-loss, at: 5.28s, for: 1.662s, node: broker-5}
  - {kind: power-loss, at: 5.28s, for: 1.705s, node: broker-1}
  - {kind: partition, at: 10.579s, for: 9.282s, between: [broker-1], and: [broker-2, broker-5], one-way: true}
  - {kind: disk-error, at: 13.294s, for: 1.146s, node: follower of orders-1}
  - {kind: power-loss, at: 13.463s, for: 3.392s, node: broker-3}
  - {kind: crash, at: 15.318s, for: 2.119s, node: leader of orders-5, after: election of orders-5 +12.5ms}
  - {kind: crash, at: 26.816s, for: 2.94s, node: leader of orders-2}
recovery: 1m0s
`

func parse(t require.TestingT, text string) *scenario.Scenario {
	s, err := scenario.Parse("test.yaml", []byte(text))
	require.NoError(t, err)
	return s
}

func yaml(t require.TestingT, s *scenario.Scenario) string {
	text, err := s.YAML()
	require.NoError(t, err)
	return string(text)
}

// bug fails if the second crash comes after a power loss, producers do not ask
// for all acks and the topic allows unclean elections.
func bug(_ context.Context, s *scenario.Scenario) ([]string, error) {
	lossAt := time.Duration(-1)
	for _, f := range s.Faults.Plan {
		switch {
		case f.Kind == faults.PowerLoss && lossAt < 0:
			lossAt = f.At
		case f.Kind == faults.Crash && lossAt >= 0 && f.At > lossAt+time.Second && f.For >= 200*time.Millisecond &&
			s.Load.Producers.Properties.Text("acks", "all") == "1" && s.Topic.Configs.Bool("unclean.leader.election.enable", false):
			return []string{"K12: something else", "K2: lost"}, nil
		}
	}
	return []string{"K12: something else"}, nil
}

func TestThePlanBecomesSmall(t *testing.T) {
	var results []string
	for _, workers := range []int{1, 3, 8} {
		var better []string
		r, err := shrink.Shrink(context.Background(), parse(t, large), "K2: lost", bug, shrink.Options{Workers: workers, Better: func(s *scenario.Scenario, p shrink.Progress) {
			found, _ := bug(context.Background(), s)
			require.Contains(t, found, "K2: lost")
			better = append(better, fmt.Sprint(p)+yaml(t, s))
		}})
		require.NoError(t, err)
		require.True(t, r.Whole)
		require.Len(t, better, r.Kept)
		results = append(results, yaml(t, r.Plan)+fmt.Sprint(r.Tried, r.Kept, better))
		require.True(t, r.Plan.Explicit())
	}
	require.Equal(t, results[0], results[1], "the number of workers does not change what is found")
	require.Equal(t, results[0], results[2])

	text, _, _ := strings.Cut(results[0], "recovery")
	require.Equal(t, `name: large
question: What is left?
seed: '0x11'
cluster:
  brokers: 1
  storage: gp3
topic:
  name: orders
  partitions: 1
  replication.factor: 1
  configs:
    unclean.leader.election.enable: 'true'
load:
  duration: 2s
  producers:
    count: 1
    rate: 1
    record-size: 20
    properties:
      acks: '1'
faults:
  plan:
  - kind: power-loss
    at: 0s
    for: 100ms
    node: broker-1
  - kind: crash
    at: 1.8s
    for: 200ms
    node: leader of orders-0
simulation:
  schedule: fifo
`, text)
}

func TestWhatIsSmallStaysAsItIs(t *testing.T) {
	first, err := shrink.Shrink(context.Background(), parse(t, large), "K2: lost", bug, shrink.Options{Workers: 2})
	require.NoError(t, err)
	again, err := shrink.Shrink(context.Background(), first.Plan, "K2: lost", bug, shrink.Options{Workers: 2})
	require.NoError(t, err)
	require.Zero(t, again.Kept)
	require.Equal(t, yaml(t, first.Plan), yaml(t, again.Plan))
}

func TestAPlanThatPassesIsRefused(t *testing.T) {
	_, err := shrink.Shrink(context.Background(), parse(t, large), "K1: never", bug, shrink.Options{})
	require.ErrorIs(t, err, shrink.ErrPasses)
	broken := errors.New("broken")
	_, err = shrink.Shrink(context.Background(), parse(t, large), "K2: lost", func(context.Context, *scenario.Scenario) ([]string, error) { return nil, broken }, shrink.Options{})
	require.ErrorIs(t, err, broken)
}

// A search that is cut short keeps what it has, and one that goes on from there
// comes as far.
func TestASearchCanBeCutShort(t *testing.T) {
	whole, err := shrink.Shrink(context.Background(), parse(t, large), "K2: lost", bug, shrink.Options{})
	require.NoError(t, err)
	for _, tries := range []int{1, 2, 5, 20} {
		var runs atomic.Int64
		r, err := shrink.Shrink(context.Background(), parse(t, large), "K2: lost", func(ctx context.Context, s *scenario.Scenario) ([]string, error) {
			runs.Add(1)
			return bug(ctx, s)
		}, shrink.Options{Tries: tries, Workers: 3})
		require.NoError(t, err)
		require.False(t, r.Whole)
		require.LessOrEqual(t, r.Tried, tries)
		found, _ := bug(context.Background(), r.Plan)
		require.Contains(t, found, "K2: lost")
	}
	ctx, cancel := context.WithCancel(context.Background())
	var mu sync.Mutex
	runs := 0
	r, err := shrink.Shrink(ctx, parse(t, large), "K2: lost", func(ctx context.Context, s *scenario.Scenario) ([]string, error) {
		mu.Lock()
		defer mu.Unlock()
		if runs++; runs == 10 {
			cancel()
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return bug(ctx, s)
	}, shrink.Options{})
	require.NoError(t, err)
	require.False(t, r.Whole)
	require.Positive(t, r.Kept)
	rest, err := shrink.Shrink(context.Background(), r.Plan, "K2: lost", bug, shrink.Options{})
	require.NoError(t, err)
	require.Len(t, rest.Plan.Faults.Plan, len(whole.Plan.Faults.Plan))
	require.LessOrEqual(t, len(yaml(t, rest.Plan)), len(yaml(t, whole.Plan))+20)
}

// Whatever a failure needs, what is left has all of it, and no fault besides.
func TestNothingThatIsNeededIsLeftOut(t *testing.T) {
	plan := parse(t, large)
	for seed := range uint64(8) {
		r := env.NewRand(seed, "needs", "")
		needed := map[faults.Kind]int{}
		for _, k := range []faults.Kind{faults.Crash, faults.PowerLoss, faults.FullDisk, faults.DiskError, faults.Partition} {
			needed[k] = r.Intn(plan.Faults.Plan.Count(k) + 1)
		}
		clients, brokers := 1+r.Intn(14), 3+r.Intn(3)
		run := func(_ context.Context, s *scenario.Scenario) ([]string, error) {
			for k, n := range needed {
				if s.Faults.Plan.Count(k) < n {
					return nil, nil
				}
			}
			all := 0
			for _, c := range s.Load.Clients() {
				all += c.Clients()
			}
			if all < clients || len(s.BrokerNames()) < brokers {
				return nil, nil
			}
			return []string{"failed"}, nil
		}
		result, err := shrink.Shrink(context.Background(), plan, "failed", run, shrink.Options{Workers: 2})
		require.NoError(t, err)
		for _, k := range faults.Kinds() {
			require.Equal(t, needed[k], result.Plan.Faults.Plan.Count(k), k)
		}
		require.Len(t, result.Plan.BrokerNames(), brokers)
	}
}
