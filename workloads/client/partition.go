package client

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/weirlab/weir/env"
)

// errSequenceBroken is why a batch is given up whose sequence number will not
// be accepted any more, while an earlier attempt of it may have been appended.
var errSequenceBroken = errors.New("sequence broken after loss of an earlier batch or of the leader's producer state")

// partition is the producer's side of one partition: batches in the order of
// Produce. The producer's lock guards it.
type partition struct {
	p           *Producer
	topic       string
	index       int32
	leader      int32 // -1: none known
	leaderEpoch int32
	sender      *sender // of the leader known last; nil before the first
	active      bool    // listed in sender.active

	// queue holds batches to be sent (again), ascending by ordinal; only the
	// last can be open. inflight holds those sent and not answered, on via.
	queue       []*batch
	inflight    []*batch
	via         *conn
	nextOrdinal int64
	retryAt     time.Duration
	usualBytes  int // of the batch sent last
	usualCount  int

	// Under idempotence. acked says that a batch of this epoch was
	// acknowledged, so that the leader knows the sequence; broken that the
	// sequence cannot go on; refused that even the producer id was refused.
	producerID   int64
	epoch        int16
	nextSequence int32
	acked        bool
	broken       bool
	refused      bool
}

// open returns the batch that takes more records, or nil.
func (pt *partition) open() *batch {
	if n := len(pt.queue); n > 0 && !pt.queue[n-1].sealed {
		return pt.queue[n-1]
	}
	return nil
}

// complete seals an open batch that is full: it lingers no longer. The lock is
// held.
func (pt *partition) complete(b *batch) {
	b.seal(pt.p.cfg.Compression)
	b.ripe = 0
	pt.activate()
}

// owns reports whether b was numbered in the partition's present epoch.
func (pt *partition) owns(b *batch) bool {
	return b.numbered && b.producerID == pt.producerID && b.epoch == pt.epoch
}

// remove takes a batch out of queue or inflight.
func (pt *partition) remove(b *batch) {
	if len(pt.inflight) > 0 && pt.inflight[0] == b {
		pt.inflight = popFront(pt.inflight)
		return
	}
	if i := slices.Index(pt.inflight, b); i >= 0 {
		pt.inflight = slices.Delete(pt.inflight, i, i+1)
		return
	}
	if i := slices.Index(pt.queue, b); i >= 0 {
		pt.queue = slices.Delete(pt.queue, i, i+1)
	}
}

// popFront removes the first element in place: the slices are as short as
// max.in.flight or a backlog, and keep their memory this way.
func popFront(s []*batch) []*batch {
	n := copy(s, s[1:])
	s[n] = nil
	return s[:n]
}

// requeue puts a batch that was in flight back in its place.
func (pt *partition) requeue(b *batch) {
	pt.remove(b)
	i, _ := slices.BinarySearchFunc(pt.queue, b.ordinal, func(q *batch, o int64) int {
		switch {
		case q.ordinal < o:
			return -1
		case q.ordinal > o:
			return 1
		}
		return 0
	})
	pt.queue = slices.Insert(pt.queue, i, b)
	pt.p.expireBy(b.deadline)
	pt.activate()
}

// first reports whether b, in flight, comes before everything else.
func (pt *partition) first(b *batch) bool {
	return pt.inflight[0] == b && (len(pt.queue) == 0 || pt.queue[0].ordinal > b.ordinal)
}

// activate has the sender look at the partition.
func (pt *partition) activate() {
	if pt.sender == nil || pt.p.stopped {
		return
	}
	if !pt.active {
		pt.active = true
		pt.sender.active = append(pt.sender.active, pt)
	}
	if pt.sender.inflight < pt.p.cfg.MaxInFlight {
		pt.sender.wake.Signal() // else the next answer wakes it
	}
}

// lingers is how long the first queued batch still waits for company, 0 if it
// does not.
func (pt *partition) lingers(now time.Duration) time.Duration {
	b := pt.queue[0]
	if b.sealed || now >= b.ripe || pt.p.flushing > 0 || pt.p.blocked > 0 {
		return 0
	}
	return b.ripe - now
}

// sendable reports whether the first queued batch may be sent now on k, but
// for lingering, and if not, when to look again (env.Forever: when something
// changes).
func (pt *partition) sendable(now time.Duration, k *conn) (bool, time.Duration) {
	p := pt.p
	b := pt.queue[0]
	if pt.leader < 0 {
		p.c.refresh()
		return false, p.c.cfg.RetryBackoffMax
	}
	if now < pt.retryAt {
		return false, pt.retryAt - now
	}
	if len(pt.inflight) > 0 && pt.via != k {
		return false, env.Forever
	}
	if !p.cfg.Idempotent {
		return true, 0
	}
	if p.txn != nil {
		if !pt.adopt(p.txn) {
			return false, env.Forever
		}
	} else if pt.producerID < 0 || pt.broken {
		if len(pt.inflight) > 0 || !pt.renew() || len(pt.queue) == 0 {
			return false, env.Forever
		}
		b = pt.queue[0]
	}
	if len(pt.inflight) > 0 && (!pt.acked || b.attempts > 0 || pt.inflight[0].attempts > 1) {
		return false, env.Forever
	}
	return true, 0
}

// adopt gives a partition the producer id and epoch of the transaction. It reports
// false while something of an earlier one is in flight.
func (pt *partition) adopt(t *transactions) bool {
	if pt.producerID == t.producerID && pt.epoch == t.epoch {
		return true
	}
	if len(pt.inflight) > 0 {
		return false
	}
	pt.producerID, pt.epoch, pt.nextSequence = t.producerID, t.epoch, 0
	pt.acked, pt.broken, pt.refused = false, false, false
	return true
}

// renew begins a new epoch, or adopts the producer id that has been acquired.
// It reports false if an id must be acquired first. Nothing is in flight.
func (pt *partition) renew() bool {
	p := pt.p
	if pt.producerID >= 0 && !pt.refused && pt.epoch < math.MaxInt16 {
		pt.epoch++
	} else {
		if p.producerID == pt.producerID {
			p.producerID = -1 // this one is used up or refused
		}
		if p.producerID < 0 {
			p.needID()
			return false
		}
		pt.producerID, pt.epoch = p.producerID, p.epoch
	}
	pt.nextSequence = 0
	pt.acked, pt.broken, pt.refused = false, false, false
	for _, b := range slices.Clone(pt.queue) {
		switch {
		case !b.numbered:
		case b.indefinite > 0 && !p.cfg.ResendUnderNewEpoch:
			p.giveUp(b, fmt.Errorf("%w: %w", errSequenceBroken, b.lastErr))
		default:
			// No attempt was appended, or whoever configured this would rather
			// have the record twice than not at all.
			b.numbered = false
		}
	}
	return true
}

// take moves the first queued batch in flight on k and returns it, complete.
func (pt *partition) take(now time.Duration, k *conn, r *produceRequest) *batch {
	b := pt.queue[0]
	pt.queue = popFront(pt.queue)
	pt.inflight = append(pt.inflight, b)
	pt.via = k
	if !b.sealed {
		b.seal(pt.p.cfg.Compression)
	}
	if !b.numbered {
		if pt.p.cfg.Idempotent {
			b.transactional = pt.p.txn != nil
			b.number(pt.producerID, pt.epoch, pt.nextSequence)
			pt.nextSequence = addSequence(pt.nextSequence, b.count)
		} else {
			b.number(-1, -1, -1)
		}
	}
	b.in = r
	b.attempts++
	if b.attempts == 1 {
		b.firstSent = now
		pt.usualBytes, pt.usualCount = len(b.buf), int(b.count)
	}
	b.node, b.nodeEpoch = pt.leader, pt.leaderEpoch
	return b
}

// untake undoes take for a batch of which nothing was written.
func (pt *partition) untake(b *batch) {
	b.in = nil
	b.attempts--
	if b.attempts == 0 {
		b.firstSent = 0
	}
	pt.requeue(b)
}
