package metadata

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"
)

// TestRecordsAreKafkas holds the bytes of one record of each kind, which
// kafka-dump-log of Apache Kafka 4.3.1 reads with --cluster-metadata-decoder as
// it is written beside them.
func TestRecordsAreKafkas(t *testing.T) {
	records := map[string]Record{
		"register":        &RegisterBrokerRecord{BrokerID: 1, BrokerEpoch: 77, Incarnation: Incarnation{1, 2, 3}, Host: "h", Port: 9092, Rack: "r", Fenced: true, Directories: []DirectoryID{{9}}},
		"register-again":  &RegisterBrokerRecord{BrokerID: 1, BrokerEpoch: 78, Host: "h", Port: 9092, Fenced: true, Directories: []DirectoryID{{9}}, Continues: 77},
		"register-plain":  &RegisterBrokerRecord{BrokerID: 2, Host: "h", Port: 9092},
		"fence":           &BrokerStateRecord{BrokerID: 1, BrokerEpoch: 1 << 40, Fenced: true, InControlledShutdown: true},
		"unfence":         &BrokerStateRecord{BrokerID: 1, BrokerEpoch: 2},
		"unregister":      &UnregisterBrokerRecord{BrokerID: 1, BrokerEpoch: 2},
		"topic":           &TopicRecord{Name: "a", ID: TopicID{1}},
		"remove-topic":    &RemoveTopicRecord{ID: TopicID{1}},
		"partition":       &PartitionRecord{TopicID: TopicID{1}, Partition: 3, Replicas: []int32{1, 2}, ISR: []int32{}, ELR: []int32{2}, LastKnownELR: []int32{1}, Leader: -1, LeaderEpoch: 4, PartitionEpoch: 5, Recovering: true, MinISR: 2, AddingReplicas: []int32{2}, RemovingReplicas: []int32{1}, Directories: []DirectoryID{{1}, {2}}},
		"partition-plain": &PartitionRecord{TopicID: TopicID{1}, Replicas: []int32{1}, ISR: []int32{1}, Leader: 1},
		"config":          &ConfigRecord{ResourceType: ResourceTopic, ResourceName: "a", Name: "n", Value: text("v")},
		"config-removed":  &ConfigRecord{ResourceType: ResourceBroker, ResourceName: "", Name: "n"},
		"producer-ids":    &ProducerIDsRecord{BrokerID: 1, BrokerEpoch: 2, NextProducerID: 1 << 50},
		"cluster-id":      &ClusterIDRecord{ClusterID: "MkU3OEVBNTcwNTJENDM2Qk"},
	}
	seen := 0
	datadriven.RunTest(t, "testdata/records", func(t *testing.T, d *datadriven.TestData) string {
		r := records[d.Cmd]
		require.NotNil(t, r, d.Cmd)
		seen++
		decoded, err := DecodeRecord(EncodeRecord(r))
		require.NoError(t, err)
		require.Equal(t, r, decoded)
		return fmt.Sprintf("%x\n", EncodeRecord(r))
	})
	require.Equal(t, len(records), seen)
}

func TestDamagedRecordsAreRefused(t *testing.T) {
	whole := EncodeRecord(&PartitionRecord{TopicID: TopicID{1}, Replicas: []int32{1, 2}, ISR: []int32{1}, Leader: 1, MinISR: 2, Directories: []DirectoryID{{1}, {2}}})
	for n := range whole {
		_, err := DecodeRecord(whole[:n])
		require.Error(t, err, "%d of %d bytes", n, len(whole))
	}
	_, err := DecodeRecord(append(whole, 0))
	require.ErrorContains(t, err, "damaged")
	for record, says := range map[string]string{
		"\x02\x03\x00":                     "frame version 2",
		"\x01\x63\x00":                     "kind 99",
		"\x01\x03\x09":                     "kind 3, version 9",
		"\x01\x02\x00\xff\xff\xff\xff\x0f": "damaged",
	} {
		_, err := DecodeRecord([]byte(record))
		require.ErrorContains(t, err, says, "%q", record)
	}
	// A count that no bytes follow costs nothing.
	huge := append([]byte("\x01\x03\x01\x00\x00\x00\x00"), strings.Repeat("\x00", 16)+"\xff\xff\xff\xff\x0f"...)
	require.Less(t, testing.AllocsPerRun(5, func() { _, _ = DecodeRecord(huge) }), float64(20))
}
