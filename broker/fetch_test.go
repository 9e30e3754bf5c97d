package broker_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Fetch sessions (KIP-227): after the first, full answer a client is told what is
// new, and a request lists what has changed.
func TestAFetchSessionTellsWhatIsNew(t *testing.T) {
	ctx := testContext(t)
	c := startCluster(t, 1, nil)
	c.createTopic(ctx, "orders", 3)
	cl := c.client(kgo.RecordPartitioner(kgo.ManualPartitioner()))
	ask := func(version int16, id, epoch int32, isolation int8, partitions ...int32) *kmsg.FetchResponse {
		req := kmsg.NewPtrFetchRequest()
		req.SessionID, req.SessionEpoch, req.IsolationLevel, req.MaxBytes = id, epoch, isolation, 1<<20
		for _, n := range partitions {
			part := kmsg.NewFetchRequestTopicPartition()
			part.Partition, part.PartitionMaxBytes = n, 1<<20
			topic := kmsg.NewFetchRequestTopic()
			topic.Topic, topic.Partitions = "orders", append(topic.Partitions, part)
			req.Topics = append(req.Topics, topic)
		}
		resp, err := cl.Broker(1).Request(ctx, pinned{req, version})
		require.NoError(t, err)
		return resp.(*kmsg.FetchResponse)
	}
	count := func(answer *kmsg.FetchResponse) (n int) {
		for _, topic := range answer.Topics {
			n += len(topic.Partitions)
		}
		return n
	}
	for version := int16(7); version <= 12; version++ {
		for _, isolation := range []int8{0, 1} {
			name := fmt.Sprintf("version %d, isolation level %d", version, isolation)
			first := ask(version, 0, 0, isolation, 0, 1, 2)
			require.NotZero(t, first.SessionID, name)
			require.Equal(t, 3, count(first), name)
			p := first.Topics[0].Partitions[0]
			require.NotNil(t, p.RecordBatches, name)
			require.Equal(t, isolation == 1, p.AbortedTransactions != nil, "only who reads what is committed is told of aborted transactions")
			next := ask(version, first.SessionID, 1, isolation)
			require.Zero(t, next.ErrorCode, name)
			require.Equal(t, first.SessionID, next.SessionID, name)
			require.Zero(t, count(next), name)
			again := ask(version, first.SessionID, 1, isolation)
			require.Equal(t, kerr.InvalidFetchSessionEpoch.Code, again.ErrorCode, name)
			require.Zero(t, count(again), name)
			require.Zero(t, ask(version, first.SessionID, -1, isolation, 0).SessionID, name)
			require.Equal(t, kerr.FetchSessionIDNotFound.Code, ask(version, first.SessionID, 2, isolation).ErrorCode, name)
		}
	}
	id := ask(12, 0, 0, 0, 0, 1, 2).SessionID
	require.NoError(t, cl.ProduceSync(ctx, &kgo.Record{Topic: "orders", Partition: 1, Value: []byte("x")}).FirstErr())
	news := ask(12, id, 1, 0)
	require.Equal(t, 1, count(news))
	require.EqualValues(t, 1, news.Topics[0].Partitions[0].Partition)
	require.NotEmpty(t, news.Topics[0].Partitions[0].RecordBatches)
}

func TestListOffsetsKnowsTheTimestampsOfItsVersion(t *testing.T) {
	ctx := testContext(t)
	c := startCluster(t, 1, nil)
	c.createTopic(ctx, "orders", 1)
	cl := c.client()
	ask := func(version int16, timestamps ...int64) (codes []int16) {
		req := kmsg.NewPtrListOffsetsRequest()
		topic := kmsg.NewListOffsetsRequestTopic()
		topic.Topic = "orders"
		for _, ts := range timestamps {
			part := kmsg.NewListOffsetsRequestTopicPartition()
			part.Timestamp = ts
			topic.Partitions = append(topic.Partitions, part)
		}
		req.Topics = append(req.Topics, topic)
		resp, err := cl.Broker(1).Request(ctx, pinned{req, version})
		require.NoError(t, err)
		for _, p := range resp.(*kmsg.ListOffsetsResponse).Topics[0].Partitions {
			codes = append(codes, p.ErrorCode)
		}
		return codes
	}
	for version := int16(1); version <= 11; version++ {
		for _, ts := range []int64{-1, -2, 0, 5} {
			require.Equal(t, []int16{0}, ask(version, ts), "v%d %d", version, ts)
		}
		want := kerr.UnsupportedVersion.Code
		require.Equal(t, []int16{want}, ask(version, -9), "v%d", version)
		for ts, since := range map[int64]int16{-3: 7, -4: 8, -5: 9, -6: 11} {
			if want = kerr.UnsupportedVersion.Code; version >= since {
				want = 0
			}
			require.Equal(t, []int16{want}, ask(version, ts), "v%d %d", version, ts)
		}
		require.Equal(t, []int16{kerr.InvalidRequest.Code, kerr.InvalidRequest.Code}, ask(version, -1, -2), "named twice")
	}
}

// TestNoPartOfALogIsElsewhere: the earliest offset in a local log is the
// earliest of all, and there is none in remote storage.
func TestNoPartOfALogIsElsewhere(t *testing.T) {
	ctx := testContext(t)
	c := startCluster(t, 1, nil)
	c.createTopic(ctx, "orders", 1)
	cl := c.client(kgo.DefaultProduceTopic("orders"))
	for range 3 {
		require.NoError(t, cl.ProduceSync(ctx, kgo.StringRecord("x")).FirstErr())
	}
	del := kmsg.NewPtrDeleteRecordsRequest()
	del.TimeoutMillis = 5000
	del.Topics = []kmsg.DeleteRecordsRequestTopic{{Topic: "orders", Partitions: []kmsg.DeleteRecordsRequestTopicPartition{{Offset: 2}}}}
	_, err := del.RequestWith(ctx, cl)
	require.NoError(t, err)
	for ts, want := range map[int64]int64{-1: 3, -2: 2, -4: 2, -5: -1, -6: -1} {
		req := kmsg.NewPtrListOffsetsRequest()
		part := kmsg.NewListOffsetsRequestTopicPartition()
		part.Timestamp = ts
		req.Topics = []kmsg.ListOffsetsRequestTopic{{Topic: "orders", Partitions: []kmsg.ListOffsetsRequestTopicPartition{part}}}
		resp, err := cl.Broker(1).Request(ctx, pinned{req, 11})
		require.NoError(t, err)
		got := resp.(*kmsg.ListOffsetsResponse).Topics[0].Partitions[0]
		require.Zero(t, got.ErrorCode)
		require.Equal(t, want, got.Offset, "timestamp %d", ts)
		require.EqualValues(t, -1, got.Timestamp)
	}
}

// pinned is a request that is sent in one version.
type pinned struct {
	kmsg.Request
	version int16
}

func (p pinned) MaxVersion() int16 { return p.version }
