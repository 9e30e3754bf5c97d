package transaction

import (
	"path/filepath"
	"testing"

	"github.com/weirlab/weir/broker/brokertest/apachekafka/golden"
	"github.com/weirlab/weir/broker/storage"
)

// TestKafkaReadsRecords holds a log of __transaction_state: each state as every
// transaction.version has it written, a barrier, a tombstone.
func TestKafkaReadsRecords(t *testing.T) {
	const now = 1_700_000_000_000
	var log []byte
	opts := storage.NoProducer()
	add := func(records ...storage.Record) {
		log = storage.BuildBatch(log, opts, records)
		opts.BaseOffset += int64(len(records))
	}
	add(barrierRecord(now))
	for _, version := range []int16{0, 2} {
		var records []storage.Record
		for state := Empty; state <= newestState; state++ {
			s := &Status{ProducerID: 7, Epoch: 3, PreviousID: 6, NextID: none, TimeoutMillis: 60000, State: state, StartMillis: none, UpdatedMillis: now, ClientVersion: version}
			if state != Empty {
				s.StartMillis = now - 5
				s.Partitions = []TopicPartition{{Topic: "a", Partition: 0}, {Topic: "a", Partition: 2}, {Topic: "b", Partition: 1}}
			}
			records = append(records, record("mover", s, version, now))
		}
		add(records...)
	}
	add(tombstone("mover", now))
	golden.Hold(t, filepath.Join("testdata", "kafka"), map[string][]byte{"00000000000000000000.log": log}, "--transaction-log-decoder")
}
