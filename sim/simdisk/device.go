package simdisk

import (
	"time"

	"github.com/weirlab/weir/env"
)

// direction of an I/O.
type direction uint8

const (
	reading direction = iota
	writing
)

// device is the block device below the file system. It is a queue whose
// future is known as soon as an I/O is handed to it, so an I/O costs one event
// at its end, whatever it had to wait for.
type device struct {
	p    Profile
	rand *env.Rand

	slots  []time.Duration // when each queue slot is free again
	meters [2]meter        // by direction; only meters[writing] if shared

	slowdownPercent int64 // 100 is normal
	stats           *Stats
}

// meter spaces I/Os so that they keep to a Limit. The times are those at
// which an even spacing would let the next I/O begin.
type meter struct {
	limit       Limit
	nextIO      time.Duration
	nextByte    time.Duration
	burstCredit time.Duration
}

func newDevice(p Profile, rand *env.Rand, stats *Stats) *device {
	d := &device{p: p, rand: rand, stats: stats, slowdownPercent: 100}
	d.reset()
	return d
}

// reset forgets what is under way.
func (d *device) reset() {
	d.slots = make([]time.Duration, d.p.QueueDepth)
	d.meters[writing] = meter{limit: d.p.Write, burstCredit: d.p.Burst}
	d.meters[reading] = meter{limit: d.p.Read, burstCredit: d.p.Burst}
}

// submit queues a transfer at time at and returns when it is done. ios is how
// many I/Os it counts as.
func (d *device) submit(dir direction, at time.Duration, ios, bytes int64) time.Duration {
	slot := 0
	for i, free := range d.slots {
		if free <= at {
			slot = i
			break
		}
		if free < d.slots[slot] {
			slot = i
		}
	}
	m := &d.meters[dir]
	latency := d.p.WriteLatency
	if dir == reading {
		latency = d.p.ReadLatency
		if d.p.Shared {
			m = &d.meters[writing]
		}
		d.stats.ReadIOs += ios
		d.stats.ReadBytes += bytes
	} else {
		d.stats.WriteIOs += ios
		d.stats.WriteBytes += bytes
	}
	start := max(at, d.slots[slot])
	done := m.pass(start, ios, bytes, d.slowdownPercent) + scale(latency.Draw(d.rand), d.slowdownPercent)
	d.slots[slot] = done
	d.stats.DeviceWait += done - at
	return done
}

// pass returns when a transfer that may start at start has passed the limits.
func (m *meter) pass(start time.Duration, ios, bytes, slowdownPercent int64) time.Duration {
	end := start
	if m.limit.IOPS > 0 {
		begin := max(start, m.nextIO)
		m.nextIO = begin + scale(perSecond(ios, m.limit.IOPS), slowdownPercent)
		end = max(end, begin-m.burstCredit)
	}
	if m.limit.BytesPerSecond > 0 {
		begin := max(start, m.nextByte)
		m.nextByte = begin + scale(perSecond(bytes, m.limit.BytesPerSecond), slowdownPercent)
		end = max(end, m.nextByte-m.burstCredit)
	}
	return end
}

// stall keeps the device from starting anything before a time.
func (d *device) stall(until time.Duration) {
	for i := range d.slots {
		d.slots[i] = max(d.slots[i], until)
	}
}

// perSecond is how long n units take at a rate per second.
func perSecond(n, rate int64) time.Duration {
	return time.Duration(n/rate*int64(time.Second) + n%rate*int64(time.Second)/rate)
}

func scale(t time.Duration, percent int64) time.Duration {
	if percent == 100 {
		return t
	}
	return t / 100 * time.Duration(percent)
}
