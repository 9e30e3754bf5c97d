package linearizability

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// tableKeys is how many keys the table of these tests has.
const tableKeys = 3

// writeOf is the nth value that writes a key, or deletes it.
func writeOf(key int64, tombstone bool, n int) int64 {
	for v := int64(1); ; v++ {
		if KeyOf(v, tableKeys) == key && IsTombstone(v) == tombstone {
			if n--; n < 0 {
				return v
			}
		}
	}
}

// tableWrites are what is written, by offset: key 0 is overwritten, deleted and
// written again, key 1 overwritten, key 2 deleted, then key 1 once more.
var tableWrites = []int64{
	0: writeOf(0, false, 0), 1: writeOf(1, false, 0), 2: writeOf(0, true, 0), 3: writeOf(1, false, 1),
	4: writeOf(0, false, 1), 5: writeOf(2, false, 0), 6: writeOf(2, true, 0), 7: writeOf(1, false, 2),
}

// tableRun writes the history of a run on a compacted table in which all is well:
// offset n is sent at second n+1, one reader gets all while it is written, and the
// final logs of brokers 1 and 2 are compacted, that of broker 3 is not.
func tableRun(t *testing.T) []byte {
	var file bytes.Buffer
	l := NewLog(&file)
	l.Begin(Manifest{Facts: []Fact{FactStates, FactElections, FactEpochStarts, FactBeginnings, FactReplicas}, Producers: 1, Consumers: 1, Keyed: []string{"table"}})
	l.AddTopic(Topic{Name: "table", Partitions: 1, ReplicationFactor: 3, MinISR: 2, ELR: true, Compacted: true, Keys: tableKeys, DeleteRetention: time.Hour})
	l.AddPartitionState(PartitionState{Topic: "table", Replicas: all3, Leader: 1, LeaderEpoch: 1, PartitionEpoch: 1, ISR: all3})
	l.AddEpochStart(EpochStart{Topic: "table", LeaderEpoch: 1, Leader: 1, Cache: []EpochEntry{{1, 0}}})
	var all []ScanRecord
	for i, value := range tableWrites {
		at := time.Duration(1+i) * second
		n := l.Invoke(Op{Time: at, Process: 1, F: Send, Topic: "table", Value: value, Acks: -1})
		l.Complete(n, Op{Time: at + second/4, Type: OK, Offset: int64(i), Broker: 1, LeaderEpoch: 1, Attempts: 1})
		n = l.Invoke(Op{Time: at + second/2, Process: 9, F: Poll, Topic: "table", Offset: int64(i), Session: 1})
		l.Complete(n, Op{Time: at + second*3/4, Type: OK, Records: []Record{{int64(i), value}}, LeaderEpoch: 1})
		all = append(all, rec(int64(i), value, 1))
	}
	cleaned := []ScanRecord{all[4], all[6], all[7]}
	for b := int32(1); b <= 3; b++ {
		records := cleaned
		if b == 3 {
			records = all
		}
		l.AddScan(Scan{Topic: "table", Broker: b, Leader: b == 1, LogEnd: 8, HighWatermark: 8, Records: records})
	}
	l.End(End{Drained: true, Patience: 10 * second})
	require.NoError(t, l.Flush())
	return file.Bytes()
}

// inLogs leaves of the final logs of some brokers what keep says.
func (h *History) inLogs(keep func(r ScanRecord) bool, brokers ...int32) {
	for i := range h.Scans {
		if s := &h.Scans[i]; slices.Contains(brokers, s.Broker) {
			s.Records = slices.DeleteFunc(slices.Clone(s.Records), func(r ScanRecord) bool { return !keep(r) })
		}
	}
}

func but(offsets ...int64) func(ScanRecord) bool {
	return func(r ScanRecord) bool { return !slices.Contains(offsets, r.Offset) }
}

// reads replaces the polls by those of one reader in one session, each of one
// record, at the second after it was sent.
func (h *History) reads(offsets ...int64) {
	h.Polls = nil
	next := int64(0)
	for _, off := range offsets {
		at := time.Duration(off+1)*second + second/2
		h.Polls = append(h.Polls, PollOp{TP: TopicPartition{"table", 0}, Process: 9, Session: 1, Call: at, Return: at + second/4,
			Position: next, LeaderEpoch: 1, Outcome: OK, Records: []Record{{off, tableWrites[off]}}})
		next = off + 1
	}
}

func judgeTable(t *testing.T, whole []byte, doctor func(h *History)) Verdict {
	h, err := ReadHistory(bytes.NewReader(whole))
	require.NoError(t, err)
	if doctor != nil {
		doctor(h)
	}
	h.Closing.Counts = h.Counts()
	return Judge(context.Background(), h, Options{})
}

func TestACompactedTablePasses(t *testing.T) {
	whole := tableRun(t)
	h, err := ReadHistory(bytes.NewReader(whole))
	require.NoError(t, err)
	v := Judge(context.Background(), h, Options{})
	require.Equal(t, Pass, v.Status, "%+v", v)
	require.EqualValues(t, len(tableWrites), checkNamed(t, v, checkCompaction).Inputs)
	for name, doctor := range map[string]func(h *History){
		"an old tombstone is gone everywhere": func(h *History) {
			h.Topics[0].DeleteRetention = second
			h.inLogs(but(5, 6), 1, 2, 3)
		},
		"a reader comes after superseded values went": func(h *History) {
			h.reads(4, 6, 7)
			for i := range h.Polls {
				h.Polls[i].Call, h.Polls[i].Return = h.Polls[i].Call+secondsOf(20), h.Polls[i].Return+secondsOf(20)
			}
		},
		"a reader comes after the tombstone went": func(h *History) {
			h.Topics[0].DeleteRetention = second / 2
			h.reads(0, 1, 2, 3, 4, 7)
		},
		"a slow reader misses a tombstone": func(h *History) {
			h.Topics[0].DeleteRetention = second
			h.reads(0, 1, 2, 3, 4, 5, 7)
		},
	} {
		t.Run(name, func(t *testing.T) {
			v := judgeTable(t, whole, doctor)
			require.Equal(t, Pass, checkNamed(t, v, checkCompaction).Status, "%+v", v.Findings)
			require.Equal(t, Pass, checkNamed(t, v, checkReplicas).Status, "%+v", v.Findings)
			require.Equal(t, Pass, checkNamed(t, v, checkSessions).Status, "%+v", v.Findings)
		})
	}
}

func TestAnomaliesOfCompaction(t *testing.T) {
	whole := tableRun(t)
	for _, c := range []struct {
		name  string
		plant func(h *History)
		check check
		says  string
	}{
		{"the last value is lost", func(h *History) { h.inLogs(but(4), 1, 2, 3) }, checkCompaction,
			"its last value, at offset 4, is not in the final log of broker 1, and nothing was written after it: whoever reads the topic gets no value"},
		{"an older value is the last", func(h *History) {
			h.inLogs(but(7), 1, 2, 3)
			for i := range h.Scans {
				h.Scans[i].Records = slices.Insert(slices.Clone(h.Scans[i].Records), 0, rec(3, tableWrites[3], 1))
			}
		}, checkCompaction, "whoever reads the topic gets the older value at offset 3"},
		{"a deleted key is back", func(h *History) {
			h.Topics[0].DeleteRetention = second
			h.Scans[0].Records = slices.Insert(slices.Clone(h.Scans[0].Records), 1, rec(5, tableWrites[5], 1))
			h.inLogs(but(6), 1, 2, 3)
		}, checkCompaction, "key-2 of table-0 was deleted at offset 6 and is there again"},
		{"a tombstone goes too early", func(h *History) { h.inLogs(but(5, 6), 1, 2, 3) }, checkCompaction,
			"its tombstone at offset 6 is not in the final log of broker 1, although delete.retention.ms is 1h0m0s"},
		{"a reader is not given the last value", func(h *History) { h.reads(0, 2, 3, 4, 5, 6, 7) }, checkCompaction,
			"passing over offset 1 of key-1, the last value of the key until then: the reader keeps an older one"},
		{"a reader does not learn that a key is deleted", func(h *History) { h.reads(0, 1, 2, 3, 4, 5, 7) }, checkCompaction,
			"the reader was given the key's value at offset 5, has been reading for less than delete.retention.ms (1h0m0s), and does not learn that the key was deleted"},
		{"a replica would bring a deleted key back", func(h *History) {
			h.Topics[0].DeleteRetention = second
			h.inLogs(but(5, 6), 1, 2)
			h.inLogs(but(6), 3)
		}, checkReplicas, "key-2 of table-0 is deleted in the log of leader 1, but broker 3 still has its value at offset 5 and no tombstone: were it elected, the key would be back"},
		{"a replica has lost a value", func(h *History) { h.inLogs(but(4), 2) }, checkReplicas,
			"the last value of key-0 of table-0, at offset 4 on leader 1, is not what the log of broker 2 folds to"},
		{"replicas hold different records", func(h *History) {
			h.Scans[2].Records = slices.Clone(h.Scans[2].Records)
			h.Scans[2].Records[4].Value = writeOf(0, false, 9)
		}, checkReplicas, "replicas of table-0 differ at offset 4"},
		{"replicas end elsewhere", func(h *History) { h.Scans[2].LogEnd = 7 }, checkReplicas, "did not converge"},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := judgeTable(t, whole, c.plant)
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
}

// A loss that is excused is none of compaction's, and a write of which nobody knows
// whether it is in may have superseded what is gone.
func TestWhatCompactionIsNotBlamedFor(t *testing.T) {
	whole := tableRun(t)
	v := judgeTable(t, whole, func(h *History) {
		h.Topics[0].UncleanElection = true
		h.States = append(h.States, PartitionState{Topic: "table", Time: secondsOf(9), Replicas: all3, Leader: 2, LeaderEpoch: 2, PartitionEpoch: 2, ISR: []int32{2}})
		h.States[0].ISR = []int32{1}
		h.Epochs = append(h.Epochs, EpochStart{Topic: "table", Time: secondsOf(9), LeaderEpoch: 2, Leader: 2, StartOffset: 7, Cache: []EpochEntry{{1, 0}, {2, 7}}})
		h.inLogs(but(7), 1, 2, 3)
		for i := range h.Scans {
			h.Scans[i].LogEnd, h.Scans[i].HighWatermark = 7, 7
		}
	})
	require.Equal(t, Pass, checkNamed(t, v, checkCompaction).Status, "%+v", v.Findings)
	require.Positive(t, checkNamed(t, v, checkCompaction).Excused)

	for _, c := range []struct{ unclean, older, excused bool }{
		{unclean: true, excused: true}, // a replica compacted a value away for one that was lost
		{unclean: false},
		{unclean: true, older: true}, // an older value would have gone too
	} {
		v = judgeTable(t, whole, func(h *History) {
			h.Topics[0].UncleanElection = c.unclean
			h.States = append(h.States, PartitionState{Topic: "table", Time: secondsOf(9), Replicas: all3, Leader: 2, LeaderEpoch: 2, PartitionEpoch: 2, ISR: []int32{2}})
			h.States[0].ISR = []int32{1}
			h.Epochs = append(h.Epochs, EpochStart{Topic: "table", Time: secondsOf(9), LeaderEpoch: 2, Leader: 2, StartOffset: 7, Cache: []EpochEntry{{1, 0}, {2, 7}}})
			for i := range h.Scans {
				h.Scans[i].LogEnd, h.Scans[i].HighWatermark = 7, 7
				h.Scans[i].Records = []ScanRecord{rec(4, tableWrites[4], 1), rec(6, tableWrites[6], 1)}
				if h.Scans[i].Broker != 3 {
					h.Scans[i].Records = slices.Insert(h.Scans[i].Records, 0, rec(3, tableWrites[3], 1))
				} else if c.older {
					h.Scans[i].Records = slices.Insert(h.Scans[i].Records, 0, rec(1, tableWrites[1], 1))
				}
			}
		})
		k := checkNamed(t, v, checkReplicas)
		require.Equal(t, c.excused, k.Status != Failed, "%s: %+v", k.Status, v.Findings)
		require.Equal(t, c.excused, k.Excused > 0)
	}

	v = judgeTable(t, whole, func(h *History) { // what took the place of a lost record was superseded
		h.Topics[0].UncleanElection = true
		h.States[0].ISR = []int32{1}
		h.States = append(h.States, PartitionState{Topic: "table", Time: second * 3 / 2, Replicas: all3, Leader: 2, LeaderEpoch: 2, PartitionEpoch: 2, ISR: []int32{2}})
		h.Epochs = append(h.Epochs, EpochStart{Topic: "table", Time: second * 3 / 2, LeaderEpoch: 2, Leader: 2, StartOffset: 0, Cache: []EpochEntry{{2, 0}}})
		h.Sends = append(h.Sends, SendOp{TP: TopicPartition{"table", 0}, Process: 1, Call: second, Return: second * 5 / 4, Ended: second * 5 / 4,
			Value: writeOf(0, false, 7), Offset: 0, Acks: -1, Outcome: OK, Broker: 1, LeaderEpoch: 1, ProducerID: None, Sequence: None, Attempts: 1})
		h.inLogs(but(0), 3)
		for i := range h.Scans {
			h.Scans[i].Records = slices.Clone(h.Scans[i].Records)
			for j := range h.Scans[i].Records {
				h.Scans[i].Records[j].LeaderEpoch = 2
			}
		}
	})
	require.Equal(t, Pass, checkNamed(t, v, checkAgreement).Status, "%+v", v.Findings)

	v = judgeTable(t, whole, func(h *History) {
		h.Topics[0].DeleteRetention = second
		h.Sends = append(h.Sends, SendOp{TP: TopicPartition{"table", 0}, Process: 1, Call: secondsOf(8), Return: Never, Ended: secondsOf(9),
			Value: writeOf(0, true, 5), Offset: None, Acks: -1, Outcome: Info, Broker: None, LeaderEpoch: None, ProducerID: None, Sequence: None})
		h.inLogs(but(4), 1, 2, 3)
	})
	require.Equal(t, Pass, checkNamed(t, v, checkCompaction).Status, "%+v", v.Findings)
}

func TestMissingEvidenceOfCompactionIsUnknown(t *testing.T) {
	lines := strings.Split(strings.TrimSuffix(string(tableRun(t)), "\n"), "\n")
	for name, doctor := range map[string]func([]string) []string{
		"scans": func(l []string) []string { return without(0, f("scan"))(without(0, f("scan-records"))(l)) },
		"a send": func(l []string) []string {
			return dropOp(l, "send", 2)
		},
		"a poll":             func(l []string) []string { return dropOp(l, "poll", 2) },
		"the topic":          without(0, f("topic")),
		"a follower's scan":  func(l []string) []string { return without(1, f("scan"), `"broker":3`)(l) },
		"the keys of it":     func(l []string) []string { return replaced(l, `"keys":3`, `"keys":0`) },
		"where epochs began": without(0, f("epoch-start")),
	} {
		t.Run(name, func(t *testing.T) {
			h, err := ReadHistory(strings.NewReader(strings.Join(doctor(slices.Clone(lines)), "\n") + "\n"))
			require.NoError(t, err)
			v := Judge(context.Background(), h, Options{})
			require.Equal(t, Unknown, checkNamed(t, v, checkCompaction).Status)
			require.NotEqual(t, Pass, v.Status)
		})
	}
}

func replaced(lines []string, old, by string) []string {
	for i := range lines {
		lines[i] = strings.ReplaceAll(lines[i], old, by)
	}
	return lines
}

func TestWritesAreParsed(t *testing.T) {
	tombstone, value := writeOf(1, true, 0), writeOf(1, false, 0)
	for _, c := range []struct {
		name                 string
		key, payload, header []byte
		value                int64
		flaw                 string
		ok                   bool
	}{
		{"a value", KeyName(1), AppendPayload(nil, value, 20), DressWrite(value), value, "", true},
		{"a tombstone", KeyName(1), nil, DressWrite(tombstone), tombstone, "", true},
		{"no header", KeyName(1), nil, nil, None, "", false},
		{"a header of nobody", KeyName(1), nil, DressWrite(-1), None, "", false},
		{"another key", KeyName(2), nil, DressWrite(tombstone), tombstone, `its key is "key-2", not "key-1"`, true},
		{"a tombstone with a value", KeyName(1), []byte{}, DressWrite(tombstone), tombstone, "it has a value of 0 bytes and is a tombstone", true},
		{"a value that is gone", KeyName(1), nil, DressWrite(value), value, "its value is not the one that was written", true},
		{"another value", KeyName(1), AppendPayload(nil, value+1, 20), DressWrite(value), value, "its value is not the one that was written", true},
	} {
		value, flaw, ok := ParseWrite(tableKeys, c.key, c.payload, c.header)
		require.Equal(t, c.value, value, c.name)
		require.Equal(t, c.flaw, flaw, c.name)
		require.Equal(t, c.ok, ok, c.name)
	}
}
