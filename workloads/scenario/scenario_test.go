package scenario_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/faults"
	"github.com/weirlab/weir/scenarios"
	"github.com/weirlab/weir/workloads/scenario"
)

// TestMistakes holds the sentences that people get for mistakes in a file.
func TestMistakes(t *testing.T) {
	base, err := scenarios.Files.ReadFile(scenarios.Default)
	require.NoError(t, err)
	datadriven.RunTest(t, "testdata/mistakes", func(t *testing.T, d *datadriven.TestData) string {
		text := string(base)
		switch d.Cmd {
		case "replace":
			from, to, ok := strings.Cut(d.Input, "\n=>\n")
			require.True(t, ok, "%s: replace needs a line =>", d.Pos)
			require.Contains(t, text, from, "%s", d.Pos)
			text = strings.Replace(text, from, to, 1)
		case "file":
			text = d.Input
		}
		_, err := scenario.Parse("quickstart.yaml", []byte(text))
		if err == nil {
			return "accepted\n"
		}
		return err.Error() + "\n"
	})
}

func TestEveryScenarioFileParses(t *testing.T) {
	names, err := filepath.Glob("../../scenarios/*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, names)
	for _, name := range names {
		s, err := scenario.ReadFile(name)
		require.NoError(t, err)
		require.Equal(t, strings.TrimSuffix(filepath.Base(name), ".yaml"), s.Name, "the name of a scenario is that of its file")
	}
}

// An explicit scenario, written and read again, is the same scenario; drawing
// from it changes nothing.
func TestResolvedScenarioIsExplicitAndSurvivesWriting(t *testing.T) {
	for seed := range scenario.Seed(200) {
		s := quickstart(t)
		s.Seed = seed
		require.False(t, s.Explicit())
		explicit := s.Resolve()
		require.True(t, explicit.Explicit())

		text, err := explicit.YAML()
		require.NoError(t, err)
		again, err := scenario.Parse("scenario.yaml", text)
		require.NoError(t, err, "seed %s:\n%s", seed, text)
		require.Equal(t, explicit, again)
	}
}

// With many topics and programs everything is drawn too, each value from a
// stream of its own, and the file says which is whose.
func TestListsOfTopicsAndProgramsAreDrawn(t *testing.T) {
	s, err := scenario.Parse("many.yaml", []byte(`
name: many
seed: 1
cluster: {brokers: 3}
topics:
  - {name: orders, partitions: 1..1000, replication.factor: 3, configs: {min.insync.replicas: 2, flush.messages: 1 | 300}}
  - {name: audit, partitions: 1..1000, replication.factor: 2}
load:
  duration: 10s
  programs:
    - producers: {topic: orders, count: 2, rate: 1..100000, record-size: 100, properties: {acks: all | 1}}
    - producers: {topic: audit, count: 3, rate: 1..100000, record-size: 16..5000}
    - consumers: {topic: audit, count: 1, group: readers, properties: {max.poll.records: 1 | 500}}
    - committers: {topic: orders, count: 4, every: 1ms..10s}
`))
	require.NoError(t, err)
	require.False(t, s.Explicit())
	before, err := s.YAML()
	require.NoError(t, err)
	explicit := s.Resolve()
	require.True(t, explicit.Explicit())
	text, err := explicit.YAML()
	require.NoError(t, err)
	again, err := scenario.Parse("scenario.yaml", text)
	require.NoError(t, err, "%s", text)
	require.Equal(t, explicit, again)
	after, err := s.YAML()
	require.NoError(t, err)
	require.Equal(t, string(before), string(after), "drawing changes nothing of what it is drawn from")

	topics := explicit.TopicsUnderLoad()
	require.NotEqual(t, topics[0].Partitions, topics[1].Partitions)
	producers := scenario.Of[*scenario.Producers](explicit.Load)
	require.NotEqual(t, producers[0].Rate, producers[1].Rate)
	require.Equal(t, 5, scenario.Count[*scenario.Producers](explicit.Load))
	require.Equal(t, 2, explicit.MinISR(topics[0]))
	require.Equal(t, 1, explicit.MinISR(topics[1]))
	topology := explicit.Topology()
	require.Equal(t, 1, topology.MinISR)
	require.Len(t, topology.Partitions, int(topics[0].Partitions.Value()+topics[1].Partitions.Value()))
	require.Contains(t, topology.Partitions, "audit-0")
}

func TestQuickstartAlwaysHasItsThreeFaults(t *testing.T) {
	seen := map[faults.Kind]bool{}
	for seed := range scenario.Seed(500) {
		s := quickstart(t)
		s.Seed = seed
		plan := s.Resolve().Faults.Plan
		leaderCrash := false
		for _, f := range plan {
			seen[f.Kind] = true
			role, _ := f.Node.Parse()
			leaderCrash = leaderCrash || f.Kind == faults.Crash && role == faults.Leader
		}
		require.True(t, leaderCrash, "seed %s has no leader crash", seed)
		require.NotZero(t, plan.Count(faults.PowerLoss), "seed %s has no power loss", seed)
		require.NotZero(t, plan.Count(faults.Partition), "seed %s has no partition", seed)
	}
	require.Len(t, seen, 7, "kinds drawn: %v", seen)
}

// Every alternative of a setting is drawn by some seed, each is checked as if
// it stood alone, and what is explicit has none left.
func TestSeedsChooseAmongAlternatives(t *testing.T) {
	text, err := scenarios.Files.ReadFile("harsh.yaml")
	require.NoError(t, err)
	s, err := scenario.Parse("harsh.yaml", text)
	require.NoError(t, err)
	drawn := map[string]bool{}
	for seed := range scenario.Seed(100) {
		s.Seed = seed
		explicit := s.Resolve()
		require.True(t, explicit.Explicit())
		drawn[explicit.Load.Producers.Properties["acks"]] = true
		drawn[explicit.Topic.Configs["unclean.leader.election.enable"]] = true
		drawn[explicit.Topic.Configs["flush.messages"]] = true
		drawn[explicit.Cluster.Properties["replica.fetch.max.bytes"]] = true
		require.NotZero(t, explicit.Faults.Plan.Count(faults.PowerLoss), "seed %s", seed)
	}
	for _, value := range []string{"all", "1", "true", "false", "9223372036854775807", "300", "20000", "1048576"} {
		require.True(t, drawn[value], "%s is never drawn", value)
	}
	_, err = scenario.Parse("harsh.yaml", bytes.Replace(text, []byte("acks: all | 1"), []byte("acks: all | 7"), 1))
	require.ErrorContains(t, err, `"7" is not one of`)
}

func quickstart(t *testing.T) *scenario.Scenario {
	t.Helper()
	text, err := scenarios.Files.ReadFile(scenarios.Default)
	require.NoError(t, err)
	s, err := scenario.Parse(scenarios.Default, text)
	require.NoError(t, err)
	return s
}

func TestReadFileNamesTheFileThatIsMissing(t *testing.T) {
	_, err := scenario.ReadFile(filepath.Join(t.TempDir(), "nowhere.yaml"))
	require.ErrorIs(t, err, os.ErrNotExist)
	require.ErrorContains(t, err, "nowhere.yaml")
}
