package broker_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// This broker keeps no fetch sessions (KIP-227). Whoever asks for a session, or
// for none, is answered in full; whoever goes on with one learns that there is
// none.
func TestFetchesBeginNoSession(t *testing.T) {
	ctx := testContext(t)
	c := startCluster(t, 1, nil)
	c.createTopic(ctx, "orders", 1)
	cl := c.client()
	for _, s := range []struct {
		id, epoch int32
		want      int16
	}{
		{0, -1, 0}, {0, 0, 0}, {-1, -1, 0}, {5, -1, 0}, {5, 0, 0}, {-1, 0, 0},
		{0, 3, kerr.FetchSessionIDNotFound.Code}, {5, 1, kerr.FetchSessionIDNotFound.Code}, {5, -2, kerr.FetchSessionIDNotFound.Code},
	} {
		for _, isolation := range []int8{0, 1} {
			req := kmsg.NewPtrFetchRequest()
			req.SessionID, req.SessionEpoch, req.IsolationLevel, req.MaxBytes = s.id, s.epoch, isolation, 1<<20
			part := kmsg.NewFetchRequestTopicPartition()
			part.PartitionMaxBytes = 1 << 20
			topic := kmsg.NewFetchRequestTopic()
			topic.Topic, topic.Partitions = "orders", append(topic.Partitions, part)
			req.Topics = append(req.Topics, topic)
			resp, err := cl.Broker(1).Request(ctx, pinned{req, 11})
			require.NoError(t, err)
			answer, name := resp.(*kmsg.FetchResponse), fmt.Sprintf("session %d epoch %d", s.id, s.epoch)
			require.Equal(t, s.want, answer.ErrorCode, name)
			require.Zero(t, answer.SessionID, name)
			if s.want != 0 {
				require.Empty(t, answer.Topics, name)
				continue
			}
			p := answer.Topics[0].Partitions[0]
			require.Zero(t, p.ErrorCode, name)
			require.NotNil(t, p.RecordBatches, name)
			require.Equal(t, isolation == 1, p.AbortedTransactions != nil, "only who reads what is committed is told of aborted transactions")
		}
	}
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
	for version := int16(1); version <= 7; version++ {
		for _, ts := range []int64{-1, -2, 0, 5} {
			require.Equal(t, []int16{0}, ask(version, ts), "v%d %d", version, ts)
		}
		want := kerr.UnsupportedVersion.Code
		require.Equal(t, []int16{want}, ask(version, -4), "v%d", version)
		require.Equal(t, []int16{want}, ask(version, -9), "v%d", version)
		if version >= 7 {
			want = 0
		}
		require.Equal(t, []int16{want}, ask(version, -3), "v%d", version)
		require.Equal(t, []int16{kerr.InvalidRequest.Code, kerr.InvalidRequest.Code}, ask(version, -1, -2), "named twice")
	}
}

// pinned is a request that is sent in one version.
type pinned struct {
	kmsg.Request
	version int16
}

func (p pinned) MaxVersion() int16 { return p.version }
