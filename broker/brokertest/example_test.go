package brokertest_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/brokertest"
)

// A cluster for all tests of a package, or for a program: of one test it is
// NewCluster.
func ExampleStart() {
	c, err := brokertest.Start(1, brokertest.Topic("orders", 1))
	if err != nil {
		fmt.Println(err)
		return
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.Addrs()...), kgo.DefaultProduceTopic("orders"))
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := cl.ProduceSync(context.Background(), kgo.StringRecord("hello")).FirstErr(); err != nil {
		fmt.Println(err)
	}
	cl.Close()
	for _, r := range c.Records("orders", 0) {
		fmt.Printf("%d: %s\n", r.Offset, r.Value)
	}
	fmt.Println(c.Close())
	// Output:
	// 0: hello
	// <nil>
}

// What a program makes of a write that was done although the answer says that it
// was not: it must not be lost, nor be there twice.
func TestExampleOfAWriteInDoubt(t *testing.T) {
	c := brokertest.NewCluster(t, 3, brokertest.Topic("payments", 1, "min.insync.replicas=2"))
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.Addrs()...), kgo.DefaultProduceTopic("payments"), kgo.MetadataMinAge(50*time.Millisecond))
	require.NoError(t, err)
	defer cl.Close()

	c.On(kmsg.Produce).LoseAnswer()
	require.NoError(t, cl.ProduceSync(t.Context(), kgo.StringRecord("100 EUR")).FirstErr())
	require.Len(t, c.Records("payments", 0), 1)
}

// What a consumer makes of a coordinator that loads its groups, and of a
// generation that has ended, while it commits.
func TestExampleOfACommitInARebalance(t *testing.T) {
	c := brokertest.NewCluster(t, 1, brokertest.Topic("orders", 1))
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.Addrs()...), kgo.DefaultProduceTopic("orders"), kgo.ConsumerGroup("billing"),
		kgo.ConsumeTopics("orders"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.DisableAutoCommit())
	require.NoError(t, err)
	defer cl.Close()
	require.NoError(t, cl.ProduceSync(t.Context(), kgo.StringRecord("a book")).FirstErr())
	require.Equal(t, 1, cl.PollFetches(t.Context()).NumRecords())

	c.On(kmsg.OffsetCommit).Fail(kerr.RebalanceInProgress)
	err = cl.CommitUncommittedOffsets(t.Context())
	require.True(t, errors.Is(err, kerr.RebalanceInProgress), err)
	require.Empty(t, c.Group("billing").Offsets)
	require.NoError(t, cl.CommitUncommittedOffsets(t.Context()))
	require.Equal(t, int64(1), c.Group("billing").Offsets[0].Offset)
}

// What a producer makes of too few replicas, of a leader that dies, and of a disk
// that fails.
func TestExampleOfBrokersInTrouble(t *testing.T) {
	c := brokertest.NewCluster(t, 3, brokertest.Topic("orders", 1, "min.insync.replicas=2"))
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.Addrs()...), kgo.DefaultProduceTopic("orders"), kgo.MetadataMinAge(50*time.Millisecond))
	require.NoError(t, err)
	defer cl.Close()

	shrunk := c.ShrinkISR("orders", 0, 1)
	refused := c.On(kmsg.Produce).Change(func(_ kmsg.Request, resp kmsg.Response) {
		// Nothing is changed: this sees that the broker itself refuses it.
		code := resp.(*kmsg.ProduceResponse).Topics[0].Partitions[0].ErrorCode
		if code != kerr.NotEnoughReplicas.Code {
			t.Errorf("the write was answered %v", kerr.ErrorForCode(code))
		}
	})
	written := make(chan error)
	go func() { written <- cl.ProduceSync(t.Context(), kgo.StringRecord("first")).FirstErr() }()
	refused.Await()
	shrunk.Remove()
	require.NoError(t, <-written)

	leader := c.Partition("orders", 0).Leader
	c.FailDisk(leader, brokertest.DiskFault{Ops: brokertest.Writes})
	go func() { written <- cl.ProduceSync(t.Context(), kgo.StringRecord("second")).FirstErr() }()
	c.AwaitEnd(leader)
	c.Expire(leader)
	require.NoError(t, <-written)
	require.NotEqual(t, leader, c.Partition("orders", 0).Leader)
	require.Equal(t, []string{"first", "second"}, values(c.Records("orders", 0)))
}
