package outside_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/brokertest"

	"example.com/outside"
)

func publisher(t *testing.T, c *brokertest.Cluster) *outside.Publisher {
	p, err := outside.NewPublisher(c.Addrs()...)
	require.NoError(t, err)
	t.Cleanup(p.Close)
	return p
}

// The connection breaks after the broker has written the price and before it has
// said so.
func TestAPriceIsPublishedOnceAlthoughTheAnswerIsLost(t *testing.T) {
	c := brokertest.NewCluster(t, 3, brokertest.Topic("prices", 1, "min.insync.replicas=2"))
	p := publisher(t, c)
	c.On(kmsg.Produce).LoseAnswer()
	require.NoError(t, p.Publish(t.Context(), "9.99"))
	require.Len(t, c.Records("prices", 0), 1)
}

func TestAPriceOutlivesItsLeader(t *testing.T) {
	c := brokertest.NewCluster(t, 3, brokertest.Topic("prices", 1, "min.insync.replicas=2"))
	p := publisher(t, c)
	require.NoError(t, p.Publish(t.Context(), "9.99"))
	leader := c.Partition("prices", 0).Leader
	c.Kill(leader)
	c.Expire(leader)
	require.NoError(t, p.Publish(t.Context(), "10.49"))
	require.Len(t, c.Records("prices", 0), 2)
}

func TestAPriceThatIsTooLargeIsNoReasonToTryForEver(t *testing.T) {
	c := brokertest.NewCluster(t, 1, brokertest.Topic("prices", 1))
	c.On(kmsg.Produce).Partition("prices", 0).Fail(kerr.MessageTooLarge)
	require.ErrorIs(t, publisher(t, c).Publish(t.Context(), "9.99"), outside.ErrTooLarge)
	require.Empty(t, c.Records("prices", 0))
}
