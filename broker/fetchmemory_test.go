package broker

import (
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/broker/replication"
)

// fetchOf asks for n partitions of a topic of a cluster without any.
func fetchOf(n int) *kmsg.FetchRequest {
	req := kmsg.NewPtrFetchRequest()
	req.Version = 12
	topic := kmsg.NewFetchRequestTopic()
	topic.Topic = "orders"
	for i := range n {
		part := kmsg.NewFetchRequestTopicPartition()
		part.Partition = int32(i)
		topic.Partitions = append(topic.Partitions, part)
	}
	req.Topics = append(req.Topics, topic)
	return req
}

func TestAConnectionKeepsTheMemoryOfItsFetches(t *testing.T) {
	m := &fetchMemory{}
	answer := func(n int, result replication.FetchResult) *kmsg.FetchResponse {
		m.fetchParts(&metadata.Image{}, fetchOf(n))
		results := make([]replication.FetchResult, n)
		for i := range results {
			results[i] = result
		}
		m.answer(fetchOf(n), results, nil)
		return &m.resp
	}

	got := answer(3, replication.FetchResult{HighWatermark: 7, LeaderID: -1, Records: []byte("records"), Diverging: true, DivergingEpoch: 5, DivergingEnd: 6})
	require.Len(t, got.Topics[0].Partitions, 3)
	require.Equal(t, int32(5), got.Topics[0].Partitions[2].DivergingEpoch.Epoch)
	held := &m.partitions[0]
	m.Release()
	require.Empty(t, m.resp.Topics)
	require.Zero(t, *held, "released memory refers to nothing")

	got = answer(2, replication.FetchResult{HighWatermark: 8, LeaderID: -1})
	require.Same(t, held, &got.Topics[0].Partitions[0])
	fresh := (&fetchMemory{})
	fresh.fetchParts(&metadata.Image{}, fetchOf(2))
	fresh.answer(fetchOf(2), []replication.FetchResult{{HighWatermark: 8, LeaderID: -1}, {HighWatermark: 8, LeaderID: -1}}, nil)
	require.Equal(t, fresh.resp, *got, "nothing of the answer before is in it")

	answer(keptPartitions+1, replication.FetchResult{LeaderID: -1})
	m.Release()
	require.Zero(t, cap(m.parts)+cap(m.partitions)+cap(m.topics), "idle connections hold little")
}
