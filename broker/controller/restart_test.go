package controller

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/controller/quorum"
	"github.com/weirlab/weir/broker/metadata"
)

// bigImage has so many topics of so many partitions each.
func bigImage(tb testing.TB, topics, partitions int) *metadata.Image {
	ed := metadata.Empty().Edit()
	offset := int64(0)
	add := func(r metadata.Record) { offset++; require.NoError(tb, ed.Apply(r, offset)) }
	for id := range int32(3) {
		add(&metadata.RegisterBrokerRecord{BrokerID: id + 1, Host: "h", Port: 1, Directories: []metadata.DirectoryID{{byte(id)}}})
	}
	for i := range topics {
		id := metadata.TopicID{byte(i >> 8), byte(i), 1}
		add(&metadata.TopicRecord{Name: fmt.Sprintf("topic-%05d", i), ID: id})
		for p := range int32(partitions) {
			add(&metadata.PartitionRecord{TopicID: id, Partition: p, Replicas: []int32{1, 2, 3}, ISR: []int32{1, 2, 3}, Leader: 1 + p%3, MinISR: 2,
				Directories: []metadata.DirectoryID{{1}, {2}, {3}}})
		}
	}
	ed.SetOffset(offset, 7)
	img, _ := ed.Done()
	return img
}

func BenchmarkSnapshotOf100000Partitions(b *testing.B) {
	for _, topics := range []int{100, 10000} {
		img := bigImage(b, topics, 100000/topics)
		id := quorum.SnapshotID{End: img.Offset() + 1, Epoch: 7}
		data := encodeSnapshot(img, 1)
		b.Run(fmt.Sprintf("write/topics=%d", topics), func(b *testing.B) {
			b.ReportMetric(float64(len(data)), "bytes")
			for b.Loop() {
				encodeSnapshot(img, 1)
			}
		})
		b.Run(fmt.Sprintf("load/topics=%d", topics), func(b *testing.B) {
			for b.Loop() {
				if _, err := decodeSnapshot(data, id); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// One change of one partition, as an AlterPartition makes it, and one heartbeat
// that changes nothing, in a cluster of 10,000 topics and 1,000 brokers.
func BenchmarkMachine(b *testing.B) {
	ed := bigImage(b, 10000, 1).Edit()
	for id := range int32(1000) {
		require.NoError(b, ed.Apply(&metadata.RegisterBrokerRecord{BrokerID: 10 + id, Host: "h", Port: 1, Fenced: false}, 100000+int64(id)))
	}
	img, _ := ed.Done()
	m := newMachine(Config{}.withDefaults())
	m.begin(0, img)
	b.Run("alter", func(b *testing.B) {
		for b.Loop() {
			t := newTxn(img, img.Offset()+1)
			p := t.img().Partition(metadata.TopicPartition{Topic: "topic-05000"})
			m.changePartition(t, p, []int32{1}, noBroker, keepLeader)
			t.ed.Done()
		}
	})
	b.Run("heartbeat", func(b *testing.B) {
		now := time.Duration(0)
		for b.Loop() {
			now++
			broker := img.Broker(500)
			m.touch(now, broker, 1)
			m.deadline()
		}
	})
}

// What one broker does costs nothing for every other broker and topic there is:
// a change of one partition copies a part of the image, a heartbeat none.
func TestSmallRequestsCostNothingForWhatTheyDoNotConcern(t *testing.T) {
	cost := func(topics int) (alter, heartbeat float64) {
		img := bigImage(t, topics, 1)
		m := newMachine(Config{}.withDefaults())
		m.begin(0, img)
		alter = testing.AllocsPerRun(10, func() {
			tx := newTxn(img, img.Offset()+1)
			m.changePartition(tx, tx.img().Topics()[0].Partitions[0], []int32{1}, noBroker, keepLeader)
			tx.ed.Done()
		})
		beat := kmsg.NewPtrBrokerHeartbeatRequest()
		beat.BrokerID, beat.BrokerEpoch, beat.CurrentMetadataOffset = 1, img.Broker(1).Epoch, img.Offset()
		heartbeat = testing.AllocsPerRun(10, func() {
			m.handle(1, newTxn(img, img.Offset()+1), beat)
			m.deadline()
		})
		return alter, heartbeat
	}
	fewAlter, fewBeat := cost(100)
	manyAlter, manyBeat := cost(5000)
	require.InDelta(t, fewAlter, manyAlter, 5)
	require.InDelta(t, fewBeat, manyBeat, 1)
}
