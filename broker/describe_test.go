package broker_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker"
	"github.com/weirlab/weir/env"
)

// TestLogDirsAreDescribed: kafka-log-dirs.sh and the admin clients ask each
// broker what is in its directory.
func TestLogDirsAreDescribed(t *testing.T) {
	ctx := testContext(t)
	c := startCluster(t, 1, nil)
	c.createTopic(ctx, "orders", 2)
	c.createTopic(ctx, "other", 1)
	cl := c.client(kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchCompression(kgo.NoCompression()))
	require.NoError(t, cl.ProduceSync(ctx, &kgo.Record{Topic: "orders", Partition: 1, Value: make([]byte, 1000)}).FirstErr())
	for version := int16(1); version <= 4; version++ {
		ask := func(topics []kmsg.DescribeLogDirsRequestTopic) (dir kmsg.DescribeLogDirsResponseDir, sizes map[string]int64) {
			req := kmsg.NewPtrDescribeLogDirsRequest()
			req.Topics = topics
			resp, err := cl.Broker(1).Request(ctx, pinned{req, version})
			require.NoError(t, err)
			dirs := resp.(*kmsg.DescribeLogDirsResponse).Dirs
			require.Len(t, dirs, 1)
			require.Zero(t, dirs[0].ErrorCode)
			sizes = map[string]int64{}
			for _, topic := range dirs[0].Topics {
				for _, p := range topic.Partitions {
					require.Zero(t, p.OffsetLag)
					require.False(t, p.IsFuture)
					sizes[fmt.Sprintf("%s-%d", topic.Topic, p.Partition)] = p.Size
				}
			}
			return dirs[0], sizes
		}
		dir, sizes := ask(nil)
		require.Equal(t, c.configs[0].Dirs[0], dir.Dir)
		if version >= 4 {
			require.Positive(t, dir.UsableBytes)
			require.GreaterOrEqual(t, dir.TotalBytes, dir.UsableBytes)
		}
		require.Len(t, dir.Topics, 2, "a topic is there once")
		require.Len(t, sizes, 3)
		require.Zero(t, sizes["orders-0"])
		require.Greater(t, sizes["orders-1"], int64(1000))
		_, sizes = ask([]kmsg.DescribeLogDirsRequestTopic{{Topic: "orders", Partitions: []int32{1, 7}}, {Topic: "missing", Partitions: []int32{0}}})
		require.Len(t, sizes, 1)
		require.Contains(t, sizes, "orders-1")
		dir, _ = ask([]kmsg.DescribeLogDirsRequestTopic{})
		require.Empty(t, dir.Topics, "none asked for is not all")
	}
}

// TestProducersAreDescribed: as the log knows them.
func TestProducersAreDescribed(t *testing.T) {
	ctx := testContext(t)
	c := startCluster(t, 1, nil)
	c.createTopic(ctx, "orders", 2)
	cl := c.client(kgo.RecordPartitioner(kgo.ManualPartitioner()))
	for range 3 {
		require.NoError(t, cl.ProduceSync(ctx, &kgo.Record{Topic: "orders", Partition: 1, Timestamp: time.UnixMilli(1_700_000_000_000)}).FirstErr())
	}
	id, epoch, err := cl.ProducerID(ctx)
	require.NoError(t, err)
	req := kmsg.NewPtrDescribeProducersRequest()
	req.Topics = []kmsg.DescribeProducersRequestTopic{{Topic: "orders", Partitions: []int32{0, 1, 2}}, {Topic: "missing", Partitions: []int32{0}}}
	resp, err := cl.Broker(1).Request(ctx, req)
	require.NoError(t, err)
	topics := resp.(*kmsg.DescribeProducersResponse).Topics
	for i, code := range []int16{0, 0, kerr.UnknownTopicOrPartition.Code} {
		require.EqualValues(t, i, topics[0].Partitions[i].Partition)
		require.Equal(t, code, topics[0].Partitions[i].ErrorCode)
	}
	require.Equal(t, kerr.UnknownTopicOrPartition.Code, topics[1].Partitions[0].ErrorCode)
	require.Empty(t, topics[0].Partitions[0].ActiveProducers)
	want := kmsg.NewDescribeProducersResponseTopicPartitionActiveProducer()
	want.ProducerID, want.ProducerEpoch, want.LastSequence = id, int32(epoch), 2
	want.LastTimestamp, want.CoordinatorEpoch = 1_700_000_000_000, -1
	require.Equal(t, []kmsg.DescribeProducersResponseTopicPartitionActiveProducer{want}, topics[0].Partitions[1].ActiveProducers)

	req.Topics = []kmsg.DescribeProducersRequestTopic{{Topic: "orders", Partitions: []int32{1}}, {Topic: "orders", Partitions: []int32{1}}}
	resp, err = cl.Broker(1).Request(ctx, req)
	require.NoError(t, err)
	topics = resp.(*kmsg.DescribeProducersResponse).Topics
	require.Len(t, topics[0].Partitions, 1)
	require.Empty(t, topics[1].Partitions, "what is named twice is answered once")
}

// TestTopicPartitionsAreDescribedAPartAtATime: whoever follows the cursor sees
// each partition once, whatever the size of the parts.
func TestTopicPartitionsAreDescribedAPartAtATime(t *testing.T) {
	ctx := testContext(t)
	c := startCluster(t, 1, nil)
	for i, name := range []string{"b", "d", "a"} {
		c.createTopic(ctx, name, int32(i+1))
	}
	cl := c.client()
	for _, tc := range []struct {
		asked []string
		want  []string
	}{
		{nil, []string{"a-0", "a-1", "a-2", "b-0", "d-0", "d-1"}},
		{[]string{"d", "a", "c", "a"}, []string{"a-0", "a-1", "a-2", "c: UNKNOWN_TOPIC_OR_PARTITION", "d-0", "d-1"}},
		{[]string{"!", "b"}, []string{"!: INVALID_TOPIC_EXCEPTION", "b-0"}},
	} {
		for limit := int32(0); limit <= 8; limit++ {
			req := kmsg.NewPtrDescribeTopicPartitionsRequest()
			req.ResponsePartitionLimit = limit
			for _, name := range tc.asked {
				req.Topics = append(req.Topics, kmsg.DescribeTopicPartitionsRequestTopic{Topic: name})
			}
			var seen []string
			for range 20 {
				raw, err := cl.Broker(1).Request(ctx, req)
				require.NoError(t, err)
				resp := raw.(*kmsg.DescribeTopicPartitionsResponse)
				n := int32(0)
				for _, topic := range resp.Topics {
					if topic.ErrorCode != 0 {
						seen = append(seen, *topic.Topic+": "+kerr.ErrorForCode(topic.ErrorCode).(*kerr.Error).Message)
						continue
					}
					require.NotZero(t, topic.TopicID)
					require.Positive(t, topic.AuthorizedOperations)
					for _, p := range topic.Partitions {
						n++
						seen = append(seen, fmt.Sprintf("%s-%d", *topic.Topic, p.Partition))
						require.Equal(t, []int32{1}, p.ISR)
						require.EqualValues(t, 1, p.LeaderID)
					}
				}
				require.LessOrEqual(t, n, max(limit, 1))
				if resp.NextCursor == nil {
					break
				}
				req.Cursor = &kmsg.DescribeTopicPartitionsRequestCursor{Topic: resp.NextCursor.Topic, Partition: resp.NextCursor.Partition}
			}
			require.Equal(t, tc.want, seen, "limit %d", limit)
		}
	}
}

// TestEligibleLeaderReplicasAreDescribed: kafka-topics.sh shows them (KIP-966).
func TestEligibleLeaderReplicasAreDescribed(t *testing.T) {
	runSim(t, 3, func(cfg *broker.Config) {
		cfg.Voters = cfg.Voters[2:]
		cfg.MinInsyncReplicas, cfg.DefaultReplicationFactor = 2, 2
	}, func(c *simCluster, e env.Env) {
		c.ready(e)
		create := kmsg.NewPtrCreateTopicsRequest()
		create.Version = 7
		topic := kmsg.NewCreateTopicsRequestTopic()
		topic.Topic, topic.NumPartitions, topic.ReplicationFactor = "t", -1, -1
		topic.ReplicaAssignment = []kmsg.CreateTopicsRequestTopicReplicaAssignment{{Replicas: []int32{1, 2}}}
		create.Topics = append(create.Topics, topic)
		require.Zero(t, c.must(e, 2, create).(*kmsg.CreateTopicsResponse).Topics[0].ErrorCode)
		describe := func() kmsg.DescribeTopicPartitionsResponseTopicPartition {
			req := kmsg.NewPtrDescribeTopicPartitionsRequest()
			req.ResponsePartitionLimit = 10
			return c.must(e, 2, req).(*kmsg.DescribeTopicPartitionsResponse).Topics[0].Partitions[0]
		}
		require.Empty(t, describe().EligibleLeaderReplicas)
		c.nodes[0].PowerOff()
		c.await(e, "an eligible leader", func() bool { return len(describe().EligibleLeaderReplicas) > 0 })
		p := describe()
		require.Equal(t, []int32{1}, p.EligibleLeaderReplicas)
		require.Equal(t, []int32{1}, p.OfflineReplicas)
		require.Equal(t, []int32{2}, p.ISR)
		require.Empty(t, p.LastKnownELR)
	})
}

// TestFeaturesAreUpdatedAllOrNone: a batch with one update that cannot be is
// refused as a whole.
func TestFeaturesAreUpdatedAllOrNone(t *testing.T) {
	const present = "eligible.leader.replicas.version"
	ctx := testContext(t)
	c := startCluster(t, 1, nil)
	c.createTopic(ctx, "t", 1) // the broker is in its cluster
	cl := c.client()
	require.NoError(t, cl.Ping(ctx))
	update := func(feature string, level int16, upgradeType int8) kmsg.UpdateFeaturesRequestFeatureUpdate {
		return kmsg.UpdateFeaturesRequestFeatureUpdate{Feature: feature, MaxVersionLevel: level, UpgradeType: upgradeType}
	}
	for version := range int16(3) {
		for _, tc := range []struct {
			updates []kmsg.UpdateFeaturesRequestFeatureUpdate
			done    bool
		}{
			{[]kmsg.UpdateFeaturesRequestFeatureUpdate{update(present, 1, 1)}, true},
			{[]kmsg.UpdateFeaturesRequestFeatureUpdate{update(present, 2, 1)}, false},
			{[]kmsg.UpdateFeaturesRequestFeatureUpdate{update(present, 0, 3)}, false},
			{[]kmsg.UpdateFeaturesRequestFeatureUpdate{update(present, 1, 0)}, version == 0},
			{[]kmsg.UpdateFeaturesRequestFeatureUpdate{update(present, 1, 1), update("none", 1, 1)}, false},
			{[]kmsg.UpdateFeaturesRequestFeatureUpdate{update("transaction.version", 1, 1)}, false},
			{[]kmsg.UpdateFeaturesRequestFeatureUpdate{update("transaction.version", 3, 1)}, false},
		} {
			req := kmsg.NewPtrUpdateFeaturesRequest()
			req.FeatureUpdates = tc.updates
			raw, err := cl.Broker(1).Request(ctx, pinned{req, version})
			require.NoError(t, err)
			resp := raw.(*kmsg.UpdateFeaturesResponse)
			if !tc.done {
				require.Equal(t, kerr.InvalidUpdateVersion.Code, resp.ErrorCode, "v%d %v", version, tc.updates)
				require.NotEmpty(t, *resp.ErrorMessage)
				require.Empty(t, resp.Results)
				continue
			}
			require.Zero(t, resp.ErrorCode, "v%d %v", version, tc.updates)
			if version < 2 {
				require.Len(t, resp.Results, 1)
				require.Equal(t, present, resp.Results[0].Feature)
				require.Zero(t, resp.Results[0].ErrorCode)
			}
		}
	}
	level := func() (level int16) {
		req := kmsg.NewPtrApiVersionsRequest()
		req.ClientSoftwareName, req.ClientSoftwareVersion = "test", "1"
		raw, err := cl.Broker(1).Request(ctx, pinned{req, 3})
		require.NoError(t, err)
		for _, f := range raw.(*kmsg.ApiVersionsResponse).FinalizedFeatures {
			if f.Name == "transaction.version" {
				level = f.MaxVersionLevel
			}
		}
		return level
	}
	require.EqualValues(t, 2, level())
	change := func(to int16, upgradeType int8) {
		req := kmsg.NewPtrUpdateFeaturesRequest()
		req.FeatureUpdates = []kmsg.UpdateFeaturesRequestFeatureUpdate{update("transaction.version", to, upgradeType)}
		raw, err := cl.Broker(1).Request(ctx, pinned{req, 1})
		require.NoError(t, err)
		require.Zero(t, raw.(*kmsg.UpdateFeaturesResponse).ErrorCode)
		require.Eventually(t, func() bool { return level() == to }, 10*time.Second, time.Millisecond)
	}
	change(0, 2)
	require.NoError(t, c.stop(0))
	c.start(0)
	cl = c.client()
	require.Eventually(t, func() bool {
		topics, err := kadm.NewClient(cl).ListTopics(ctx) // it has its metadata
		if err != nil || len(topics) != 1 {
			return false
		}
		brokers, err := kadm.NewClient(cl).ListBrokers(ctx) // and is in the cluster again
		return err == nil && len(brokers) == 1
	}, 10*time.Second, 10*time.Millisecond)
	require.EqualValues(t, 0, level(), "it is in the metadata")
	change(2, 1)
}
