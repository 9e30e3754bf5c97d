package linearizability

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// wholeRun writes the history of a run in which all is well and that has some
// of every kind of evidence.
func wholeRun(t *testing.T) []byte {
	var file bytes.Buffer
	l := NewLog(&file)
	facts := []Fact{FactStates, FactElections, FactEpochStarts, FactBeginnings, FactWatermarks, FactReplicas, FactLive}
	l.Begin(Manifest{Facts: facts, Producers: 1, Consumers: 1, Registers: 1, Administrators: 1, Probes: true, Group: true, Dressed: true})
	l.AddTopic(Topic{Name: "orders", Partitions: 2, ReplicationFactor: 3, MinISR: 2, ELR: true})
	var logs [2][]ScanRecord
	for p := range int32(2) {
		l.AddPartitionState(PartitionState{Topic: "orders", Partition: p, Replicas: all3, Leader: 1, LeaderEpoch: 1, PartitionEpoch: 1, ISR: all3})
		l.AddEpochStart(EpochStart{Topic: "orders", Partition: p, LeaderEpoch: 1, Leader: 1, Cache: []EpochEntry{{1, 0}}})
		l.AddAssignment(Assignment{Group: "readers", Generation: 1, Member: "a", Process: 9, Topic: "orders", Partitions: []int32{p}})
		for i := range int64(5) {
			at := time.Duration(1+i) * second
			value := int64(p)*10 + i
			n := l.Invoke(Op{Time: at, Process: int64(p), F: Send, Topic: "orders", Partition: p, Value: value, Acks: -1, Idempotent: true})
			end := Op{Time: at + second/4, Type: OK, Offset: i, Broker: 1, LeaderEpoch: 1, ProducerID: int64(70 + p), Sequence: int32(i), Attempts: 1}
			l.Complete(n, end)
			l.AddHighWatermark(HighWatermark{Topic: "orders", Partition: p, Time: at + second/4, Broker: 1, LeaderEpoch: 1, Offset: i + 1})
			logs[p] = append(logs[p], idem(i, value, 1, int64(70+p), 0, int32(i)))
			n = l.Invoke(Op{Time: at + second/2, Process: 9, F: Poll, Topic: "orders", Partition: p, Offset: i, Session: 1})
			l.Complete(n, Op{Time: at + second*3/4, Type: OK, Records: []Record{{i, value}}, LeaderEpoch: 1})
		}
		n := l.Invoke(Op{Time: 7 * second, Process: int64(p), F: Send, Topic: "orders", Partition: p, Value: int64(p)*10 + 9, Acks: -1, Idempotent: true})
		l.Complete(n, Op{Time: 8 * second, Type: Fail, Error: "MESSAGE_TOO_LARGE", ProducerID: int64(70 + p), Sequence: 5, Attempts: 1})
		n = l.Invoke(Op{Time: 10 * second, Process: 5, F: ListOffsets, Topic: "orders", Partition: p})
		l.Complete(n, Op{Time: 11 * second, Type: OK, Offset: 5, LeaderEpoch: 1})
	}
	for i, f := range []Function{Commit, FetchOffset} {
		n := l.Invoke(Op{Time: time.Duration(12+2*i) * second, Process: 6, F: f, Group: "g", Topic: "orders", Offset: 3})
		l.Complete(n, Op{Time: time.Duration(13+2*i) * second, Type: OK, Offset: 3, Session: int64(1 - i)})
	}
	l.AddAdministration(Administration{Process: 8, Op: "create", Topic: "own", Call: 4 * second, Return: 5 * second})
	l.AddFault(Fault{Kind: Pause, Brokers: []int32{3}, Start: 2 * second, End: 3 * second})
	for p := range int32(2) {
		for b := int32(1); b <= 3; b++ {
			l.AddScan(Scan{Topic: "orders", Partition: p, Broker: b, Leader: b == 1, LogEnd: 5, HighWatermark: 5, Records: logs[p]})
		}
	}
	w := newWatcher()
	w.Observe(cluster(0))
	l.AddLive(w.Verdict())
	l.End(End{Drained: true, Healed: 3 * second, Patience: 10 * second})
	require.NoError(t, l.Flush())
	return file.Bytes()
}

// without drops the lines that contain all of some texts; count bounds how many, 0
// for all.
func without(count int, texts ...string) func([]string) []string {
	return func(lines []string) []string {
		var kept []string
		dropped := 0
		for _, line := range lines {
			gone := count == 0 || dropped < count
			for _, text := range texts {
				gone = gone && strings.Contains(line, text)
			}
			if gone {
				dropped++
				continue
			}
			kept = append(kept, line)
		}
		return kept
	}
}

func f(name string) string { return fmt.Sprintf(`"f":%q`, name) }

// A check whose evidence is not whole is unknown, and so is the verdict.
func TestMissingEvidenceIsUnknown(t *testing.T) {
	whole := wholeRun(t)
	judgeLines := func(lines []string) Verdict {
		h, err := ReadHistory(strings.NewReader(strings.Join(lines, "\n") + "\n"))
		require.NoError(t, err)
		return Judge(context.Background(), h, Options{})
	}
	lines := strings.Split(strings.TrimSuffix(string(whole), "\n"), "\n")
	v := judgeLines(lines)
	for _, k := range v.Checks {
		if want := Pass; !strings.Contains(k.Note, "no transactional producer took part") && !strings.Contains(k.Note, "no member of a share group took part") && k.Name != checkCompaction.name { // see compaction_test.go
			require.Equal(t, want, k.Status, "%s %s", k.Name, k.Note)
		}
	}
	for _, c := range []struct {
		name   string
		doctor func([]string) []string
		checks []check // that are unknown
		says   string
	}{
		{"all scans", func(l []string) []string { return without(0, f("scan"))(without(0, f("scan-records"))(l)) },
			[]check{checkSurvival, checkAgreement, checkRead, checkDuplicates, checkSequence, checkFIFO, checkHonesty, checkSessions, checkLog, checkReplicas, checkUnseen}, `0 of 6 lines "scan"`},
		{"one follower's scan", func(l []string) []string {
			return without(1, f("scan-records"), `"same_as":1`)(without(1, f("scan"), `"broker":3`)(l))
		}, []check{checkReplicas}, "the final logs of 2 of 3 replicas of orders-0"},
		{"the records of a scan", without(1, f("scan-records"), `"same_as":1`), []check{checkReplicas, checkWhole}, "has 0 of 5 records"},
		{"all polls", without(0, f("poll")), []check{checkSurvival, checkAgreement, checkRead, checkHonesty, checkSessions, checkWatermark, checkLog, checkUnseen}, `0 of 10 lines "poll"`},
		{"one poll", func(l []string) []string { return dropOp(l, "poll", 3) }, []check{checkRead, checkSessions, checkUnseen}, `9 of 10 lines "poll"`},
		{"answers of polls", without(0, f("poll"), `"type":"ok"`), []check{checkRead, checkSessions, checkWatermark}, `0 of 10 lines "poll ok"`},
		{"all sends", without(0, f("send")), []check{checkSurvival, checkAgreement, checkDuplicates, checkFIFO, checkUnseen, checkLog}, `0 of 12 lines "send"`},
		{"one send", func(l []string) []string { return dropOp(l, "send", 2) }, []check{checkSurvival, checkDuplicates, checkUnseen}, `11 of 12 lines "send"`},
		{"acknowledgements", without(0, f("send"), `"type":"ok"`), []check{checkSurvival, checkLog, checkUnseen}, `0 of 10 lines "send ok"`},
		{"refusals", without(0, f("send"), `"type":"fail"`), []check{checkHonesty}, `0 of 2 lines "send fail"`},
		{"all high watermarks", without(0, f("high-watermark")), []check{checkWatermark, checkSurvival}, `0 of 10 lines "high-watermark"`},
		{"one high watermark", without(1, f("high-watermark")), []check{checkWatermark}, `9 of 10 lines "high-watermark"`},
		{"ListOffsets", without(0, f("list-offsets")), []check{checkLog}, `0 of 2 lines "list-offsets"`},
		{"commits", without(0, f("commit")), []check{checkRegister}, `0 of 1 lines "commit"`},
		{"look-ups of offsets", without(0, f("fetch-offset")), []check{checkRegister}, `0 of 1 lines "fetch-offset"`},
		{"faults", without(0, f("fault")), []check{checkSurvival, checkAgreement, checkRead, checkLog, checkRegister}, `0 of 1 lines "fault"`},
		{"partition states", without(0, f("partition-state")), []check{checkSurvival, checkRegister}, `0 of 2 lines "partition-state"`},
		{"starts of epochs", without(0, f("epoch-start")), []check{checkSurvival, checkAgreement, checkRead}, `0 of 2 lines "epoch-start"`},
		{"settings of topics", without(0, f("topic")), []check{checkSurvival, checkReplicas}, "the settings of no topic"},
		{"assignments", without(0, f("assignment")), []check{checkWhole}, `0 of 2 lines "assignment"`},
		{"what was watched", without(0, f("live")), []check{checkWhole}, "watched while the run went on is missing"},
		{"the beginning", func(l []string) []string { return l[1:] }, checks(), "its beginning is missing"},
		{"the end", func(l []string) []string { return l[:len(l)-1] }, checks(), "its end is missing"},
		{"the second half", func(l []string) []string { return l[:len(l)/2] }, checks(), "its end is missing"},
		{"a history of an earlier version", func(l []string) []string { return without(0, f("end"))(without(0, f("manifest"))(l)) }, checks(), "a version of Weir wrote it that did not say so"},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := judgeLines(c.doctor(lines))
			require.Empty(t, v.Findings, "what is missing proves nothing")
			require.Equal(t, Unknown, v.Status)
			notes := ""
			for _, k := range c.checks {
				got := checkNamed(t, v, k)
				require.Equal(t, Unknown, got.Status, "%s: %s", k.name, got.Note)
				notes += got.Note + "\n"
			}
			require.Contains(t, notes, c.says)
		})
	}
}

// What was changed by hand and still adds up passes no more than what is missing.
func TestAHistoryThatWasChangedDoesNotPass(t *testing.T) {
	lines := strings.Split(strings.TrimSuffix(string(wholeRun(t)), "\n"), "\n")
	replace := func(kind, old, by string) func([]string) []string {
		return func(l []string) []string {
			for i := range l {
				if strings.Contains(l[i], f(kind)) {
					require.Contains(t, l[i], old)
					l[i] = strings.ReplaceAll(l[i], old, by)
				}
			}
			return l
		}
	}
	// instead puts the last line of a kind in the place of the first.
	instead := func(kind string) func([]string) []string {
		return func(l []string) []string {
			first, last := -1, -1
			for i := range l {
				if strings.Contains(l[i], f(kind)) {
					if last = i; first < 0 {
						first = i
					}
				}
			}
			require.Less(t, first, last)
			l[first] = l[last]
			return l
		}
	}
	for _, c := range []struct {
		name   string
		doctor func([]string) []string
		says   string
	}{
		{"a high watermark twice for another", instead("high-watermark"), "checksum"},
		{"a state twice for another", instead("partition-state"), "checksum"},
		{"the start of an epoch twice for another", instead("epoch-start"), "checksum"},
		{"an owner twice for another", instead("assignment"), "checksum"},
		{"a fault of nobody", replace("fault", `"brokers":[3]`, `"brokers":[]`), "checksum"},
		{"a topic that deletes", replace("topic", `"topic":"orders"`, `"topic":"orders","deletes":true`), "checksum"},
		{"lines in another order", func(l []string) []string { l[2], l[3] = l[3], l[2]; return l }, "checksum"},
		{"nobody waits for healing", replace("end", `"patience":10000000000`, `"patience":0`), "checksum"},
		{"nobody reads to the end", replace("end", `"drained":true`, `"drained":false`), "checksum"},
		{"no producers", replace("manifest", `"producers":1`, `"producers":0`), "no producer took part, but there are 12 lines"},
		{"no consumers", replace("manifest", `"consumers":1`, `"consumers":0`), "no consumer took part, but there are 10 lines"},
		{"no committers", replace("manifest", `"registers":1`, `"registers":0`), "no committer took part, but there are 1 lines"},
		{"no probes", replace("manifest", `"probes":true,`, ""), `nobody asked for the ends of partitions, but there are 2 lines`},
		{"no group", replace("manifest", `,"group":true`, ""), "no consumer was a member of a group, but there are 2 lines"},
		{"no high watermarks", replace("manifest", `"high-watermarks",`, ""), "does not show high watermarks, but there are 10 lines"},
		{"no epochs", replace("manifest", `"epoch-starts",`, ""), "does not show where leaders begin their epochs, but there are 2 lines"},
		{"no states", replace("manifest", `"partition-states",`, ""), "does not show the metadata of partitions, but there are 2 lines"},
		{"not every election", replace("manifest", `"every-election",`, ""), "checksum"},
		{"undressed", replace("manifest", `"dressed":true,`, ""), "checksum"},
		{"nothing watched", replace("manifest", `,"live"`, ""), "checksum"},
		{"a line without its middle", func(l []string) []string { l[9] = l[9][:40] + l[9][60:]; return l }, "line 10 is damaged"},
		{"an empty end behind the end", func(l []string) []string { return append(l, `{"f":"recording","value":{"mode":"records"}}`) }, "after the line that closes the history"},
		{"two runs in one", func(l []string) []string { return append(l, l...) }, "there was one before"},
		{"more behind the end", func(l []string) []string { return append(l, l[4]) }, "lines"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h, err := ReadHistory(strings.NewReader(strings.Join(c.doctor(slices.Clone(lines)), "\n") + "\n"))
			require.NoError(t, err)
			v := Judge(context.Background(), h, Options{})
			require.NotEqual(t, Pass, v.Status)
			require.Contains(t, checkNamed(t, v, checkWhole).Note, c.says)
		})
	}
}

// A verdict that says nothing makes nothing pass.
func TestAnEmptyVerdictIsUnknown(t *testing.T) {
	v := Verdict{Status: Pass}
	v.Merge(Verdict{})
	require.Equal(t, Unknown, v.Status)
	v = Verdict{Status: Pass}
	v.Carry(Verdict{}, "before")
	require.Equal(t, Unknown, v.Status)
}

// dropOp drops the nth operation of a function: its beginning and its end.
func dropOp(lines []string, function string, n int) []string {
	index := ""
	for _, line := range lines {
		if strings.Contains(line, f(function)) && strings.Contains(line, `"type":"invoke"`) {
			if n--; n == 0 {
				_, rest, _ := strings.Cut(line, `"index":`)
				index, _, _ = strings.Cut(rest, ",")
			}
		}
	}
	for _, text := range []string{`{"index":` + index + `,`, `"invoke":` + index + `,`, `"invoke":` + index + `}`} {
		lines = without(0, text)(lines)
	}
	return lines
}

// An attempt that nobody answered leaves open whether the record is in, whatever
// came later. But a leader that will not have the record has answered.
func TestARefusalOfTheRecordItselfIsAnAnswer(t *testing.T) {
	for name, found := range map[string]bool{"MESSAGE_TOO_LARGE": false, "RECORD_LIST_TOO_LARGE": false, "NOT_ENOUGH_REPLICAS": true, "delivery-timeout": true} {
		h, err := ReadHistory(bytes.NewReader(wholeRun(t)))
		require.NoError(t, err)
		s := h.sendOf(9)
		s.Outcome, s.Offset, s.Return, s.Ended, s.Attempts, s.Error = Info, None, Never, secondsOf(35), 4, name
		h.Closing.Counts = h.Counts()
		v := Judge(context.Background(), h, Options{})
		require.Equal(t, found, checkNamed(t, v, checkResolved).Status == Failed, "%s: %v", name, v.Findings)
	}
}
