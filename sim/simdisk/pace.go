package simdisk

import "time"

// Writers are slowed down as by balance_dirty_pages of Linux (mm/page-writeback.c).
// Up to the middle of DirtyBackgroundBytes and DirtyLimitBytes they run
// freely. From there on each pauses after its writes, so that all of them
// together write as fast as the device does: faster below the set point, which
// is half way from there to the limit, slower above, and not at all at the
// limit.
const (
	// paceInterval is how often the rates are estimated, paceMemory over what
	// time the bandwidth is averaged.
	paceInterval = 200 * time.Millisecond
	paceMemory   = 3 * time.Second

	// A writer pauses for at least minPause, saving up shorter ones, and for at
	// most maxPause.
	minPause = 10 * time.Millisecond
	maxPause = 200 * time.Millisecond

	// firstBandwidth is assumed of a device that tells no limit, before it has
	// written anything (Linux: INIT_BW).
	firstBandwidth = 100 << 20

	// one is 1 in the fixed-point numbers of control.
	one = 1 << 10
)

// pace is what the flusher knows of rates, in bytes per second.
type pace struct {
	bandwidth int64 // what the device writes, averaged
	perWriter int64 // what each writer may write at the set point

	since   time.Duration // of the counts below
	written int64
	dirtied int64
	busy    bool // write-back never paused since
}

// start has the estimates begin with what the device promises.
func (p *pace) start(promised int64) {
	if promised <= 0 {
		promised = firstBandwidth
	}
	p.bandwidth, p.perWriter = promised, promised
}

// pause is how long a writer of n new dirty bytes of a file is to wait.
func (fl *flusher) pause(f *inode, n int64) time.Duration {
	p := &fl.pace
	p.dirtied += n
	control := fl.control()
	fl.estimate(control)
	if control < 0 {
		f.owed = 0
		return 0
	}
	rate := max(p.perWriter*control/one, batchBytes/16)
	f.owed += time.Duration(n * int64(time.Millisecond) / max(rate/1000, 1))
	if f.owed < minPause {
		return 0
	}
	pause := min(f.owed, maxPause)
	f.owed = 0
	return pause
}

// control is by how much writers may differ from the rate that keeps dirty
// bytes where they are: 2 at the end of the free run, 1 at the set point, 0 at
// the limit, in units of one, and negative within the free run.
func (fl *flusher) control() int64 {
	limit := fl.p.DirtyLimitBytes
	free := (fl.p.DirtyBackgroundBytes + limit) / 2
	if fl.dirtyBytes <= free {
		return -1
	}
	setpoint := (free + limit) / 2
	// A cubic, flat around the set point and steep at the ends.
	x := (setpoint - fl.dirtyBytes) * one / max(limit-setpoint, 1)
	x = min(max(x, -one), one)
	return one + x*x/one*x/one
}

// wrote counts what has reached the device.
func (fl *flusher) wrote(n int64) {
	fl.pace.written += n
	fl.estimate(fl.control())
}

// estimate renews the rates once in an interval.
func (fl *flusher) estimate(control int64) {
	p := &fl.pace
	now := fl.k.Now()
	elapsed := now - p.since
	if elapsed < paceInterval {
		return
	}
	if p.busy && elapsed < time.Second {
		ms := int64(elapsed / time.Millisecond)
		wrote, dirtied := p.written*1000/ms, p.dirtied*1000/ms
		memory := int64(paceMemory / time.Millisecond)
		p.bandwidth = (wrote*ms + p.bandwidth*(memory-ms)) / memory
		if control >= 0 {
			// If all writers together dirtied at this rate while each was held to
			// perWriter*control, then so many times faster or slower is right.
			balanced := p.perWriter * max(control, 1) / one * 1000 / max(dirtied*1000/max(p.bandwidth, 1), 1)
			balanced = min(max(balanced, 64<<10), p.bandwidth)
			p.perWriter = (3*p.perWriter + balanced) / 4
		}
	}
	p.since, p.written, p.dirtied, p.busy = now, 0, 0, fl.underway > 0
}
