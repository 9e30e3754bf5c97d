package program

import (
	"math/bits"
	"time"

	"github.com/weirlab/weir/env"
)

// Arrivals is how a load's records are spread over time.
type Arrivals int8

// The ways of arriving. Latency counts from a record's arrival in each.
const (
	// ArrivalsConstant: evenly spaced, the producers taking turns.
	ArrivalsConstant Arrivals = iota
	// ArrivalsPoisson: each producer's records arrive independently of each
	// other, at RatePerSecond on average over all producers.
	ArrivalsPoisson
	// ArrivalsRamp: evenly spaced at a rate that grows (or falls) steadily from
	// RampFrom at the start of the load to RatePerSecond at its end.
	ArrivalsRamp
	// ArrivalsSaturate: no schedule; each producer sends whenever buffer.memory
	// has room. A record arrives when it is handed to the client.
	ArrivalsSaturate
)

// schedule says when one producer's records are to be sent, one after the
// other. It computes with integers, so that it is the same everywhere.
type schedule struct {
	p        *Produce
	producer int   // of the program's
	n        int64 // of the next record

	rand  *env.Rand     // with ArrivalsPoisson
	units uint64        // mean intervals passed, in 2^-16
	last  time.Duration // with ArrivalsRamp: of the record before, since Start
}

func (p *Produce) newSchedule(e env.Env, name string, i int) *schedule {
	s := &schedule{p: p, producer: i}
	if p.Arrivals == ArrivalsPoisson {
		s.rand = e.Rand("arrivals", name)
	}
	return s
}

// next is when the next record is to be sent, since the origin. It never goes
// back.
func (s *schedule) next() time.Duration {
	n := s.n
	s.n++
	p := s.p
	start := p.w.cfg.Start
	switch p.Arrivals {
	case ArrivalsPoisson:
		s.units += exponential(s.rand.Uint64())
		return start + intervals(s.units, p.Producers, p.RatePerSecond)
	case ArrivalsRamp:
		s.last = p.ramp(n*int64(p.Producers)+int64(s.producer), s.last)
		return start + s.last
	}
	return p.intended(s.producer, n)
}

// intended is when the program's ith producer is to send its nth record under constant
// arrivals, since the origin. The producers share one regular schedule, each
// taking its turn.
func (p *Produce) intended(i int, n int64) time.Duration {
	slot := n*int64(p.Producers) + int64(i)
	rate := p.RatePerSecond
	return p.w.cfg.Start + time.Duration(slot/rate)*time.Second + time.Duration(slot%rate*int64(time.Second)/rate)
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
func (p *Produce) ramp(slot int64, from time.Duration) time.Duration {
	reached := func(t time.Duration) bool { return p.ramped(t, slot) }
	if reached(from) {
		return from
	}
	// Behind the end a falling ramp may never get there.
	low, step := from, time.Microsecond
	for !reached(low + step) {
		if low += step; low > p.w.cfg.Duration {
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
func (p *Produce) ramped(t time.Duration, slot int64) bool {
	duration := uint64(p.w.cfg.Duration)
	left := mul3(uint64(p.RampFrom), uint64(t), 2*duration)
	right := mul3(uint64(slot), 2*duration, uint64(time.Second))
	if grows := p.RatePerSecond - p.RampFrom; grows >= 0 {
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
