package linearizability

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// sampleLog records one operation of every kind and outcome, and every fact.
func sampleLog(l *Log) {
	l.AddTopic(Topic{Name: "orders", Partitions: 1, ReplicationFactor: 3, MinISR: 2, ELR: true})
	n := l.Invoke(Op{Time: 1, Process: 7, F: Send, Topic: "orders", Value: 100, Acks: -1, Idempotent: true})
	m := l.Invoke(Op{Time: 2, Process: 7, F: Send, Topic: "orders", Value: 101, Acks: -1})
	l.Complete(m, Op{Time: 3, Type: Info, Error: "REQUEST_TIMED_OUT", Broker: None, LeaderEpoch: 4, Attempts: 2})
	l.Complete(n, Op{Time: 4, Type: OK, Offset: 12, Broker: 1, LeaderEpoch: 4, ProducerID: 9, Sequence: 3, Attempts: 1})
	p := l.Invoke(Op{Time: 5, Process: 8, F: Poll, Topic: "orders", Offset: 12, Session: 1})
	l.Complete(p, Op{Time: 6, Type: OK, Records: []Record{{12, 100}, {13, None}}, LeaderEpoch: 4})
	p = l.Invoke(Op{Time: 7, Process: 8, F: Poll, Topic: "orders", Offset: 14, Session: 1})
	l.Complete(p, Op{Time: 8, Type: OK, LeaderEpoch: None})
	c := l.Invoke(Op{Time: 9, Process: 9, F: Commit, Group: "g", Topic: "orders", Offset: 5})
	l.Complete(c, Op{Time: 10, Type: OK})
	c = l.Invoke(Op{Time: 11, Process: 9, F: FetchOffset, Group: "g", Topic: "orders"})
	l.Complete(c, Op{Time: 12, Type: OK, Offset: None})
	e := l.Invoke(Op{Time: 13, Process: 9, F: ListOffsets, Topic: "orders"})
	l.Complete(e, Op{Time: 14, Type: Fail, Error: "OFFSET_NOT_AVAILABLE"})
	l.Invoke(Op{Time: 15, Process: 9, F: ListOffsets, Topic: "orders"})
	l.AddFault(Fault{Kind: PowerLoss, Brokers: []int32{1}, Start: 3, Lossy: true, Effect: "4096 B lost"})
	l.AddPartitionState(PartitionState{Topic: "orders", Leader: 2, LeaderEpoch: 5, ISR: []int32{2, 3}, ELR: []int32{1}})
	l.AddEpochStart(EpochStart{Topic: "orders", LeaderEpoch: 5, Leader: 2, StartOffset: 13, Cache: []EpochEntry{{4, 0}, {5, 13}}})
	l.AddHighWatermark(HighWatermark{Topic: "orders", Broker: 2, LeaderEpoch: 5, Offset: 13, Time: 6})
	var records []ScanRecord
	for i := range int64(3000) {
		records = append(records, ScanRecord{Offset: i, Value: i + 50, ProducerID: None, LeaderEpoch: 4, Sequence: None})
	}
	other := append([]ScanRecord(nil), records...)
	other[2000].Value = 1
	l.AddScan(Scan{Topic: "orders", Broker: 1, Leader: true, LogEnd: 3000, HighWatermark: 3000, Records: records,
		Epochs: []EpochStart{{Topic: "orders", LeaderEpoch: 4, Leader: None}}})
	l.AddScan(Scan{Topic: "orders", Broker: 2, LogEnd: 3000, HighWatermark: 2990, Records: other})
}

func TestHistoryReadsBackWhatWasRecorded(t *testing.T) {
	var file bytes.Buffer
	l := NewLog(&file)
	sampleLog(l)
	require.NoError(t, l.Flush())
	got, err := ReadHistory(bytes.NewReader(file.Bytes()))
	require.NoError(t, err)
	require.Empty(t, got.CutShort)
	require.Equal(t, l.History(), got)

	memory := NewLog(nil)
	sampleLog(memory)
	require.Equal(t, memory.History(), got)
	ok, fail, info := memory.Counts()
	require.Equal(t, []int64{5, 1, 1}, []int64{ok, fail, info})
}

func TestHistoryIsJepsensForm(t *testing.T) {
	var file bytes.Buffer
	l := NewLog(&file)
	sampleLog(l)
	require.NoError(t, l.Flush())
	lines := strings.Split(file.String(), "\n")
	require.Equal(t, `{"index":1,"time":1,"process":7,"type":"invoke","f":"send","value":[["send","orders-0",100]],"acks":-1}`, lines[1])
	require.Equal(t, `{"index":3,"time":3,"process":7,"type":"info","f":"send","value":[["send","orders-0",101]],"invoke":2,"broker":-1,"epoch":4,"attempts":2,"error":"REQUEST_TIMED_OUT"}`, lines[3])
	require.Equal(t, `{"index":4,"time":4,"process":7,"type":"ok","f":"send","value":[["send","orders-0",[12,100]]],"invoke":1,"broker":1,"epoch":4,"attempts":1,"pid":9,"pepoch":0,"seq":3}`, lines[4])
	require.Equal(t, `{"index":6,"time":6,"process":8,"type":"ok","f":"poll","value":[["poll",{"orders-0":[[12,100],[13,null]]}]],"invoke":5,"epoch":4}`, lines[6])
	require.Contains(t, file.String(), `"f":"epoch-start","value":{"topic":"orders","partition":0,"time":0,"leader_epoch":5,"leader":2,"start_offset":13,`+
		`"cache":[{"epoch":4,"start_offset":0},{"epoch":5,"start_offset":13}]}}`)
	require.Contains(t, file.String(), `"same_as":1,"from":0,"count":1024`, "equal chunks of replicas are written once")
}

func TestReadHistoryNamesTheBadLine(t *testing.T) {
	good := `{"index":0,"time":1,"process":7,"type":"invoke","f":"send","value":[["send","orders-0",100]],"acks":-1}` + "\n"
	for name, c := range map[string]struct{ line, want string }{
		"no JSON":          {"hello", "history line 2: not a history line"},
		"function":         {`{"index":1,"process":1,"type":"invoke","f":"sned"}`, `line 2: f "sned": want one of send, poll`},
		"type":             {`{"index":1,"process":1,"type":"maybe","f":"send"}`, `type "maybe": want invoke, ok, fail or info`},
		"process":          {`{"index":1,"process":"x","type":"ok","f":"send"}`, `process "x" of a send: want a number`},
		"key":              {`{"index":1,"process":1,"type":"invoke","f":"send","value":[["send","orders",1]]}`, `key "orders": want topic-partition`},
		"not invoked":      {`{"index":1,"process":1,"type":"ok","f":"send","value":[["send","orders-0",[1,1]]],"invoke":5}`, "completes operation 5, which was not invoked"},
		"no invoke":        {`{"index":1,"process":1,"type":"ok","f":"send","value":[["send","orders-0",[1,1]]]}`, "needs \"invoke\""},
		"other function":   {`{"index":1,"process":1,"type":"ok","f":"poll","value":[["poll",{"orders-0":[]}]],"invoke":0}`, "operation 0, which is no poll"},
		"micro-operations": {`{"index":1,"process":1,"type":"invoke","f":"send","value":[]}`, `want one [["send", key, …]]`},
		"chunk":            {`{"index":1,"process":"broker","type":"info","f":"scan-records","value":{"from":0,"count":1}}`, "no scan came before"},
		"huge scan":        {`{"index":1,"process":"broker","type":"info","f":"scan","value":{"records":999999999999}}`, "want 0 to"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ReadHistory(strings.NewReader(good + c.line + "\n" + good))
			require.ErrorContains(t, err, c.want)
		})
	}
}

func TestReadHistoryOfAKilledRun(t *testing.T) {
	var file bytes.Buffer
	l := NewLog(&file)
	sampleLog(l)
	require.NoError(t, l.Flush())
	whole := file.Bytes()
	h, err := ReadHistory(bytes.NewReader(whole[:len(whole)/2]))
	require.NoError(t, err)
	require.NotEmpty(t, h.CutShort)
	require.Len(t, h.Sends, 2)

	lines := bytes.SplitAfter(whole, []byte("\n"))
	h, err = ReadHistory(bytes.NewReader(bytes.Join(lines[:5], nil)))
	require.NoError(t, err)
	require.Equal(t, Never, h.Sends[1].Return)
}

func TestPayload(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.Int64Range(0, 1<<53).Draw(t, "value")
		size := rapid.IntRange(MinPayload, 2000).Draw(t, "size")
		b := AppendPayload([]byte("before"), value, size)[6:]
		require.Len(t, b, size)
		got, ok := ParsePayload(b)
		require.True(t, ok)
		require.Equal(t, value, got)
		at := rapid.IntRange(0, size-1).Draw(t, "at")
		b[at] ^= byte(rapid.IntRange(1, 255).Draw(t, "flip"))
		_, ok = ParsePayload(b)
		require.False(t, ok, "a changed byte is noticed")
		_, ok = ParsePayload(b[:size-1])
		require.False(t, ok)
	})
	require.Panics(t, func() { AppendPayload(nil, 1, 4) })
}

func FuzzReadHistory(f *testing.F) {
	var file bytes.Buffer
	l := NewLog(&file)
	sampleLog(l)
	_ = l.Flush()
	f.Add(file.Bytes()[:4000])
	f.Fuzz(func(t *testing.T, b []byte) {
		if h, err := ReadHistory(bytes.NewReader(b)); err == nil {
			_ = h.CutShort
		}
	})
}

func BenchmarkRecordSend(b *testing.B) {
	l := NewLog(discardWriter{})
	for i := range b.N {
		n := l.Invoke(Op{Time: time.Duration(i), F: Send, Topic: "orders", Value: int64(i), Acks: -1})
		l.Complete(n, Op{Time: time.Duration(i + 1), Type: OK, Offset: int64(i)})
	}
}

type discardWriter struct{}

func (discardWriter) Write(p []byte) (int, error) { return len(p), nil }
