package client_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/weirlab/weir/workloads/client"
)

// streamed gathers the batches of a stream.
type streamed struct {
	mu      sync.Mutex
	batches []client.BatchResult
	opened  map[int64]int32 // partition by first number
	placed  map[int64]int32 // partition by number
}

func (s *streamed) config() client.StreamConfig {
	s.opened, s.placed = map[int64]int32{}, map[int64]int32{}
	return client.StreamConfig{
		Topic: "t", ValueBytes: 20,
		Append: func(dst []byte, n int64, intended time.Duration) []byte {
			return fmt.Appendf(dst, "%010d%010d", n, intended)
		},
		Opened: func(partition int32, n int64) int64 {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.opened[n] = partition
			return n
		},
		Placed: func(partition int32, n int64, _ time.Duration) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.placed[n] = partition
		},
		Done: func(r *client.BatchResult) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.batches = append(s.batches, *r)
		},
	}
}

// times are n intended times.
func times(n int) []time.Duration {
	all := make([]time.Duration, n)
	for i := range all {
		all[i] = time.Duration(i) * time.Microsecond
	}
	return all
}

// Every record of a stream gets one result, in one batch, and is read where
// that says it is: record by record and batch by batch.
func TestStream(t *testing.T) {
	const n = 500
	for name, cfg := range map[string]client.ProducerConfig{
		"idempotent":    client.DefaultProducerConfig(),
		"acks=1":        {Acks: client.AcksLeader},
		"acks=0":        {Acks: client.AcksNone},
		"linger":        {Acks: client.AcksAll, Idempotent: true, Linger: 5 * time.Millisecond},
		"small batches": {Acks: client.AcksAll, Idempotent: true, BatchBytes: 300},
		"little memory": {Acks: client.AcksAll, Idempotent: true, BufferBytes: 500},
	} {
		for _, sticky := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, sticky %v", name, sticky), func(t *testing.T) {
				w := newWorld(t, kfake.SeedTopics(3, "t"))
				p := w.producer(t, cfg)
				var s streamed
				sc := s.config()
				if !sticky {
					sc.Partition = func(n int64) int32 { return int32(n % 3) }
				}
				stream := p.NewStream(sc)
				for first := 0; first < n; first += 50 {
					stream.Produce(int64(first), 50, times(50))
				}
				require.True(t, p.Flush(10*time.Second))
				s.mu.Lock()
				defer s.mu.Unlock()
				at := map[int64]client.TopicPartition{}
				offsets := map[int64]int64{}
				for _, b := range s.batches {
					require.Equal(t, client.OutcomeOK, b.Outcome, "%v", b.Err)
					require.Equal(t, b.Tag, b.Rows[0].First)
					require.Equal(t, b.Partition, s.opened[b.Tag])
					offset, count := b.Offset, int64(0)
					for _, row := range b.Rows {
						for k := range row.Count {
							number := row.First + k*row.Stride
							require.NotContains(t, at, number, "two results")
							require.Equal(t, b.Partition, s.placed[number])
							at[number] = client.TopicPartition{Topic: "t", Partition: b.Partition}
							offsets[number] = offset + count
							count++
						}
					}
					require.Len(t, b.Times, int(count))
					require.Equal(t, 20*count, b.Bytes)
				}
				require.Len(t, at, n)
				read := w.client(t)
				one, err := read.NewConsumer(client.ConsumerConfig{OffsetReset: client.ResetEarliest})
				require.NoError(t, err)
				defer one.Close()
				many, err := read.NewConsumer(client.ConsumerConfig{OffsetReset: client.ResetEarliest})
				require.NoError(t, err)
				defer many.Close()
				parts := []client.TopicPartition{{Topic: "t"}, {Topic: "t", Partition: 1}, {Topic: "t", Partition: 2}}
				one.Assign(parts)
				many.Assign(parts)
				type place struct {
					partition int32
					offset    int64
				}
				single, batched := map[place]string{}, map[place]string{}
				for len(single) < n {
					got := one.Poll(5 * time.Second)
					require.Empty(t, got.Errors)
					require.NotZero(t, got.Len())
					for _, part := range got.Partitions {
						for _, r := range part.Records {
							single[place{part.Partition, r.Offset}] = string(r.Value)
						}
					}
				}
				for len(batched) < n {
					got := many.PollBatches(5 * time.Second)
					require.Empty(t, got.Errors)
					require.NotEmpty(t, got.Partitions)
					for _, part := range got.Partitions {
						for i := range part.Batches {
							require.NoError(t, part.Batches[i].Each(func(offset int64, value []byte) {
								batched[place{part.Partition, offset}] = string(value)
							}))
						}
					}
				}
				require.Equal(t, single, batched)
				for number, tp := range at {
					if offsets[number] >= 0 && cfg.Acks != client.AcksNone {
						require.Equal(t, fmt.Sprintf("%010d%010d", number, time.Duration(number%50)*time.Microsecond),
							single[place{tp.Partition, offsets[number]}])
					}
				}
			})
		}
	}
}

// A consumer whose position is in the middle of a batch gets the rest of it.
func TestBatchesFromTheMiddle(t *testing.T) {
	w := newWorld(t, kfake.SeedTopics(1, "t"))
	p := w.producer(t, client.ProducerConfig{Acks: client.AcksAll, Idempotent: true, Linger: time.Second})
	var s streamed
	sc := s.config()
	sc.Partition = func(int64) int32 { return 0 }
	p.NewStream(sc).Produce(0, 30, times(30))
	require.True(t, p.Flush(10*time.Second))
	k, err := w.client(t).NewConsumer(client.ConsumerConfig{OffsetReset: client.ResetEarliest})
	require.NoError(t, err)
	defer k.Close()
	tp := client.TopicPartition{Topic: "t"}
	k.Assign([]client.TopicPartition{tp})
	k.Seek(tp, 17)
	got := k.PollBatches(5 * time.Second)
	require.Len(t, got.Partitions, 1)
	require.EqualValues(t, 17, got.Partitions[0].Position)
	require.EqualValues(t, 30, got.Partitions[0].Next)
	var offsets []int64
	for i := range got.Partitions[0].Batches {
		b := &got.Partitions[0].Batches[i]
		require.NoError(t, b.Each(func(offset int64, _ []byte) {
			offsets = append(offsets, offset)
			_, _, sequence := b.Producer(offset)
			require.EqualValues(t, offset, sequence)
		}))
	}
	require.Len(t, offsets, 13)
	require.EqualValues(t, 17, offsets[0])
}

// A batch takes all of batch.size from buffer.memory; who needs another one
// waits for max.block.ms and is then refused, and the next one may succeed.
func TestStreamBlocksForMemory(t *testing.T) {
	w := newWorld(t, kfake.SeedTopics(1, "t"))
	p := w.producer(t, client.ProducerConfig{Acks: client.AcksAll, Idempotent: true, BatchBytes: 400, BufferBytes: 800, MaxBlock: 200 * time.Millisecond})
	var mu sync.Mutex
	refusing := true
	refuse(w, func(int) int16 {
		mu.Lock()
		defer mu.Unlock()
		if refusing {
			return kerr.NotEnoughReplicas.Code
		}
		return 0
	})
	var s streamed
	sc := s.config()
	sc.Partition = func(int64) int32 { return 0 }
	stream := p.NewStream(sc)
	began := w.Now()
	stream.Produce(0, 40, times(40))
	require.GreaterOrEqual(t, w.Now()-began, 200*time.Millisecond)
	s.mu.Lock()
	refused := 0
	for _, b := range s.batches {
		require.Equal(t, client.OutcomeFail, b.Outcome)
		require.ErrorIs(t, b.Err, client.ErrMaxBlock)
		require.EqualValues(t, 0, b.Partition)
		refused += len(b.Times)
	}
	s.mu.Unlock()
	require.Positive(t, refused)
	require.Less(t, refused, 40, "what fits in memory is not refused")
	mu.Lock()
	refusing = false
	mu.Unlock()
	require.True(t, p.Flush(10*time.Second))
	stream.Produce(40, 5, nil)
	require.True(t, p.Flush(10*time.Second))
	s.mu.Lock()
	defer s.mu.Unlock()
	total := 0
	for _, b := range s.batches {
		total += len(b.Times)
	}
	require.Equal(t, 45, total)
	last := s.batches[len(s.batches)-1]
	require.Equal(t, client.OutcomeOK, last.Outcome)
	require.Equal(t, last.Times[0].Intended, last.Times[0].Sent, "without a schedule, a record is meant for when it is sent")
}

// What lingers is sent along with a full batch to the same broker.
func TestLingeringBatchesGoAlong(t *testing.T) {
	w := newWorld(t, kfake.NumBrokers(1), kfake.SeedTopics(3, "t"))
	p := w.producer(t, client.ProducerConfig{Acks: client.AcksAll, Linger: time.Minute, BatchBytes: 400})
	var r results
	for i, partition := range []int32{0, 1} {
		p.Produce(&client.Record{Topic: "t", Partition: partition, Value: fmt.Appendf(nil, "lingering %d", i)}, r.done)
	}
	for i := range 12 { // more than one batch
		p.Produce(&client.Record{Topic: "t", Partition: 2, Value: fmt.Appendf(make([]byte, 0, 64), "%064d", i)}, r.done)
	}
	require.Eventually(t, func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		_, a := r.all["lingering 0"]
		_, b := r.all["lingering 1"]
		return a && b
	}, 10*time.Second, time.Millisecond)
}

// Records without keys fill one partition's batch after the other's (KIP-480).
func TestStickyPartitions(t *testing.T) {
	w := newWorld(t, kfake.SeedTopics(5, "t"))
	p := w.producer(t, client.ProducerConfig{Acks: client.AcksAll, Idempotent: true, BatchBytes: 500, Linger: 100 * time.Millisecond})
	var s streamed
	stream := p.NewStream(s.config())
	for first := range int64(200) {
		stream.Produce(first*5, 5, nil)
	}
	require.True(t, p.Flush(10*time.Second))
	s.mu.Lock()
	defer s.mu.Unlock()
	seen := map[int32]int{}
	full := 0
	before := int32(-1)
	for n := range int64(1000) {
		partition, opens := s.opened[n]
		if !opens {
			continue
		}
		require.NotEqual(t, before, partition, "a new batch goes to another partition")
		before = partition
		seen[partition]++
	}
	for _, b := range s.batches {
		if b.Outcome == client.OutcomeOK && len(b.Rows) == 1 && b.Rows[0].Count >= 14 {
			full++
		}
	}
	require.Len(t, seen, 5)
	require.Greater(t, full, 40, "batches fill before the next one is begun")
}
