package linearizability

import (
	"bytes"
	"context"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// sendOf is the send of a value.
func (h *History) sendOf(value int64) *SendOp {
	i := slices.IndexFunc(h.Sends, func(s SendOp) bool { return s.Value == value })
	return &h.Sends[i]
}

// eachLog changes the final log of a partition on every replica.
func (h *History) eachLog(partition int32, change func([]ScanRecord) []ScanRecord) {
	for i := range h.Scans {
		if s := &h.Scans[i]; s.Partition == partition {
			s.Records = change(slices.Clone(s.Records))
			if n := len(s.Records); n > 0 {
				s.LogEnd = max(s.LogEnd, s.Records[n-1].Offset+1)
			}
		}
	}
}

func secondsOf(n int) time.Duration { return time.Duration(n) * second }

// upTo cuts a log off.
func upTo(end int64) func([]ScanRecord) []ScanRecord {
	return func(r []ScanRecord) []ScanRecord {
		return slices.DeleteFunc(r, func(r ScanRecord) bool { return r.Offset >= end })
	}
}

// elect adds a leader epoch to partition 0.
func (h *History) elect(at int, leader, epoch int32, start int64, isr ...int32) {
	h.States = append(h.States, PartitionState{Topic: "orders", Time: secondsOf(at), Leader: leader, LeaderEpoch: epoch, PartitionEpoch: epoch, ISR: isr, Replicas: all3})
	h.Epochs = append(h.Epochs, EpochStart{Topic: "orders", Time: secondsOf(at), LeaderEpoch: epoch, Leader: leader, StartOffset: start})
}

// Each anomaly that SEMANTICS names, planted into a run in which all else is
// well, is found by the check that is there for it.
func TestAnomaliesHaveTheirNames(t *testing.T) {
	whole := wholeRun(t)
	planted := map[string]bool{checkCompaction.name: true} // see compaction_test.go
	for _, c := range []struct {
		name  string
		plant func(h *History)
		check check
		says  string
	}{
		{"inconsistent-offsets: two readers disagree", func(h *History) { h.Polls[1].Records[0].Value = 3 }, checkAgreement, "is two records"},
		{"a record that nobody sent", func(h *History) {
			h.eachLog(0, func(r []ScanRecord) []ScanRecord { return append(r, idem(5, 77, 1, 70, 0, 5)) })
		}, checkAgreement, "value 77, which nobody sent"},
		{"a record on the wrong partition", func(h *History) {
			h.eachLog(0, func(r []ScanRecord) []ScanRecord { return append(r, idem(5, 12, 1, 70, 0, 5)) })
		}, checkAgreement, "value 12, which was sent to orders-1"},
		{"duplicate under one producer epoch", func(h *History) {
			h.eachLog(0, func(r []ScanRecord) []ScanRecord { return append(r, idem(5, 4, 1, 70, 0, 5)) })
		}, checkDuplicates, "value 4 of orders-0 is in the log twice, at offsets 4 and 5"},
		{"duplicate after an epoch that nobody needed", func(h *History) {
			h.eachLog(0, func(r []ScanRecord) []ScanRecord { return append(r, idem(5, 4, 1, 70, 1, 0)) })
			s := h.sendOf(4)
			s.Offset, s.Attempts, s.ProducerEpoch, s.Sequence = 5, 3, 1, 0
			s.Refused = &Refusal{"OUT_OF_ORDER_SEQUENCE_NUMBER", 70, 0, 4}
		}, checkDuplicates, "for which there was no need"},
		{"a retry refused although it was appended", func(h *History) {
			s := h.sendOf(4)
			s.Outcome, s.Offset, s.Attempts, s.Return, s.Error = Info, None, 3, Never, "sequence broken"
			s.Refused = &Refusal{"OUT_OF_ORDER_SEQUENCE_NUMBER", 70, 0, 4}
		}, checkRefusals, "a broker refused a retry of value 4 of orders-0 with OUT_OF_ORDER_SEQUENCE_NUMBER, although it had been appended: it is at offset 4"},
		{"G1a: a refused record is read", func(h *History) {
			h.Polls[4].Records = append(h.Polls[4].Records, Record{5, 9})
		}, checkHonesty, "was told MESSAGE_TOO_LARGE for value 9"},
		{"a definite error that was none", func(h *History) {
			h.eachLog(0, func(r []ScanRecord) []ScanRecord { return append(r, idem(5, 9, 1, 70, 0, 5)) })
		}, checkHonesty, "yet it is in the final log"},
		{"lost-write", func(h *History) { h.eachLog(0, upTo(4)) }, checkSurvival, "offset 4 of orders-0 was acknowledged to client 0 with acks=all"},
		{"what was read is gone", func(h *History) { h.eachLog(0, upTo(4)) }, checkRead, "offset 4 of orders-0 (value 4) was read by client 9"},
		{"log start moved by nobody", func(h *History) {
			for i := range h.Scans {
				if s := &h.Scans[i]; s.Partition == 0 {
					s.LogStart, s.Records = 2, slices.Clone(s.Records[2:])
				}
			}
		}, checkSurvival, "offset 0 of orders-0"},
		{"a loss beyond what the disks lost", func(h *History) {
			h.Faults[0] = Fault{Kind: PowerLoss, Brokers: all3, Start: secondsOf(8), Lossy: true, Exact: true, Recovered: []Recovered{
				{1, "orders", 0, 4, 5, 80}, {2, "orders", 0, 4, 5, 80}, {3, "orders", 0, 4, 5, 80}}}
			h.elect(9, 2, 2, 3, all3...)
			h.eachLog(0, upTo(3))
		}, checkSurvival, "offset 3 of orders-0 was acknowledged"},
		{"a loss that one fault took from a clean leader", func(h *History) {
			h.Faults[0] = Fault{Kind: PowerLoss, Brokers: []int32{1}, Start: secondsOf(8), Lossy: true, Exact: true, Recovered: []Recovered{{1, "orders", 0, 3, 5, 80}}}
			h.States[0].ISR = []int32{1}
			h.elect(9, 1, 2, 3, 1)
			h.eachLog(0, upTo(3))
		}, checkSurvival, "offset 3 of orders-0 was acknowledged"},
		{"a loss below the start of the unclean epoch", func(h *History) {
			h.Topics[0].UncleanElection = true
			h.States[0].ISR = []int32{1}
			h.elect(9, 2, 2, 4, 2)
			h.eachLog(0, upTo(3))
		}, checkSurvival, "offset 3 of orders-0 was acknowledged"},
		{"acks=1: a hole", func(h *History) {
			acksOne(h)
			h.Epochs = append(h.Epochs, EpochStart{Topic: "orders", LeaderEpoch: 2, Leader: None, StartOffset: 2})
			h.eachLog(0, func(r []ScanRecord) []ScanRecord { return slices.Delete(r, 3, 4) })
		}, checkSurvival, "offset 3 of orders-0 was acknowledged to client 0 with acks=1"},
		{"acks=1: lost below the high watermark", func(h *History) {
			acksOne(h)
			h.elect(9, 2, 2, 3, all3...)
			h.eachLog(0, upTo(3))
		}, checkSurvival, "offset 3 of orders-0 was acknowledged to client 0 with acks=1"},
		{"unseen", func(h *History) { h.Polls[4].Records = nil }, checkUnseen, "offset 4 of orders-0 was acknowledged at 5.250 s and is in the log, but no consumer was ever given it"},
		{"poll-skip", func(h *History) { h.Polls[2].Records = nil }, checkSessions, "offset 2 (value 2), which is in the log, was skipped"},
		{"nonmonotonic-poll", func(h *History) { h.Polls[3].Records = []Record{{2, 2}} }, checkSessions, "was given offset 2 again"},
		{"int-poll-skip", func(h *History) { h.Polls[3].Records = []Record{{2, 2}, {4, 4}} }, checkSessions, "was skipped"},
		{"below the position", func(h *History) { h.Polls[3].Position = 4 }, checkSessions, "asked for offset 4 of orders-0 and was given offset 3"},
		{"read above the high watermark", func(h *History) {
			h.Polls[0].Records = append(h.Polls[0].Records, Record{1, 1}, Record{2, 2})
		}, checkWatermark, "when no leader's high watermark had passed 1"},
		{"nonmonotonic-send", func(h *History) {
			h.eachLog(0, func(r []ScanRecord) []ScanRecord { r[1].Value, r[2].Value = r[2].Value, r[1].Value; return r })
		}, checkFIFO, "yet it stands behind it"},
		{"a gap in a producer's sequence", func(h *History) {
			h.eachLog(0, func(r []ScanRecord) []ScanRecord { r[4].Sequence = 7; return r })
		}, checkSequence, "goes from sequence 3 at offset 3 to sequence 7 at offset 4"},
		{"an append out of real-time order", func(h *History) {
			h.eachLog(0, func(r []ScanRecord) []ScanRecord { r[0].Value, r[4].Value = r[4].Value, r[0].Value; return r })
		}, checkLog, "before the record at the lower offset"},
		{"read before it was sent", func(h *History) { h.Polls[4].Call, h.Polls[4].Return = secondsOf(1), secondsOf(2) }, checkLog, "before the record at offset 4"},
		{"ListOffsets always 0", func(h *History) { h.Ends[0].Offset = 0 }, checkEnds, "was told at 11.000 s, in leader epoch 1, that orders-0 ends at offset 0, but offset 4 had been acknowledged"},
		{"ListOffsets beyond the end", func(h *History) { h.Ends[0].Offset = 1000 }, checkEnds, "ends at offset 1000, but no leader's high watermark had passed 5"},
		{"two leaders in one epoch", func(h *History) { h.HighWatermarks[2].Broker = 3 }, checkLeaders, "has two leaders in leader epoch 1: broker 1, which was elected, and broker 3, which advanced the high watermark at 3.250 s"},
		{"an acknowledgement by who never led", func(h *History) { h.sendOf(2).Broker = 3 }, checkLeaders, "broker 3 acknowledged offset 2 of orders-0 to client 0 at 3.250 s, but had never been elected its leader"},
		{"a leader lies about where its epoch begins", func(h *History) { h.Epochs[0].StartOffset = 3 }, checkLeaders, "told that leader epoch 1 of orders-0 begins at offset 3, but the log holds records of that epoch from offset 0 on"},
		{"replicas differ", func(h *History) {
			h.Scans[2].Records = slices.Clone(h.Scans[2].Records)
			h.Scans[2].Records[1].Value = 3
		}, checkReplicas, "replicas of orders-0 differ from offset 1 on"},
		{"replicas of an internal topic differ", func(h *History) {
			h.Topics = append(h.Topics, Topic{Name: OffsetsTopic, Partitions: 1, ReplicationFactor: 3, MinISR: 2, Internal: true})
			h.States = append(h.States, PartitionState{Topic: OffsetsTopic, Leader: 1, LeaderEpoch: 1, ISR: all3})
			for b := int32(1); b <= 3; b++ {
				h.Scans = append(h.Scans, Scan{Topic: OffsetsTopic, Broker: b, Leader: b == 1, LogEnd: 1, HighWatermark: 1,
					Records: []ScanRecord{rec(0, HashRecord([]byte("g"), []byte{byte(b / 3)}, 1), 1)}})
			}
		}, checkReplicas, "replicas of __consumer_offsets-0 differ from offset 0 on"},
		{"a committed offset goes back", func(h *History) { h.Offsets[1].Offset = 2 }, checkRegister, "which no order of the commits explains"},
		{"two owners in a generation", func(h *History) {
			h.Assignments[1].Member, h.Assignments[1].Partitions = "b", []int32{0}
		}, checkOwnership, "generation 1 of group readers gives orders-0 to two members: to a at"},
		{"a member is taken back to an old generation", func(h *History) { h.Assignments[0].Generation = 2 }, checkOwnership, "was taken back from generation 2 to 1"},
		{"a member commits in a generation that is over", func(h *History) {
			h.Offsets[0].Generation = 1
			h.Assignments = append(h.Assignments, Assignment{Group: "g", Generation: 2, Member: "b", Topic: "orders", Time: secondsOf(11)})
		}, checkFencing, "client 6 committed offset 3 for orders-0 at 12.000 s as a member of generation 1 of group g, but b had its part in generation 2 at 11.000 s already"},
		{"what was done is not", func(h *History) { h.Administrations[0].Wrong = "it was created although it was there" }, checkAdministration,
			"administrator 8 asked to create (topic own) at 4.000 s, and at 5.000 s it was created although it was there"},
		{"a send that is never answered", func(h *History) {
			s := h.sendOf(4)
			s.Outcome, s.Offset, s.Return, s.Ended, s.Attempts = Info, None, Never, Never, 4
		}, checkResolved, "the send of value 4 to orders-0 by client 0 at 5.000 s was never answered at all, although every fault was over at 3.000 s"},
		{"a send given up in a healthy cluster", func(h *History) {
			s := h.sendOf(4)
			s.Outcome, s.Offset, s.Return, s.Ended, s.Attempts, s.Error = Info, None, Never, secondsOf(35), 4, "delivery-timeout"
		}, checkResolved, `was given up as "delivery-timeout" after 30.000 s`},
		{"a key is not the one that was sent", func(h *History) {
			h.Flaws = append(h.Flaws, Flaw{Topic: "orders", Offset: 2, Value: 2, Time: secondsOf(4), Where: "client 9",
				What: Undress(2, []byte("other"), nil, 0, false)})
		}, checkDress, "offset 2 of orders-0 (value 2), as read by client 9 at 4.000 s, is not what was sent: its key is 6f74686572, not 0000000000000002"},
	} {
		planted[c.check.name] = true
		t.Run(c.name, func(t *testing.T) {
			h, err := ReadHistory(bytes.NewReader(whole))
			require.NoError(t, err)
			c.plant(h)
			h.Closing.Counts = h.Counts() // what is planted is not missing
			v := Judge(context.Background(), h, Options{})
			require.Equal(t, Failed, v.Status)
			require.Equal(t, Failed, checkNamed(t, v, c.check).Status, "%+v", v.Findings)
			said := ""
			for _, f := range v.Findings {
				if f.Code == c.check.code {
					said += f.Sentence + "\n"
				}
			}
			require.Contains(t, said, c.says)
		})
	}
	for _, k := range checks() {
		if k.needs&(ofTransactions|ofShares) != 0 {
			continue // TestAnomaliesOfTransactions, TestShareGroupsAreHeldToWhatTheyWereTold
		}
		require.True(t, planted[k.name], "nothing is planted for %q", k.name)
	}
}

// acksOne makes all sends to partition 0 ones with acks=1 that nobody read.
func acksOne(h *History) {
	for i := range h.Sends {
		h.Sends[i].Acks = 1
	}
	for i := range h.Polls {
		if h.Polls[i].TP.Partition == 0 {
			h.Polls[i].Records = nil
		}
	}
}

// What goes around a value is checked where it is read.
func TestUndressTellsWhatIsWrong(t *testing.T) {
	key, sent := Dress(7, 1000)
	require.Empty(t, Undress(7, key, sent, 1000, false))
	require.Empty(t, Undress(7, key, sent, 2000, true), "LogAppendTime is the broker's")
	require.Contains(t, Undress(8, key, sent, 1000, false), "its key is 0000000000000007, not 0000000000000008")
	require.Contains(t, Undress(7, nil, sent, 1000, false), "its key is ,")
	require.Contains(t, Undress(7, key, nil, 1000, false), "its header weir-sent is , not 8 bytes")
	require.Contains(t, Undress(7, key, sent, 1001, false), "its timestamp is 1001, not 1000")
}
