package client_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
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
	for _, sessions := range []bool{false, true} {
		t.Run(fmt.Sprint("sessions ", sessions), func(t *testing.T) { testConsumeFromStart(t, sessions) })
	}
}

func testConsumeFromStart(t *testing.T, sessions bool) {
	w := newWorld(t, kfake.SeedTopics(3, "t"))
	p := w.producer(t, client.DefaultProducerConfig())
	var r results
	produceNumbered(p, "t", 3, 0, 1000, &r)
	require.True(t, p.Flush(10*time.Second))

	k, err := w.client(t).NewConsumer(client.ConsumerConfig{OffsetReset: client.ResetEarliest, MaxPollRecords: 17, FetchSessions: sessions})
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

// answerOnce replaces the answer to the next request of one API by changing
// what kfake would have said.
func (w world) answerOnce(key int16, answer func(kmsg.Request) kmsg.Response) {
	w.cluster.ControlKey(key, func(req kmsg.Request) (kmsg.Response, error, bool) {
		return answer(req), nil, true
	})
}

// A new leader whose log ends before what was read is noticed (KIP-320).
func TestTruncationIsDetected(t *testing.T) {
	w := newWorld(t, kfake.SeedTopics(1, "t"))
	p := w.producer(t, client.DefaultProducerConfig())
	var r results
	produceNumbered(p, "t", 1, 0, 10, &r)
	require.True(t, p.Flush(10*time.Second))
	tp := client.TopicPartition{Topic: "t"}
	for name, reset := range map[string]client.Reset{"none": client.ResetNone, "earliest": client.ResetEarliest} {
		t.Run(name, func(t *testing.T) {
			c := w.client(t)
			k, err := c.NewConsumer(client.ConsumerConfig{OffsetReset: reset})
			require.NoError(t, err)
			defer k.Close()
			k.Assign(partitionsOf("t", 1))
			k.SeekTime(tp, client.TimestampEarliest)
			readValues(t, k, 10)
			const offsetForLeaderEpoch = 23
			w.answerOnce(offsetForLeaderEpoch, func(kreq kmsg.Request) kmsg.Response {
				req := kreq.(*kmsg.OffsetForLeaderEpochRequest)
				resp := req.ResponseKind().(*kmsg.OffsetForLeaderEpochResponse)
				topic := kmsg.NewOffsetForLeaderEpochResponseTopic()
				topic.Topic = "t"
				part := kmsg.NewOffsetForLeaderEpochResponseTopicPartition()
				part.LeaderEpoch, part.EndOffset = req.Topics[0].Partitions[0].LeaderEpoch, 6
				topic.Partitions = append(topic.Partitions, part)
				resp.Topics = append(resp.Topics, topic)
				return resp
			})
			require.NoError(t, w.cluster.MoveTopicPartition("t", 0, (w.cluster.LeaderFor("t", 0)+1)%3))
			var batch client.Batch
			require.Eventually(t, func() bool {
				batch = k.Poll(100 * time.Millisecond)
				return len(batch.Errors) > 0
			}, 20*time.Second, time.Millisecond)
			var truncated *client.TruncatedError
			require.ErrorAs(t, batch.Errors[0].Err, &truncated)
			require.Equal(t, int64(10), truncated.Position)
			require.Equal(t, int64(6), truncated.Divergent)
			if reset == client.ResetEarliest { // goes on from where the logs part
				require.Equal(t, map[int32][]string{0: {"6", "7", "8", "9"}}, readValues(t, k, 4))
				return
			}
			batch = k.Poll(200 * time.Millisecond)
			require.Zero(t, batch.Len())
			require.True(t, k.Seek(tp, 9))
			require.Equal(t, map[int32][]string{0: {"9"}}, readValues(t, k, 1))
		})
	}
}

// A flipped bit is reported, not delivered, and does not end the reading.
func TestCorruptFetchIsReported(t *testing.T) {
	w := newWorld(t, kfake.SeedTopics(1, "t"))
	p := w.producer(t, client.DefaultProducerConfig())
	sent := p.ProduceSync(record("intact"))
	require.NoError(t, sent.Err)
	k, err := w.client(t).NewConsumer(client.ConsumerConfig{OffsetReset: client.ResetEarliest})
	require.NoError(t, err)
	defer k.Close()
	w.answerOnce(1, func(kreq kmsg.Request) kmsg.Response {
		req := kreq.(*kmsg.FetchRequest)
		resp := req.ResponseKind().(*kmsg.FetchResponse)
		topic := kmsg.NewFetchResponseTopic()
		topic.Topic = "t"
		part := kmsg.NewFetchResponseTopicPartition()
		part.HighWatermark = 1
		batch := kmsg.RecordBatch{Magic: 2, Length: 60, NumRecords: 1, Records: []byte("not what it was")}
		part.RecordBatches = batch.AppendTo(nil)
		topic.Partitions = append(topic.Partitions, part)
		resp.Topics = append(resp.Topics, topic)
		return resp
	})
	k.Assign(partitionsOf("t", 1))
	batch := k.Poll(10 * time.Second)
	require.Zero(t, batch.Len())
	require.Len(t, batch.Errors, 1)
	require.ErrorIs(t, batch.Errors[0].Err, client.ErrCorrupt)
	require.Equal(t, map[int32][]string{0: {"intact"}}, readValues(t, k, 1))
}
