package replication

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/broker/metadata"
)

// A high watermark that falls is written at once, before the log grows beyond the
// old one with other records: a process that read the old one would take these for
// committed. Seed 0x2903 of scenarios/harsh.yaml.
func TestAHighWatermarkThatFallsIsWrittenAtOnce(t *testing.T) {
	c := newCluster(t, 2)
	c.stop(1)
	c.stop(2)
	c.cfg.CheckpointInterval = time.Hour
	c.start(1)
	c.start(2)
	written := func(id int32, tp metadata.TopicPartition) int64 {
		return c.manager(id).readCheckpoint(c.manager(id).dirs[0])[replicaKey{c.now().Partition(tp).TopicID, tp.Partition}]
	}

	// Cut off with its records, the old leader follows an unclean one that has none.
	// That one never fetches from it: who has all there is stays in the ISR.
	c.setCut(2, true)
	tp := c.createTopic("orders", nil, 1, 2)
	c.eventually("broker 1 is alone in the ISR", func() bool { return len(c.view(1).ISR) == 1 })
	require.Zero(t, c.manager(1).Append(tp, batch("a"), -1, patient).ErrorCode)
	require.NoError(t, c.manager(1).writeCheckpoint())
	require.EqualValues(t, 1, written(1, tp))
	c.setCut(2, false)
	c.elect(tp, 2, 2)
	c.eventually("broker 1 has cut its log", func() bool { return c.view(1).LogEndOffset == 0 })
	require.EqualValues(t, 0, c.view(1).HighWatermark)
	c.eventually("the fall is written", func() bool { return written(1, tp) == 0 })

	// A log that has lost its end is opened.
	c.eventually("broker 1 is back in the ISR", func() bool { return len(c.view(2).ISR) == 2 })
	require.Zero(t, c.manager(2).Append(tp, batch("b"), -1, patient).ErrorCode)
	c.stop(2)
	logs, err := filepath.Glob(filepath.Join(c.root, "2", "orders-0*", "*.log"))
	require.NoError(t, err)
	require.Len(t, logs, 1)
	require.NoError(t, os.Truncate(logs[0], 0))
	clean, err := filepath.Glob(filepath.Join(c.root, "2", "orders-0*", "*clean*"))
	require.NoError(t, err)
	for _, name := range clean {
		require.NoError(t, os.Remove(name))
	}
	c.setCut(2, true) // nobody gives it back
	c.start(2)
	image := c.now()
	c.manager(2).Apply(image, image.Full())
	require.Zero(t, c.view(2).LogEndOffset)
	require.EqualValues(t, 0, written(2, tp))
}
