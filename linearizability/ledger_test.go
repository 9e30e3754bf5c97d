package linearizability

import (
	"context"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A loss that is excused is excused for every check: with a look-up of the end
// of the log that was lost, and without one.
func TestOneLossIsExcusedForEveryCheck(t *testing.T) {
	for _, name := range []string{"testdata/lin0.jsonl", "testdata/lin1.jsonl"} {
		f, err := os.Open(name)
		require.NoError(t, err)
		h, err := ReadHistory(f)
		require.NoError(t, f.Close())
		require.NoError(t, err)
		v := Judge(context.Background(), h, Options{})
		require.Empty(t, v.Findings, name)
		require.Equal(t, Pass, v.Status, name)
		require.EqualValues(t, 1, checkNamed(t, v, checkSurvival).Excused, name)
		require.Contains(t, v.Excused[0].Reason, "power-loss at 3.000 s")

		h.Faults = nil // and without the fault for none
		h.Closing.Counts = h.Counts()
		require.Contains(t, codes(Judge(context.Background(), h, Options{})), "K2", name)
	}
}

// The disk says what it lost: that much is excused, and not a record more.
func TestExcuseEndsWhereTheDiskLostNothing(t *testing.T) {
	for lostFrom, excused := range map[int64]bool{0: true, 1: true, 2: false} {
		s := lostStory(t, elr)
		s.l.AddFault(Fault{Kind: PowerLoss, Brokers: all3, Start: 15 * second, Lossy: true, Exact: true,
			Recovered: []Recovered{{Broker: 2, Topic: "orders", LogEnd: lostFrom, LostEnd: 4}}})
		s.state(20, 2, 2, all3)
		v := s.judge()
		require.Equal(t, excused, len(v.Findings) == 0, "lost from offset %d on: %v", lostFrom, v.Findings)
		if excused {
			require.NotContains(t, v.Excused[0].Reason, "by rule")
		} else {
			require.Contains(t, find(t, v, "K2").Evidence[2], "no fault had taken the record from its disk; power-loss at 15.000 s took only what lay from offset 2 on")
		}
	}
	// The lost record is at offset 1: nothing from where the log had ended was lost.
	for end, excused := range map[int64]bool{1: false, 2: true, None: true} {
		s := lostStory(t, elr)
		s.l.AddFault(Fault{Kind: PowerLoss, Brokers: all3, Start: 15 * second, Lossy: true, Exact: true,
			Recovered: []Recovered{{Broker: 2, Topic: "orders", LogEnd: 0, LostEnd: end}}})
		v := s.state(20, 2, 2, all3).judge()
		require.Equal(t, excused, len(v.Findings) == 0, "the log had ended at %d: %v", end, v.Findings)
	}
	// What another partition of the replica lost is no excuse for this one.
	other := lostStory(t, elr)
	other.l.AddFault(Fault{Kind: PowerLoss, Brokers: all3, Start: 15 * second, Lossy: true, Exact: true,
		Recovered: []Recovered{{Broker: 2, Topic: "orders", Partition: 1, LogEnd: 0, LostEnd: 4}, {Broker: 2, Topic: "payments", LogEnd: 0, LostEnd: 4}}})
	require.Contains(t, codes(other.state(20, 2, 2, all3).judge()), "K2")
	// A replica that is not in the account lost nothing of the partition.
	s := lostStory(t, elr)
	s.l.AddFault(Fault{Kind: PowerLoss, Brokers: all3, Start: 15 * second, Lossy: true, Exact: true,
		Recovered: []Recovered{{Broker: 1, Topic: "orders", LogEnd: 0, LostEnd: 4}}})
	require.Contains(t, codes(s.state(20, 2, 2, all3).judge()), "K2")
}

// A leader elected uncleanly may have records of its own below where its epoch
// begins: what was there before is lost to that election.
func TestUncleanLeaderBringsItsOwnTail(t *testing.T) {
	for _, unclean := range []bool{true, false} {
		s := newStory(t, Topic{ReplicationFactor: 3, MinISR: 2, ELR: true, UncleanElection: unclean}).
			state(0, 1, 0, all3).start(0, 0).acked(2, 0, -1, 0, 1).
			send(Op{Process: 7, Value: 3, Acks: -1}, 3, Op{Type: Info}). // stays with broker 1
			state(5, 2, 1, []int32{2, 3}).start(1, 1).acked(6, 1, -1, 1, 2).
			state(10, 1, 2, []int32{1}).start(2, 2)
		for b := int32(1); b <= 3; b++ {
			s.l.AddScan(Scan{Topic: "orders", Broker: b, Leader: b == 1, LogEnd: 2, HighWatermark: 2, Records: []ScanRecord{rec(0, 2, 0), rec(1, 3, 0)},
				Epochs: []EpochStart{{Topic: "orders", LeaderEpoch: 0, Leader: None}, {Topic: "orders", LeaderEpoch: 2, Leader: None, StartOffset: 2}}})
		}
		v := s.judge()
		require.Equal(t, unclean, len(v.Findings) == 0, "%v", v.Findings)
		if unclean {
			require.Contains(t, v.Excused[0].Reason, "broker 1 became leader in epoch 2 at 10.000 s by unclean election, which the topic allows")
		}
	}
}

// After a clean election as many replicas must have been struck as
// min.insync.replicas says, where eligible leader replicas are kept.
func TestCleanElectionNeedsMinISRStruck(t *testing.T) {
	for _, c := range []struct {
		topic   Topic
		struck  []int32
		excused bool
	}{
		{elr, []int32{2}, false},
		{elr, []int32{2, 3}, true},
		{Topic{ReplicationFactor: 3, MinISR: 2}, []int32{2}, true},
		{Topic{ReplicationFactor: 3, MinISR: 1, ELR: true}, []int32{2}, true},
	} {
		s := lostStory(t, c.topic)
		s.l.AddFault(Fault{Kind: PowerLoss, Brokers: c.struck, Start: 15 * second, Lossy: true})
		s.state(16, None, 1, []int32{2}).state(20, 2, 2, []int32{2})
		require.Equal(t, c.excused, len(s.judge().Findings) == 0, "%+v", c)
	}
}

// Where the final log begins behind a record, nothing in it says that the record
// was not lost: whether that was permitted is decided as for any other.
func TestALossBeforeTheFinalLogBegins(t *testing.T) {
	for _, lossy := range []bool{true, false} {
		s := newStory(t, Topic{ReplicationFactor: 1, MinISR: 1, ELR: true, Deletes: true}).
			state(0, 2, 0, []int32{2}).start(0, 0).acked(2, 0, -1, 0, 2).acked(3, 1, -1, 0, 2)
		s.l.AddFault(Fault{Kind: PowerLoss, Brokers: []int32{2}, Start: 5 * second, Lossy: lossy, Exact: true,
			Recovered: []Recovered{{Broker: 2, Topic: "orders", LogEnd: 1, LostEnd: 2}}})
		s.state(6, None, 1, nil).state(8, 2, 2, []int32{2}).start(2, 1)
		s.acked(16, 3, -1, 2, 2)
		s.l.AddScan(Scan{Topic: "orders", Broker: 2, Leader: true, LogStart: 3, LogEnd: 4, HighWatermark: 4, Records: []ScanRecord{rec(3, 16, 2)},
			Epochs: []EpochStart{{Topic: "orders", LeaderEpoch: 2, Leader: None, StartOffset: 3}}})
		n := s.l.Invoke(Op{Time: 12 * second, Process: 3, F: ListOffsets, Topic: "orders"})
		s.l.Complete(n, Op{Time: 12*second + second/2, Type: OK, Offset: 1, LeaderEpoch: 2, Broker: 2})
		v := s.judge()
		require.Equal(t, lossy, !slices.Contains(codes(v), "LIN"), "%v", v.Findings)
	}
}

// A record that is in the final log may have been unknown for a while: lost to
// one election that was permitted to, brought back by another.
func TestALossMayBeUndone(t *testing.T) {
	for _, unclean := range []bool{true, false} {
		s := newStory(t, Topic{ReplicationFactor: 3, MinISR: 2, ELR: true, UncleanElection: unclean}).
			state(0, 1, 0, all3).start(0, 0).acked(2, 0, -1, 0, 1).acked(3, 1, -1, 0, 1).
			state(8, 1, 0, []int32{1}).
			state(10, 2, 1, []int32{2}).start(1, 0).
			state(15, 1, 2, []int32{1}).start(2, 2).
			acked(16, 2, -1, 2, 1)
		for b := int32(1); b <= 3; b++ {
			s.l.AddScan(Scan{Topic: "orders", Broker: b, Leader: b == 1, LogEnd: 3, HighWatermark: 3, Records: []ScanRecord{rec(0, 2, 0), rec(1, 3, 0), rec(2, 16, 2)},
				Epochs: []EpochStart{{Topic: "orders", LeaderEpoch: 0, Leader: None}, {Topic: "orders", LeaderEpoch: 2, Leader: None, StartOffset: 2}}})
		}
		n := s.l.Invoke(Op{Time: 12 * second, Process: 3, F: ListOffsets, Topic: "orders"})
		s.l.Complete(n, Op{Time: 12*second + second/2, Type: OK, Offset: 0, LeaderEpoch: 1, Broker: 2})
		v := s.judge()
		require.Equal(t, unclean, len(v.Findings) == 0, "%v", v.Findings)
		if !unclean {
			require.Equal(t, []string{"LIN"}, codes(v))
		}
		// Who leads after that knows it again.
		n = s.l.Invoke(Op{Time: 17 * second, Process: 3, F: ListOffsets, Topic: "orders"})
		s.l.Complete(n, Op{Time: 17*second + second/2, Type: OK, Offset: 1, LeaderEpoch: 2, Broker: 1})
		require.Equal(t, []string{"LIN"}, codes(s.judge()))
	}
}

// So it may if somebody led in between who had it, and was not the one who lost it.
// Seed 0x2cf of scenarios/harsh.yaml.
func TestALossMayBeUndoneByWhoHadAnEpochMore(t *testing.T) {
	for _, unclean := range []bool{true, false} {
		s := newStory(t, Topic{ReplicationFactor: 3, MinISR: 2, ELR: true, UncleanElection: unclean}).
			state(0, 1, 0, all3).start(0, 0).acked(2, 0, -1, 0, 1).acked(3, 1, -1, 0, 1).
			state(6, 3, 1, []int32{1, 3}).start(1, 2).acked(7, 2, -1, 1, 3).
			state(8, 3, 1, []int32{3}).
			state(10, 2, 2, []int32{2}).start(2, 0).
			state(15, 3, 3, []int32{3}).start(3, 3)
		for b := int32(1); b <= 3; b++ {
			s.l.AddScan(Scan{Topic: "orders", Broker: b, Leader: b == 3, LogEnd: 3, HighWatermark: 3, Records: []ScanRecord{rec(0, 2, 0), rec(1, 3, 0), rec(2, 7, 1)},
				Epochs: []EpochStart{{Topic: "orders", LeaderEpoch: 0, Leader: None}, {Topic: "orders", LeaderEpoch: 1, Leader: None, StartOffset: 2}}})
		}
		told := func(at int64, epoch, broker int32) {
			n := s.l.Invoke(Op{Time: second * time.Duration(at), Process: 3, F: ListOffsets, Topic: "orders"})
			s.l.Complete(n, Op{Time: second*time.Duration(at) + second/2, Type: OK, Offset: 0, LeaderEpoch: epoch, Broker: broker})
		}
		told(12, 2, 2)
		v := s.judge()
		require.Equal(t, unclean, !slices.Contains(codes(v), "LIN"), "%v", v.Findings)
		told(9, 1, 3) // before the loss
		require.Contains(t, codes(s.judge()), "LIN")
	}
}

// A record may be read, lost, and sent again to the same offset: what was read
// says nothing about the order of what is there now.
func TestWhatIsSentAgainIsAnotherAppend(t *testing.T) {
	for again, fine := range map[int32]bool{1: true, 0: false} {
		s := newStory(t, Topic{ReplicationFactor: 3, MinISR: 1, ELR: true, UncleanElection: true}).
			state(0, 1, 0, all3).start(0, 0).acked(2, 0, -1, 0, 1)
		n := s.l.Invoke(Op{Time: 4 * second, Process: 7, F: Send, Topic: "orders", Value: 4, Acks: -1})
		s.poll(9, 1, 6, 2, 2, 4).state(8, 1, 0, []int32{1}).state(10, 2, 1, []int32{2}).start(1, 1).acked(11, 1, -1, 1, 2)
		s.l.Complete(n, Op{Time: 13 * second, Type: OK, Offset: 2, LeaderEpoch: 1, Broker: 2, Attempts: 2})
		v := s.final(2, rec(0, 2, 0), rec(1, 11, again), rec(2, 4, again)).judge()
		require.Equal(t, !fine, len(v.Findings) > 0, "%v", v.Findings)
	}
}
