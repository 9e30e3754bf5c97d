package consumer

import (
	"encoding/hex"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"pgregory.net/rapid"

	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/env"
)

// The bytes are Kafka's: its schemas (common/message/ShareGroup*.json of 4.3) by hand.
// Its own tool reads them in package group's tests.
func TestRecordsOfShareGroupsAreKafkas(t *testing.T) {
	of := func(r Record) string { return hex.EncodeToString(r.Key("g")) + " " + hex.EncodeToString(r.Bytes()) }
	id, zeros := metadata.TopicID{0xab}, "ab"+"000000000000000000000000000000"
	require.Equal(t, "000b000167 0000"+"00000007"+"0000000000000009"+"00", of(Record{ShareGroupEpoch, "", &Epoch{7, 9}}))
	require.Equal(t, "000a00016700016d 0000"+"00"+"0263"+"032f68"+"02"+"0274"+"00",
		of(Record{ShareMemberMetadata, "m", &Metadata{ClientID: "c", ClientHost: "/h", Topics: []string{"t"}}}))
	require.Equal(t, "000e00016700016d 0000"+"00000003"+"00000002"+"00"+"02"+zeros+"02"+"00000005"+"00"+"00",
		of(Record{ShareCurrentOfMember, "m", &Current{3, 2, Stable, []Owned{{Partition{id, 5}, 3}}, nil}}))
	require.Equal(t, "000f000167 0000"+"01"+"02"+zeros+"0274"+"02"+"00000005"+"00"+"01"+"00",
		of(Record{Kind: ShareState, Value: &Sharing{Initialized: []SharedTopic{{ID: id, Name: "t", Partitions: []int32{5}}}}}))
}

// sharers is a share group with members, and what is being initialized for it.
type sharers struct {
	t       require.TestingT
	g       *Group
	cfg     Config
	at      At
	epochs  map[string]int32 // of members, as they know them
	pending []Partition
	log     []Record
}

func newSharers(t require.TestingT, partitions map[string]int32) *sharers {
	return &sharers{t: t, g: NewShare("g"), cfg: config(), epochs: map[string]int32{},
		at: At{Now: time.Second, WallMillis: 1e12, Topics: topics(t, partitions)}}
}

func (s *sharers) apply(out Outcome) Answer {
	for _, r := range out.Records {
		require.True(s.t, r.Kind.Shared())
		s.log = append(s.log, r)
		s.g.Apply(r)
	}
	if out.Heard != "" {
		s.g.Heard(s.at.Now, out.Heard, &s.cfg)
	}
	s.pending = append(s.pending, out.Initialize...)
	return out.Answer
}

// beat is a heartbeat of a member, which says its topics when it joins.
func (s *sharers) beat(id string, topics ...string) Answer {
	a := s.apply(s.g.Heartbeat(s.at, &s.cfg, &Heartbeat{MemberID: id, Epoch: s.epochs[id], ClientID: "c", ClientHost: "/h", Topics: topics, RebalanceTimeoutMillis: -1}))
	if a.Code == 0 {
		s.epochs[id] = a.Epoch
	}
	return a
}

// settle initializes what is asked for and lets all members beat until nothing changes.
func (s *sharers) settle() {
	for range 5 {
		if len(s.pending) > 0 {
			list := s.pending
			s.pending = nil
			s.apply(s.g.Initialized(s.at, list))
		}
		for _, id := range env.SortedKeys(s.epochs) {
			s.beat(id)
		}
	}
}

// replayed is the group that another coordinator arrives at.
func (s *sharers) replayed() *Group {
	g := NewShare("g")
	for _, r := range s.log {
		_, read, err := Read(r.Key("g"), r.Bytes())
		require.NoError(s.t, err)
		g.Apply(read)
	}
	return g
}

func TestAPartitionIsAssignedOnceItsStateIsInitialized(t *testing.T) {
	s := newSharers(t, map[string]int32{"t": 2})
	a := s.beat("a", "t")
	require.Zero(t, a.Code)
	require.True(t, a.Assigns)
	require.Empty(t, a.Assignment)
	require.Len(t, s.pending, 2)
	list := s.pending
	s.pending = nil
	require.False(t, s.beat("a").Assigns, "nothing is new")
	require.Empty(t, s.pending, "it is under way")

	s.apply(s.g.NotInitialized(s.at, list))
	s.beat("a")
	require.Len(t, s.pending, 2, "tried again")
	s.apply(s.g.Initialized(s.at, s.pending[:1]))
	require.Equal(t, s.pending[:1], s.beat("a").Assignment)
	s.apply(s.g.Initialized(s.at, s.pending[1:]))
	require.Equal(t, s.pending, s.beat("a").Assignment)
	require.Equal(t, "Stable", s.g.State())
	require.Empty(t, s.g.owners, "partitions have no owner")
}

// What a group has of a topic that went and was made again while nobody coordinated it
// is nobody's, and does not begin an epoch with each heartbeat.
func TestAPartitionThatIsGoneIsNotMissed(t *testing.T) {
	s := newSharers(t, map[string]int32{"t": 2})
	s.g.Sharing = &Sharing{Initialized: []SharedTopic{{ID: metadata.TopicID{99}, Name: "t", Partitions: []int32{0}}}}
	s.beat("a", "t")
	s.settle()
	epoch := s.g.Epoch
	require.Len(t, s.g.Targets["a"], 2)
	s.settle()
	require.Equal(t, epoch, s.g.Epoch)
}

func TestWhatNobodyAnsweredIsInitializedAgain(t *testing.T) {
	s := newSharers(t, map[string]int32{"t": 1})
	s.beat("a", "t")
	s.pending = nil
	s.at.WallMillis += InitializeRetryMillis - 1
	s.beat("a")
	require.Empty(t, s.pending)
	s.at.WallMillis++
	s.beat("a")
	require.Len(t, s.pending, 1)
}

func TestAMemberOfAnOldEpochIsFencedUnlessItsAnswerWasLost(t *testing.T) {
	s := newSharers(t, map[string]int32{"t": 2})
	s.beat("a", "t")
	s.settle()
	newest := s.epochs["a"]
	s.epochs["a"] = newest - 1
	require.Equal(t, newest, s.beat("a").Epoch)
	s.beat("b", "t")
	s.settle()
	s.epochs["a"] = newest - 1
	require.Equal(t, kerr.FencedMemberEpoch.Code, s.beat("a").Code)
	s.epochs["a"] = 1 << 20
	require.Equal(t, kerr.FencedMemberEpoch.Code, s.beat("a").Code)
	s.epochs["c"] = 3
	require.Equal(t, kerr.UnknownMemberID.Code, s.beat("c").Code)
}

// All groups of up to four members and five partitions in two topics: the members of
// a topic share its partitions evenly, and a second look changes nothing.
func TestSimpleAssignorSharesEvenly(t *testing.T) {
	for members := 1; members <= 4; members++ {
		for first := int32(0); first <= 3; first++ {
			for second := int32(0); second <= 2; second++ {
				for subscriptions := range 1 << (2 * members) { // which topics each is subscribed to
					checkAssignment(t, members, map[string]int32{"t": first, "u": second}, subscriptions)
				}
			}
		}
	}
}

func checkAssignment(t *testing.T, members int, partitions map[string]int32, subscriptions int) {
	image := topics(t, partitions)
	g := NewShare("g")
	for _, name := range env.SortedKeys(partitions) {
		state := SharedTopic{ID: image.Topic(name).ID, Name: name}
		for n := range partitions[name] {
			state.Partitions = append(state.Partitions, n)
		}
		g.Sharing.Initialized = with(g.Sharing.Initialized, state)
	}
	alike := true
	for i := range members {
		m := newMember(fmt.Sprint(i))
		for k, name := range []string{"t", "u"} {
			if subscriptions>>(2*i+k)&1 == 1 {
				m.Topics = append(m.Topics, name)
			}
		}
		g.put(m)
		alike = alike && slices.Equal(m.Topics, g.Members["0"].Topics)
	}
	targets := g.assign(Simple, image)
	count, least, most := map[Partition]int{}, 1<<30, 0
	for _, id := range g.MemberIDs() {
		for _, p := range targets[id] {
			require.Contains(t, g.Members[id].Topics, topicOf(image, p))
			count[p]++
		}
		require.Len(t, slices.Compact(slices.Clone(targets[id])), len(targets[id]), "twice the same")
		least, most = min(least, len(targets[id])), max(most, len(targets[id]))
	}
	for _, topic := range g.Sharing.Initialized {
		for _, n := range topic.Partitions {
			require.Equal(t, g.Subscribes(topic.Name), count[Partition{topic.ID, n}] > 0, "%v", topic)
			require.Equal(t, count[Partition{topic.ID, 0}], count[Partition{topic.ID, n}], "unevenly shared")
		}
	}
	if total := int(partitions["t"] + partitions["u"]); alike && len(g.Members["0"].Topics) == 2 && total > 0 {
		require.LessOrEqual(t, most-least, 1, "%d members, %v", members, partitions)
		require.Positive(t, least, "a member without a partition")
		for _, n := range count {
			require.Equal(t, (members+total-1)/total, n)
		}
	}
	g.Targets = targets
	require.Equal(t, targets, g.assign(Simple, image), "not sticky")
}

func topicOf(image *metadata.Image, p Partition) string { return image.TopicByID(p.Topic).Name }

// Whatever members do and whatever becomes of the state: members are in the newest
// target when they have said that they live, everything that is initialized and
// subscribed to is somebody's, and another coordinator arrives at the same group.
func TestShareGroupsConverge(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newSharers(t, map[string]int32{"t": 3, "u": 2})
		t.Repeat(map[string]func(*rapid.T){
			"join": func(t *rapid.T) {
				id := rapid.SampledFrom([]string{"a", "b", "c", "d"}).Draw(t, "member")
				s.epochs[id] = JoinEpoch
				require.Zero(t, s.beat(id, rapid.SampledFrom([][]string{{"t"}, {"u"}, {"t", "u"}}).Draw(t, "topics")...).Code)
			},
			"beat": func(t *rapid.T) {
				if ids := env.SortedKeys(s.epochs); len(ids) > 0 {
					s.beat(rapid.SampledFrom(ids).Draw(t, "member"))
				}
			},
			"leave": func(t *rapid.T) {
				if ids := env.SortedKeys(s.epochs); len(ids) > 0 {
					id := rapid.SampledFrom(ids).Draw(t, "member")
					delete(s.epochs, id)
					s.apply(s.g.Leave(s.at, &s.cfg, id, "", LeaveEpoch))
				}
			},
			"silence": func(t *rapid.T) {
				s.at.Now += s.cfg.SessionTimeout
				s.at.WallMillis += s.cfg.SessionTimeout.Milliseconds()
				s.apply(s.g.Tick(s.at, &s.cfg))
				require.Empty(t, s.g.Members)
				clear(s.epochs)
			},
			"initialized": func(t *rapid.T) {
				if len(s.pending) > 0 {
					n := rapid.IntRange(1, len(s.pending)).Draw(t, "how many")
					s.apply(s.g.Initialized(s.at, s.pending[:n]))
					s.pending = s.pending[n:]
				}
			},
			"not initialized": func(*rapid.T) {
				if len(s.pending) > 0 {
					s.apply(s.g.NotInitialized(s.at, s.pending))
					s.pending = nil
				}
			},
			"deleted": func(t *rapid.T) {
				if len(s.g.Members) == 0 && len(s.g.Sharing.Initialized) > 0 {
					topic := s.g.Sharing.Initialized[0]
					s.apply(s.g.Deleting(s.at, []SharedTopic{topic}))
					require.True(t, s.g.Sharing.Has(topic.ID))
					s.apply(s.g.Deleted(s.at, []metadata.TopicID{topic.ID}))
					require.False(t, s.g.Sharing.Has(topic.ID))
				}
			},
			"": func(t *rapid.T) {
				other := s.replayed()
				for _, list := range [...][]SharedTopic{s.g.Sharing.Initializing, s.g.Sharing.Initialized} {
					for i := range list {
						require.NotEmpty(t, list[i].Partitions)
					}
				}
				require.Equal(t, s.g.Epoch, other.Epoch)
				require.Equal(t, s.g.TargetEpoch, other.TargetEpoch)
				require.Equal(t, s.g.MemberIDs(), other.MemberIDs())
				for id, m := range s.g.Members {
					require.Equal(t, PartitionsOf(m.Assigned), PartitionsOf(other.Members[id].Assigned))
					require.True(t, slices.Equal(s.g.Targets[id], other.Targets[id]))
				}
				require.Equal(t, s.g.Sharing.Partitions(), other.Sharing.Partitions())
			},
		})
		s.settle()
		s.at.WallMillis += InitializeRetryMillis // what was lost is asked for again
		s.settle()
		assigned := map[Partition]bool{}
		for id, m := range s.g.Members {
			require.Equal(t, s.g.TargetEpoch, m.Epoch)
			require.True(t, slices.Equal(s.g.Targets[id], PartitionsOf(m.Assigned)), "%v, not %v", m.Assigned, s.g.Targets[id])
			for _, o := range m.Assigned {
				assigned[o.Partition] = true
			}
		}
		for _, name := range s.g.subscribed() {
			topic := s.at.Topics.Topic(name)
			for n := range topic.Partitions {
				require.True(t, assigned[Partition{topic.ID, int32(n)}], "%s-%d is nobody's", name, n)
			}
		}
	})
}

func TestTombstonesLeaveNothingOfAShareGroup(t *testing.T) {
	s := newSharers(t, map[string]int32{"t": 2})
	s.beat("a", "t")
	s.settle()
	s.beat("b", "t")
	ended := false
	for _, r := range s.g.Tombstones() {
		require.True(t, r.Kind.Shared())
		require.False(t, ended)
		ended = s.g.Apply(r)
	}
	require.True(t, ended)
	require.Empty(t, s.g.Members)
	require.Empty(t, s.g.Targets)
	require.Empty(t, s.g.Sharing.Topics())
}
