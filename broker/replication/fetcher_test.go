package replication

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/broker/metadata"
)

// The share of a partition is Kafka's: (31 * topic.hashCode() + partition),
// without its sign, modulo the number of fetchers.
func TestPartitionsOfATopicGoRoundTheFetchers(t *testing.T) {
	require.Equal(t, 0, fetcherOf(metadata.TopicPartition{Topic: "", Partition: 8}, 8))
	// "ab".hashCode() is 3105.
	require.Equal(t, (31*3105+4)%8, fetcherOf(metadata.TopicPartition{Topic: "ab", Partition: 4}, 8))
	for _, topic := range []string{"orders", "a topic whose hash is beyond 32 bits", "Ω"} {
		seen := map[int]bool{}
		for p := range int32(8) {
			i := fetcherOf(metadata.TopicPartition{Topic: topic, Partition: p}, 8)
			require.GreaterOrEqual(t, i, 0)
			seen[i] = true
		}
		require.Len(t, seen, 8, topic)
	}
}

func TestSeveralFetchersCopyFromOneBroker(t *testing.T) {
	c := newCluster(t, 2)
	for _, id := range []int32{1, 2} {
		c.stop(id)
	}
	c.cfg.ReplicaFetchers = 3
	for _, id := range []int32{1, 2} {
		c.start(id)
	}
	used := map[int]bool{}
	for i := range 8 {
		tp := c.createTopic(fmt.Sprintf("topic-%d", i), nil, 1, 2)
		used[fetcherOf(tp, 3)] = true
		r := c.manager(1).Append(tp, batch("a"), -1, patient)
		require.Zero(t, r.ErrorCode, r.ErrorMessage)
	}
	require.Len(t, used, 3)
	m := c.manager(2)
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, f := range m.fetchers[1] {
		require.NotNil(t, f, "fetcher %d copies its share", i)
	}
}
