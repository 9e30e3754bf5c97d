package brokertest_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/weirlab/weir/broker/brokertest"
	"github.com/weirlab/weir/broker/brokertest/apachekafka"
)

// Topics whose segments Apache Kafka has written, with a partition each.
var byKafka = []string{"codecs", "moved", "table"}

// writeByKafka has Apache Kafka write segments: batches in every codec, transactions
// that commit, abort and are open, a table that was cleaned and has gaps and
// tombstones. It gives what Kafka's own broker has clients read of each, and its
// directories.
func writeByKafka(t *testing.T, kafka apachekafka.Jars) (read map[string]string, dir string) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	c, err := kafka.Start(ctx, 1, t.TempDir(), "offsets.topic.num.partitions=1", "transaction.state.log.num.partitions=1", "transaction.state.log.replication.factor=1",
		"transaction.state.log.min.isr=1", "log.cleaner.backoff.ms=100", "log.cleaner.threads=1", "log.initial.task.delay.ms=100")
	require.NoError(t, err)
	defer func() { require.NoError(t, c.Close()) }()
	addr := c.Addrs()[0]
	client := func(opts ...kgo.Opt) *kgo.Client {
		cl, err := kgo.NewClient(append(opts, kgo.SeedBrokers(addr), kgo.RecordPartitioner(kgo.ManualPartitioner()))...)
		require.NoError(t, err)
		t.Cleanup(cl.Close)
		return cl
	}
	adm := kadm.NewClient(client())
	compact := map[string]*string{"cleanup.policy": kadm.StringPtr("compact"), "min.cleanable.dirty.ratio": kadm.StringPtr("0.01"), "segment.ms": kadm.StringPtr("500"), "delete.retention.ms": kadm.StringPtr("86400000")}
	for _, topic := range byKafka {
		configs := map[string]*string(nil)
		if topic == "table" {
			configs = compact
		}
		_, err := adm.CreateTopic(ctx, 1, 1, configs, topic)
		require.NoError(t, err)
	}
	record := func(topic, key, value string) *kgo.Record {
		r := &kgo.Record{Topic: topic, Key: []byte(key), Headers: []kgo.RecordHeader{{Key: "h", Value: []byte("1")}}}
		if value != "" {
			r.Value = []byte(value)
		}
		return r
	}
	for name, codec := range map[string]kgo.CompressionCodec{"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(), "lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression()} {
		p := client(kgo.ProducerBatchCompression(codec))
		var records []*kgo.Record
		for i := range 5 {
			records = append(records, record("codecs", name, strings.Repeat("many times ", 3+i)))
		}
		require.NoError(t, p.ProduceSync(ctx, records...).FirstErr())
	}
	for i, end := range []kgo.TransactionEndTry{kgo.TryCommit, kgo.TryAbort, kgo.TryCommit} {
		p := client(kgo.TransactionalID(fmt.Sprint("mover-", i%2)))
		for k := range 2 {
			require.NoError(t, p.BeginTransaction())
			require.NoError(t, p.ProduceSync(ctx, record("moved", fmt.Sprint(i), fmt.Sprint(k)), record("moved", fmt.Sprint(i), "too")).FirstErr())
			require.NoError(t, p.EndTransaction(ctx, end))
			end = !end
		}
	}
	open := client(kgo.TransactionalID("open"), kgo.TransactionTimeout(15*time.Minute))
	require.NoError(t, open.BeginTransaction())
	require.NoError(t, open.ProduceSync(ctx, record("moved", "open", "nobody knows")).FirstErr())
	p := client()
	for i := range 20 {
		value := fmt.Sprint("v", i)
		if i == 18 {
			value = ""
		}
		require.NoError(t, p.ProduceSync(ctx, record("table", fmt.Sprint("k", i%4), value)).FirstErr())
	}
	// Cleaned are segments that were closed: by a record later than segment.ms.
	cleaned := func() bool { return strings.Count(readTopic(t, addr, "table", kgo.ReadUncommitted()), "\n") < 12 }
	for !cleaned() {
		time.Sleep(600 * time.Millisecond)
		require.NoError(t, ctx.Err(), "Apache Kafka has not cleaned")
		require.NoError(t, p.ProduceSync(ctx, record("table", "tick", "t")).FirstErr())
	}
	return readByKafkasTopics(t, addr), c.Nodes[0].DataDir()
}

// readByKafkasTopics is what a broker has clients read.
func readByKafkasTopics(t *testing.T, addr string) map[string]string {
	read := map[string]string{}
	for _, topic := range byKafka {
		read[topic] = "all:\n" + readTopic(t, addr, topic, kgo.ReadUncommitted()) + "committed:\n" + readTopic(t, addr, topic, kgo.ReadCommitted())
	}
	return read
}

// readTopic is a line for each record of partition 0 that a client reads, up to the
// end that it can see.
func readTopic(t *testing.T, addr, topic string, isolation kgo.IsolationLevel) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cl, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.FetchIsolationLevel(isolation), kgo.KeepControlRecords(),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().AtStart()}}))
	require.NoError(t, err)
	defer cl.Close()
	adm, end := kadm.NewClient(cl), int64(0)
	ends, err := adm.ListEndOffsets(ctx, topic)
	if isolation == kgo.ReadCommitted() {
		ends, err = adm.ListCommittedOffsets(ctx, topic)
	}
	require.NoError(t, err)
	require.NoError(t, ends.Error())
	ends.Each(func(o kadm.ListedOffset) { end = o.Offset })
	var b strings.Builder
	for next := int64(0); next < end; {
		fetches := cl.PollFetches(ctx)
		require.NoError(t, fetches.Err0())
		fetches.EachRecord(func(r *kgo.Record) {
			next = r.Offset + 1
			if r.Attrs.IsControl() {
				fmt.Fprintf(&b, "%d control\n", r.Offset)
				return
			}
			fmt.Fprintf(&b, "%d %s %q %q %v\n", r.Offset, r.Key, r.Value, r.Headers, r.Timestamp.UnixMilli())
		})
	}
	return b.String()
}

// serveByWeir gives the segments in dir, a directory for each topic, to a broker of
// Weir, and tells what it has clients read.
func serveByWeir(t *testing.T, dir string) map[string]string {
	c := brokertest.NewCluster(t, 1, brokertest.Topic("codecs", 1), brokertest.Topic("moved", 1), brokertest.Topic("table", 1, "cleanup.policy=compact"))
	c.Stop(1)
	for _, topic := range byKafka {
		own, err := filepath.Glob(filepath.Join(c.Dir(1), topic+"-0.*"))
		require.NoError(t, err)
		require.Len(t, own, 1)
		require.NoError(t, os.RemoveAll(own[0]))
		require.NoError(t, os.CopyFS(own[0], os.DirFS(filepath.Join(dir, topic+"-0"))))
	}
	c.Start(1)
	return readByKafkasTopics(t, c.Addrs()[0])
}

const kafkasData = "testdata/writtenbykafka"

// TestKafkasSegmentsAreServed reads segments that Apache Kafka has written through a
// broker of Weir, as Kafka's own broker has had them read. "REWRITE=1 make java" has
// Kafka write them anew.
func TestKafkasSegmentsAreServed(t *testing.T) {
	for topic, got := range serveByWeir(t, kafkasData) {
		want, err := os.ReadFile(filepath.Join(kafkasData, topic+".txt"))
		require.NoError(t, err)
		require.Equal(t, string(want), got, topic)
	}
}

// TestSegmentsFreshFromKafkaAreServed does so with what Kafka writes now.
func TestSegmentsFreshFromKafkaAreServed(t *testing.T) {
	want, dir := writeByKafka(t, apachekafka.ForTest(t))
	require.Contains(t, want["moved"], "control")
	require.Equal(t, want, serveByWeir(t, dir))
	if os.Getenv("REWRITE") == "" {
		return
	}
	require.NoError(t, os.RemoveAll(kafkasData))
	for topic, read := range want {
		require.NoError(t, os.CopyFS(filepath.Join(kafkasData, topic+"-0"), os.DirFS(filepath.Join(dir, topic+"-0"))))
		require.NoError(t, os.WriteFile(filepath.Join(kafkasData, topic+".txt"), []byte(read), 0o644))
		gone, err := filepath.Glob(filepath.Join(kafkasData, topic+"-0", "*.deleted"))
		require.NoError(t, err)
		for _, file := range gone {
			require.NoError(t, os.Remove(file))
		}
	}
}
