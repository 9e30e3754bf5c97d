package brokertest_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/weirlab/weir/broker/brokertest"
)

// A broker that was away leads again what it is the preferred leader of, by
// itself and without loss, while a producer of franz-go's goes on.
func TestLeadersGoBackByThemselves(t *testing.T) {
	c := brokertest.NewCluster(t, 3, brokertest.Set("auto.leader.rebalance.enable", "true"), brokertest.Set("leader.imbalance.check.interval.seconds", "1"),
		brokertest.Topic("orders", 1, "min.insync.replicas=2"))
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.Addrs()...), kgo.DefaultProduceTopic("orders"), kgo.MetadataMinAge(50*time.Millisecond))
	require.NoError(t, err)
	defer cl.Close()
	var want []string
	produce := func() {
		want = append(want, fmt.Sprint(len(want)))
		require.NoError(t, cl.ProduceSync(ctx, kgo.StringRecord(want[len(want)-1])).FirstErr())
	}
	first := c.Partition("orders", 0).Leader
	produce()
	c.Kill(first)
	c.Expire(first)
	produce()
	require.NotEqual(t, first, c.Partition("orders", 0).Leader)
	c.Start(first)
	for c.Partition("orders", 0).Leader != first {
		produce()
	}
	produce()
	require.Equal(t, want, values(c.Records("orders", 0)))
}
