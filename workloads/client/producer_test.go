package client_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/weirlab/weir/workloads/client"
)

// results gathers what Produce reports.
type results struct {
	mu  sync.Mutex
	all map[string]client.Result
	dup []string
}

func (r *results) done(rec *client.Record, res client.Result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.all == nil {
		r.all = map[string]client.Result{}
	}
	if _, twice := r.all[string(rec.Value)]; twice {
		r.dup = append(r.dup, string(rec.Value))
	}
	r.all[string(rec.Value)] = res
}

// produceNumbered hands over n records "0", "1"... spread over the partitions.
func produceNumbered(p *client.Producer, topic string, partitions int32, from, n int, r *results) {
	for i := from; i < from+n; i++ {
		p.Produce(&client.Record{Topic: topic, Partition: int32(i) % partitions, Value: fmt.Appendf(nil, "%d", i)}, r.done)
	}
}

func TestProduceSettings(t *testing.T) {
	w := newWorld(t, kfake.SeedTopics(3, "t"))
	for name, cfg := range map[string]client.ProducerConfig{
		"idempotent":      client.DefaultProducerConfig(),
		"acks=all":        {Acks: client.AcksAll},
		"acks=1":          {Acks: client.AcksLeader},
		"acks=0":          {Acks: client.AcksNone},
		"linger":          {Acks: client.AcksAll, Idempotent: true, Linger: 5 * time.Millisecond},
		"small batches":   {Acks: client.AcksAll, Idempotent: true, BatchBytes: 100},
		"little memory":   {Acks: client.AcksAll, Idempotent: true, BufferBytes: 500},
		"one in flight":   {Acks: client.AcksAll, MaxInFlight: 1},
		"small requests":  {Acks: client.AcksAll, Idempotent: true, MaxRequestBytes: 300, BatchBytes: 200},
		"sticky":          {Acks: client.AcksAll},
		"everything once": {Acks: client.AcksAll, Retries: client.NoRetries},
	} {
		t.Run(name, func(t *testing.T) {
			p := w.producer(t, cfg)
			var r results
			produceNumbered(p, "t", 3, 0, 500, &r)
			require.True(t, p.Flush(10*time.Second))
			require.Len(t, r.all, 500)
			require.Empty(t, r.dup)
			last := map[int32]int64{}
			for i := range 500 {
				res := r.all[fmt.Sprint(i)]
				require.Equal(t, client.OutcomeOK, res.Outcome, "%v", res.Err)
				if cfg.Acks == client.AcksNone {
					require.EqualValues(t, -1, res.Offset)
					continue
				}
				if before, ok := last[res.Partition]; ok {
					require.Greater(t, res.Offset, before)
				}
				last[res.Partition] = res.Offset
			}
		})
	}
}
