package simdisk

import (
	"slices"
	"time"

	"github.com/weirlab/weir/sim"
	"github.com/weirlab/weir/sim/ec2"
)

// Limiter is what a device allows in one direction, or in both: when a
// transfer that is handed in at time now starts to pass, and when all of it
// has passed. Transfers pass in the order in which they are handed in. Package
// ec2 has those of EBS volumes, with their credits.
//
// A Limiter that also has a method Held(time.Duration) []ec2.Held tells what it held back.
type Limiter interface {
	Submit(now time.Duration, t ec2.Transfer) (start, end time.Duration)
}

// meter is the Limiter of a Limit: it spaces I/Os evenly. The times are those
// at which an even spacing would let the next I/O begin.
type meter struct {
	limit    Limit
	ioBytes  int64
	burst    time.Duration
	nextIO   time.Duration
	nextByte time.Duration
	held     []ec2.Held  // IOPS, bytes
	passed   [2]sim.Flow // the same
}

func newMeter(direction string, l Limit, p Profile) *meter {
	m := &meter{limit: l, ioBytes: p.IOBytes, burst: p.Burst}
	m.held = []ec2.Held{
		{Limit: p.Name + " " + direction + " IOPS", Rule: ec2.FixedRule(p.Name+" "+direction+" IOPS", "I/Os", l.IOPS)},
		{Limit: p.Name + " " + direction + " throughput", Rule: ec2.FixedRule(p.Name+" "+direction+" throughput", "bytes", l.BytesPerSecond)},
	}
	return m
}

// Submit implements Limiter. A transfer that may start at now passes as soon
// as both limits let it.
func (m *meter) Submit(now time.Duration, t ec2.Transfer) (start, end time.Duration) {
	count := max(t.Count, 1)
	ios, bytes := count*max(1, (t.Bytes+m.ioBytes-1)/m.ioBytes), count*t.Bytes
	start, end = now, now
	last := 0
	if m.limit.IOPS > 0 {
		begin := max(now, m.nextIO)
		m.nextIO = begin + perSecond(ios, m.limit.IOPS)
		start = max(start, begin-m.burst)
		end = start
		m.passed[0].Add(begin, m.nextIO, ios)
	}
	if m.limit.BytesPerSecond > 0 {
		begin := max(now, m.nextByte)
		m.nextByte = begin + perSecond(bytes, m.limit.BytesPerSecond)
		start = max(start, begin-m.burst)
		m.passed[1].Add(begin, m.nextByte, bytes)
		if passed := m.nextByte - m.burst; passed > end {
			end, last = passed, 1
		}
	}
	m.held[last].For += end - now
	return start, end
}

// Held is what the meter let pass by now and held back.
func (m *meter) Held(now time.Duration) []ec2.Held {
	held := slices.Clone(m.held)
	for i := range held {
		held[i].Units = m.passed[i].At(now)
	}
	return held
}

// perSecond is how long n units take at a rate per second.
func perSecond(n, rate int64) time.Duration {
	return time.Duration(n/rate*int64(time.Second) + n%rate*int64(time.Second)/rate)
}
