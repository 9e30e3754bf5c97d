package broker_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker"
	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/workloads/client"
)

// Three replicas, two of which suffice. One dies, is unregistered and comes back
// with an empty disk; then the only one that has what was acknowledged since
// crashes. The newcomer must not be elected in its place.
func TestAnUnregisteredBrokerDoesNotLeadWithAnEmptyDisk(t *testing.T) {
	runSim(t, 4, func(cfg *broker.Config) {
		cfg.Voters = cfg.Voters[3:] // the fourth is the controller and no replica
		cfg.MinInsyncReplicas, cfg.DefaultReplicationFactor = 2, 3
		cfg.BrokerSession, cfg.BrokerHeartbeat = 3*time.Second, 500*time.Millisecond
	}, func(c *simCluster, e env.Env) {
		c.ready(e)
		create := kmsg.NewPtrCreateTopicsRequest()
		create.Version = 7
		rt := kmsg.NewCreateTopicsRequestTopic()
		rt.Topic, rt.NumPartitions, rt.ReplicationFactor = "t", -1, -1
		rt.ReplicaAssignment = []kmsg.CreateTopicsRequestTopicReplicaAssignment{{Partition: 0, Replicas: []int32{1, 2, 3}}}
		create.Topics = append(create.Topics, rt)
		require.Zero(t, c.must(e, 3, create).(*kmsg.CreateTopicsResponse).Topics[0].ErrorCode)
		state := func() string {
			p := c.partition("t")
			return fmt.Sprintf("leader %d isr %v elr %v", p.Leader, p.ISR, p.ELR)
		}
		await := func(want string) {
			t.Helper()
			for range 6000 {
				if state() == want {
					return
				}
				e.Sleep(10 * time.Millisecond)
			}
			require.Equal(t, want, state())
		}
		c.nodes[2].Crash()
		await("leader 1 isr [1 2] elr []")
		produce(t, e, c, "acknowledged by 1 and 2")

		c.nodes[0].PowerOff()
		await("leader 2 isr [2] elr [1]")
		require.Zero(t, c.must(e, 3, &kmsg.UnregisterBrokerRequest{BrokerID: 1}).(*kmsg.UnregisterBrokerResponse).ErrorCode)
		c.nodes[0].PowerOn()
		erased := false
		c.nodes[0].Start("a new disk", func(e env.Env) {
			left, err := e.FS().ReadDir(".")
			require.NoError(t, err)
			for _, f := range left {
				require.NoError(t, e.FS().RemoveAll(f.Name))
			}
			erased = true
		})
		c.await(e, "the disk is new", func() bool { return erased })
		// It is there but hears nothing of the leader, so that it stays empty.
		c.net.Partition([]string{"broker-1"}, []string{"broker-2"}, true)
		c.boot(0)
		active := func(id int32) bool {
			img, _ := c.lives[3].Metadata()
			return img.Broker(id).Active()
		}
		c.await(e, "the new broker 1 is active", func() bool { return active(1) })
		require.Equal(t, "leader 2 isr [2] elr []", state())

		c.nodes[1].Crash()
		await("leader -1 isr [] elr [2]")
		e.Sleep(5 * time.Second)
		require.Equal(t, "leader -1 isr [] elr [2]", state(), "nobody who is there has what was acknowledged")
		c.net.HealAll()
		c.boot(1)
		c.await(e, "2 leads", func() bool { return c.partition("t").Leader == 2 })
		c.await(e, "1 is in sync again", func() bool { return c.partition("t").InISR(1) })
		require.EqualValues(t, 1, latestOffset(t, e, c, 1, metadata.TopicPartition{Topic: "t"}))
	})
}

func produce(t *testing.T, e env.Env, c *simCluster, value string) {
	t.Helper()
	cl, err := client.New(e, client.Config{Bootstrap: []string{c.cfgs[0].Listen}, RequestTimeout: 5 * time.Second})
	require.NoError(t, err)
	p, err := cl.NewProducer(client.DefaultProducerConfig())
	require.NoError(t, err)
	require.NoError(t, p.ProduceSync(&client.Record{Topic: "t", Partition: 0, Value: []byte(value)}).Err)
	p.Close(time.Second)
	cl.Close()
}

// latestOffset is the end of a partition, asked of one broker.
func latestOffset(t *testing.T, e env.Env, c *simCluster, i int, tp metadata.TopicPartition) int64 {
	t.Helper()
	req := kmsg.NewPtrListOffsetsRequest()
	req.Version, req.ReplicaID = 7, -1
	p := kmsg.NewListOffsetsRequestTopicPartition()
	p.Partition, p.Timestamp = tp.Partition, -1
	req.Topics = []kmsg.ListOffsetsRequestTopic{{Topic: tp.Topic, Partitions: []kmsg.ListOffsetsRequestTopicPartition{p}}}
	r := c.must(e, i, req).(*kmsg.ListOffsetsResponse).Topics[0].Partitions[0]
	require.Zero(t, r.ErrorCode)
	return r.Offset
}
