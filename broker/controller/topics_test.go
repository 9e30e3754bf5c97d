package controller

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"

	"github.com/weirlab/weir/broker/metadata"
)

func create(f *fixture, change func(*kmsg.CreateTopicsRequestTopic)) kmsg.CreateTopicsResponseTopic {
	req := kmsg.NewPtrCreateTopicsRequest()
	req.Version = 7
	rt := kmsg.NewCreateTopicsRequestTopic()
	rt.Topic, rt.NumPartitions, rt.ReplicationFactor = "new", 1, 1
	change(&rt)
	req.Topics = append(req.Topics, rt)
	return f.do(req).(*kmsg.CreateTopicsResponse).Topics[0]
}

func TestCreateTopicsRefusals(t *testing.T) {
	type topic = kmsg.CreateTopicsRequestTopic
	setting := func(name, value string) func(*topic) {
		return func(rt *topic) {
			rt.Configs = []kmsg.CreateTopicsRequestTopicConfig{{Name: name, Value: kmsg.StringPtr(value)}}
		}
	}
	manual := func(lists ...[]int32) func(*topic) {
		return func(rt *topic) {
			rt.NumPartitions, rt.ReplicationFactor = -1, -1
			for i, l := range lists {
				rt.ReplicaAssignment = append(rt.ReplicaAssignment, kmsg.CreateTopicsRequestTopicReplicaAssignment{Partition: int32(i), Replicas: l})
			}
		}
	}
	for _, c := range []struct {
		name   string
		change func(*topic)
		want   *kerr.Error
		says   string
	}{
		{"empty name", func(rt *topic) { rt.Topic = "" }, kerr.InvalidTopicException, "empty"},
		{"bad characters", func(rt *topic) { rt.Topic = "a b" }, kerr.InvalidTopicException, "'a b'"},
		{"long name", func(rt *topic) { rt.Topic = strings.Repeat("x", 250) }, kerr.InvalidTopicException, "249"},
		{"the metadata log", func(rt *topic) { rt.Topic = metadata.ClusterMetadataTopic }, kerr.InvalidTopicException, "prohibited"},
		{"exists", func(rt *topic) { rt.Topic = "old.one" }, kerr.TopicAlreadyExists, "old.one"},
		{"collides", func(rt *topic) { rt.Topic = "old_one" }, kerr.InvalidTopicException, "old.one"},
		{"no partitions", func(rt *topic) { rt.NumPartitions = 0 }, kerr.InvalidPartitions, "non-positive"},
		{"too many replicas", func(rt *topic) { rt.ReplicationFactor = 4 }, kerr.InvalidReplicationFactor, "only 3 broker(s) are registered"},
		{"no replicas", func(rt *topic) { rt.ReplicationFactor = 0 }, kerr.InvalidReplicationFactor, "larger than 0"},
		{"too many partitions", func(rt *topic) { rt.NumPartitions = 1 << 30 }, kerr.PolicyViolation, "10000"},
		{"unknown setting", setting("retention.mss", "1"), kerr.InvalidConfig, "retention.mss"},
		{"bad setting", setting("retention.ms", "soon"), kerr.InvalidConfig, "Not a number of type LONG"},
		{"unknown broker", manual([]int32{1, 9}), kerr.InvalidReplicaAssignment, "9"},
		{"broker twice", manual([]int32{1, 1}), kerr.InvalidReplicaAssignment, "more than once"},
		{"unequal replicas", manual([]int32{1, 2}, []int32{1}), kerr.InvalidReplicaAssignment, "not consistent"},
		{"only fenced brokers", manual([]int32{3}), kerr.InvalidReplicaAssignment, "fenced"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFixture(t, 3, 1)
			f.topic("old.one", 1)
			f.silence(1, 2)
			before := len(f.log)
			got := create(f, c.change)
			require.Equal(t, c.want.Code, got.ErrorCode)
			require.Contains(t, *got.ErrorMessage, c.says)
			require.Len(t, f.log, before, "a refused request writes nothing")
		})
	}
}

func TestCreateTopicAnswers(t *testing.T) {
	f := newFixture(t, 3, 1)
	got := create(f, func(rt *kmsg.CreateTopicsRequestTopic) {
		rt.NumPartitions, rt.ReplicationFactor = 6, 3
		rt.Configs = []kmsg.CreateTopicsRequestTopicConfig{{Name: "min.insync.replicas", Value: kmsg.StringPtr("2")}}
	})
	require.Zero(t, got.ErrorCode)
	require.Equal(t, int32(6), got.NumPartitions)
	topic := f.img.Topic("new")
	require.Equal(t, [16]byte(topic.ID), got.TopicID)
	require.Equal(t, map[string]string{"min.insync.replicas": "2"}, topic.Configs)
	leaders := map[int32]int{}
	for _, p := range topic.Partitions {
		leaders[p.Leader]++
		require.Equal(t, p.Replicas, p.ISR)
	}
	require.Equal(t, map[int32]int{1: 2, 2: 2, 3: 2}, leaders)

	del := kmsg.NewPtrDeleteTopicsRequest()
	del.Version = 6
	del.Topics = []kmsg.DeleteTopicsRequestTopic{{TopicID: topic.ID}, {Topic: kmsg.StringPtr("nope")}}
	resp := f.do(del).(*kmsg.DeleteTopicsResponse)
	require.Zero(t, resp.Topics[0].ErrorCode)
	require.Equal(t, "new", *resp.Topics[0].Topic)
	require.Equal(t, kerr.UnknownTopicOrPartition.Code, resp.Topics[1].ErrorCode)
	create(f, func(*kmsg.CreateTopicsRequestTopic) {})
	require.NotEqual(t, topic.ID, f.img.Topic("new").ID, "a topic created again is another topic")
}

func TestCreatePartitions(t *testing.T) {
	f := newFixture(t, 3, 1)
	create(f, func(rt *kmsg.CreateTopicsRequestTopic) { rt.NumPartitions, rt.ReplicationFactor = 2, 2 })
	grow := func(topic string, count int32) int16 {
		req := kmsg.NewPtrCreatePartitionsRequest()
		req.Version = 3
		rt := kmsg.NewCreatePartitionsRequestTopic()
		rt.Topic, rt.Count = topic, count
		req.Topics = append(req.Topics, rt)
		return f.do(req).(*kmsg.CreatePartitionsResponse).Topics[0].ErrorCode
	}
	require.Equal(t, kerr.InvalidPartitions.Code, grow("new", 2))
	require.Equal(t, kerr.InvalidPartitions.Code, grow("new", 1))
	require.Equal(t, kerr.UnknownTopicOrPartition.Code, grow("nope", 3))
	require.Zero(t, grow("new", 5))
	require.Len(t, f.img.Topic("new").Partitions, 5)
	require.Len(t, f.img.Topic("new").Partitions[4].Replicas, 2)
}

// Placement: distinct replicas, active brokers first, leaders even to within
// one, and no rack doubled while another has none.
func TestPlacement(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 9).Draw(t, "brokers")
		rf := rapid.IntRange(1, n).Draw(t, "replication factor")
		count := rapid.Int32Range(1, 40).Draw(t, "partitions")
		ed := metadata.Empty().Edit()
		racks, active := map[string]bool{}, 0
		for i := range n {
			fenced := i > 0 && rapid.IntRange(0, 4).Draw(t, "fenced") == 0
			rack := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "rack")
			racks[rack] = true
			if !fenced {
				active++
			}
			require.NoError(t, ed.Apply(&metadata.RegisterBrokerRecord{BrokerID: int32(i), Rack: rack, Fenced: fenced}, int64(i)))
		}
		img, _ := ed.Done()
		lists, err := place(img, "topic", 0, count, int16(rf))
		require.NoError(t, err)
		require.Len(t, lists, int(count))
		leads := map[int32]int{}
		for _, l := range lists {
			require.Len(t, l, rf)
			require.Len(t, slices.Compact(slices.Sorted(slices.Values(l))), rf, "replicas %v are not distinct", l)
			require.False(t, img.Broker(l[0]).Fenced)
			leads[l[0]]++
			used := map[string]bool{}
			for _, id := range l {
				used[img.Broker(id).Rack] = true
			}
			require.Len(t, used, min(rf, len(racks)), "replicas %v leave a rack out", l)
		}
		for _, b := range img.Brokers() {
			if !b.Fenced {
				require.InDelta(t, float64(count)/float64(active), leads[b.ID], 1)
			}
		}
	})
}

// Kafka answers what a request names twice once, with an error, and leaves it
// as it is.
func TestTheSameNameTwiceIsOneError(t *testing.T) {
	f := newFixture(t, 1, 1)
	f.topic("a", 1)
	f.topic("b", 1)
	a, b, id := kmsg.StringPtr("a"), kmsg.StringPtr("b"), f.img.Topic("b").ID

	for _, version := range []int16{5, 6} {
		drop := kmsg.NewPtrDeleteTopicsRequest()
		drop.Version, drop.TopicNames = version, []string{"a", "missing", "a"}
		drop.Topics = []kmsg.DeleteTopicsRequestTopic{{Topic: a}, {Topic: kmsg.StringPtr("missing")}, {Topic: a}}
		got := f.do(drop).(*kmsg.DeleteTopicsResponse).Topics
		require.Len(t, got, 2)
		require.Equal(t, kerr.InvalidRequest.Code, got[0].ErrorCode)
		require.Equal(t, "Duplicate topic name.", *got[0].ErrorMessage)
		require.Equal(t, kerr.UnknownTopicOrPartition.Code, got[1].ErrorCode)
	}
	drop := kmsg.NewPtrDeleteTopicsRequest()
	drop.Version = 6
	drop.Topics = []kmsg.DeleteTopicsRequestTopic{{TopicID: id}, {TopicID: id}, {}, {Topic: a, TopicID: id}}
	for _, got := range f.do(drop).(*kmsg.DeleteTopicsResponse).Topics {
		require.Equal(t, kerr.InvalidRequest.Code, got.ErrorCode)
	}
	require.NotNil(t, f.img.Topic("a"))
	require.NotNil(t, f.img.Topic("b"))

	drop.Topics = []kmsg.DeleteTopicsRequestTopic{{Topic: b}, {TopicID: id}}
	got := f.do(drop).(*kmsg.DeleteTopicsResponse).Topics
	require.Len(t, got, 2)
	require.Equal(t, kerr.InvalidRequest.Code, got[0].ErrorCode, "named by name and by id")
	require.Zero(t, got[1].ErrorCode)

	create := kmsg.NewPtrCreateTopicsRequest()
	create.Version = 7
	create.Topics = []kmsg.CreateTopicsRequestTopic{{Topic: "c", NumPartitions: 1, ReplicationFactor: 1}, {Topic: "d", NumPartitions: 1, ReplicationFactor: 1}, {Topic: "c", NumPartitions: 1, ReplicationFactor: 1}}
	created := f.do(create).(*kmsg.CreateTopicsResponse).Topics
	require.Len(t, created, 2)
	require.Equal(t, kerr.InvalidRequest.Code, created[0].ErrorCode)
	require.Zero(t, created[1].ErrorCode)

	grow := kmsg.NewPtrCreatePartitionsRequest()
	grow.Topics = []kmsg.CreatePartitionsRequestTopic{{Topic: "d", Count: 2}, {Topic: "d", Count: 3}}
	grown := f.do(grow).(*kmsg.CreatePartitionsResponse).Topics
	require.Len(t, grown, 1)
	require.Equal(t, kerr.InvalidRequest.Code, grown[0].ErrorCode)
	require.Len(t, f.img.Topic("d").Partitions, 1)
}

// The offsets of a group are in the partition that the number of partitions gives
// for its name.
func TestInternalTopicsDoNotGrow(t *testing.T) {
	f := newFixture(t, 1, 1)
	tp := f.topic(metadata.ConsumerOffsetsTopic, 1)
	req := kmsg.NewPtrCreatePartitionsRequest()
	rt := kmsg.NewCreatePartitionsRequestTopic()
	rt.Topic, rt.Count = tp.Topic, 5
	req.Topics = append(req.Topics, rt)
	require.Equal(t, kerr.InvalidTopicException.Code, f.do(req).(*kmsg.CreatePartitionsResponse).Topics[0].ErrorCode)
	require.Len(t, f.img.Topic(tp.Topic).Partitions, 1)
}
