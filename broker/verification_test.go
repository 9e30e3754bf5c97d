package broker_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/storage"
)

// txnProducer is a transactional producer that does what a test wants, in any
// order, and not what a client would.
type txnProducer struct {
	w     *world
	id    string
	pid   int64
	epoch int16
	seq   map[string]int32
}

// ask sends a request to the coordinator, until one answers for the id.
func (p *txnProducer) ask(req kmsg.Request, version int16) (resp kmsg.Response) {
	p.w.until("a coordinator of "+p.id, func() bool {
		id := p.w.transactionCoordinator(p.id)
		if id < 0 {
			return false
		}
		resp = p.w.ask(id, req, version)
		switch r := resp.(type) {
		case *kmsg.InitProducerIDResponse:
			return r.ErrorCode == 0
		case *kmsg.EndTxnResponse: // asked again after a time-out, it finds that it is being done
			return r.ErrorCode == 0 || r.ErrorCode == kerr.ConcurrentTransactions.Code
		}
		return true
	})
	return resp
}

// transactionCoordinator is the broker that a living one names, -1 for none.
func (w *world) transactionCoordinator(id string) int {
	at := slices.IndexFunc(w.nodes, func(s *simNode) bool { return s.b != nil })
	found := w.ask(at+1, &kmsg.FindCoordinatorRequest{CoordinatorType: 1, CoordinatorKey: id}, 2).(*kmsg.FindCoordinatorResponse)
	if found.ErrorCode != 0 {
		return -1
	}
	return int(found.NodeID)
}

// newTxnProducer gets an id, and an epoch of its own.
func (w *world) newTxnProducer(id string) *txnProducer {
	p := &txnProducer{w: w, id: id, seq: map[string]int32{}}
	got := p.ask(&kmsg.InitProducerIDRequest{TransactionalID: &id, TransactionTimeoutMillis: 600_000, ProducerID: -1, ProducerEpoch: -1}, 4).(*kmsg.InitProducerIDResponse)
	p.pid, p.epoch = got.ProducerID, got.ProducerEpoch
	return p
}

// add adds a topic's partition to the transaction.
func (p *txnProducer) add(topic string) int16 {
	return p.ask(&kmsg.AddPartitionsToTxnRequest{TransactionalID: p.id, ProducerID: p.pid, ProducerEpoch: p.epoch,
		Topics: []kmsg.AddPartitionsToTxnRequestTopic{{Topic: topic, Partitions: []int32{0}}}}, 3).(*kmsg.AddPartitionsToTxnResponse).Topics[0].Partitions[0].ErrorCode
}

// end ends the transaction; from version 5 on with a new epoch.
func (p *txnProducer) end(commit bool, version int16) {
	p.ask(&kmsg.EndTxnRequest{TransactionalID: p.id, ProducerID: p.pid, ProducerEpoch: p.epoch, Commit: commit}, version)
	if version >= 5 {
		p.epoch, p.seq = p.epoch+1, map[string]int32{}
	}
}

// batch is the next batch for a topic.
func (p *txnProducer) batch(topic string) []byte {
	o := storage.NoProducer()
	o.ProducerID, o.ProducerEpoch, o.BaseSequence, o.Transactional = p.pid, p.epoch, p.seq[topic], true
	p.seq[topic]++
	return storage.BuildBatch(nil, o, []storage.Record{{TimestampMillis: p.w.e.Wall().UnixMilli(), Value: []byte("v")}})
}

func (p *txnProducer) send(topic string, batch []byte, version int16) int16 {
	req := &kmsg.ProduceRequest{TransactionID: &p.id, Acks: 1, TimeoutMillis: 5000, Topics: []kmsg.ProduceRequestTopic{{Topic: topic,
		Partitions: []kmsg.ProduceRequestTopicPartition{{Records: append([]byte(nil), batch...)}}}}}
	return p.w.ask(p.w.leader(topic), req, version).(*kmsg.ProduceResponse).Topics[0].Partitions[0].ErrorCode
}

func (p *txnProducer) write(topic string, version int16) int16 {
	return p.send(topic, p.batch(topic), version)
}

// stable and high are how far readers of a topic may read, of committed records
// and of all.
func (w *world) stable(topic string) (stable, high int64) {
	for _, r := range w.nodes[w.leader(topic)-1].b.View().Replicas {
		if r.TP.Topic == topic {
			stable, high = r.LastStableOffset, r.HighWatermark
		}
	}
	return stable, high
}

// Records of a transaction are taken once the partition belongs to it, and the
// error is one that the version's clients know.
func TestProduceAsksTheCoordinator(t *testing.T) {
	w := newWorld(t, 1, nil)
	w.run(func() {
		w.ready()
		must(w.tryCreate("t", 1, nil))
		p := w.newTxnProducer("x")
		late := p.batch("t")
		require.Equal(t, kerr.InvalidTxnState.Code, p.send("t", late, 9))
		require.Equal(t, kerr.TransactionAbortable.Code, p.send("t", late, 11))
		require.Zero(t, p.add("t"))
		require.Zero(t, p.send("t", late, 11))
		require.Zero(t, p.send("t", late, 11), "sent again")
		require.Zero(t, p.write("t", 9))
		stable, high := w.stable("t")
		require.Equal(t, []int64{0, 2}, []int64{stable, high})

		o := storage.NoProducer()
		o.ProducerID, o.ProducerEpoch, o.BaseSequence = p.pid, p.epoch, 2
		require.Equal(t, kerr.InvalidTxnState.Code, p.send("t", storage.BuildBatch(nil, o, []storage.Record{{Value: []byte("v")}}), 9), "outside of the transaction")
		fenced := *p
		again := w.newTxnProducer("x") // which aborts
		require.Equal(t, kerr.InvalidProducerEpoch.Code, fenced.write("t", 9))
		w.until("the abort", func() bool { stable, high = w.stable("t"); return stable == high && high == 3 })
		require.Zero(t, again.add("t"))
		require.Zero(t, again.write("t", 9))
	})
}

// A request of transactional records names its transaction, and one producer.
func TestProduceOfNoTransaction(t *testing.T) {
	w := newWorld(t, 1, nil)
	w.run(func() {
		w.ready()
		must(w.tryCreate("t", 1, nil))
		must(w.tryCreate("u", 1, nil))
		p, q := w.newTxnProducer("x"), w.newTxnProducer("y")
		req := &kmsg.ProduceRequest{Acks: -1, TimeoutMillis: 5000, Topics: []kmsg.ProduceRequestTopic{
			{Topic: "t", Partitions: []kmsg.ProduceRequestTopicPartition{{Records: p.batch("t")}}},
			{Topic: "u", Partitions: []kmsg.ProduceRequestTopicPartition{{Records: q.batch("u")}}}}}
		for id, want := range map[string]int16{"": kerr.TransactionalIDAuthorizationFailed.Code, "x": kerr.InvalidProducerIDMapping.Code} {
			if req.TransactionID = nil; id != "" {
				req.TransactionID = &id
			}
			for _, topic := range w.ask(1, req, 11).(*kmsg.ProduceResponse).Topics {
				require.Equal(t, want, topic.Partitions[0].ErrorCode)
			}
		}
	})
}

// Records that come after their transaction's end begin none that nobody would
// end (KIP-890, KAFKA-14402).
func TestLateRecordsBeginNoTransaction(t *testing.T) {
	w := newWorld(t, 1, nil)
	w.run(func() {
		w.ready()
		must(w.tryCreate("t", 1, nil))
		for _, commit := range []bool{true, false} {
			p := w.newTxnProducer("x")
			require.Zero(t, p.add("t"))
			require.Zero(t, p.write("t", 11))
			late := p.batch("t")
			p.end(commit, 4)
			w.until("the end of the transaction", func() bool { stable, high := w.stable("t"); return stable == high })
			require.NotZero(t, p.send("t", late, 11))
			stable, high := w.stable("t")
			require.Equal(t, high, stable, "no transaction is open")

			p = w.newTxnProducer("y")
			require.Zero(t, p.write("t", 12))
			late = p.batch("t")
			p.end(commit, 5)
			w.until("the end of the transaction", func() bool { stable, high := w.stable("t"); return stable == high })
			require.Equal(t, kerr.InvalidProducerEpoch.Code, p.send("t", late, 12))
			stable, high = w.stable("t")
			require.Equal(t, high, stable, "no transaction is open")
		}
	})
}

// With transaction.version 2 one transaction follows the other without a pause,
// while the markers of the one before are under way.
func TestTransactionsInARow(t *testing.T) {
	w := newWorld(t, 3, nil)
	w.run(func() {
		w.ready()
		must(w.tryCreate("t", 3, nil))
		p := w.newTxnProducer("x")
		began := w.e.Now()
		for i := range 30 {
			for code := int16(-1); code != 0; {
				if code = p.send("t", p.batch("t"), 12); code != 0 {
					require.Contains(t, []int16{kerr.ConcurrentTransactions.Code, kerr.NotEnoughReplicas.Code}, code, "transaction %d", i)
					p.seq["t"]--
				}
			}
			p.end(i%3 != 0, 5)
		}
		require.Less(t, w.e.Now()-began, 10*time.Second)
		w.until("all ends", func() bool { stable, high := w.stable("t"); return stable == high && high == 60 })
	})
}

// concurrent makes a transaction that cannot end, as a partition of it has too few
// replicas in sync for the marker, and returns how long its producer's next Produce
// takes.
func (w *world) concurrent(topic string) time.Duration {
	w.ready()
	must(w.tryCreate(topic, 3, map[string]string{"min.insync.replicas": "3"}))
	p := w.newTxnProducer(topic)
	must(kerr.ErrorForCode(p.write(topic, 12)))
	leader, coordinator := w.leader(topic), w.transactionCoordinator(p.id)
	for id := range 4 {
		if id > 0 && id != leader && id != coordinator {
			w.nodes[id-1].node.Crash()
			break
		}
	}
	w.until("a small ISR", func() bool { return len(w.partition(topic).ISR) < 3 })
	p.end(true, 5)
	began := w.e.Now()
	if code := p.write(topic, 12); code != kerr.ConcurrentTransactions.Code {
		must(kerr.ErrorForCode(code))
		panic("the transaction before has ended")
	}
	return w.e.Now() - began
}
