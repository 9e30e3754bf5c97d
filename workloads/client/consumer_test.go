package client_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/weirlab/weir/workloads/client"
)

func partitionsOf(topic string, n int32) []client.TopicPartition {
	var parts []client.TopicPartition
	for i := range n {
		parts = append(parts, client.TopicPartition{Topic: topic, Partition: i})
	}
	return parts
}

// readValues polls until n records have come and returns the values by
// partition.
func readValues(t *testing.T, k *client.Consumer, n int) map[int32][]string {
	t.Helper()
	got := map[int32][]string{}
	next := map[int32]int64{}
	deadline := time.Now().Add(20 * time.Second)
	for count := 0; count < n; {
		require.True(t, time.Now().Before(deadline), "%d of %d records after 20 s", count, n)
		batch := k.Poll(100 * time.Millisecond)
		require.Empty(t, batch.Errors)
		for _, p := range batch.Partitions {
			if want, ok := next[p.Partition]; ok {
				require.Equal(t, want, p.Position)
			}
			next[p.Partition] = p.Next
			for i, r := range p.Records {
				require.Less(t, r.Offset, p.Next)
				if i > 0 {
					require.Greater(t, r.Offset, p.Records[i-1].Offset)
				}
				got[p.Partition] = append(got[p.Partition], string(r.Value))
				count++
			}
		}
	}
	return got
}

func TestConsumeFromStart(t *testing.T) {
	w := newWorld(t, kfake.SeedTopics(3, "t"))
	p := w.producer(t, client.DefaultProducerConfig())
	var r results
	produceNumbered(p, "t", 3, 0, 1000, &r)
	require.True(t, p.Flush(10*time.Second))

	k, err := w.client(t).NewConsumer(client.ConsumerConfig{OffsetReset: client.ResetEarliest, MaxPollRecords: 17})
	require.NoError(t, err)
	defer k.Close()
	k.Assign(partitionsOf("t", 3))
	got := readValues(t, k, 1000)
	for part := range int32(3) {
		var want []string
		for i := int(part); i < 1000; i += 3 {
			want = append(want, fmt.Sprint(i))
		}
		require.Equal(t, want, got[part])
	}

	// Reading on from where the log ended.
	produceNumbered(p, "t", 3, 1000, 30, &r)
	got = readValues(t, k, 30)
	require.Len(t, got, 3)

	// Back to the start of one partition: a new session.
	require.True(t, k.Seek(client.TopicPartition{Topic: "t"}, 5))
	got = readValues(t, k, (1000+2)/3+30/3-5)
	require.Equal(t, "15", got[0][0])
}

func TestRecordsSurviveTheTrip(t *testing.T) {
	w := newWorld(t, kfake.SeedTopics(1, "t"))
	p := w.producer(t, client.ProducerConfig{Acks: client.AcksAll, Idempotent: true, Linger: 20 * time.Millisecond})
	sent := []*client.Record{
		{Topic: "t", Key: []byte("k"), Value: []byte("v"), TimestampMillis: 1000},
		{Topic: "t", Value: []byte{}, TimestampMillis: 500, Headers: []client.Header{{Key: "h", Value: []byte("x")}, {Key: "", Value: nil}}},
		{Topic: "t", Key: []byte{}, TimestampMillis: 2000},
	}
	var last client.Result
	for _, r := range sent {
		p.Produce(r, func(_ *client.Record, res client.Result) { last = res })
	}
	require.True(t, p.Flush(10*time.Second))
	require.NoError(t, last.Err)
	require.EqualValues(t, 2, last.Offset)
	require.EqualValues(t, 2, last.Sequence)

	k, err := w.client(t).NewConsumer(client.ConsumerConfig{OffsetReset: client.ResetEarliest})
	require.NoError(t, err)
	defer k.Close()
	k.Assign(partitionsOf("t", 1))
	batch := k.Poll(10 * time.Second)
	require.Equal(t, 3, batch.Len())
	for i, got := range batch.Partitions[0].Records {
		require.Equal(t, sent[i].Key, got.Key)
		require.Equal(t, sent[i].Value, got.Value)
		require.Equal(t, sent[i].TimestampMillis, got.TimestampMillis)
		require.Equal(t, sent[i].Headers, got.Headers)
		require.EqualValues(t, i, got.Sequence)
		require.Equal(t, last.ProducerID, got.ProducerID)
	}
}

func TestOutOfRange(t *testing.T) {
	w := newWorld(t, kfake.SeedTopics(1, "t"))
	p := w.producer(t, client.DefaultProducerConfig())
	require.NoError(t, p.ProduceSync(&client.Record{Topic: "t", Value: []byte("0")}).Err)
	tp := client.TopicPartition{Topic: "t"}

	k, err := w.client(t).NewConsumer(client.ConsumerConfig{})
	require.NoError(t, err)
	defer k.Close()
	k.Assign(partitionsOf("t", 1))
	batch := k.Poll(5 * time.Second)
	require.Len(t, batch.Errors, 1)
	require.ErrorIs(t, batch.Errors[0].Err, client.ErrOutOfRange)
	k.Seek(tp, 100)
	batch = k.Poll(5 * time.Second)
	require.Len(t, batch.Errors, 1)
	require.ErrorIs(t, batch.Errors[0].Err, client.ErrOutOfRange)
	k.SeekTime(tp, client.TimestampEarliest)
	require.Equal(t, 1, func() int { b := k.Poll(5 * time.Second); return b.Len() }())

	k, err = w.client(t).NewConsumer(client.ConsumerConfig{OffsetReset: client.ResetEarliest})
	require.NoError(t, err)
	defer k.Close()
	k.Assign(partitionsOf("t", 1))
	k.Seek(tp, 100)
	batch = k.Poll(5 * time.Second)
	require.Len(t, batch.Errors, 1)
	batch = k.Poll(5 * time.Second)
	require.Equal(t, 1, batch.Len())
}

func TestGroup(t *testing.T) {
	w := newWorld(t, kfake.SeedTopics(6, "t"), kfake.GroupMinSessionTimeout(time.Second))
	p := w.producer(t, client.DefaultProducerConfig())
	var r results
	produceNumbered(p, "t", 6, 0, 600, &r)
	require.True(t, p.Flush(10*time.Second))

	member := func() *client.Consumer {
		k, err := w.client(t).NewConsumer(client.ConsumerConfig{
			Group: "g", OffsetReset: client.ResetEarliest,
			SessionTimeout: 6 * time.Second, HeartbeatInterval: 50 * time.Millisecond,
		})
		require.NoError(t, err)
		require.NoError(t, k.Subscribe([]string{"t"}))
		return k
	}
	a := member()
	defer a.Close()
	readValues(t, a, 600)
	require.Equal(t, partitionsOf("t", 6), a.Assigned())
	commit := a.CommitPositions(5 * time.Second)
	require.Equal(t, client.OutcomeOK, commit.Outcome, "%v", commit.Err)

	b := member()
	require.Eventually(t, func() bool {
		a.Poll(10 * time.Millisecond)
		b.Poll(10 * time.Millisecond)
		return len(a.Assigned()) == 3 && len(b.Assigned()) == 3
	}, 20*time.Second, time.Millisecond)
	all := slices.SortedFunc(slices.Values(append(a.Assigned(), b.Assigned()...)), client.TopicPartition.Compare)
	require.Equal(t, partitionsOf("t", 6), all)

	// What was committed is where the new member goes on.
	produceNumbered(p, "t", 6, 600, 6, &r)
	got := map[string]bool{}
	require.Eventually(t, func() bool {
		for _, k := range []*client.Consumer{a, b} {
			batch := k.Poll(10 * time.Millisecond)
			for _, p := range batch.Partitions {
				for _, r := range p.Records {
					got[string(r.Value)] = true
				}
			}
		}
		return len(got) >= 6
	}, 20*time.Second, time.Millisecond)
	require.Len(t, got, 6)
	require.True(t, got["605"])

	b.Close()
	require.Eventually(t, func() bool {
		a.Poll(10 * time.Millisecond)
		return len(a.Assigned()) == 6
	}, 20*time.Second, time.Millisecond)
}

func TestCommitAndFetchOffsets(t *testing.T) {
	w := newWorld(t, kfake.SeedTopics(2, "t"))
	c := w.client(t)
	parts := partitionsOf("t", 2)
	offsets, _, err := c.FetchOffsets("g", parts, 5*time.Second)
	require.NoError(t, err)
	require.Equal(t, []int64{-1, -1}, offsets)
	res := c.CommitOffsets("g", []client.OffsetCommit{{TopicPartition: parts[1], Offset: 42, LeaderEpoch: -1}}, 5*time.Second)
	require.Equal(t, client.OutcomeOK, res.Outcome, "%v", res.Err)
	offsets, broker, err := c.FetchOffsets("g", parts, 5*time.Second)
	require.NoError(t, err)
	require.Equal(t, []int64{-1, 42}, offsets)
	require.Equal(t, w.cluster.CoordinatorFor("g"), broker)
}

func TestAdmin(t *testing.T) {
	w := newWorld(t)
	a := w.client(t).Admin()
	require.NoError(t, a.CreateTopic(client.NewTopic{Name: "new", Partitions: 2, ReplicationFactor: 1}, 5*time.Second))
	require.NoError(t, a.WaitReady("new", 5*time.Second))
	topic, err := a.DescribeTopic("new", 5*time.Second)
	require.NoError(t, err)
	require.Len(t, topic.Partitions, 2)
	offset, _, err := a.ListOffset(client.TopicPartition{Topic: "new", Partition: 1}, client.TimestampLatest, 5*time.Second)
	require.NoError(t, err)
	require.Zero(t, offset)
	require.ErrorContains(t, a.CreateTopic(client.NewTopic{Name: "new", Partitions: 2, ReplicationFactor: 1}, 5*time.Second), "TOPIC_ALREADY_EXISTS")
	require.NoError(t, a.DeleteTopic("new", 5*time.Second))
	_, err = a.DescribeTopic("new", 5*time.Second)
	require.ErrorContains(t, err, "UNKNOWN_TOPIC_OR_PARTITION")
}
