package broker_test

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/weirlab/weir/broker"
	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/env/osenv"
	"github.com/weirlab/weir/env/osenv/osenvtest"
)

// cluster is several brokers in this process, on real files and TCP.
type cluster struct {
	t       *testing.T
	dirs    []string
	configs []broker.Config
	brokers []*broker.Broker
}

// freePorts finds ports that nothing listens on.
func freePorts(t *testing.T, n int) []int32 {
	t.Helper()
	ports := make([]int32, n)
	for i := range ports {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		defer func() { require.NoError(t, l.Close()) }()
		ports[i] = int32(l.Addr().(*net.TCPAddr).Port)
	}
	return ports
}

func startCluster(t *testing.T, n int, change func(*broker.Config)) *cluster {
	t.Helper()
	c := &cluster{t: t}
	var voters []broker.Voter
	ports := freePorts(t, 2*n) // for clients, then for controllers
	for i, port := range ports[n:] {
		voters = append(voters, broker.Voter{ID: int32(i + 1), Host: "127.0.0.1", Port: port})
	}
	for i, v := range voters {
		cfg := broker.DefaultConfig()
		cfg.NodeID, cfg.Voters = v.ID, voters
		cfg.Listen = net.JoinHostPort(v.Host, strconv.Itoa(int(ports[i])))
		cfg.DefaultReplicationFactor = int16(n)
		cfg.MinInsyncReplicas = int32(n/2 + 1)
		cfg.BrokerSession, cfg.BrokerHeartbeat = 3*time.Second, 500*time.Millisecond
		cfg.ElectionTimeout, cfg.QuorumFetchTimeout = 300*time.Millisecond, time.Second
		cfg.GroupInitialRebalanceDelay = 0
		if change != nil {
			change(&cfg)
		}
		c.configs = append(c.configs, cfg)
		c.dirs = append(c.dirs, t.TempDir())
		c.brokers = append(c.brokers, nil)
	}
	for i := range c.brokers {
		c.start(i)
	}
	t.Cleanup(func() {
		done := make(chan error, n)
		for i := range c.brokers {
			go func() { done <- c.stop(i) }()
		}
		for range c.brokers {
			require.NoError(t, <-done)
		}
	})
	return c
}

func (c *cluster) start(i int) {
	c.t.Helper()
	e := osenvtest.New(c.t, osenv.Options{Root: c.dirs[i], Node: fmt.Sprintf("broker-%d", i+1), OnEvent: func(node string, at time.Duration, name string, attrs []env.Attr) {
		if testing.Verbose() {
			c.t.Logf("%8.3fs %s %s %v", at.Seconds(), node, name, attrs)
		}
	}})
	var err error
	c.brokers[i], err = broker.Start(e, c.configs[i])
	require.NoError(c.t, err)
}

func (c *cluster) stop(i int) error {
	b := c.brokers[i]
	if b == nil {
		return nil
	}
	c.brokers[i] = nil
	return b.Stop()
}

func (c *cluster) seeds() []string {
	var addrs []string
	for _, cfg := range c.configs {
		addrs = append(addrs, cfg.Listen)
	}
	return addrs
}

// client asks for metadata again at once when a leader has moved. By default
// it waits 5 s between two questions, which are most of what a test with moving
// leaders then takes.
func (c *cluster) client(opts ...kgo.Opt) *kgo.Client {
	c.t.Helper()
	cl, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(c.seeds()...), kgo.MetadataMinAge(50 * time.Millisecond)}, opts...)...)
	require.NoError(c.t, err)
	c.t.Cleanup(cl.Close)
	return cl
}

// createTopic retries while the cluster is still gathering its brokers.
func (c *cluster) createTopic(ctx context.Context, name string, partitions int32) {
	c.t.Helper()
	adm := kadm.NewClient(c.client())
	require.Eventually(c.t, func() bool {
		_, err := adm.CreateTopic(ctx, partitions, int16(len(c.brokers)), nil, name)
		if err != nil {
			c.t.Logf("create %s: %v", name, err)
		}
		return err == nil || err == kerr.TopicAlreadyExists
	}, 20*time.Second, 100*time.Millisecond)
}

func testContext(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func TestFranzGoWritesAndReadsBack(t *testing.T) {
	for _, n := range []int{1, 3} {
		t.Run(fmt.Sprintf("%d brokers", n), func(t *testing.T) {
			ctx := testContext(t)
			c := startCluster(t, n, nil)
			c.createTopic(ctx, "orders", 4)

			const records = 2000
			producer := c.client(kgo.DefaultProduceTopic("orders"), kgo.RequiredAcks(kgo.AllISRAcks()))
			for i := range records {
				producer.Produce(ctx, kgo.StringRecord(strconv.Itoa(i)), func(_ *kgo.Record, err error) {
					if err != nil {
						t.Errorf("produce: %v", err)
					}
				})
			}
			require.NoError(t, producer.Flush(ctx))

			require.Len(t, readAll(ctx, t, c.client(kgo.ConsumeTopics("orders")), records), records)
		})
	}
}

// readAll polls until n records have come and returns how often each value did.
func readAll(ctx context.Context, t *testing.T, consumer *kgo.Client, n int) map[string]int {
	t.Helper()
	seen := map[string]int{}
	for total := 0; total < n; {
		fetches := consumer.PollFetches(ctx)
		require.NoError(t, ctx.Err())
		require.NoError(t, fetches.Err())
		fetches.EachRecord(func(r *kgo.Record) {
			seen[string(r.Value)]++
			total++
		})
	}
	return seen
}

func TestNothingAckedIsLostWhileBrokersRestartOneByOne(t *testing.T) {
	ctx := testContext(t)
	c := startCluster(t, 3, nil)
	c.createTopic(ctx, "orders", 3)
	producer := c.client(kgo.DefaultProduceTopic("orders"))
	sent := 0
	write := func(n int) {
		for range n {
			producer.Produce(ctx, kgo.StringRecord(strconv.Itoa(sent)), func(_ *kgo.Record, err error) {
				if err != nil {
					t.Errorf("produce: %v", err)
				}
			})
			sent++
		}
	}
	write(200)
	for i := range c.brokers {
		require.NoError(t, c.stop(i))
		write(200)
		require.NoError(t, producer.Flush(ctx))
		c.start(i)
		write(200)
		require.NoError(t, producer.Flush(ctx))
	}
	seen := readAll(ctx, t, c.client(kgo.ConsumeTopics("orders")), sent)
	require.Len(t, seen, sent, "each record is there, and once")
}

func TestImpossibleReplicationFactorIsRefused(t *testing.T) {
	ctx := testContext(t)
	c := startCluster(t, 1, nil)
	c.createTopic(ctx, "possible", 1)
	resps, err := kadm.NewClient(c.client()).CreateTopics(ctx, 1, 3, nil, "impossible")
	require.NoError(t, err)
	require.ErrorIs(t, resps["impossible"].Err, kerr.InvalidReplicationFactor)
	require.Contains(t, resps["impossible"].ErrMessage, "3")
}

func TestTopicsAreDescribedWithTheirSettings(t *testing.T) {
	ctx := testContext(t)
	c := startCluster(t, 1, nil)
	c.createTopic(ctx, "first", 1)
	adm := kadm.NewClient(c.client())
	_, err := adm.CreateTopic(ctx, 2, 1, map[string]*string{"retention.ms": kadm.StringPtr("1000")}, "second")
	require.NoError(t, err)
	configs, err := adm.DescribeTopicConfigs(ctx, "second")
	require.NoError(t, err)
	values := map[string]string{}
	for _, v := range configs[0].Configs {
		values[v.Key] = v.MaybeValue()
	}
	require.Equal(t, "1000", values["retention.ms"])
	require.Equal(t, "delete", values["cleanup.policy"])

	topics, err := adm.ListTopics(ctx)
	require.NoError(t, err)
	require.Equal(t, []string{"first", "second"}, topics.Names())
	_, err = adm.DeleteTopic(ctx, "first")
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		topics, err := kadm.NewClient(c.client()).ListTopics(ctx) // a fresh client remembers no metadata
		return err == nil && len(topics) == 1
	}, 10*time.Second, 50*time.Millisecond)
}

func TestConfigErrorsNameTheSetting(t *testing.T) {
	e := osenvtest.New(t, osenv.Options{Root: t.TempDir(), Node: "b"})
	good := broker.DefaultConfig()
	good.Voters = []broker.Voter{{ID: 1, Host: "127.0.0.1", Port: 9092}}
	for setting, spoil := range map[string]func(*broker.Config){
		"node.id":                      func(c *broker.Config) { c.NodeID = -1 },
		"controller.quorum.voters":     func(c *broker.Config) { c.Voters = nil },
		"num.partitions":               func(c *broker.Config) { c.DefaultPartitions = 0 },
		"default.replication.factor":   func(c *broker.Config) { c.DefaultReplicationFactor = 0 },
		"min.insync.replicas":          func(c *broker.Config) { c.MinInsyncReplicas = 0 },
		"broker.heartbeat.interval.ms": func(c *broker.Config) { c.BrokerHeartbeat = c.BrokerSession },
		"listener":                     func(c *broker.Config) { c.Listen = "nowhere" },
		"a port of its own":            func(c *broker.Config) { c.Voters = append(c.Voters, broker.Voter{ID: 2, Host: "b", Port: 9092}) },
		"lists node 1 twice":           func(c *broker.Config) { c.Voters = append(c.Voters, c.Voters[0]) },
		"offsets.topic.num.partitions": func(c *broker.Config) { c.OffsetsPartitions = 0 },
	} {
		cfg := good
		spoil(&cfg)
		_, err := broker.Start(e, cfg)
		require.ErrorContains(t, err, setting)
	}
}

func TestTopicWithTheLongestNameIsKeptOverARestart(t *testing.T) {
	ctx := testContext(t)
	c := startCluster(t, 1, nil)
	name := strings.Repeat("a-topic.", 31) + "9"
	require.Len(t, name, 249)
	c.createTopic(ctx, name, 1)
	write := func(value string) {
		require.NoError(t, c.client(kgo.DefaultProduceTopic(name)).ProduceSync(ctx, kgo.StringRecord(value)).FirstErr())
	}
	write("before")
	require.NoError(t, c.stop(0))
	c.start(0)
	write("after")
	require.Equal(t, map[string]int{"before": 1, "after": 1}, readAll(ctx, t, c.client(kgo.ConsumeTopics(name)), 2))
}
