package brokertest_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/brokertest"
	"github.com/weirlab/weir/broker/brokertest/apachekafka"
	"github.com/weirlab/weir/broker/config"
)

// racked is a cluster whose broker i is in rack-i, with a topic of one partition
// and its leader, and a follower whose rack is to be read from.
func racked(t *testing.T) (c *brokertest.Cluster, leader, follower int32) {
	options := []brokertest.Option{brokertest.Set("replica.selector.class", config.RackAwareSelector), brokertest.Topic("orders", 1)}
	for id := int32(1); id <= 3; id++ {
		options = append(options, brokertest.SetOn(id, "broker.rack", fmt.Sprintf("rack-%d", id)))
	}
	c = brokertest.NewCluster(t, 3, options...)
	p := c.Partition("orders", 0)
	for _, id := range p.Replicas {
		if id != p.Leader {
			follower = id
		}
	}
	return c, p.Leader, follower
}

// given counts the bytes of records that a broker gives consumers.
func given(c *brokertest.Cluster, id int32) *atomic.Int64 {
	n := &atomic.Int64{}
	c.On(kmsg.Fetch).Broker(id).Always().Change(func(_ kmsg.Request, resp kmsg.Response) {
		for _, topic := range resp.(*kmsg.FetchResponse).Topics {
			for _, p := range topic.Partitions {
				n.Add(int64(len(p.RecordBatches)))
			}
		}
	})
	return n
}

func produceTo(ctx context.Context, t *testing.T, c *brokertest.Cluster, from, to int) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.Addrs()...), kgo.DefaultProduceTopic("orders"))
	require.NoError(t, err)
	defer cl.Close()
	for i := from; i < to; i++ {
		require.NoError(t, cl.ProduceSync(ctx, kgo.StringRecord(fmt.Sprint(i))).FirstErr())
	}
}

// A consumer of franz-go's reads from the follower in its rack and, once that is
// gone, from the leader, each record once and in order.
func TestAConsumerOfFranzGoReadsInItsRack(t *testing.T) {
	c, leader, follower := racked(t)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	produceTo(ctx, t, c, 0, 20)
	far, near := given(c, leader), given(c, follower)
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.Addrs()...), kgo.Rack(fmt.Sprintf("rack-%d", follower)), kgo.MetadataMinAge(50*time.Millisecond),
		kgo.RecheckPreferredReplicaInterval(100*time.Millisecond), // it asks the leader no sooner, even if the follower is gone
		kgo.ConsumeTopics("orders"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	require.NoError(t, err)
	defer cl.Close()
	next := 0
	readTo := func(end int) {
		t.Helper()
		for next < end {
			fetches := cl.PollFetches(ctx)
			require.NoError(t, ctx.Err())
			fetches.EachRecord(func(r *kgo.Record) {
				require.Equal(t, fmt.Sprint(next), string(r.Value))
				next++
			})
		}
	}
	readTo(20)
	produceTo(ctx, t, c, 20, 30)
	readTo(30)
	require.Zero(t, far.Load(), "the leader gave no records away")
	require.NotZero(t, near.Load())
	c.Kill(follower)
	c.Expire(follower)
	produceTo(ctx, t, c, 30, 40)
	readTo(40)
	require.NotZero(t, far.Load())
}

// So does Kafka's own console consumer.
func TestAConsumerOfTheJavaClientReadsInItsRack(t *testing.T) {
	kafka := apachekafka.ForTest(t)
	c, leader, follower := racked(t)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	produceTo(ctx, t, c, 0, 20)
	far, near := given(c, leader), given(c, follower)
	for _, protocol := range []string{"classic", "consumer"} {
		before := near.Load()
		cmd := kafka.CommandContext(ctx, "org.apache.kafka.tools.consumer.ConsoleConsumer", "--bootstrap-server", strings.Join(c.Addrs(), ","),
			"--topic", "orders", "--from-beginning", "--max-messages", "20", "--timeout-ms", "20000",
			"--command-property", fmt.Sprintf("client.rack=rack-%d", follower), "--command-property", "group.protocol="+protocol)
		out, err := cmd.Output()
		require.NoError(t, err)
		require.Equal(t, strings.Fields(string(out)), strings.Fields("0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19"))
		require.Zero(t, far.Load(), "the leader gave no records away")
		require.Greater(t, near.Load(), before)
	}
}
