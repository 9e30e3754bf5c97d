package broker_test

import (
	"context"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// TestGroupMembersShareAndResume: two members of a group read each record
// once between them; after every broker has restarted, a new member goes on
// from the committed offsets.
func TestGroupMembersShareAndResume(t *testing.T) {
	ctx := testContext(t)
	c := startCluster(t, 3, nil)
	c.createTopic(ctx, "orders", 6)
	produce := func(from, to int) {
		producer := c.client(kgo.DefaultProduceTopic("orders"), kgo.RecordPartitioner(kgo.RoundRobinPartitioner()))
		for i := from; i < to; i++ {
			producer.Produce(ctx, kgo.StringRecord(strconv.Itoa(i)), func(_ *kgo.Record, err error) {
				if err != nil {
					t.Errorf("produce: %v", err)
				}
			})
		}
		require.NoError(t, producer.Flush(ctx))
	}
	join := func() *kgo.Client {
		return c.client(kgo.ConsumerGroup("billing"), kgo.ConsumeTopics("orders"), kgo.DisableAutoCommit(), kgo.SessionTimeout(6*time.Second))
	}
	poll := func(cl *kgo.Client, seen map[string]int) {
		pollCtx, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
		defer cancel()
		cl.PollFetches(pollCtx).EachRecord(func(r *kgo.Record) { seen[string(r.Value)]++ })
	}
	requireOnce := func(seen map[string]int, from, to int) {
		require.Len(t, seen, to-from)
		for i := from; i < to; i++ {
			require.Equal(t, 1, seen[strconv.Itoa(i)], "record %d", i)
		}
	}

	a, b := join(), join()
	adm := kadm.NewClient(c.client())
	require.Eventually(t, func() bool {
		_, _ = a.PollFetches(canceled()).Err(), b.PollFetches(canceled()).Err()
		groups, err := adm.DescribeGroups(ctx, "billing")
		return err == nil && groups["billing"].State == "Stable" && len(groups["billing"].Members) == 2
	}, 20*time.Second, 50*time.Millisecond)

	produce(0, 600)
	seen, byA := map[string]int{}, map[string]int{}
	for len(seen)+len(byA) < 600 {
		require.NoError(t, ctx.Err())
		poll(a, byA)
		poll(b, seen)
	}
	require.NotEmpty(t, byA)
	require.NotEmpty(t, seen)
	for value, n := range byA {
		seen[value] += n
	}
	requireOnce(seen, 0, 600)
	require.NoError(t, a.CommitUncommittedOffsets(ctx))
	require.NoError(t, b.CommitUncommittedOffsets(ctx))
	a.LeaveGroup()
	b.LeaveGroup()

	for i := range c.brokers {
		require.NoError(t, c.stop(i))
		c.start(i)
	}
	produce(600, 800)
	late, seen := join(), map[string]int{}
	for len(seen) < 200 {
		require.NoError(t, ctx.Err(), "%d of 200 records came", len(seen))
		poll(late, seen)
	}
	requireOnce(seen, 600, 800)

	offsets, err := adm.FetchOffsets(ctx, "billing")
	require.NoError(t, err)
	var total int64
	offsets.Each(func(o kadm.OffsetResponse) { total += o.At })
	require.Equal(t, int64(600), total, fmt.Sprint(offsets))
}

func canceled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}
