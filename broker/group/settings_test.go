package group

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/config"
	"github.com/weirlab/weir/broker/group/consumer"
)

// Each setting of groups, set by its name as an operator does, does what it says.
func TestEverySettingOfGroupsHasItsEffect(t *testing.T) {
	type effect struct {
		value string
		shows func(t *testing.T, s *shard, cfg Config)
	}
	joins := func(s *shard, in Join) int16 {
		ref := s.do(func(m *machine, at at, ref Ref) turn {
			in.Ref, in.NewMemberID, in.ProtocolType = ref, "m", consumerProtocol
			if in.RebalanceTimeout == 0 {
				in.RebalanceTimeout = in.SessionTimeout
			}
			in.Protocols = []Protocol{{Name: "range"}}
			return m.request(at, ref, "g", true, in)
		})
		s.commit()
		if j, ok := s.answers[ref].(Joined); ok {
			return j.Code
		}
		return -1 // waits
	}
	put := func(s *shard) {
		s.do(func(m *machine, at at, ref Ref) turn {
			return m.commit(at, ref, &commit{version: 8, group: "h", generation: -1, tps: []TopicPartition{{"t", 0}}, offsets: []Offset{{Offset: 1}}})
		})
		s.commit()
		s.take(s.m.Loaded(s.at())) // sets the first look at expiry
	}
	effects := map[string]effect{
		"group.initial.rebalance.delay.ms": {"1000", func(t *testing.T, s *shard, _ Config) {
			require.EqualValues(t, -1, joins(s, Join{SessionTimeout: 10 * time.Second}))
			next, _ := s.m.NextTick()
			require.Equal(t, time.Second, next)
		}},
		"group.min.session.timeout.ms": {"20000", func(t *testing.T, s *shard, _ Config) {
			require.Equal(t, kerr.InvalidSessionTimeout.Code, joins(s, Join{SessionTimeout: 19 * time.Second}))
			require.EqualValues(t, -1, joins(s, Join{SessionTimeout: 20 * time.Second}))
		}},
		"group.max.session.timeout.ms": {"20000", func(t *testing.T, s *shard, _ Config) {
			require.Equal(t, kerr.InvalidSessionTimeout.Code, joins(s, Join{SessionTimeout: 21 * time.Second}))
			require.EqualValues(t, -1, joins(s, Join{SessionTimeout: 20 * time.Second}))
		}},
		"group.max.size": {"1", func(t *testing.T, s *shard, _ Config) {
			require.EqualValues(t, -1, joins(s, Join{SessionTimeout: 10 * time.Second}))
			require.Equal(t, kerr.GroupMaxSizeReached.Code, joins(s, Join{SessionTimeout: 10 * time.Second}))
		}},
		"offsets.retention.minutes": {"1", func(t *testing.T, s *shard, _ Config) {
			put(s)
			s.now = 11 * time.Minute
			s.ticks()
			require.Empty(t, s.m.groups)
		}},
		"offsets.retention.check.interval.ms": {"1000", func(t *testing.T, s *shard, _ Config) {
			put(s)
			next, _ := s.m.NextTick()
			require.Equal(t, time.Second, next)
		}},
		"offset.metadata.max.bytes": {"10", func(t *testing.T, _ *shard, cfg Config) {
			w := newWorld(t)
			c := newCoordinator(t, w, func(own *Config) { *own = cfg })
			lead(t, c, w)
			req := commitReq("g", "", -1, 1)
			req.Topics[0].Partitions[0].Metadata = kmsg.StringPtr(strings.Repeat("x", 11))
			require.Equal(t, kerr.OffsetMetadataTooLarge.Code, c.HandleOffsetCommit(req).Topics[0].Partitions[0].ErrorCode)
		}},
		"offsets.commit.timeout.ms": {"20", func(t *testing.T, _ *shard, cfg Config) {
			w := newWorld(t)
			c := newCoordinator(t, w, func(own *Config) { *own = cfg })
			lead(t, c, w)
			w.Hold(true)
			begun := w.e.Now()
			require.Equal(t, kerr.CoordinatorNotAvailable.Code, commitOffset(c, "g", "", -1, 1))
			require.GreaterOrEqual(t, w.e.Now()-begun, 20*time.Millisecond)
			w.Hold(false)
		}},
		"group.consumer.assignment.interval.ms": {"3000", func(t *testing.T, s *shard, _ Config) {
			beats(s, "a", 0)
			s.now += 2 * time.Second
			beats(s, "b", 0)
			require.EqualValues(t, 1, s.m.groups["g"].consumer.TargetEpoch, "too early for another target")
			s.now += time.Second
			beats(s, "b", 1)
			require.EqualValues(t, 2, s.m.groups["g"].consumer.TargetEpoch)
		}},
		"group.consumer.assignors": {"range", func(t *testing.T, _ *shard, cfg Config) {
			w := newWorld(t)
			c := newCoordinator(t, w, func(own *Config) { *own = cfg })
			lead(t, c, w)
			req := joinConsumers("g", "a", "t")
			req.ServerAssignor = kmsg.StringPtr("uniform")
			require.Equal(t, kerr.UnsupportedAssignor.Code, beat(c, req).ErrorCode)
			req.ServerAssignor = kmsg.StringPtr("range")
			require.Zero(t, beat(c, req).ErrorCode)
		}},
		"group.consumer.heartbeat.interval.ms": {"7000", func(t *testing.T, s *shard, _ Config) {
			require.Equal(t, 7*time.Second, beats(s, "a", 0).Interval)
		}},
		"group.consumer.max.size": {"1", func(t *testing.T, s *shard, _ Config) {
			require.Zero(t, beats(s, "a", 0).Code)
			require.Equal(t, kerr.GroupMaxSizeReached.Code, beats(s, "b", 0).Code)
			require.Zero(t, beats(s, "a", 1).Code)
		}},
		"group.consumer.session.timeout.ms": {"10000", func(t *testing.T, s *shard, _ Config) {
			beats(s, "a", 0)
			s.now += 10*time.Second - 1
			s.ticks()
			require.Len(t, s.m.groups["g"].consumer.Members, 1)
			s.now++
			s.ticks()
			require.Empty(t, s.m.groups["g"].consumer.Members)
		}},
	}
	effects["group.share.assignment.interval.ms"] = effect{"3000", func(t *testing.T, s *shard, _ Config) {
		shareBeats(s, "a", 0)
		s.do(func(m *machine, at at, ref Ref) turn {
			return m.changeShare(at, ref, "g", func(g *consumer.Group, at consumer.At) consumer.Outcome {
				return g.Initialized(at, []consumer.Partition{{Topic: s.m.image().Topic("t").ID}})
			})
		})
		s.now += 2 * time.Second
		shareBeats(s, "a", 1)
		require.EqualValues(t, 1, s.m.groups["g"].consumer.TargetEpoch, "too early for another target")
		s.now += time.Second
		shareBeats(s, "a", 1)
		require.EqualValues(t, 2, s.m.groups["g"].consumer.TargetEpoch)
	}}
	effects["group.share.heartbeat.interval.ms"] = effect{"7000", func(t *testing.T, s *shard, _ Config) {
		require.Equal(t, 7*time.Second, shareBeats(s, "a", 0).Interval)
	}}
	effects["group.share.max.size"] = effect{"1", func(t *testing.T, s *shard, _ Config) {
		require.Zero(t, shareBeats(s, "a", 0).Code)
		require.Equal(t, kerr.GroupMaxSizeReached.Code, shareBeats(s, "b", 0).Code)
		require.Zero(t, shareBeats(s, "a", 1).Code)
	}}
	effects["group.share.session.timeout.ms"] = effect{"10000", func(t *testing.T, s *shard, _ Config) {
		shareBeats(s, "a", 0)
		s.now += 10*time.Second - 1
		s.ticks()
		require.Len(t, s.m.groups["g"].consumer.Members, 1)
		s.now++
		s.ticks()
		require.Empty(t, s.m.groups["g"].consumer.Members)
	}}
	for _, setting := range config.BrokerSettings() {
		if setting.AppliedBy != "broker/group" {
			continue
		}
		t.Run(setting.Name, func(t *testing.T) {
			e, known := effects[setting.Name]
			require.True(t, known, "a setting of groups without a test of its effect")
			require.NotEqual(t, setting.Default, e.value)
			b := config.DefaultBroker()
			require.NoError(t, b.Set(setting.Name, e.value))
			cfg := ConfigOf(b)
			e.shows(t, newShard(t, &cfg), cfg)
		})
	}
}

// shareBeats is a heartbeat of a member of a share group that subscribes to t, and what
// it is told once that is committed.
func shareBeats(s *shard, member string, epoch int32) Beat {
	h := &consumer.Heartbeat{MemberID: member, Epoch: epoch, Topics: []string{"t"}, RebalanceTimeoutMillis: -1}
	ref := s.do(func(m *machine, at at, ref Ref) turn { return m.beatShare(at, ref, "g", h) })
	s.commit()
	return s.answers[ref].(Beat)
}
