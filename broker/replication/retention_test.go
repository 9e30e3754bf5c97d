package replication

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/broker/storage"
)

// A follower whose clock is far ahead keeps what the leader keeps. Once the
// leader has cut its log, the follower takes the start from its answers.
func TestFollowersNeverRunRetention(t *testing.T) {
	c := newCluster(t, 2)
	tp := c.createTopic("orders", map[string]string{"retention.ms": "3600000"}, 1, 2)
	for _, v := range []string{"a", "b"} {
		require.Zero(t, c.manager(1).Append(tp, batch(v), -1, patient).ErrorCode)
	}
	c.eventually("the follower knows that both are committed", func() bool { return c.view(2).HighWatermark == 2 })
	ahead := time.Now().Add(100 * 365 * 24 * time.Hour).UnixMilli()
	c.manager(2).partition(tp).retain(ahead)
	require.Zero(t, c.view(2).LogStartOffset)
	c.manager(1).partition(tp).retain(ahead)
	require.EqualValues(t, 2, c.view(1).LogStartOffset)
	c.eventually("the follower takes the leader's log start", func() bool { return c.view(2).LogStartOffset == 2 })
}

// keyed is a batch of one record that a compacted topic takes.
func keyed(value string) []byte {
	return storage.BuildBatch(nil, storage.NoProducer(), []storage.Record{{TimestampMillis: 1, Key: []byte("k"), Value: []byte(value)}})
}

func TestRetentionKeepsWhatIsToBeCompacted(t *testing.T) {
	c := newCluster(t, 1)
	tp := c.createTopic("state", map[string]string{"cleanup.policy": "compact", "retention.ms": "1", "retention.bytes": "0"}, 1)
	require.Zero(t, c.manager(1).Append(tp, keyed("a"), -1, patient).ErrorCode)
	c.manager(1).partition(tp).retain(time.Now().UnixMilli())
	require.Equal(t, []string{"a"}, c.values(1, tp))
	require.Equal(t, kerr.PolicyViolation.Code, c.manager(1).DeleteRecords(tp, 1).ErrorCode)
	require.Equal(t, []string{"a"}, c.values(1, tp))
}

// An internal topic keeps its coordinator's state, also one made without the
// settings that the coordinator would have given it.
func TestRetentionKeepsTheStateOfCoordinators(t *testing.T) {
	c := newCluster(t, 1)
	tp := c.createTopic(metadata.ConsumerOffsetsTopic, map[string]string{"retention.ms": "0"}, 1)
	parts := []AppendPartition{{TP: tp, Records: keyed("a"), Internal: true}}
	require.Zero(t, c.manager(1).BeginAppend(parts, -1).Wait(patient)[0].ErrorCode)
	c.manager(1).partition(tp).retain(time.Now().UnixMilli())
	require.Equal(t, []string{"a"}, c.values(1, tp))
}

// A log's directory fits NAME_MAX whatever its topic is called, is told from
// that of a topic of the same beginning, and names the log it belongs to.
func TestLogDirectoriesDoNotDependOnTheLengthOfNames(t *testing.T) {
	seen := map[string]bool{}
	for _, length := range []int{1, shownTopicBytes, shownTopicBytes + 1, 249} {
		for i, topic := range []string{strings.Repeat("a", length), strings.Repeat("-", length), strings.Repeat(".", length-1) + "1"} {
			id := metadata.TopicID{byte(length), byte(i), 0xfb, 0xff} // its text has - and _ in it
			for _, partition := range []int32{0, 1<<31 - 1} {
				dir := logDirName(metadata.TopicPartition{Topic: topic, Partition: partition}, id)
				require.LessOrEqual(t, len(dir), 255-len(".-delete"))
				require.False(t, seen[dir], dir)
				seen[dir] = true
				gotID, gotPartition, ok := ParseLogDir(dir)
				require.True(t, ok, dir)
				require.Equal(t, id, gotID)
				require.Equal(t, partition, gotPartition)
			}
		}
	}
	for _, other := range []string{"", ".", "-", "__cluster_metadata-0", "orders-0", "orders-x." + metadata.TopicID{1}.String(), "last-life"} {
		_, _, ok := ParseLogDir(other)
		require.False(t, ok, other)
	}
}
