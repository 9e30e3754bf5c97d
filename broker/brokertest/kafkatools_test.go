package brokertest_test

import (
	"bufio"
	"context"
	"io"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/weirlab/weir/broker/brokertest"
	"github.com/weirlab/weir/broker/brokertest/apachekafka"
)

// What Kafka's tools are asked, in order: a class and its arguments behind
// --bootstrap-server.
var toolScript = []string{
	"TopicCommand --create --topic orders --partitions 2 --replication-factor 1 --config retention.ms=1000000",
	"TopicCommand --create --topic orders --partitions 2 --replication-factor 1",
	"TopicCommand --describe --topic orders",
	"TopicCommand --describe --topic nothing",
	"TopicCommand --list --exclude-internal",
	"TopicCommand --alter --topic orders --partitions 3",
	"TopicCommand --alter --topic orders --partitions 1",
	"GetOffsetShell --topic orders",
	"GetOffsetShell --topic orders --time -3",
	"GetOffsetShell --topic orders --time -6",
	"kafka.admin.ConfigCommand --alter --entity-type topics --entity-name orders --add-config cleanup.policy=compact",
	"kafka.admin.ConfigCommand --describe --entity-type topics --entity-name orders",
	"kafka.admin.ConfigCommand --alter --entity-type topics --entity-name orders --delete-config cleanup.policy",
	"kafka.admin.ConfigCommand --alter --entity-type topics --entity-name orders --add-config no.such.thing=1",
	"kafka.admin.ConfigCommand --describe --entity-type topics",
	"kafka.admin.ConfigCommand --describe --entity-type client-metrics",
	"ConsumerGroupCommand --list --state",
	"ConsumerGroupCommand --describe --group readers",
	"ConsumerGroupCommand --describe --group nobody",
	"ConsumerGroupCommand --reset-offsets --group readers --topic orders --to-earliest --dry-run",
	"ConsumerGroupCommand --reset-offsets --group readers --topic orders --shift-by -1 --execute",
	"ConsumerGroupCommand --describe --group readers",
	"ConsumerGroupCommand --delete-offsets --group readers --topic orders:1",
	"ConsumerGroupCommand --describe --group readers --offsets",
	"ConsumerGroupCommand --delete --group readers",
	"ConsumerGroupCommand --list",
	"TransactionsCommand list",
	"TransactionsCommand describe --transactional-id open",
	"TransactionsCommand describe --transactional-id nobody",
	"TransactionsCommand describe-producers --topic orders --partition 0",
	"TransactionsCommand describe-producers --topic orders --partition 0 --broker-id 1",
	"TransactionsCommand find-hanging --broker-id 1",
	"TransactionsCommand abort --topic orders --partition 0 --start-offset 1",
	"TransactionsCommand describe-producers --topic orders --partition 0",
	"MetadataQuorumCommand describe --replication",
	"LogDirsCommand --describe --topic-list orders",
	"FeatureCommand upgrade --feature transaction.version=7",
	"FeatureCommand downgrade --feature transaction.version=1",
	"FeatureCommand upgrade --feature transaction.version=2",
	"TopicCommand --delete --topic orders",
}

// noise is what is of a run or of a place and not of a broker.
var noise = []struct {
	pattern *regexp.Regexp
	instead string
}{
	// Kafka writes down the cluster's min.insync.replicas when eligible leader
	// replicas are turned on, which Weir always has.
	{regexp.MustCompile(`min.insync.replicas=1,|DYNAMIC_DEFAULT_BROKER_CONFIG:min.insync.replicas=1, `), ""},
	// Weir also tells of the last synonym that a default comes from.
	{regexp.MustCompile(`, DEFAULT_CONFIG:log.retention.hours=168`), ""},
	// Weir's controller speaks of all nodes, Kafka's names the first that it looked at.
	{regexp.MustCompile(`(Local controller \d+ only supports|Brokers and controllers only support) versions`), "NODES support versions"},
	{regexp.MustCompile(`[ \t]+`), " "},
	{regexp.MustCompile(`127\.0\.0\.1:\d+`), "ADDRESS"},
	{regexp.MustCompile(`"logDir":"[^"]*"`), `"logDir":"DIR"`},
	{regexp.MustCompile(`[A-Za-z0-9_-]{22}\b`), "ID"},
	{regexp.MustCompile(`\b1\d{12}\b`), "TIME"},
	{regexp.MustCompile(`Ongoing 40000 TIME\s+\d+`), "Ongoing 40000 TIME MS"},
	{regexp.MustCompile(`^(\d+) ID \d+ 0 TIME`), "$1 ID END 0 TIME"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT[0-9:.Z]+`), "TIME"},
	{regexp.MustCompile(`\b\d+\s*ms`), "MS"},
	// Kafka begins a group epoch with each heartbeat while partitions of a share group
	// are initialized and not assigned, Weir one.
	{regexp.MustCompile(`(Stable) \d+ \d+ (1)$`), "$1 EPOCH EPOCH $2"},
	{regexp.MustCompile(`(sharer 2) \d+ (orders:0,1)`), "$1 EPOCH $2"},
}

// runTools has the tools say what they say of a broker. Before a line of the script
// what goes by it in first is done.
func runTools(t *testing.T, kafka apachekafka.Jars, addr string, script []string, first map[string]func(t *testing.T, addr string)) (said []string) {
	cmd := kafka.Command(filepath.Join("testdata", "Tools.java"))
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	cmd.Stderr = cmd.Stdout
	require.NoError(t, cmd.Start())
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	lines := bufio.NewScanner(out)
	for _, line := range script {
		if do := first[line]; do != nil {
			do(t, addr)
		}
		words := strings.Fields(line)
		if !strings.Contains(words[0], ".") {
			words[0] = "org.apache.kafka.tools." + words[0]
		}
		if strings.HasSuffix(words[0], "GroupCommand") {
			words[0] = strings.Replace(words[0], "tools.", "tools.consumer.group.", 1)
		}
		words = slices.Insert(words, 1, "--bootstrap-server", addr)
		_, err := io.WriteString(in, strings.Join(words, "\t")+"\n")
		require.NoError(t, err)
		var text []string
		for lines.Scan() {
			l := lines.Text()
			for _, n := range noise {
				l = n.pattern.ReplaceAllString(l, n.instead)
			}
			text = append(text, strings.TrimSpace(l))
			if strings.HasPrefix(l, "== exit ") {
				break
			}
		}
		require.NoError(t, lines.Err())
		require.NotEmpty(t, text, line)
		said = append(said, strings.Join(text, "\n"))
	}
	return said
}

// useForTools writes records, commits offsets of a group, and leaves a transaction
// open.
func useForTools(t *testing.T, addr string) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	p, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	require.NoError(t, err)
	defer p.Close()
	for partition := range int32(2) {
		require.NoError(t, p.ProduceSync(ctx, &kgo.Record{Topic: "orders", Partition: partition, Value: []byte("x")}).FirstErr())
	}
	offsets := kadm.Offsets{}
	offsets.AddOffset("orders", 0, 1, -1)
	offsets.AddOffset("orders", 1, 1, -1)
	require.NoError(t, kadm.NewClient(p).CommitAllOffsets(ctx, "readers", offsets))
	open, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.TransactionalID("open"))
	require.NoError(t, err)
	t.Cleanup(open.Close)
	require.NoError(t, open.BeginTransaction())
	require.NoError(t, open.ProduceSync(ctx, &kgo.Record{Topic: "orders", Value: []byte("y")}).FirstErr())
}

// TestToolsOfKafkaSayTheSame asks Kafka's tools the same of both brokers.
func TestToolsOfKafkaSayTheSame(t *testing.T) {
	toolsSayTheSame(t, toolScript, map[string]func(t *testing.T, addr string){toolScript[1]: useForTools})
}

func toolsSayTheSame(t *testing.T, script []string, first map[string]func(t *testing.T, addr string)) {
	kafka := apachekafka.ForTest(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	theirs, err := kafka.Start(ctx, 1, t.TempDir(), "transaction.state.log.replication.factor=1", "transaction.state.log.min.isr=1",
		"transaction.state.log.num.partitions=1", "offsets.topic.num.partitions=1",
		"share.coordinator.state.topic.replication.factor=1", "share.coordinator.state.topic.min.isr=1", "share.coordinator.state.topic.num.partitions=1")
	require.NoError(t, err)
	defer func() { require.NoError(t, theirs.Close()) }()
	want := runTools(t, kafka, theirs.Addrs()[0], script, first)
	got := runTools(t, kafka, brokertest.NewCluster(t, 1).Addrs()[0], script, first)
	for i, line := range script {
		assert.Equal(t, want[i], got[i], line)
	}
}
