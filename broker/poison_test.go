package broker_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/weirlab/weir/broker/storage"
)

// A refused batch is answered with Kafka's code and, from version 8 on, with
// the records at fault (KIP-467); the partition takes what comes after it.
func TestProduceTellsWhichRecordsAreRefused(t *testing.T) {
	ctx := testContext(t)
	c := startCluster(t, 1, nil)
	c.createTopic(ctx, "plain", 1)
	_, err := kadm.NewClient(c.client()).CreateTopic(ctx, 1, 1, map[string]*string{"cleanup.policy": kadm.StringPtr("compact")}, "compacted")
	require.NoError(t, err)
	produce := func(topic string, version int16, records []byte) kmsg.ProduceResponseTopicPartition {
		req := kmsg.NewPtrProduceRequest()
		req.Acks, req.TimeoutMillis = -1, 5000
		rt := kmsg.NewProduceRequestTopic()
		rt.Topic = topic
		p := kmsg.NewProduceRequestTopicPartition()
		p.Records = records
		rt.Partitions = append(rt.Partitions, p)
		req.Topics = append(req.Topics, rt)
		// Straight to the broker: a client would first look at the records.
		cl := c.client(kgo.MaxVersions(versionsWithProduce(version)))
		resp, err := req.RequestWith(ctx, cl)
		require.NoError(t, err)
		require.Len(t, resp.Topics, 1)
		return resp.Topics[0].Partitions[0]
	}
	build := func(keys ...string) []byte {
		var records []storage.Record
		for _, k := range keys {
			r := storage.Record{TimestampMillis: -1, Value: []byte("v")}
			if k != "" {
				r.Key = []byte(k)
			}
			records = append(records, r)
		}
		return storage.BuildBatch(nil, storage.NoProducer(), records)
	}

	var got kmsg.ProduceResponseTopicPartition
	require.Eventually(t, func() bool { // the topic may not be there yet
		got = produce("compacted", 9, build("a", "", "b", ""))
		return got.ErrorCode == kerr.InvalidRecord.Code
	}, 10*time.Second, 20*time.Millisecond)
	require.NotNil(t, got.ErrorMessage)
	require.Len(t, got.ErrorRecords, 2)
	require.EqualValues(t, 1, got.ErrorRecords[0].RelativeOffset)
	require.EqualValues(t, 3, got.ErrorRecords[1].RelativeOffset)
	require.Zero(t, produce("compacted", 9, build("a", "b")).ErrorCode)

	got = produce("plain", 9, append(build("a"), build("b")...))
	require.Equal(t, kerr.InvalidRecord.Code, got.ErrorCode, "one batch to a partition")

	zstd := storage.Batch(build("a"))
	zstd[22] |= 4 // the codec; the checksum no longer holds, which is looked at later
	require.Equal(t, kerr.UnsupportedCompressionType.Code, produce("plain", 6, zstd).ErrorCode)
	require.Equal(t, kerr.CorruptMessage.Code, produce("plain", 7, zstd).ErrorCode)
	require.Zero(t, produce("plain", 7, build("a")).BaseOffset, "nothing was appended before")
}

func versionsWithProduce(version int16) *kversion.Versions {
	v := kversion.Stable()
	v.SetMaxKeyVersion(int16(kmsg.Produce), version)
	return v
}
