package brokertest_test

import (
	"bufio"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/brokertest"
	"github.com/weirlab/weir/broker/brokertest/apachekafka"
)

// TestTransactionsOfTheJavaClient commits, aborts, is fenced and moves records
// exactly once, under both kinds of transactions, while coordinators are killed.
// Kafka's own tool then reads what the coordinators have written.
func TestTransactionsOfTheJavaClient(t *testing.T) {
	kafka := apachekafka.ForTest(t)
	c := brokertest.NewCluster(t, 3, brokertest.Set("num.partitions", "2"), brokertest.Set("auto.create.topics.enable", "true"))
	for _, version := range []int16{2, 0} {
		if version == 0 {
			req := kmsg.NewPtrUpdateFeaturesRequest()
			req.FeatureUpdates = []kmsg.UpdateFeaturesRequestFeatureUpdate{{Feature: "transaction.version", MaxVersionLevel: version, UpgradeType: 2}}
			req.Version = 1
			require.Zero(t, exchange(t, c.Addrs()[0], req).(*kmsg.UpdateFeaturesResponse).ErrorCode)
		}
		moveByJava(t, kafka, c)
	}
	for topic, decoder := range map[string]string{"__transaction_state": "--transaction-log-decoder", "__consumer_offsets": "--offsets-decoder"} {
		files, err := filepath.Glob(filepath.Join(c.Dir(1), topic+"-*", "*.log"))
		require.NoError(t, err)
		out, err := kafka.Command("org.apache.kafka.tools.DumpLogSegments", decoder, "--files", strings.Join(files, ",")).Output()
		require.NoError(t, err)
		require.NotContains(t, string(out), "isvalid: false")
		for _, read := range map[string][]string{
			"__transaction_state": {`"transactionalId":"mover-`, `"clientTransactionVersion":2`, `payload: {"version":"0"`},
			"__consumer_offsets":  {`"group":"movers-`, "endTxnMarker: COMMIT", "isTransactional: true"},
		}[topic] {
			require.Contains(t, string(out), read)
		}
	}
}

// moveByJava runs the program of the Java client once.
func moveByJava(t *testing.T, kafka apachekafka.Jars, c *brokertest.Cluster) {
	t.Helper()
	cmd := kafka.Command(filepath.Join("testdata", "Transactions.java"), strings.Join(c.Addrs(), ","))
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	var said []string
	for lines := bufio.NewScanner(out); lines.Scan(); {
		said = append(said, lines.Text())
		run, kill := strings.CutPrefix(lines.Text(), "kill ")
		if !kill {
			continue
		}
		for _, victim := range []func() int32{
			func() int32 { return c.TransactionCoordinator("mover-" + run) },
			func() int32 { return c.Coordinator("movers-" + run) },
		} {
			id := victim()
			c.Kill(id)
			c.Expire(id)
			c.Start(id)
		}
	}
	require.NoError(t, cmd.Wait(), strings.Join(said, "\n"))
	require.Contains(t, said, "done")
}
