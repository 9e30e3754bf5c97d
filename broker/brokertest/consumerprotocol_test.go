package brokertest_test

import (
	"bufio"
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/weirlab/weir/broker/brokertest"
	"github.com/weirlab/weir/broker/brokertest/apachekafka"
)

// TestConsumerProtocolOfTheJavaClient has consumers with group.protocol=consumer share
// a topic, by name and by pattern, dynamic and static, while the coordinator is killed.
// Kafka's own tool then reads what the coordinators have written.
func TestConsumerProtocolOfTheJavaClient(t *testing.T) {
	kafka := apachekafka.ForTest(t)
	c := brokertest.NewCluster(t, 3, brokertest.Set("group.consumer.heartbeat.interval.ms", "500"), brokertest.Set("group.consumer.assignment.interval.ms", "100"))
	cmd := kafka.Command(filepath.Join("testdata", "ConsumerProtocol.java"), strings.Join(c.Addrs(), ","))
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	var said []string
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if said = append(said, lines.Text()); lines.Text() == "kill" {
			id := c.Coordinator("next")
			c.Kill(id)
			c.Expire(id)
			c.Start(id)
		}
	}
	require.NoError(t, cmd.Wait(), strings.Join(said, "\n"))
	require.Contains(t, said, "done")

	files, err := filepath.Glob(filepath.Join(c.Dir(1), "__consumer_offsets-*", "*.log"))
	require.NoError(t, err)
	text, err := kafka.Command("org.apache.kafka.tools.DumpLogSegments", "--offsets-decoder", "--files", strings.Join(files, ",")).Output()
	require.NoError(t, err)
	for _, read := range []string{`"groupId":"next"`, `"serverAssignor":"range"`, `"subscribedTopicRegex":"orders|none.*"`, `"instanceId":"static-b"`,
		`"assignmentEpochs":[`, `"assignmentTimestamp"`, `"partitionsPendingRevocation"`, `"regularExpression":"orders|none.*"`} {
		require.Contains(t, string(text), read)
	}
}

// Members of franz-go's under the consumer protocol read each record, while the
// coordinator fails and one of them comes and goes.
func TestConsumerProtocolOfFranzGo(t *testing.T) {
	c := brokertest.NewCluster(t, 3, brokertest.Set("group.consumer.heartbeat.interval.ms", "100"), brokertest.Set("group.consumer.assignment.interval.ms", "20"))
	c.CreateTopic("orders", 4)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	producer, err := kgo.NewClient(kgo.SeedBrokers(c.Addrs()...), kgo.DefaultProduceTopic("orders"), kgo.RecordPartitioner(kgo.RoundRobinPartitioner()))
	require.NoError(t, err)
	defer producer.Close()
	type member struct {
		*kgo.Client
		owns map[int32]bool
	}
	join := func() *member {
		m := &member{owns: map[int32]bool{}}
		m.Client, err = kgo.NewClient(kgo.SeedBrokers(c.Addrs()...), kgo.ConsumerGroup("kgo"), kgo.ConsumeTopics("orders"), kgo.BlockRebalanceOnPoll(),
			kgo.ServerSideBalancer(), kgo.Balancers(kgo.RangeBalancer()), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
			kgo.OnPartitionsAssigned(func(_ context.Context, _ *kgo.Client, parts map[string][]int32) {
				for _, p := range parts["orders"] {
					m.owns[p] = true
				}
			}),
			kgo.OnPartitionsRevoked(func(_ context.Context, _ *kgo.Client, parts map[string][]int32) {
				for _, p := range parts["orders"] {
					delete(m.owns, p)
				}
			}))
		require.NoError(t, err)
		return m
	}
	seen := map[string]bool{}
	poll := func(m *member) (owns int) {
		within, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
		defer cancel()
		m.PollFetches(within).EachRecord(func(r *kgo.Record) { seen[string(r.Value)] = true })
		owns = len(m.owns)
		m.AllowRebalance()
		return owns
	}
	a := join()
	defer a.Close()
	require.Eventually(t, func() bool { return poll(a) == 4 }, 30*time.Second, time.Millisecond)
	b := join()
	require.Eventually(t, func() bool { x, y := poll(a), poll(b); return x == 2 && y == 2 }, 30*time.Second, time.Millisecond)
	id := c.Coordinator("kgo")
	c.Kill(id)
	c.Expire(id)
	c.Start(id)
	const records = 200
	for i := range records {
		require.NoError(t, producer.ProduceSync(ctx, kgo.StringRecord(fmt.Sprint(i))).FirstErr())
	}
	require.Eventually(t, func() bool { poll(a); poll(b); return len(seen) == records }, 30*time.Second, time.Millisecond)
	b.Close()
	require.Eventually(t, func() bool { return poll(a) == 4 }, 30*time.Second, time.Millisecond)
}
