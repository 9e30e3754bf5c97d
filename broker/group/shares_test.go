package group

import (
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/brokertest/apachekafka/golden"
	"github.com/weirlab/weir/broker/config"
	"github.com/weirlab/weir/broker/group/consumer"
	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/broker/storage"
)

// states are share coordinators that have what they are told.
type states struct {
	mu     sync.Mutex
	starts map[consumer.Partition]int64
	refuse int16 // what initializing is answered with
}

func (s *states) Initialize(_ string, _ int32, list []consumer.Partition, offsets []int64) []int16 {
	s.mu.Lock()
	defer s.mu.Unlock()
	codes := make([]int16, len(list))
	for i, p := range list {
		if codes[i] = s.refuse; codes[i] == 0 {
			s.starts[p] = offsets[i]
		}
	}
	return codes
}

func (s *states) Delete(_ string, list []consumer.Partition) []int16 {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range list {
		delete(s.starts, p)
	}
	return make([]int16, len(list))
}

func (s *states) Summaries(_ string, list []consumer.Partition) (all []ShareSummary) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range list {
		start, has := s.starts[p]
		if !has {
			all = append(all, ShareSummary{Code: kerr.InvalidRequest.Code})
			continue
		}
		all = append(all, ShareSummary{StartOffset: start, Lag: 5})
	}
	return all
}

func newSharing(t *testing.T, change ...func(*Config)) (*Coordinator, *states, *world) {
	w := newWorld(t)
	c := newCoordinator(t, w, append(change, func(cfg *Config) { cfg.Share.AssignmentInterval = 0 })...)
	lead(t, c, w)
	return c, w.shares, w
}

func shareBeat(c *Coordinator, member string, epoch int32, topics ...string) *kmsg.ShareGroupHeartbeatResponse {
	req := kmsg.NewPtrShareGroupHeartbeatRequest()
	req.Version, req.GroupID, req.MemberID, req.MemberEpoch, req.SubscribedTopicNames = 1, "g", member, epoch, topics
	return c.HandleShareGroupHeartbeat(req, "client", "127.0.0.1:1")
}

// joinShare joins a member and has it hear of its partitions.
func joinShare(t *testing.T, c *Coordinator, member string) *kmsg.ShareGroupHeartbeatResponse {
	resp := shareBeat(c, member, 0, "t")
	require.Zero(t, resp.ErrorCode)
	c.initializer.wait()
	resp = shareBeat(c, member, resp.MemberEpoch, "t")
	require.Zero(t, resp.ErrorCode)
	return resp
}

func TestMembersOfAShareGroupShareItsPartitions(t *testing.T) {
	c, _, w := newSharing(t)
	a := joinShare(t, c, "a")
	require.Len(t, a.Assignment.TopicPartitions, 1)
	require.Equal(t, []int32{0, 1, 2, 3}, a.Assignment.TopicPartitions[0].Partitions)
	var all []string
	for _, member := range []string{"b", "c", "d", "e"} {
		joinShare(t, c, member)
		all = append(all, member)
	}
	req := kmsg.NewPtrShareGroupDescribeRequest()
	req.GroupIDs = []string{"g", "none"}
	described := c.HandleShareGroupDescribe(req).Groups
	require.Equal(t, kerr.GroupIDNotFound.Code, described[1].ErrorCode)
	require.Equal(t, "Stable", described[0].GroupState)
	require.Equal(t, "simple", described[0].Assignor)
	require.Len(t, described[0].Members, 1+len(all))

	list := kmsg.NewPtrListGroupsRequest()
	list.TypesFilter = []string{"share"}
	listed := c.HandleListGroups(list).Groups
	require.Len(t, listed, 1)
	require.Equal(t, "share", listed[0].GroupType)
	require.Equal(t, "share", listed[0].ProtocolType)

	c.Resign(0, 1<<30)
	next := newCoordinator(t, w)
	lead(t, next, w)
	require.Equal(t, described[0], next.HandleShareGroupDescribe(req).Groups[0], "as another coordinator has it")
}

func TestGroupsOfOtherTypesAreNotShared(t *testing.T) {
	c, _, _ := newSharing(t)
	joinShare(t, c, "a")
	require.Equal(t, kerr.GroupIDNotFound.Code, beat(c, joinConsumers("g", "m", "t")).ErrorCode)
	require.Equal(t, kerr.InconsistentGroupProtocol.Code, c.HandleJoinGroup(joinReq("g", ""), "c", "/127.0.0.1").ErrorCode)
	require.Equal(t, kerr.GroupIDNotFound.Code, commitOffset(c, "g", "", -1, 5))
	leave := stay("g", "a", -1)
	require.Equal(t, kerr.GroupIDNotFound.Code, beat(c, leave).ErrorCode)
	other := kmsg.NewPtrShareGroupHeartbeatRequest()
	beat(c, joinConsumers("consumers", "m", "t"))
	other.GroupID, other.MemberID, other.SubscribedTopicNames = "consumers", "m", []string{"t"}
	require.Equal(t, kerr.GroupIDNotFound.Code, c.HandleShareGroupHeartbeat(other, "c", "h").ErrorCode)
}

func TestShareHeartbeatsThatSayNothingAreRefused(t *testing.T) {
	c, _, _ := newSharing(t)
	require.Equal(t, kerr.InvalidRequest.Code, shareBeat(c, " ", 0, "t").ErrorCode)
	require.Equal(t, kerr.InvalidRequest.Code, shareBeat(c, "a", 0).ErrorCode)
	require.Equal(t, kerr.InvalidRequest.Code, shareBeat(c, "a", -2).ErrorCode)
	require.Equal(t, kerr.GroupIDNotFound.Code, shareBeat(c, "a", 3).ErrorCode)
	require.Equal(t, kerr.GroupIDNotFound.Code, shareBeat(c, "a", -1).ErrorCode)
}

func TestStateThatCannotBeInitializedIsTriedAgain(t *testing.T) {
	c, s, _ := newSharing(t)
	s.refuse = kerr.CoordinatorNotAvailable.Code
	require.Empty(t, joinShare(t, c, "a").Assignment.TopicPartitions)
	c.initializer.wait()
	s.mu.Lock()
	s.refuse = 0
	s.mu.Unlock()
	shareBeat(c, "a", 1)
	c.initializer.wait()
	require.Len(t, shareBeat(c, "a", 1).Assignment.TopicPartitions, 1)
}

// Offsets of a group without members are altered, described, deleted; the group goes
// with what the share coordinators have of it.
func TestOffsetsOfShareGroups(t *testing.T) {
	c, s, w := newSharing(t)
	joinShare(t, c, "a")
	alter := kmsg.NewPtrAlterShareGroupOffsetsRequest()
	alter.GroupID = "g"
	alter.Topics = []kmsg.AlterShareGroupOffsetsRequestTopic{
		{Topic: "t", Partitions: []kmsg.AlterShareGroupOffsetsRequestTopicPartition{{Partition: 1, StartOffset: 7}, {Partition: 9, StartOffset: 7}}},
		{Topic: "none", Partitions: []kmsg.AlterShareGroupOffsetsRequestTopicPartition{{Partition: 0}}}}
	deletion := kmsg.NewPtrDeleteGroupsRequest()
	deletion.Groups = []string{"g"}
	drop := kmsg.NewPtrDeleteShareGroupOffsetsRequest()
	drop.GroupID, drop.Topics = "g", []kmsg.DeleteShareGroupOffsetsRequestTopic{{Topic: "t"}, {Topic: "none"}}
	require.Equal(t, kerr.NonEmptyGroup.Code, c.HandleAlterShareGroupOffsets(alter).ErrorCode)
	require.Equal(t, kerr.NonEmptyGroup.Code, c.HandleDeleteShareGroupOffsets(drop).ErrorCode)
	require.Equal(t, kerr.NonEmptyGroup.Code, c.HandleDeleteGroups(deletion).Groups[0].ErrorCode)

	require.EqualValues(t, -1, shareBeat(c, "a", -1).MemberEpoch)
	altered := c.HandleAlterShareGroupOffsets(alter)
	require.Zero(t, altered.ErrorCode)
	require.Zero(t, altered.Topics[0].Partitions[0].ErrorCode)
	require.Equal(t, kerr.UnknownTopicOrPartition.Code, altered.Topics[0].Partitions[1].ErrorCode)
	require.Equal(t, kerr.UnknownTopicOrPartition.Code, altered.Topics[1].Partitions[0].ErrorCode)

	describe := func(id string) kmsg.DescribeShareGroupOffsetsResponseGroup {
		return c.DescribeShareOffsets(&kmsg.DescribeShareGroupOffsetsRequestGroup{GroupID: id})
	}
	described := []kmsg.DescribeShareGroupOffsetsResponseGroup{describe("g"), describe("none")}
	require.Len(t, described[0].Topics, 1)
	require.Len(t, described[0].Topics[0].Partitions, 4)
	require.EqualValues(t, 7, described[0].Topics[0].Partitions[1].StartOffset)
	require.EqualValues(t, -1, described[0].Topics[0].Partitions[0].StartOffset)
	require.EqualValues(t, 5, described[0].Topics[0].Partitions[1].Lag)
	require.Equal(t, kerr.GroupIDNotFound.Code, described[1].ErrorCode)

	dropped := c.HandleDeleteShareGroupOffsets(drop)
	require.Zero(t, dropped.Topics[0].ErrorCode)
	require.Equal(t, kerr.UnknownTopicOrPartition.Code, dropped.Topics[1].ErrorCode)
	require.Empty(t, s.starts)
	require.Empty(t, describe("g").Topics)

	require.Zero(t, c.HandleAlterShareGroupOffsets(alter).ErrorCode)
	require.NotEmpty(t, s.starts)
	c.TopicsDeleted([]metadata.DeletedTopic{{Name: "u", ID: w.image.Topic("t").ID}}) // as if the topic were gone and made again
	require.Empty(t, describe("g").Topics)
	require.Zero(t, c.HandleAlterShareGroupOffsets(alter).ErrorCode)
	require.Zero(t, c.HandleDeleteGroups(deletion).Groups[0].ErrorCode)
	require.Empty(t, s.starts)
	require.Equal(t, kerr.GroupIDNotFound.Code, c.HandleDeleteGroups(deletion).Groups[0].ErrorCode)
	require.Empty(t, c.HandleListGroups(kmsg.NewPtrListGroupsRequest()).Groups)
}

func TestASilentMemberOfAShareGroupIsTakenOut(t *testing.T) {
	cfg := DefaultConfig()
	s := newShard(t, &cfg)
	ref := s.do(func(m *machine, at at, ref Ref) turn {
		return m.beatShare(at, ref, "g", &consumer.Heartbeat{MemberID: "a", Topics: []string{"t"}, RebalanceTimeoutMillis: -1})
	})
	s.commit()
	require.EqualValues(t, 1, s.answers[ref].(Beat).Epoch)
	s.now += cfg.Share.SessionTimeout - 1
	s.ticks()
	require.Len(t, s.m.groups["g"].consumer.Members, 1)
	s.now++
	s.ticks()
	require.Empty(t, s.m.groups["g"].consumer.Members)
	require.True(t, s.replay().groups["g"].shares())
	s.now += 1000 * time.Hour
	s.ticks()
	require.NotNil(t, s.m.groups["g"], "it stays until it is deleted")
}

// The settings of a group count for it alone.
func TestAGroupHasSettingsOfItsOwn(t *testing.T) {
	c, _, w := newSharing(t)
	edit := w.image.Edit()
	value := "7000"
	require.NoError(t, edit.Apply(&metadata.ConfigRecord{ResourceType: metadata.ResourceGroup, ResourceName: "g", Name: "consumer.heartbeat.interval.ms", Value: &value}, w.image.Offset()+1))
	image, _ := edit.Done()
	c.image = func() *metadata.Image { return image }
	require.Equal(t, 7*time.Second, c.consumerSettings("g").HeartbeatInterval)
	require.Equal(t, config.DefaultBroker().GroupConsumerSession, c.consumerSettings("g").SessionTimeout)
	require.Equal(t, 5*time.Second, c.consumerSettings("other").HeartbeatInterval)

	for name, value := range map[string]string{"share.heartbeat.interval.ms": "7000", "share.session.timeout.ms": "50000", "share.assignment.interval.ms": "9000"} {
		require.NoError(t, edit.Apply(&metadata.ConfigRecord{ResourceType: metadata.ResourceGroup, ResourceName: "s", Name: name, Value: &value}, image.Offset()+2))
	}
	image, _ = edit.Done()
	own := c.shareSettings("s")
	require.Equal(t, []time.Duration{7 * time.Second, 50 * time.Second, 9 * time.Second}, []time.Duration{own.HeartbeatInterval, own.SessionTimeout, own.AssignmentInterval})
	require.Equal(t, 200, own.MaxSize)
	require.Equal(t, 5*time.Second, c.shareSettings("g").HeartbeatInterval)
}

// TestKafkaReadsRecordsOfShareGroups holds a log of __consumer_offsets with all that a
// share group writes.
func TestKafkaReadsRecordsOfShareGroups(t *testing.T) {
	const now = 1_700_000_000_000
	id := metadata.TopicID{1, 2, 3}
	topic := consumer.SharedTopic{ID: id, Name: "t", Partitions: []int32{0, 1}}
	p := consumer.Partition{Topic: id, Number: 1}
	var list []storage.Record
	for _, r := range []consumer.Record{
		{Kind: consumer.ShareMemberMetadata, Name: "m", Value: &consumer.Metadata{RackID: "r", ClientID: "c", ClientHost: "/127.0.0.1", Topics: []string{"t"}}},
		{Kind: consumer.ShareGroupEpoch, Value: &consumer.Epoch{Epoch: 3, Hash: 77}},
		{Kind: consumer.ShareTargetOfMember, Name: "m", Value: []consumer.Partition{p}},
		{Kind: consumer.ShareTargetEpoch, Value: &consumer.Target{Epoch: 3, TimestampMilli: now}},
		{Kind: consumer.ShareCurrentOfMember, Name: "m", Value: &consumer.Current{Epoch: 3, Previous: 2, Assigned: []consumer.Owned{{Partition: p}}}},
		{Kind: consumer.ShareState, Value: &consumer.Sharing{Initializing: []consumer.SharedTopic{topic}, Initialized: []consumer.SharedTopic{topic}, Deleting: []consumer.SharedTopic{{ID: id, Name: "t"}}}},
		{Kind: consumer.ShareState}, {Kind: consumer.ShareGroupEpoch},
	} {
		list = append(list, storage.Record{TimestampMillis: now, Key: r.Key("g"), Value: r.Bytes()})
	}
	log := storage.BuildBatch(nil, storage.NoProducer(), list)
	golden.Hold(t, filepath.Join("testdata", "kafkashares"), map[string][]byte{"00000000000000000000.log": log}, "--offsets-decoder")
}
