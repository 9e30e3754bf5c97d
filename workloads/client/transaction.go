package client

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
)

// Errors of transactions.
var (
	// ErrAborted: a record was given up because its transaction was aborted
	// before it was sent.
	ErrAborted = errors.New("transaction aborted")

	// ErrNotReady: the producer was asked for what its state does not allow, such
	// as a record outside of a transaction.
	ErrNotReady = errors.New("not possible in this state of the producer")

	// ErrFatal wraps what ends a transactional producer for good: it has been
	// fenced, or may not use its transactional id. A new producer with the same id
	// may go on.
	ErrFatal = errors.New("the producer can do no more transactions")
)

// TransactionResult is what is known of the end of a transaction.
type TransactionResult struct {
	// Outcome of CommitTransaction: OK if the transaction is committed (readers
	// may see it a little later, for the coordinator answers before it has written
	// the markers), fail if it is not and never will be, info if nobody knows. Of
	// AbortTransaction: OK if it is aborted, else info: but never committed.
	Outcome Outcome
	Err     error
	// Ended says that the producer is ready for the next transaction.
	Ended bool
}

// transactionState is where a transactional producer is.
type transactionState int8

const (
	uninitialized transactionState = iota
	initialized                    // between transactions
	inTransaction
	ending     // CommitTransaction or AbortTransaction is at work
	unresolved // a commit was asked for and its fate is not known
)

// transactions is a producer's side of its transactional id. The producer's lock
// guards it.
type transactions struct {
	p  *Producer
	id string

	state      transactionState
	producerID int64
	epoch      int16
	// implicit says that partitions join by being written to and that each
	// transaction has an epoch of its own (transaction.version 2, KIP-890).
	implicit bool

	joined   map[TopicPartition]bool // partitions of the transaction
	started  bool                    // the coordinator may know of it
	asked    int                     // attempts to commit whose effect is unknown
	aborting bool
	// gap says that sequence numbers were used up for nothing, so that a new
	// epoch must begin before the next transaction.
	gap bool
	// lost says that the coordinator knows the producer no more: there is nothing
	// to end, and whether it may go on is for InitProducerId to say.
	lost  bool
	err   error // why the transaction can only be aborted, or nothing be done any more
	fatal bool
}

func newTransactions(p *Producer, id string) *transactions {
	return &transactions{p: p, id: id, producerID: -1, joined: map[TopicPartition]bool{}}
}

// InitTransactions gets the producer its id and epoch. It fences every producer
// with the same transactional id that did so before, and waits until what that
// left open is aborted or what it had committed is complete. It comes first, and
// retries until timeout.
func (p *Producer) InitTransactions(timeout time.Duration) error {
	t, unlock, err := p.transactional(uninitialized)
	if err != nil {
		return err
	}
	unlock()
	id, epoch, err := t.initProducerID(timeout, -1, -1)
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil {
		return err
	}
	t.producerID, t.epoch, t.state = id, epoch, initialized
	return nil
}

// ProducerID is the producer id and epoch of a transactional producer's present or next
// transaction, -1 each before InitTransactions.
func (p *Producer) ProducerID() (id int64, epoch int16) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.txn == nil || p.txn.producerID < 0 {
		return -1, -1
	}
	return p.txn.producerID, p.txn.epoch
}

// transactional takes the lock of a transactional producer that is in one of the
// given states and can still do something.
func (p *Producer) transactional(states ...transactionState) (*transactions, func(), error) {
	if p.txn == nil {
		return nil, nil, fmt.Errorf("%w: it has no transactional.id", ErrNotReady)
	}
	p.mu.Lock()
	t := p.txn
	var err error
	switch {
	case p.stopped:
		err = ErrClosed
	case t.fatal:
		err = t.err
	case !slices.Contains(states, t.state):
		err = fmt.Errorf("%w: %s", ErrNotReady, [...]string{
			uninitialized: "InitTransactions comes first", initialized: "no transaction has begun", inTransaction: "a transaction is under way",
			ending: "the transaction is being ended", unresolved: "it is not known yet whether the transaction is committed: try to commit again",
		}[t.state])
	}
	if err != nil {
		p.mu.Unlock()
		return nil, nil, err
	}
	return t, p.mu.Unlock, nil
}

// BeginTransaction begins a transaction: what is sent from now on belongs to it.
// Nothing goes over the wire.
func (p *Producer) BeginTransaction() error {
	t, unlock, err := p.transactional(initialized)
	if err != nil {
		return err
	}
	defer unlock()
	t.state = inTransaction
	t.implicit = p.c.transactionVersion() >= 2 && !p.cfg.ExplicitTransactions
	t.started, t.asked, t.gap, t.lost, t.err, t.aborting = false, 0, false, false, nil, false
	clear(t.joined)
	return nil
}

// join makes a partition part of the transaction before anything is sent to it.
// Without implicit joining it asks the coordinator, which takes a round trip. The
// lock is held, and released meanwhile.
func (t *transactions) join(tp TopicPartition) error {
	p := t.p
	for {
		switch {
		case t.err != nil:
			return t.err
		case t.state != inTransaction:
			return fmt.Errorf("%w: a transactional producer sends within transactions", ErrNotReady)
		case t.joined[tp]:
			return nil
		case t.implicit:
			t.joined[tp], t.started = true, true
			return nil
		}
		p.mu.Unlock()
		err := t.addPartition(tp, p.cfg.MaxBlock)
		p.mu.Lock()
		if err != nil {
			t.failed(err)
			return err
		}
		t.joined[tp], t.started = true, true
	}
}

// failed notes that the transaction cannot be committed any more, and gives up
// what has not been sent. The lock is held.
func (t *transactions) failed(err error) {
	t.lost = t.lost || errors.Is(err, kerr.InvalidProducerIDMapping)
	if errors.Is(err, ErrFatal) && !t.fatal {
		t.fatal, t.err = true, err
	} else if t.err != nil || t.state != inTransaction && t.state != ending {
		return
	}
	if t.err == nil {
		t.err = err
	}
	t.giveUpQueued(err)
}

// giveUpQueued gives up every batch that is not in flight. The lock is held.
func (t *transactions) giveUpQueued(err error) {
	for _, pt := range t.p.parts {
		for _, b := range slices.Clone(pt.queue) {
			t.p.giveUp(b, err)
		}
	}
}

// SendOffsets makes offsets of a consumer group part of the transaction: they are
// committed with it or not at all (KIP-98). The group's metadata is checked, so
// that a member whose generation is over is refused (KIP-447). An error leaves
// only AbortTransaction, or, if it is ErrFatal, nothing.
func (p *Producer) SendOffsets(offsets []OffsetCommit, group GroupMetadata, timeout time.Duration) error {
	t, unlock, err := p.transactional(inTransaction)
	if err != nil {
		return err
	}
	err, implicit := t.err, t.implicit
	t.started = t.started || implicit
	unlock()
	if err != nil {
		return err
	}
	end := p.e.Now() + timeout
	if !implicit {
		if err = t.addOffsets(group.Group, timeout); err == nil {
			p.mu.Lock()
			t.started = true
			p.mu.Unlock()
		}
	}
	if err == nil {
		err = t.commitOffsets(offsets, group, max(end-p.e.Now(), time.Millisecond))
	}
	if err != nil {
		p.mu.Lock()
		t.failed(err)
		p.unlockAndTell()
	}
	return err
}

// CommitTransaction sends what is left, waits for its results, and asks the
// coordinator to commit if all are good. It retries until timeout. If the outcome
// is unknown then, it may be called again; if it is fail, AbortTransaction must
// follow; neither if the error is ErrFatal.
func (p *Producer) CommitTransaction(timeout time.Duration) TransactionResult {
	t, unlock, err := p.transactional(inTransaction, unresolved)
	if err != nil {
		return TransactionResult{Outcome: OutcomeFail, Err: err}
	}
	again := t.state == unresolved
	t.state = ending
	unlock()
	end := p.e.Now() + timeout
	settled := p.Flush(timeout)
	p.mu.Lock()
	if !settled && t.err == nil {
		t.failed(fmt.Errorf("%w: records of the transaction had no result after %s", ErrDeliveryTimeout, timeout))
	}
	if t.err != nil && !again {
		err := t.err
		t.state = inTransaction
		p.unlockAndTell()
		return TransactionResult{Outcome: OutcomeFail, Err: err}
	}
	started := t.started
	p.mu.Unlock()
	if !started {
		return t.over(-1, -1)
	}
	return t.end(true, max(end-p.e.Now(), time.Millisecond))
}

// AbortTransaction gives up what has not been sent, waits for the results of the
// rest, and asks the coordinator to abort. It retries until timeout.
func (p *Producer) AbortTransaction(timeout time.Duration) TransactionResult {
	t, _, err := p.transactional(inTransaction)
	if err != nil {
		return TransactionResult{Outcome: OutcomeInfo, Err: err}
	}
	t.state, t.aborting = ending, true
	t.giveUpQueued(ErrAborted)
	p.wakeAll()
	p.unlockAndTell()
	end := p.e.Now() + timeout
	settled := p.Flush(timeout)
	p.mu.Lock()
	started, fatal, lost := t.started, t.fatal, t.lost
	if err = t.err; !settled || fatal {
		t.state = inTransaction
	}
	p.mu.Unlock()
	switch {
	case fatal:
		return TransactionResult{Outcome: OutcomeInfo, Err: err}
	case !settled:
		return TransactionResult{Outcome: OutcomeInfo, Err: fmt.Errorf("%w: records of the transaction had no result after %s", ErrDeliveryTimeout, timeout)}
	case lost:
		return t.anew(max(end-p.e.Now(), time.Millisecond))
	case !started:
		return t.over(-1, -1)
	}
	return t.end(false, max(end-p.e.Now(), time.Millisecond))
}

// anew goes on behind a transaction that is over with another epoch or, where the
// coordinator has forgotten the producer, another producer id (KIP-360).
func (t *transactions) anew(timeout time.Duration) TransactionResult {
	id, epoch := t.identity()
	id, epoch, err := t.initProducerID(timeout, id, epoch)
	if err == nil {
		return t.over(id, epoch)
	}
	t.p.mu.Lock()
	defer t.p.mu.Unlock()
	t.state, t.fatal = inTransaction, true
	t.err = fmt.Errorf("%w: no new epoch after an aborted transaction: %w", ErrFatal, err)
	return TransactionResult{Outcome: OutcomeInfo, Err: t.err}
}

// over ends the transaction: the next one has the given producer id and epoch,
// or, if they are negative, those that this one had.
func (t *transactions) over(id int64, epoch int16) TransactionResult {
	t.p.mu.Lock()
	defer t.p.mu.Unlock()
	if id >= 0 {
		t.producerID, t.epoch = id, epoch
	}
	t.state, t.err, t.aborting = initialized, nil, false
	return TransactionResult{Outcome: OutcomeOK, Ended: true}
}

// end has the coordinator end the transaction.
func (t *transactions) end(commit bool, timeout time.Duration) TransactionResult {
	p := t.p
	deadline := p.e.Now() + timeout
	id, epoch, unknown, err := t.endTxn(commit, timeout)
	switch {
	case err == nil && !commit && t.gap && !t.implicit:
		// Without an epoch of its own for each transaction, the sequence numbers
		// that were lost would be missed.
		return t.anew(max(deadline-p.e.Now(), time.Millisecond))
	case err == nil:
		return t.over(id, epoch)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	t.asked += unknown
	t.state = inTransaction
	t.lost = t.lost || errors.Is(err, kerr.InvalidProducerIDMapping)
	result := TransactionResult{Outcome: OutcomeInfo, Err: err}
	if commit && t.asked > 0 && refusal(err) {
		// An earlier attempt may have committed. The coordinator does not know of that,
		// having lost its state, and never will: to ask again tells nothing.
		err = fmt.Errorf("%w: %w", ErrFatal, err)
		result.Err = err
	}
	switch {
	case errors.Is(err, ErrFatal):
		t.fatal, t.err = true, err
	case !commit && t.err != nil:
	case !commit || t.asked == 0:
		t.err = err // nothing is left but to abort
	default:
		t.state = unresolved
	}
	if commit && t.asked == 0 {
		result.Outcome = OutcomeFail
	}
	return result
}
