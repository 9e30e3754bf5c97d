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

// transacting builds the history of a run with transactions in which all is well.
type transacting struct {
	l    *Log
	logs map[TopicPartition]*Scan
}

const tenth = second / 10

func (s *transacting) log(topic string, partition int32) *Scan {
	tp := TopicPartition{topic, partition}
	if s.logs[tp] == nil {
		s.logs[tp] = &Scan{Topic: topic, Partition: partition, Broker: 1, Leader: true, Time: 60 * second}
	}
	return s.logs[tp]
}

// send appends a record of a producer at a time and has it acknowledged.
func (s *transacting) send(at time.Duration, process int64, topic string, partition int32, value, pid int64, epoch int16, seq int32, transactional bool) {
	log := s.log(topic, partition)
	n := s.l.Invoke(Op{Time: at, Process: process, F: Send, Topic: topic, Partition: partition, Value: value, Acks: -1, Idempotent: true})
	s.l.Complete(n, Op{Time: at + tenth, Type: OK, Offset: log.LogEnd, Broker: 1, LeaderEpoch: 1, ProducerID: pid, ProducerEpoch: epoch, Sequence: seq, Attempts: 1})
	log.Records = append(log.Records, ScanRecord{Offset: log.LogEnd, Value: value, ProducerID: pid, ProducerEpoch: epoch, Sequence: seq, LeaderEpoch: 1, Transactional: transactional})
	log.LogEnd++
}

func (s *transacting) marker(topic string, partition int32, pid int64, epoch int16, commit bool) {
	log := s.log(topic, partition)
	log.Markers = append(log.Markers, Marker{Offset: log.LogEnd, ProducerID: pid, ProducerEpoch: epoch, LeaderEpoch: 1, Commit: commit})
	log.LogEnd++
}

func (s *transacting) init(at time.Duration, process int64, tx Transaction) {
	n := s.l.Invoke(Op{Time: at, Process: process, F: InitTransactions, Transaction: &Transaction{ID: tx.ID, ProducerID: None, Timeout: tx.Timeout}})
	s.l.Complete(n, Op{Time: at + tenth, Type: OK, Transaction: &tx})
}

// transfer moves an amount from one partition of moves to the other.
func (s *transacting) transfer(at time.Duration, epoch int16, value, amount int64, commit bool, outcome Type) {
	tx := Transaction{ID: "a", ProducerID: 50, ProducerEpoch: epoch, Timeout: 20 * second}
	n := s.l.Invoke(Op{Time: at, Process: 1, F: Transact, Transaction: &Transaction{ID: "a", ProducerID: 50, ProducerEpoch: epoch, Timeout: tx.Timeout}})
	for p := range int32(2) {
		s.send(at+tenth, 1, "moves", p, value+int64(p), 50, epoch, 0, true)
		tx.Writes = append(tx.Writes, Write{Value: value + int64(p), Amount: amount * int64(2*p-1), Of: None})
		s.marker("moves", p, 50, epoch, commit)
	}
	tx.Commit, tx.Asked = commit, at+second/2
	s.l.Complete(n, Op{Time: at + second*3/4, Type: outcome, Transaction: &tx})
}

func (s *transacting) poll(at time.Duration, topic string, partition int32, readCommitted bool, records ...Record) {
	n := s.l.Invoke(Op{Time: at, Process: 9 + int64(partition), F: Poll, Topic: topic, Partition: partition, Session: 1, ReadCommitted: readCommitted})
	s.l.Complete(n, Op{Time: at + tenth, Type: OK, Records: records, LeaderEpoch: 1})
}

func transactedRun(t *testing.T) []byte {
	var file bytes.Buffer
	s := &transacting{l: NewLog(&file), logs: map[TopicPartition]*Scan{}}
	s.l.Begin(Manifest{Producers: 3, Consumers: 1, Registers: 1, Transactional: 2, Conserved: []string{"moves"},
		Pipelines: []Pipeline{{Group: "pipe", From: "in", To: "out"}}})
	for _, topic := range []Topic{{Name: "moves", Partitions: 2}, {Name: "in", Partitions: 1}, {Name: "out", Partitions: 1}, {Name: TransactionTopic, Partitions: 1, Internal: true}} {
		topic.ReplicationFactor, topic.MinISR = 3, 2
		s.l.AddTopic(topic)
	}
	s.init(1*second, 1, Transaction{ID: "a", ProducerID: 50, Timeout: 20 * second})
	s.transfer(2*second, 0, 100, 5, true, OK)
	s.transfer(3*second, 1, 102, 7, false, Fail)
	s.transfer(4*second, 2, 104, 3, true, Info)
	s.init(6*second, 1, Transaction{ID: "a", ProducerID: 50, ProducerEpoch: 5, Timeout: 20 * second})
	s.transfer(7*second, 5, 106, 1, true, OK)

	s.send(8*second, 2, "in", 0, 200, 70, 0, 0, false)
	s.send(9*second, 2, "in", 0, 201, 70, 0, 1, false)
	tx := Transaction{ID: "p", ProducerID: 60, Timeout: 20 * second}
	s.init(1*second, 3, tx)
	n := s.l.Invoke(Op{Time: 10 * second, Process: 3, F: Transact, Transaction: &tx})
	commit := s.l.Invoke(Op{Time: 10 * second, Process: 3, F: Commit, Group: "pipe", Topic: "in", Offset: 2})
	for i := range int64(2) {
		s.send(10*second, 3, "out", 0, 300+i, 60, 0, int32(i), true)
		tx.Writes = append(tx.Writes, Write{Value: 300 + i, Of: 200 + i})
	}
	s.marker("out", 0, 60, 0, true)
	tx.Commit, tx.Asked = true, 11*second
	s.l.Complete(n, Op{Time: 12 * second, Type: OK, Transaction: &tx})
	s.l.Complete(commit, Op{Time: 12 * second, Type: OK})
	n = s.l.Invoke(Op{Time: 14 * second, Process: 3, F: FetchOffset, Group: "pipe", Topic: "in"})
	s.l.Complete(n, Op{Time: 15 * second, Type: OK, Offset: 2})

	for p := range int32(2) {
		s.poll(20*second, "moves", p, true, Record{0, 100 + int64(p)}, Record{4, 104 + int64(p)}, Record{6, 106 + int64(p)})
	}
	s.poll(20*second, "out", 0, true, Record{0, 300}, Record{1, 301})
	s.poll(20*second, "in", 0, false, Record{0, 200}, Record{1, 201})
	for _, tp := range []TopicPartition{{"in", 0}, {"moves", 0}, {"moves", 1}, {"out", 0}} {
		log := s.logs[tp]
		log.HighWatermark = log.LogEnd
		s.l.AddScan(*log)
	}
	s.l.End(End{Drained: true, Healed: 3 * second, Patience: 10 * second})
	require.NoError(t, s.l.Flush())
	return file.Bytes()
}

// transactionOf is the transaction that a value was sent in.
func (h *History) transactionOf(value int64) *TransactOp {
	i := slices.IndexFunc(h.Transactions, func(t TransactOp) bool {
		return slices.ContainsFunc(t.Writes, func(w Write) bool { return w.Value == value })
	})
	return &h.Transactions[i]
}

// scanOf is the final log of a partition.
func (h *History) scanOf(topic string, partition int32) *Scan {
	i := slices.IndexFunc(h.Scans, func(s Scan) bool { return s.Topic == topic && s.Partition == partition })
	return &h.Scans[i]
}

// pollOf is the poll of a partition.
func (h *History) pollOf(topic string, partition int32) *PollOp {
	i := slices.IndexFunc(h.Polls, func(p PollOp) bool { return p.TP == TopicPartition{topic, partition} })
	return &h.Polls[i]
}

func TestTransactionsThatAreWell(t *testing.T) {
	h, err := ReadHistory(bytes.NewReader(transactedRun(t)))
	require.NoError(t, err)
	require.EqualValues(t, 9, h.Counts()["markers scanned"])
	v := Judge(context.Background(), h, Options{})
	require.Empty(t, v.Findings)
	for _, k := range checks() {
		if k.needs&ofTransactions != 0 {
			got := checkNamed(t, v, k)
			require.Equal(t, Pass, got.Status, "%s: %s", k.name, got.Note)
			require.Positive(t, got.Inputs, k.name)
		}
	}
}

// Each anomaly of transactions, planted into a run in which all else is well, is
// found by the check that is there for it.
func TestAnomaliesOfTransactions(t *testing.T) {
	whole := transactedRun(t)
	planted := map[string]bool{}
	for _, c := range []struct {
		name  string
		plant func(h *History)
		check check
		says  string
	}{
		{"G1a: an aborted record is read", func(h *History) {
			p := h.pollOf("moves", 0)
			p.Records = slices.Insert(slices.Clone(p.Records), 1, Record{2, 102})
		}, checkIsolation, "offset 2 of moves-0 (value 102) was read by client 9 with read_committed at 20.100 s, but it is aborted"},
		{"a record of a transaction that never ends is read", func(h *History) {
			s := h.scanOf("moves", 0)
			s.Markers = s.Markers[:3]
		}, checkIsolation, "but it is in a transaction that never ended"},
		{"what is committed is skipped", func(h *History) {
			p := h.pollOf("moves", 0)
			p.Records = slices.Delete(slices.Clone(p.Records), 1, 2)
		}, checkSessions, "offset 4 (value 104), which is in the log, was skipped"},
		{"read before its producer asked to commit", func(h *History) {
			p := h.pollOf("moves", 0)
			p.Call, p.Return, p.Records = 2*second, 2*second+second/4, p.Records[:1]
		}, checkStable, "past the last stable offset: the transaction of \"a\" (producer id 50, epoch 0) that client 1 began at 2.000 s has a record at or before it and nobody could have ended it before 2.500 s"},
		{"read behind a transaction that was open", func(h *History) {
			p := h.pollOf("moves", 0)
			p.Return, p.Records = 7*second+second/4, []Record{{6, 106}}
		}, checkStable, "read up to offset 6 of moves-0 with read_committed at 7.250 s, past the last stable offset"},
		{"a transaction in part", func(h *History) { h.scanOf("moves", 1).Markers[2].Commit = false }, checkAtomicity,
			"took effect in part: its value 104 at offset 4 of moves-0 is committed, but its value 105 at offset 4 of moves-1 is aborted"},
		{"half a transaction is not there", func(h *History) {
			s := h.scanOf("moves", 1)
			s.Records = slices.Delete(slices.Clone(s.Records), 2, 3)
		}, checkAtomicity, "took effect in part: its value 104 at offset 4 of moves-0 is committed, but its value 105 is not in moves-1"},
		{"a marker that never comes", func(h *History) {
			s := h.scanOf("moves", 1)
			s.Markers = s.Markers[:3]
		}, checkAtomicity, "but its value 107 at offset 6 of moves-1 is in a transaction that never ended"},
		{"committed and aborted", func(h *History) {
			for p := range int32(2) {
				h.scanOf("moves", p).Markers[0].Commit = false
			}
		}, checkAtomicity, "is committed, its producer was told at 2.750 s, but its value 101 at offset 0 of moves-1 is aborted"},
		{"aborted and committed: a late EndTxn of another transaction", func(h *History) {
			for p := range int32(2) {
				h.scanOf("moves", p).Markers[1].Commit = true
			}
		}, checkAtomicity, "is not committed: its producer never asked for that, but its value 103 at offset 2 of moves-1 is committed"},
		{"refused and committed", func(h *History) { h.transactionOf(104).Outcome, h.transactionOf(104).Return = Fail, 5*second }, checkAtomicity,
			"is not committed, its producer was told at 5.000 s, but its value 105"},
		{"a fenced producer commits", func(h *History) { h.transactionOf(100).Asked = 7 * second }, checkZombies,
			"client 1 began as \"a\" with epoch 5 of producer id 50 at 6.100 s, which fences the producers before it; yet the transaction of \"a\" (producer id 50, epoch 0)"},
		{"a fenced producer writes into a commit", func(h *History) { h.sendOf(104).Call = 6*second + second/2 }, checkZombies,
			"its value 104 at offset 4 of moves-0 is committed: client 1 sent it at 6.500 s"},
		{"a coordinator that was replaced writes a marker", func(h *History) { h.scanOf("moves", 1).Markers[1].CoordinatorEpoch = 3 }, checkMarkers,
			"the marker at offset 5 of moves-1 for producer 50 is of coordinator epoch 0, although the one at offset 3 before it is of epoch 3"},
		{"a transaction hangs", func(h *History) {
			s := h.scanOf("moves", 0)
			s.Markers = s.Markers[:3]
		}, checkHanging, "the transaction of producer 50 (epoch 5) with a record at offset 6 of moves-0 had not ended at 60.000 s"},
		{"half a transfer is shown", func(h *History) { h.pollOf("moves", 1).Records = h.pollOf("moves", 1).Records[1:] }, checkConservation,
			"what read_committed has shown of moves adds up to -5"},
		{"an aborted transfer is shown in part", func(h *History) {
			h.pollOf("moves", 1).Records = slices.Insert(slices.Clone(h.pollOf("moves", 1).Records), 1, Record{2, 103})
		}, checkConservation, "what read_committed has shown of moves adds up to +7"},
		{"an input without an output", func(h *History) { h.transactionOf(300).Writes = h.transactionOf(300).Writes[:1] }, checkExactlyOnce,
			"group pipe has committed that it is past offset 1 of in-0 (value 201), at offset 2, but out holds no committed record made of it"},
		{"an input with two outputs", func(h *History) { h.transactionOf(300).Writes[1].Of = 200 }, checkExactlyOnce,
			"offset 0 of in-0 (value 200) was made into 2 committed records of out"},
		{"an output without its offset", func(h *History) { h.Offsets[1].Offset = 1 }, checkExactlyOnce,
			"offset 1 of in-0 (value 201) was made into one committed record of out, although group pipe has committed only up to offset 1"},
		{"an offset that went with a transaction is not there", func(h *History) { h.Offsets[1].Offset = None }, checkRegister, "which no order of the commits explains"},
	} {
		planted[c.check.name] = true
		t.Run(c.name, func(t *testing.T) {
			h, err := ReadHistory(bytes.NewReader(whole))
			require.NoError(t, err)
			c.plant(h)
			h.Closing.Counts = h.Counts() // what is planted is not missing
			v := Judge(context.Background(), h, Options{})
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
		require.True(t, planted[k.name] || k.needs&ofTransactions == 0, "nothing is planted for %q", k.name)
	}
}

// What is missing of transactions makes the checks that rest on it unknown.
func TestMissingEvidenceOfTransactionsIsUnknown(t *testing.T) {
	lines := strings.Split(strings.TrimSuffix(string(transactedRun(t)), "\n"), "\n")
	of := []check{checkIsolation, checkStable, checkAtomicity, checkZombies, checkMarkers, checkHanging, checkConservation, checkExactlyOnce}
	replace := func(kind, old, by string) func([]string) []string {
		return func(l []string) []string {
			for i := range l {
				if strings.Contains(l[i], f(kind)) {
					l[i] = strings.ReplaceAll(l[i], old, by)
				}
			}
			return l
		}
	}
	for _, c := range []struct {
		name   string
		doctor func([]string) []string
		checks []check // that are unknown
		says   string
	}{
		{"all transactions", without(0, f("transact")), of, `0 of 5 lines "transact"`},
		{"one transaction", func(l []string) []string { return dropOp(l, "transact", 2) }, of, `4 of 5 lines "transact"`},
		{"how transactions ended", without(0, f("transact"), `"type":"ok"`), of, `0 of 3 lines "transact ok"`},
		{"who began", without(0, f("init-transactions")), of, `0 of 3 lines "init-transactions"`},
		{"markers", replace("scan", `"markers"`, `"unknown"`), of, `0 of 9 lines "markers scanned"`},
		{"polls", without(0, f("poll")), []check{checkIsolation, checkStable, checkConservation}, `0 of 4 lines "poll"`},
		{"offsets", without(0, f("fetch-offset")), []check{checkExactlyOnce}, `0 of 1 lines "fetch-offset"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			h, err := ReadHistory(strings.NewReader(strings.Join(c.doctor(slices.Clone(lines)), "\n") + "\n"))
			require.NoError(t, err)
			v := Judge(context.Background(), h, Options{})
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
	t.Run("no transactional producers", func(t *testing.T) {
		h, err := ReadHistory(strings.NewReader(strings.Join(replace("manifest", `"transactional":2,`, "")(slices.Clone(lines)), "\n") + "\n"))
		require.NoError(t, err)
		v := Judge(context.Background(), h, Options{})
		require.Equal(t, Unknown, v.Status)
		require.Contains(t, checkNamed(t, v, checkWhole).Note, "no transactional producer took part, but there are")
	})
}

// What came to be where a marker was, after a permitted loss, was not skipped by who
// read before.
func TestWhatCameLaterIsNotSkipped(t *testing.T) {
	h, err := ReadHistory(bytes.NewReader(transactedRun(t)))
	require.NoError(t, err)
	s := h.scanOf("moves", 0)
	s.Markers = slices.Delete(s.Markers, 2, 3) // at offset 5
	s.Records = slices.Insert(slices.Clone(s.Records), 3, ScanRecord{Offset: 5, Value: 900, ProducerID: 70, LeaderEpoch: 1})
	h.Closing.Counts = h.Counts()
	require.Equal(t, Failed, checkNamed(t, Judge(context.Background(), h, Options{}), checkSessions).Status)
	for i := 3; i < len(s.Records); i++ {
		s.Records[i].LeaderEpoch = 2
	}
	s.Records[4].Value = 901 // what was read there is gone
	require.Equal(t, Pass, checkNamed(t, Judge(context.Background(), h, Options{}), checkSessions).Status)
}

// A loss that is permitted may take a marker or a coordinator's state with it.
func TestPermittedLossesExcuseTransactions(t *testing.T) {
	h, err := ReadHistory(bytes.NewReader(transactedRun(t)))
	require.NoError(t, err)
	h.scanOf("moves", 1).Markers[2].Commit = false
	for i := range h.Topics {
		if t := &h.Topics[i]; t.Name == TransactionTopic {
			t.UncleanElection = true
		}
	}
	h.Manifest.Facts = []Fact{FactStates, FactElections}
	for _, topic := range h.Topics {
		for p := range topic.Partitions {
			h.States = append(h.States, PartitionState{Topic: topic.Name, Partition: p, Leader: 1, LeaderEpoch: 1, PartitionEpoch: 1, ISR: []int32{1}, Replicas: all3})
		}
	}
	h.States = append(h.States, PartitionState{Topic: TransactionTopic, Time: 5 * second, Leader: 2, LeaderEpoch: 2, PartitionEpoch: 2, ISR: []int32{2}, Replicas: all3})
	h.Scans = append(h.Scans, Scan{Topic: TransactionTopic, Broker: 2, Leader: true,
		Epochs: []EpochStart{{Topic: TransactionTopic, LeaderEpoch: 2, Leader: None}}})
	h.Closing.Counts = h.Counts()
	v := Judge(context.Background(), h, Options{})
	require.Equal(t, Pass, checkNamed(t, v, checkAtomicity).Status, "%+v", v.Findings)
	require.NotEmpty(t, v.Excused)
}
