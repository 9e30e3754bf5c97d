package group

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/weirlab/weir/broker/group/consumer"
)

// Whoever likes may join groups, say as much of itself as a request holds, and
// choose how long that is remembered.
func TestMembersOfGroupsHoldNoMoreThanTheirBound(t *testing.T) {
	cfg := DefaultConfig()
	s := newShard(t, &cfg)
	weighed := func() {
		t.Helper()
		sum := int64(0)
		for _, g := range s.m.groups {
			sum += g.weight()
		}
		require.Equal(t, sum, s.m.weight)
		require.LessOrEqual(t, sum, int64(maxMembersBytes))
	}
	joins := func(group, member string, bytes int) Ref {
		return s.do(func(m *machine, at at, ref Ref) turn {
			return m.request(at, ref, group, true, Join{Ref: ref, MemberID: member, NewMemberID: fmt.Sprint("m", ref), ProtocolType: consumerProtocol,
				SessionTimeout: 30 * time.Minute, RebalanceTimeout: time.Minute, RequireMemberID: bytes == 0,
				Protocols: []Protocol{{Name: "range", Metadata: make([]byte, bytes)}}})
		})
	}
	refused := func(ref Ref) bool {
		s.commit()
		d, ok := s.answers[ref].(Done)
		return ok && d.Code == kerr.CoordinatorNotAvailable.Code
	}
	first := joins("g0", "", 1<<20)
	taken := 1
	for !refused(joins(fmt.Sprint("g", taken), "", 1<<20)) {
		taken++
		weighed()
	}
	require.InDelta(t, maxMembersBytes>>20, taken, 2)
	weighed()
	require.False(t, refused(joins("g0", fmt.Sprint("m", first), 1<<20)), "who is a member already may join again")
	weighed()

	// Member IDs that are given out and never used take room too.
	ids := 0
	for ; !refused(joins("ids", "", 0)); ids++ {
		require.Less(t, ids, maxMembersBytes/pendingBytes)
	}
	require.Greater(t, ids, 100)
	weighed()

	for range 3 { // generations begin, nobody asks for an assignment, sessions end
		s.now += time.Hour
		s.ticks()
		s.commit()
		weighed()
	}
	require.Less(t, s.m.weight, int64(1<<20), "all of that is forgotten with their sessions")
	require.False(t, refused(joins("late", "", 1<<20)))
}

// Every protocol of a newcomer is looked for among those of every member.
func TestMembersHaveFewProtocols(t *testing.T) {
	cfg := DefaultConfig()
	s := newShard(t, &cfg)
	for n, want := range map[int]bool{maxProtocols: true, maxProtocols + 1: false} {
		ref := s.do(func(m *machine, at at, ref Ref) turn {
			in := Join{Ref: ref, NewMemberID: "m", ProtocolType: consumerProtocol, SessionTimeout: 10 * time.Second, RebalanceTimeout: time.Second}
			for i := range n {
				in.Protocols = append(in.Protocols, Protocol{Name: fmt.Sprint(i)})
			}
			return m.request(at, ref, fmt.Sprint("g", n), true, in)
		})
		s.commit()
		if want {
			require.NotContains(t, s.answers, ref, "it waits for others")
			continue
		}
		require.Equal(t, kerr.InconsistentGroupProtocol.Code, s.answers[ref].(Joined).Code)
	}
}

// At the bound heartbeats that add nothing are taken, those of members that say
// again what they have said among them, and no others.
func TestHeartbeatsAreBoundedByWhatTheyAdd(t *testing.T) {
	cfg := DefaultConfig()
	s := newShard(t, &cfg)
	code := func(member, rack string, epoch int32) int16 {
		h := &consumer.Heartbeat{MemberID: member, Epoch: epoch, RackID: rack, RebalanceTimeoutMillis: 300_000, Topics: []string{"t"}, SaysOwns: true}
		ref := s.do(func(m *machine, at at, ref Ref) turn { return m.beat(at, ref, "g", h) })
		s.commit()
		return s.answers[ref].(Beat).Code
	}
	rack := strings.Repeat("r", 1<<20)
	n := 0
	for code(fmt.Sprint("m", n), rack, consumer.JoinEpoch) == 0 {
		n++
		require.Less(t, n, 40)
	}
	require.InDelta(t, maxMembersBytes>>20, n, 2)
	require.Zero(t, code("m0", rack, consumer.JoinEpoch), "it says nothing new")
	require.Zero(t, code("small", "", consumer.JoinEpoch))
	epoch := s.m.groups["g"].consumer.Members["small"].Epoch
	require.Equal(t, kerr.CoordinatorNotAvailable.Code, code("small", rack, epoch), "it has grown")
	require.Zero(t, code("small", "", epoch))
}
