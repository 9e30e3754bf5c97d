package linearizability

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// story builds histories of the partition orders-0 for tests. Times are whole
// seconds, the value of the record sent at second t is t unless told.
type story struct {
	t *testing.T
	l *Log
	n int32 // partition epoch
}

const second = time.Second

func newStory(t *testing.T, topic Topic) *story {
	topic.Name, topic.Partitions = "orders", 1
	if topic.ReplicationFactor == 0 {
		topic.ReplicationFactor, topic.MinISR = 3, 2
	}
	s := &story{t: t, l: NewLog(nil)}
	s.l.AddTopic(topic)
	return s
}

// state adds metadata: leader and ISR (and ELR) from second at on.
func (s *story) state(at int, leader, epoch int32, isr []int32, elr ...int32) *story {
	s.n++
	s.l.AddPartitionState(PartitionState{Topic: "orders", Time: time.Duration(at) * second, Leader: leader,
		LeaderEpoch: epoch, PartitionEpoch: s.n, ISR: isr, ELR: elr})
	return s
}

// start says at which offset an epoch began.
func (s *story) start(epoch int32, offset int64) *story {
	s.l.AddEpochStart(EpochStart{Topic: "orders", LeaderEpoch: epoch, Leader: None, StartOffset: offset})
	return s
}

// began says that a leader began an epoch with this epoch cache: pairs of epoch and
// start offset, the last of which is the epoch that begins.
func (s *story) began(leader int32, cache ...int64) *story { return s.beganAt(0, leader, cache...) }

func (s *story) beganAt(at int, leader int32, cache ...int64) *story {
	start := EpochStart{Topic: "orders", Leader: leader, Time: time.Duration(at) * second}
	for i := 0; i < len(cache); i += 2 {
		start.LeaderEpoch, start.StartOffset = int32(cache[i]), cache[i+1]
		start.Cache = append(start.Cache, EpochEntry{start.LeaderEpoch, start.StartOffset})
	}
	s.l.AddEpochStart(start)
	return s
}

// acked sends a record at second at and has it acknowledged half a second later.
func (s *story) acked(at int, offset int64, acks int16, epoch, broker int32) *story {
	return s.send(Op{Process: 7, Value: int64(at), Acks: acks}, at, Op{Type: OK, Offset: offset, LeaderEpoch: epoch, Broker: broker, Attempts: 1})
}

func (s *story) send(call Op, at int, end Op) *story {
	call.Time, call.F, call.Topic = time.Duration(at)*second, Send, "orders"
	n := s.l.Invoke(call)
	end.Time = call.Time + second/2
	s.l.Complete(n, end)
	return s
}

// poll reads at second at; records are pairs of offset and value.
func (s *story) poll(process int64, session int64, at int, position int64, pairs ...int64) *story {
	n := s.l.Invoke(Op{Time: time.Duration(at) * second, Process: process, F: Poll, Topic: "orders", Offset: position, Session: session})
	var records []Record
	for i := 0; i < len(pairs); i += 2 {
		records = append(records, Record{pairs[i], pairs[i+1]})
	}
	s.l.Complete(n, Op{Time: time.Duration(at)*second + second/2, Type: OK, Records: records, LeaderEpoch: None})
	return s
}

func (s *story) fault(kind FaultKind, at int, lossy bool, brokers ...int32) *story {
	s.l.AddFault(Fault{Kind: kind, Brokers: brokers, Start: time.Duration(at) * second, Lossy: lossy})
	return s
}

// exact is a fault on one broker of which the disk tells what it took.
func (s *story) exact(kind FaultKind, at int, broker int32, took ...Recovered) *story {
	s.l.AddFault(Fault{Kind: kind, Brokers: []int32{broker}, Start: time.Duration(at) * second, Lossy: len(took) > 0, Exact: true, Recovered: took})
	return s
}

// rec is a record of a scan.
func rec(offset, value int64, epoch int32) ScanRecord {
	return ScanRecord{Offset: offset, Value: value, LeaderEpoch: epoch, ProducerID: None, Sequence: None}
}

func idem(offset, value int64, epoch int32, pid int64, pepoch int16, seq int32) ScanRecord {
	return ScanRecord{Offset: offset, Value: value, LeaderEpoch: epoch, ProducerID: pid, ProducerEpoch: pepoch, Sequence: seq}
}

// final gives every replica the same log.
func (s *story) final(leader int32, records ...ScanRecord) *story {
	for b := int32(1); b <= 3; b++ {
		s.replica(b, b == leader, records...)
	}
	return s
}

func (s *story) replica(b int32, leader bool, records ...ScanRecord) *story {
	end := int64(0)
	if n := len(records); n > 0 {
		end = records[n-1].Offset + 1
	}
	s.l.AddScan(Scan{Topic: "orders", Broker: b, Leader: leader, LogEnd: end, HighWatermark: end, Records: records})
	return s
}

func (s *story) judge() Verdict { return judge(s.l.History()) }

// judge judges a history that is whole: what it does not hold, nobody could give.
func judge(h *History) Verdict { return Judge(context.Background(), sealed(h), Options{}) }

// judgeDrained is judge of a run whose consumers read to the end.
func judgeDrained(h *History) Verdict {
	sealed(h).Closing.Drained = true
	return Judge(context.Background(), h, Options{})
}

// sealed gives a history the manifest and the end that fit what it holds.
func sealed(h *History) *History {
	m := Manifest{Producers: 1, Consumers: 1, Registers: len(h.Offsets), Probes: len(h.Ends) > 0, Group: len(h.Assignments) > 0, Dressed: len(h.Flaws) > 0, Administrators: len(h.Administrations), Sharers: len(h.Sharings)}
	if m.Sharers > 0 {
		m.Shared = []string{"orders"}
	}
	give := func(f Fact, is bool) {
		if is {
			m.Facts = append(m.Facts, f)
		}
	}
	give(FactStates, len(h.States) > 0)
	give(FactElections, len(h.States) > 0)
	give(FactEpochStarts, len(h.Epochs) > 0)
	give(FactBeginnings, slices.ContainsFunc(h.Epochs, func(s EpochStart) bool { return s.Cache != nil }))
	give(FactWatermarks, len(h.HighWatermarks) > 0)
	whole := len(h.Scans) > 0
	for _, t := range h.Topics {
		for i := range t.Partitions {
			n := int32(0)
			for _, s := range h.Scans {
				if s.Topic == t.Name && s.Partition == i {
					n++
				}
			}
			whole = whole && n >= t.ReplicationFactor
		}
	}
	give(FactReplicas, whole)
	give(FactLive, len(h.Live) > 0)
	h.Manifest = &m
	h.Closing = &End{Counts: h.Counts(), Patience: time.Hour}
	return h
}

// codes of the findings, in order.
func codes(v Verdict) []string {
	all := []string{}
	for _, f := range v.Findings {
		all = append(all, f.Code)
	}
	return all
}

// find returns the first finding with a code.
func find(t *testing.T, v Verdict, code string) Finding {
	for _, f := range v.Findings {
		if f.Code == code {
			return f
		}
	}
	require.FailNow(t, "no finding "+code, "%+v", v)
	return Finding{}
}

func checkNamed(t *testing.T, v Verdict, k check) Check {
	for _, c := range v.Checks {
		if c.Name == k.name {
			return c
		}
	}
	require.FailNow(t, "no check "+k.name)
	return Check{}
}
