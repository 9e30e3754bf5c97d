package brokertest_test

import (
	"bufio"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/broker/brokertest"
	"github.com/weirlab/weir/broker/brokertest/apachekafka"
)

// TestShareConsumersOfTheJavaClient has KafkaShareConsumers accept, release, reject and
// renew records, in both modes of acknowledging and of acquiring: each record is accepted
// or rejected in the end, and is not seen after that. With WEIR_SHARE_KILL set a leader
// is killed meanwhile. On a busy machine members are then often given nothing more of its
// partition, which is an open bug (docs/clients.md).
func TestShareConsumersOfTheJavaClient(t *testing.T) {
	kafka := apachekafka.ForTest(t)
	c := brokertest.NewCluster(t, 3)
	cmd := kafka.Command(filepath.Join("testdata", "ShareConsumer.java"), strings.Join(c.Addrs(), ","))
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	var complaints strings.Builder
	cmd.Stderr = &complaints
	require.NoError(t, cmd.Start())
	var said []string
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if said = append(said, lines.Text()); lines.Text() == "kill" && os.Getenv("WEIR_SHARE_KILL") != "" {
			id := c.Partition("shared", 0).Leader
			c.Kill(id)
			c.Expire(id)
			c.Start(id)
		}
	}
	require.NoError(t, cmd.Wait(), strings.Join(said, "\n")+complaints.String())
	require.Contains(t, said, "done")
}
