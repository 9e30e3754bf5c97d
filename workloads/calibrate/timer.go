package calibrate

import (
	"math/rand/v2"
	"time"

	"github.com/weirlab/weir/sim"
)

// MeasureTimer measures how much later than asked a sleep ends, over span.
// Sleeps of all lengths are tried: Go's network poller, which an idle program
// sleeps in, counts in whole milliseconds, so that how late a sleep is depends
// on how long it was to be.
func MeasureTimer(span time.Duration) []sim.Quantile {
	const shortest, longest = 200 * time.Microsecond, 4 * time.Millisecond
	r := rand.New(rand.NewPCG(1, 1))
	var late []time.Duration
	for start := time.Now(); time.Since(start) < span || len(late) == 0; {
		asked := shortest + time.Duration(r.Int64N(int64(longest-shortest)))
		begin := time.Now()
		time.Sleep(asked)
		late = append(late, max(0, time.Since(begin)-asked))
	}
	return quantilesOf(late)
}
