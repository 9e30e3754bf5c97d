package metadata

import (
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// fill gives every field of a struct a value that is not its zero.
func fill(v reflect.Value, seed *int64) {
	*seed++
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), seed)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fill(v.Index(0), seed)
		fill(v.Index(1), seed)
	case reflect.Array:
		fill(v.Index(0), seed)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.String:
		v.SetString("s" + string(rune('a'+*seed%26)))
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), seed)
	case reflect.Uint8:
		v.SetUint(uint64(*seed%255) + 1)
	default:
		v.SetInt(*seed)
	}
}

// Whatever field is added to a record, no way that it takes may drop it: bytes,
// image, copy, and a snapshot's record again.
func TestNothingBetweenRecordAndImageDropsAField(t *testing.T) {
	seed := int64(0)
	var want PartitionRecord
	fill(reflect.ValueOf(&want).Elem(), &seed)
	want.Partition = 0
	decoded, err := DecodeRecord(EncodeRecord(&want))
	require.NoError(t, err)
	require.Equal(t, &want, decoded)
	img, _ := apply(t, Empty(), &TopicRecord{Name: "t", ID: want.TopicID}, decoded)
	p := img.Partition(TopicPartition{"t", 0})
	require.Equal(t, &want, p.Record())
	require.Equal(t, p, p.Clone())
	for i := range reflect.TypeFor[Partition]().NumField() {
		other := p.Clone()
		f := reflect.ValueOf(other).Elem().Field(i)
		if f.IsZero() {
			continue // the number of the only partition
		}
		f.SetZero()
		require.False(t, p.Equal(other), "field %s is not compared", reflect.TypeFor[Partition]().Field(i).Name)
	}

	var broker RegisterBrokerRecord
	fill(reflect.ValueOf(&broker).Elem(), &seed)
	img, _ = apply(t, Empty(), &broker)
	require.Equal(t, []Record{&broker}, img.Records())
	for i := range reflect.TypeFor[Broker]().NumField() {
		other := *img.Broker(broker.BrokerID)
		reflect.ValueOf(&other).Elem().Field(i).SetZero()
		require.False(t, sameBroker(img.Broker(broker.BrokerID), &other), "field %s is not compared", reflect.TypeFor[Broker]().Field(i).Name)
	}
}

// begun is the image of a log of one record, which is no metadata: the one that
// begins the first leader's epoch.
func begun() *Image {
	ed := Empty().Edit()
	ed.SetOffset(0, 1)
	img, _ := ed.Done()
	return img
}

// drawRecords draws a log, in which each record fits what came before.
func drawRecords(t *rapid.T, n int) []Record {
	var out []Record
	img := begun()
	id := rapid.Int32Range(1, 4)
	for range n {
		var r Record
		topics := img.Topics()
		switch rapid.IntRange(0, 8).Draw(t, "kind") {
		case 0:
			r = &RegisterBrokerRecord{BrokerID: id.Draw(t, "broker"), Host: "h", Port: 1, Fenced: rapid.Bool().Draw(t, "fenced"), Incarnation: Incarnation{byte(len(out))}}
		case 1:
			if b := img.Broker(id.Draw(t, "broker")); b != nil {
				r = &BrokerStateRecord{BrokerID: b.ID, BrokerEpoch: b.Epoch, Fenced: rapid.Bool().Draw(t, "fenced"), InControlledShutdown: rapid.Bool().Draw(t, "leaving")}
			}
		case 2:
			if b := img.Broker(id.Draw(t, "broker")); b != nil {
				r = &UnregisterBrokerRecord{BrokerID: b.ID, BrokerEpoch: b.Epoch}
			}
		case 3:
			name := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "topic")
			if img.Topic(name) == nil {
				r = &TopicRecord{Name: name, ID: TopicID{1, byte(len(out) + 1)}}
			}
		case 4:
			if len(topics) > 0 && rapid.Bool().Draw(t, "really") {
				r = &RemoveTopicRecord{ID: rapid.SampledFrom(topics).Draw(t, "topic").ID}
			}
		case 5, 6:
			if len(topics) > 0 {
				topic := rapid.SampledFrom(topics).Draw(t, "topic")
				n := rapid.Int32Range(0, int32(len(topic.Partitions))).Draw(t, "partition")
				p := &Partition{TopicID: topic.ID, Partition: n, Replicas: []int32{1, 2, 3}, ISR: []int32{1}, Leader: id.Draw(t, "leader"), MinISR: 2}
				if int(n) < len(topic.Partitions) {
					p.LeaderEpoch, p.PartitionEpoch = topic.Partitions[n].LeaderEpoch, topic.Partitions[n].PartitionEpoch+1
					p.AddingReplicas = []int32{3}
				}
				r = p.Record()
			}
		case 7:
			c := &ConfigRecord{ResourceType: ResourceBroker, ResourceName: rapid.SampledFrom([]string{"", "1"}).Draw(t, "resource"), Name: "x"}
			if len(topics) > 0 && rapid.Bool().Draw(t, "of a topic") {
				c.ResourceType, c.ResourceName = ResourceTopic, rapid.SampledFrom(topics).Draw(t, "topic").Name
			}
			if rapid.Bool().Draw(t, "set") {
				c.Value = text(rapid.StringN(0, 3, -1).Draw(t, "value"))
			}
			r = c
		case 8:
			r = &ProducerIDsRecord{NextProducerID: img.NextProducerID() + 1000}
		}
		if r == nil {
			continue
		}
		next, _, err := img.Apply(r, img.Offset()+1)
		if err != nil {
			t.Fatal(err)
		}
		img, out = next, append(out, r)
	}
	return out
}

func fold(t require.TestingT, from *Image, records []Record) *Image {
	ed := from.Edit()
	for _, r := range records {
		require.NoError(t, ed.Apply(r, ed.Image().Offset()+1))
	}
	img, _ := ed.Done()
	return img
}

// A snapshot gives the image that the log gives, and goes on as the log does.
// What differs between two images is found without the records between them.
func TestSnapshotsStandForTheLog(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		log := drawRecords(t, rapid.IntRange(0, 40).Draw(t, "records"))
		cut := rapid.IntRange(0, len(log)).Draw(t, "cut")
		early, late := fold(t, begun(), log[:cut]), fold(t, begun(), log)
		ed := Empty().Edit()
		for i, r := range early.Records() {
			decoded, err := DecodeRecord(EncodeRecord(r))
			require.NoError(t, err)
			require.NoError(t, ed.Apply(decoded, int64(i)))
		}
		ed.SetOffset(early.Offset(), 0)
		snapshot, _ := ed.Done()
		require.Equal(t, early.Records(), snapshot.Records())
		again := fold(t, snapshot, log[cut:])
		require.Equal(t, late.Records(), again.Records())

		// Applied to the early image, the delta's parts of the late one give the
		// late one: nothing that differs is missing.
		d := Between(early, late)
		require.True(t, Between(late, again).Empty() && Between(early, early).Empty())
		for _, p := range late.Full().Partitions {
			old, is := early.Partition(p), late.Partition(p)
			changed := old == nil || !old.Equal(is)
			require.Equal(t, changed, contains(d.Partitions, p), "%v", p)
		}
		for _, gone := range early.Topics() {
			if late.TopicByID(gone.ID) == nil {
				require.Contains(t, d.DeletedTopics, DeletedTopic{gone.Name, gone.ID, int32(len(gone.Partitions))})
			}
		}
	})
}

func contains(list []TopicPartition, tp TopicPartition) bool {
	for _, have := range list {
		if have == tp {
			return true
		}
	}
	return false
}
