package brokertest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/weirlab/weir/broker/brokertest"
	"github.com/weirlab/weir/broker/brokertest/apachekafka"
)

// restart kills the leader of a partition, and starts it when another one leads.
func restart(c *brokertest.Cluster, topic string) {
	victim := c.Partition(topic, 0).Leader
	c.Kill(victim)
	c.Expire(victim)
	c.Start(victim)
}

// running starts a program that ends when its input does, or with the test.
func running(t *testing.T, cmd *exec.Cmd) (stop func()) {
	t.Helper()
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	require.NoError(t, cmd.Start())
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	over := false
	t.Cleanup(func() {
		if !over {
			_ = cmd.Process.Kill()
			t.Log(<-ended)
		}
		if t.Failed() {
			t.Log(said.String())
		}
	})
	return func() {
		require.NoError(t, in.Close())
		require.NoError(t, <-ended)
		over = true
	}
}

// collect reads what is committed of a topic until enough says so, and for a moment
// more, in which nothing may come.
func collect(t *testing.T, c *brokertest.Cluster, topic string, n int) (all []*kgo.Record) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.Addrs()...), kgo.ConsumeTopics(topic), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	require.NoError(t, err)
	defer cl.Close()
	for last := false; !last; {
		wait, done := ctx, func() {}
		if last = len(all) >= n; last {
			wait, done = context.WithTimeout(ctx, time.Second)
		}
		all = append(all, cl.PollFetches(wait).Records()...)
		done()
		require.NoError(t, ctx.Err(), "%d of %d records of %s", len(all), n, topic)
	}
	require.Len(t, all, n)
	return all
}

// TestWordCountOfKafkaStreams counts words with exactly_once_v2 while leaders of the
// input, of the repartition topic, of the changelog and of the output and the
// coordinators of transactions and groups are killed: each word has each count once.
func TestWordCountOfKafkaStreams(t *testing.T) {
	kafka := apachekafka.ForTest(t)
	c := brokertest.NewCluster(t, 3, brokertest.Topic("lines", 2), brokertest.Topic("counts", 2), brokertest.Set("log.cleaner.backoff.ms", "100"))
	stop := running(t, kafka.Command(filepath.Join("testdata", "WordCount.java"), strings.Join(c.Addrs(), ","), t.TempDir()))
	p, err := kgo.NewClient(kgo.SeedBrokers(c.Addrs()...), kgo.DefaultProduceTopic("lines"), kgo.UnknownTopicRetries(-1))
	require.NoError(t, err)
	defer p.Close()
	words, total := map[string]int{}, 0
	write := func(n int) {
		for i := range n {
			line := fmt.Sprintf("all word-%d word-%d", i%5, i%7+5)
			require.NoError(t, p.ProduceSync(t.Context(), kgo.StringRecord(line)).FirstErr())
			for word := range strings.FieldsSeq(line) {
				words[word]++
				total++
			}
		}
	}
	write(50)
	collect(t, c, "counts", total)
	for _, victim := range []string{"lines", "counter-counts-store-repartition", "counter-counts-store-changelog", "counts", "__transaction_state", "__consumer_offsets"} {
		write(10)
		restart(c, victim)
		write(10)
	}
	counts := map[string]int{}
	for _, r := range collect(t, c, "counts", total) {
		word := string(r.Key)
		counts[word]++
		require.Equal(t, fmt.Sprint(counts[word]), string(r.Value), word)
	}
	require.Equal(t, words, counts)
	stop()
}

// TestExactlyOnceSourceOfKafkaConnect has a distributed worker bring the lines of a
// file into a topic with exactly.once.source.support=enabled, and into a file again,
// while leaders and coordinators are killed: each line is there once.
func TestExactlyOnceSourceOfKafkaConnect(t *testing.T) {
	kafka := apachekafka.ForTest(t)
	c := brokertest.NewCluster(t, 3, brokertest.Topic("brought", 1), brokertest.Set("log.cleaner.backoff.ms", "100"))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	rest := l.Addr().String()
	require.NoError(t, l.Close())
	dir := t.TempDir()
	settings := fmt.Sprintf(`bootstrap.servers=%s
group.id=workers
listeners=http://%s
exactly.once.source.support=enabled
config.storage.topic=connect-configs
offset.storage.topic=connect-offsets
status.storage.topic=connect-status
offset.storage.partitions=2
status.storage.partitions=1
offset.flush.interval.ms=100
key.converter=org.apache.kafka.connect.storage.StringConverter
value.converter=org.apache.kafka.connect.storage.StringConverter
plugin.discovery=service_load
`, strings.Join(c.Addrs(), ","), rest)
	file := filepath.Join(dir, "worker.properties")
	require.NoError(t, os.WriteFile(file, []byte(settings), 0o644))
	running(t, kafka.Command("org.apache.kafka.connect.cli.ConnectDistributed", file))
	from, err := os.Create(filepath.Join(dir, "from"))
	require.NoError(t, err)
	defer func() { require.NoError(t, from.Close()) }()
	var lines []string
	write := func(n int) {
		for range n {
			lines = append(lines, fmt.Sprint("line-", len(lines)))
			_, err := io.WriteString(from, lines[len(lines)-1]+"\n")
			require.NoError(t, err)
		}
	}
	begin := func(name string, config map[string]string) {
		body, err := json.Marshal(map[string]any{"name": name, "config": config})
		require.NoError(t, err)
		require.Eventually(t, func() bool {
			resp, err := http.Post("http://"+rest+"/connectors", "application/json", bytes.NewReader(body))
			if err != nil {
				return false
			}
			defer func() { _ = resp.Body.Close() }()
			text, _ := io.ReadAll(resp.Body)
			if resp.StatusCode == http.StatusBadRequest {
				t.Fatal(string(text))
			}
			return resp.StatusCode == http.StatusCreated
		}, time.Minute, 100*time.Millisecond, name)
	}
	write(20)
	begin("bring", map[string]string{"connector.class": "org.apache.kafka.connect.file.FileStreamSourceConnector", "file": from.Name(), "topic": "brought",
		"exactly.once.support": "required", "transaction.boundary": "poll"})
	begin("take", map[string]string{"connector.class": "org.apache.kafka.connect.file.FileStreamSinkConnector", "file": filepath.Join(dir, "to"), "topics": "brought"})
	collect(t, c, "brought", len(lines))
	for _, victim := range []string{"brought", "connect-offsets", "__transaction_state", "__consumer_offsets"} {
		write(20)
		restart(c, victim)
		write(20)
	}
	var got []string
	for _, r := range collect(t, c, "brought", len(lines)) {
		got = append(got, string(r.Value))
	}
	require.Equal(t, lines, got)
	require.Eventually(t, func() bool { // a sink may write a line twice
		text, err := os.ReadFile(filepath.Join(dir, "to"))
		seen := map[string]bool{}
		for line := range strings.FieldsSeq(string(text)) {
			seen[line] = true
		}
		return err == nil && len(seen) == len(lines)
	}, time.Minute, 100*time.Millisecond)
}
