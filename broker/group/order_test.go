package group

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"

	"github.com/weirlab/weir/broker/coordinator"
	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/broker/storage"
	"github.com/weirlab/weir/env"
)

// shard is a machine with a log and no runtime: turns are carried out at once,
// but committed, refused and timed out as the test says.
type shard struct {
	t    require.TestingT
	m    *machine
	now  time.Duration
	wall int64
	ref  Ref
	log  []storage.Record
	open []turn // in the log, and not committed yet

	answers map[Ref]Output
	codes   map[Ref]int16
	refuse  bool
}

// fixed gives the same image each time.
func fixed(image *metadata.Image) func() *metadata.Image {
	return func() *metadata.Image { return image }
}

func newShard(t require.TestingT, cfg *Config) *shard {
	return &shard{t: t, m: newMachine(cfg, fixed(imageOf(t, "t", "u")), func(string, []env.Attr) {}), wall: 1e12,
		answers: map[Ref]Output{}, codes: map[Ref]int16{}}
}

func (s *shard) at() at {
	return at{Now: s.now, WallMillis: s.wall + s.now.Milliseconds(), Rand: env.NewRand(1, "group test", fmt.Sprint(s.ref))}
}

// do takes a step, and returns the reference of its answer.
func (s *shard) do(step func(m *machine, at at, ref Ref) turn) Ref {
	s.ref++
	ref := s.ref
	s.take(step(s.m, s.at(), ref))
	return ref
}

func (s *shard) take(t turn) {
	switch {
	case len(t.Records) > 0 && s.refuse:
		for _, a := range t.Answers {
			s.codes[a.Ref] = kerr.NotEnoughReplicas.Code
		}
		if t.Then != nil {
			s.take(t.Then(s.at(), coordinator.Outcome{Code: kerr.NotEnoughReplicas.Code}))
		}
		return
	case len(t.Records) > 0:
		base := int64(len(s.log))
		for i, rec := range t.Records {
			rec.Offset = base + int64(i)
			s.log = append(s.log, rec)
		}
		if t.Applied != nil {
			t.Applied(base)
		}
		t.After = max(t.After, int64(len(s.log)))
	}
	s.open = append(s.open, t)
	if t.Next != nil {
		s.take(t.Next(s.at()))
	}
}

// commit commits all that is in the log.
func (s *shard) commit() {
	for len(s.open) > 0 {
		t := s.open[0]
		s.open = s.open[1:]
		for _, a := range t.Answers {
			s.answers[a.Ref] = a.Value
		}
		if t.Then != nil {
			s.take(t.Then(s.at(), coordinator.Outcome{}))
		}
	}
}

// ticks lets what is due happen.
func (s *shard) ticks() {
	for range 10000 {
		if next, ok := s.m.NextTick(); !ok || next > s.now {
			return
		}
		s.take(s.m.Tick(s.at()))
	}
	require.Fail(s.t, "a machine that is always due")
}

// replay is the machine that a new coordinator arrives at.
func (s *shard) replay() *machine {
	m := newMachine(s.m.cfg, s.m.image, func(string, []env.Attr) {})
	for _, rec := range s.log {
		require.NoError(s.t, m.Replay(rec, coordinator.Producer{}))
	}
	require.Empty(s.t, m.Loaded(s.at()).Records)
	return m
}

func (s *shard) join(in Join) Ref {
	return s.do(func(m *machine, at at, ref Ref) turn {
		in.Ref = ref
		if in.NewMemberID == "" {
			in.NewMemberID = fmt.Sprintf("m%d", ref)
		}
		in.SessionTimeout, in.RebalanceTimeout, in.ProtocolType = 10*time.Second, 20*time.Second, consumerProtocol
		in.Protocols = []Protocol{{Name: "range", Metadata: subscription("t")}}
		return m.request(at, ref, "g", in.MemberID == "", in)
	})
}

func (s *shard) sync(in Sync) Ref {
	return s.do(func(m *machine, at at, ref Ref) turn { in.Ref = ref; return m.request(at, ref, "g", false, in) })
}

func (s *shard) commitOffset(member, instance string, generation int32, offset int64) Ref {
	return s.do(func(m *machine, at at, ref Ref) turn {
		return m.commit(at, ref, &commit{version: 8, group: "g", member: member, instance: instance, generation: generation,
			tps: []TopicPartition{{"t", 0}}, offsets: []Offset{{Offset: offset, LeaderEpoch: -1}}})
	})
}

func subscription(topics ...string) []byte {
	sub := kmsg.NewConsumerMemberMetadata()
	sub.Topics = topics
	return sub.AppendTo(nil)
}

// A commit that was taken in one generation stands before all commits of the
// next, however long it takes to be committed, and afterwards it is refused.
func TestNoCommitOfAnOldGenerationLandsBehindANewerOne(t *testing.T) {
	cfg := DefaultConfig()
	cfg.InitialRebalanceDelay = 0
	s := newShard(t, &cfg)
	s.join(Join{NewMemberID: "a"})
	s.sync(Sync{MemberID: "a", Generation: 1, Assignments: map[string][]byte{"a": []byte("1")}})
	s.commit()
	old := s.commitOffset("a", "", 1, 10) // in the log, not committed for long

	s.join(Join{MemberID: "a"}) // the leader begins generation 2
	late := s.commitOffset("a", "", 1, 11)
	s.sync(Sync{MemberID: "a", Generation: 2, Assignments: map[string][]byte{"a": []byte("1")}})
	s.commit()
	s.commitOffset("a", "", 2, 20)
	later := s.commitOffset("a", "", 1, 12)
	s.commit()

	require.Zero(t, s.answers[old].(Done).Code)
	require.Equal(t, kerr.IllegalGeneration.Code, s.answers[late].(Done).Code)
	require.Equal(t, kerr.IllegalGeneration.Code, s.answers[later].(Done).Code)
	require.EqualValues(t, 20, s.m.groups["g"].Offsets[TopicPartition{"t", 0}].Offset)
	require.EqualValues(t, 20, s.replay().groups["g"].Offsets[TopicPartition{"t", 0}].Offset)
}

// Static members that come back at the same time are told so once the log knows
// them, and so the next coordinator knows both.
func TestANewCoordinatorKnowsEveryStaticMemberThatWasAnswered(t *testing.T) {
	cfg := DefaultConfig()
	cfg.InitialRebalanceDelay = 0
	s := newShard(t, &cfg)
	s.join(Join{NewMemberID: "a1", InstanceID: "a"})
	s.join(Join{NewMemberID: "b1", InstanceID: "b"})
	s.join(Join{MemberID: "a1", InstanceID: "a"})
	s.sync(Sync{MemberID: "a1", InstanceID: "a", Generation: 2, Assignments: map[string][]byte{"a1": []byte("1"), "b1": []byte("2")}})
	s.commit()
	a, b := s.join(Join{NewMemberID: "a2", InstanceID: "a"}), s.join(Join{NewMemberID: "b2", InstanceID: "b"})
	require.Empty(t, s.answers[a])
	require.Empty(t, s.answers[b])
	s.commit()
	require.Equal(t, "a2", s.answers[a].(Joined).MemberID)
	require.Equal(t, "b2", s.answers[b].(Joined).MemberID)

	next := s.replay().groups["g"]
	for instance, member := range map[string]string{"a": "a2", "b": "b2"} {
		_, code := next.member(member, instance)
		require.Zero(t, code, "%s is %s", instance, member)
	}
}

// Whatever happens to a group, a coordinator that reads the log arrives at the
// offsets of the one that wrote it, and knows every member that was given an
// assignment of the newest generation there.
func TestTheLogSaysWhatTheCoordinatorKnows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg := DefaultConfig()
		cfg.InitialRebalanceDelay = 0
		s := newShard(t, &cfg)
		g := func() *Group {
			if g := s.m.groups["g"]; g != nil {
				return g
			}
			return New("g", &cfg)
		}
		someone := func() (id, instance string) {
			ids := append([]string{""}, g().memberIDs()...)
			id = rapid.SampledFrom(ids).Draw(t, "member")
			if m := g().Members[id]; m != nil {
				return id, m.InstanceID
			}
			return id, rapid.SampledFrom([]string{"", "i1", "i2"}).Draw(t, "instance")
		}
		acts := map[string]func(*rapid.T){
			"join": func(*rapid.T) {
				id, instance := someone()
				s.join(Join{MemberID: id, InstanceID: instance})
			},
			"sync": func(*rapid.T) {
				id, instance := someone()
				in := Sync{MemberID: id, InstanceID: instance, Generation: g().Generation, Assignments: map[string][]byte{}}
				for _, member := range g().memberIDs() {
					in.Assignments[member] = fmt.Append(nil, s.ref, member)
				}
				s.sync(in)
			},
			"leave": func(*rapid.T) {
				id, instance := someone()
				s.do(func(m *machine, at at, ref Ref) turn {
					return m.request(at, ref, "g", false, Leave{Ref: ref, Members: []Leaver{{id, instance}}})
				})
			},
			"commit offset": func(t *rapid.T) {
				id, instance := someone()
				s.commitOffset(id, instance, g().Generation-int32(rapid.IntRange(0, 1).Draw(t, "late")), rapid.Int64Range(0, 9).Draw(t, "offset"))
			},
			"by hand": func(t *rapid.T) { s.commitOffset("", "", -1, rapid.Int64Range(0, 9).Draw(t, "offset")) },
			"delete": func(*rapid.T) {
				s.do(func(m *machine, at at, ref Ref) turn { return m.deleteGroup(at, ref, "g") })
			},
			"delete topic": func(*rapid.T) { s.take(s.m.topicsDeleted(s.at(), []string{"t"})) },
			"commit":       func(*rapid.T) { s.commit() },
			"refuse":       func(t *rapid.T) { s.refuse = rapid.Bool().Draw(t, "refuse") },
			"time": func(t *rapid.T) {
				s.now += time.Duration(rapid.SampledFrom([]int64{1, 6, 30, 1000, 4e5}).Draw(t, "seconds")) * time.Second
				s.ticks()
			},
			"": func(t *rapid.T) {
				fresh := s.replay().groups["g"]
				if fresh == nil {
					fresh = New("g", &cfg)
				}
				require.Equal(t, g().Offsets, fresh.Offsets)
				if g().durable == nil {
					return
				}
				require.Equal(t, g().durable.Generation, fresh.Generation)
				if g().State == Stable {
					require.Equal(t, g().memberIDs(), fresh.memberIDs())
					require.Equal(t, g().instances, fresh.instances)
					for id, m := range g().Members {
						require.Equal(t, m.Assignment, fresh.Members[id].Assignment)
					}
				}
			},
		}
		t.Repeat(acts)
	})
}
