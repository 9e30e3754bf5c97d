package brokertest_test

import (
	"bufio"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/weirlab/weir/broker/brokertest"
	"github.com/weirlab/weir/broker/brokertest/apachekafka"
)

// Kafka's tool that compares replicas reads from each of them, leader or not, without
// asking for versions before.
func TestReplicaVerificationToolOfKafka(t *testing.T) {
	kafka := apachekafka.ForTest(t)
	c := brokertest.NewCluster(t, 3)
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.Addrs()...), kgo.DefaultProduceTopic("t"))
	require.NoError(t, err)
	defer cl.Close()
	_, err = kadm.NewClient(cl).CreateTopic(ctx, 1, 3, nil, "t")
	require.NoError(t, err)
	for range 100 {
		require.NoError(t, cl.ProduceSync(ctx, kgo.StringRecord("a record")).FirstErr())
	}
	cmd := kafka.CommandContext(ctx, "org.apache.kafka.tools.ReplicaVerificationTool", "--broker-list", strings.Join(c.Addrs(), ","),
		"--topics-include", "t", "--time", "-2", "--report-interval-ms", "500")
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	cmd.Stderr = cmd.Stdout
	require.NoError(t, cmd.Start())
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	var said []string
	reports := 0
	for lines := bufio.NewScanner(out); lines.Scan() && reports < 3; {
		said = append(said, lines.Text())
		if strings.Contains(lines.Text(), "max lag is 0 for partition t-0 at offset 100 among 1 partitions") {
			reports++
		}
	}
	require.Equal(t, 3, reports, strings.Join(said, "\n"))
	require.NotContains(t, strings.Join(said, "\n"), "differ")
}
