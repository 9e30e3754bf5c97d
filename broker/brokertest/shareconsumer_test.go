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

// TestShareConsumersOfTheJavaClient has KafkaShareConsumers accept, release and reject
// records, in both modes of acknowledging and of acquiring: once renewing some too, once
// while a leader is killed. Each record is accepted or rejected in the end, and is not
// seen after that. Both at once are not tried: docs/clients.md says why.
func TestShareConsumersOfTheJavaClient(t *testing.T) {
	kafka := apachekafka.ForTest(t)
	t.Run("renewing", func(t *testing.T) { shareByJava(t, kafka, false, "renew") })
	t.Run("a leader is killed", func(t *testing.T) { shareByJava(t, kafka, true) })
}

func shareByJava(t *testing.T, kafka apachekafka.Jars, kill bool, args ...string) {
	c := brokertest.NewCluster(t, 3)
	cmd := kafka.Command(filepath.Join("testdata", "ShareConsumer.java"), append([]string{strings.Join(c.Addrs(), ",")}, args...)...)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	var complaints strings.Builder
	cmd.Stderr = &complaints
	require.NoError(t, cmd.Start())
	var said []string
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if said = append(said, lines.Text()); lines.Text() == "kill" && kill {
			id := c.Partition("shared", 0).Leader
			c.Kill(id)
			c.Expire(id)
			c.Start(id)
		}
	}
	require.NoError(t, cmd.Wait(), strings.Join(said, "\n")+complaints.String())
	require.Contains(t, said, "done")
}
