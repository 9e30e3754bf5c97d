package replication

import (
	"math"
	"math/big"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

type rateEvent struct {
	at    time.Duration
	bytes int64
}

// exceedsNaively is byteRate from all that was ever added.
func exceedsNaively(events []rateEvent, limit int64, now time.Duration) bool {
	type sample struct {
		begin, last time.Duration
		bytes       *big.Int
	}
	var samples []sample
	for _, e := range events {
		if n := len(samples); n == 0 || e.at >= samples[n-1].begin+time.Second {
			samples = append(samples, sample{e.at, e.at, new(big.Int)})
		}
		s := &samples[len(samples)-1]
		s.last = e.at
		s.bytes.Add(s.bytes, big.NewInt(e.bytes))
	}
	oldest, total := now, new(big.Int)
	for _, s := range samples {
		if now-s.last < 11*time.Second {
			oldest = min(oldest, s.begin)
			total.Add(total, s.bytes)
		}
	}
	total.Mul(total, big.NewInt(int64(time.Second)))
	allowed := new(big.Int).Mul(big.NewInt(limit), big.NewInt(int64(max(now-oldest, time.Second))))
	return total.Cmp(allowed) > 0
}

func TestTheByteRateIsThatOfAllSamplesInTheWindow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var r byteRate
		var events []rateEvent
		now := time.Duration(0)
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			now += time.Duration(rapid.OneOf(rapid.Int64Range(0, int64(2*time.Second)), rapid.Int64Range(0, int64(13*time.Second)),
				rapid.SampledFrom([]int64{0, int64(time.Second), int64(11 * time.Second)})).Draw(t, "pause"))
			if rapid.Bool().Draw(t, "add") {
				bytes := rapid.OneOf(rapid.Int64Range(1, 1000), rapid.Int64Range(1, math.MaxInt32)).Draw(t, "bytes")
				r.add(bytes, now)
				events = append(events, rateEvent{now, bytes})
			}
			limit := rapid.OneOf(rapid.Int64Range(0, 1000), rapid.Int64Range(0, math.MaxInt64)).Draw(t, "limit")
			require.Equal(t, exceedsNaively(events, limit, now), r.exceeds(limit, now))
			require.LessOrEqual(t, len(r.samples), rateSamples+1)
		}
		require.False(t, r.exceeds(0, now+rateSamples*rateSample), "whatever the limit, something passes again")
	})
}

// Who sends whenever it may, and waits a while when it may not, keeps to the limit
// in any window but for the piece sent last, and has no less than the limit in the
// end.
func TestWhoKeepsToTheByteRateSendsByIt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.Int64Range(1, 1<<20).Draw(t, "limit")
		piece := rapid.Int64Range(1, 1<<20).Draw(t, "piece")
		pause := time.Duration(rapid.Int64Range(int64(20*time.Millisecond), int64(500*time.Millisecond)).Draw(t, "pause"))
		var r byteRate
		var sent []rateEvent
		for now := time.Duration(0); now < time.Minute; now += pause {
			if !r.exceeds(limit, now) {
				r.add(piece, now)
				sent = append(sent, rateEvent{now, piece})
			}
		}
		for i := range sent {
			total := int64(0)
			for _, s := range sent[:i+1] {
				if sent[i].at-s.at < rateSamples*rateSample {
					total += s.bytes
				}
			}
			require.LessOrEqual(t, total, (rateSamples+1)*limit+piece)
		}
		require.GreaterOrEqual(t, len(sent), 5, "it has not starved in a minute")
	})
}
