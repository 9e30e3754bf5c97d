package replication

import (
	"math"
	"math/bits"
	"slices"
	"time"

	"github.com/weirlab/weir/env"
)

// ThrottledRates are the bytes that a broker may replicate of throttled
// partitions, in a second: what it gives as a leader, and what it takes as a
// follower. math.MaxInt64 is no limit.
type ThrottledRates struct {
	Leader   int64 // leader.replication.throttled.rate
	Follower int64 // follower.replication.throttled.rate

	Directories int64 // replica.alter.log.dirs.io.max.bytes.per.second
}

// throttledReplica says in which roles a replica is throttled: topic settings name
// it. The partition's mu guards it.
type throttledReplica struct {
	leader   bool // leader.replication.throttled.replicas
	follower bool // follower.replication.throttled.replicas
}

// throttle holds back the replication of partitions that settings name (KIP-73).
// What is replicated of them counts, for replicas in sync too; while that is more
// than the rate, those that are not in sync are left out. Nobody waits for the
// throttle: a leader answers without them, a follower asks without them, and both
// look again with the next fetch. So a rate below that of the producers holds up
// who is to catch up, and never who is in sync.
type throttle struct {
	e     env.Env
	limit func(ThrottledRates) int64
	rates func() ThrottledRates // at this moment

	mu   env.Mutex
	rate byteRate
}

func newThrottle(e env.Env, rates func() ThrottledRates, limit func(ThrottledRates) int64) *throttle {
	if rates == nil {
		rates = func() ThrottledRates { return ThrottledRates{math.MaxInt64, math.MaxInt64, math.MaxInt64} }
	}
	return &throttle{e: e, limit: limit, rates: rates, mu: e.NewMutex()}
}

// exceeded reports whether the rate is used up.
func (t *throttle) exceeded() bool {
	limit := t.limit(t.rates())
	if limit == math.MaxInt64 {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.rate.exceeds(limit, t.e.Now())
}

// record counts bytes of a throttled partition.
func (t *throttle) record(bytes int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rate.add(bytes, t.e.Now())
}

// The window of byteRate: Kafka's replication.quota.window.num samples of
// replication.quota.window.size.seconds.
const (
	rateSamples = 11
	rateSample  = time.Second
)

// byteRate is how many bytes there were in a second, over a window that slides by
// samples, as Kafka's SimpleRate has it: the bytes of all samples that have seen
// anything within the window, over the time since the oldest of them began, but at
// least that of one sample. What is older than the window is forgotten, so that a
// rate of any limit, even 0, lets something pass again.
type byteRate struct {
	samples []byteSample // oldest first
}

type byteSample struct {
	begin, last time.Duration
	bytes       int64
}

// forget drops the samples that the window has passed.
func (r *byteRate) forget(now time.Duration) {
	r.samples = slices.DeleteFunc(r.samples, func(s byteSample) bool { return now-s.last >= rateSamples*rateSample })
}

// add counts bytes. now never goes back.
func (r *byteRate) add(bytes int64, now time.Duration) {
	r.forget(now)
	if n := len(r.samples); n > 0 && now-r.samples[n-1].begin < rateSample {
		s := &r.samples[n-1]
		s.bytes, s.last = s.bytes+bytes, now
		return
	}
	r.samples = append(r.samples, byteSample{now, now, bytes})
}

// exceeds reports whether there is more than limit bytes a second.
func (r *byteRate) exceeds(limit int64, now time.Duration) bool {
	r.forget(now)
	if len(r.samples) == 0 {
		return false
	}
	total := uint64(0)
	for i := range r.samples {
		total += uint64(r.samples[i].bytes)
	}
	elapsed := max(now-r.samples[0].begin, rateSample)
	// total / elapsed > limit, in whole numbers
	hi, lo := bits.Mul64(total, uint64(time.Second))
	limitHi, limitLo := bits.Mul64(uint64(limit), uint64(elapsed))
	return hi > limitHi || hi == limitHi && lo > limitLo
}
