package state

import (
	"encoding/hex"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/broker/brokertest/apachekafka/golden"
	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/broker/share"
	"github.com/weirlab/weir/broker/storage"
)

const now = 1_700_000_000_000

var keyOfTests = share.Key{Group: "g", Topic: metadata.TopicID{0xab, 2}, Partition: 3}

func whole() *value {
	return &value{State: share.State{StateEpoch: 4, LeaderEpoch: 2, StartOffset: 10, DeliveryCompleteCount: 6, Batches: []share.Batch{
		{First: 11, Last: 13, State: share.Acknowledged, DeliveryCount: 1}, {First: 14, Last: 16, State: share.Archived, DeliveryCount: 5}, {First: 20, Last: 20, DeliveryCount: 2}}},
		Epoch: 7, CreateMillis: now - 5, WriteMillis: now}
}

func part() *value {
	return &value{State: share.State{LeaderEpoch: 2, StartOffset: share.Uninitialized, DeliveryCompleteCount: -1,
		Batches: []share.Batch{{First: 20, Last: 20, State: share.Acknowledged, DeliveryCount: 2}}}, Epoch: 7}
}

func begun() *value {
	return &value{State: share.State{StateEpoch: 1, StartOffset: share.Uninitialized, DeliveryCompleteCount: -1}, CreateMillis: now, WriteMillis: now}
}

func samples() []storage.Record {
	return []storage.Record{
		record(snapshotKind, barrierKey, nil, now),
		record(snapshotKind, keyOfTests, begun(), now),
		record(updateKind, keyOfTests, part(), now),
		record(snapshotKind, keyOfTests, whole(), now),
		record(snapshotKind, keyOfTests, nil, now),
	}
}

func TestRecordsReadAsTheyWereWritten(t *testing.T) {
	for i, want := range []*value{nil, begun(), part(), whole(), nil} {
		k, key, v, err := readRecord(samples()[i])
		require.NoError(t, err)
		require.Equal(t, i == 2, k == updateKind)
		require.Equal(t, i == 0, key == barrierKey)
		require.Equal(t, want, v)
	}
}

// The bytes are Kafka's: its schemas (common/message/Share*.json of 4.3) by hand.
func TestRecordsAreKafkas(t *testing.T) {
	id := "ab02" + "0000000000000000000000000000"
	update := samples()[2]
	require.Equal(t, "0001"+"000167"+id+"00000003", hex.EncodeToString(update.Key))
	require.Equal(t, "0000"+"00000007"+"00000002"+"ffffffffffffffff"+"02"+"0000000000000014"+"0000000000000014"+"02"+"0002"+"00"+"00", hex.EncodeToString(update.Value))
	v := begun()
	v.DeliveryCompleteCount = 9
	require.Equal(t, "0000"+"00000000"+"00000001"+"00000000"+"ffffffffffffffff"+"0000018bcfe56800"+"0000018bcfe56800"+"01"+"01"+"0004"+"00000009", hex.EncodeToString(v.appendTo(snapshotKind)))
}

// TestKafkaReadsRecords holds a log of __share_group_state with all that a coordinator
// writes.
func TestKafkaReadsRecords(t *testing.T) {
	log := storage.BuildBatch(nil, storage.NoProducer(), samples())
	golden.Hold(t, filepath.Join("testdata", "kafka"), map[string][]byte{"00000000000000000000.log": log}, "--share-group-state-decoder")
}

// Whatever stands in the log, it is read or refused, and what was read is written as
// what reads the same.
func FuzzReadRecord(f *testing.F) {
	for _, r := range samples() {
		f.Add(r.Key, r.Value, r.Value == nil)
	}
	f.Add(samples()[1].Key, append(samples()[1].Value[:len(samples()[1].Value)-2], 0xff, 0xff, 0xff, 0xff, 0x0f, 0), false)
	f.Fuzz(func(t *testing.T, key, val []byte, tombstone bool) {
		if tombstone {
			val = nil
		}
		m := newMachine(&Config{}, func() *metadata.Image { return nil })
		rec := storage.Record{Key: key, Value: val}
		_ = m.Replay(rec, none)
		k, named, v, err := readRecord(rec)
		if err != nil {
			return
		}
		again, same, w, err := readRecord(record(k, named, v, now))
		require.NoError(t, err)
		require.Equal(t, k, again)
		require.Equal(t, named, same)
		require.Equal(t, v, w)
	})
}
