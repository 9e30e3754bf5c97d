package storage

import (
	"cmp"
	"math"
	"slices"

	"github.com/weirlab/weir/env/planted"
)

// cleaning is what stays of a log that is compacted: batch by batch, in order
// from the log's start, without any I/O. The rules are those of Kafka's Cleaner:
//
//   - Of each key the last record stays, and all behind the last offset of the
//     map. A record without key does not stay.
//   - A tombstone, too, is the last record of its key. The first cleaning that
//     finds one writes into its batch when it may go, the delete horizon
//     (KIP-534); the first one after that removes it.
//   - Records of aborted transactions go. Their marker, as that of a committed
//     transaction of which nothing is left, goes like a tombstone.
//   - The last batch of each producer stays, if need be without records: its
//     sequence numbers are what a retry is known by.
//   - Offsets do not change. A batch keeps its base and its last offset.
//
// Three rules are Weir's. Tombstones and markers at or behind removeBelow stay
// whatever their horizon: another replica may still need them (package
// replication). The last batch before the cleaned end stays, if need be without
// records: whoever copies or loads the log gets to its end (KAFKA-9065). And so does
// the first batch of each leader epoch: whoever copies the log knows where the epoch
// began, and does not later, as a leader, take for a part of it what another replica
// has to cut off.
type cleaning struct {
	keys *offsetMap
	txns cleanedTransactions
	last map[int64]lastOfProducer

	epoch int32 // of the batch before, -1 if there was none

	nowMillis       int64
	retentionMillis int64 // delete.retention.ms
	removeBelow     int64

	removed int64 // records, so far
	pending int64 // tombstones and markers that stay until later
}

// lastOfProducer is the last batch of a producer, if it has one: that with
// records at offset, or, with offset -1, a marker of its epoch.
type lastOfProducer struct {
	offset int64
	epoch  int16
}

// mapKeys takes a batch into account for the map, all of it or, if it reports
// false, nothing, as there is no room. Records below from are known by an earlier
// cleaning.
func mapKeys(keys *offsetMap, txns *cleanedTransactions, b Batch, from int64) (bool, error) {
	aborted := txns.see(b)
	if !b.IsControl() && !aborted || b.IsControl() && markersHaveKeys() {
		if fits, err := keys.fits(b); err != nil || !fits {
			return false, err
		}
		for r, err := range b.Records() {
			if err != nil {
				return false, err
			}
			if r.Key != nil && r.Offset >= from {
				keys.put(r.Key, r.Offset)
			}
		}
	}
	keys.latest = max(keys.latest, b.LastOffset())
	return true, nil
}

// filter is what stays of a batch: itself, another one, or nil for nothing. An
// error means that its records cannot be read.
func (c *cleaning) filter(b Batch) (Batch, error) {
	over := c.txns.see(b) // nobody reads it any more
	begins := b.LeaderEpoch() > c.epoch
	c.epoch = max(c.epoch, b.LeaderEpoch())
	if b.BaseOffset() > c.keys.latest {
		return b, nil
	}
	horizon, marked := b.DeleteHorizon()
	expired := marked && horizon <= c.nowMillis
	discard := over
	if b.IsControl() {
		discard = over && expired && c.nobodyNeeds(b.LastOffset())
	}
	keepEmpty := begins || c.isLastOfProducer(b) || b.LastOffset() == c.keys.latest
	if discard && !keepEmpty {
		c.removed += int64(b.NumRecords())
		return nil, nil
	}
	var kept []Record
	tombstones := int64(0)
	if !discard {
		for r, err := range b.Records() {
			if err != nil {
				return nil, err
			}
			if !c.retain(b, r, expired) {
				continue
			}
			kept = append(kept, r)
			if r.Value == nil && !b.IsControl() {
				tombstones++
			}
		}
	}
	c.removed += int64(b.NumRecords()) - int64(len(kept))
	c.pending += tombstones
	if b.IsControl() && over && len(kept) > 0 {
		c.pending++
	}
	switch starts := !marked && (tombstones > 0 || b.IsControl() && over); {
	case len(kept) == 0 && keepEmpty:
		return emptied(b), nil
	case len(kept) == 0:
		return nil, nil
	case starts:
		return withOnly(b, kept, addMillis(c.nowMillis, c.retentionMillis), true)
	case len(kept) == int(b.NumRecords()):
		return b, nil
	default:
		return withOnly(b, kept, horizon, marked)
	}
}

// markersHaveKeys says whether markers supersede each other: they do not.
func markersHaveKeys() bool { return planted.Is("markers-are-keyed") }

// retain reports whether a record stays. expired says that the batch's tombstones
// have been there for long enough.
func (c *cleaning) retain(b Batch, r Record, expired bool) bool {
	switch {
	case b.IsControl():
		return !markersHaveKeys() || r.Offset >= c.keys.get(r.Key)
	case r.Key == nil || r.Offset < c.keys.get(r.Key):
		return false
	}
	return r.Value != nil || !expired || !c.nobodyNeeds(r.Offset)
}

// nobodyNeeds reports whether no replica needs the tombstone or marker at offset.
func (c *cleaning) nobodyNeeds(offset int64) bool {
	return offset < c.removeBelow || planted.Is("tombstones-by-time-alone")
}

func (c *cleaning) isLastOfProducer(b Batch) bool {
	last, ok := c.last[b.ProducerID()]
	is := ok && b.LastOffset() == last.offset || ok && last.offset < 0 && b.IsControl() && b.ProducerEpoch() == last.epoch
	return is && !planted.Is("drop-last-of-producer")
}

func addMillis(at, span int64) int64 {
	if span > math.MaxInt64-max(at, 0) {
		return math.MaxInt64
	}
	return at + span
}

// cleanedTransactions follows the transactions of a log from batch to batch, as
// Kafka's CleanedTransactionMetadata: which records are aborted, and of which
// transactions nothing but the marker is left.
type cleanedTransactions struct {
	toCome     []AbortedTransaction // by first offset
	aborting   map[int64]*abortingTransaction
	committing map[int64]bool

	left []AbortedTransaction // whose markers were seen since takeLeft, and records too
}

type abortingTransaction struct {
	AbortedTransaction
	seen bool // some of its batches are there
}

func newCleanedTransactions(aborted []AbortedTransaction) cleanedTransactions {
	aborted = slices.Clone(aborted)
	slices.SortStableFunc(aborted, func(a, b AbortedTransaction) int { return cmp.Compare(a.FirstOffset, b.FirstOffset) })
	return cleanedTransactions{toCome: aborted, aborting: map[int64]*abortingTransaction{}, committing: map[int64]bool{}}
}

// see takes in the next batch. It reports whether no reader needs it: its
// transaction was aborted, or it is a marker of one that has no batch left.
func (t *cleanedTransactions) see(b Batch) (over bool) {
	for len(t.toCome) > 0 && t.toCome[0].FirstOffset <= b.LastOffset() {
		next := t.toCome[0]
		t.toCome = t.toCome[1:]
		if t.aborting[next.ProducerID] == nil {
			t.aborting[next.ProducerID] = &abortingTransaction{AbortedTransaction: next}
		}
	}
	id := b.ProducerID()
	switch {
	case b.IsControl():
		m, ok := b.Marker()
		if !ok {
			return b.NumRecords() == 0
		}
		if m.Commit {
			had := t.committing[id]
			delete(t.committing, id)
			return !had
		}
		aborting := t.aborting[id]
		delete(t.aborting, id)
		if aborting != nil && aborting.seen {
			t.left = append(t.left, aborting.AbortedTransaction)
			return false
		}
		return true
	case b.IsTransactional():
		if aborting := t.aborting[id]; aborting != nil {
			aborting.seen = true
			return true
		}
		t.committing[id] = true
	}
	return false
}

// takeLeft lists the aborted transactions whose markers were seen since it was
// called last and of which more than the marker was left: the others need no
// entry in the index any more.
func (t *cleanedTransactions) takeLeft() []AbortedTransaction {
	left := t.left
	t.left = nil
	return left
}
