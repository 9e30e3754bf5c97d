package sim

import (
	"math/bits"
	"time"
)

// Flow counts what passes something that takes time: a device, a network card.
// What is handed over passes evenly between two times, and counts as it does, so
// that no more ever seems to have passed than could. The zero value is ready.
type Flow struct {
	passed  int64
	pending []passing
}

type passing struct {
	from, to time.Duration
	n        int64
}

// Add has n units pass between two times. Whoever adds for long asks now and
// then: only At forgets what has passed.
func (f *Flow) Add(from, to time.Duration, n int64) {
	if n == 0 {
		return
	}
	f.pending = append(f.pending, passing{from, to, n})
}

// At is what has passed by a time, which never goes back.
func (f *Flow) At(now time.Duration) int64 {
	f.settle(now)
	n := f.passed
	for _, p := range f.pending {
		if p.from < now {
			n += share(p.n, now-p.from, p.to-p.from)
		}
	}
	return n
}

// Drop forgets what has not passed by a time: it never will.
func (f *Flow) Drop(now time.Duration) {
	f.passed = f.At(now)
	f.pending = f.pending[:0]
}

// settle counts what has passed whole.
func (f *Flow) settle(now time.Duration) {
	left := f.pending[:0]
	for _, p := range f.pending {
		if p.to <= now {
			f.passed += p.n
		} else {
			left = append(left, p)
		}
	}
	f.pending = left
}

// share is n·part/whole, 0 <= part < whole, rounded down.
func share(n int64, part, whole time.Duration) int64 {
	hi, lo := bits.Mul64(uint64(n), uint64(part))
	q, _ := bits.Div64(hi, lo, uint64(whole))
	return int64(q)
}
