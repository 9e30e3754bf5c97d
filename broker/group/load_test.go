package group

import (
	"fmt"
	"testing"

	"github.com/weirlab/weir/broker/coordinator"
	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/broker/storage"
)

// BenchmarkReplayOffsets replays 64 MB of committed offsets: of so many keys, each
// over and over, or of keys that all differ, as a cleaned log has them.
func BenchmarkReplayOffsets(b *testing.B) {
	const size, partitionsOfGroup = 64 << 20, 100
	for _, keys := range []int{10_000, 1_000_000} {
		b.Run(fmt.Sprintf("keys=%d", keys), func(b *testing.B) {
			var batches []storage.Batch
			var total int64
			for n := 0; total < size; n++ {
				var records []storage.Record
				for p := range partitionsOfGroup {
					i := (n*partitionsOfGroup + p) % keys
					tp := TopicPartition{Topic: fmt.Sprintf("topic-%d", i%50), Partition: int32(i % partitionsOfGroup)}
					records = append(records, offsetRecord(fmt.Sprintf("group-%07d", i/partitionsOfGroup), tp, Offset{Offset: int64(n), CommitTimestamp: 1}, 1))
				}
				opts := storage.NoProducer()
				opts.BaseOffset = int64(n * partitionsOfGroup)
				batches = append(batches, storage.BuildBatch(nil, opts, records))
				total += int64(len(batches[n]))
			}
			b.SetBytes(total)
			b.ReportAllocs()
			for b.Loop() {
				cfg := DefaultConfig()
				m := newMachine(&cfg, metadata.Empty, nil)
				for _, batch := range batches {
					for rec, err := range batch.Records() {
						if err == nil {
							err = m.Replay(rec, coordinator.Producer{})
						}
						if err != nil {
							b.Fatal(err)
						}
					}
				}
			}
		})
	}
}
