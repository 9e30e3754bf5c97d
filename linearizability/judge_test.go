package linearizability

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// clean is a run in which all is well.
func clean(t *testing.T) *story {
	return newStory(t, elr).state(0, 1, 1, all3).start(1, 0).
		acked(5, 0, -1, 1, 1).acked(10, 1, -1, 1, 1).acked(15, 2, -1, 1, 1).
		poll(9, 1, 12, 0, 0, 5, 1, 10).poll(9, 1, 20, 2, 2, 15)
}

func cleanLog() []ScanRecord { return []ScanRecord{rec(0, 5, 1), rec(1, 10, 1), rec(2, 15, 1)} }

func TestCleanRunPasses(t *testing.T) {
	s := clean(t)
	n := s.l.Invoke(Op{Time: 21 * second, F: ListOffsets, Topic: "orders"})
	s.l.Complete(n, Op{Time: 22 * second, Type: OK, Offset: 3})
	n = s.l.Invoke(Op{Time: 23 * second, F: Commit, Group: "g", Topic: "orders", Offset: 3})
	s.l.Complete(n, Op{Time: 24 * second, Type: OK})
	s.l.AddHighWatermark(HighWatermark{Topic: "orders", Offset: 3, Time: 11 * second})
	v := judgeDrained(s.final(1, cleanLog()...).l.History())
	require.Equal(t, Pass, v.Status)
	require.Empty(t, v.Findings)
	require.Empty(t, v.Excused)
	for i, k := range v.Checks {
		if all := checks(); i < len(all) && all[i].needs&(ofTransactions|ofShares) != 0 || k.Name == checkOwnership.name || k.Name == checkFencing.name || k.Name == checkAdministration.name || k.Name == checkDress.name || k.Name == checkCompaction.name {
			require.Equal(t, Skipped, k.Status, k.Name)
			continue
		}
		require.Equal(t, Pass, k.Status, k.Name)
		if k.Name != checkSequence.name && k.Name != checkFIFO.name && k.Name != checkHonesty.name && k.Name != checkRefusals.name {
			require.Positive(t, k.Inputs, k.Name)
		}
	}
}

func TestWithoutFinalScanNothingIsClaimed(t *testing.T) {
	v := clean(t).judge()
	k := checkNamed(t, v, checkSurvival)
	require.Equal(t, Unknown, v.Status)
	require.Equal(t, Unknown, k.Status)
	require.Equal(t, "the history holds no final log of orders-0", k.Note)
}

// Every check finds what was planted for it.
func TestPlantedViolations(t *testing.T) {
	for _, c := range []struct {
		name string
		plan func(s *story) *story
		code string
		says string
	}{
		{"K1 two readers disagree", func(s *story) *story {
			return s.poll(8, 1, 21, 0, 0, 5, 1, 15).final(1, cleanLog()...)
		}, "K1", "offset 1 of orders-0 is two records: value 10 (acknowledged to client 7 at 10.500 s) and value 15 (read by client 8 at 21.500 s)"},
		{"K1 nobody sent it", func(s *story) *story {
			return s.final(1, append(cleanLog(), rec(3, 99, 1))...)
		}, "K1", "offset 3 of orders-0, in the final log of broker 1, holds value 99, which nobody sent"},
		{"K1 corrupted", func(s *story) *story {
			return s.poll(8, 1, 21, 2, 2, None).final(1, cleanLog()...)
		}, "K1", "offset 2 of orders-0, read by client 8 at 21.500 s, holds bytes that no producer wrote"},
		{"K1 sent elsewhere", func(s *story) *story {
			s.l.h.Topics[0].Partitions = 2
			s.l.AddPartitionState(PartitionState{Topic: "orders", Partition: 1, Leader: 1, LeaderEpoch: 1, ISR: all3})
			for b := range int32(3) {
				s.l.AddScan(Scan{Topic: "orders", Partition: 1, Broker: b + 1, Leader: b == 0})
			}
			n := s.l.Invoke(Op{F: Send, Topic: "orders", Partition: 1, Value: 77, Acks: 0})
			s.l.Complete(n, Op{Type: OK, Offset: None})
			return s.final(1, append(cleanLog(), rec(3, 77, 1))...)
		}, "K1", "holds value 77, which was sent to orders-1"},
		{"K1 offsets of a log go up", func(s *story) *story {
			return s.final(1, append(cleanLog(), rec(2, 15, 1))...)
		}, "K1", "offset 2 of orders-0 follows offset 2"},
		{"K2 acknowledged and gone", func(s *story) *story {
			return s.final(1, cleanLog()[:2]...)
		}, "K2", "offset 2 of orders-0 was acknowledged to client 7 with acks=all at 15.500 s and is absent from the log after leader epoch 1"},
		{"K2 acknowledged as a duplicate and nowhere", func(s *story) *story {
			return s.acked(16, None, -1, 1, 1).final(1, cleanLog()...)
		}, "K2", "value 16 was acknowledged to client 7 with acks=all at 16.500 s and is absent from orders-0"},
		{"K2 below a log start that nothing may move", func(s *story) *story {
			s.l.AddScan(Scan{Topic: "orders", Broker: 1, Leader: true, LogStart: 2, LogEnd: 3, HighWatermark: 3, Records: cleanLog()[2:]})
			return s
		}, "K2", "offset 0 of orders-0"},
		{"K3 idempotent and twice in the log", func(s *story) *story {
			return s.send(Op{Process: 7, Value: 30, Acks: -1, Idempotent: true}, 30, Op{Type: OK, Offset: 3, ProducerID: 4, Attempts: 3}).
				final(1, append(cleanLog(), idem(3, 30, 1, 4, 0, 0), idem(4, 30, 1, 4, 0, 1))...)
		}, "K3", "value 30 of orders-0 is in the log twice, at offsets 3 and 4"},
		{"K3 one attempt and twice in the log", func(s *story) *story {
			return s.final(1, append(cleanLog(), rec(3, 15, 1))...)
		}, "K3", "value 15 of orders-0 is in the log twice, at offsets 2 and 3"},
		{"K4 a gap in the sequence", func(s *story) *story {
			return s.send(Op{Value: 30, Acks: -1}, 30, Op{Type: OK, Offset: 3, ProducerID: 4}).
				send(Op{Value: 31, Acks: -1}, 31, Op{Type: OK, Offset: 4, ProducerID: 4}).
				final(1, append(cleanLog(), idem(3, 30, 1, 4, 0, 0), idem(4, 31, 1, 4, 0, 2))...)
		}, "K4", "in orders-0, producer 4 epoch 0 goes from sequence 0 at offset 3 to sequence 2 at offset 4"},
		{"K4 a producer's records change places", func(s *story) *story {
			return s.send(Op{Process: 6, Value: 30}, 30, Op{Type: Info}).send(Op{Process: 6, Value: 31}, 31, Op{Type: Info}).
				final(1, append(cleanLog(), idem(3, 31, 1, 4, 0, 0), idem(4, 30, 1, 4, 0, 1))...)
		}, "K4", "client 6 sent value 30 to orders-0 at 30.000 s, before value 31 at 31.000 s, yet it stands behind it: offset 4 after 3"},
		{"K5 refused and there", func(s *story) *story {
			return s.send(Op{Process: 6, Value: 30}, 30, Op{Type: Fail, Error: "NOT_ENOUGH_REPLICAS"}).
				final(1, append(cleanLog(), rec(3, 30, 1))...)
		}, "K5", "client 6 was told NOT_ENOUGH_REPLICAS for value 30 of orders-0 at 30.500 s, which promises that nothing was appended, yet it is in the final log of broker 1 at offset 3"},
		{"K5 refused and read", func(s *story) *story {
			return s.send(Op{Process: 6, Value: 30}, 30, Op{Type: Fail, Error: "MESSAGE_TOO_LARGE"}).
				poll(8, 1, 40, 2, 2, 15, 3, 30).final(1, cleanLog()...)
		}, "K5", "yet it is what client 8 read at offset 3"},
		{"K5 above every high watermark", func(s *story) *story {
			s.l.AddHighWatermark(HighWatermark{Topic: "orders", Offset: 1, Time: 6 * second})
			s.l.AddHighWatermark(HighWatermark{Topic: "orders", Offset: 3, Time: 13 * second})
			return s.final(1, cleanLog()...)
		}, "K5", "offset 1 of orders-0 was read by client 9 at 12.500 s, when no leader's high watermark had passed 1"},
		{"K7 skip", func(s *story) *story {
			return s.poll(8, 1, 21, 0, 0, 5).poll(8, 1, 22, 1, 2, 15).final(1, cleanLog()...)
		}, "K7", "client 8 was to read orders-0 from offset 1 and was given offset 2 at 22.500 s: offset 1 (value 10), which is in the log, was skipped"},
		{"K7 skip from the position", func(s *story) *story {
			return s.poll(8, 1, 21, 0, 1, 10).final(1, cleanLog()...)
		}, "K7", "was to read orders-0 from offset 0 and was given offset 1"},
		{"K7 skip within one answer", func(s *story) *story {
			return s.poll(8, 1, 21, 0, 0, 5, 2, 15).final(1, cleanLog()...)
		}, "K7", "offset 1 (value 10), which is in the log, was skipped"},
		{"K7 rewind", func(s *story) *story {
			return s.poll(8, 1, 21, 0, 0, 5, 1, 10).poll(8, 1, 22, 1, 1, 10).final(1, cleanLog()...)
		}, "K7", "client 8 had read offset 1 of orders-0 and was given offset 1 again at 22.500 s, without a seek"},
		{"K7 below the position", func(s *story) *story {
			return s.poll(8, 1, 21, 1, 0, 5).final(1, cleanLog()...)
		}, "K7", "client 8 asked for offset 1 of orders-0 and was given offset 0, at 21.500 s"},
		{"LIN a later record stands before an acknowledged one", func(s *story) *story {
			return s.acked(40, 3, -1, 1, 1).acked(50, 4, -1, 1, 1).
				final(1, append(cleanLog(), rec(3, 50, 1), rec(4, 40, 1))...)
		}, "LIN", "the record at offset 4 of orders-0 (value 40 of client 7) was acknowledged at 40.500 s, before the record at the lower offset 3 (value 50 of client 7) was sent at 50.000 s"},
		{"LIN read before it was sent", func(s *story) *story {
			return s.poll(8, 1, 14, 2, 2, 15).final(1, cleanLog()...)
		}, "LIN", "client 8 read offset 2 at 14.500 s, before the record at offset 2 of orders-0 (value 15 of client 7) was sent at 15.000 s"},
		{"LIN a log end behind an acknowledgement, in a calm run", func(s *story) *story {
			n := s.l.Invoke(Op{Time: 30 * second, Process: 3, F: ListOffsets, Topic: "orders"})
			s.l.Complete(n, Op{Time: 31 * second, Type: OK, Offset: 2})
			return s.final(1, cleanLog()...)
		}, "LIN", "the record at offset 2 of orders-0 (value 15 of client 7) was acknowledged at 15.500 s, but later, at 30.000 s, client 3 was told that the log ends at offset 2"},
		{"K8 a committed offset goes back by itself", func(s *story) *story {
			commitAndFetch(s)
			return s.final(1, cleanLog()...)
		}, "K8", "client 4 was told at 35.000 s that group g had committed offset 1 for orders-0, which no order of the commits explains"},
		{"K10 acknowledged and never read", func(s *story) *story {
			return s.acked(40, 3, -1, 1, 1).final(1, append(cleanLog(), rec(3, 40, 1))...)
		}, "K10", "offset 3 of orders-0 was acknowledged at 40.500 s and is in the log, but no consumer was ever given it"},
		{"K11 replicas hold different records", func(s *story) *story {
			return s.replica(1, true, cleanLog()...).replica(2, false, cleanLog()...).
				replica(3, false, rec(0, 5, 1), rec(1, 11, 1), rec(2, 15, 1))
		}, "K11", "replicas of orders-0 differ from offset 1 on: broker 1 holds value 10 of leader epoch 1 at offset 1, broker 3 holds value 11 of leader epoch 1 at offset 1"},
		{"K11 same record, other epoch", func(s *story) *story {
			return s.replica(1, true, cleanLog()...).replica(2, false, rec(0, 5, 1), rec(1, 10, 1), rec(2, 15, 2)).replica(3, false, cleanLog()...)
		}, "K11", "differ from offset 2 on"},
		{"K11 a replica stays behind", func(s *story) *story {
			return s.replica(1, true, cleanLog()...).replica(2, false, cleanLog()[:2]...).replica(3, false, cleanLog()...)
		}, "K11", "replicas of orders-0 did not converge: the log ends at offset 3 on broker 1 and at 2 on broker 2"},
		{"K11 leader epochs fall", func(s *story) *story {
			return s.final(1, rec(0, 5, 2), rec(1, 10, 1), rec(2, 15, 2))
		}, "K11", "on broker 1 the leader epoch of orders-0 falls from 2 to 1 at offset 1"},
	} {
		for _, r := range recordings {
			t.Run(c.name+", recorded "+r.String(), func(t *testing.T) {
				v := judgeDrained(recordedAs(t, r, c.plan(clean(t)).l.History()))
				require.Equal(t, Failed, v.Status)
				var all []string
				for _, f := range v.Findings {
					if f.Code == c.code {
						all = append(all, f.Sentence)
					}
				}
				require.NotEmpty(t, all, "%v", v.Findings)
				require.Contains(t, strings.Join(all, "\n"), c.says)
			})
		}
	}
}

// commitAndFetch commits 1 and 2 and fetches them, and then 1 again.
func commitAndFetch(s *story) {
	at := 26 * second
	for _, o := range []struct {
		f      Function
		offset int64
	}{{Commit, 1}, {FetchOffset, 1}, {Commit, 2}, {FetchOffset, 2}, {FetchOffset, 1}} {
		n := s.l.Invoke(Op{Time: at, Process: 4, F: o.f, Group: "g", Topic: "orders", Offset: o.offset})
		s.l.Complete(n, Op{Time: at + second, Type: OK, Offset: o.offset})
		at += 2 * second
	}
}

// Things that look wrong and are not.
func TestNoFalseAlarms(t *testing.T) {
	for name, plan := range map[string]func(s *story) *story{
		"an unknown send that took effect": func(s *story) *story {
			return s.send(Op{Value: 30, Acks: -1}, 30, Op{Type: Info, Error: "REQUEST_TIMED_OUT"}).final(1, append(cleanLog(), rec(3, 30, 1))...)
		},
		"an unknown send that did not": func(s *story) *story {
			return s.send(Op{Value: 30, Acks: -1}, 30, Op{Type: Info, Error: "REQUEST_TIMED_OUT"}).final(1, cleanLog()...)
		},
		"an unknown send that takes effect much later": func(s *story) *story {
			return s.send(Op{Value: 30, Acks: -1}, 2, Op{Type: Info, Error: "disconnected"}).final(1, append(cleanLog(), rec(3, 30, 1))...)
		},
		"a refused send that is nowhere": func(s *story) *story {
			return s.send(Op{Value: 30, Acks: -1}, 30, Op{Type: Fail, Error: "NOT_ENOUGH_REPLICAS"}).final(1, cleanLog()...)
		},
		"reading again after a seek": func(s *story) *story {
			return s.poll(9, 2, 25, 0, 0, 5).final(1, cleanLog()...)
		},
		"reading from the middle": func(s *story) *story {
			return s.poll(8, 1, 25, 1, 1, 10, 2, 15).final(1, cleanLog()...)
		},
		"a stale log end while there are faults": func(s *story) *story {
			n := s.l.Invoke(Op{Time: 30 * second, Process: 3, F: ListOffsets, Topic: "orders"})
			s.l.Complete(n, Op{Time: 31 * second, Type: OK, Offset: 2})
			return s.fault(Partition, 20, false, 1).final(1, cleanLog()...)
		},
		"a producer whose sequence wraps": func(s *story) *story {
			return s.send(Op{Value: 30}, 30, Op{Type: Info}).send(Op{Value: 31}, 31, Op{Type: Info}).
				final(1, append(cleanLog(), idem(3, 30, 1, 4, 0, 1<<31-1), idem(4, 31, 1, 4, 0, 0))...)
		},
		"a producer id whose early records are gone": func(s *story) *story {
			return s.send(Op{Value: 30}, 30, Op{Type: Info}).final(1, append(cleanLog(), idem(3, 30, 1, 4, 0, 17))...)
		},
		"a new producer epoch starts its sequence anew": func(s *story) *story {
			return s.send(Op{Value: 30}, 30, Op{Type: Info}).send(Op{Value: 31}, 31, Op{Type: Info}).
				final(1, append(cleanLog(), idem(3, 30, 1, 4, 0, 5), idem(4, 31, 1, 4, 1, 0))...)
		},
		"records deleted by retention": func(s *story) *story {
			s.l.h.Topics[0].Deletes = true
			s.l.AddScan(Scan{Topic: "orders", Broker: 1, Leader: true, LogStart: 2, LogEnd: 3, HighWatermark: 3, Records: cleanLog()[2:]})
			s.l.AddScan(Scan{Topic: "orders", Broker: 3, LogStart: 2, LogEnd: 3, HighWatermark: 3, Records: cleanLog()[2:]})
			s.l.AddScan(Scan{Topic: "orders", Broker: 2, LogStart: 1, LogEnd: 3, HighWatermark: 3, Records: cleanLog()[1:]})
			return s
		},
		"acks=0 answered before the record is in": func(s *story) *story {
			return s.acked(3, None, 0, 1, 1).final(1, append(cleanLog(), rec(3, 3, 1))...)
		},
	} {
		for _, r := range recordings {
			t.Run(name+", recorded "+r.String(), func(t *testing.T) {
				v := judge(recordedAs(t, r, plan(clean(t)).l.History()))
				require.Empty(t, v.Findings)
				require.Equal(t, Pass, v.Status)
			})
		}
	}
}

func TestDuplicatesThatAProducerMadeItself(t *testing.T) {
	s := clean(t).send(Op{Process: 7, Value: 30, Acks: -1}, 30, Op{Type: OK, Offset: 3, Broker: 1, Attempts: 2}).
		send(Op{Process: 7, Value: 31, Acks: -1, Idempotent: true}, 31, Op{Type: OK, Offset: 6, Broker: 1, ProducerID: 4, ProducerEpoch: 1, Attempts: 2}).
		final(1, append(cleanLog(), rec(3, 30, 1), rec(4, 30, 1), idem(5, 31, 1, 4, 0, 0), idem(6, 31, 1, 4, 1, 0))...)
	v := s.judge()
	require.Empty(t, v.Findings)
	require.Len(t, v.Excused, 2)
	require.Equal(t, "the producer is not idempotent and sent the record more than once", v.Excused[0].Reason)
	require.Contains(t, v.Excused[1].Reason, "began a new epoch")
}

func TestFindingsOfOneKindAreGrouped(t *testing.T) {
	s := newStory(t, elr).state(0, 1, 1, all3)
	for i := range 40 {
		s.acked(5+i, int64(i), -1, 1, 1)
	}
	v := s.final(1, rec(0, 5, 1)).judge()
	require.Len(t, v.Findings, 1)
	require.EqualValues(t, 39, v.Findings[0].Count)
	require.Len(t, v.Findings[0].Evidence, 12)
	require.EqualValues(t, 39, checkNamed(t, v, checkSurvival).Findings)
}

func TestCutShortIsUnknown(t *testing.T) {
	s := clean(t).final(1, cleanLog()...)
	s.l.h.CutShort = "line 12 is incomplete"
	v := s.judge()
	require.Equal(t, Unknown, v.Status)
	require.Equal(t, "the history is cut short: line 12 is incomplete", checkNamed(t, v, checkWhole).Note)

	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	require.Equal(t, Unknown, Judge(ctx, clean(t).final(1, cleanLog()...).l.History(), Options{}).Status)
}

func TestMergeTakesTheWorse(t *testing.T) {
	for _, c := range []struct{ a, b, want Status }{
		{Pass, Pass, Pass}, {Pass, Unknown, Unknown}, {Unknown, Failed, Failed}, {Failed, Pass, Failed},
	} {
		v := Verdict{Status: c.a, Checks: []Check{{}}}
		v.Merge(Verdict{Status: c.b, Checks: []Check{{}}, Findings: []Finding{{}}})
		require.Equal(t, c.want, v.Status)
		require.Len(t, v.Checks, 2)
		require.Len(t, v.Findings, 1)
	}
}
