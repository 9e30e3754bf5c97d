package program

import (
	"errors"
	"fmt"
	"time"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/linearizability"
	"github.com/weirlab/weir/workloads/client"
)

// Transacting is what programs with transactions have in common.
type Transacting struct {
	// Producer is the settings of the producers; TransactionTimeout among them.
	Producer client.ProducerConfig
	// IDs is how many transactional ids there are: clients beyond take those of
	// others, so that they fence each other. 0: one for each client.
	IDs int
	// Every bounds the pause between two transactions of a client, and Pause how
	// long one in PauseOneIn stops somewhere before its end, as a process does that
	// is paused.
	Every, Pause Bounds
	PauseOneIn   int64
	// AbortOneIn is how many transactions there are to one that is aborted on
	// purpose, DieOneIn to one whose producer ends without a word and is followed by
	// another. 0: none.
	AbortOneIn, DieOneIn int64
}

func (t *Transacting) check(clients int) error {
	if t.IDs == 0 {
		t.IDs = clients
	}
	switch {
	case t.IDs < 0 || t.AbortOneIn < 0 || t.DieOneIn < 0 || t.PauseOneIn < 0:
		return errors.New("counts of transactions must not be negative")
	case t.Every.Min < 0 || t.Every.Max < t.Every.Min || t.Pause.Min < 0 || t.Pause.Max < t.Pause.Min:
		return fmt.Errorf("transactions every %s to %s, with pauses of %s to %s: neither may be negative or end before it begins",
			t.Every.Min, t.Every.Max, t.Pause.Min, t.Pause.Max)
	}
	return nil
}

// names are the transactional ids of so many clients of a kind.
func (t *Transacting) names(kind string, clients int) []string {
	if t.IDs > 0 {
		clients = min(clients, t.IDs)
	}
	var all []string
	for i := range clients {
		all = append(all, transactionalID(kind, i))
	}
	return all
}

func transactionalID(kind string, i int) string { return fmt.Sprintf("%s-%d", kind, i) }

// firstTransactor is the number of the first client whose transactions send
// records: the numbers below are those of producers.
const firstTransactor = maxProducers

// transactor is a client that does one transaction after the other under a
// transactional id, as one producer after the other, and takes everything down.
type transactor struct {
	w       *Workload
	e       env.Env
	c       *client.Client
	how     *Transacting
	rand    *env.Rand
	cfg     client.ProducerConfig
	process int64
	number  int64 // of its values
	sent    int64
	timeout time.Duration // of one try to end a transaction

	p *client.Producer // nil between two

	// Of the transaction under way.
	op      int64
	pauses  time.Duration // for how long it is yet to stop
	tx      linearizability.Transaction
	commits []int64 // operations that commit offsets
	group   client.GroupMetadata
}

func newTransactor(w *Workload, e env.Env, c *client.Client, t *Transacting, rand *env.Rand, kind string, number, process int64, i int) *transactor {
	cfg := t.Producer
	cfg.TransactionalID = transactionalID(kind, i%t.IDs)
	return &transactor{w: w, e: e, c: c, how: t, rand: rand, cfg: cfg, process: process, number: number, timeout: min(2*w.requestTimeout(), 20*time.Second)}
}

// ready sees to it that there is a producer that can begin a transaction. It
// reports false if that does not come to be before the run is over.
func (t *transactor) ready() bool {
	for t.p == nil {
		if t.w.now(t.e) >= t.w.end()+t.w.cfg.Drain {
			return false
		}
		p, err := t.c.NewProducer(t.cfg)
		if err != nil {
			return false // refused before: see check
		}
		tx := linearizability.Transaction{ID: t.cfg.TransactionalID, ProducerID: linearizability.None, Timeout: t.cfg.TransactionTimeout}
		n := t.w.rec.Invoke(linearizability.Op{Time: t.e.Now(), Process: t.process, F: linearizability.InitTransactions, Transaction: &tx})
		err = p.InitTransactions(t.timeout)
		done := linearizability.Op{Time: t.e.Now(), Type: linearizability.OK, Error: reason(err), Transaction: &tx}
		if err == nil {
			tx.ProducerID, tx.ProducerEpoch = p.ProducerID()
			t.p = p
		} else {
			done.Type = linearizability.Info // it may have fenced others
			p.Close(0)
		}
		t.w.rec.Complete(n, done)
		if err != nil {
			t.e.Sleep(t.w.cfg.Client.RetryBackoff + 100*time.Millisecond)
		}
	}
	return true
}

// begin begins a transaction.
func (t *transactor) begin() error {
	if err := t.p.BeginTransaction(); err != nil {
		t.drop()
		return err
	}
	t.tx = linearizability.Transaction{ID: t.cfg.TransactionalID, Timeout: t.cfg.TransactionTimeout}
	t.tx.ProducerID, t.tx.ProducerEpoch = t.p.ProducerID()
	t.commits = t.commits[:0]
	if t.pauses = 0; t.chance(t.how.PauseOneIn) {
		t.pauses = t.how.Pause.draw(t.rand)
	}
	invoked := t.tx
	t.op = t.w.rec.Invoke(linearizability.Op{Time: t.e.Now(), Process: t.process, F: linearizability.Transact, Transaction: &invoked})
	return nil
}

// send sends a record within the transaction and returns its value, which says
// what it moves or what it is made from.
func (t *transactor) send(topic string, partition int32, amount, of int64, size int) {
	value := (firstTransactor+t.number)<<valueBits | t.sent
	t.sent++
	t.tx.Writes = append(t.tx.Writes, linearizability.Write{Value: value, Amount: amount, Of: of})
	w := t.w
	started := t.e.Now()
	n := w.rec.Invoke(linearizability.Op{
		Time: started, Process: t.process, F: linearizability.Send, Topic: topic, Partition: partition, Value: value,
		Offset: linearizability.None, Acks: int16(client.AcksAll), Broker: linearizability.None,
		LeaderEpoch: linearizability.None, Idempotent: true, ProducerID: linearizability.None, Sequence: linearizability.None,
	})
	w.sent.Add(1)
	w.meter.Offered(1)
	rec := &client.Record{Topic: topic, Partition: partition, Value: linearizability.AppendPayload(nil, value, size)}
	t.p.Produce(rec, func(_ *client.Record, res client.Result) {
		now := t.e.Now()
		w.rec.Complete(n, result(&res, now, nil))
		switch res.Outcome {
		case client.OutcomeOK:
			w.acked.Add(1)
		case client.OutcomeFail:
			w.failed.Add(1)
		default:
			w.unknown.Add(1)
		}
		w.meter.Produced(started-w.origin, started-w.origin, now-w.origin, size, res.Outcome)
	})
}

// sendOffsets makes offsets of a group part of the transaction. of is the process
// that a partition's offsets are taken down under.
func (t *transactor) sendOffsets(offsets []client.OffsetCommit, group client.GroupMetadata, of func(partition int32) int64) error {
	t.group = group
	for _, o := range offsets {
		t.commits = append(t.commits, t.w.rec.Invoke(linearizability.Op{
			Time: t.e.Now(), Process: of(o.Partition), F: linearizability.Commit, Group: group.Group, Topic: o.Topic, Partition: o.Partition,
			Offset: o.Offset, Broker: linearizability.None, LeaderEpoch: linearizability.None,
		}))
	}
	return t.p.SendOffsets(offsets, group, t.timeout)
}

// commit ends the transaction as committed if that can be, and reports whether it is.
func (t *transactor) commit() bool {
	t.tx.Commit, t.tx.Asked = true, t.e.Now()
	deadline := t.w.end() + t.w.cfg.Drain
	res := t.p.CommitTransaction(t.timeout)
	for res.Outcome == client.OutcomeInfo && !errors.Is(res.Err, client.ErrFatal) && t.w.now(t.e) < deadline {
		res = t.p.CommitTransaction(t.timeout)
	}
	t.over(ended(res.Outcome), res.Err)
	switch {
	case res.Ended:
		return true
	case res.Outcome == client.OutcomeFail && !errors.Is(res.Err, client.ErrFatal):
		t.undo()
	default:
		t.drop()
	}
	return false
}

// abort ends the transaction as aborted.
func (t *transactor) abort() {
	t.tx.Asked = t.e.Now()
	t.undo()
	t.over(linearizability.Fail, client.ErrAborted)
}

// undo has the coordinator abort, or else leaves that to the next producer.
func (t *transactor) undo() {
	if res := t.p.AbortTransaction(t.timeout); !res.Ended {
		t.drop()
	}
}

// die leaves the transaction as it is, without a word to anybody.
func (t *transactor) die() {
	t.drop()
	t.over(linearizability.Fail, client.ErrClosed)
}

// drop ends the producer.
func (t *transactor) drop() {
	t.p.Close(0)
	t.p = nil
}

// over takes down the end of the transaction, and of the commits of offsets in it.
func (t *transactor) over(how linearizability.Type, err error) {
	tx := t.tx
	now := t.e.Now()
	for _, n := range t.commits {
		t.w.rec.Complete(n, linearizability.Op{
			Time: now, Type: how, Session: int64(max(0, t.group.Generation)), Broker: linearizability.None,
			LeaderEpoch: linearizability.None, Error: reason(err),
		})
	}
	t.w.rec.Complete(t.op, linearizability.Op{Time: now, Type: how, Error: reason(err), Transaction: &tx})
}

func (t *transactor) chance(oneIn int64) bool { return oneIn > 0 && t.rand.Chance(1, oneIn) }

// stop stops for as long as the transaction is yet to, if it is to.
func (t *transactor) stop() {
	if t.pauses > 0 && !t.w.over(t.e) {
		t.e.Sleep(t.pauses)
	}
	t.pauses = 0
}

// stopHere stops in the midst of the transaction, if it is to stop and chance has it
// that it is here.
func (t *transactor) stopHere() {
	if t.pauses > 0 && t.rand.Chance(1, 3) {
		t.stop()
	}
}

// end commits, or does what chance has in store for the transaction. It reports
// whether the transaction is committed.
func (t *transactor) end() bool {
	abort, die := t.chance(t.how.AbortOneIn), t.chance(t.how.DieOneIn)
	t.stop()
	switch {
	case die && !t.w.over(t.e):
		t.die()
	case abort:
		t.abort()
	default:
		return t.commit()
	}
	return false
}
