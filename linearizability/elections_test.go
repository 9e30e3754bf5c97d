package linearizability

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestWhereLogsPart has the examples of KIP-101 and KIP-279.
func TestWhereLogsPart(t *testing.T) {
	for _, c := range []struct {
		name string
		a, b []EpochEntry
		want int64
	}{
		{"the next leader had everything", []EpochEntry{{0, 0}, {1, 10}}, []EpochEntry{{0, 0}, {1, 10}, {2, 25}}, 25},
		{"the leader before appended nothing", []EpochEntry{{0, 0}, {1, 10}}, []EpochEntry{{0, 0}, {2, 10}}, 10},
		{"the next leader lacks the end of an epoch", []EpochEntry{{0, 0}, {1, 10}}, []EpochEntry{{0, 0}, {2, 7}}, 7},
		{"it brings a tail of an older epoch", []EpochEntry{{0, 0}, {1, 10}}, []EpochEntry{{0, 0}, {2, 14}}, 10},
		{"it brings a tail of an epoch that nobody else knows (KIP-279)", []EpochEntry{{1, 0}, {3, 10}}, []EpochEntry{{1, 0}, {2, 5}, {4, 9}}, 5},
		{"an epoch is missing in its middle", []EpochEntry{{0, 0}, {1, 10}, {2, 20}}, []EpochEntry{{0, 0}, {2, 10}, {3, 30}}, 10},
		{"it has nothing", []EpochEntry{{0, 0}, {1, 10}}, []EpochEntry{{2, 0}}, 0},
		{"one log begins later", []EpochEntry{{0, 0}, {1, 10}}, []EpochEntry{{1, 15}, {2, 25}}, 25},
		{"one log begins later, in another epoch", []EpochEntry{{0, 0}, {1, 10}}, []EpochEntry{{0, 15}, {2, 25}}, 15},
		{"both are the same", []EpochEntry{{0, 0}, {1, 10}}, []EpochEntry{{0, 0}, {1, 10}}, never},
	} {
		require.Equal(t, c.want, parting(c.a, c.b), c.name)
		require.Equal(t, c.want, parting(c.b, c.a), c.name)
	}
}

// TestPartingIsWhereRecordsDiffer compares the caches of logs with the logs.
func TestPartingIsWhereRecordsDiffer(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		// Leaders append to copies of earlier logs, or of parts of them.
		logs := [][]int32{nil}
		epochs := rapid.IntRange(1, 8).Draw(t, "epochs")
		caches := [][]EpochEntry{{{0, 0}}}
		for e := int32(1); e <= int32(epochs); e++ {
			from := rapid.SampledFrom(logs).Draw(t, "log")
			log := slices.Clone(from[:rapid.IntRange(0, len(from)).Draw(t, "cut")])
			var cache []EpochEntry
			for o, epoch := range log {
				if n := len(cache); n == 0 || cache[n-1].Epoch != epoch {
					cache = append(cache, EpochEntry{epoch, int64(o)})
				}
			}
			caches = append(caches, append(cache, EpochEntry{e, int64(len(log))}))
			for range rapid.IntRange(0, 5).Draw(t, "records") {
				log = append(log, e)
			}
			logs = append(logs, log)
		}
		i := rapid.IntRange(1, epochs).Draw(t, "a")
		j := rapid.IntRange(1, epochs).Draw(t, "b")
		at := int64(0)
		// What a leader has appended since it began is part of its log.
		record := func(i int, o int64) int32 {
			if o < int64(len(logs[i])) {
				return logs[i][o]
			}
			return int32(i)
		}
		for at < 100 && record(i, at) == record(j, at) {
			at++
		}
		if i == j {
			at = never
		}
		require.Equal(t, at, parting(caches[i], caches[j]))
	})
}

// What a leader held when it began decides from where on its election may have
// taken records. Everything here happens in a topic that allows unclean elections.
func TestExcuseKnowsWhatEveryLeaderHeld(t *testing.T) {
	unclean := Topic{ReplicationFactor: 3, MinISR: 1, UncleanElection: true}
	// Broker 2 leads in epoch 2, elected cleanly, without offset 2, which broker 1 had
	// not committed. Broker 1 comes back uncleanly in epoch 3 with all it had, and what
	// it commits then goes when 2 comes back uncleanly in epoch 4: that begins at offset
	// 4, but its log has parted from the other's at 2.
	came := func() *story {
		return newStory(t, unclean).
			state(0, 1, 1, []int32{1, 2}).
			acked(5, 0, -1, 1, 1).acked(6, 1, -1, 1, 1).
			state(10, 2, 2, []int32{2}).
			acked(12, 2, -1, 2, 2).acked(13, 3, -1, 2, 2).
			state(20, 1, 3, []int32{1}).
			poll(9, 1, 22, 2, 2, 7).
			state(30, 2, 4, []int32{2})
	}
	sent := func(s *story) *story {
		return s.send(Op{Process: 8, Value: 7, Acks: -1}, 7, Op{Type: Info, Broker: 1, LeaderEpoch: 1, Attempts: 1})
	}
	final := func(s *story) Verdict {
		return s.final(2, rec(0, 5, 1), rec(1, 6, 1), rec(2, 12, 2), rec(3, 13, 2)).judge()
	}
	v := final(sent(came()).began(1, 1, 0).began(2, 1, 0, 2, 2).began(1, 1, 0, 3, 3).began(2, 1, 0, 2, 2, 4, 4))
	require.Empty(t, v.Findings, "offset 2 was read in epoch 3 and taken in epoch 4, which began behind it")
	v = final(sent(came()).start(1, 0).start(2, 2).start(3, 3).start(4, 4))
	require.Contains(t, codes(v), "K5", "by where the epochs begin alone, nobody took it")

	// Broker 2, elected cleanly, holds on to an end of epoch 0 that it should have
	// cut (KIP-279): the final log lacks what epoch 1 had put there. Epoch 3 was
	// elected uncleanly, but its leader had it.
	held := func() *story {
		return newStory(t, unclean).
			state(0, 2, 0, []int32{2}).
			acked(5, 0, -1, 0, 2).
			state(10, 1, 1, []int32{1}).
			acked(12, 1, -1, 1, 1).
			state(20, 3, 3, []int32{2, 3}).
			state(30, 2, 4, []int32{2, 3})
	}
	s := held().began(2, 0, 0).began(1, 0, 0, 1, 1).began(3, 0, 0, 1, 1, 3, 2).began(2, 0, 0, 3, 2, 4, 3)
	late := func(s *story) Verdict {
		log := []ScanRecord{rec(0, 5, 0), rec(1, 2, 0), rec(2, 25, 3)}
		s.acked(2, None, 0, 0, 2).acked(25, 2, -1, 3, 3)
		for b := int32(1); b <= 3; b++ {
			s.l.AddScan(Scan{Topic: "orders", Broker: b, Leader: b == 2, LogEnd: 3, HighWatermark: 3, Records: log,
				Epochs: []EpochStart{{Topic: "orders", Leader: None}, {Topic: "orders", LeaderEpoch: 3, Leader: None, StartOffset: 2}}})
		}
		return s.judge()
	}
	f := find(t, late(s), "K2")
	require.Contains(t, f.Sentence, "offset 1 of orders-0 was acknowledged to client 7 with acks=all at 12.500 s")
	require.Contains(t, f.Evidence[len(f.Evidence)-1], "broker 2 became leader in epoch 4 at 30.000 s cleanly")
	require.Empty(t, late(held().start(0, 0).start(1, 1).start(3, 2).start(4, 3)).Findings, "where the caches are not known, the final log is all there is")
}

// Who was elected and never began its epoch has taken nothing.
func TestExcuseNeedsALeaderThatBegan(t *testing.T) {
	for began, excused := range map[bool]bool{true: true, false: false} {
		s := newStory(t, Topic{ReplicationFactor: 3, MinISR: 1, UncleanElection: true}).
			state(0, 1, 1, []int32{1}).acked(5, 0, -1, 1, 1).acked(6, 1, -1, 1, 1).
			state(10, 2, 2, []int32{2}). // uncleanly
			state(20, 1, 3, []int32{2, 1}).state(30, 1, 4, []int32{1}).
			began(1, 1, 0).began(1, 1, 0, 4, 1)
		if began {
			s.began(2, 1, 0, 2, 1)
		}
		require.Equal(t, excused, len(s.final(1, rec(0, 5, 1)).judge().Findings) == 0, "began: %v", began)
	}
}

// A record that went to a leader which did not know yet that its epoch was over is
// taken by the epoch that had ended it, although that began before it was sent.
func TestExcuseOfWhatAnOldLeaderTook(t *testing.T) {
	for epoch, excused := range map[int32]bool{1: true, 2: false} {
		s := newStory(t, Topic{ReplicationFactor: 3, MinISR: 1, UncleanElection: true}).
			state(0, 1, 1, []int32{1}).acked(5, 0, -1, 1, 1).
			state(10, 2, 2, []int32{2}). // uncleanly
			acked(12, 1, -1, epoch, epoch).acked(14, 1, -1, 2, 2).
			began(1, 1, 0).began(2, 1, 0, 2, 1)
		v := s.final(2, rec(0, 5, 1), rec(1, 14, 2)).judge()
		require.Equal(t, excused, len(v.Findings) == 0, "epoch %d: %+v", epoch, v.Findings)
	}
}

// A replica is whole again once it has caught up with a leader. One that came into
// the ISR by being elected has not, and one that lost power and was elected twice
// still lacks what it lacked, although it began only the second time.
func TestExcuseOfWhoIsElectedTwice(t *testing.T) {
	for leader, excused := range map[int32]bool{2: true, 1: false} { // of the first election
		s := newStory(t, elr).state(0, 1, 1, all3).acked(5, 0, -1, 1, 1).acked(10, 1, -1, 1, 1).
			fault(PowerLoss, 12, true, 1, 2, 3).
			state(13, None, 1, nil).state(14, leader, 2, []int32{2, leader}).state(15, None, 2, nil, 2).
			state(20, 2, 3, []int32{2}).
			began(1, 1, 0).began(2, 1, 0, 3, 1)
		require.Equal(t, excused, len(s.final(2, rec(0, 5, 1)).judge().Findings) == 0, "leader %d", leader)
	}
}

// A record of which the retry was appended in a later epoch of the same broker is
// no hole in the earlier one, which the client still believed in.
func TestARetryMayBeOfALaterEpochOfItsBroker(t *testing.T) {
	for at, excused := range map[int]bool{5: true, 30: false} { // when broker 1 leads again
		s := newStory(t, Topic{ReplicationFactor: 3, MinISR: 1, UncleanElection: true}).
			state(0, 1, 0, []int32{1}).acked(2, 0, 1, 0, 1).acked(3, 1, 1, 0, 1).acked(4, 2, 1, 0, 1).
			state(at, 1, 2, []int32{1})
		n := s.l.Invoke(Op{Time: 4 * second, Process: 8, F: Send, Topic: "orders", Value: 99, Acks: 1})
		s.l.Complete(n, Op{Time: 10 * second, Type: OK, Offset: 1, LeaderEpoch: 0, Broker: 1, Attempts: 3})
		s.state(max(at, 20), 2, 3, []int32{2}).began(1, 0, 0).beganAt(at, 1, 0, 0, 2, 1).began(2, 0, 0, 3, 3)
		v := s.final(2, rec(0, 2, 0), rec(1, 3, 0), rec(2, 4, 0)).judge()
		require.Equal(t, excused, !slices.Contains(codes(v), "K2"), "%+v", v.Findings)
	}
}
