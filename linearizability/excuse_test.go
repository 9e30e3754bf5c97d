package linearizability

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	all3 = []int32{1, 2, 3}
	elr  = Topic{ReplicationFactor: 3, MinISR: 2, ELR: true}
)

// lostStory is a record acknowledged at second 10 at offset 1 with acks=all,
// and a final log that has another record there, from leader epoch 2.
func lostStory(t *testing.T, topic Topic) *story {
	return newStory(t, topic).
		state(0, 1, 1, all3).
		acked(5, 0, -1, 1, 1).
		acked(10, 1, -1, 1, 1).
		acked(30, 1, -1, 2, None).
		start(2, 1).
		final(2, rec(0, 5, 1), rec(1, 30, 2))
}

// SEMANTICS 2.3, acks=all: what excuses a loss, and what does not.
func TestExcuseAcksAll(t *testing.T) {
	withFault := func(kind FaultKind, at int, lossy bool, brokers ...int32) func(*story) {
		return func(s *story) { s.fault(kind, at, lossy, brokers...).state(20, 2, 2, all3) }
	}
	for _, c := range []struct {
		name    string
		topic   Topic
		rest    func(*story)
		excused bool
		why     string // part of the reason or of the evidence
	}{
		{"no fault at all", elr, func(s *story) { s.state(20, 2, 2, all3) }, false,
			"broker 2 became leader in epoch 2 at 20.000 s cleanly; electable brokers 1, 2 and 3 had lost nothing"},
		{"no election", elr, func(*story) {}, false, "no leader was elected since"},
		{"process crashes keep the page cache", elr, withFault(Crash, 15, false, 1, 2, 3), false, "had lost nothing"},
		{"a power loss that found nothing unsynced", elr, withFault(PowerLoss, 15, false, 1, 2, 3), false, "had lost nothing"},
		{"the elected broker alone lost power", elr, withFault(PowerLoss, 15, true, 2), false, "electable brokers 1 and 3 had lost nothing"},
		{"two of three electable lost power", elr, withFault(PowerLoss, 15, true, 1, 2), false, "electable broker 3 had lost nothing"},
		{"everyone electable lost power", elr, withFault(PowerLoss, 15, true, 1, 2, 3), true,
			"every electable replica (brokers 1, 2 and 3) had been struck by power-loss at 15.000 s"},
		{"power loss before the record was sent", elr, withFault(PowerLoss, 9, true, 1, 2, 3), false, "had lost nothing"},
		{"power loss after the election", elr, withFault(PowerLoss, 21, true, 1, 2, 3), false, "had lost nothing"},
		{"flush.messages=1: power loss never excuses", Topic{ReplicationFactor: 3, MinISR: 2, FlushMessages: 1},
			withFault(PowerLoss, 15, true, 1, 2, 3), false, "no fault had taken the record from its disk"},
		{"flush.messages=1: a lost disk alone does not", Topic{ReplicationFactor: 3, MinISR: 2, FlushMessages: 1, ELR: true}, func(s *story) {
			s.fault(DiskGone, 15, true, 2).state(16, None, 1, nil).state(20, 2, 2, []int32{2})
		}, false, "only 1 of the replicas relied on had been struck"},
		{"flush.messages=1: a lost disk leads, and power losses had made the others untrustworthy", Topic{ReplicationFactor: 3, MinISR: 2, FlushMessages: 1, ELR: true}, func(s *story) {
			s.fault(DiskGone, 15, true, 2).fault(PowerLoss, 15, true, 3).state(16, None, 1, nil).state(20, 2, 2, []int32{2})
		}, true, "after brokers 2 and 3 had been struck by disk-gone at 15.000 s, power-loss at 15.000 s"},
		{"flush.messages=1: the disk was lost by another than who leads", Topic{ReplicationFactor: 3, MinISR: 2, FlushMessages: 1, ELR: true}, func(s *story) {
			s.fault(DiskGone, 15, true, 3).fault(PowerLoss, 15, true, 2).state(16, None, 1, nil).state(20, 2, 2, []int32{2})
		}, false, "no fault had taken the record from its disk"},
		{"flush.messages=1: lost disks do", Topic{ReplicationFactor: 3, MinISR: 2, FlushMessages: 1},
			withFault(DiskGone, 15, true, 1, 2, 3), true, "disk-gone"},
		{"one struck, caught up again, before the election", elr, func(s *story) {
			s.fault(PowerLoss, 12, true, 1, 2, 3).
				state(13, 1, 1, []int32{1, 3}).state(14, 1, 1, all3). // 2 left and came back
				state(20, 2, 2, all3)
		}, false, "electable broker 2 had lost nothing"},
		{"struck again after it had caught up", elr, func(s *story) {
			s.fault(PowerLoss, 12, true, 1, 2, 3).
				state(13, 1, 1, []int32{1, 3}).state(14, 1, 1, all3).
				fault(PowerLoss, 16, true, 2).
				state(20, 2, 2, all3)
		}, true, "every electable replica"},
		{"came back, but was out of sync when struck", elr, func(s *story) {
			s.state(11, 1, 1, []int32{1, 3}).fault(PowerLoss, 12, true, 1, 2, 3).
				state(14, 1, 1, all3).state(20, 2, 2, all3)
		}, false, "electable broker 2 had lost nothing"},
		{"back in sync before it was struck with all others, and told of while the leader was down", elr, func(s *story) {
			s.state(11, 1, 1, []int32{1, 3}).fault(PowerLoss, 12, true, 1, 2, 3)
			s.l.h.Faults[len(s.l.h.Faults)-1].End = 15 * second
			s.state(14, 1, 1, all3).state(20, 2, 2, all3)
		}, true, "every electable replica"},
		{"last replica standing, no ELR", Topic{ReplicationFactor: 3, MinISR: 2}, func(s *story) {
			s.state(14, 1, 1, []int32{2}).fault(PowerLoss, 15, true, 2).state(20, 2, 2, []int32{2})
		}, true, "broker 2"},
		{"last in the ISR, but the ELR holds a sound one", elr, func(s *story) {
			s.state(14, 1, 1, []int32{2}, 3).fault(PowerLoss, 15, true, 2).state(20, 2, 2, []int32{2})
		}, false, "electable broker 3 had lost nothing since the record was sent (ISR [2], ELR [3])"},
		{"unclean election allowed", Topic{ReplicationFactor: 3, MinISR: 2, UncleanElection: true}, func(s *story) {
			s.state(14, 1, 1, []int32{1}).state(20, 2, 2, []int32{2})
		}, true, "by unclean election, which the topic allows"},
		{"unclean election allowed, and one held that nobody saw", Topic{ReplicationFactor: 3, MinISR: 2, ELR: true, UncleanElection: true}, func(s *story) {
			s.state(20, None, 3, nil, 2).state(21, 2, 4, []int32{2})
		}, true, "after one of which nobody told"},
		{"an election that nobody saw, where unclean ones are forbidden", elr, func(s *story) {
			s.state(20, None, 3, nil, 2).state(21, 2, 4, []int32{2})
		}, false, "cleanly"},
		{"unclean election allowed, and held before the record was sent", Topic{ReplicationFactor: 3, MinISR: 2, UncleanElection: true}, func(s *story) {
			s.l.h.States = nil
			s.state(0, 3, 0, []int32{3}).state(4, 1, 1, all3)
		}, false, "no leader was elected since"},
		{"unclean election allowed, but the election was clean", Topic{ReplicationFactor: 3, MinISR: 2, UncleanElection: true}, func(s *story) {
			s.state(20, 2, 2, all3)
		}, false, "cleanly"},
		{"unclean election although one was sound", elr, func(s *story) {
			s.fault(PowerLoss, 15, true, 2, 3).state(16, 1, 1, []int32{1}).state(20, 2, 2, []int32{2})
		}, false, "by unclean election, which the topic forbids; electable broker 1 had lost nothing"},
		{"unclean election forbidden", elr, func(s *story) {
			s.state(14, 1, 1, []int32{1}).state(20, 2, 2, []int32{2})
		}, false, "by unclean election, which the topic forbids"},
		{"nobody left to elect, but only one had lost bytes", elr, func(s *story) {
			s.fault(PowerLoss, 15, true, 2).state(16, None, 1, nil).state(20, 2, 2, []int32{2})
		}, false, "only 1 of the replicas relied on had been struck, fewer than min.insync.replicas=2"},
		{"nobody left to elect: min ISR of them had lost bytes", elr, func(s *story) {
			s.fault(PowerLoss, 15, true, 2, 3).state(16, None, 1, nil).state(20, 2, 2, []int32{2})
		}, true, "after brokers 2 and 3 had been struck"},
		{"nobody left to elect: one of the struck was not relied on", elr, func(s *story) {
			s.state(12, 1, 1, []int32{1, 2}).fault(PowerLoss, 15, true, 2, 3).state(16, None, 1, nil).state(20, 2, 2, []int32{2})
		}, false, "only 1 of the replicas relied on"},
		{"nobody left to elect, the ELR was relied on", elr, func(s *story) {
			s.state(12, 1, 1, []int32{1, 2}, 3).fault(PowerLoss, 15, true, 2, 3).state(16, None, 1, nil).state(20, 2, 2, []int32{2})
		}, true, "after brokers 2 and 3 had been struck"},
		{"nobody left to elect: a disk failed, and the leader lost power", elr, func(s *story) {
			s.exact(PowerLoss, 15, 2, Recovered{Broker: 2, Topic: "orders", LostEnd: 2}).exact(DiskFailed, 15, 3).state(16, None, 1, nil).state(20, 2, 2, []int32{2})
		}, true, "after brokers 2 and 3 had been struck by power-loss at 15.000 s, disk-failed at 15.000 s"},
		{"a full disk that its broker lived with", elr, func(s *story) {
			s.exact(PowerLoss, 15, 2, Recovered{Broker: 2, Topic: "orders", LostEnd: 2}).exact("full-disk", 15, 3).state(16, None, 1, nil).state(20, 2, 2, []int32{2})
		}, false, "only 1 of the replicas relied on had been struck"},
		{"disks failed, but nothing is gone from that of the leader", elr, func(s *story) {
			s.exact(DiskFailed, 15, 2).exact(DiskFailed, 15, 3).state(16, None, 1, nil).state(20, 2, 2, []int32{2})
		}, false, "no fault had taken the record from its disk"},
		{"min.insync.replicas=1", Topic{ReplicationFactor: 3, MinISR: 1}, func(s *story) {
			s.state(12, 1, 1, []int32{1}).fault(PowerLoss, 15, true, 1).state(16, None, 1, nil).state(20, 1, 2, []int32{1})
		}, true, "min.insync.replicas is 1"},
		{"min.insync.replicas is capped at the replication factor", Topic{ReplicationFactor: 1, MinISR: 2}, func(s *story) {
			s.fault(PowerLoss, 15, true, 1).state(16, None, 1, nil).state(20, 1, 2, []int32{1})
		}, true, "min.insync.replicas is 1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := lostStory(t, c.topic)
			c.rest(s)
			v := s.judge()
			if c.excused {
				require.Empty(t, codes(v))
				require.NotEmpty(t, v.Excused)
				require.Equal(t, "K2", v.Excused[0].Code)
				require.EqualValues(t, 1, v.Excused[0].First)
				require.Contains(t, v.Excused[0].Reason, c.why)
				return
			}
			f := find(t, v, "K2")
			require.Equal(t, "offset 1 of orders-0 was acknowledged to client 7 with acks=all at 10.500 s and is absent from the log after leader epoch 2", f.Sentence)
			require.Contains(t, f.Evidence[len(f.Evidence)-1], c.why)
			require.Contains(t, codes(v), "K1", "the offset was given out twice")
		})
	}
}

func TestExcuseNeedsTheCut(t *testing.T) {
	// The unclean epoch began at offset 2: it could not take offset 1.
	s := newStory(t, Topic{ReplicationFactor: 3, MinISR: 2, UncleanElection: true}).
		state(0, 1, 1, all3).acked(5, 0, -1, 1, 1).acked(10, 1, -1, 1, 1).
		state(14, 1, 1, []int32{1}).state(20, 2, 2, []int32{2}).start(2, 2).
		final(2, rec(0, 5, 1))
	require.Equal(t, []string{"K2"}, codes(s.judge()))
}

func TestExcuseKnowsWhatCameBack(t *testing.T) {
	for end, excused := range map[int64]bool{0: true, 1: true, 2: false} {
		s := lostStory(t, elr)
		s.l.AddFault(Fault{Kind: PowerLoss, Brokers: all3, Start: 15 * second, Lossy: true,
			Recovered: []Recovered{{Broker: 2, Topic: "orders", LogEnd: end, LostEnd: None}, {Broker: 2, Topic: "other", LogEnd: 100, LostEnd: None}}})
		s.state(20, 2, 2, all3)
		require.Equal(t, !excused, len(s.judge().Findings) > 0, "recovered log end %d", end)
	}
}

// SEMANTICS 2.3, acks=1: the promise lasts as long as the leader epoch.
func TestExcuseAcksOne(t *testing.T) {
	base := func() *story {
		return newStory(t, elr).state(0, 1, 1, all3).acked(5, 0, 1, 1, 1).acked(10, 1, 1, 1, 1).acked(11, 2, 1, 1, 1)
	}
	t.Run("lost with its epoch", func(t *testing.T) {
		v := base().state(20, 2, 2, all3).start(2, 1).final(2, rec(0, 5, 1)).judge()
		require.Empty(t, v.Findings)
		require.EqualValues(t, 2, v.Excused[0].Count)
		require.Equal(t, "acks=1 promises nothing beyond leader epoch 1, and epoch 2 began at offset 1", v.Excused[0].Reason)
	})
	t.Run("a later epoch wrote the offset anew", func(t *testing.T) {
		v := base().state(20, 2, 2, all3).acked(30, 1, -1, 2, 2).final(2, rec(0, 5, 1), rec(1, 30, 2)).judge()
		require.Equal(t, []string{"K2"}, codes(v), "offset 2 is lost although nobody saw an epoch begin at or below it")
		require.EqualValues(t, 2, v.Findings[0].Offset)
		require.Len(t, v.Excused, 1)
	})
	t.Run("a later epoch began right behind it", func(t *testing.T) {
		v := base().state(20, 2, 2, all3).start(2, 3).final(2, rec(0, 5, 1), rec(1, 10, 1)).judge()
		require.EqualValues(t, 2, find(t, v, "K2").Offset)
		require.Empty(t, base().state(20, 2, 2, all3).start(2, 2).final(2, rec(0, 5, 1), rec(1, 10, 1)).judge().Findings)
	})
	t.Run("a high watermark had just passed it", func(t *testing.T) {
		for mark, promised := range map[int64]bool{2: false, 3: true} {
			s := base().state(20, 2, 2, all3).start(2, 2).final(2, rec(0, 5, 1), rec(1, 10, 1))
			s.l.AddHighWatermark(HighWatermark{Topic: "orders", Time: 15 * second, Broker: 1, LeaderEpoch: 1, Offset: mark})
			require.Equal(t, promised, len(s.judge().Findings) > 0, "high watermark %d", mark)
		}
	})
	t.Run("lost without a change of epoch", func(t *testing.T) {
		require.Equal(t, []string{"K2"}, codes(base().final(1, rec(0, 5, 1)).judge()))
	})
	t.Run("the same epoch wrote the offset twice", func(t *testing.T) {
		v := base().acked(12, 3, 1, 1, 1).final(1, rec(0, 5, 1), rec(1, 12, 1), rec(2, 11, 1)).judge()
		require.EqualValues(t, 1, find(t, v, "K2").Offset)
	})
	t.Run("metadata of its epoch was not seen", func(t *testing.T) {
		v := newStory(t, elr).state(0, 2, 2, all3).state(20, 1, 3, all3).start(2, 0).acked(10, 0, 1, 1, 1).final(1).judge()
		require.Empty(t, v.Findings, "the client's belief stands: epoch 1, which epoch 2 ended")
	})
	t.Run("a hole within the epoch", func(t *testing.T) {
		v := base().state(20, 2, 2, all3).start(2, 3).final(2, rec(0, 5, 1), rec(2, 11, 1)).judge()
		require.EqualValues(t, 1, find(t, v, "K2").Offset)
	})
	t.Run("the later epoch began above it", func(t *testing.T) {
		require.Equal(t, []string{"K2"}, codes(base().state(20, 2, 2, all3).start(2, 3).final(2, rec(0, 5, 1)).judge()))
	})
	t.Run("an earlier epoch is no excuse", func(t *testing.T) {
		s := newStory(t, elr).state(0, 2, 1, all3).state(3, 1, 2, all3).start(1, 0).start(2, 0).
			acked(10, 0, 1, 2, 1).final(1)
		require.Equal(t, []string{"K2"}, codes(s.judge()))
	})
	t.Run("the same broker elected again before the answer", func(t *testing.T) {
		s := newStory(t, elr).state(0, 1, 1, all3).state(8, 2, 2, all3).state(9, 1, 3, all3).start(2, 0).start(3, 0)
		s.send(Op{Process: 7, Value: 10, Acks: 1}, 10, Op{Type: OK, Offset: 0, LeaderEpoch: 3, Broker: 1})
		require.Equal(t, []string{"K2"}, codes(s.final(1).judge()), "it was appended in epoch 3 and nothing followed that")
	})
	// Broker 1 was paused while it led epoch 3, and answered when it did so no more.
	// The client still believed in epoch 1, in which the offset had been committed.
	for at, excused := range map[int]bool{8: true, 11: true, 30: false} { // when broker 1 began to lead epoch 3
		t.Run(fmt.Sprintf("appended in epoch 1 or 3, which began at %d s", at), func(t *testing.T) {
			s := newStory(t, Topic{ReplicationFactor: 3, MinISR: 1}).
				state(0, 1, 1, all3).beganAt(1, 1, 1, 0).acked(5, 0, 1, 1, 1)
			s.l.AddHighWatermark(HighWatermark{Topic: "orders", Time: 6 * second, Broker: 1, LeaderEpoch: 1, Offset: 3})
			s.state(7, None, 2, nil).state(at, 1, 3, []int32{1}).beganAt(at, 1, 1, 0, 3, 1).
				state(max(at, 12), 2, 4, []int32{2}).beganAt(max(at, 12), 2, 1, 0, 4, 1)
			n := s.l.Invoke(Op{Time: 10 * second, Process: 8, F: Send, Topic: "orders", Value: 99, Acks: 1})
			s.l.Complete(n, Op{Time: 14 * second, Type: OK, Offset: 1, LeaderEpoch: 1, Broker: 1, Attempts: 1})
			v := s.final(2, rec(0, 5, 1)).judge()
			require.Equal(t, excused, !slices.Contains(codes(v), "K2"), "%+v", v.Findings)
		})
	}
	t.Run("acks=0 promises nothing", func(t *testing.T) {
		v := newStory(t, elr).state(0, 1, 1, all3).acked(5, None, 0, 1, 1).final(1).judge()
		require.Empty(t, v.Findings)
		require.Zero(t, checkNamed(t, v, checkSurvival).Inputs)
	})
}

func TestReadingImpliesCommitted(t *testing.T) {
	base := func() *story {
		return newStory(t, elr).state(0, 1, 1, all3).acked(5, 0, 1, 1, 1).acked(10, 1, 1, 1, 1).
			poll(9, 1, 12, 0, 0, 5, 1, 10)
	}
	v := base().state(20, 2, 2, all3).start(2, 1).final(2, rec(0, 5, 1)).judge()
	f := find(t, v, "K5")
	require.Equal(t, "offset 1 of orders-0 (value 10) was read by client 9 at 12.500 s and is not in the final log: it was readable before it was committed, or lost afterwards", f.Sentence)
	v = base().fault(PowerLoss, 15, true, 1, 2, 3).state(20, 2, 2, all3).start(2, 1).final(2, rec(0, 5, 1)).judge()
	require.Empty(t, v.Findings, "the fault that excuses a committed loss excuses a read one")
	require.Empty(t, base().final(1, rec(0, 5, 1), rec(1, 10, 1)).judge().Findings)
}

func TestTopicNobodyDescribedProvesNothing(t *testing.T) {
	s := lostStory(t, elr)
	s.l.h.Topics = nil
	s.fault(PowerLoss, 15, true, 2, 3).state(16, None, 1, nil).state(20, 2, 2, []int32{2})
	v := s.judge()
	require.Equal(t, Unknown, v.Status)
	require.Contains(t, checkNamed(t, v, checkSurvival).Note, "the settings of no topic")
}
