package calibrate

import (
	"time"

	"github.com/weirlab/weir/sim"
)

// MeasureTimer measures how much later than asked a sleep ends, over span.
func MeasureTimer(span time.Duration) []sim.Quantile {
	const asked = time.Millisecond
	var late []time.Duration
	for start := time.Now(); time.Since(start) < span || len(late) == 0; {
		begin := time.Now()
		time.Sleep(asked)
		late = append(late, max(0, time.Since(begin)-asked))
	}
	return quantilesOf(late)
}
