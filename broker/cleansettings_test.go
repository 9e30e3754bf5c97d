package broker_test

import (
	"maps"
	"time"

	"github.com/weirlab/weir/broker/storage"
)

// The probes of what has to do with compaction. Each record gets a segment of its
// own, and what is counted is how often a key is there.

// compacted are the settings of a topic that is compacted at once.
var compacted = map[string]string{"cleanup.policy": "compact", "internal.segment.bytes": "100"}

func compactedWith(name, value string) map[string]string {
	all := maps.Clone(compacted)
	all[name] = value
	return all
}

// put writes one batch with a record for each key; no value is a tombstone.
func (w *world) put(topic string, ago time.Duration, value string, keys ...string) {
	var records []storage.Record
	for _, key := range keys {
		r := storage.Record{TimestampMillis: w.e.Wall().Add(-ago).UnixMilli(), Key: []byte(key)}
		if value != "" {
			r.Value = []byte(value)
		}
		records = append(records, r)
	}
	w.mustProduce(topic, storage.BuildBatch(nil, storage.NoProducer(), records))
}

// copies is how many records of a key a consumer reads.
func (w *world) copies(topic, key string) (n int) {
	for _, b := range w.batches(topic) {
		for r, err := range b.Records() {
			must(err)
			if string(r.Key) == key {
				n++
			}
		}
	}
	return n
}

// overwritten is how many records are left of a key that was written twice three
// hours ago.
func overwritten(w *world, topic string) any {
	for _, value := range []string{"old", "new"} {
		w.put(topic, 3*hour, value, "a", "b")
	}
	w.put(topic, 0, "the active segment stays", "z")
	w.sleep(time.Minute)
	return w.copies(topic, "a")
}

// deleted is how many tombstones are left of a key after two cleanings.
func deleted(w *world, topic string) any {
	w.put(topic, 0, "value", "k")
	w.put(topic, 0, "", "k")
	for range 2 {
		for range 6 {
			w.put(topic, 0, "x", "z")
		}
		w.sleep(time.Minute)
	}
	return w.copies(topic, "k")
}

var (
	deleteRetention = probe{value: "1", topic: compacted, observe: deleted, plain: 1, set: 0}
	minLag          = probe{value: "36000000", topic: compacted, observe: overwritten, plain: 1, set: 2}
	maxLag          = probe{value: "3600000", topic: compactedWith("min.cleanable.dirty.ratio", "1"), observe: overwritten, plain: 2, set: 1}
	dirtyRatio      = probe{value: "1", topic: compacted, observe: overwritten, plain: 1, set: 2}
)

// cleanerProbes are those of the settings of brokers.
var cleanerProbes = map[string]probe{
	"log.cleaner.backoff.ms":              {value: "36000000", topic: compacted, observe: overwritten, plain: 1, set: 2},
	"log.cleaner.dedupe.buffer.size":      {value: "48", topic: compacted, observe: overwritten, plain: 1, set: 2},
	"log.cleaner.enable":                  {value: "false", topic: compacted, observe: overwritten, plain: 1, set: 2},
	"log.cleaner.io.buffer.load.factor":   {value: "0.05", with: map[string]string{"log.cleaner.dedupe.buffer.size": "480"}, topic: compacted, observe: overwritten, plain: 1, set: 2},
	"log.cleaner.io.max.bytes.per.second": {value: "1", topic: compacted, observe: overwritten, plain: 1, set: 2},
	"log.cleaner.threads":                 {value: "0", topic: compacted, observe: overwritten, plain: 1, set: 2},
	"weir.log.cleaner.coordinated.removal.enable": {value: "false", brokers: 3, plain: 1, set: 0, with: map[string]string{"replica.lag.time.max.ms": "2000"},
		observe: func(w *world, topic string) any {
			must(w.tryCreate(topic, 2, compactedWith("delete.retention.ms", "1")))
			w.crashFollower(topic)
			return deleted(w, topic)
		}},
}

func init() { maps.Copy(brokerProbes, cleanerProbes) }
