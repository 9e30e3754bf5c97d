package simnet

import (
	"slices"
	"time"

	"github.com/weirlab/weir/sim"
	"github.com/weirlab/weir/sim/ec2"
)

// LinkOptions describes the way from one host to another.
type LinkOptions struct {
	// Latency is the time a packet takes, one way.
	Latency *sim.Quantiles

	// BytesPerSecond is the bandwidth; 0 is unlimited.
	BytesPerSecond int64

	// SegmentBytes is the most one segment carries. 0 means 8949, which the
	// jumbo frames of a VPC make, or 65483 on loopback; across the internet it
	// is 1460 or less.
	SegmentBytes int64

	// LossPPM is how many in a million flights lose a packet and wait for its
	// retransmission.
	LossPPM int64

	// ExtraDelay is added to every latency: the slow-link fault.
	ExtraDelay time.Duration
}

var (
	sameZone  = ec2.MustLatency("same-zone").Quantiles
	otherZone = ec2.MustLatency("cross-zone").Quantiles
	loopback  = sim.MustQuantiles(
		sim.Quantile{PPM: 0, Value: 5 * time.Microsecond},
		sim.Quantile{PPM: 500_000, Value: 8 * time.Microsecond},
		sim.Quantile{PPM: 990_000, Value: 20 * time.Microsecond},
		sim.Quantile{PPM: 1_000_000, Value: 200 * time.Microsecond},
	)
)

// SameZone is a link within an availability zone: 10 Gbit/s and 45 µs each way
// in the median, which makes the 80–100 µs round trip that clouds publish for
// ping within a zone. The tail is an assumption, not a measurement.
func SameZone() LinkOptions {
	return LinkOptions{Latency: &sameZone, BytesPerSecond: 1_250_000_000} //weir:allow never written
}

// OtherZone is a link to another zone of the region: 5 Gbit/s, the limit of
// one flow between placement groups, and an assumed 400 µs each way.
func OtherZone() LinkOptions {
	return LinkOptions{Latency: &otherZone, BytesPerSecond: 625_000_000} //weir:allow never written
}

// Loopback is a host's link to itself.
func Loopback() LinkOptions { return LinkOptions{Latency: &loopback} } //weir:allow never written

// link is the state of one direction between two hosts.
type link struct {
	opts         LinkOptions
	local        bool          // within a machine: passes no network card
	blocked      int           // cuts that stop it
	blockedSince time.Duration // if it is stopped
	free         time.Duration // when its transmitter is free
	dials        int64         // made over it so far
}

func (w *Network) link(from, to *Host) *link {
	l := w.links[from.id][to.id]
	if l == nil {
		l = &link{opts: w.opts.Link, local: from == to}
		if from == to {
			l.opts = w.opts.Loopback
		}
		if from.machine != "" && from.machine == to.machine {
			l.opts, l.local = from.loopback, true
		}
		w.links[from.id][to.id] = l
	}
	return l
}

// SetLink sets what the way from one host to another is like, from now on.
// The opposite direction stays as it is.
func (w *Network) SetLink(from, to string, o LinkOptions) {
	w.link(w.host(from), w.host(to)).opts = o
}

// Link is what the way from one host to another is like.
func (w *Network) Link(from, to string) LinkOptions {
	return w.link(w.host(from), w.host(to)).opts
}

// Connected says whether no partition keeps two hosts apart, in either direction.
func (w *Network) Connected(a, b string) bool {
	x, y := w.host(a), w.host(b)
	return w.link(x, y).blocked == 0 && w.link(y, x).blocked == 0
}

// Fate is what becomes of a connection that a partition cuts.
type Fate uint8

const (
	// FateDrawn draws one of the others for each connection.
	FateDrawn Fate = iota
	// FateResume lets held bytes arrive after the partition.
	FateResume
	// FateForget has the network forget the connection: held bytes never
	// arrive, and who sends next is reset.
	FateForget
)

// Cut is a partition in force.
type Cut struct {
	w      *Network
	links  []*link
	healed bool
	number int64
}

// Partition stops all packets from hosts a to hosts b, and back unless oneWay,
// drawing the fate of connections. Partitions may overlap.
func (w *Network) Partition(a, b []string, oneWay bool) *Cut {
	return w.PartitionFate(a, b, oneWay, FateDrawn)
}

// PartitionFate is Partition with the fate of the connections it cuts.
func (w *Network) PartitionFate(a, b []string, oneWay bool, fate Fate) *Cut {
	w.stats.Partitions++
	c := &Cut{w: w, number: w.stats.Partitions}
	w.cuts = append(w.cuts, c)
	for _, x := range a {
		for _, y := range b {
			if x == y {
				continue
			}
			hx, hy := w.host(x), w.host(y)
			c.links = append(c.links, w.link(hx, hy))
			if !oneWay {
				c.links = append(c.links, w.link(hy, hx))
			}
		}
	}
	for _, l := range c.links {
		if l.blocked == 0 {
			l.blockedSince = w.k.Now()
		}
		l.blocked++
	}
	for _, h := range w.order {
		for _, conn := range h.conns {
			conn.meetCut(c, fate)
		}
	}
	return c
}

// Heal ends the partition. Links that another partition also cuts stay so.
func (c *Cut) Heal() {
	if c.healed {
		return
	}
	c.healed = true
	for _, l := range c.links {
		l.blocked--
	}
	w := c.w
	w.cuts = slices.DeleteFunc(w.cuts, func(other *Cut) bool { return other == c })
	for _, h := range w.order {
		for _, conn := range h.conns {
			conn.retry()
			conn.expectAnswer()
		}
		for _, conn := range h.orphans {
			conn.retry()
		}
	}
}

// HealAll ends every partition.
func (w *Network) HealAll() {
	for len(w.cuts) > 0 {
		w.cuts[0].Heal()
	}
}

// transmit reserves bandwidth for n bytes of c and returns when they begin to
// leave, when all have left, and when the last of them arrives. Link and cards
// work at the same time, so the slowest counts.
func (w *Network) transmit(c *Conn, n int64) (begin, left, arrive time.Duration) {
	l := c.way
	start := w.k.Now()
	if n == 0 {
		return start, start, start + w.latency(c, l)
	}
	from, to := c.host, c.remote
	start = max(start, l.free)
	if !l.local {
		start = max(start, from.egressFree)
	}
	end := start
	if rate := l.opts.BytesPerSecond; rate > 0 {
		l.free = start + wireTime(n, rate)
		end = l.free
	}
	if rate := from.nic.EgressBytesPerSecond; rate > 0 && !l.local {
		from.egressFree = start + wireTime(n, rate)
		end = max(end, from.egressFree)
	}
	if from.limiter != nil && !l.local {
		_, sent := from.limiter.Send(start, n)
		end = max(end, sent)
	}
	latency := w.latency(c, l)
	arrive = end + latency
	if rate := to.nic.IngressBytesPerSecond; rate > 0 && !l.local {
		to.ingressFree = max(start+latency, to.ingressFree) + wireTime(n, rate)
		arrive = max(arrive, to.ingressFree)
	}
	if to.limiter != nil && !l.local {
		_, received := to.limiter.Receive(start+latency, n)
		arrive = max(arrive, received)
	}
	if from.flights++; from.flights%1024 == 0 { // keeps the accounts short
		w.Traffic(from.name)
		w.Traffic(to.name)
	}
	from.sent.Add(start, end, n)
	to.received.Add(min(start+latency, arrive), arrive, n)
	if !l.local {
		from.cardSent.Add(start, end, n)
		to.cardReceived.Add(min(start+latency, arrive), arrive, n)
	}
	return start, end, arrive
}

// latency draws how long one packet takes over l, from c's streams.
func (w *Network) latency(c *Conn, l *link) time.Duration {
	o := &l.opts
	d := o.ExtraDelay
	if d > 0 {
		w.stats.Slowed++
	}
	if o.Latency != nil {
		d += o.Latency.Draw(&c.rand)
	}
	return d
}

// packet is latency for a packet that is no flight: a lost one is sent again
// after a timeout.
func (w *Network) packet(c *Conn, l *link) time.Duration {
	d := w.latency(c, l)
	if l.opts.LossPPM > 0 && c.loss.Chance(l.opts.LossPPM, 1_000_000) {
		w.stats.Lost++
		d += w.opts.RetransmitMin
	}
	return d
}

// typical is the latency of the link in the median.
func (l *link) typical() time.Duration {
	if l.opts.Latency == nil {
		return l.opts.ExtraDelay
	}
	return l.opts.ExtraDelay + l.opts.Latency.Typical()
}

// mss is what a segment carries.
func (l *link) mss() int64 {
	switch {
	case l.opts.SegmentBytes > 0:
		return l.opts.SegmentBytes
	case l.local:
		return 65483
	}
	return 8949
}

func wireTime(bytes, perSecond int64) time.Duration {
	return time.Duration(bytes * int64(time.Second) / perSecond)
}
