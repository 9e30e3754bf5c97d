package broker_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker"
	"github.com/weirlab/weir/broker/storage"
)

// writeOnce sends one record to every partition of a topic as the metadata of one
// broker has it, and gives the errors. Nothing is tried twice.
func writeOnce(ctx context.Context, t *testing.T, cl *kgo.Client, via int, topic string) map[string]int {
	t.Helper()
	meta := kmsg.NewPtrMetadataRequest()
	asked := kmsg.NewMetadataRequestTopic()
	asked.Topic = kmsg.StringPtr(topic)
	meta.Topics = append(meta.Topics, asked)
	answer, err := cl.Broker(via).Request(ctx, meta)
	require.NoError(t, err)
	found := answer.(*kmsg.MetadataResponse).Topics[0]
	errs := map[string]int{}
	note := func(what string, code int16) {
		if code != 0 {
			errs[fmt.Sprintf("%s: %v", what, kerr.ErrorForCode(code))]++
		}
	}
	note("Metadata", found.ErrorCode)
	for _, p := range found.Partitions {
		note("Metadata", p.ErrorCode)
		if p.ErrorCode != 0 {
			continue
		}
		leader := cl.Broker(int(p.Leader))
		produce := kmsg.NewPtrProduceRequest()
		produce.Acks, produce.TimeoutMillis = -1, 10000
		part := kmsg.NewProduceRequestTopicPartition()
		part.Partition = p.Partition
		part.Records = storage.BuildBatch(nil, storage.NoProducer(), []storage.Record{{TimestampMillis: time.Now().UnixMilli(), Value: []byte("v")}})
		produce.Topics = []kmsg.ProduceRequestTopic{{Topic: topic, TopicID: found.TopicID, Partitions: []kmsg.ProduceRequestTopicPartition{part}}}
		resp, err := leader.Request(ctx, produce)
		require.NoError(t, err)
		note("Produce", resp.(*kmsg.ProduceResponse).Topics[0].Partitions[0].ErrorCode)

		list := kmsg.NewPtrListOffsetsRequest()
		offset := kmsg.NewListOffsetsRequestTopicPartition()
		offset.Partition, offset.Timestamp = p.Partition, -1
		list.Topics = []kmsg.ListOffsetsRequestTopic{{Topic: topic, Partitions: []kmsg.ListOffsetsRequestTopicPartition{offset}}}
		resp, err = leader.Request(ctx, list)
		require.NoError(t, err)
		note("ListOffsets", resp.(*kmsg.ListOffsetsResponse).Topics[0].Partitions[0].ErrorCode)
	}
	return errs
}

// Whoever was told that a topic is created can write to it at once, by the
// metadata of any broker.
func TestTopicsAreReadyWhenTheirCreationIsAnswered(t *testing.T) {
	ctx := testContext(t)
	c := startCluster(t, 3, func(cfg *broker.Config) { cfg.BrokerSession = time.Minute }) // nobody is taken for silent
	c.createTopic(ctx, "warm", 1)
	cl := c.client()
	for i := range 9 {
		name := fmt.Sprint("topic-", i)
		create := kmsg.NewPtrCreateTopicsRequest()
		rt := kmsg.NewCreateTopicsRequestTopic()
		rt.Topic, rt.NumPartitions, rt.ReplicationFactor = name, 3, 3
		create.Topics = append(create.Topics, rt)
		resp, err := cl.Broker(i%3+1).Request(ctx, create)
		require.NoError(t, err)
		require.Zero(t, resp.(*kmsg.CreateTopicsResponse).Topics[0].ErrorCode)
		require.Empty(t, writeOnce(ctx, t, cl, (i/3)%3+1, name), name)
	}
}

// A broker that comes back is shown as a leader once it can serve what it leads.
func TestABrokerIsUnfencedWithItsReplicas(t *testing.T) {
	ctx := testContext(t)
	c := startCluster(t, 1, nil)
	c.createTopic(ctx, "many", 150)
	require.NoError(t, c.stop(0))
	c.start(0)
	cl := c.client()
	require.Eventually(t, func() bool {
		meta := kmsg.NewPtrMetadataRequest()
		asked := kmsg.NewMetadataRequestTopic()
		asked.Topic = kmsg.StringPtr("many")
		meta.Topics = append(meta.Topics, asked)
		resp, err := cl.Broker(1).Request(ctx, meta)
		return err == nil && len(resp.(*kmsg.MetadataResponse).Topics[0].Partitions) == 150 &&
			resp.(*kmsg.MetadataResponse).Topics[0].Partitions[149].ErrorCode == 0
	}, 20*time.Second, time.Millisecond)
	require.Empty(t, writeOnce(ctx, t, cl, 1, "many"))
}
