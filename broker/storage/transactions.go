package storage

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"sort"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/env/planted"
)

// AbortedTransaction is one transaction whose records no reader of committed
// records may see, as Kafka's AbortedTxn.
type AbortedTransaction struct {
	ProducerID       int64
	FirstOffset      int64 // of its first record
	LastOffset       int64 // of its marker
	LastStableOffset int64 // of the log once the marker is committed
}

// transactions are those of a log that are open, and those whose end the high
// watermark has not passed. Both make the last stable offset wait.
type transactions struct {
	open  []openTransaction  // by ascending first offset
	ended []endedTransaction // by ascending marker offset
}

type openTransaction struct{ producerID, first int64 }

type endedTransaction struct{ first, marker int64 }

func (t *transactions) begin(producerID, first int64) {
	t.open = append(t.open, openTransaction{producerID, first})
}

// end closes the producer's open transaction by a marker.
func (t *transactions) end(producerID, marker int64, abort bool) (AbortedTransaction, bool) {
	i := slices.IndexFunc(t.open, func(o openTransaction) bool { return o.producerID == producerID })
	if i < 0 {
		return AbortedTransaction{}, false
	}
	first := t.open[i].first
	t.open = slices.Delete(t.open, i, i+1)
	t.ended = append(t.ended, endedTransaction{first, marker})
	stable := marker + 1
	if len(t.open) > 0 {
		stable = t.open[0].first
	}
	return AbortedTransaction{producerID, first, marker, stable}, abort
}

// lastStable is the offset below which every transaction is decided and
// committed, when the high watermark is hw.
func (t *transactions) lastStable(hw int64) int64 {
	for len(t.ended) > 0 && t.ended[0].marker < hw {
		t.ended = t.ended[1:]
	}
	stable := hw
	if len(t.open) > 0 {
		first := t.open[0].first
		if first < hw && planted.Is("stable-past-open") {
			first++
		}
		stable = min(stable, first)
	}
	for _, e := range t.ended {
		stable = min(stable, e.first)
	}
	return stable
}

// sort brings open transactions into order that were added in another.
func (t *transactions) sort() {
	slices.SortFunc(t.open, func(a, b openTransaction) int { return cmp.Compare(a.first, b.first) })
}

func (t *transactions) count() int { return len(t.open) + len(t.ended) }

// LastStableOffset is the offset up to which readers of committed records may
// read when the high watermark is highWatermark: below it every transaction has
// ended, and its end is committed (KIP-98). High watermarks given must not
// descend but after a truncation.
func (l *Log) LastStableOffset(highWatermark int64) int64 {
	if !l.transactional.Load() {
		return highWatermark
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	stable := max(l.producers.txns.lastStable(highWatermark), min(l.start.Load(), highWatermark))
	l.transactional.Store(l.producers.txns.count() > 0)
	return stable
}

// AbortedTransactions lists the aborted transactions that have records in
// [from, upTo), by ascending offset of their markers, where upTo is at most the
// last stable offset.
func (l *Log) AbortedTransactions(from, upTo int64) []AbortedTransaction {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.abortedTransactions(from, upTo)
}

// abortedTransactions is AbortedTransactions. mu is held.
func (l *Log) abortedTransactions(from, upTo int64) []AbortedTransaction {
	var list []AbortedTransaction
	for i := slices.Index(l.segments, l.segmentFor(from)); i < len(l.segments); i++ {
		for _, a := range l.segments[i].aborted {
			if a.LastOffset >= from && a.FirstOffset < upTo {
				list = append(list, a)
			}
			if a.LastStableOffset >= upTo {
				return list // what follows began at or behind upTo
			}
		}
	}
	return list
}

// noteBatch takes a batch at the end of the log, in seg, into account.
func (l *Log) noteBatch(seg *segment, b Batch) {
	interval := l.cfg.IndexIntervalBytes
	if l.lab.Rare("storage/index-sparse") {
		interval = math.MaxInt64 // indexes are hints, and this batch gets none
	}
	seg.note(b, interval)
	l.epochs.note(b.LeaderEpoch(), b.BaseOffset())
	if aborted, ok := l.producers.update(b, l.env.Now()); ok {
		seg.aborted = append(seg.aborted, aborted)
	}
	if b.IsTransactional() {
		l.verifications.void(b.ProducerID())
		l.transactional.Store(true)
	}
}

// The index of aborted transactions, as in Kafka's .txnindex: a version and four
// numbers for each.
const (
	abortedEntryBytes = 2 + 4*8
	abortedVersion    = 0
)

func encodeAborted(list []AbortedTransaction) []byte {
	buf := make([]byte, 0, len(list)*abortedEntryBytes)
	for _, a := range list {
		buf = binary.BigEndian.AppendUint16(buf, abortedVersion)
		for _, v := range [...]int64{a.ProducerID, a.FirstOffset, a.LastOffset, a.LastStableOffset} {
			buf = binary.BigEndian.AppendUint64(buf, uint64(v))
		}
	}
	return buf
}

// decodeAborted reads the aborted transactions whose markers are in [base, next).
func decodeAborted(name string, raw []byte, base, next int64) ([]AbortedTransaction, error) {
	var list []AbortedTransaction
	for at := 0; at < len(raw); at += abortedEntryBytes {
		bad := func(reason string) error {
			return &CorruptError{File: name, Position: int64(at), Reason: reason}
		}
		if at+abortedEntryBytes > len(raw) {
			return nil, bad("the file ends inside an entry")
		}
		if v := binary.BigEndian.Uint16(raw[at:]); v != abortedVersion {
			return nil, bad(fmt.Sprintf("entry version %d, want %d", v, abortedVersion))
		}
		number := func(i int) int64 { return int64(binary.BigEndian.Uint64(raw[at+2+8*i:])) }
		a := AbortedTransaction{number(0), number(1), number(2), number(3)}
		if a.LastOffset >= next {
			break
		}
		if a.ProducerID < 0 || a.FirstOffset < 0 || a.FirstOffset >= a.LastOffset || a.LastOffset < base ||
			a.LastStableOffset > a.LastOffset+1 || len(list) > 0 && a.LastOffset <= list[len(list)-1].LastOffset {
			return nil, bad(fmt.Sprintf("entry (producer %d, offsets %d to %d) does not fit", a.ProducerID, a.FirstOffset, a.LastOffset))
		}
		list = append(list, a)
	}
	return list, nil
}

// saveAborted writes the segment's index of aborted transactions, if it has or
// had any: atomically, since unlike the other indexes it does not follow from the
// segment's own batches. It is durable before the recovery point passes a marker.
func (s *segment) saveAborted(fsys env.FS) error {
	if len(s.aborted) == 0 && !s.abortedSaved {
		return nil
	}
	s.abortedSaved = true
	return writeAtomically(fsys, s.abortedName(), encodeAborted(s.aborted))
}

// loadAborted reads the index for offsets below next. Most segments have none.
func (s *segment) loadAborted(fsys env.FS, next int64) error {
	raw, err := readWhole(fsys, s.abortedName())
	if isMissing(err) {
		return nil
	}
	s.abortedSaved = true
	if err == nil {
		s.aborted, err = decodeAborted(s.abortedName(), raw, s.base, next)
	}
	return err
}

// cutAborted forgets the transactions whose markers are at or behind off.
func (s *segment) cutAborted(off int64) {
	n := sort.Search(len(s.aborted), func(i int) bool { return s.aborted[i].LastOffset >= off })
	s.aborted = slices.Clone(s.aborted[:n])
}
