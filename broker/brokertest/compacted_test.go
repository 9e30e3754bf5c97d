package brokertest_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
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

// entry is a record of a table; no value is a tombstone.
type entry struct {
	offset     int64
	key, value string
}

// table is a compacted topic and all that was ever written to it.
type table struct {
	t       *testing.T
	c       *brokertest.Cluster
	p       *kgo.Client
	written []entry
}

func newTable(t *testing.T) *table {
	c := brokertest.NewCluster(t, 3, brokertest.Set("log.cleaner.backoff.ms", "1"),
		brokertest.Topic("table", 1, "cleanup.policy=compact", "min.cleanable.dirty.ratio=0.01", "internal.segment.bytes=1000", "delete.retention.ms=0"))
	p, err := kgo.NewClient(kgo.SeedBrokers(c.Addrs()...), kgo.DefaultProduceTopic("table"))
	require.NoError(t, err)
	t.Cleanup(p.Close)
	return &table{t: t, c: c, p: p}
}

func (w *table) put(key, value string) {
	r := &kgo.Record{Key: []byte(key)}
	if value != "" {
		r.Value = []byte(value)
	}
	require.NoError(w.t, w.p.ProduceSync(w.t.Context(), r).FirstErr())
	w.written = append(w.written, entry{r.Offset, key, value})
}

// check holds what a reader has read up to end to what was written: in order,
// nothing that was not, and the last value of each key, but of those that came
// again after end.
func (w *table) check(read []entry, end int64) {
	w.t.Helper()
	all, want, got := map[int64]entry{}, map[string]string{}, map[string]string{}
	for _, e := range w.written {
		all[e.offset] = e
		if want[e.key] = e.value; e.value == "" || e.offset >= end {
			delete(want, e.key)
		}
	}
	last := int64(-1)
	for _, e := range read {
		require.Greater(w.t, e.offset, last)
		require.Equal(w.t, all[e.offset], e)
		if last, got[e.key] = e.offset, e.value; e.value == "" {
			delete(got, e.key)
		}
	}
	for key, value := range want {
		require.Equal(w.t, value, got[key], key)
	}
	if written := w.written[len(w.written)-1].offset; end > written {
		require.Equal(w.t, want, got)
	}
}

// use has a reader read to the end while records are written and cleaned, and when
// all is cleaned.
func (w *table) use(read func() ([]entry, int64)) {
	for round := range 6 {
		for i := range 60 {
			key, value := fmt.Sprint("k", i%7), fmt.Sprint(round, "-", i)
			if i%10 == 9 {
				value = ""
			}
			w.put(key, value)
		}
		w.put(fmt.Sprint("once-", round), "stays")
		w.check(read())
	}
	require.Eventually(w.t, func() bool {
		w.put("tick", "t") // until what came before is in a segment that is closed, and cleaned
		return len(w.c.Records("table", 0)) < 60
	}, time.Minute, time.Millisecond)
	w.c.AwaitInSync()
	records, end := read()
	require.Equal(w.t, w.written[len(w.written)-1].offset+1, end)
	require.Less(w.t, len(records), 60)
	w.check(records, end)
}

// TestACompactedTopicIsReadToItsEnd reads a topic with franz-go while its leaders
// and followers clean it.
func TestACompactedTopicIsReadToItsEnd(t *testing.T) {
	w := newTable(t)
	w.use(func() (all []entry, end int64) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		cl, err := kgo.NewClient(kgo.SeedBrokers(w.c.Addrs()...), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.FetchMaxPartitionBytes(2000), kgo.KeepControlRecords(),
			kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{"table": {0: kgo.NewOffset().AtStart()}}))
		require.NoError(t, err)
		defer cl.Close()
		ends, err := kadm.NewClient(cl).ListEndOffsets(ctx, "table")
		require.NoError(t, err)
		o, ok := ends.Lookup("table", 0)
		require.True(t, ok)
		for next := int64(0); next < o.Offset; {
			fetches := cl.PollFetches(ctx)
			require.NoError(t, fetches.Err())
			fetches.EachRecord(func(r *kgo.Record) {
				all = append(all, entry{r.Offset, string(r.Key), string(r.Value)})
				next = r.Offset + 1
			})
		}
		return all, max(o.Offset, all[len(all)-1].offset+1)
	})
}

// TestTheJavaClientReadsACompactedTopic does so with Kafka's own client.
func TestTheJavaClientReadsACompactedTopic(t *testing.T) {
	kafka := apachekafka.ForTest(t)
	w := newTable(t)
	cmd := kafka.Command(filepath.Join("testdata", "Table.java"), w.c.Addrs()[0], "table")
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewScanner(out)
	w.use(func() (all []entry, end int64) {
		_, err := io.WriteString(in, "again\n")
		require.NoError(t, err)
		for lines.Scan() {
			if n, err := fmt.Sscanf(lines.Text(), "end %d", &end); n == 1 && err == nil {
				return all, end
			}
			var e entry
			_, err := fmt.Sscanf(lines.Text(), "%d %s %s", &e.offset, &e.key, &e.value)
			require.NoError(t, err, lines.Text())
			e.value = strings.TrimPrefix(e.value, "-")
			all = append(all, e)
		}
		t.Fatal("the program has ended")
		return nil, 0
	})
	require.NoError(t, in.Close())
	require.NoError(t, cmd.Wait())
}
