package replication

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
)

// leaderIn is a leader in rack "a" whose followers 2 to 5 have reached offset 10.
func leaderIn(change func(a *Assignment)) *State {
	s := NewState(1, time.Minute, LogEnds{Start: 3, End: 10, Epoch: -1}, 3)
	a := &Assignment{Leader: 1, LeaderEpoch: 1, PartitionEpoch: 1, Replicas: []int32{1, 2, 3, 4, 5}, ISR: []int32{1, 2, 3, 4}, MinISR: 1}
	for i, rack := range []string{"a", "a", "b", "b", "c"} {
		a.Brokers = append(a.Brokers, Broker{ID: int32(i + 1), Epoch: 1, Active: true, Rack: rack})
	}
	change(a)
	s.Metadata(0, a, nil)
	for id := int32(2); id <= 5; id++ {
		s.Fetch(time.Second, FollowerFetch{Replica: id, BrokerEpoch: 1, LeaderEpoch: 1, Offset: 10, Start: 3, LastEpoch: -1}, nil)
	}
	return s
}

func TestConsumersAreSentToTheReplicaNearThem(t *testing.T) {
	nothing := func(*Assignment) {}
	fetched := func(id int32, offset, start int64) func(s *State) {
		return func(s *State) {
			s.Fetch(2*time.Second, FollowerFetch{Replica: id, BrokerEpoch: 1, LeaderEpoch: 1, Offset: offset, Start: start, LastEpoch: -1}, nil)
		}
	}
	for _, c := range []struct {
		what   string
		change func(a *Assignment)
		then   func(s *State)
		rack   string
		offset int64
		want   int32
	}{
		{"no rack", nothing, nil, "", 5, -1},
		{"the leader's rack, where a follower is too", nothing, nil, "a", 5, -1},
		{"a rack without a replica", nothing, nil, "d", 5, -1},
		{"a rack with two", nothing, nil, "b", 5, 3},
		{"the one that is further", nothing, fetched(3, 9, 3), "b", 5, 4},
		{"of two that are as far the one that was so last", nothing, fetched(4, 10, 3), "b", 5, 4},
		{"one that is not in sync", nothing, nil, "c", 5, -1},
		{"one that is fenced", func(a *Assignment) { a.Brokers[2].Active = false }, nil, "b", 5, 4},
		{"the end", nothing, nil, "b", 10, 3},
		{"beyond what it has", nothing, nil, "b", 11, -1},
		{"one that begins later", nothing, fetched(3, 10, 6), "b", 5, 4},
		{"one that has not fetched in this epoch", func(a *Assignment) { a.Brokers[2].Epoch = 2 }, nil, "b", 5, 4},
	} {
		s := leaderIn(c.change)
		if c.then != nil {
			c.then(s)
		}
		require.Equal(t, c.want, s.Nearest(c.rack, c.offset), c.what)
	}
	s := leaderIn(nothing)
	s.Metadata(0, &Assignment{Leader: 3, LeaderEpoch: 2, PartitionEpoch: 2, Replicas: []int32{1, 3}, ISR: []int32{1, 3}, MinISR: 1}, nil)
	require.EqualValues(t, -1, s.Nearest("b", 5), "a follower sends nobody on")
}

// A follower in another rack is told of each high watermark once, in each epoch
// anew; those that no consumer is sent to are not.
func TestWhoServesConsumersIsToldTheHighWatermark(t *testing.T) {
	s := leaderIn(func(*Assignment) {})
	require.EqualValues(t, 10, s.HighWatermark())
	require.True(t, s.Tell(3))
	require.False(t, s.Tell(3))
	require.True(t, s.Tell(4))
	require.False(t, s.Tell(2), "its rack is the leader's")
	require.False(t, s.Tell(9), "no replica")
	s.Metadata(0, &Assignment{Leader: 1, LeaderEpoch: 2, PartitionEpoch: 2, Replicas: []int32{1, 3}, ISR: []int32{1, 3}, MinISR: 1,
		Brokers: []Broker{{ID: 1, Epoch: 1, Active: true, Rack: "a"}, {ID: 3, Epoch: 1, Active: true, Rack: "b"}}}, nil)
	require.True(t, s.Tell(3))
}

// What a follower reads for a consumer does not count if its log was cut or its
// epoch was over meanwhile: what stands there now may not be committed.
func TestAFollowersReadDoesNotSurviveItsTerm(t *testing.T) {
	c := newCluster(t, 2)
	tp := c.createTopic("orders", nil, 1, 2)
	for range 3 {
		require.Zero(t, c.manager(1).Append(tp, batch("a"), -1, patient).ErrorCode)
	}
	m := c.manager(2)
	p := m.partition(tp)
	ask := at(tp, 0)
	params := FetchParams{ReplicaID: -1, ReplicaEpoch: -1, MaxBytes: 1 << 20, AnyReplica: true}
	require.Eventually(t, func() bool {
		high, _ := m.HighWatermark(tp)
		return high == 3
	}, patient, time.Millisecond)
	for what, meanwhile := range map[string]func(){
		"nothing happens": func() {},
		"another epoch":   func() { c.elect(tp, 1, 1, 2) },
		"a cut": func() {
			p.changing.Lock()
			p.mu.Lock()
			p.out = p.cut("truncate", 2, p.log.TruncateTo, p.out)
			p.mu.Unlock()
			p.changing.Unlock()
		},
	} {
		var result FetchResult
		var found fetchRange
		round := fetchRound{m: m, params: &params, first: true}
		round.look(&ask, &result, &found)
		require.Zero(t, result.ErrorCode, what)
		require.NotZero(t, found.bytes, what)
		meanwhile()
		p.read(&result, func(n int) []byte { return make([]byte, n) }, 0, &found, 1<<20, true, false)
		if what == "nothing happens" {
			require.Zero(t, result.ErrorCode)
			require.NotEmpty(t, result.Records)
			continue
		}
		require.Equal(t, kerr.NotLeaderForPartition.Code, result.ErrorCode, what)
		require.Empty(t, result.Records, what)
	}
}
