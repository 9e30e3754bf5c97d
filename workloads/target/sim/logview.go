package sim

import (
	"slices"

	"github.com/weirlab/weir/broker/storage"
	"github.com/weirlab/weir/linearizability"
)

// logView reads a log of a simulated broker from outside, where its disk
// takes no time.
type logView struct{ log *storage.Log }

// Batches implements linearizability.LogView.
func (v logView) Batches(from, to int64, yield func(linearizability.BatchID) bool) error {
	return v.log.Headers(from, to, func(b storage.Batch) bool {
		return yield(linearizability.BatchID{BaseOffset: b.BaseOffset(), LastOffset: b.LastOffset(), LeaderEpoch: b.LeaderEpoch(), CRC: b.CRC()})
	})
}

// Epochs implements linearizability.LogView.
func (v logView) Epochs() []linearizability.EpochEntry {
	epochs := v.log.Epochs()
	entries := make([]linearizability.EpochEntry, len(epochs))
	for i, e := range epochs {
		entries[i] = linearizability.EpochEntry{Epoch: e.Epoch, StartOffset: e.StartOffset}
	}
	return entries
}

// Producers implements linearizability.LogView.
func (v logView) Producers() (known []linearizability.ProducerEntry, written int64) {
	for _, p := range v.log.Producers() {
		known = append(known, linearizability.ProducerEntry{ID: p.ID, Epoch: p.Epoch, Sequence: p.LastSequence, BaseOffset: p.BaseOffset, LastOffset: p.LastOffset})
	}
	return known, v.log.NextOffset()
}

// Cuts implements linearizability.LogView.
func (v logView) Cuts() uint64 { return v.log.Cuts() }

// ProducerOf implements linearizability.LogView.
func (v logView) ProducerOf(base, last int64) (e linearizability.ProducerEntry, ok bool) {
	_ = v.log.Headers(base, last+1, func(b storage.Batch) bool {
		if ok = b.BaseOffset() == base && b.LastOffset() == last; ok {
			e = linearizability.ProducerEntry{ID: b.ProducerID(), Epoch: b.ProducerEpoch(), Sequence: b.LastSequence(), BaseOffset: base, LastOffset: last}
		}
		return false
	})
	return e, ok
}

// keyedReadBytes is how much of a log is read at a time.
const keyedReadBytes = 1 << 20

// Keyed implements linearizability.LogView.
func (v logView) Keyed(from, to int64, yield func(linearizability.KeyedRecord)) error {
	first := from
	for from < to {
		records, aborted, err := v.log.ReadCommittedInto(func(n int) []byte { return make([]byte, n) }, from, to, keyedReadBytes, true)
		if err != nil || len(records) == 0 {
			return err
		}
		for len(records) > 0 {
			b, rest, err := storage.SplitBatch(records)
			if err != nil {
				return err
			}
			records, from = rest, max(from, b.NextOffset())
			if b.IsControl() || b.IsTransactional() && isAborted(b, aborted) {
				continue
			}
			for r, err := range b.Records() {
				if err != nil {
					return err
				}
				if r.Key != nil && r.Offset >= first && r.Offset < to {
					yield(linearizability.KeyedRecord{Key: string(r.Key), Offset: r.Offset, Deleted: r.Value == nil})
				}
			}
		}
	}
	return nil
}

func isAborted(b storage.Batch, aborted []storage.AbortedTransaction) bool {
	return slices.ContainsFunc(aborted, func(a storage.AbortedTransaction) bool {
		return a.ProducerID == b.ProducerID() && a.FirstOffset <= b.BaseOffset() && b.BaseOffset() <= a.LastOffset
	})
}
