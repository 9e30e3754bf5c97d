package controller

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/broker/brokertest/apachekafka/golden"
	"github.com/weirlab/weir/broker/controller/quorum"
	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/broker/storage"
)

// TestKafkaReadsMetadata holds a metadata log with the batch that begins an epoch
// and a record of every kind, and the snapshot of what it leaves.
func TestKafkaReadsMetadata(t *testing.T) {
	const now = 1_700_000_000_000
	value := "compact"
	id, gone := metadata.TopicID{1}, metadata.TopicID{2}
	records := []metadata.Record{
		&metadata.ClusterIDRecord{ClusterID: "MkU3OEVBNTcwNTJENDM2Qk"},
		&metadata.FeatureLevelRecord{Name: "transaction.version", Level: 2},
		&metadata.RegisterBrokerRecord{BrokerID: 1, Incarnation: metadata.Incarnation{1, 2, 3}, Host: "h", Port: 9092, Rack: "r", Fenced: true, Directories: []metadata.DirectoryID{{9}}},
		&metadata.BrokerStateRecord{BrokerID: 1, BrokerEpoch: 3},
		&metadata.RegisterBrokerRecord{BrokerID: 2, Host: "h", Port: 9093, Fenced: true, Directories: []metadata.DirectoryID{{8}}},
		&metadata.UnregisterBrokerRecord{BrokerID: 2, BrokerEpoch: 5},
		&metadata.TopicRecord{Name: "kept", ID: id},
		&metadata.PartitionRecord{TopicID: id, Partition: 0, Replicas: []int32{1, 2}, ISR: []int32{1}, ELR: []int32{2}, Leader: 1, LeaderEpoch: 4, PartitionEpoch: 5, MinISR: 1, Directories: []metadata.DirectoryID{{9}, {8}}},
		&metadata.TopicRecord{Name: "gone", ID: gone},
		&metadata.RemoveTopicRecord{ID: gone},
		&metadata.ConfigRecord{ResourceType: metadata.ResourceTopic, ResourceName: "kept", Name: "cleanup.policy", Value: &value},
		&metadata.ProducerIDsRecord{BrokerID: 1, BrokerEpoch: 3, NextProducerID: 1000},
	}
	log := encodeLeaderChange(1, []Voter{{ID: 1}, {ID: 2}}, now)
	batch := storage.Batch(encodeRecords(records, now))
	batch.SetBaseOffset(1)
	log = append(log, batch...)
	ed := metadata.Empty().Edit()
	for i, r := range records {
		require.NoError(t, ed.Apply(r, int64(i+1)))
	}
	end := int64(len(records)) + 1
	ed.SetOffset(end-1, 7)
	img, _ := ed.Done()
	golden.Hold(t, filepath.Join("testdata", "kafka"), map[string][]byte{
		"00000000000000000000.log":                          log,
		snapshotName(quorum.SnapshotID{End: end, Epoch: 7}): encodeSnapshot(img, now),
	}, "--cluster-metadata-decoder")
}
