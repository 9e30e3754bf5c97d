package client_test

import (
	"fmt"
	"math/rand"
	"net"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/weirlab/weir/workloads/client"
)

const produceKey = 0

// refuse answers produce requests with an error code, appending nothing, as
// long as code returns one.
func refuse(w world, code func(n int) int16) {
	n := 0
	w.cluster.ControlKey(produceKey, func(kreq kmsg.Request) (kmsg.Response, error, bool) {
		w.cluster.KeepControl()
		n++
		c := code(n)
		if c == 0 {
			return nil, nil, false
		}
		req := kreq.(*kmsg.ProduceRequest)
		resp := req.ResponseKind().(*kmsg.ProduceResponse)
		for _, t := range req.Topics {
			topic := kmsg.NewProduceResponseTopic()
			topic.Topic = t.Topic
			for _, p := range t.Partitions {
				part := kmsg.NewProduceResponseTopicPartition()
				part.Partition = p.Partition
				part.ErrorCode = c
				part.BaseOffset = -1
				topic.Partitions = append(topic.Partitions, part)
			}
			resp.Topics = append(resp.Topics, topic)
		}
		return resp, nil, true
	})
}

// logOf reads a whole partition.
func (w world) logOf(t *testing.T, topic string, partition int32) []client.ConsumedRecord {
	t.Helper()
	c := w.client(t)
	tp := client.TopicPartition{Topic: topic, Partition: partition}
	end, _, err := c.Admin().ListOffset(tp, client.TimestampLatest, 10*time.Second)
	require.NoError(t, err)
	k, err := c.NewConsumer(client.ConsumerConfig{OffsetReset: client.ResetEarliest})
	require.NoError(t, err)
	defer k.Close()
	k.Assign([]client.TopicPartition{tp})
	var log []client.ConsumedRecord
	deadline := time.Now().Add(20 * time.Second)
	for at := int64(0); at < end; at, _ = k.Position(tp) {
		require.True(t, time.Now().Before(deadline))
		batch := k.Poll(time.Second)
		for _, p := range batch.Partitions {
			log = append(log, p.Records...)
		}
	}
	return log
}

func values(log []client.ConsumedRecord) []string {
	var v []string
	for _, r := range log {
		v = append(v, string(r.Value))
	}
	return v
}

func record(value string) *client.Record {
	return &client.Record{Topic: "t", Value: []byte(value)}
}

func TestOutcomeCountsEveryAttempt(t *testing.T) {
	for _, tc := range []struct {
		name       string
		codes      []int16 // of the first attempts; then it succeeds
		retries    int
		outcome    client.Outcome
		attempts   int32
		indefinite int32
	}{
		{"refused, then written", []int16{kerr.NotEnoughReplicas.Code}, 0, client.OutcomeOK, 2, 0},
		{"unknown, then written", []int16{kerr.NotLeaderForPartition.Code}, 0, client.OutcomeOK, 2, 1},
		{"refused each time", []int16{kerr.NotEnoughReplicas.Code, kerr.NotEnoughReplicas.Code}, 1, client.OutcomeFail, 2, 0},
		{"unknown, then refused", []int16{kerr.RequestTimedOut.Code, kerr.NotEnoughReplicas.Code}, 1, client.OutcomeInfo, 2, 1},
		{"refused, then unknown", []int16{kerr.NotEnoughReplicas.Code, kerr.NotEnoughReplicasAfterAppend.Code}, 1, client.OutcomeInfo, 2, 1},
		{"too large", []int16{kerr.MessageTooLarge.Code}, 0, client.OutcomeFail, 1, 0},
		{"duplicate", []int16{kerr.RequestTimedOut.Code, kerr.DuplicateSequenceNumber.Code}, 0, client.OutcomeOK, 2, 1},
		{"server error", []int16{kerr.UnknownServerError.Code}, 0, client.OutcomeInfo, 1, 1},
		{"one retry, both unknown", []int16{kerr.NotLeaderForPartition.Code, kerr.KafkaStorageError.Code}, 1, client.OutcomeInfo, 2, 2},
		{"no retries", []int16{kerr.NotLeaderForPartition.Code}, client.NoRetries, client.OutcomeInfo, 1, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t, kfake.SeedTopics(1, "t"))
			cfg := client.DefaultProducerConfig()
			cfg.Retries = tc.retries
			cfg.Idempotent = tc.retries != client.NoRetries
			p := w.producer(t, cfg)
			refuse(w, func(n int) int16 {
				if n <= len(tc.codes) {
					return tc.codes[n-1]
				}
				return 0
			})
			res := p.ProduceSync(record("a"))
			require.Equal(t, tc.outcome, res.Outcome, "%v", res.Err)
			require.Equal(t, tc.attempts, res.Attempts)
			require.Equal(t, tc.indefinite, res.Indefinite)
			if tc.outcome != client.OutcomeOK {
				require.EqualValues(t, -1, res.Offset)
				require.Error(t, res.Err)
			}
			// Whatever became of it, the next one goes through, and once.
			require.NoError(t, p.ProduceSync(record("b")).Err)
			require.Equal(t, "b", values(w.logOf(t, "t", 0))[len(w.logOf(t, "t", 0))-1])
		})
	}
}

func TestNothingSentIsDefinite(t *testing.T) {
	w := newWorld(t, kfake.SeedTopics(1, "t"))
	c := w.client(t)
	p, err := c.NewProducer(client.ProducerConfig{Acks: client.AcksAll, DeliveryTimeout: 300 * time.Millisecond, MaxBlock: 200 * time.Millisecond})
	require.NoError(t, err)
	require.NoError(t, p.ProduceSync(record("a")).Err)
	res := p.ProduceSync(&client.Record{Topic: "missing", Value: []byte("x")})
	require.Equal(t, client.OutcomeFail, res.Outcome)
	require.ErrorContains(t, res.Err, "UNKNOWN_TOPIC_OR_PARTITION")
	res = p.ProduceSync(&client.Record{Topic: "t", Partition: 9})
	require.Equal(t, client.OutcomeFail, res.Outcome)
	require.ErrorContains(t, res.Err, `topic "t" has partitions 0 to 0, not 9`)
	res = p.ProduceSync(&client.Record{Topic: "t", Value: make([]byte, 2<<20)})
	require.Equal(t, client.OutcomeFail, res.Outcome)
	require.ErrorContains(t, res.Err, "max.request.size")

	w.cluster.Close()
	require.Eventually(t, func() bool {
		res = p.ProduceSync(record("nobody there"))
		return res.Attempts == 0
	}, 10*time.Second, time.Millisecond)
	require.Equal(t, client.OutcomeFail, res.Outcome)
	require.ErrorIs(t, res.Err, client.ErrDeliveryTimeout)
	p.Close(0)
	res = p.ProduceSync(record("late"))
	require.ErrorIs(t, res.Err, client.ErrClosed)
}

func TestDeliveryTimeoutMovesToTheNextEpoch(t *testing.T) {
	for name, code := range map[string]int16{"definite": kerr.NotEnoughReplicas.Code, "indefinite": kerr.RequestTimedOut.Code} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, kfake.SeedTopics(1, "t"))
			p := w.producer(t, client.ProducerConfig{Acks: client.AcksAll, Idempotent: true, DeliveryTimeout: 300 * time.Millisecond})
			first := p.ProduceSync(record("first"))
			require.NoError(t, first.Err)
			var mu sync.Mutex
			refusing := true
			refuse(w, func(int) int16 {
				mu.Lock()
				defer mu.Unlock()
				if refusing {
					return code
				}
				return 0
			})
			lost := p.ProduceSync(record("lost"))
			require.ErrorIs(t, lost.Err, client.ErrDeliveryTimeout)
			if code == kerr.NotEnoughReplicas.Code {
				require.Equal(t, client.OutcomeFail, lost.Outcome)
			} else {
				require.Equal(t, client.OutcomeInfo, lost.Outcome)
			}
			require.Equal(t, first.Sequence+1, lost.Sequence)
			mu.Lock()
			refusing = false
			mu.Unlock()
			next := p.ProduceSync(record("next"))
			require.NoError(t, next.Err)
			require.Equal(t, first.ProducerID, next.ProducerID)
			require.Equal(t, first.ProducerEpoch+1, next.ProducerEpoch)
			require.Zero(t, next.Sequence)
			require.Equal(t, []string{"first", "next"}, values(w.logOf(t, "t", 0)))
		})
	}
}

func TestFencedProducerGetsANewID(t *testing.T) {
	w := newWorld(t, kfake.SeedTopics(1, "t"))
	p := w.producer(t, client.DefaultProducerConfig())
	first := p.ProduceSync(record("a"))
	require.NoError(t, first.Err)
	refuse(w, func(n int) int16 {
		if n == 1 {
			return kerr.InvalidProducerEpoch.Code
		}
		return 0
	})
	next := p.ProduceSync(record("b"))
	require.NoError(t, next.Err)
	require.NotEqual(t, first.ProducerID, next.ProducerID)
	require.Equal(t, []string{"a", "b"}, values(w.logOf(t, "t", 0)))
}

// flaky wraps a broker's listener so that connections break at random: some
// before a request arrives, some after it was served but not answered.
type flaky struct {
	net.Listener
	mu    *sync.Mutex
	rand  *rand.Rand
	odds  *int // a break in so many reads and writes; 0 for none
	count *int
}

type flakyConn struct {
	net.Conn
	f *flaky
}

func (f *flaky) Accept() (net.Conn, error) {
	c, err := f.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &flakyConn{c, f}, nil
}

func (f *flaky) breaks() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if *f.odds == 0 || f.rand.Intn(*f.odds) != 0 {
		return false
	}
	*f.count++
	return true
}

func (c *flakyConn) Read(p []byte) (int, error) {
	if c.f.breaks() {
		_ = c.Close()
	}
	return c.Conn.Read(p)
}

func (c *flakyConn) Write(p []byte) (int, error) {
	if c.f.breaks() {
		_ = c.Close()
	}
	return c.Conn.Write(p)
}

// TestIdempotenceSurvivesBrokenConnections loses requests, answers and leaders
// at random, and finds each record once and in order.
func TestIdempotenceSurvivesBrokenConnections(t *testing.T) {
	for seed := range int64(4) {
		t.Run(strconv.FormatInt(seed, 10), func(t *testing.T) {
			var mu sync.Mutex
			odds, count := 0, 0
			random := rand.New(rand.NewSource(seed))
			w := newWorld(t, kfake.SeedTopics(3, "t"), kfake.ListenFn(func(network, address string) (net.Listener, error) {
				l, err := net.Listen(network, address)
				return &flaky{l, &mu, random, &odds, &count}, err
			}))
			p := w.producer(t, client.ProducerConfig{
				Acks: client.AcksAll, Idempotent: true, BatchBytes: 200, Linger: time.Duration(seed) * time.Millisecond,
			})
			mu.Lock()
			odds = 10
			mu.Unlock()
			var r results
			const n = 1500
			for from := 0; from < n; from += 50 {
				produceNumbered(p, "t", 3, from, 50, &r)
				mu.Lock()
				part, node := int32(random.Intn(3)), int32(random.Intn(3))
				move := seed%2 == 1 && random.Intn(3) == 0
				mu.Unlock()
				if move {
					require.NoError(t, w.cluster.MoveTopicPartition("t", part, node))
				}
				w.Sleep(2 * time.Millisecond)
			}
			require.True(t, p.Flush(60*time.Second))
			mu.Lock()
			odds = 0
			require.Positive(t, count, "no connection was broken: the test tested nothing")
			mu.Unlock()
			require.Len(t, r.all, n)
			require.Empty(t, r.dup)
			for part := range int32(3) {
				log := w.logOf(t, "t", part)
				var want []string
				for i := int(part); i < n; i += 3 {
					want = append(want, fmt.Sprint(i))
				}
				require.Equal(t, want, values(log))
				for _, rec := range log {
					res := r.all[string(rec.Value)]
					require.Equal(t, client.OutcomeOK, res.Outcome, "%v", res.Err)
					if res.Offset >= 0 {
						require.Equal(t, rec.Offset, res.Offset)
					}
					require.Equal(t, rec.Sequence, res.Sequence)
					require.Equal(t, rec.ProducerEpoch, res.ProducerEpoch)
				}
			}
			indefinite := slices.ContainsFunc(slices.Collect(func(yield func(client.Result) bool) {
				for _, res := range r.all {
					if !yield(res) {
						return
					}
				}
			}), func(res client.Result) bool { return res.Indefinite > 0 })
			require.True(t, indefinite)
		})
	}
}

func TestSilentBrokerTimesOut(t *testing.T) {
	w := newWorld(t, kfake.SeedTopics(1, "t"))
	c, err := client.New(w, client.Config{Bootstrap: w.cluster.ListenAddrs(), RequestTimeout: 200 * time.Millisecond, RetryBackoff: 10 * time.Millisecond})
	require.NoError(t, err)
	defer c.Close()
	p, err := c.NewProducer(client.ProducerConfig{Acks: client.AcksAll, Retries: client.NoRetries})
	require.NoError(t, err)
	require.NoError(t, p.ProduceSync(record("a")).Err)
	release := make(chan struct{})
	w.cluster.ControlKey(produceKey, func(kmsg.Request) (kmsg.Response, error, bool) {
		w.cluster.SleepControl(func() { <-release })
		return nil, nil, false
	})
	res := p.ProduceSync(record("b"))
	require.Equal(t, client.OutcomeInfo, res.Outcome)
	require.ErrorIs(t, res.Err, client.ErrRequestTimeout)
	close(release)
	p.Close(5 * time.Second)
}

func TestCloseGivesUp(t *testing.T) {
	w := newWorld(t, kfake.SeedTopics(1, "t"))
	p := w.producer(t, client.ProducerConfig{Acks: client.AcksAll, Idempotent: true, MaxInFlight: 1})
	require.NoError(t, p.ProduceSync(record("a")).Err)
	refuse(w, func(int) int16 { return kerr.NotEnoughReplicas.Code })
	var r results
	p.Produce(record("b"), r.done)
	p.Produce(record("c"), r.done)
	p.Close(50 * time.Millisecond)
	r.mu.Lock()
	defer r.mu.Unlock()
	require.Len(t, r.all, 2)
	for _, res := range r.all {
		require.NotEqual(t, client.OutcomeOK, res.Outcome)
		require.ErrorIs(t, res.Err, client.ErrClosed)
	}
}
