package broker_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker"
	"github.com/weirlab/weir/env"
)

// reassign asks a broker to give partition 0 of a topic these replicas, none to
// cancel.
func (c *simCluster) reassign(e env.Env, i int, topic string, replicas ...int32) int16 {
	c.t.Helper()
	req := kmsg.NewPtrAlterPartitionAssignmentsRequest()
	req.Version, req.AllowReplicationFactorChange = 1, true
	rt := kmsg.NewAlterPartitionAssignmentsRequestTopic()
	rt.Topic = topic
	rt.Partitions = []kmsg.AlterPartitionAssignmentsRequestTopicPartition{{Replicas: replicas}}
	req.Topics = append(req.Topics, rt)
	resp := c.must(e, i, req).(*kmsg.AlterPartitionAssignmentsResponse)
	require.Zero(c.t, resp.ErrorCode)
	return resp.Topics[0].Partitions[0].ErrorCode
}

// reassigning is how many partitions are being reassigned, by the word of a broker.
func (c *simCluster) reassigning(e env.Env, i int) int {
	c.t.Helper()
	resp := c.must(e, i, kmsg.NewPtrListPartitionReassignmentsRequest()).(*kmsg.ListPartitionReassignmentsResponse)
	require.Zero(c.t, resp.ErrorCode)
	n := 0
	for i := range resp.Topics {
		n += len(resp.Topics[i].Partitions)
	}
	return n
}

// holders are the brokers that run and have a replica of partition 0 of a topic.
func (c *simCluster) holders(e env.Env, topic string) (ids []int32) {
	c.t.Helper()
	for i := range c.lives {
		if !c.nodes[i].Alive() {
			continue
		}
		req := kmsg.NewPtrDescribeLogDirsRequest()
		req.Version = 4
		for _, dir := range c.must(e, i, req).(*kmsg.DescribeLogDirsResponse).Dirs {
			if slices.ContainsFunc(dir.Topics, func(t kmsg.DescribeLogDirsResponseDirTopic) bool { return t.Topic == topic }) {
				ids = append(ids, int32(i+1))
			}
		}
	}
	return ids
}

func movingCluster(cfg *broker.Config) {
	cfg.Voters = cfg.Voters[3:]
	cfg.MinInsyncReplicas, cfg.DefaultReplicationFactor = 2, 2
	cfg.BrokerSession, cfg.BrokerHeartbeat = 3*time.Second, 500*time.Millisecond
}

func (c *simCluster) createOn(e env.Env, topic string, replicas ...int32) {
	c.t.Helper()
	req := kmsg.NewPtrCreateTopicsRequest()
	req.Version = 7
	rt := kmsg.NewCreateTopicsRequestTopic()
	rt.Topic, rt.NumPartitions, rt.ReplicationFactor = topic, -1, -1
	rt.ReplicaAssignment = []kmsg.CreateTopicsRequestTopicReplicaAssignment{{Partition: 0, Replicas: replicas}}
	req.Topics = append(req.Topics, rt)
	require.Zero(c.t, c.must(e, 0, req).(*kmsg.CreateTopicsResponse).Topics[0].ErrorCode)
}

// A partition moves from one pair of brokers to another, with everything in it,
// and leaves nothing behind. One that was away while that happened removes its
// log when it is back.
func TestAPartitionMoves(t *testing.T) {
	runSim(t, 4, movingCluster, func(c *simCluster, e env.Env) {
		c.ready(e)
		c.createOn(e, "t", 1, 2)
		for i := range 10 {
			produce(t, e, c, fmt.Sprint(i))
		}
		require.Equal(t, []int32{1, 2}, c.holders(e, "t"))
		require.Zero(t, c.reassign(e, 1, "t", 3, 4))
		c.await(e, "3 and 4 have it", func() bool { return c.reassigning(e, 2) == 0 })
		c.await(e, "3 leads", func() bool { p := c.partition("t"); return p.Leader == 3 && slices.Equal(p.Replicas, []int32{3, 4}) })
		c.await(e, "1 and 2 have removed it", func() bool { return slices.Equal(c.holders(e, "t"), []int32{3, 4}) })
		produce(t, e, c, "10")
		require.EqualValues(t, 11, latestOffset(t, e, c, 2, c.partition("t").TP()))

		c.nodes[2].Crash()
		require.Zero(t, c.reassign(e, 1, "t", 4, 1))
		c.await(e, "1 has it", func() bool { return c.reassigning(e, 1) == 0 })
		produce(t, e, c, "11")
		c.boot(2)
		c.await(e, "3 is back, without it", func() bool {
			return c.lives[2] != nil && slices.Equal(c.holders(e, "t"), []int32{1, 4})
		})
		require.EqualValues(t, 12, latestOffset(t, e, c, 3, c.partition("t").TP()))
	})
}

// The factor grows and shrinks, and a cancel leaves what there was.
func TestReplicationFactorChangesAndCancel(t *testing.T) {
	runSim(t, 4, movingCluster, func(c *simCluster, e env.Env) {
		c.ready(e)
		c.createOn(e, "t", 1, 2)
		produce(t, e, c, "a")
		require.Zero(t, c.reassign(e, 0, "t", 1, 2, 3, 4))
		c.await(e, "four have it", func() bool { return len(c.partition("t").ISR) == 4 && c.reassigning(e, 0) == 0 })
		produce(t, e, c, "b")
		require.Zero(t, c.reassign(e, 0, "t", 4, 1))
		c.await(e, "two have it", func() bool { return slices.Equal(c.holders(e, "t"), []int32{1, 4}) })
		produce(t, e, c, "c")

		c.net.Partition([]string{"broker-1"}, []string{"broker-2"}, true)
		require.Zero(t, c.reassign(e, 0, "t", 2, 4))
		e.Sleep(2 * time.Second)
		require.Equal(t, 1, c.reassigning(e, 0), "2 hears nothing of the leader")
		require.Zero(t, c.reassign(e, 0, "t"))
		require.Zero(t, c.reassigning(e, 0))
		c.net.HealAll()
		c.await(e, "2 has removed what it had", func() bool { return slices.Equal(c.holders(e, "t"), []int32{1, 4}) })
		require.Equal(t, []int32{4, 1}, c.partition("t").Replicas)
		produce(t, e, c, "d")
		require.EqualValues(t, 4, latestOffset(t, e, c, 0, c.partition("t").TP()))
	})
}
