package broker_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// committed reads n committed records of a topic, and those that come within a
// moment after.
func committed(ctx context.Context, t *testing.T, cl *kgo.Client, n int) (values []string) {
	t.Helper()
	for len(values) < n {
		fetches := cl.PollFetches(ctx)
		require.NoError(t, fetches.Err0(), "after %d of %d records", len(values), n)
		fetches.EachRecord(func(r *kgo.Record) { values = append(values, string(r.Value)) })
	}
	ctx, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
	defer cancel()
	cl.PollFetches(ctx).EachRecord(func(r *kgo.Record) { values = append(values, string(r.Value)) })
	return values
}

func TestTransactionsAreSeenOnceTheyAreCommitted(t *testing.T) {
	ctx := testContext(t)
	c := startCluster(t, 1, nil)
	c.createTopic(ctx, "t", 2)
	p := c.client(kgo.TransactionalID("x"), kgo.DefaultProduceTopic("t"))
	write := func(end kgo.TransactionEndTry, values ...string) {
		t.Helper()
		require.NoError(t, p.BeginTransaction())
		for _, v := range values {
			require.NoError(t, p.ProduceSync(ctx, kgo.StringRecord(v)).FirstErr())
		}
		require.NoError(t, p.EndTransaction(ctx, end))
	}
	write(kgo.TryCommit, "a", "b")
	write(kgo.TryAbort, "lost", "gone")
	write(kgo.TryCommit, "c")
	reader := c.client(kgo.ConsumeTopics("t"), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	require.ElementsMatch(t, []string{"a", "b", "c"}, committed(ctx, t, reader, 3))

	// Another instance fences this one.
	require.NoError(t, p.BeginTransaction())
	require.NoError(t, p.ProduceSync(ctx, kgo.StringRecord("fenced")).FirstErr())
	second := c.client(kgo.TransactionalID("x"), kgo.DefaultProduceTopic("t"))
	require.NoError(t, second.BeginTransaction())
	require.NoError(t, second.ProduceSync(ctx, kgo.StringRecord("d")).FirstErr())
	require.NoError(t, second.EndTransaction(ctx, kgo.TryCommit))
	err := p.EndTransaction(ctx, kgo.TryCommit)
	require.Error(t, err)
	require.Equal(t, []string{"d"}, committed(ctx, t, reader, 1))

	adm := kadm.NewClient(c.client())
	listed, err := adm.ListTransactions(ctx, nil, []string{"CompleteCommit"})
	require.NoError(t, err)
	require.Len(t, listed, 1)
	described, err := adm.DescribeTransactions(ctx, "x")
	require.NoError(t, err)
	require.Equal(t, "CompleteCommit", described["x"].State)
}
