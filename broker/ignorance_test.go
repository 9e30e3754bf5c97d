package broker_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// A broker that has started and cannot know yet what its cluster has, for want of
// a quorum, calls nothing unknown: clients give up what they are told does not
// exist.
func TestABrokerThatKnowsNothingYetCallsNothingUnknown(t *testing.T) {
	w := newWorld(t, 3, nil)
	w.run(func() {
		w.ready()
		must(w.tryCreate("t", 3, nil))
		id := w.partition("t").TopicID
		for i := range w.nodes {
			w.nodes[i].node.Crash()
		}
		w.sleep(time.Second)
		w.start(1)
		w.sleep(3 * time.Second)
		unknown := func(what string, code int16) {
			require.NotContains(w.t, []int16{0, kerr.UnknownTopicOrPartition.Code, kerr.UnknownTopicID.Code}, code, what)
		}
		produced := w.ask(1, &kmsg.ProduceRequest{Acks: 1, TimeoutMillis: 1000, Topics: []kmsg.ProduceRequestTopic{{Topic: "t",
			Partitions: []kmsg.ProduceRequestTopicPartition{{Records: w.batchOf(0, "v")}}}}}, 9).(*kmsg.ProduceResponse)
		unknown("Produce", produced.Topics[0].Partitions[0].ErrorCode)
		for _, version := range []int16{12, 13} {
			fetched := w.ask(1, &kmsg.FetchRequest{ReplicaID: -1, MaxBytes: 1 << 20, SessionEpoch: -1, Topics: []kmsg.FetchRequestTopic{{Topic: "t", TopicID: id,
				Partitions: []kmsg.FetchRequestTopicPartition{{PartitionMaxBytes: 1 << 20, CurrentLeaderEpoch: -1, LastFetchedEpoch: -1}}}}}, version).(*kmsg.FetchResponse)
			unknown("Fetch", fetched.Topics[0].Partitions[0].ErrorCode)
		}
		listed := w.ask(1, &kmsg.ListOffsetsRequest{ReplicaID: -1, Topics: []kmsg.ListOffsetsRequestTopic{{Topic: "t",
			Partitions: []kmsg.ListOffsetsRequestTopicPartition{{Timestamp: -1, CurrentLeaderEpoch: -1}}}}}, 6).(*kmsg.ListOffsetsResponse)
		unknown("ListOffsets", listed.Topics[0].Partitions[0].ErrorCode)
		ended := w.ask(1, &kmsg.OffsetForLeaderEpochRequest{ReplicaID: -1, Topics: []kmsg.OffsetForLeaderEpochRequestTopic{{Topic: "t",
			Partitions: []kmsg.OffsetForLeaderEpochRequestTopicPartition{{CurrentLeaderEpoch: -1}}}}}, 4).(*kmsg.OffsetForLeaderEpochResponse)
		unknown("OffsetForLeaderEpoch", ended.Topics[0].Partitions[0].ErrorCode)
		for _, asked := range []kmsg.MetadataRequestTopic{{Topic: kmsg.StringPtr("t")}, {TopicID: id}} {
			shown := w.ask(1, &kmsg.MetadataRequest{Topics: []kmsg.MetadataRequestTopic{asked}}, 12).(*kmsg.MetadataResponse)
			unknown("Metadata", shown.Topics[0].ErrorCode)
		}
		_, err := w.try(1, &kmsg.MetadataRequest{}, 12)
		require.Error(w.t, err, "of all topics: it would seem that there are none")

		w.start(2)
		w.until("all topics are told of again", func() bool {
			all, err := w.try(1, &kmsg.MetadataRequest{}, 12)
			return err == nil && len(all.(*kmsg.MetadataResponse).Topics) == 1 && w.nodes[0].b != nil
		})
	})
}
