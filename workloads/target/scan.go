package target

import (
	"fmt"

	"github.com/weirlab/weir/broker/storage"
	"github.com/weirlab/weir/linearizability"
)

// readChunk is how much of a log is read at once, in bytes.
const readChunk = 128 << 10

// eachBatch calls fn for every batch that holds an offset in [from, to) until it
// returns false. A batch is valid during the call.
func eachBatch(log *storage.Log, from, to int64, fn func(storage.Batch) bool) error {
	var buf []byte
	lend := func(n int) []byte {
		if n > cap(buf) {
			buf = make([]byte, n)
		}
		return buf[:n]
	}
	for from < to {
		records, err := log.ReadInto(lend, from, to, readChunk, true)
		if err != nil {
			return err
		}
		if len(records) == 0 {
			return nil
		}
		for b, err := range storage.Batches(records) {
			if err != nil {
				return err
			}
			if !fn(b) {
				return nil
			}
			from = b.NextOffset()
		}
	}
	return nil
}

// sequenceOf is the sequence number of the record at an offset of the batch, which
// compaction may have taken others out of; -1 without idempotence.
func sequenceOf(b storage.Batch, offset int64) int32 {
	if b.BaseSequence() < 0 {
		return b.BaseSequence()
	}
	return int32((int64(b.BaseSequence()) + offset - b.BaseOffset()) & (1<<31 - 1))
}

func writeHeader(headers []storage.Header) []byte {
	for _, h := range headers {
		if h.Key == linearizability.WriteHeader {
			return h.Value
		}
	}
	return nil
}

// ScanLog reads a whole replica for the judge, keeping as much as the history
// has. When it was read is the caller's to say.
func ScanLog(kept linearizability.Recording, topic linearizability.Topic, partition, brokerID int32, leader bool, highWatermark int64, log *storage.Log) (linearizability.Scan, error) {
	s := linearizability.Scan{
		Topic: topic.Name, Partition: partition, Broker: brokerID, Leader: leader,
		LogStart: log.StartOffset(), HighWatermark: highWatermark, LogEnd: log.EndOffset(),
	}
	for _, e := range log.Epochs() {
		s.Epochs = append(s.Epochs, linearizability.EpochStart{
			Topic: topic.Name, Partition: partition, LeaderEpoch: e.Epoch, Leader: linearizability.None, StartOffset: e.StartOffset,
		})
	}
	var failed error
	err := eachBatch(log, s.LogStart, s.LogEnd, func(b storage.Batch) bool {
		if m, ok := b.Marker(); ok {
			s.Markers = append(s.Markers, linearizability.Marker{
				Offset: b.BaseOffset(), LeaderEpoch: b.LeaderEpoch(), ProducerID: m.ProducerID, ProducerEpoch: m.ProducerEpoch,
				CoordinatorEpoch: m.CoordinatorEpoch, Commit: m.Commit,
			})
		}
		if b.IsControl() {
			return true
		}
		for r, err := range b.Records() {
			if err != nil {
				failed = err
				return false
			}
			if r.Offset < s.LogStart {
				continue // its batch reaches beyond where the log was trimmed
			}
			value := int64(linearizability.None)
			switch {
			case topic.Internal:
				value = linearizability.HashRecord(r.Key, r.Value, r.TimestampMillis)
			case topic.Keys > 0:
				if written, _, ok := linearizability.ParseWrite(topic.Keys, r.Key, r.Value, writeHeader(r.Headers)); ok {
					value = written
				}
			default:
				if written, ok := linearizability.ParsePayload(r.Value); ok {
					value = written
				}
			}
			s.Keep(kept, linearizability.ScanRecord{
				Offset: r.Offset, Value: value, ProducerID: b.ProducerID(), LeaderEpoch: b.LeaderEpoch(),
				Sequence: sequenceOf(b, r.Offset), ProducerEpoch: b.ProducerEpoch(), Transactional: b.IsTransactional(),
			})
		}
		return true
	})
	if err == nil {
		err = failed
	}
	if err != nil {
		return s, fmt.Errorf("reading %s-%d of broker %d back: %w", topic.Name, partition, brokerID, err)
	}
	return s, nil
}
