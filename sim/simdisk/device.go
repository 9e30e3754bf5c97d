package simdisk

import (
	"errors"
	"fmt"
	"time"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/sim"
	"github.com/weirlab/weir/sim/ec2"
)

// direction of an I/O.
type direction uint8

const (
	reading direction = iota
	writing
)

// Device is a block device. It is a queue whose future is known as soon as an
// I/O is handed to it, so an I/O costs one event at its end, whatever it had
// to wait for.
//
// [New] makes one for a machine of its own. Several file systems share one
// that is made with [NewDevice].
type Device struct {
	k    *sim.Kernel
	name string
	p    Profile
	rand *env.Rand

	slots  []time.Duration // when each queue slot is free again
	limits [2]Limiter      // by direction
	volume *ec2.Attached   // what limits is, if it is an EBS volume
	pipe   *ec2.Machine    // what the volume is attached to, if anything
	disks  int             // file systems on it
	mem    *memory         // of all of them, if the profile shares it

	slowdownPercent int64 // 100 is normal
	owed            int64 // hundredths of a transfer that a slowdown still has to charge

	last      transferred // to merge what continues it
	stats     DeviceStats
	transfers int64
}

// transferred is where and when a transfer ended.
type transferred struct {
	file uint64
	dir  direction
	to   int64
	done time.Duration
}

// DeviceStats counts what a device did for all its file systems.
type DeviceStats struct {
	ReadIOs, WriteIOs     int64 // of at most Profile.IOBytes
	ReadBytes, WriteBytes int64

	// Wait is summed over transfers: from handing in to end. Busy is how long
	// at least one transfer was under way.
	Wait, Busy time.Duration
}

// Credits are what a device has saved for bursts. Most is 0 where there is
// nothing to save.
type Credits struct {
	IOs, MostIOs             int64 // of a gp2 volume
	Bytes, MostBytes         int64 // of an HDD volume
	PipeBytes, MostPipeBytes int64 // of the instance's EBS pipe
}

// NewDevice makes a device. Its name names its random streams. It panics if
// the profile makes no sense.
func NewDevice(k *sim.Kernel, name string, p Profile) *Device {
	if err := p.check(); err != nil {
		panic(err)
	}
	d := &Device{k: k, name: name, p: p, rand: k.Rand("disk latency", name), slowdownPercent: 100}
	d.slots = make([]time.Duration, p.QueueDepth)
	if p.Volume.Class != "" {
		v, err := ec2.NewVolume(p.Volume)
		if err != nil {
			panic(fmt.Errorf("simdisk: profile %q: %w", p.Name, err))
		}
		v.SetCredits(p.CreditPercent)
		d.setVolume(v.Alone())
		return d
	}
	w := newMeter("write", p.Write, p)
	d.limits = [2]Limiter{writing: w, reading: w}
	if !p.Shared {
		d.limits[reading] = newMeter("read", p.Read, p)
	}
	return d
}

func (d *Device) setVolume(v *ec2.Attached) {
	d.volume = v
	d.limits = [2]Limiter{v, v}
}

// errNotAVolume refuses what only EBS volumes have.
var errNotAVolume = errors.New("simdisk: the device is no EBS volume; make its profile with simdisk.EBS")

// Attach puts the device, an EBS volume, behind the EBS pipe of an instance,
// which it shares with all others attached to it. It is for a device that has
// not been used.
func (d *Device) Attach(m *ec2.Machine) error {
	if d.volume == nil {
		return errNotAVolume
	}
	d.pipe = m
	d.setVolume(m.Attach(d.volume.Volume()))
	return nil
}

// SetLimiters replaces what limits the device; both may be the same.
func (d *Device) SetLimiters(read, write Limiter) {
	d.limits = [2]Limiter{reading: read, writing: write}
	d.volume, d.pipe = nil, nil
}

// Name is what the device was made with.
func (d *Device) Name() string { return d.name }

// Stats returns the counters.
func (d *Device) Stats() DeviceStats {
	s := d.stats
	s.Busy -= max(0, d.last.done-d.k.Now()) // has been counted ahead
	return s
}

// Credits are the device's savings now.
func (d *Device) Credits() Credits {
	var c Credits
	if d.volume == nil {
		return c
	}
	now := d.k.Now()
	c.IOs, c.MostIOs = d.volume.Volume().IOCredits(now)
	c.Bytes, c.MostBytes = d.volume.Volume().ByteCredits(now)
	if d.pipe != nil {
		c.PipeBytes, c.MostPipeBytes = d.pipe.EBSCredits(now)
	}
	return c
}

// SetCredits makes an EBS volume hold percent of the credits it can hold, from
// now on. Other devices have none.
func (d *Device) SetCredits(percent int64) {
	if d.volume != nil {
		d.volume.Volume().SetCreditsAt(d.k.Now(), percent)
	}
}

// Held is for each limit of the device what it has let pass, and for how long
// it, the last of all limits, held transfers back. The largest increase over
// some time names the bottleneck of that time.
func (d *Device) Held() []ec2.Held {
	var held []ec2.Held
	for dir, l := range d.limits {
		if dir == int(writing) && l == d.limits[reading] {
			break
		}
		if h, ok := l.(interface {
			Held(time.Duration) []ec2.Held
		}); ok {
			held = append(held, h.Held(d.k.Now())...)
		}
	}
	return held
}

// promised is how many bytes per second can be written at first, as far as the
// device tells; 0 if it does not.
func (d *Device) promised() int64 {
	l, ok := d.limits[writing].(interface {
		Held(time.Duration) []ec2.Held
	})
	if !ok {
		return 0
	}
	var least int64
	for _, h := range l.Held(d.k.Now()) {
		rate := h.Rule.Burst
		if d.volume != nil && d.p.CreditPercent == 0 {
			rate = h.Rule.Baseline
		}
		if h.Rule.Unit == "bytes" && rate > 0 && (least == 0 || rate < least) {
			least = rate
		}
	}
	return least
}

// reset forgets what is under way when the device loses power, and when nobody
// else uses it. Credits are not lost.
func (d *Device) reset() {
	if d.disks > 1 {
		return
	}
	clear(d.slots)
	for _, l := range d.limits {
		if m, ok := l.(*meter); ok {
			m.nextIO, m.nextByte = 0, 0
		}
	}
	d.stats.Busy -= max(0, d.last.done-d.k.Now())
	d.last = transferred{}
}

// submit queues a transfer of parts of a file at time at and returns when it
// is done.
func (d *Device) submit(dir direction, at time.Duration, file uint64, parts spans, stats *counters) time.Duration {
	latency := &d.p.WriteLatency
	if dir == reading {
		latency = &d.p.ReadLatency
	}
	return d.transfer(dir, latency, at, file, parts, stats)
}

// commit is submit for a commit of a journal.
func (d *Device) commit(at time.Duration, file uint64, parts spans, stats *counters) time.Duration {
	latency := &d.p.CommitLatency
	if latency.IsZero() {
		latency = &d.p.WriteLatency
	}
	return d.transfer(writing, latency, at, file, parts, stats)
}

func (d *Device) transfer(dir direction, latency *sim.Quantiles, at time.Duration, file uint64, parts spans, stats *counters) time.Duration {
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
	start := max(at, d.slots[slot])
	begin, passed := start, start
	var ios, bytes int64
	for _, p := range parts {
		p = span{p.from / pageBytes * pageBytes, pages(p.to)}
		t := ec2.Transfer{Bytes: p.to - p.from, Count: d.copies()}
		t.Continues = d.last.file == file && d.last.dir == dir && d.last.to == p.from && at < d.last.done
		if t.Count > 0 {
			from, end := d.limits[dir].Submit(start, t)
			if ios == 0 {
				begin = max(start, from)
			}
			passed = max(passed, end)
		}
		ios += max(1, (t.Bytes+d.p.IOBytes-1)/d.p.IOBytes)
		bytes += t.Bytes
		d.last.file, d.last.dir, d.last.to = file, dir, p.to
	}
	if d.volume != nil {
		passed = max(start, passed-d.p.Burst)
		begin = min(begin, passed)
	}
	if each := d.p.WriteStream; each > 0 && dir == writing {
		passed = max(passed, start+scale(perSecond(bytes, each), d.slowdownPercent))
	}
	done := passed + scale(latency.Draw(d.rand), d.slowdownPercent)
	d.slots[slot] = done
	d.count(dir, at, begin, passed, done, ios, bytes, stats)
	return done
}

// copies is how often a transfer is charged: once, unless the device is slow.
func (d *Device) copies() int64 {
	d.owed += d.slowdownPercent
	n := d.owed / 100
	d.owed %= 100
	return n
}

func (d *Device) count(dir direction, at, start, passed, done time.Duration, ios, bytes int64, stats *counters) {
	if dir == reading {
		d.stats.ReadIOs += ios
		d.stats.ReadBytes += bytes
	} else {
		d.stats.WriteIOs += ios
		d.stats.WriteBytes += bytes
	}
	stats.ios[dir].Add(start, passed, ios)
	stats.bytes[dir].Add(start, passed, bytes)
	if d.transfers++; d.transfers%1024 == 0 { // keeps the accounts short
		now := d.k.Now()
		d.Held()
		stats.ios[dir].At(now)
		stats.bytes[dir].At(now)
	}
	d.stats.Wait += done - at
	stats.DeviceWait += done - at
	if done > d.last.done {
		d.stats.Busy += done - max(at, d.last.done)
		d.last.done = done
	}
}

// stall keeps the device from starting anything before a time.
func (d *Device) stall(until time.Duration) {
	for i := range d.slots {
		d.slots[i] = max(d.slots[i], until)
	}
}

func scale(t time.Duration, percent int64) time.Duration {
	if percent == 100 {
		return t
	}
	return t / 100 * time.Duration(percent)
}
