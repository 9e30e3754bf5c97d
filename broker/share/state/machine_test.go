package state

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"pgregory.net/rapid"

	"github.com/weirlab/weir/broker/coordinator"
	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/broker/share"
	"github.com/weirlab/weir/broker/storage"
)

var none coordinator.Producer

// imageOf is an image with topics of two partitions, by the first bytes of their ids.
func imageOf(t require.TestingT, ids ...byte) *metadata.Image {
	edit, offset := metadata.Empty().Edit(), int64(0)
	apply := func(r metadata.Record) {
		require.NoError(t, edit.Apply(r, offset))
		offset++
	}
	for _, id := range ids {
		apply(&metadata.TopicRecord{Name: fmt.Sprint("t", id), ID: metadata.TopicID{id}})
		for p := range int32(2) {
			apply(&metadata.PartitionRecord{TopicID: metadata.TopicID{id}, Partition: p, Replicas: []int32{1}, ISR: []int32{1}, Leader: 1})
		}
	}
	image, _ := edit.Done()
	return image
}

// shard is a machine with the log that it writes, in which everything is committed at once.
type shard struct {
	t       require.TestingT
	m       *machine
	cfg     Config
	image   *metadata.Image
	log     []storage.Record
	wall    int64
	refused bool // the next append is
	answers map[ref]output
}

func newShard(t require.TestingT, cfg Config) *shard {
	s := &shard{t: t, cfg: cfg, image: imageOf(t, 1, 2), wall: now, answers: map[ref]output{}}
	s.m = s.replay(0)
	return s
}

// replay is a machine that has read the log from an offset on.
func (s *shard) replay(from int64) *machine {
	m := newMachine(&s.cfg, func() *metadata.Image { return s.image })
	for _, r := range s.log[from:] {
		require.NoError(s.t, m.Replay(r, none))
	}
	return m
}

func (s *shard) at() at { return at{WallMillis: s.wall} }

func (s *shard) take(t turn) {
	if len(t.Records) > 0 {
		if s.refused {
			s.refused = false
			for _, a := range t.Answers {
				s.answers[a.Ref] = output{code: kerr.NotEnoughReplicas.Code}
			}
			return
		}
		base := int64(len(s.log))
		for i, r := range t.Records {
			r.Offset = base + int64(i)
			s.log = append(s.log, r)
		}
		if t.Applied != nil {
			t.Applied(base)
		}
	}
	for _, a := range t.Answers {
		s.answers[a.Ref] = a.Value
	}
	if t.Next != nil {
		s.take(t.Next(s.at()))
	}
}

// do takes a step and returns its answer.
func (s *shard) do(step func(m *machine, at at, ref ref) turn) output {
	delete(s.answers, 1)
	s.take(step(s.m, s.at(), 1))
	out, answered := s.answers[1]
	require.True(s.t, answered)
	return out
}

func (s *shard) initialize(key share.Key, epoch int32, start int64) int16 {
	return s.do(func(m *machine, at at, ref ref) turn { return m.initialize(at, ref, key, epoch, start) }).code
}

func (s *shard) read(key share.Key, epoch int32) (share.State, int16) {
	out := s.do(func(m *machine, at at, ref ref) turn { return m.read(at, ref, key, epoch) })
	return out.state, out.code
}

func (s *shard) write(key share.Key, delta share.State) int16 {
	return s.do(func(m *machine, at at, ref ref) turn { return m.write(at, ref, key, delta) }).code
}

func (s *shard) remove(key share.Key) int16 {
	return s.do(func(m *machine, at at, ref ref) turn { return m.remove(at, ref, key) }).code
}

func (s *shard) redundant() int64 {
	return s.do((*machine).redundant).offset
}

// known is what the machine has, as a later coordinator must have it.
func known(m *machine) map[share.Key]value {
	all := map[share.Key]value{}
	for key, p := range m.parts {
		all[key] = p.value
	}
	return all
}

var key1 = share.Key{Group: "g", Topic: metadata.TopicID{1}}

func TestEpochsFence(t *testing.T) {
	s := newShard(t, Config{UpdatesPerSnapshot: 2})
	_, code := s.read(key1, 3)
	require.Equal(t, kerr.InvalidRequest.Code, code, "nobody has begun it")
	require.Equal(t, kerr.InvalidRequest.Code, s.write(key1, share.State{}))
	require.Zero(t, s.initialize(key1, 5, -1))
	state, code := s.read(key1, 3)
	require.Zero(t, code)
	require.Equal(t, share.State{StateEpoch: 5, LeaderEpoch: 3, StartOffset: -1, DeliveryCompleteCount: -1}, state)
	batch := share.Batch{First: 4, Last: 6, State: share.Acknowledged, DeliveryCount: 1}
	require.Zero(t, s.write(key1, share.State{StateEpoch: 5, LeaderEpoch: 3, StartOffset: 3, DeliveryCompleteCount: 3, Batches: []share.Batch{batch}}))

	_, code = s.read(key1, 2)
	require.Equal(t, kerr.FencedLeaderEpoch.Code, code)
	require.Equal(t, kerr.FencedLeaderEpoch.Code, s.write(key1, share.State{StateEpoch: 5, LeaderEpoch: 2}))
	require.Equal(t, kerr.FencedStateEpoch.Code, s.write(key1, share.State{StateEpoch: 4, LeaderEpoch: 3}))
	require.Equal(t, kerr.FencedStateEpoch.Code, s.initialize(key1, 4, 0))

	require.Zero(t, s.initialize(key1, 5, -1), "a request that comes twice")
	state, _ = s.read(key1, 4)
	require.Equal(t, []share.Batch{batch}, state.Batches)
	require.EqualValues(t, 3, state.StartOffset)
	require.Zero(t, s.write(key1, share.State{StateEpoch: 5, LeaderEpoch: 4, StartOffset: 1, DeliveryCompleteCount: 1}), "late")
	state, _ = s.read(key1, -1)
	require.EqualValues(t, 3, state.StartOffset)
	require.EqualValues(t, 3, state.DeliveryCompleteCount)

	require.Zero(t, s.initialize(key1, 6, 0), "anew")
	require.Equal(t, kerr.FencedStateEpoch.Code, s.write(key1, share.State{StateEpoch: 5, LeaderEpoch: 4}))
	_, code = s.read(key1, 3)
	require.Equal(t, kerr.FencedLeaderEpoch.Code, code)
	state, _ = s.read(key1, 4)
	require.Equal(t, share.State{StateEpoch: 6, LeaderEpoch: 4}, state)

	require.Zero(t, s.remove(key1))
	require.Zero(t, s.remove(key1))
	require.Equal(t, kerr.InvalidRequest.Code, s.write(key1, share.State{StateEpoch: 6, LeaderEpoch: 4}))
}

func TestWhatCannotBeIsRefused(t *testing.T) {
	s := newShard(t, Config{})
	require.Zero(t, s.initialize(key1, 0, 0))
	for _, delta := range []share.State{
		{StartOffset: -2}, {Batches: []share.Batch{{First: 2, Last: 1}}}, {Batches: []share.Batch{{First: -1, Last: 1}}},
		{Batches: []share.Batch{{State: share.Acquired}}}, {Batches: []share.Batch{{DeliveryCount: -1}}}, {Batches: []share.Batch{{Last: 1<<63 - 1}}},
	} {
		require.Equal(t, kerr.InvalidRequest.Code, s.write(key1, delta), "%v", delta)
	}
	for _, key := range []share.Key{{Group: "g", Topic: metadata.TopicID{9}}, {Group: "g", Topic: key1.Topic, Partition: 2}} {
		require.Equal(t, kerr.UnknownTopicOrPartition.Code, s.initialize(key, 0, 0))
		require.Equal(t, kerr.UnknownTopicOrPartition.Code, s.remove(key))
	}
	negative := share.Key{Group: "g", Topic: key1.Topic, Partition: -1}
	require.Equal(t, kerr.InvalidRequest.Code, s.initialize(negative, 0, 0))
	require.Equal(t, kerr.InvalidRequest.Code, s.remove(negative))
	require.Equal(t, kerr.InvalidRequest.Code, s.write(negative, share.State{}))
	require.Equal(t, kerr.InvalidRequest.Code, s.initialize(key1, 0, -2))
	require.Len(t, s.log, 1)
}

// The log is as long as it must be: a key that nobody writes has a snapshot now and
// then, so that it does not hold the others up.
func TestOldRecordsGo(t *testing.T) {
	s := newShard(t, Config{UpdatesPerSnapshot: 3, ColdInterval: time.Minute})
	other := share.Key{Group: "h", Topic: metadata.TopicID{2}}
	require.Zero(t, s.initialize(other, 0, 7))
	require.Zero(t, s.initialize(key1, 0, 0))
	for i := range 9 {
		require.Zero(t, s.write(key1, share.State{StartOffset: int64(i)}))
	}
	require.EqualValues(t, 0, s.redundant(), "held up by the other key")
	s.wall += 59_999
	s.take(s.m.cold(s.at()))
	require.Len(t, s.log, 11)
	s.wall++
	require.Zero(t, s.initialize(key1, 1, 0))
	s.take(s.m.cold(s.at()))
	require.Len(t, s.log, 13)
	require.EqualValues(t, 11, s.redundant())
	require.Equal(t, known(s.m), known(s.replay(11)))

	s.wall += 60_000
	s.take(s.m.cold(s.at()))
	require.Len(t, s.log, 15, "both are old, and one was written by a leader")
	s.wall += 60_000
	s.take(s.m.cold(s.at()))
	require.Len(t, s.log, 15, "nothing is going on")
}

func TestStatesOfTopicsGoWithThem(t *testing.T) {
	s := newShard(t, Config{})
	var many []share.Key
	for i := range 2*chunk + 1 {
		many = append(many, share.Key{Group: fmt.Sprint(i), Topic: metadata.TopicID{2}})
		require.Zero(t, s.initialize(many[i], 0, 0))
	}
	require.Zero(t, s.initialize(key1, 0, 0))
	s.take(s.m.forget(s.at(), func(id metadata.TopicID) bool { return id == metadata.TopicID{2} }))
	require.Equal(t, []share.Key{key1}, s.m.keys())
	require.Len(t, s.replay(0).parts, 1)

	s.image = imageOf(t) // metadata may be behind for a moment
	s.take(s.m.lost(s.at()))
	s.image = imageOf(t, 1)
	s.take(s.m.lost(s.at()))
	require.Len(t, s.m.parts, 1)
	s.image = imageOf(t, 2)
	s.take(s.m.lost(s.at()))
	require.Len(t, s.m.parts, 1)
	s.take(s.m.lost(s.at()))
	require.Empty(t, s.m.parts)
}

func TestRecordsOfOtherKindsAreLeftAlone(t *testing.T) {
	m := newMachine(&Config{}, nil)
	require.NoError(t, m.Replay(storage.Record{Key: []byte{0, 9}, Offset: 4}, none))
	require.EqualValues(t, 5, m.end)
	require.Error(t, m.Replay(storage.Record{Key: []byte{0}}, none))
	require.Error(t, m.Replay(storage.Record{Key: []byte{0, 0, 0, 9}}, none))
	m.ReplayMarker(storage.Marker{})
	u := part()
	u.DeliveryCompleteCount = 4
	require.NoError(t, m.Replay(record(updateKind, key1, u, now), none), "the snapshot before it is gone")
	require.EqualValues(t, 4, m.parts[key1].DeliveryCompleteCount)
	require.NoError(t, m.Replay(storage.Record{Key: appendKey(updateKind, key1)}, none))
	require.Len(t, m.parts, 1)
}

// Whatever is asked, refused by the log, pruned and loaded again: what a coordinator
// knows is what was acknowledged, offset by offset, and a later one finds the same in
// what is left of the log.
func TestStatesAreWhatWasWritten(t *testing.T) {
	type fact struct {
		state share.DeliveryState
		count int16
	}
	type truth struct {
		share.State
		facts map[int64]fact
	}
	rapid.Check(t, func(t *rapid.T) {
		s := newShard(t, Config{UpdatesPerSnapshot: rapid.IntRange(0, 3).Draw(t, "updates"), ColdInterval: time.Second})
		truths := map[share.Key]*truth{}
		keyOf := func(t *rapid.T) share.Key {
			return share.Key{Group: rapid.SampledFrom([]string{"g", "h"}).Draw(t, "group"), Topic: metadata.TopicID{rapid.ByteRange(1, 2).Draw(t, "topic")}}
		}
		epoch := rapid.Int32Range(-1, 3)
		maybeRefused := func(t *rapid.T) { s.refused = rapid.IntRange(0, 5).Draw(t, "refused") == 0 }
		t.Repeat(map[string]func(*rapid.T){
			"initialize": func(t *rapid.T) {
				maybeRefused(t)
				key, e, start := keyOf(t), epoch.Draw(t, "epoch"), rapid.Int64Range(-1, 5).Draw(t, "start")
				had := truths[key]
				code := s.initialize(key, e, start)
				s.refused = false
				switch {
				case had != nil && e != -1 && e < had.StateEpoch:
					require.Equal(t, kerr.FencedStateEpoch.Code, code)
				case code == 0 && had != nil && e == had.StateEpoch && start == -1:
				case code == 0:
					next := &truth{State: share.State{StateEpoch: e, StartOffset: start, DeliveryCompleteCount: -1}, facts: map[int64]fact{}}
					if start >= 0 {
						next.DeliveryCompleteCount = 0
					}
					if had != nil {
						next.LeaderEpoch = had.LeaderEpoch
					}
					truths[key] = next
				default:
					require.Equal(t, kerr.NotEnoughReplicas.Code, code)
				}
			},
			"read": func(t *rapid.T) {
				maybeRefused(t)
				key, e := keyOf(t), epoch.Draw(t, "epoch")
				had := truths[key]
				_, code := s.read(key, e)
				s.refused = false
				switch {
				case had == nil:
					require.Equal(t, kerr.InvalidRequest.Code, code)
				case e != -1 && e < had.LeaderEpoch:
					require.Equal(t, kerr.FencedLeaderEpoch.Code, code)
				case code == 0 && e != -1:
					had.LeaderEpoch = e
				}
			},
			"write": func(t *rapid.T) {
				maybeRefused(t)
				key := keyOf(t)
				delta := share.State{StateEpoch: epoch.Draw(t, "state"), LeaderEpoch: epoch.Draw(t, "leader"),
					StartOffset: rapid.Int64Range(-1, 12).Draw(t, "start"), DeliveryCompleteCount: rapid.Int32Range(0, 9).Draw(t, "count"), Batches: drawBatches(t, "batches")}
				had := truths[key]
				code := s.write(key, delta)
				s.refused = false
				switch {
				case had == nil:
					require.Equal(t, kerr.InvalidRequest.Code, code)
				case delta.LeaderEpoch != -1 && delta.LeaderEpoch < had.LeaderEpoch:
					require.Equal(t, kerr.FencedLeaderEpoch.Code, code)
				case delta.StateEpoch != -1 && delta.StateEpoch < had.StateEpoch:
					require.Equal(t, kerr.FencedStateEpoch.Code, code)
				case code == 0:
					if late := delta.StartOffset != -1 && delta.StartOffset < had.StartOffset; !late {
						had.DeliveryCompleteCount = delta.DeliveryCompleteCount
					}
					had.StartOffset = max(had.StartOffset, delta.StartOffset)
					for _, b := range delta.Batches {
						for o := b.First; o <= b.Last; o++ {
							f := fact{b.State, b.DeliveryCount}
							if old, any := had.facts[o]; !any || old.count < f.count || old.count == f.count && old.state < f.state {
								had.facts[o] = f
							}
						}
					}
				default:
					require.Equal(t, kerr.NotEnoughReplicas.Code, code)
				}
			},
			"delete": func(t *rapid.T) {
				maybeRefused(t)
				key := keyOf(t)
				if code := s.remove(key); code == 0 {
					delete(truths, key)
				}
				s.refused = false
			},
			"time": func(t *rapid.T) {
				s.wall += rapid.Int64Range(0, 2000).Draw(t, "ms")
				s.take(s.m.cold(s.at()))
			},
			"another coordinator": func(t *rapid.T) { s.m = s.replay(s.redundant()) },
			"": func(t *rapid.T) {
				require.Equal(t, known(s.m), known(s.replay(0)))
				require.Equal(t, known(s.m), known(s.replay(s.redundant())))
				require.Len(t, s.m.parts, len(truths))
				for key, want := range truths {
					p := s.m.parts[key]
					require.Equal(t, want.LeaderEpoch, p.LeaderEpoch)
					require.Equal(t, want.StateEpoch, p.StateEpoch)
					require.Equal(t, want.StartOffset, p.StartOffset)
					require.Equal(t, want.DeliveryCompleteCount, p.DeliveryCompleteCount)
					left := map[int64]fact{}
					for o, f := range want.facts {
						if o >= want.StartOffset {
							left[o] = f
						}
					}
					for _, b := range p.Batches {
						for o := b.First; o <= b.Last; o++ {
							require.Equal(t, left[o], fact{b.State, b.DeliveryCount})
							delete(left, o)
						}
					}
					require.Empty(t, left)
				}
			},
		})
	})
}
