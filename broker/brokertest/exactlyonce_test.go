package brokertest_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/brokertest"
)

// TestConsumeTransformProduceExactlyOnce moves records from one topic to another
// by transactions of franz-go, while the transaction coordinator, the group
// coordinator and a leader are killed one after the other.
func TestConsumeTransformProduceExactlyOnce(t *testing.T) {
	const n = 40
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c := brokertest.NewCluster(t, 3, brokertest.Topic("in", 2), brokertest.Topic("out", 2))
	at := []kgo.Opt{kgo.SeedBrokers(c.Addrs()...), kgo.MetadataMinAge(10 * time.Millisecond)}
	p, err := kgo.NewClient(append(at, kgo.DefaultProduceTopic("in"))...)
	require.NoError(t, err)
	defer p.Close()
	for i := range n {
		require.NoError(t, p.ProduceSync(ctx, kgo.StringRecord(fmt.Sprint(i))).FirstErr())
	}
	s, err := kgo.NewGroupTransactSession(append(at, kgo.TransactionalID("mover"), kgo.ConsumerGroup("movers"), kgo.ConsumeTopics("in"),
		kgo.DefaultProduceTopic("out"), kgo.FetchIsolationLevel(kgo.ReadCommitted()))...)
	require.NoError(t, err)
	defer s.Close()
	victims := []func() int32{
		func() int32 { return c.TransactionCoordinator("mover") },
		func() int32 { return c.Coordinator("movers") },
		func() int32 { return c.Partition("out", 0).Leader },
	}
	for moved, killed := 0, 0; moved < n; {
		fetches := s.PollRecords(ctx, 4)
		require.NoError(t, ctx.Err())
		if fetches.NumRecords() == 0 {
			continue
		}
		require.NoError(t, s.Begin())
		fetches.EachRecord(func(r *kgo.Record) { s.Produce(ctx, kgo.StringRecord(string(r.Value)), nil) })
		if killed < len(victims) && moved >= killed*n/4 {
			victim := victims[killed]()
			c.Kill(victim)
			c.Expire(victim)
			c.Start(victim)
			killed++
		}
		// An error means that it was aborted: what it read is read again.
		if ok, err := s.End(ctx, kgo.TryCommit); ok && err == nil {
			moved += fetches.NumRecords()
		}
	}
	r, err := kgo.NewClient(append(at, kgo.ConsumeTopics("out"), kgo.FetchIsolationLevel(kgo.ReadCommitted()))...)
	require.NoError(t, err)
	defer r.Close()
	counts, last := map[string]int{}, false
	for !last {
		wait, cancel := ctx, func() {}
		if last = len(counts) >= n; last { // and nothing comes after
			wait, cancel = context.WithTimeout(ctx, 200*time.Millisecond)
		}
		r.PollFetches(wait).EachRecord(func(r *kgo.Record) { counts[string(r.Value)]++ })
		cancel()
		require.NoError(t, ctx.Err(), "%d of %d records", len(counts), n)
	}
	require.Len(t, counts, n)
	for value, times := range counts {
		require.Equal(t, 1, times, value)
	}
}

// Every replica tells of the producers that its log knows, not only the leader's.
func TestFollowersDescribeProducers(t *testing.T) {
	c := brokertest.NewCluster(t, 3, brokertest.Topic("orders", 1))
	p, err := kgo.NewClient(kgo.SeedBrokers(c.Addrs()...), kgo.DefaultProduceTopic("orders"))
	require.NoError(t, err)
	defer p.Close()
	require.NoError(t, p.ProduceSync(t.Context(), kgo.StringRecord("x")).FirstErr())
	c.AwaitInSync()
	id, _, err := p.ProducerID(t.Context())
	require.NoError(t, err)
	for _, addr := range c.Addrs() {
		req := kmsg.NewPtrDescribeProducersRequest()
		req.Topics = []kmsg.DescribeProducersRequestTopic{{Topic: "orders", Partitions: []int32{0}}}
		got := exchange(t, addr, req).(*kmsg.DescribeProducersResponse).Topics[0].Partitions[0]
		require.Zero(t, got.ErrorCode)
		require.Len(t, got.ActiveProducers, 1, addr)
		require.Equal(t, id, got.ActiveProducers[0].ProducerID)
	}
}
