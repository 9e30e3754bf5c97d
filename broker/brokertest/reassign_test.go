package brokertest_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/weirlab/weir/broker/brokertest"
	"github.com/weirlab/weir/broker/brokertest/apachekafka"
)

// Kafka's own tools move a partition, see to its end, cancel another move, give
// the leader back to the preferred replica and find the logs where they belong.
func TestReassignmentByTheToolsOfKafka(t *testing.T) {
	kafka := apachekafka.ForTest(t)
	c := brokertest.NewCluster(t, 3)
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.Addrs()...), kgo.DefaultProduceTopic("t"))
	require.NoError(t, err)
	defer cl.Close()
	_, err = kadm.NewClient(cl).CreateTopic(ctx, 1, 2, nil, "t")
	require.NoError(t, err)
	for i := range 10 {
		require.NoError(t, cl.ProduceSync(ctx, kgo.StringRecord(fmt.Sprint(i))).FirstErr())
	}
	tool := func(class string, args ...string) string {
		t.Helper()
		out, err := kafka.CommandContext(ctx, class, append([]string{"--bootstrap-server", strings.Join(c.Addrs(), ",")}, args...)...).CombinedOutput()
		require.NoError(t, err, string(out))
		return string(out)
	}
	const reassign, elect, dirs = "org.apache.kafka.tools.reassign.ReassignPartitionsCommand", "org.apache.kafka.tools.LeaderElectionCommand", "org.apache.kafka.tools.LogDirsCommand"
	plan := filepath.Join(t.TempDir(), "plan.json")
	write := func(replicas string) {
		require.NoError(t, os.WriteFile(plan, []byte(`{"version":1,"partitions":[{"topic":"t","partition":0,"replicas":[`+replicas+`]}]}`), 0o600))
	}

	from := c.Partition("t", 0)
	free := 6 - from.Replicas[0] - from.Replicas[1]
	write(fmt.Sprintf("%d,%d", free, from.Replicas[1]))
	started := tool(reassign, "--reassignment-json-file", plan, "--execute", "--throttle", "5000000")
	require.Contains(t, started, "The inter-broker throttle limit was set to 5000000 B/s")
	require.Contains(t, started, "Successfully started partition reassignment for t-0")
	adm := kadm.NewClient(cl)
	require.Equal(t, map[string]string{
		"leader.replication.throttled.replicas":   fmt.Sprintf("0:%d,0:%d", min(from.Replicas[0], from.Replicas[1]), max(from.Replicas[0], from.Replicas[1])),
		"follower.replication.throttled.replicas": fmt.Sprintf("0:%d", free),
		"leader.replication.throttled.rate":       "5000000",
		"follower.replication.throttled.rate":     "5000000",
	}, throttles(ctx, t, adm, free))
	for !strings.Contains(tool(reassign, "--reassignment-json-file", plan, "--verify"), "Reassignment of partition t-0 is completed.") {
	}
	require.Empty(t, throttles(ctx, t, adm, free), "the tool that has seen to its end takes the throttle away")
	require.Equal(t, []int32{free, from.Replicas[1]}, c.Partition("t", 0).Replicas)
	tool(elect, "--election-type", "preferred", "--topic", "t", "--partition", "0")
	require.Equal(t, free, c.Partition("t", 0).Leader)
	logs := tool(dirs, "--describe", "--topic-list", "t")
	for _, id := range []int32{1, 2, 3} {
		_, of, _ := strings.Cut(logs, fmt.Sprintf(`{"broker":%d,`, id))
		of, _, _ = strings.Cut(of, `{"broker":`)
		require.Equal(t, id != from.Replicas[0], strings.Contains(of, `"t-0"`), "broker %d: %s", id, of)
	}

	c.Kill(from.Replicas[0])
	c.Expire(from.Replicas[0])
	// The tool moves nothing to a broker that is away.
	var req kadm.AlterPartitionAssignmentsReq
	req.Assign("t", 0, []int32{free, from.Replicas[0]})
	moved, err := kadm.NewClient(cl).AlterPartitionAssignments(ctx, req)
	require.NoError(t, err)
	require.NoError(t, moved.Error())
	require.Contains(t, tool(reassign, "--list"), fmt.Sprintf("t-0: replicas: %d,%d,%d. adding: %d. removing: %d.", free, from.Replicas[0], from.Replicas[1], from.Replicas[0], from.Replicas[1]))
	require.Contains(t, tool(reassign, "--reassignment-json-file", plan, "--cancel", "--preserve-throttles"), "Successfully cancelled partition reassignment for: t-0")
	require.Equal(t, []int32{free, from.Replicas[1]}, c.Partition("t", 0).Replicas)
	require.NoError(t, cl.ProduceSync(ctx, kgo.StringRecord("10")).FirstErr())
}

// throttles are the settings of topic t and of a broker that throttle replication,
// by name.
func throttles(ctx context.Context, t *testing.T, adm *kadm.Client, broker int32) map[string]string {
	t.Helper()
	of, err := adm.DescribeTopicConfigs(ctx, "t")
	require.NoError(t, err)
	brokers, err := adm.DescribeBrokerConfigs(ctx, broker)
	require.NoError(t, err)
	set := map[string]string{}
	for _, resource := range append(of, brokers...) {
		require.NoError(t, resource.Err)
		for _, c := range resource.Configs {
			if strings.Contains(c.Key, "throttled") && c.MaybeValue() != "" {
				set[c.Key] = c.MaybeValue()
			}
		}
	}
	return set
}
