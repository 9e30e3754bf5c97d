package brokertest_test

import (
	"bufio"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/broker/brokertest"
	"github.com/weirlab/weir/broker/brokertest/apachekafka"
)

// TestShareConsumersOfTheJavaClient has KafkaShareConsumers accept, release, reject and
// renew records, in both modes of acknowledging and of acquiring, while a leader is
// killed: each record is accepted or rejected in the end, and is not seen after that.
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
		if said = append(said, lines.Text()); lines.Text() == "kill" {
			id := c.Partition("shared", 0).Leader
			c.Kill(id)
			c.Expire(id)
			c.Start(id)
		}
	}
	require.NoError(t, cmd.Wait(), strings.Join(said, "\n")+complaints.String())
	require.Contains(t, said, "done")
}
