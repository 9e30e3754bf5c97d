package brokertest_test

import (
	"context"
	"fmt"
	"io/fs"
	"net"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/brokertest"
)

func BenchmarkNewCluster(b *testing.B) {
	for _, n := range []int{1, 3} {
		b.Run(fmt.Sprintf("brokers=%d", n), func(b *testing.B) {
			for b.Loop() {
				c, err := brokertest.Start(n)
				require.NoError(b, err)
				b.StopTimer()
				require.NoError(b, c.Close())
				b.StartTimer()
			}
		})
	}
}

// client is a franz-go client that notices at once what has moved, and gives up
// before the test does.
func client(t *testing.T, c *brokertest.Cluster, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	cl, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(c.Addrs()...), kgo.MetadataMinAge(10 * time.Millisecond),
		kgo.RetryBackoffFn(func(int) time.Duration { return 5 * time.Millisecond })}, opts...)...)
	require.NoError(t, err)
	t.Cleanup(cl.Close)
	return cl
}

func write(t *testing.T, cl *kgo.Client, topic, value string) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	return cl.ProduceSync(ctx, &kgo.Record{Topic: topic, Value: []byte(value)}).FirstErr()
}

func values(records []brokertest.Record) (out []string) {
	for _, r := range records {
		out = append(out, string(r.Value))
	}
	return out
}

func TestClustersOneAfterTheOtherLeaveNothing(t *testing.T) {
	before := runtime.NumGoroutine()
	clusters := 200
	if testing.Short() {
		clusters = 20
	}
	var dirs []string
	for i := range clusters {
		c, err := brokertest.Start(1+2*(i%2), brokertest.Topic("orders", 2))
		require.NoError(t, err)
		if i%10 == 0 {
			cl, err := kgo.NewClient(kgo.SeedBrokers(c.Addrs()...))
			require.NoError(t, err)
			require.NoError(t, write(t, cl, "orders", "x"))
			cl.Close()
		}
		dirs = append(dirs, c.Dir(1))
		require.NoError(t, c.Close())
		require.NoError(t, c.Close(), "again")
	}
	for _, dir := range dirs {
		_, err := os.Stat(dir)
		require.ErrorIs(t, err, fs.ErrNotExist)
	}
	for end := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before && time.Now().Before(end); {
		time.Sleep(time.Millisecond) // those of closed clients take a moment
	}
	require.LessOrEqual(t, runtime.NumGoroutine(), before)
}

func TestBrokersStopAreKilledAndStartAgain(t *testing.T) {
	c := brokertest.NewCluster(t, 3, brokertest.Topic("orders", 3, "min.insync.replicas=2"))
	cl := client(t, c)
	for i, end := range []func(int32){c.Stop, func(id int32) { c.Kill(id); c.Expire(id) }, c.Kill} {
		id := int32(i + 1)
		require.NoError(t, write(t, cl, "orders", "before"))
		end(id)
		require.False(t, c.Running(id))
		_, err := net.DialTimeout("tcp", c.Addrs()[i], 10*time.Second)
		require.ErrorIs(t, err, syscall.ECONNREFUSED)
		if i < 2 {
			for p := range int32(3) {
				require.NotContains(t, c.Partition("orders", p).ISR, id)
				require.NotEqual(t, id, c.Partition("orders", p).Leader)
			}
			require.NoError(t, write(t, cl, "orders", "without"))
		}
		c.Start(id)
		c.AwaitInSync()
	}
	total := 0
	for p := range int32(3) {
		total += len(c.Records("orders", p))
	}
	require.Equal(t, 5, total)
}

// What a killed broker had written is there when it starts again, and nothing
// that came after.
func TestAKilledBrokerKeepsWhatItWrote(t *testing.T) {
	c := brokertest.NewCluster(t, 1, brokertest.Topic("orders", 1))
	require.NoError(t, write(t, client(t, c), "orders", "kept"))
	c.Kill(1)
	c.Start(1)
	require.Equal(t, []string{"kept"}, values(c.Records("orders", 0)))
	require.NoError(t, write(t, client(t, c), "orders", "more"))
}

// Nobody tells the controller: the session ends by itself.
func TestTheSessionOfAKilledBrokerEnds(t *testing.T) {
	c := brokertest.NewCluster(t, 3, brokertest.Topic("orders", 1),
		brokertest.Set("broker.session.timeout.ms", "1000"), brokertest.Set("broker.heartbeat.interval.ms", "100"))
	before := c.Partition("orders", 0)
	c.Kill(before.Leader)
	require.NoError(t, write(t, client(t, c), "orders", "x"))
	c.Start(before.Leader)
	c.AwaitInSync()
	require.Greater(t, c.Partition("orders", 0).LeaderEpoch, before.LeaderEpoch)
}

func TestALeaderMoves(t *testing.T) {
	c := brokertest.NewCluster(t, 3, brokertest.Topic("orders", 1))
	cl := client(t, c)
	for _, id := range []int32{1, 3, 2, 2} {
		epoch, was := c.Partition("orders", 0).LeaderEpoch, c.Partition("orders", 0).Leader
		c.MoveLeader("orders", 0, id)
		p := c.Partition("orders", 0)
		require.Equal(t, id, p.Leader)
		require.Equal(t, was != id, p.LeaderEpoch > epoch)
		require.NoError(t, write(t, cl, "orders", "x"))
	}
	require.Len(t, c.Records("orders", 0), 4)
}

func TestTheISRShrinksAndGrowsAgain(t *testing.T) {
	c := brokertest.NewCluster(t, 3, brokertest.Topic("orders", 2, "min.insync.replicas=2"))
	cl := client(t, c, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.RecordRetries(0), kgo.DisableIdempotentWrite())
	put := func(partition int32) error {
		return cl.ProduceSync(t.Context(), &kgo.Record{Topic: "orders", Partition: partition}).FirstErr()
	}
	require.NoError(t, put(0))
	shrunk := c.ShrinkISR("orders", 0, 1)
	p := c.Partition("orders", 0)
	require.Equal(t, []int32{p.Leader}, p.ISR)
	require.ErrorIs(t, put(0), kerr.NotEnoughReplicas)
	require.NoError(t, put(1), "the other partition goes on")
	shrunk.Remove()
	c.AwaitInSync()
	require.NoError(t, put(0))
}

func TestABrokerEndsWhenItsDiskFails(t *testing.T) {
	for name, fault := range map[string]brokertest.DiskFault{
		"everything": {},
		"writes":     {Ops: brokertest.Writes, Files: "*.log"},
		"by name":    {Ops: brokertest.Writes, Files: "orders-0.*/*.log", Err: syscall.EROFS},
	} {
		t.Run(name, func(t *testing.T) {
			c := brokertest.NewCluster(t, 3, brokertest.Topic("orders", 1))
			cl := client(t, c)
			require.NoError(t, write(t, cl, "orders", "before"))
			leader := c.Partition("orders", 0).Leader
			c.FailDisk(leader, fault)
			written := make(chan error, 1)
			go func() {
				written <- cl.ProduceSync(t.Context(), &kgo.Record{Topic: "orders", Value: []byte("after")}).FirstErr()
			}()
			c.AwaitEnd(leader)
			c.Expire(leader)
			require.NoError(t, <-written)
			c.RepairDisk(leader)
			c.Start(leader)
			c.AwaitInSync()
			require.Equal(t, []string{"before", "after"}, values(c.ReplicaRecords(leader, "orders", 0)))
		})
	}
}

func TestSettingsAndTopics(t *testing.T) {
	c := brokertest.NewCluster(t, 2, brokertest.Set("num.partitions", "5"), brokertest.SetOn(2, "broker.rack", "b"))
	cl := client(t, c, kgo.AllowAutoTopicCreation())
	require.NoError(t, write(t, cl, "made", "x"))
	require.Equal(t, 2, len(c.Partition("made", 4).Replicas))
	resp, err := kmsg.NewPtrMetadataRequest().RequestWith(t.Context(), cl)
	require.NoError(t, err)
	require.Equal(t, "b", *resp.Brokers[1].Rack)
	c.CreateTopic("wide", 7, "segment.ms=1000")
	require.Len(t, c.Partition("wide", 6).ISR, 2)
	for option, complaint := range map[*brokertest.Option]string{
		ptr(brokertest.Set("no.such.setting", "1")):      "no.such.setting",
		ptr(brokertest.Set("num.partitions", "none")):    "num.partitions",
		ptr(brokertest.Set("listeners", "PLAINTEXT://")): "listeners is given by the cluster",
		ptr(brokertest.Topic("t", 1, "retention")):       `write "retention" as name=value`,
		ptr(brokertest.Topic("t", 0)):                    "topic t: INVALID_PARTITIONS",
	} {
		_, err := brokertest.Start(1, *option)
		require.ErrorContains(t, err, "brokertest: ")
		require.ErrorContains(t, err, complaint)
	}
	_, err = brokertest.Start(0)
	require.ErrorContains(t, err, "a cluster of 0 brokers is not possible")
}

func ptr[T any](v T) *T { return &v }

func TestGroupsAreSeen(t *testing.T) {
	c := brokertest.NewCluster(t, 1, brokertest.Topic("orders", 1))
	require.Equal(t, "Dead", c.Group("billing").State)
	require.NoError(t, write(t, client(t, c), "orders", "x"))
	cl := client(t, c, kgo.ConsumerGroup("billing"), kgo.ConsumeTopics("orders"), kgo.InstanceID("one"), kgo.ClientID("biller"),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.DisableAutoCommit())
	require.Len(t, cl.PollFetches(t.Context()).Records(), 1)
	require.NoError(t, cl.CommitUncommittedOffsets(t.Context()))
	g := c.Group("billing")
	require.Equal(t, "Stable", g.State)
	require.Len(t, g.Members, 1)
	require.Equal(t, "one", g.Members[0].InstanceID)
	require.Equal(t, "biller", g.Members[0].ClientID)
	require.Equal(t, []brokertest.Offset{{Topic: "orders", Offset: 1, LeaderEpoch: 0, Metadata: g.Members[0].ID}}, g.Offsets)
	require.Equal(t, int32(1), c.Coordinator("billing"))
	require.Equal(t, int32(1), c.Controller())
}

func TestRecordsAreSeenAsTheyAreInTheLog(t *testing.T) {
	c := brokertest.NewCluster(t, 1, brokertest.Topic("orders", 1))
	cl := client(t, c)
	require.NoError(t, cl.ProduceSync(t.Context(),
		&kgo.Record{Topic: "orders", Key: []byte("k"), Value: []byte("v"), Headers: []kgo.RecordHeader{{Key: "h", Value: []byte("1")}}, Timestamp: time.UnixMilli(1234)},
		&kgo.Record{Topic: "orders"}).FirstErr())
	records := c.Records("orders", 0)
	require.Len(t, records, 2)
	r := records[0]
	require.Equal(t, "k=v", string(r.Key)+"="+string(r.Value))
	require.Equal(t, []kmsg.Header{{Key: "h", Value: []byte("1")}}, r.Headers)
	require.Equal(t, time.UnixMilli(1234).UTC(), r.Timestamp)
	require.GreaterOrEqual(t, r.ProducerID, int64(0))
	require.Equal(t, int32(0), r.Sequence)
	require.Equal(t, int32(1), records[1].Sequence)
	require.Nil(t, records[1].Value)
	p := c.Partition("orders", 0)
	require.Equal(t, int64(2), p.HighWatermark)
	require.Equal(t, int64(2), p.LogEndOffset)
	require.Contains(t, p.String(), "high watermark 2")
}

func TestEventsAreTold(t *testing.T) {
	var lines []string
	c, err := brokertest.Start(1, brokertest.LogTo(func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }))
	require.NoError(t, err)
	require.NoError(t, c.Close())
	require.Contains(t, strings.Join(lines, "\n"), "broker-1 controller epoch=1")
}
