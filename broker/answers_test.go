package broker_test

import (
	"fmt"
	"math"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/protocol"
	"github.com/weirlab/weir/env/osenv"
	"github.com/weirlab/weir/env/osenv/osenvtest"
)

// ordinaryRequests has, for every API that a broker serves, requests that
// clients make every day, those that fail included.
func ordinaryRequests(topicID [16]byte, batch []byte) map[kmsg.Key][]kmsg.Request {
	broker := func(name string) kmsg.DescribeConfigsRequestResource {
		return kmsg.DescribeConfigsRequestResource{ResourceType: kmsg.ConfigResourceTypeBroker, ResourceName: name}
	}
	topics := [][16]byte{topicID, {9}}
	names := []string{"there", "missing"}
	made := map[kmsg.Key][]kmsg.Request{}
	add := func(req kmsg.Request) { made[kmsg.Key(req.Key())] = append(made[kmsg.Key(req.Key())], req) }
	for i, name := range names {
		add(&kmsg.ProduceRequest{Acks: 1, TimeoutMillis: 1000, Topics: []kmsg.ProduceRequestTopic{{Topic: name, TopicID: topics[i],
			Partitions: []kmsg.ProduceRequestTopicPartition{{Records: batch}}}}})
		add(&kmsg.FetchRequest{ReplicaID: -1, MaxBytes: 1 << 20, SessionEpoch: -1, ReplicaState: kmsg.FetchRequestReplicaState{ID: -1, Epoch: -1}, Topics: []kmsg.FetchRequestTopic{{Topic: name, TopicID: topics[i],
			Partitions: []kmsg.FetchRequestTopicPartition{{PartitionMaxBytes: 1 << 20, CurrentLeaderEpoch: -1, LastFetchedEpoch: -1},
				{FetchOffset: 1 << 40, PartitionMaxBytes: 1 << 20, CurrentLeaderEpoch: -1, LastFetchedEpoch: -1}}}}})
		add(&kmsg.ListOffsetsRequest{ReplicaID: -1, Topics: []kmsg.ListOffsetsRequestTopic{{Topic: name,
			Partitions: []kmsg.ListOffsetsRequestTopicPartition{{Timestamp: -1, CurrentLeaderEpoch: -1, MaxNumOffsets: 1}}}}})
		add(&kmsg.MetadataRequest{Topics: []kmsg.MetadataRequestTopic{{Topic: kmsg.StringPtr(name)}}})
		add(&kmsg.OffsetCommitRequest{Group: "g", Generation: -1, RetentionTimeMillis: -1, Topics: []kmsg.OffsetCommitRequestTopic{{Topic: name, TopicID: topics[i],
			Partitions: []kmsg.OffsetCommitRequestTopicPartition{{Metadata: kmsg.StringPtr("")}}}}})
		add(&kmsg.OffsetFetchRequest{Group: "g", Topics: []kmsg.OffsetFetchRequestTopic{{Topic: name, Partitions: []int32{0}}},
			Groups: []kmsg.OffsetFetchRequestGroup{{Group: "g", MemberEpoch: -1, Topics: []kmsg.OffsetFetchRequestGroupTopic{{Topic: name, TopicID: topics[i], Partitions: []int32{0}}}}}})
		add(&kmsg.CreateTopicsRequest{TimeoutMillis: 5000, ValidateOnly: true, Topics: []kmsg.CreateTopicsRequestTopic{{Topic: name, NumPartitions: 1, ReplicationFactor: 1}}})
		add(&kmsg.CreatePartitionsRequest{TimeoutMillis: 5000, ValidateOnly: true, Topics: []kmsg.CreatePartitionsRequestTopic{{Topic: name, Count: 9}}})
		add(&kmsg.DeleteRecordsRequest{TimeoutMillis: 1000, Topics: []kmsg.DeleteRecordsRequestTopic{{Topic: name, Partitions: []kmsg.DeleteRecordsRequestTopicPartition{{Offset: 0}}}}})
		add(&kmsg.OffsetForLeaderEpochRequest{ReplicaID: -1, Topics: []kmsg.OffsetForLeaderEpochRequestTopic{{Topic: name,
			Partitions: []kmsg.OffsetForLeaderEpochRequestTopicPartition{{CurrentLeaderEpoch: -1}}}}})
		add(&kmsg.DescribeConfigsRequest{IncludeSynonyms: i == 0, IncludeDocumentation: i == 0, Resources: []kmsg.DescribeConfigsRequestResource{
			{ResourceType: kmsg.ConfigResourceTypeTopic, ResourceName: name}, broker("1"), broker(""), broker("7")}})
		add(&kmsg.AlterConfigsRequest{ValidateOnly: true, Resources: []kmsg.AlterConfigsRequestResource{{ResourceType: kmsg.ConfigResourceTypeTopic, ResourceName: name}}})
		add(&kmsg.IncrementalAlterConfigsRequest{ValidateOnly: true, Resources: []kmsg.IncrementalAlterConfigsRequestResource{{ResourceType: kmsg.ConfigResourceTypeTopic, ResourceName: name}}})
		add(&kmsg.AlterReplicaLogDirsRequest{Dirs: []kmsg.AlterReplicaLogDirsRequestDir{{Dir: []string{".", "missing"}[i], Topics: []kmsg.AlterReplicaLogDirsRequestDirTopic{{Topic: name, Partitions: []int32{0}}}}}})
		add(&kmsg.DescribeLogDirsRequest{Topics: []kmsg.DescribeLogDirsRequestTopic{{Topic: name, Partitions: []int32{0}}}})
		add(&kmsg.DescribeProducersRequest{Topics: []kmsg.DescribeProducersRequestTopic{{Topic: name, Partitions: []int32{0}}}})
		add(&kmsg.DescribeTopicPartitionsRequest{Topics: []kmsg.DescribeTopicPartitionsRequestTopic{{Topic: name}}, ResponsePartitionLimit: 10})
		add(&kmsg.TxnOffsetCommitRequest{TransactionalID: "x", Group: "g", Generation: -1, Topics: []kmsg.TxnOffsetCommitRequestTopic{{Topic: name, TopicID: topics[i],
			Partitions: []kmsg.TxnOffsetCommitRequestTopicPartition{{Metadata: kmsg.StringPtr("")}}}}})
		add(&kmsg.AddPartitionsToTxnRequest{TransactionalID: "x", Topics: []kmsg.AddPartitionsToTxnRequestTopic{{Topic: name, Partitions: []int32{0}}},
			Transactions: []kmsg.AddPartitionsToTxnRequestTransaction{{TransactionalID: "x", VerifyOnly: i == 0, Topics: []kmsg.AddPartitionsToTxnRequestTransactionTopic{{Topic: name, Partitions: []int32{0}}}}}})
		add(&kmsg.AlterPartitionAssignmentsRequest{AllowReplicationFactorChange: true, Topics: []kmsg.AlterPartitionAssignmentsRequestTopic{{Topic: name,
			Partitions: []kmsg.AlterPartitionAssignmentsRequestTopicPartition{{}, {Replicas: []int32{1}}}}}})
		add(&kmsg.ListPartitionReassignmentsRequest{Topics: []kmsg.ListPartitionReassignmentsRequestTopic{{Topic: name, Partitions: []int32{0}}}})
		add(&kmsg.ElectLeadersRequest{TimeoutMillis: 1000, Topics: []kmsg.ElectLeadersRequestTopic{{Topic: name, Partitions: []int32{0}}}})
	}
	add(&kmsg.ListPartitionReassignmentsRequest{})
	add(&kmsg.AlterPartitionAssignmentsRequest{})
	add(&kmsg.MetadataRequest{IncludeTopicAuthorizedOperations: true, IncludeClusterAuthorizedOperations: true})
	add(&kmsg.OffsetFetchRequest{Group: "g", Groups: []kmsg.OffsetFetchRequestGroup{{Group: "g", MemberEpoch: -1}}})
	add(&kmsg.DeleteTopicsRequest{TimeoutMillis: 1000, TopicNames: []string{"missing"}, Topics: []kmsg.DeleteTopicsRequestTopic{{Topic: kmsg.StringPtr("missing")}}})
	add(&kmsg.FindCoordinatorRequest{CoordinatorKey: "g", CoordinatorKeys: []string{"g"}})
	add(&kmsg.FindCoordinatorRequest{CoordinatorType: 1, CoordinatorKey: "x", CoordinatorKeys: []string{"x"}})
	add(&kmsg.JoinGroupRequest{Group: "j", SessionTimeoutMillis: 10000, RebalanceTimeoutMillis: 10000, ProtocolType: "consumer",
		Protocols: []kmsg.JoinGroupRequestProtocol{{Name: "range", Metadata: []byte{0}}}})
	add(&kmsg.HeartbeatRequest{Group: "g", MemberID: "nobody"})
	add(&kmsg.LeaveGroupRequest{Group: "g", MemberID: "nobody", Members: []kmsg.LeaveGroupRequestMember{{MemberID: "nobody"}}})
	add(&kmsg.SyncGroupRequest{Group: "g", MemberID: "nobody"})
	add(&kmsg.DescribeGroupsRequest{Groups: []string{"g", "none"}, IncludeAuthorizedOperations: true})
	add(&kmsg.ListGroupsRequest{})
	add(&kmsg.OffsetDeleteRequest{Group: "g", Topics: []kmsg.OffsetDeleteRequestTopic{{Topic: "missing", Partitions: []kmsg.OffsetDeleteRequestTopicPartition{{}}}}})
	add(&kmsg.DeleteGroupsRequest{Groups: []string{"none"}})
	add(&kmsg.ApiVersionsRequest{ClientSoftwareName: "test", ClientSoftwareVersion: "1"})
	add(&kmsg.InitProducerIDRequest{ProducerID: -1, ProducerEpoch: -1})
	add(&kmsg.InitProducerIDRequest{TransactionalID: kmsg.StringPtr("x"), TransactionTimeoutMillis: 1000, ProducerID: -1, ProducerEpoch: -1})
	add(&kmsg.AddOffsetsToTxnRequest{TransactionalID: "x", Group: "g"})
	add(&kmsg.EndTxnRequest{TransactionalID: "x", Commit: true})
	add(&kmsg.DescribeTransactionsRequest{TransactionalIDs: []string{"x", "none"}})
	add(&kmsg.ListTransactionsRequest{StateFilters: []string{"Empty", "Lost"}})
	add(&kmsg.ListTransactionsRequest{ProducerIDFilters: []int64{1 << 40}, DurationFilterMillis: -1})
	add(&kmsg.WriteTxnMarkersRequest{Markers: []kmsg.WriteTxnMarkersRequestMarker{{}, {ProducerID: 9, Topics: []kmsg.WriteTxnMarkersRequestMarkerTopic{{Topic: "there", Partitions: []int32{0}}, {Topic: "missing", Partitions: []int32{0}}}}}})
	add(&kmsg.DescribeClusterRequest{EndpointType: 1, IncludeClusterAuthorizedOperations: true})
	add(&kmsg.DescribeQuorumRequest{Topics: []kmsg.DescribeQuorumRequestTopic{{Topic: "__cluster_metadata", Partitions: []kmsg.DescribeQuorumRequestTopicPartition{{}}}}})
	add(&kmsg.UnregisterBrokerRequest{BrokerID: 77})
	add(&kmsg.ConsumerGroupHeartbeatRequest{Group: "consumers", RebalanceTimeoutMillis: 1000, SubscribedTopicNames: []string{"there"}, Topics: []kmsg.ConsumerGroupHeartbeatRequestTopic{}})
	add(&kmsg.ConsumerGroupDescribeRequest{Groups: []string{"consumers", "missing"}})
	add(&kmsg.ListConfigResourcesRequest{})
	add(&kmsg.ListConfigResourcesRequest{ResourceTypes: []int8{77}})
	add(&kmsg.ShareGroupHeartbeatRequest{GroupID: "sharers", MemberID: "a", SubscribedTopicNames: []string{"there"}})
	sharing := []kmsg.ShareFetchRequestTopic{{TopicID: topics[0], Partitions: []kmsg.ShareFetchRequestTopicPartition{{}, {Partition: 99}}}, {Partitions: []kmsg.ShareFetchRequestTopicPartition{{}}}}
	add(&kmsg.ShareFetchRequest{GroupID: kmsg.StringPtr("sharers"), MemberID: kmsg.StringPtr("a"), MaxBytes: 1 << 20, MaxRecords: 10, Topics: sharing})
	add(&kmsg.ShareAcknowledgeRequest{GroupID: kmsg.StringPtr("sharers"), MemberID: kmsg.StringPtr("a"), ShareSessionEpoch: 1, Topics: []kmsg.ShareAcknowledgeRequestTopic{{TopicID: topics[0], Partitions: []kmsg.ShareAcknowledgeRequestTopicPartition{{}}}}})
	add(&kmsg.ShareGroupDescribeRequest{GroupIDs: []string{"sharers", "missing"}})
	add(&kmsg.DescribeShareGroupOffsetsRequest{Groups: []kmsg.DescribeShareGroupOffsetsRequestGroup{{GroupID: "sharers"}, {GroupID: "missing"},
		{GroupID: "sharers", Topics: []kmsg.DescribeShareGroupOffsetsRequestGroupTopic{{Topic: "there", Partitions: []int32{0}}, {Topic: "missing"}}}}})
	add(&kmsg.AlterShareGroupOffsetsRequest{GroupID: "altered", Topics: []kmsg.AlterShareGroupOffsetsRequestTopic{
		{Topic: "there", Partitions: []kmsg.AlterShareGroupOffsetsRequestTopicPartition{{}}}, {Topic: "missing", Partitions: []kmsg.AlterShareGroupOffsetsRequestTopicPartition{{}}}}})
	add(&kmsg.DeleteShareGroupOffsetsRequest{GroupID: "altered", Topics: []kmsg.DeleteShareGroupOffsetsRequestTopic{{Topic: "there"}, {Topic: "missing"}}})
	add(&kmsg.InitializeShareGroupStateRequest{GroupID: "g", Topics: []kmsg.InitializeShareGroupStateRequestTopic{{TopicID: topics[0], Partitions: []kmsg.InitializeShareGroupStateRequestTopicPartition{{}}}}})
	add(&kmsg.ReadShareGroupStateRequest{GroupID: "g", Topics: []kmsg.ReadShareGroupStateRequestTopic{{TopicID: topics[0], Partitions: []kmsg.ReadShareGroupStateRequestTopicPartition{{}}}}})
	add(&kmsg.WriteShareGroupStateRequest{GroupID: "g", Topics: []kmsg.WriteShareGroupStateRequestTopic{{TopicID: topics[0], Partitions: []kmsg.WriteShareGroupStateRequestTopicPartition{{}}}}})
	add(&kmsg.ReadShareGroupStateSummaryRequest{GroupID: "g", Topics: []kmsg.ReadShareGroupStateSummaryRequestTopic{{TopicID: topics[0], Partitions: []kmsg.ReadShareGroupStateSummaryRequestTopicPartition{{}}}}})
	add(&kmsg.DeleteShareGroupStateRequest{GroupID: "g", Topics: []kmsg.DeleteShareGroupStateRequestTopic{{TopicID: topics[0], Partitions: []kmsg.DeleteShareGroupStateRequestTopicPartition{{}}}}})
	for _, feature := range []string{"share.version", "eligible.leader.replicas.version", "none"} {
		add(&kmsg.UpdateFeaturesRequest{FeatureUpdates: []kmsg.UpdateFeaturesRequestFeatureUpdate{{Feature: feature, MaxVersionLevel: 1, UpgradeType: 1}}})
	}
	return made
}

// notForClients are the APIs between brokers, voters and controllers, which
// have no array that may be null.
var notForClients = map[kmsg.Key]bool{kmsg.Vote: true, kmsg.BeginQuorumEpoch: true, kmsg.EndQuorumEpoch: true, kmsg.FetchSnapshot: true,
	kmsg.AlterPartition: true, kmsg.BrokerRegistration: true, kmsg.BrokerHeartbeat: true, kmsg.AllocateProducerIDs: true,
	kmsg.AddRaftVoter: true, kmsg.RemoveRaftVoter: true, kmsg.UpdateRaftVoter: true}

// nullsOfKafka are the lists that Kafka 4.3.1 itself answers as null, and when.
var nullsOfKafka = map[string]string{
	"FetchResponse.Topics.Partitions.AbortedTransactions": "if read_committed was not asked for",
}

// nulls are the lists and bytes of an answer that are null on the wire. Only
// those differ when null is replaced by empty and the answer is written again.
func nulls(resp kmsg.Response) []string {
	var found []string
	var walk func(path string, v reflect.Value)
	walk = func(path string, v reflect.Value) {
		switch v.Kind() {
		case reflect.Pointer:
			if !v.IsNil() {
				walk(path, v.Elem())
			}
		case reflect.Struct:
			for i := range v.NumField() {
				if f := v.Type().Field(i); f.IsExported() && f.Type != reflect.TypeFor[kmsg.Tags]() {
					walk(path+"."+f.Name, v.Field(i))
				}
			}
		case reflect.Slice:
			if v.IsNil() {
				before := resp.AppendTo(nil)
				v.Set(reflect.MakeSlice(v.Type(), 0, 0))
				if string(before) != string(resp.AppendTo(nil)) {
					found = append(found, path)
				}
				v.SetZero()
			}
			for i := range v.Len() {
				walk(path, v.Index(i))
			}
		}
	}
	walk(reflect.TypeOf(resp).Elem().Name(), reflect.ValueOf(resp))
	return found
}

// Clients in languages with null fail where they read a list and find none.
func TestNoListInAnAnswerIsNull(t *testing.T) {
	ctx := testContext(t)
	c := startCluster(t, 1, nil)
	c.createTopic(ctx, "there", 1)
	adm := c.offsetsTopic(ctx)
	topics, err := adm.ListTopics(ctx, "there")
	require.NoError(t, err)
	require.NoError(t, c.client(kgo.DefaultProduceTopic("there")).ProduceSync(ctx, kgo.StringRecord("one")).FirstErr())

	e := osenvtest.New(t, osenv.Options{Root: t.TempDir(), Node: "client"})
	client, err := protocol.Dial(e, c.brokers[0].Addr(), "client", 5*time.Second)
	require.NoError(t, err)
	defer client.Close()
	ask := func(req kmsg.Request, version int16) (kmsg.Response, error) {
		req.SetVersion(version)
		return client.Request(req, 10*time.Second)
	}
	fetched, err := ask(&kmsg.FetchRequest{ReplicaID: -1, MaxBytes: 1 << 20, SessionEpoch: -1, MinBytes: 1, Topics: []kmsg.FetchRequestTopic{{Topic: "there",
		Partitions: []kmsg.FetchRequestTopicPartition{{PartitionMaxBytes: 1 << 20, CurrentLeaderEpoch: -1, LastFetchedEpoch: -1}}}}}, 11)
	require.NoError(t, err)
	batch := fetched.(*kmsg.FetchResponse).Topics[0].Partitions[0].RecordBatches
	require.NotEmpty(t, batch)

	versions, err := ask(&kmsg.ApiVersionsRequest{ClientSoftwareName: "test", ClientSoftwareVersion: "1"}, 3)
	require.NoError(t, err)
	requests := ordinaryRequests(topics["there"].ID, batch)
	asked := 0
	for _, api := range versions.(*kmsg.ApiVersionsResponse).ApiKeys {
		key := kmsg.Key(api.ApiKey)
		if notForClients[key] {
			continue
		}
		require.NotEmpty(t, requests[key], "no ordinary %s request; add one", kmsg.NameForKey(api.ApiKey))
		least := api.MinVersion
		if key == kmsg.Produce {
			least = 3 // older ones are told of and refused
		}
		for version := least; version <= api.MaxVersion; version++ {
			for i, req := range requests[key] {
				what := fmt.Sprintf("%s v%d, request %d", kmsg.NameForKey(api.ApiKey), version, i)
				if join, ok := req.(*kmsg.JoinGroupRequest); ok {
					join.Group = what // a second member would wait for the first
				}
				resp, err := ask(req, version)
				require.NoError(t, err, what)
				asked++
				for _, path := range nulls(resp) {
					require.Contains(t, nullsOfKafka, path, what)
				}
			}
		}
	}
	require.Greater(t, asked, 200)
}

// TestNullsAreFound tests the test above.
func TestNullsAreFound(t *testing.T) {
	resp := kmsg.NewPtrCreateTopicsResponse()
	resp.Version = 5
	resp.Topics = make([]kmsg.CreateTopicsResponseTopic, 1)
	require.Equal(t, []string{"CreateTopicsResponse.Topics.Configs"}, nulls(resp))
	resp.Topics[0].Configs = []kmsg.CreateTopicsResponseTopicConfig{}
	require.Empty(t, nulls(resp))
}

func TestMetadataFindsATopicByItsIDWhateverTheName(t *testing.T) {
	ctx := testContext(t)
	c := startCluster(t, 1, nil)
	c.createTopic(ctx, "there", 1)
	cl := c.client()
	byName := kmsg.NewPtrMetadataRequest()
	byName.Topics = []kmsg.MetadataRequestTopic{{Topic: kmsg.StringPtr("there")}}
	resp, err := byName.RequestWith(ctx, cl)
	require.NoError(t, err)
	for _, name := range []*string{nil, kmsg.StringPtr("")} {
		req := kmsg.NewPtrMetadataRequest()
		req.AllowAutoTopicCreation = true
		req.Topics = []kmsg.MetadataRequestTopic{{Topic: name, TopicID: resp.Topics[0].TopicID}, {Topic: name, TopicID: [16]byte{9}}}
		got, err := req.RequestWith(ctx, cl)
		require.NoError(t, err)
		require.Equal(t, "there", *got.Topics[0].Topic)
		require.Zero(t, got.Topics[0].ErrorCode)
		require.Equal(t, int16(100), got.Topics[1].ErrorCode, "UNKNOWN_TOPIC_ID")
		require.Equal(t, [16]byte{9}, got.Topics[1].TopicID)
	}
}

func TestAuthorizedOperationsAreAnsweredIfAskedFor(t *testing.T) {
	const ( // bits by the number of the operation: read 3, write 4, … idempotent write 12
		ofTopic   = 1<<3 | 1<<4 | 1<<5 | 1<<6 | 1<<7 | 1<<8 | 1<<10 | 1<<11
		ofCluster = 1<<5 | 1<<7 | 1<<8 | 1<<9 | 1<<10 | 1<<11 | 1<<12
		ofGroup   = 1<<3 | 1<<6 | 1<<8 | 1<<10 | 1<<11
	)
	ctx := testContext(t)
	c := startCluster(t, 1, nil)
	c.createTopic(ctx, "there", 1)
	adm := c.offsetsTopic(ctx)
	var offsets kadm.Offsets
	offsets.AddOffset("there", 0, 1, -1)
	require.Eventually(t, func() bool {
		resp, err := adm.CommitOffsets(ctx, "g", offsets) // makes the group
		return err == nil && resp.Ok()
	}, 20*time.Second, 50*time.Millisecond)
	cl := c.client()
	for asked, want := range map[bool][3]int32{true: {ofTopic, ofCluster, ofGroup}, false: {math.MinInt32, math.MinInt32, math.MinInt32}} {
		req := kmsg.NewPtrMetadataRequest()
		req.Topics = []kmsg.MetadataRequestTopic{{Topic: kmsg.StringPtr("there")}}
		req.IncludeTopicAuthorizedOperations = asked
		metadata, err := req.RequestWith(ctx, cl)
		require.NoError(t, err)
		describe := kmsg.NewPtrDescribeClusterRequest()
		describe.EndpointType, describe.IncludeClusterAuthorizedOperations = 1, asked
		cluster, err := describe.RequestWith(ctx, cl)
		require.NoError(t, err)
		group := kmsg.NewPtrDescribeGroupsRequest()
		group.Groups, group.IncludeAuthorizedOperations = []string{"g"}, asked
		groups, err := group.RequestWith(ctx, cl)
		require.NoError(t, err)
		require.Equal(t, want, [3]int32{metadata.Topics[0].AuthorizedOperations, cluster.ClusterAuthorizedOperations, groups.Groups[0].AuthorizedOperations})
	}
}
