package linearizability

import (
	"encoding/json"
	"fmt"
	"time"
)

// isolationReadCommitted is the isolation level of a poll in a history file.
const isolationReadCommitted = "read_committed"

// TransactionTopic is where transaction coordinators keep their state.
const TransactionTopic = "__transaction_state"

// Transaction is what a producer with a transactional id knows of one of its
// transactions.
type Transaction struct {
	// ID is the transactional id.
	ID            string `json:"id"`
	ProducerID    int64  `json:"pid"`
	ProducerEpoch int16  `json:"pepoch"`
	// Timeout after which the coordinator aborts it (transaction.timeout.ms), in ns.
	Timeout time.Duration `json:"timeout"`
	// Commit says that the producer asked to commit, at least once; Asked is when it first asked for an
	// end, 0 if it never did.
	Commit bool          `json:"commit,omitempty"`
	Asked  time.Duration `json:"asked,omitempty"`
	// Writes are the records sent in it.
	Writes []Write `json:"writes,omitempty"`
}

// Write is a record that is part of a transaction.
type Write struct {
	Value int64
	// Amount is what the record moves, for topics of which the sum is conserved.
	Amount int64
	// Of is the value of the record that a pipeline made it from, None if none did.
	Of int64
}

// MarshalJSON writes a row: value, amount, of.
func (w Write) MarshalJSON() ([]byte, error) { return json.Marshal([3]int64{w.Value, w.Amount, w.Of}) }

// UnmarshalJSON reads a row.
func (w *Write) UnmarshalJSON(text []byte) error {
	var row [3]int64
	if err := json.Unmarshal(text, &row); err != nil {
		return err
	}
	*w = Write{row[0], row[1], row[2]}
	return nil
}

// check refuses what no transaction can be.
func (t *Transaction) check() error {
	switch {
	case t.ID == "":
		return fmt.Errorf("a transaction without a transactional id")
	case t.Timeout < 0 || t.Asked < 0:
		return fmt.Errorf("transaction of %q: neither its timeout nor the time at which it was to end can be negative", t.ID)
	}
	return nil
}

// Pipeline says that a group's members read a topic, make one record of each that
// they read, and commit both together.
type Pipeline struct {
	Group string `json:"group"`
	From  string `json:"from"`
	To    string `json:"to"`
}

// TransactOp is one transaction.
type TransactOp struct {
	Transaction
	Process      int64
	Call, Return time.Duration // Return is Never unless OK or Fail
	Ended        time.Duration // when the client learned the outcome, Never if it did not
	Outcome      Type          // OK: committed; Fail: not, and never will be
	Error        string
}

// name is what a sentence calls the transaction.
func (t *TransactOp) name() string {
	return fmt.Sprintf("the transaction of %q (producer id %d, epoch %d) that client %d began at %s", t.ID, t.ProducerID, t.ProducerEpoch, t.Process, clock(t.Call))
}

// fate says what its producer learned.
func (t *TransactOp) fate() string {
	switch {
	case t.Outcome == OK:
		return "committed, its producer was told at " + clock(t.Return)
	case t.Outcome == Fail && t.Commit:
		return "not committed, its producer was told at " + clock(t.Return)
	case !t.Commit:
		return "not committed: its producer never asked for that"
	}
	return fmt.Sprintf("of unknown outcome to its producer, who asked to commit at %s", clock(t.Asked))
}

// InitOp is the beginning of a producer with a transactional id.
type InitOp struct {
	Transaction
	Process      int64
	Call, Return time.Duration
	Outcome      Type
	Error        string
}

// fences says whether a transaction belongs to a producer that was there before.
func (i *InitOp) fences(t *TransactOp) bool {
	switch {
	case i.ID != t.ID || i.Outcome != OK:
		return false
	case i.ProducerID == t.ProducerID:
		return t.ProducerEpoch < i.ProducerEpoch
	}
	return t.Call < i.Call
}
