package group

import (
	"path/filepath"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/brokertest/apachekafka/golden"
	"github.com/weirlab/weir/broker/storage"
)

// TestKafkaReadsRecords holds a log of __consumer_offsets: offsets, committed alone
// and in a transaction, a group with members, tombstones, a barrier.
func TestKafkaReadsRecords(t *testing.T) {
	const now = 1_700_000_000_000
	var log []byte
	opts := storage.NoProducer()
	add := func(records ...storage.Record) {
		log = storage.BuildBatch(log, opts, records)
		opts.BaseOffset += int64(len(records))
	}
	tp := TopicPartition{Topic: "a", Partition: 3}
	add(barrierRecord(now))
	add(offsetRecord("readers", tp, Offset{Offset: 42, LeaderEpoch: 5, Metadata: "where", CommitTimestamp: now}, now),
		offsetRecord("readers", tp, Offset{Offset: 43, LeaderEpoch: -1, CommitTimestamp: now}, now))
	instance, protocol, leader := "i-1", "range", "m-1"
	member := kmsg.NewGroupMetadataValueMember()
	member.MemberID, member.InstanceID, member.ClientID, member.ClientHost = leader, &instance, "c", "/127.0.0.1"
	member.RebalanceTimeoutMillis, member.SessionTimeoutMillis = 300000, 45000
	metadata := kmsg.NewConsumerMemberMetadata()
	metadata.Topics = []string{"a"}
	assignment := kmsg.NewConsumerMemberAssignment()
	assignment.Topics = []kmsg.ConsumerMemberAssignmentTopic{{Topic: "a", Partitions: []int32{3}}}
	member.Subscription, member.Assignment = metadata.AppendTo(nil), assignment.AppendTo(nil)
	v := kmsg.NewGroupMetadataValue()
	v.Version, v.ProtocolType, v.Generation, v.Protocol, v.Leader = groupValueVersion, "consumer", 2, &protocol, &leader
	v.Members = []kmsg.GroupMetadataValueMember{member}
	add(groupRecord("readers", &v, now))
	empty := kmsg.NewGroupMetadataValue()
	empty.Version, empty.ProtocolType, empty.Generation = groupValueVersion, "consumer", 3
	add(groupRecord("readers", &empty, now))
	opts.ProducerID, opts.ProducerEpoch, opts.BaseSequence, opts.Transactional = 7, 1, 0, true
	add(offsetRecord("readers", tp, Offset{Offset: 44, LeaderEpoch: 5, CommitTimestamp: now}, now))
	marker := storage.Batch(storage.BuildMarker(nil, storage.Marker{ProducerID: 7, ProducerEpoch: 1, CoordinatorEpoch: 2, Commit: true}, now))
	marker.SetBaseOffset(opts.BaseOffset)
	log = append(log, marker...)
	at := opts.BaseOffset + 1
	opts = storage.NoProducer()
	opts.BaseOffset = at
	add(storage.Record{TimestampMillis: now, Key: offsetKey("readers", tp)}, storage.Record{TimestampMillis: now, Key: groupKey("readers")})
	golden.Hold(t, filepath.Join("testdata", "kafka"), map[string][]byte{"00000000000000000000.log": log}, "--offsets-decoder")
}
