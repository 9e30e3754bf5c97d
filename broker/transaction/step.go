package transaction

import (
	"math"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/weirlab/weir/env/planted"
)

// Decision is what is to come of a request.
type Decision struct {
	Code int16   // for the answer
	Next *Status // to be written first, nil if nothing changes

	// NeedsID says that a producer id is wanted: the step is to be taken again
	// with one. Nothing else is set.
	NeedsID bool
}

func refuse(err *kerr.Error) Decision { return Decision{Code: err.Code} }

// next begins a transition: what does not change stays, and the producer id
// becomes the previous one.
func (s *Status) next(wallMillis int64, to State) *Status {
	n := *s
	n.State, n.UpdatedMillis, n.PreviousID = to, wallMillis, s.ProducerID
	return &n
}

// InitProducer is a producer that begins, or that goes on after an error
// (KIP-360).
type InitProducer struct {
	TimeoutMillis int32
	ProducerID    int64 // that it had, -1 for none
	Epoch         int16 // that it had, -1 for none
	NewID         int64 // a fresh producer id, -1 if there is none at hand
	ServerVersion int16 // transaction.version in force
}

// InitProducer decides on InitProducerId. old is nil for a transactional id that
// nobody has used. The new producer id and epoch are those of Next, if the code
// is 0.
func (old *Status) InitProducer(wallMillis int64, in InitProducer) Decision {
	if old == nil {
		if in.NewID < 0 {
			return Decision{NeedsID: true}
		}
		old = &Status{ProducerID: in.NewID, Epoch: none, LastEpoch: none, PreviousID: none, NextID: none, StartMillis: none}
	}
	goesOn := in.ProducerID >= 0
	if goesOn && old.Epoch >= 0 && in.ProducerID != old.ProducerID && (in.ProducerID != old.PreviousID || !exhausted(in.Epoch)) {
		return refuse(kerr.ProducerFenced)
	}
	switch {
	case old.State.ending():
		return refuse(kerr.ConcurrentTransactions)
	case old.State == Ongoing && !planted.Is("begin-over-open"):
		if goesOn && in.Epoch != old.Epoch && in.Epoch != old.LastEpoch {
			return refuse(kerr.ProducerFenced)
		}
		// The epoch that fences is nobody's: the caller asks again for its own.
		d := old.Fence(wallMillis, in.ServerVersion, in.NewID)
		d.Code = kerr.ConcurrentTransactions.Code
		return d
	}
	n := old.next(wallMillis, Empty)
	n.TimeoutMillis, n.Partitions, n.StartMillis = in.TimeoutMillis, nil, none
	switch {
	case exhausted(old.Epoch) && (!goesOn || in.Epoch == old.Epoch):
		if in.NewID < 0 {
			return Decision{NeedsID: true}
		}
		n.ProducerID, n.Epoch, n.LastEpoch = in.NewID, 0, none
		if goesOn {
			n.LastEpoch = old.Epoch
		}
	case !goesOn:
		n.Epoch, n.LastEpoch = bumped(old.Epoch), none
	case old.Epoch == none || in.Epoch == old.Epoch:
		n.Epoch, n.LastEpoch = bumped(old.Epoch), old.Epoch
	case in.Epoch == old.LastEpoch:
		// Its answer was lost. Nobody else has come since, who would have left
		// no last epoch.
	default:
		return refuse(kerr.ProducerFenced)
	}
	return Decision{Next: n}
}

// Fence decides to abort an open transaction under a new epoch, which its
// producer does not know: another instance has come, or its time is up
// (KIP-588). newID is a fresh producer id, -1 if there is none at hand.
func (s *Status) Fence(wallMillis int64, serverVersion int16, newID int64) Decision {
	n := s.next(wallMillis, PrepareAbort)
	n.Epoch, n.LastEpoch, n.NextID, n.ClientVersion = bumped(s.Epoch), none, none, 0
	if serverVersion < epochBump {
		return Decision{Next: n}
	}
	if exhausted(s.Epoch) {
		if newID < 0 {
			return Decision{NeedsID: true}
		}
		n.NextID = newID
	}
	n.LastEpoch, n.ClientVersion = s.Epoch, epochBump
	return Decision{Next: n}
}

// TimedOut reports whether an open transaction has been so for too long.
func (s *Status) TimedOut(wallMillis int64) bool {
	return s.State == Ongoing && s.deadline() < wallMillis
}

// deadline is the time, in ms since 1970, behind which the transaction is aborted.
func (s *Status) deadline() int64 { return s.StartMillis + int64(s.TimeoutMillis) }

// check refuses a producer that is not, or no longer, the one of the
// transactional id, and one whose transaction is being ended.
func (s *Status) check(producerID int64, epoch int16) *kerr.Error {
	switch {
	case s == nil || s.ProducerID != producerID:
		return kerr.InvalidProducerIDMapping
	case s.Epoch != epoch:
		return kerr.ProducerFenced
	case s.State.ending():
		return kerr.ConcurrentTransactions
	}
	return nil
}

// Add decides on partitions that join the producer's transaction, which begins
// with them if none is open. version is the client's.
func (s *Status) Add(wallMillis int64, producerID int64, epoch int16, tps []TopicPartition, version int16) Decision {
	if err := s.check(producerID, epoch); err != nil {
		return refuse(err)
	}
	if s.State == Ongoing && s.hasAll(tps) {
		return Decision{}
	}
	n := s.next(wallMillis, Ongoing)
	if s.State != Ongoing {
		n.StartMillis, n.Partitions = wallMillis, nil
	}
	n.Partitions, n.ClientVersion = union(n.Partitions, tps), version
	return Decision{Next: n}
}

// Verify says for each partition whether it belongs to the producer's
// transaction: 0, or TRANSACTION_ABORTABLE (KIP-890, part 1). A code for all
// goes first.
func (s *Status) Verify(producerID int64, epoch int16, tps []TopicPartition) (each []int16, code int16) {
	if err := s.check(producerID, epoch); err != nil {
		return nil, err.Code
	}
	each = make([]int16, len(tps))
	for i, tp := range tps {
		if !s.has(tp) {
			each[i] = kerr.TransactionAbortable.Code
		}
	}
	return each, 0
}

// EndTxn is a producer that ends its transaction.
type EndTxn struct {
	ProducerID int64
	Epoch      int16
	Commit     bool
	Version    int16 // the client's transaction version
	NewID      int64 // a fresh producer id, -1 if there is none at hand
}

// End decides on EndTxn. With code 0 and nothing to write the transaction has
// ended so before.
func (s *Status) End(wallMillis int64, in EndTxn) Decision {
	if in.Version >= epochBump {
		return s.endBumping(wallMillis, in)
	}
	switch {
	case s == nil || s.ProducerID != in.ProducerID:
		return refuse(kerr.InvalidProducerIDMapping)
	case s.Epoch != in.Epoch:
		return refuse(kerr.ProducerFenced)
	}
	switch s.State {
	case Ongoing:
		n := s.next(wallMillis, prepare(in.Commit))
		n.NextID, n.ClientVersion = none, 0
		return Decision{Next: n}
	case PrepareCommit, PrepareAbort, CompleteCommit, CompleteAbort:
		return s.again(in.Commit)
	}
	return refuse(kerr.InvalidTxnState)
}

// again is the answer to a request to end what is ended, or is being ended.
func (s *Status) again(commit bool) Decision {
	switch {
	case commit != (s.State == PrepareCommit || s.State == CompleteCommit):
		return refuse(kerr.InvalidTxnState)
	case s.State.ending():
		return refuse(kerr.ConcurrentTransactions)
	}
	return Decision{}
}

func prepare(commit bool) State {
	if commit {
		return PrepareCommit
	}
	return PrepareAbort
}

// endBumping is End for clients of transaction version 2 (KIP-890, part 2): the
// epoch goes up, so a retry comes with the one before. What has ended, or never
// begun, can be aborted all the same, since such a client does not know whether
// the partitions' leaders have added anything.
//
//	                 abort               commit
//	                 retry    current    retry    current
//	Empty            fenced   new epoch  fenced   invalid
//	CompleteAbort    done     new epoch  invalid  invalid
//	CompleteCommit   invalid  new epoch  done     invalid
//
// While a transaction is being ended, its end again and that of the next one are
// told to come later.
func (s *Status) endBumping(wallMillis int64, in EndTxn) Decision {
	if s == nil {
		return refuse(kerr.InvalidProducerIDMapping)
	}
	rotated := s.PreviousID == in.ProducerID && in.Epoch == math.MaxInt16-1 && s.Epoch == 0
	if s.ProducerID != in.ProducerID && !rotated {
		return refuse(kerr.InvalidProducerIDMapping)
	}
	retry := rotated || int(s.Epoch) == int(in.Epoch)+1
	current := s.Epoch == in.Epoch && s.ProducerID == in.ProducerID
	switch s.State {
	case Ongoing, Empty:
		if !current && (in.ProducerID != s.ProducerID || in.Epoch >= s.Epoch || !planted.Is("end-of-any-epoch")) {
			return refuse(kerr.ProducerFenced)
		}
	case PrepareCommit, PrepareAbort:
		switch {
		case retry:
			return s.again(in.Commit)
		case current: // of the next transaction, which waits for this one
			return refuse(kerr.ConcurrentTransactions)
		}
		return refuse(kerr.ProducerFenced)
	default:
		switch {
		case retry:
			return s.again(in.Commit)
		case !current:
			return refuse(kerr.ProducerFenced)
		}
	}
	if s.State != Ongoing && in.Commit {
		return refuse(kerr.InvalidTxnState)
	}
	n := s.next(wallMillis, prepare(in.Commit))
	n.Epoch, n.LastEpoch, n.NextID, n.ClientVersion = bumped(s.Epoch), s.Epoch, none, in.Version
	if exhausted(s.Epoch) {
		if in.NewID < 0 {
			return Decision{NeedsID: true}
		}
		n.NextID = in.NewID
	}
	if s.State != Ongoing {
		n.StartMillis, n.Partitions = wallMillis, nil
	}
	return Decision{Next: n}
}

// Complete is the status once every partition has its marker.
func (s *Status) Complete(wallMillis int64) *Status {
	to := CompleteAbort
	if s.State == PrepareCommit {
		to = CompleteCommit
	}
	n := s.next(wallMillis, to)
	n.ProducerID, n.Epoch = s.after()
	n.NextID, n.Partitions = none, nil
	return n
}

// after is the producer id and epoch that the producer goes on with, once the
// transaction that is being ended has ended.
func (s *Status) after() (producerID int64, epoch int16) {
	if s.ClientVersion >= epochBump && s.NextID >= 0 {
		return s.NextID, 0
	}
	return s.ProducerID, s.Epoch
}
