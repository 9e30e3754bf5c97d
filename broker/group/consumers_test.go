package group

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"

	"github.com/weirlab/weir/broker/group/consumer"
)

// beats is a heartbeat of a member that subscribes to t and owns nothing, and what
// it is told once that is committed.
func beats(s *shard, member string, epoch int32) Beat {
	h := &consumer.Heartbeat{MemberID: member, Epoch: epoch, Topics: []string{"t"}, RebalanceTimeoutMillis: 1000, SaysOwns: true}
	ref := s.do(func(m *machine, at at, ref Ref) turn { return m.beat(at, ref, "g", h) })
	s.commit()
	return s.answers[ref].(Beat)
}

func beat(c *Coordinator, req *kmsg.ConsumerGroupHeartbeatRequest) *kmsg.ConsumerGroupHeartbeatResponse {
	return c.HandleConsumerGroupHeartbeat(req, "client", "127.0.0.1:1", func(string) bool { return true })
}

func joinConsumers(group, member string, topics ...string) *kmsg.ConsumerGroupHeartbeatRequest {
	req := kmsg.NewPtrConsumerGroupHeartbeatRequest()
	req.Version, req.Group, req.MemberID = 1, group, member
	req.RebalanceTimeoutMillis, req.SubscribedTopicNames = 10000, topics
	req.Topics = []kmsg.ConsumerGroupHeartbeatRequestTopic{}
	return req
}

func stay(group, member string, epoch int32) *kmsg.ConsumerGroupHeartbeatRequest {
	req := kmsg.NewPtrConsumerGroupHeartbeatRequest()
	req.Version, req.Group, req.MemberID, req.MemberEpoch = 1, group, member, epoch
	return req
}

// owned are the numbers of the partitions of an answer's first topic.
func owned(resp *kmsg.ConsumerGroupHeartbeatResponse) []int32 {
	if resp.Assignment == nil || len(resp.Assignment.Topics) == 0 {
		return nil
	}
	return resp.Assignment.Topics[0].Partitions
}

// Two members, over the wire's own types: the first gives up what the second is to
// get, which gets it once the first has said so. A coordinator that takes over in
// the middle goes on.
func TestAMemberGetsWhatAnotherHasGivenUp(t *testing.T) {
	w := newWorld(t)
	now := func(cfg *Config) { cfg.Consumer.AssignmentInterval = 0 }
	c := newCoordinator(t, w, now)
	lead(t, c, w)
	a := beat(c, joinConsumers("g", "a", "t"))
	require.Zero(t, a.ErrorCode)
	require.EqualValues(t, 1, a.MemberEpoch)
	require.Equal(t, []int32{0, 1, 2, 3}, owned(a))
	b := beat(c, joinConsumers("g", "b", "t"))
	require.EqualValues(t, 2, b.MemberEpoch)
	require.NotNil(t, b.Assignment)
	require.Empty(t, owned(b), "all of it is the first member's still")

	a = beat(c, stay("g", "a", 1))
	require.EqualValues(t, 1, a.MemberEpoch, "not before it has given up")
	keep := owned(a)
	require.Len(t, keep, 2)

	next := newCoordinator(t, w, now)
	c.Resign(0, 1<<30)
	lead(t, next, w)
	require.Nil(t, beat(next, stay("g", "b", 2)).Assignment)
	ack := stay("g", "a", 1)
	ack.Topics = []kmsg.ConsumerGroupHeartbeatRequestTopic{{TopicID: w.image.Topic("t").ID, Partitions: keep}}
	require.EqualValues(t, 2, beat(next, ack).MemberEpoch)
	b = beat(next, stay("g", "b", 2))
	require.Len(t, owned(b), 2)
	require.NotContains(t, keep, owned(b)[0])

	describe := kmsg.NewPtrConsumerGroupDescribeRequest()
	describe.Version, describe.Groups = 1, []string{"g", "none"}
	described := next.HandleConsumerGroupDescribe(describe).Groups
	require.Equal(t, "Stable", described[0].State)
	require.Equal(t, "uniform", described[0].AssignorName)
	require.Len(t, described[0].Members, 2)
	require.Equal(t, owned(b), described[0].Members[1].Assignment.TopicPartitions[0].Partitions)
	require.Equal(t, kerr.GroupIDNotFound.Code, described[1].ErrorCode)

	list := kmsg.NewPtrListGroupsRequest()
	list.Version, list.TypesFilter = 5, []string{"Consumer"}
	require.Equal(t, "consumer", next.HandleListGroups(list).Groups[0].GroupType)
	old := kmsg.NewPtrDescribeGroupsRequest()
	old.Version, old.Groups = 6, []string{"g"}
	require.Equal(t, "Group g is not a classic group.", *next.HandleDescribeGroups(old).Groups[0].ErrorMessage)
}

// Offsets of a member that is behind are taken where it has owned the partition
// since, and nowhere else; who does not say who it is may not commit.
func TestCommitsOfAnOldEpochAreRefused(t *testing.T) {
	w := newWorld(t)
	c := newCoordinator(t, w, func(cfg *Config) { cfg.Consumer.AssignmentInterval = 0 })
	lead(t, c, w)
	beat(c, joinConsumers("g", "a", "t"))
	commit := func(member string, epoch int32, partition int32, version int16) int16 {
		req := commitReq("g", member, epoch, 5)
		req.Version, req.Topics[0].Partitions[0].Partition = version, partition
		return c.HandleOffsetCommit(req).Topics[0].Partitions[0].ErrorCode
	}
	require.Zero(t, commit("a", 1, 3, 9))
	require.Equal(t, kerr.StaleMemberEpoch.Code, commit("a", 2, 3, 9))
	require.Equal(t, kerr.UnknownMemberID.Code, commit("b", 1, 3, 9))
	require.Equal(t, kerr.UnknownMemberID.Code, commit("", -1, 3, 9))
	require.Equal(t, kerr.UnsupportedVersion.Code, commit("a", 1, 3, 8))

	beat(c, joinConsumers("g", "b", "t"))
	keep := owned(beat(c, stay("g", "a", 1)))
	ack := stay("g", "a", 1)
	ack.Topics = []kmsg.ConsumerGroupHeartbeatRequestTopic{{TopicID: w.image.Topic("t").ID, Partitions: keep}}
	require.EqualValues(t, 2, beat(c, ack).MemberEpoch)
	for p := range int32(4) {
		want := kerr.StaleMemberEpoch.Code
		if p == keep[0] || p == keep[1] {
			want = 0
		}
		require.Equal(t, want, commit("a", 1, p, 9), "partition %d, of which the member owns %v", p, keep)
	}

	fetch := kmsg.NewPtrOffsetFetchRequest()
	fetch.Version = 9
	group := kmsg.NewOffsetFetchRequestGroup()
	group.Group, group.MemberID, group.MemberEpoch = "g", kmsg.StringPtr("a"), 1
	fetch.Groups = append(fetch.Groups, group)
	require.Equal(t, kerr.StaleMemberEpoch.Code, c.HandleOffsetFetch(fetch).Groups[0].ErrorCode)
	fetch.Groups[0].MemberEpoch = 2
	require.Zero(t, c.HandleOffsetFetch(fetch).Groups[0].ErrorCode)
}

// A group without members changes its protocol with the first that joins, and keeps
// its offsets; one with members refuses whoever speaks the other.
func TestAnEmptyGroupChangesItsProtocol(t *testing.T) {
	w := newWorld(t)
	c := newCoordinator(t, w)
	lead(t, c, w)
	require.Zero(t, commitOffset(c, "g", "", -1, 7))
	kept := func(c *Coordinator) {
		offset, code := fetchOffset(c, "g")
		require.Zero(t, code)
		require.EqualValues(t, 7, offset)
	}
	joinAlone(t, c, "classic")
	require.Equal(t, kerr.GroupIDNotFound.Code, beat(c, joinConsumers("classic", "a", "t")).ErrorCode)
	for range 2 {
		require.Zero(t, beat(c, joinConsumers("g", "a", "t")).ErrorCode)
		kept(c)
		require.Equal(t, kerr.InconsistentGroupProtocol.Code, c.HandleJoinGroup(joinReq("g", ""), "client", "").ErrorCode)
		require.Equal(t, kerr.NonEmptyGroup.Code, deleteGroup(c, "g"))
		require.Zero(t, beat(c, stay("g", "a", consumer.LeaveEpoch)).ErrorCode)
		member, _ := joinAlone(t, c, "g")
		kept(c)
		require.Equal(t, kerr.GroupIDNotFound.Code, beat(c, stay("g", "a", 1)).ErrorCode)
		leave := kmsg.NewPtrLeaveGroupRequest()
		leave.Group, leave.MemberID = "g", member
		require.Zero(t, c.HandleLeaveGroup(leave).ErrorCode)
	}
	require.Zero(t, beat(c, joinConsumers("g", "a", "t")).ErrorCode)
	next := newCoordinator(t, w)
	c.Resign(0, 1<<30)
	lead(t, next, w)
	kept(next)
	require.Zero(t, beat(next, stay("g", "a", 1)).ErrorCode)
	require.Zero(t, beat(next, stay("g", "a", consumer.LeaveEpoch)).ErrorCode)
	require.Zero(t, deleteGroup(next, "g"))
	require.Equal(t, kerr.GroupIDNotFound.Code, deleteGroup(next, "g"))
	last := newCoordinator(t, w)
	next.Resign(0, 1<<30)
	lead(t, last, w)
	require.Equal(t, kerr.GroupIDNotFound.Code, deleteGroup(last, "g"), "it is gone from the log, too")
}

func deleteGroup(c *Coordinator, group string) int16 {
	req := kmsg.NewPtrDeleteGroupsRequest()
	req.Groups = []string{group}
	return c.HandleDeleteGroups(req).Groups[0].ErrorCode
}

// A regular expression is resolved before its first heartbeat is answered, and the
// next brings what it matches.
func TestAMemberSubscribesByARegularExpression(t *testing.T) {
	w := newWorld(t)
	c := newCoordinator(t, w)
	lead(t, c, w)
	req := joinConsumers("g", "a")
	req.SubscribedTopicNames, req.SubscribedTopicRegex = nil, kmsg.StringPtr("[t")
	require.Equal(t, kerr.InvalidRegularExpression.Code, beat(c, req).ErrorCode)
	req.SubscribedTopicRegex = kmsg.StringPtr("(((x{100}){100}){100}")
	require.Equal(t, kerr.InvalidRegularExpression.Code, beat(c, req).ErrorCode)
	req.SubscribedTopicRegex = kmsg.StringPtr("t|nothing")
	first := beat(c, req)
	require.Zero(t, first.ErrorCode)
	c.consumers.Store(&consumer.Config{SessionTimeout: time.Minute, HeartbeatInterval: time.Second, MaxSize: 10, Assignors: consumer.Assignors()})
	require.Len(t, owned(beat(c, stay("g", "a", first.MemberEpoch))), 4)
}

// Topics are looked at again when there may be new ones, but not all too often.
func TestARegularExpressionIsResolvedAgainForNewTopics(t *testing.T) {
	cfg := DefaultConfig()
	s := newShard(t, &cfg)
	ask := func(epoch int32) []string {
		e := "t.*"
		h := &consumer.Heartbeat{MemberID: "a", Epoch: epoch, Expression: &e, RebalanceTimeoutMillis: 1000, SaysOwns: true}
		ref := s.do(func(m *machine, at at, ref Ref) turn { return m.beat(at, ref, "g", h) })
		s.commit()
		require.Zero(t, s.answers[ref].(Beat).Code)
		return s.answers[ref].(Beat).Resolve
	}
	require.Equal(t, []string{"t.*"}, ask(0))
	s.do(func(m *machine, at at, ref Ref) turn {
		return m.resolved(at, ref, "g", map[string][]string{"t.*": {"t"}}, s.m.image().Offset())
	})
	s.commit()
	s.now += 11 * time.Second
	require.Empty(t, ask(1), "nothing is new")
	s.m.image = fixed(imageOf(t, "t", "u", "tt"))
	require.Equal(t, []string{"t.*"}, ask(2))
	s.m.image = fixed(imageOf(t, "t", "tt", "u", "v"))
	s.now += 9 * time.Second
	require.Empty(t, ask(2), "not again so soon")
	s.now += time.Second
	require.Equal(t, []string{"t.*"}, ask(2))
}

// Whatever is refused, whatever fails: a coordinator that reads the log arrives at
// the state of the one that wrote it.
func TestTheLogSaysWhatTheCoordinatorKnowsOfConsumers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg := DefaultConfig()
		cfg.InitialRebalanceDelay = 0
		cfg.Consumer.MaxSize = 4
		s := newShard(t, &cfg)
		ids := []string{"a", "b", "c"}
		epoch := func(id string) int32 {
			if g := s.m.groups["g"]; g != nil && g.consumer != nil && g.consumer.Members[id] != nil {
				return g.consumer.Members[id].Epoch
			}
			return 0
		}
		t.Repeat(map[string]func(*rapid.T){
			"heartbeat": func(t *rapid.T) {
				id := rapid.SampledFrom(ids).Draw(t, "member")
				h := &consumer.Heartbeat{MemberID: id, Epoch: max(0, epoch(id)), RebalanceTimeoutMillis: 5000, SaysOwns: true,
					Topics: rapid.SampledFrom([][]string{{"t"}, {"u"}, {"t", "u"}, {}}).Draw(t, "topics")}
				if rapid.Bool().Draw(t, "static") {
					h.InstanceID = "i" + id
				}
				s.do(func(m *machine, at at, ref Ref) turn { return m.beat(at, ref, "g", h) })
			},
			"leave": func(t *rapid.T) {
				id := rapid.SampledFrom(ids).Draw(t, "member")
				s.do(func(m *machine, at at, ref Ref) turn {
					return m.leaveConsumers(at, ref, "g", id, "", consumer.LeaveEpoch)
				})
			},
			"static leave": func(t *rapid.T) {
				id := rapid.SampledFrom(ids).Draw(t, "member")
				s.do(func(m *machine, at at, ref Ref) turn {
					return m.leaveConsumers(at, ref, "g", id, "i"+id, consumer.StaticLeaveEpoch)
				})
			},
			"classic join": func(*rapid.T) { s.join(Join{}) },
			"commit offset": func(t *rapid.T) {
				s.commitOffset("", "", -1, rapid.Int64Range(0, 9).Draw(t, "offset"))
			},
			"delete": func(*rapid.T) { s.do(func(m *machine, at at, ref Ref) turn { return m.deleteGroup(at, ref, "g") }) },
			"commit": func(*rapid.T) { s.commit() },
			"refuse": func(t *rapid.T) { s.refuse = rapid.Bool().Draw(t, "refuse") },
			"time": func(t *rapid.T) {
				s.now += time.Duration(rapid.SampledFrom([]int64{1, 6, 50, 4e5}).Draw(t, "seconds")) * time.Second
				s.ticks()
			},
			"": func(t *rapid.T) {
				g, fresh := s.m.groups["g"], s.replay().groups["g"]
				if g == nil || g.consumer == nil {
					require.True(t, fresh == nil || fresh.consumer == nil)
					return
				}
				a, b := g.consumer, fresh.consumer
				require.Equal(t, a.Epoch, b.Epoch)
				require.Equal(t, a.TargetEpoch, b.TargetEpoch)
				require.Equal(t, len(a.Members), len(b.Members))
				for id, m := range a.Members {
					require.Equal(t, m.Metadata, b.Members[id].Metadata)
					require.Equal(t, m.Current, b.Members[id].Current)
					require.ElementsMatch(t, a.Targets[id], b.Targets[id])
				}
				require.Equal(t, g.Offsets, fresh.Offsets)
			},
		})
	})
}
