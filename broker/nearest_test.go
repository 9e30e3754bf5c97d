package broker_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker"
	"github.com/weirlab/weir/broker/config"
)

// inRacks gives broker i the rack "rack-i".
func inRacks(id int, cfg *broker.Config) { cfg.Rack = fmt.Sprintf("rack-%d", id) }

// readAt is what broker id answers a consumer of a topic's only partition.
func (w *world) readAt(id int, topic, rack string, offset int64, version int16) kmsg.FetchResponseTopicPartition {
	resp := w.ask(id, &kmsg.FetchRequest{ReplicaID: -1, MaxBytes: 1 << 20, SessionEpoch: -1, Rack: rack, Topics: []kmsg.FetchRequestTopic{{Topic: topic,
		Partitions: []kmsg.FetchRequestTopicPartition{{FetchOffset: offset, PartitionMaxBytes: 1 << 20, CurrentLeaderEpoch: -1, LastFetchedEpoch: -1}}}}}, version)
	return resp.(*kmsg.FetchResponse).Topics[0].Partitions[0]
}

// followers are the other replicas of a topic's only partition.
func (w *world) followers(topic string) (ids []int) {
	leader := w.leader(topic)
	for _, id := range w.partition(topic).Replicas {
		if int(id) != leader {
			ids = append(ids, int(id))
		}
	}
	return ids
}

// sentToRack is whom the leader sends a consumer to that is in a follower's rack.
func sentToRack(w *world, topic string) any {
	must(w.tryCreate(topic, 3, nil))
	w.mustProduce(topic, w.batchOf(0, "x"))
	w.sleep(time.Second)
	follower := w.followers(topic)[0]
	return w.readAt(w.leader(topic), topic, fmt.Sprintf("rack-%d", follower), 0, 11).PreferredReadReplica == int32(follower)
}

// A consumer in the rack of a follower reads there what is committed as soon as
// it is, and learns from the leader where to go.
func TestAConsumerReadsFromTheFollowerInItsRack(t *testing.T) {
	w := newWorld(t, 3, func(id int, cfg *broker.Config) {
		inRacks(id, cfg)
		require.NoError(t, cfg.Set("replica.selector.class", config.RackAwareSelector))
		require.NoError(t, cfg.Set("replica.fetch.wait.max.ms", "20000"))
	})
	w.run(func() {
		w.ready()
		must(w.tryCreate("t", 3, nil))
		w.sleep(time.Second)
		leader, followers := w.leader("t"), w.followers("t")
		rack := fmt.Sprintf("rack-%d", followers[1])
		for i := range int64(3) {
			w.mustProduce("t", w.batchOf(0, "x"))
			w.sleep(100 * time.Millisecond) // far less than a follower's long poll
			there := w.readAt(followers[1], "t", rack, i, 11)
			require.Zero(t, there.ErrorCode)
			require.NotEmpty(t, there.RecordBatches, "the follower knows that record %d is committed", i)
			require.Equal(t, []int64{i + 1, i + 1, 0}, []int64{there.HighWatermark, there.LastStableOffset, there.LogStartOffset})
		}
		sent := w.readAt(leader, "t", rack, 1, 11)
		require.Zero(t, sent.ErrorCode)
		require.Empty(t, sent.RecordBatches)
		require.Equal(t, []int64{int64(followers[1]), 3, 3}, []int64{int64(sent.PreferredReadReplica), sent.HighWatermark, sent.LastStableOffset})

		for what, p := range map[string]kmsg.FetchResponseTopicPartition{
			"in the leader's rack":      w.readAt(leader, "t", fmt.Sprintf("rack-%d", leader), 0, 11),
			"in a rack of its own":      w.readAt(leader, "t", "nowhere", 0, 11),
			"in none":                   w.readAt(leader, "t", "", 0, 11),
			"of before racks":           w.readAt(leader, "t", rack, 0, 10),
			"at the follower, anywhere": w.readAt(followers[0], "t", "", 0, 11),
		} {
			require.Zero(t, p.ErrorCode, what)
			require.EqualValues(t, -1, p.PreferredReadReplica, what)
			require.NotEmpty(t, p.RecordBatches, what)
		}
		require.Equal(t, kerr.NotLeaderForPartition.Code, w.readAt(followers[0], "t", "", 0, 10).ErrorCode, "a consumer of before racks is the leader's")
		beyond := w.readAt(followers[0], "t", "", 4, 11)
		require.Equal(t, kerr.OffsetOutOfRange.Code, beyond.ErrorCode)
	})
}
