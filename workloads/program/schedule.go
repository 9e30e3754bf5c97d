package program

import (
	"math/bits"
	"time"

	"github.com/weirlab/weir/env"
)

// schedule says when one producer's records are to be sent, one after the
// other. It computes with integers, so that it is the same everywhere.
type schedule struct {
	w        *Workload
	producer int
	n        int64 // of the next record

	rand  *env.Rand     // with ArrivalsPoisson
	units uint64        // mean intervals passed, in 2^-16
	last  time.Duration // with ArrivalsRamp: of the record before, since Start
}

func (w *Workload) newSchedule(e env.Env, name string, i int) *schedule {
	s := &schedule{w: w, producer: i}
	if w.cfg.Arrivals == ArrivalsPoisson {
		s.rand = e.Rand("arrivals", name)
	}
	return s
}

// next is when the next record is to be sent, since the origin. It never goes
// back.
func (s *schedule) next() time.Duration {
	n := s.n
	s.n++
	switch s.w.cfg.Arrivals {
	case ArrivalsPoisson:
		s.units += exponential(s.rand.Uint64())
		return s.w.cfg.Start + intervals(s.units, s.w.cfg.Producers, s.w.cfg.RatePerSecond)
	case ArrivalsRamp:
		s.last = s.w.ramp(n*int64(s.w.cfg.Producers)+int64(s.producer), s.last)
		return s.w.cfg.Start + s.last
	}
	return s.w.intended(s.producer, n)
}

// intended is when producer i is to send its nth record under constant
// arrivals, since the origin. The producers share one regular schedule, each
// taking its turn.
func (w *Workload) intended(i int, n int64) time.Duration {
	slot := n*int64(w.cfg.Producers) + int64(i)
	rate := w.cfg.RatePerSecond
	return w.cfg.Start + time.Duration(slot/rate)*time.Second + time.Duration(slot%rate*int64(time.Second)/rate)
}

// intervals is how long units of 2^-16 mean intervals of one of so many
// producers last. It is exact for three days.
func intervals(units uint64, producers int, rate int64) time.Duration {
	hi, lo := bits.Mul64(units, uint64(producers)*uint64(time.Second))
	ns, _ := bits.Div64(hi, lo, uint64(rate))
	return time.Duration(ns >> 16)
}

// exponential turns 64 uniform bits into a draw from the exponential
// distribution of mean 1, in 2^-16: -ln(u/2^64), by the binary digits of the
// logarithm to base 2.
func exponential(u uint64) uint64 {
	const digits = 24
	const ln2 = 744261118 // of 2^30
	u |= 1
	zeros := bits.LeadingZeros64(u)
	m := u << zeros // in [1, 2), of 2^63
	fraction := uint64(0)
	for range digits {
		hi, lo := bits.Mul64(m, m) // of 2^126
		fraction <<= 1
		if hi>>63 != 0 {
			fraction |= 1
			m = hi
		} else {
			m = hi<<1 | lo>>63
		}
	}
	// -log2(u/2^64) is zeros + 1 - fraction.
	return ((uint64(zeros)+1)<<digits - fraction) * ln2 >> (digits + 30 - 16)
}

// ramp is when the record in a slot of the schedule common to all producers is
// to be sent, since Start: the least t, not before from, at which slot records
// should have been sent, that is RampFrom·t + (Rate-RampFrom)·t²/(2·Duration).
func (w *Workload) ramp(slot int64, from time.Duration) time.Duration {
	reached := func(t time.Duration) bool { return w.ramped(t, slot) }
	if reached(from) {
		return from
	}
	// Behind the end a falling ramp may never get there.
	low, step := from, time.Microsecond
	for !reached(low + step) {
		if low += step; low > w.cfg.Duration {
			return low
		}
		step *= 2
	}
	high := low + step
	for high-low > 1 {
		if mid := low + (high-low)/2; reached(mid) {
			high = mid
		} else {
			low = mid
		}
	}
	return high
}

// ramped reports whether the ramp has offered slot records by t. Both sides of
// the comparison are multiplied by 2·Duration·1 s.
func (w *Workload) ramped(t time.Duration, slot int64) bool {
	duration := uint64(w.cfg.Duration)
	left := mul3(uint64(w.cfg.RampFrom), uint64(t), 2*duration)
	right := mul3(uint64(slot), 2*duration, uint64(time.Second))
	if grows := w.cfg.RatePerSecond - w.cfg.RampFrom; grows >= 0 {
		left = left.plus(mul3(uint64(grows), uint64(t), uint64(t)))
	} else {
		right = right.plus(mul3(uint64(-grows), uint64(t), uint64(t)))
	}
	return left.hi > right.hi || left.hi == right.hi && left.lo >= right.lo
}

// wide is an integer of 128 bits. Rates up to 10^9/s, times up to a day and
// slots up to 2^52 stay below that.
type wide struct{ hi, lo uint64 }

func mul3(a, b, c uint64) wide {
	hi, lo := bits.Mul64(a, b)
	top, low := bits.Mul64(lo, c)
	return wide{top + hi*c, low}
}

func (a wide) plus(b wide) wide {
	lo, carry := bits.Add64(a.lo, b.lo, 0)
	hi, _ := bits.Add64(a.hi, b.hi, carry)
	return wide{hi, lo}
}
