package scenario_test

import (
	"bytes"
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/faults"
	"github.com/weirlab/weir/scenarios"
	"github.com/weirlab/weir/workloads/scenario"
)

func swarm(t *testing.T, from, to string) *scenario.Scenario {
	t.Helper()
	text, err := scenarios.Files.ReadFile("swarm.yaml")
	require.NoError(t, err)
	require.Contains(t, string(text), from)
	s, err := scenario.Parse("swarm.yaml", bytes.Replace(text, []byte(from), []byte(to), 1))
	require.NoError(t, err)
	return s
}

// Whatever seed a swarm draws, its parts fit together: the explicit plan is a
// file that is read back as it was.
func TestWhatASwarmDrawsFitsTogether(t *testing.T) {
	s := swarm(t, "name: swarm", "name: swarm")
	brokers, kinds := map[int64]bool{}, map[faults.Kind]int{}
	const seeds = 300
	for seed := range scenario.Seed(seeds) {
		s.Seed = seed
		e := s.Resolve()
		require.True(t, e.Explicit(), "seed %s", seed)
		text, err := e.YAML()
		require.NoError(t, err)
		again, err := scenario.Parse("scenario.yaml", text)
		require.NoError(t, err, "seed %s:\n%s", seed, text)
		require.Equal(t, e, again, "seed %s", seed)

		n := e.Cluster.Brokers.Value()
		brokers[n] = true
		require.LessOrEqual(t, e.Cluster.Racks.Value(), n)
		for _, topic := range e.TopicsUnderLoad() {
			require.LessOrEqual(t, topic.ReplicationFactor.Value(), n)
			require.LessOrEqual(t, topic.Configs.Int("min.insync.replicas", 1), topic.ReplicationFactor.Value())
		}
		p := e.Cluster.Properties
		require.LessOrEqual(t, 3*p.Int("broker.heartbeat.interval.ms", 2000), p.Int("broker.session.timeout.ms", 9000))
		require.LessOrEqual(t, p.Int("replica.fetch.wait.max.ms", 500), p.Int("replica.lag.time.max.ms", 30000))
		c := e.Load.Properties
		require.LessOrEqual(t, c.Int("retry.backoff.ms", 100), c.Int("retry.backoff.max.ms", 1000))
		for _, p := range scenario.Of[*scenario.Producers](e.Load) {
			require.GreaterOrEqual(t, p.Properties.Int("delivery.timeout.ms", 120_000), c.Int("request.timeout.ms", 30_000)+p.Properties.Int("linger.ms", 0))
		}
		seen := map[faults.Kind]bool{}
		for _, f := range e.Faults.Plan {
			seen[f.Kind] = true
		}
		for kind := range seen {
			kinds[kind]++
		}
	}
	require.Len(t, brokers, 7)
	for _, kind := range faults.Kinds() {
		switch kind {
		case faults.LyingSync, faults.LostWrite, faults.TornWrite, faults.MisdirectedWrite, faults.BitRot, faults.DiskWiped:
			continue // what they leave may refuse to be read, or needs the plan's judgement
		}
		require.NotZero(t, kinds[kind], "%s is never drawn", kind)
		require.Less(t, kinds[kind], seeds*9/10, "%s is hardly ever absent", kind)
	}
}

// A value drawn where there was none before, a program more, or a topic more
// re-phases nothing else.
func TestOneDrawMoreLeavesTheOthers(t *testing.T) {
	less := swarm(t, "name: swarm", "name: swarm")
	for from, to := range map[string]string{
		"    index.interval.bytes: 0..500 | 4096\n": "    index.interval.bytes: 0..500 | 4096\n      max.message.bytes: 100000 | 1048588\n",
		"  programs:\n": "  programs:\n    - committers: {topic: audit, count: 0 | 5, every: 1s..2s}\n",
		"topics:\n":     "topics:\n  - {name: more, partitions: 0 | 5, replication.factor: 1..3}\n",
		"    pause: 0":  "    pause: 0 | 3 | 0",
	} {
		more := swarm(t, from, to)
		changed := 0
		for seed := range scenario.Seed(50) {
			less.Seed, more.Seed = seed, seed
			a, b := less.Resolve(), more.Resolve()
			changed += differences(a, b)
			for i := range b.Topics {
				delete(b.Topics[i].Configs, "max.message.bytes")
			}
			require.Equal(t, a.Cluster, b.Cluster)
			require.Subset(t, b.Topics, a.Topics)
			require.Subset(t, b.Load.Programs, a.Load.Programs)
			if reflect.DeepEqual(a.Topology(), b.Topology()) { // or a fault may be of the new topic's partitions, or of new coordinators'
				require.Equal(t, without(a.Faults.Plan, faults.Pause), without(b.Faults.Plan, faults.Pause))
			}
		}
		require.NotZero(t, changed, "%q is never drawn", to)
	}
}

func differences(a, b *scenario.Scenario) int {
	one, _ := a.YAML()
	two, _ := b.YAML()
	if bytes.Equal(one, two) {
		return 0
	}
	return 1
}

func without(plan faults.Plan, kind faults.Kind) faults.Plan {
	var rest faults.Plan
	for _, f := range plan {
		if f.Kind != kind {
			rest = append(rest, f)
		}
	}
	return rest
}
