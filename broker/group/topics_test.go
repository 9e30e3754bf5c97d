package group

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/metadata"
)

func TestOnlyOffsetsOfPartitionsThatExistAreTaken(t *testing.T) {
	w := newWorld(t)
	c := newCoordinator(t, w)
	lead(t, c, w)
	req := commitReq("g", "", -1, 5)
	req.Topics[0].Partitions = append(req.Topics[0].Partitions, kmsg.OffsetCommitRequestTopicPartition{Partition: 4}, kmsg.OffsetCommitRequestTopicPartition{Partition: -1})
	req.Topics = append(req.Topics, kmsg.OffsetCommitRequestTopic{Topic: "none", Partitions: []kmsg.OffsetCommitRequestTopicPartition{{Partition: 0}}})
	resp := c.HandleOffsetCommit(req)
	var codes []int16
	for _, topic := range resp.Topics {
		for _, p := range topic.Partitions {
			codes = append(codes, p.ErrorCode)
		}
	}
	unknown := kerr.UnknownTopicOrPartition.Code
	require.Equal(t, []int16{0, unknown, unknown, unknown}, codes)
	offset, code := fetchOffset(c, "g")
	require.Zero(t, code)
	require.EqualValues(t, 5, offset)

	// A request without any partition that exists makes no group.
	req = commitReq("h", "", -1, 5)
	req.Topics[0].Topic = "none"
	require.Equal(t, unknown, c.HandleOffsetCommit(req).Topics[0].Partitions[0].ErrorCode)
	require.Len(t, c.HandleListGroups(kmsg.NewPtrListGroupsRequest()).Groups, 1)
}

func TestOffsetsGoWithTheirTopic(t *testing.T) {
	w := newWorld(t)
	c := newCoordinator(t, w)
	lead(t, c, w)
	member, generation := joinAlone(t, c, "g")
	require.Zero(t, commitOffset(c, "g", member, generation, 5))
	keep := commitReq("h", "", -1, 7)
	keep.Topics = append(keep.Topics, keep.Topics[0])
	keep.Topics[0].Topic = "u"
	require.Zero(t, c.HandleOffsetCommit(keep).Topics[0].Partitions[0].ErrorCode)

	gone := func(c *Coordinator) {
		t.Helper()
		for _, group := range []string{"g", "h"} {
			offset, code := fetchOffset(c, group)
			require.Zero(t, code)
			require.EqualValues(t, -1, offset)
		}
		all := kmsg.NewPtrOffsetFetchRequest()
		all.Version, all.Group = 7, "h"
		resp := c.HandleOffsetFetch(all)
		require.Len(t, resp.Topics, 1)
		require.Equal(t, "u", resp.Topics[0].Topic)
	}
	w.image = imageOf(t, "u")
	c.TopicsDeleted([]metadata.DeletedTopic{{Name: "t"}})
	gone(c)

	// And also if nobody coordinated the groups when it was deleted.
	w.image = imageOf(t, "t", "u")
	require.Zero(t, commitOffset(c, "g", member, generation, 5))
	w.image = imageOf(t, "u")
	next := newCoordinator(t, w, func(cfg *Config) { cfg.OffsetsRetentionCheck = 50 * time.Millisecond })
	lead(t, next, w)
	require.Eventually(t, func() bool {
		offset, code := fetchOffset(next, "g")
		return code == 0 && offset == -1
	}, 10*time.Second, 10*time.Millisecond)
	gone(next)
}

func deleteOffsets(c *Coordinator, group string, topics ...string) *kmsg.OffsetDeleteResponse {
	req := kmsg.NewPtrOffsetDeleteRequest()
	req.Group = group
	for _, name := range topics {
		req.Topics = append(req.Topics, kmsg.OffsetDeleteRequestTopic{Topic: name, Partitions: []kmsg.OffsetDeleteRequestTopicPartition{{Partition: 3}}})
	}
	return c.HandleOffsetDelete(req)
}

func TestOffsetsAreDeletedUnlessAMemberConsumesTheTopic(t *testing.T) {
	w := newWorld(t)
	c := newCoordinator(t, w)
	lead(t, c, w)
	require.Equal(t, kerr.GroupIDNotFound.Code, deleteOffsets(c, "none", "t").ErrorCode)
	both := commitReq("g", "", -1, 7)
	both.Topics = append(both.Topics, both.Topics[0])
	both.Topics[1].Topic = "u"
	c.HandleOffsetCommit(both)
	req := joinReq("g", "")
	req.Protocols[0].Metadata = subscription("t")
	require.Zero(t, c.HandleJoinGroup(req, "client", "").ErrorCode)

	resp := deleteOffsets(c, "g", "t", "u", "none")
	require.Zero(t, resp.ErrorCode)
	for i, want := range []int16{kerr.GroupSubscribedToTopic.Code, 0, kerr.UnknownTopicOrPartition.Code} {
		require.Equal(t, want, resp.Topics[i].Partitions[0].ErrorCode)
	}
	all := kmsg.NewPtrOffsetFetchRequest()
	all.Version, all.Group = 7, "g"
	left := c.HandleOffsetFetch(all).Topics
	require.Len(t, left, 1)
	require.Equal(t, "t", left[0].Topic)
}

// What a group is kept by is as in KIP-211, except that in an empty group an
// offset also stays for as long after its own commit.
func TestOffsetsExpireOnceNobodyNeedsThem(t *testing.T) {
	cfg := DefaultConfig()
	cfg.InitialRebalanceDelay = 0
	day := 24 * time.Hour
	s := newShard(t, &cfg)
	s.m.expireAt = cfg.OffsetsRetentionCheck
	put := func(group, topic string, member string, generation int32) {
		s.do(func(m *machine, at at, ref Ref) turn {
			return m.commit(at, ref, &commit{version: 8, group: group, member: member, generation: generation,
				tps: []TopicPartition{{topic, 0}}, offsets: []Offset{{Offset: 1}}})
		})
		s.commit()
	}
	has := func(group string) (topics []string) {
		if g := s.m.groups[group]; g != nil {
			for _, tp := range sortedPartitions(g.Offsets) {
				topics = append(topics, tp.Topic)
			}
		}
		return topics
	}
	pass := func(d time.Duration) {
		for end := s.now + d; s.now < end; {
			s.now += 5 * time.Second
			if g := s.m.groups["g"]; g != nil {
				for _, id := range g.memberIDs() {
					s.do(func(m *machine, at at, ref Ref) turn {
						return m.request(at, ref, "g", false, Heartbeat{Ref: ref, MemberID: id, Generation: g.Generation})
					})
				}
			}
			s.ticks()
			s.commit()
		}
	}
	s.join(Join{NewMemberID: "a"})
	s.sync(Sync{MemberID: "a", Generation: 1, Assignments: map[string][]byte{"a": []byte("1")}})
	s.commit()
	put("g", "t", "a", 1) // consumed
	put("g", "u", "a", 1) // not consumed
	put("simple", "t", "", -1)
	pass(6 * day)
	put("simple", "u", "", -1)
	require.Equal(t, []string{"t", "u"}, has("g"))
	pass(day + time.Hour)
	require.Equal(t, []string{"t"}, has("g"), "a member consumes it")
	require.Equal(t, []string{"u"}, has("simple"))
	s.do(func(m *machine, at at, ref Ref) turn {
		return m.request(at, ref, "g", false, Leave{Ref: ref, Members: []Leaver{{MemberID: "a"}}})
	})
	s.commit()
	pass(6 * day)
	require.Equal(t, []string{"t"}, has("g"), "the group has not been empty for so long")
	require.NotContains(t, s.m.groups, "simple", "a group goes with its last offset")
	pass(day + time.Hour)
	require.NotContains(t, s.m.groups, "g")
	require.Empty(t, s.replay().groups)
}

func TestGroupsOfManyOffsetsAreDeletedInBatches(t *testing.T) {
	cfg := DefaultConfig()
	s := newShard(t, &cfg)
	const n = removalsPerBatch*2 + 10
	c := &commit{version: 8, group: "g", generation: -1}
	for i := range int32(n) {
		c.tps, c.offsets = append(c.tps, TopicPartition{"t", i}), append(c.offsets, Offset{Offset: 1})
	}
	s.do(func(m *machine, at at, ref Ref) turn { return m.commit(at, ref, c) })
	ref := s.do(func(m *machine, at at, ref Ref) turn { return m.deleteGroup(at, ref, "g") })
	s.commit()
	require.Zero(t, s.answers[ref].(Done).Code)
	require.Len(t, s.log, 2*n+1)
	require.Empty(t, s.m.groups)
	require.Empty(t, s.replay().groups)
}

func TestARefusedRequestLeavesNoGroupBehind(t *testing.T) {
	w := newWorld(t)
	c := newCoordinator(t, w, func(cfg *Config) { cfg.MaxSize = 1 })
	lead(t, c, w)
	for name, spoil := range map[string]func(*kmsg.JoinGroupRequest){
		"session timeout":  func(r *kmsg.JoinGroupRequest) { r.SessionTimeoutMillis = 1 },
		"no protocol":      func(r *kmsg.JoinGroupRequest) { r.Protocols = nil },
		"no protocol type": func(r *kmsg.JoinGroupRequest) { r.ProtocolType = "" },
		"unknown member":   func(r *kmsg.JoinGroupRequest) { r.MemberID = "nobody" },
	} {
		req := joinReq(name, "")
		spoil(req)
		require.NotZero(t, c.HandleJoinGroup(req, "client", "").ErrorCode, name)
	}
	require.NotZero(t, commitOffset(c, "old generation", "", 7, 1))
	w.Refuse(kerr.NotEnoughReplicas.Code)
	require.NotZero(t, commitOffset(c, "refused", "", -1, 1))
	require.Empty(t, c.HandleListGroups(kmsg.NewPtrListGroupsRequest()).Groups)
	require.Empty(t, w.Records())
}

func TestADescribedMemberIsShownAsInKafka(t *testing.T) {
	w := newWorld(t)
	c := newCoordinator(t, w)
	lead(t, c, w)
	j := c.HandleJoinGroup(joinReq("g", ""), "client", "127.0.0.1:50123")
	require.Regexp(t, "^client-[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$", j.MemberID)
	require.Equal(t, "/2001:db8::1", hostOf("[2001:db8::1]:9"))
	req := kmsg.NewPtrDescribeGroupsRequest()
	req.Version, req.Groups = 6, []string{"g", "none", ""}
	got := c.HandleDescribeGroups(req).Groups
	require.Equal(t, "/127.0.0.1", got[0].Members[0].ClientHost)
	require.Equal(t, "CompletingRebalance", got[0].State)
	require.Equal(t, kerr.GroupIDNotFound.Code, got[1].ErrorCode)
	require.Equal(t, "Dead", got[1].State)
	require.Equal(t, kerr.InvalidGroupID.Code, got[2].ErrorCode)
}

func TestTopicsMayGoByTheirIDs(t *testing.T) {
	w := newWorld(t)
	c := newCoordinator(t, w)
	lead(t, c, w)
	id := w.image.Topic("t").ID
	req := commitReq("g", "", -1, 5)
	req.Version, req.Topics[0].Topic, req.Topics[0].TopicID = 10, "", id
	req.Topics = append(req.Topics, req.Topics[0])
	req.Topics[1].TopicID = [16]byte{9}
	resp := c.HandleOffsetCommit(req)
	require.Zero(t, resp.Topics[0].Partitions[0].ErrorCode)
	require.Equal(t, kerr.UnknownTopicID.Code, resp.Topics[1].Partitions[0].ErrorCode)
	offset, code := fetchOffset(c, "g")
	require.Zero(t, code)
	require.EqualValues(t, 5, offset)

	fetch := kmsg.NewPtrOffsetFetchRequest()
	fetch.Version = 10
	all, some := kmsg.NewOffsetFetchRequestGroup(), kmsg.NewOffsetFetchRequestGroup()
	all.Group, some.Group = "g", "g"
	some.Topics = []kmsg.OffsetFetchRequestGroupTopic{{TopicID: [16]byte{9}, Partitions: []int32{0}}, {TopicID: id, Partitions: []int32{3}}}
	fetch.Groups = append(fetch.Groups, all, some)
	got := c.HandleOffsetFetch(fetch).Groups
	require.Len(t, got[0].Topics, 1)
	require.EqualValues(t, id, got[0].Topics[0].TopicID)
	require.EqualValues(t, 5, got[0].Topics[0].Partitions[0].Offset)
	require.EqualValues(t, id, got[1].Topics[0].TopicID)
	require.EqualValues(t, 5, got[1].Topics[0].Partitions[0].Offset)
	require.Equal(t, kerr.UnknownTopicID.Code, got[1].Topics[1].Partitions[0].ErrorCode)

	fetch.Groups = fetch.Groups[:1]
	fetch.Groups[0].Group = "none"
	require.Empty(t, c.HandleOffsetFetch(fetch).Groups[0].Topics)
}
