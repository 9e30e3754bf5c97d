package linearizability

import (
	"bytes"
	"testing"
	"time"
)

// bigHistory is a fault-free run: n records in some partitions, read by 2 consumers.
func bigHistory(n, partitions int) *Log {
	l := NewLog(nil)
	l.AddTopic(Topic{Name: "orders", Partitions: int32(partitions), ReplicationFactor: 3, MinISR: 2})
	records := make([][]ScanRecord, partitions)
	for i := range n {
		p := i % partitions
		at := time.Duration(i) * time.Millisecond
		k := l.Invoke(Op{Time: at, Process: int64(i % 8), F: Send, Topic: "orders", Partition: int32(p), Value: int64(i), Acks: -1, Idempotent: true})
		off := int64(len(records[p]))
		l.Complete(k, Op{Time: at + 5*time.Millisecond, Type: OK, Offset: off, Broker: 1, ProducerID: int64(i % 8), Sequence: int32(off), Attempts: 1})
		records[p] = append(records[p], ScanRecord{Offset: off, Value: int64(i), ProducerID: int64(p), Sequence: int32(off)})
	}
	for c := range 2 {
		for p := range records {
			for from := 0; from < len(records[p]); from += 20 {
				var got []Record
				for _, r := range records[p][from:min(from+20, len(records[p]))] {
					got = append(got, Record{r.Offset, r.Value})
				}
				at := time.Duration(n+from) * time.Millisecond
				k := l.Invoke(Op{Time: at, Process: int64(100 + c), F: Poll, Topic: "orders", Partition: int32(p), Offset: int64(from)})
				l.Complete(k, Op{Time: at + 1, Type: OK, Records: got})
			}
		}
	}
	for p := range records {
		for b := range int32(3) {
			l.AddScan(Scan{Topic: "orders", Partition: int32(p), Broker: b + 1, Leader: b == 0, LogEnd: int64(len(records[p])), HighWatermark: int64(len(records[p])), Records: records[p]})
		}
	}
	return l
}

func BenchmarkJudge(b *testing.B) { benchmarkJudge(b, 100_000, 6) }

// BenchmarkJudgeMillion judges a million sends, and the polls that read them
// twice, in 100 partitions.
func BenchmarkJudgeMillion(b *testing.B) { benchmarkJudge(b, 1_000_000, 100) }

func benchmarkJudge(b *testing.B, records, partitions int) {
	h := bigHistory(records, partitions).History()
	b.ReportAllocs()
	for b.Loop() {
		if v := judge(h); v.Status != Pass {
			b.Fatal(v.Findings)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(records), "ns/record")
}

func BenchmarkReadHistory(b *testing.B) {
	var file bytes.Buffer
	l := NewLog(&file)
	for i := range 100_000 {
		k := l.Invoke(Op{Time: time.Duration(i), F: Send, Topic: "orders", Value: int64(i), Acks: -1})
		l.Complete(k, Op{Time: time.Duration(i + 1), Type: OK, Offset: int64(i)})
	}
	if err := l.Flush(); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(file.Len()))
	for b.Loop() {
		if _, err := ReadHistory(bytes.NewReader(file.Bytes())); err != nil {
			b.Fatal(err)
		}
	}
}
