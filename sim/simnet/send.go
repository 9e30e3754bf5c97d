package simnet

import (
	"time"

	"github.com/weirlab/weir/sim"
)

// sent is a flight on the wire, as its sender sees it.
type sent struct {
	bytes int64
	// The sender's card works on it from begin to left. What has not left is
	// lost with the sender's power.
	begin, left time.Duration
	acked       time.Duration // arrival of its acknowledgement
	used        bool          // of the congestion window at least half was on the way
}

// flush hands over what was added, with FIN, RST or a probe behind it, to be
// sent as the congestion window allows.
func (c *Conn) flush(with flags) {
	p := &c.out
	if with != 0 {
		p.queue.push(segment{flags: with})
		p.added++
	}
	if p.added == 0 {
		return
	}
	c.w.k.Note(c.host.node, "send", c.key, uint64(p.crc)<<32^uint64(p.addedBytes)<<8^uint64(with))
	p.added, p.addedBytes, p.crc = 0, 0, 0
	if with == flagRst { // waits for nothing, and is the answer of a kernel to a connection it does not know
		c.launch(c.load(0))
		return
	}
	c.pump()
}

// pump sends what waits in the queue and fits into the congestion window.
func (c *Conn) pump() {
	p := &c.out
	if c.state == gone || p.stalled {
		return
	}
	c.reap()
	for p.queue.len() > 0 {
		room := c.mayFly() - p.flying
		if room < p.window.mss && p.flying > 0 && p.queue.all()[0].size() > 0 {
			c.awaitAck()
			return
		}
		if p.flying == 0 && c.w.k.Now()-p.lastSent > c.w.opts.RetransmitMin {
			p.window.idle()
			room = c.mayFly()
		}
		n := c.load(max(room, p.window.mss))
		c.launch(n)
	}
}

// mayFly is how much may be on the way: what congestion control allows, and what
// the sockets' buffers hold.
func (c *Conn) mayFly() int64 {
	if bound := c.host.sendWindow; bound > 0 {
		return min(bound, c.out.window.window)
	}
	return c.out.window.window
}

// load moves up to room bytes from the queue onto the wire as one flight, which
// a real stream would tear where it likes.
func (c *Conn) load(room int64) (n int64) {
	p := &c.out
	if total := p.queuedBytes(room + 1); total > 1 && c.w.opts.TearOneIn > 0 && c.tear.Chance(1, c.w.opts.TearOneIn) {
		room = 1 + c.tear.Int64n(min(total, room))
		c.w.stats.Torn++
	}
	taken := 0
	queue := p.queue.all()
	for _, s := range queue {
		if s.size() > room-n {
			if n < room {
				head, tail := s.split(int(room - n))
				p.wire.push(head)
				queue[taken] = tail
				n = room
			}
			break
		}
		p.wire.push(s)
		n += s.size()
		taken++
	}
	p.queue.drop(taken)
	p.wire.items[len(p.wire.items)-1].flags |= flagEnd
	return n
}

// launch puts the flight that was loaded last on its way.
func (c *Conn) launch(n int64) {
	p, w := &c.out, c.w
	now := w.k.Now()
	w.stats.Flights++
	w.stats.Bytes += n
	begin, left, at := w.transmit(c, n)
	back := w.link(c.remote, c.host)
	p.rtt = at - left + back.typical()
	p.flying += n
	used := 2*p.flying >= p.window.window
	if o := &c.way.opts; n > 0 && o.LossPPM > 0 && c.loss.Chance(o.LossPPM, 1_000_000) {
		// With three segments behind it duplicate acknowledgements tell of the
		// loss after a round trip; else only the timer does.
		w.stats.Lost++
		pause := w.opts.RetransmitMin
		timeout := n < 4*p.window.mss
		if !timeout {
			pause = min(pause, p.rtt)
		}
		p.window.lost(timeout)
		left, at = left+pause, at+pause
	}
	if p.courier != nil && n > 0 {
		at += c.carry()
	}
	at = max(at, p.last+sameInstant)
	p.last, p.lastSent = at, now
	p.times.push(sent{bytes: n, begin: begin, left: left})
	if n > 0 {
		p.acks.push(sent{bytes: n, acked: at + back.typical(), used: used})
	}
	w.k.Schedule(at, c, evArrive)
	if back.blocked > 0 {
		p.unacked = true
		c.armGiveUp()
	}
}

// sameInstant is what lies at least between two flights of a connection, so
// that a reader sees the first without the second.
const sameInstant = time.Nanosecond

// reap counts the acknowledgements that have arrived by now.
func (c *Conn) reap() {
	p := &c.out
	until := c.w.k.Now()
	if back := c.w.link(c.remote, c.host); back.blocked > 0 {
		until = min(until, back.blockedSince)
	}
	done := 0
	acks := p.acks.all()
	for ; done < len(acks) && acks[done].acked <= until; done++ {
		a := &acks[done]
		p.flying -= a.bytes
		p.window.acked(a.acked, p.rtt, a.bytes, a.used && p.window.window < c.w.opts.WindowMaxBytes)
	}
	p.acks.drop(done)
}

// awaitAck has the rest of the queue sent when there is room for it.
func (c *Conn) awaitAck() {
	p := &c.out
	if p.waiting || p.acks.len() == 0 {
		return
	}
	if c.w.link(c.remote, c.host).blocked > 0 {
		// What was acknowledged before the cut is reaped: this one cannot come. The
		// end of the cut goes on with the queue, if it is not given up before.
		p.unacked = true
		c.armGiveUp()
		return
	}
	p.waiting = true
	c.w.k.Schedule(max(p.acks.all()[0].acked, c.w.k.Now()+sameInstant), c, evAck)
}

// stall is a flight that did not arrive: nothing more is sent until it does.
func (c *Conn) stall() { c.out.stalled = true }

// unstall is the arrival of what was sent again after a timeout.
func (c *Conn) unstall() {
	p := &c.out
	if !p.stalled {
		return
	}
	p.stalled = false
	p.window.lost(true)
	p.acks, p.flying = fifo[sent]{}, 0
	c.pump()
}

// dropQueue forgets what was accepted and not sent.
func (p *pipe) dropQueue(w *Network) {
	for i, queue := 0, p.queue.all(); i < len(queue); i++ {
		w.recycle(&queue[i])
	}
	p.queue = fifo[segment]{}
	p.added, p.addedBytes, p.crc = 0, 0, 0
}

// cutOff is the loss of the sender's power at a time: what has not left it will
// never arrive. Of a flight that is half out, whole segments have left.
func (p *pipe) cutOff(w *Network, now time.Duration) {
	w.stats.CutOffBytes += p.queuedBytes(1 << 62)
	p.dropQueue(w)
	at := 0
	wire, times := p.wire.all(), p.times.all()
	for i := range times {
		t := &times[i]
		if t.left <= now {
			for wire[at].flags&flagEnd == 0 {
				at++
			}
			at++
			continue
		}
		var out int64
		if t.begin < now {
			out = t.bytes * int64(now-t.begin) / int64(t.left-t.begin) / p.window.mss * p.window.mss
		}
		w.stats.CutOffBytes += t.bytes - out
		for _, rest := range times[i+1:] {
			w.stats.CutOffBytes += rest.bytes
		}
		p.truncate(w, at, out)
		begin := t.begin
		p.times.keep(i)
		if out > 0 {
			p.times.push(sent{bytes: out, begin: begin, left: now})
		}
		return
	}
}

// truncate drops all of the wire but n bytes behind a position.
func (p *pipe) truncate(w *Network, at int, n int64) {
	wire := p.wire.all()
	for ; n > 0; at++ {
		s := &wire[at]
		if s.size() > n {
			head, tail := s.split(int(n))
			w.recycle(&tail)
			*s = head
		}
		n -= s.size()
		if n == 0 {
			s.flags |= flagEnd
		}
	}
	for i := at; i < len(wire); i++ {
		w.recycle(&wire[i])
	}
	p.wire.keep(at)
}

// queuedBytes is how much waits, counted up to a limit.
func (p *pipe) queuedBytes(limit int64) (n int64) {
	queue := p.queue.all()
	for i := 0; i < len(queue) && n < limit; i++ {
		n += queue[i].size()
	}
	return n
}

// busy reports whether something of the pipe is still with its sender.
func (p *pipe) busy(now time.Duration) bool {
	return p.queue.len() > 0 || len(p.held) > 0 || p.times.len() > 0 && p.times.items[len(p.times.items)-1].left > now
}

func (s *segment) size() int64 { return int64(len(s.bytes)) }

// split divides a segment of the sender. Both halves are parts of one buffer.
func (s segment) split(at int) (head, tail segment) {
	if s.flags&flagPooled != 0 {
		s.of = &lent{bytes: s.bytes, parts: 1}
		s.flags &^= flagPooled
	}
	if s.of != nil {
		s.of.parts++
	}
	head, tail = s, s
	head.bytes, tail.bytes = s.bytes[:at], s.bytes[at:]
	head.flags &^= flagEnd
	return head, tail
}

var _ sim.Handler = (*Conn)(nil)
