package kafka_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/broker/brokertest"
	"github.com/weirlab/weir/linearizability"
	"github.com/weirlab/weir/workloads"
	"github.com/weirlab/weir/workloads/scenario"
	"github.com/weirlab/weir/workloads/target/kafka"
)

const plan = `name: somebodys
topic: {name: orders, partitions: 2, replication.factor: 1}
cluster: {brokers: 1}
load:
  duration: 1s
  producers: {count: 1, rate: 50, record-size: 50}
  consumers: {count: 1}
  committers: {count: 1, every: 100ms}
faults: {plan: [{kind: crash, at: 100ms, for: 100ms, node: broker-1}]}
`

func explicit(t *testing.T) *scenario.Scenario {
	t.Helper()
	s, err := scenario.Parse("somebodys.yaml", []byte(plan))
	require.NoError(t, err)
	return s.Resolve()
}

func TestAddresses(t *testing.T) {
	for name, want := range map[string][]string{
		"kafka://a:1": {"a:1"}, "kafka://a:1,b:2": {"a:1", "b:2"}, "kafka://a:1/": {"a:1"}, "kafka://": nil, "local": nil,
	} {
		got, ok := kafka.Addresses(name)
		require.Equal(t, want, got, name)
		require.Equal(t, want != nil, ok, name)
	}
}

// Somebody's brokers have defaults of their own: what the judge goes by is set.
func TestAScenarioSaysWhatTheJudgeGoesBy(t *testing.T) {
	c := brokertest.NewCluster(t, 1)
	s := explicit(t)
	s.Cluster.Brokers = scenario.Exactly(3)
	s.Cluster.Properties = scenario.Properties{"unclean.leader.election.enable": "true"}
	prepared, err := kafka.Prepare(s, c.Addrs())
	require.NoError(t, err)
	require.Equal(t, scenario.Properties{"min.insync.replicas": "1", "unclean.leader.election.enable": "true"}, prepared.Topic.Configs)
	require.Equal(t, int64(1), prepared.Cluster.Brokers.Value())
	require.Equal(t, "1", prepared.Cluster.Properties["offsets.topic.replication.factor"])
	require.Empty(t, s.Topic.Configs, "the scenario itself is not changed")
	require.Len(t, s.Cluster.Properties, 1)
	s.Topic.Configs = scenario.Properties{"unclean.leader.election.enable": "false"}
	prepared, err = kafka.Prepare(s, c.Addrs())
	require.NoError(t, err)
	require.Equal(t, "false", prepared.Topic.Configs["unclean.leader.election.enable"])
}

func TestSomebodysClusterIsJudgedByWhatItsClientsSaw(t *testing.T) {
	c := brokertest.NewCluster(t, 1)
	o := workloads.Options{Scenario: explicit(t), Bootstrap: c.Addrs()}
	out, err := workloads.RunKafka(t.Context(), o)
	require.NoError(t, err)
	require.Equal(t, linearizability.Pass, out.Verdict.Status, "%+v", out.Verdict)
	require.Positive(t, out.Acked)
	require.NotEmpty(t, out.Blind)
	require.Len(t, out.Missed, 1, "nothing can be done to it")
	looked := map[string]linearizability.Status{}
	for _, k := range out.Verdict.Checks {
		looked[k.Code] = k.Status
	}
	require.Equal(t, linearizability.Pass, looked["K2"])
	require.Equal(t, linearizability.Skipped, looked["K11"], "nobody reads the replicas")

	// What is there already was written by somebody else.
	_, err = workloads.RunKafka(t.Context(), o)
	require.ErrorContains(t, err, "topic orders exists already")
}

func TestAClusterThatDoesNotAnswerIsNamed(t *testing.T) {
	_, err := workloads.RunKafka(t.Context(), workloads.Options{Scenario: explicit(t), Bootstrap: []string{"127.0.0.1:1"}})
	require.ErrorContains(t, err, "kafka://127.0.0.1:1: no broker answers")
}
