package broker_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker"
	"github.com/weirlab/weir/broker/metadata"
)

// offsetsTopic has the offsets topic created, as the first group does.
func (c *cluster) offsetsTopic(ctx context.Context) *kadm.Client {
	c.t.Helper()
	adm := kadm.NewClient(c.client())
	require.Eventually(c.t, func() bool {
		coordinators := adm.FindGroupCoordinators(ctx, "g")
		return coordinators["g"].Err == nil
	}, 20*time.Second, 50*time.Millisecond)
	return adm
}

func TestOnlyCoordinatorsWriteInternalTopics(t *testing.T) {
	ctx := testContext(t)
	c := startCluster(t, 1, nil)
	adm := c.offsetsTopic(ctx)
	write := func(topic string, opts ...kgo.Opt) error {
		cl := c.client(append(opts, kgo.DefaultProduceTopic(topic), kgo.RecordRetries(3))...)
		return cl.ProduceSync(ctx, &kgo.Record{Key: []byte{0, 1, 9}}).FirstErr()
	}
	require.ErrorIs(t, write(metadata.ConsumerOffsetsTopic), kerr.InvalidTopicException)
	require.NoError(t, write(metadata.ConsumerOffsetsTopic, kgo.ClientID("__admin_client")), "as in Kafka")

	offsets, err := adm.ListEndOffsets(ctx, metadata.ConsumerOffsetsTopic)
	require.NoError(t, err)
	deleted, err := adm.DeleteRecords(ctx, offsets.Offsets())
	require.NoError(t, err)
	deleted.Each(func(r kadm.DeleteRecordsResponse) { require.ErrorIs(t, r.Err, kerr.InvalidTopicException) })

	// Other names that begin with "__" are anyone's.
	c.createTopic(ctx, "__mine", 1)
	require.NoError(t, write("__mine"))

	// The group coordinator is not harmed by what an administrator wrote.
	require.NoError(t, c.stop(0))
	c.start(0)
	c.offsetsTopic(ctx)
	require.Eventually(t, func() bool {
		groups, err := adm.DescribeGroups(ctx, "g")
		return err == nil && errors.Is(groups["g"].Err, kerr.GroupIDNotFound)
	}, 20*time.Second, 50*time.Millisecond)
}

func TestInternalTopicsAreCreatedAsCoordinatorsNeedThem(t *testing.T) {
	ctx := testContext(t)
	for name, create := range map[string]func(c *cluster){
		"by a group": func(c *cluster) { c.offsetsTopic(ctx) },
		"by asking for its metadata": func(c *cluster) {
			req := kmsg.NewPtrMetadataRequest()
			req.AllowAutoTopicCreation = true
			for _, name := range []string{metadata.ConsumerOffsetsTopic, metadata.TransactionStateTopic, "__mine", metadata.ShareGroupStateTopic} {
				topic := kmsg.NewMetadataRequestTopic()
				topic.Topic = kmsg.StringPtr(name)
				req.Topics = append(req.Topics, topic)
			}
			require.Eventually(c.t, func() bool {
				resp, err := req.RequestWith(ctx, c.client())
				if err != nil || resp.Topics[0].ErrorCode != 0 || resp.Topics[2].ErrorCode != 0 {
					return false
				}
				require.True(c.t, resp.Topics[1].IsInternal)
				require.True(c.t, resp.Topics[3].IsInternal)
				return resp.Topics[1].ErrorCode == 0 && resp.Topics[3].ErrorCode == 0
			}, 20*time.Second, 50*time.Millisecond)
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := startCluster(t, 1, func(cfg *broker.Config) { cfg.OffsetsSegmentBytes = 2 << 20 })
			c.createTopic(ctx, "__mine", 1)
			create(c)
			adm := kadm.NewClient(c.client())
			configs, err := adm.DescribeTopicConfigs(ctx, metadata.ConsumerOffsetsTopic)
			require.NoError(t, err)
			got := map[string]string{}
			for _, v := range configs[0].Configs {
				got[v.Key] = v.MaybeValue()
			}
			require.Equal(t, "compact", got["cleanup.policy"])
			require.Equal(t, "2097152", got["segment.bytes"], "as offsets.topic.segment.bytes says")
			require.Equal(t, "producer", got["compression.type"])
			topics, err := adm.ListTopicsWithInternal(ctx)
			require.NoError(t, err)
			require.True(t, topics[metadata.ConsumerOffsetsTopic].IsInternal)
			require.Len(t, topics[metadata.ConsumerOffsetsTopic].Partitions, 8)
			require.False(t, topics["__mine"].IsInternal)
		})
	}
}

func TestOffsetsOfTopicsThatAreGoneOrNeverWereAreNotKept(t *testing.T) {
	ctx := testContext(t)
	c := startCluster(t, 3, nil)
	c.createTopic(ctx, "orders", 2)
	adm := c.offsetsTopic(ctx)
	commit := func(topic string, partition int32) error {
		var offsets kadm.Offsets
		offsets.AddOffset(topic, partition, 7, -1)
		resp, err := adm.CommitOffsets(ctx, "g", offsets)
		if err != nil {
			return err
		}
		return resp.Error()
	}
	require.Eventually(t, func() bool { return commit("orders", 1) == nil }, 20*time.Second, 50*time.Millisecond)
	require.ErrorIs(t, commit("orders", 2), kerr.UnknownTopicOrPartition)
	require.ErrorIs(t, commit("returns", 0), kerr.UnknownTopicOrPartition)
	offsets, err := adm.FetchOffsets(ctx, "g")
	require.NoError(t, err)
	require.Len(t, offsets.Offsets()["orders"], 1)
	_, err = adm.DeleteTopic(ctx, "orders")
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		offsets, err := adm.FetchOffsets(ctx, "g")
		return err == nil && len(offsets) == 0
	}, 20*time.Second, 50*time.Millisecond)
}
