package metadata

import (
	"fmt"
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"
)

func text(s string) *string { return &s }

var (
	idA = TopicID{1}
	idB = TopicID{2}
)

func apply(t *testing.T, img *Image, records ...Record) (*Image, Delta) {
	t.Helper()
	ed := img.Edit()
	for i, r := range records {
		require.NoError(t, ed.Apply(r, img.Offset()+1+int64(i)))
	}
	return ed.Done()
}

func part(id TopicID, n, leader, epoch int32) *PartitionRecord {
	return &PartitionRecord{TopicID: id, Partition: n, Replicas: []int32{1, 2}, ISR: []int32{1, 2}, Leader: leader, LeaderEpoch: epoch, PartitionEpoch: epoch}
}

func TestImagesAreImmutable(t *testing.T) {
	one, _ := apply(t, Empty(),
		&RegisterBrokerRecord{BrokerID: 2, Host: "h", Port: 9, Fenced: true},
		&TopicRecord{Name: "a", ID: idA}, part(idA, 0, 1, 0), part(idA, 1, 2, 0),
		&ConfigRecord{ResourceType: ResourceTopic, ResourceName: "a", Name: "retention.ms", Value: text("5")},
		&ConfigRecord{ResourceType: ResourceBroker, Name: "log.segment.bytes", Value: text("7")})
	topic, partition, broker := *one.Topic("a"), one.Partition(TopicPartition{"a", 0}), one.Broker(2)

	two, d := apply(t, one,
		&BrokerStateRecord{BrokerID: 2, BrokerEpoch: 0},
		part(idA, 0, 2, 1), part(idA, 2, 1, 0),
		&ConfigRecord{ResourceType: ResourceTopic, ResourceName: "a", Name: "retention.ms"},
		&ConfigRecord{ResourceType: ResourceBroker, Name: "log.segment.bytes", Value: text("8")},
		&TopicRecord{Name: "A", ID: idB})
	require.Equal(t, Delta{FromOffset: 5, ToOffset: 11, Brokers: []int32{2}, BrokerConfigs: true,
		Partitions: []TopicPartition{{"a", 0}, {"a", 2}}, TopicConfigs: []string{"A", "a"}}, d)

	require.Same(t, broker, one.Broker(2))
	require.True(t, one.Broker(2).Fenced)
	require.Same(t, partition, one.Partition(TopicPartition{"a", 0}))
	require.Equal(t, topic, *one.Topic("a"))
	require.Equal(t, "7", one.BrokerConfigs("")["log.segment.bytes"])
	require.Nil(t, one.Topic("A"))
	require.Len(t, one.Topics(), 1)

	require.False(t, two.Broker(2).Fenced)
	require.Equal(t, int32(2), two.Partition(TopicPartition{"a", 0}).Leader)
	require.Same(t, one.Partition(TopicPartition{"a", 1}), two.Partition(TopicPartition{"a", 1}), "what did not change is shared")
	require.Empty(t, two.Topic("a").Configs)
	require.Equal(t, []string{"A", "a"}, []string{two.Topics()[0].Name, two.Topics()[1].Name})
	require.Equal(t, "8", two.BrokerConfigs("")["log.segment.bytes"])
}

func TestTopicDeletedAndCreatedAgain(t *testing.T) {
	one, _ := apply(t, Empty(), &TopicRecord{Name: "a", ID: idA}, part(idA, 0, 1, 5))
	two, d := apply(t, one, &RemoveTopicRecord{ID: idA}, &TopicRecord{Name: "a", ID: idB}, part(idB, 0, 2, 0))
	require.Equal(t, []DeletedTopic{{"a", idA, 1}}, d.DeletedTopics)
	require.Equal(t, []TopicPartition{{"a", 0}}, d.Partitions)
	require.Equal(t, idB, two.Topic("a").ID)
	require.Nil(t, two.TopicByID(idA))
	three, d := apply(t, two, &TopicRecord{Name: "b", ID: TopicID{3}}, part(TopicID{3}, 0, 1, 0), &RemoveTopicRecord{ID: TopicID{3}})
	require.True(t, d.Empty(), "a topic that came and went within one change: %+v", d)
	require.Len(t, three.Topics(), 1)
}

func TestContradictionsAreErrors(t *testing.T) {
	img, _ := apply(t, Empty(), &RegisterBrokerRecord{BrokerID: 1}, &TopicRecord{Name: "a", ID: idA}, part(idA, 0, 1, 3), &ProducerIDsRecord{NextProducerID: 10})
	for _, c := range []struct {
		record Record
		says   string
	}{
		{&TopicRecord{Name: "a", ID: idB}, `"a"`},
		{&RemoveTopicRecord{ID: idB}, idB.String()},
		{part(idB, 0, 1, 0), idB.String()},
		{part(idA, 2, 1, 0), "in order"},
		{part(idA, 0, 1, 2), "goes back"},
		{part(idA, 0, 1, 3), "goes back"},
		{&BrokerStateRecord{BrokerID: 1, BrokerEpoch: 7}, "epoch 7"},
		{&UnregisterBrokerRecord{BrokerID: 4}, "broker 4"},
		{&ProducerIDsRecord{NextProducerID: 9}, "below 10"},
		{&ConfigRecord{ResourceType: ResourceTopic, ResourceName: "x", Name: "n"}, `"x"`},
		{&ConfigRecord{ResourceType: 99}, "99"},
	} {
		_, _, err := img.Apply(c.record, 4)
		require.ErrorContains(t, err, c.says)
		require.ErrorContains(t, err, "offset 4")
	}
}

func TestRecordsSurviveEncoding(t *testing.T) {
	for _, r := range []Record{
		&RegisterBrokerRecord{BrokerID: 1, Incarnation: Incarnation{1, 2, 3}, Host: "h", Port: 9, Rack: "r", Fenced: true},
		&BrokerStateRecord{BrokerID: 1, BrokerEpoch: 1 << 40, Fenced: true, InControlledShutdown: true},
		&UnregisterBrokerRecord{BrokerID: 1, BrokerEpoch: 2},
		&TopicRecord{Name: "a", ID: idA},
		&RemoveTopicRecord{ID: idA},
		&PartitionRecord{TopicID: idA, Partition: 3, Replicas: []int32{1, 2}, ISR: []int32{}, ELR: []int32{2}, LastKnownELR: []int32{1}, Leader: -1, LeaderEpoch: 4, PartitionEpoch: 5, Recovering: true, MinISR: 2},
		&ConfigRecord{ResourceType: ResourceTopic, ResourceName: "a", Name: "n", Value: text("v")},
		&ConfigRecord{ResourceType: ResourceTopic, ResourceName: "a", Name: "n"},
		&ProducerIDsRecord{BrokerID: 1, BrokerEpoch: 2, NextProducerID: 1 << 50},
	} {
		got, err := DecodeRecord(EncodeRecord(r))
		require.NoError(t, err)
		require.Equal(t, r, got)
	}
}

func TestNilImageIsEmpty(t *testing.T) {
	var img *Image
	require.Equal(t, int64(-1), img.Offset())
	require.Nil(t, img.Broker(1))
	require.Empty(t, img.Topics())
	require.Nil(t, img.Partition(TopicPartition{"a", 0}))
	require.Empty(t, img.TopicConfigs("a"))
	next, _, err := img.Apply(&TopicRecord{Name: "a", ID: idA}, 0)
	require.NoError(t, err)
	require.Equal(t, []string{"a"}, next.Full().TopicConfigs)
}

func BenchmarkOnePartitionOfMany(b *testing.B) {
	ed := Empty().Edit()
	offset := int64(0)
	for i := range 1000 {
		id := TopicID{byte(i), byte(i >> 8), 1}
		_ = ed.Apply(&TopicRecord{Name: fmt.Sprint("topic-", i), ID: id}, offset)
		for n := range int32(10) {
			_ = ed.Apply(part(id, n, 1, 0), offset)
		}
	}
	img, _ := ed.Done()
	epoch := int32(0)
	for b.Loop() {
		epoch++
		img, _, _ = img.Apply(part(TopicID{7, 0, 1}, 3, 2, epoch), offset)
	}
}

// FuzzDecodeRecord: bytes from a damaged log give an error, never a panic, and
// what decodes can be encoded again.
func FuzzDecodeRecord(f *testing.F) {
	f.Add(EncodeRecord(part(idA, 0, 1, 0)))
	f.Add(EncodeRecord(&RegisterBrokerRecord{BrokerID: 1}))
	f.Add(EncodeRecord(&ConfigRecord{Name: "a"}))
	f.Add(EncodeRecord(&ClusterIDRecord{ClusterID: "a"}))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := DecodeRecord(data)
		if err != nil {
			return
		}
		again, err := DecodeRecord(EncodeRecord(r))
		require.NoError(t, err)
		require.Equal(t, EncodeRecord(r), EncodeRecord(again))
		_, _, _ = Empty().Apply(r, 0)
	})
}

func TestGroupsHaveSettingsUntilTheLastIsRemoved(t *testing.T) {
	image := Empty()
	set := func(name string, value *string) {
		edit := image.Edit()
		require.NoError(t, edit.Apply(&ConfigRecord{ResourceType: ResourceGroup, ResourceName: "g", Name: name, Value: value}, image.Offset()+1))
		image, _ = edit.Done()
	}
	one := "1"
	set("a", &one)
	before := image
	set("b", new(string))
	require.Equal(t, map[string]string{"a": "1"}, before.GroupConfigs("g"), "an image does not change")
	require.Equal(t, map[string]string{"a": "1", "b": ""}, image.GroupConfigs("g"))
	edit := Empty().Edit()
	for i, r := range image.Records() {
		require.NoError(t, edit.Apply(r, int64(i)))
	}
	again, _ := edit.Done()
	require.Equal(t, image.GroupConfigs("g"), again.GroupConfigs("g"))
	set("a", nil)
	require.Equal(t, []string{"g"}, image.ConfiguredGroups())
	set("b", nil)
	require.Empty(t, image.ConfiguredGroups())
}

// However many groups have settings, a change of many of them copies the map once.
func TestManyGroupsAreChangedAtThePriceOfOneCopy(t *testing.T) {
	value := "1"
	edit := Empty().Edit()
	set := func(i int) uintptr {
		require.NoError(t, edit.Apply(&ConfigRecord{ResourceType: ResourceGroup, ResourceName: fmt.Sprint("g", i), Name: "a", Value: &value}, int64(i)))
		return reflect.ValueOf(edit.Image().groupConfigs).Pointer()
	}
	first := set(0)
	require.Equal(t, first, set(1))
	image, _ := edit.Done()
	edit = image.Edit()
	require.NotEqual(t, first, set(2), "an image does not change")
	require.Len(t, image.ConfiguredGroups(), 2)
}
