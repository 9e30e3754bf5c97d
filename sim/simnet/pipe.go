package simnet

import (
	"hash/crc32"
	"slices"
	"syscall"
	"time"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/sim"
)

// segment is a piece of a byte stream on its way. The segments of one write
// travel together as a flight.
type segment struct {
	bytes []byte
	read  int   // of bytes, by the receiver
	of    *lent // what bytes are a part of, if that goes back to the pool
	flags flags
}

type flags uint8

const (
	flagEnd    flags = 1 << iota // last segment of its flight
	flagFin                      // nothing comes after it
	flagRst                      // the connection is reset
	flagProbe                    // asks whether the closed window is open again
	flagPooled                   // bytes go back to the pool
)

func (w *Network) recycle(s *segment) {
	if s.flags&flagPooled != 0 {
		w.pool.put(s.bytes)
	}
	if s.of != nil {
		s.of.release(&w.pool)
	}
	*s = segment{}
}

// pipe is the sending half of a connection's end.
type pipe struct {
	queue      fifo[segment] // accepted and not sent
	added      int           // segments since the latest flush
	addedBytes int64
	crc        uint32 // of the added bytes

	courier Courier // may keep what is sent, nil if none does

	wire  fifo[segment] // sent and not arrived
	times fifo[sent]    // of the flights on the wire
	last  time.Duration // arrival of the latest flight

	window   congestion
	acks     fifo[sent] // flights that were not acknowledged yet
	flying   int64      // bytes of those
	rtt      time.Duration
	lastSent time.Duration
	waiting  bool // for an acknowledgement, to go on
	stalled  bool // by a flight that did not arrive

	held      []segment // stopped by a cut or a dead machine, to be sent again
	heldSince time.Duration
	releasing bool
	unacked   bool // bytes arrived, but their acknowledgement cannot
	giveUp    sim.Handle
	probing   bool // a zero-window probe is scheduled
}

// What of a large piece of a write enters the trace: its ends, and a line of
// lineBytes every strideBytes. A benchmark sends gigabytes, and what differs
// between two runs of one seed differs in much more than a line. The stride is
// odd so that it does not always meet the same part of equally long records.
const (
	largeBytes  = 64 << 10
	endBytes    = 4 << 10
	lineBytes   = 64
	strideBytes = 4093
)

// sum continues a checksum over b.
func sum(crc uint32, b []byte) uint32 {
	if len(b) < largeBytes {
		return crc32.Update(crc, castagnoli, b)
	}
	crc = crc32.Update(crc, castagnoli, b[:endBytes])
	for at := endBytes; at < len(b)-endBytes; at += strideBytes {
		crc = crc32.Update(crc, castagnoli, b[at:at+lineBytes])
	}
	return crc32.Update(crc, castagnoli, b[len(b)-endBytes:])
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// add appends bytes to the flight in the making. They are part of a buffer
// that goes back to the pool, of nil, or copied.
func (p *pipe) add(w *Network, b []byte, from origin, of *lent) {
	s := segment{bytes: b, of: of}
	switch {
	case from == copied:
		s.bytes = w.pool.get(len(b))
		copy(s.bytes, b)
		s.flags = flagPooled
	case of != nil:
		of.parts++
	}
	p.crc = sum(p.crc, b)
	p.addedBytes += int64(len(b))
	p.added++
	p.queue.push(s)
}

// dropHeld gives up what waits to be sent again.
func (p *pipe) dropHeld(w *Network) {
	for i := range p.held {
		w.recycle(&p.held[i])
	}
	p.held = nil
	if !p.giveUp.IsZero() {
		w.k.Cancel(p.giveUp)
		p.giveUp = sim.Handle{}
	}
}

// What an event of a Conn is about; the argument of its HandleEvent.
const (
	evArrive    uint64 = 1 + iota // the oldest flight on the wire arrives
	evRelease                     // held flights are sent again
	evGiveUp                      // retransmission has gone on for too long
	evUpdate                      // a window update arrives at the peer
	evSyn                         // a SYN arrives at the peer's host
	evSynRetry                    // it is time for another SYN
	evSynAck                      // a SYN-ACK arrives at the peer
	evRefused                     // the peer's host refuses the SYN
	evProbe                       // it is time to probe the peer's closed window
	evAck                         // an acknowledgement arrives that the rest of the queue waits for
	evKeepAlive                   // probes of a silent peer have something to tell
	evBreak                       // the network resets both ends
)

// HandleEvent handles what becomes of packets that this end sent.
func (c *Conn) HandleEvent(what uint64) {
	switch what {
	case evArrive:
		c.arrive()
	case evRelease:
		c.release()
	case evGiveUp:
		c.out.giveUp = sim.Handle{}
		c.giveUp()
	case evUpdate:
		c.update()
	case evSyn:
		c.synArrives()
	case evSynRetry:
		if c.state == connecting {
			c.sendSyn()
		}
	case evSynAck:
		c.synAckArrives()
	case evRefused:
		if c.state == connecting {
			c.w.stats.Refused++
			c.fail(syscall.ECONNREFUSED)
		}
	case evProbe:
		c.out.probing = false
		if c.writers.Len() > 0 {
			if c.out.queue.len() == 0 {
				c.flush(flagProbe)
			}
			c.armProbe()
		}
	case evAck:
		c.out.waiting = false
		c.pump()
	case evKeepAlive:
		c.checkPeer()
	case evBreak:
		c.snap()
	}
}

// probeEvery is the pause between zero-window probes.
const probeEvery = time.Second

// armProbe has a write that waits for the window notice a peer that is no
// more: without probes no packet would ever tell.
func (c *Conn) armProbe() {
	if !c.out.probing {
		c.out.probing = true
		c.w.k.Schedule(c.w.k.Now()+probeEvery, c, evProbe)
	}
}

// TraceName names the connection in trace windows.
func (c *Conn) TraceName() string { return c.name + "@" + c.host.name }

// reachable reports whether packets of this end get to the other machine.
func (c *Conn) reachable() bool { return c.way.blocked == 0 && c.remote.node.Powered() }

// forgotten reports whether the network has forgotten the connection.
func (c *Conn) forgotten() bool { return c.forgottenBy != nil && c.forgottenBy.healed }

// arrive takes the oldest flight off the wire.
func (c *Conn) arrive() {
	p := &c.out
	flight := p.wire.all()
	if len(flight) == 0 {
		return // cut off with the sender's power
	}
	p.times.drop(1)
	n := 1
	for flight[n-1].flags&flagEnd == 0 {
		n++
	}
	flight = flight[:n]
	p.wire.head += n
	switch {
	case c.forgotten():
		c.forget(flight)
	case len(p.held) > 0 || !c.reachable():
		c.hold(flight)
	default:
		c.deliver(flight)
	}
	clear(flight)
	p.wire.compact()
	if c.orphan && !p.busy(c.w.k.Now()) {
		c.leaveOrphans()
	}
}

// hold keeps a flight that did not get through, to be sent again.
func (c *Conn) hold(flight []segment) {
	p := &c.out
	w := c.w
	w.stats.Held++
	for i := range flight {
		w.stats.HeldBytes += int64(len(flight[i].bytes))
	}
	if c.state == gone || !c.host.node.Powered() {
		for i := range flight {
			w.recycle(&flight[i])
		}
		return
	}
	if len(p.held) == 0 {
		p.heldSince = w.k.Now()
	}
	p.held = append(p.held, flight...)
	c.stall()
	c.armGiveUp()
	c.adoptOrphan()
	c.retry()
}

// adoptOrphan keeps track of a closed socket that still has something to send.
func (c *Conn) adoptOrphan() {
	if c.state == closed && !c.orphan && c.out.busy(c.w.k.Now()) {
		c.orphan = true
		c.host.orphans = append(c.host.orphans, c)
	}
}

func (c *Conn) armGiveUp() {
	if c.out.giveUp.IsZero() {
		c.out.giveUp = c.w.k.Schedule(c.w.k.Now()+c.w.opts.RetransmitTimeout, c, evGiveUp)
	}
}

// giveUp ends a connection whose bytes could not be delivered or acknowledged
// for too long.
func (c *Conn) giveUp() {
	if len(c.out.held) == 0 && !c.out.unacked {
		return
	}
	if c.state == established {
		c.w.stats.TimedOut++
	}
	c.fail(syscall.ETIMEDOUT)
	c.out.dropHeld(c.w)
	c.out.dropQueue(c.w)
	c.leaveOrphans()
}

func (c *Conn) leaveOrphans() {
	if c.orphan {
		c.orphan = false
		c.host.orphans = slices.DeleteFunc(c.host.orphans, func(o *Conn) bool { return o == c })
	}
}

// retry sends again what was held if the way is free now: after the rest of a
// pause that has grown with the time it was blocked.
func (c *Conn) retry() {
	p := &c.out
	w := c.w
	now := w.k.Now()
	if c.updateHeld && c.reachable() {
		c.updateHeld = false
		c.updateFlying = false
		c.sendUpdate()
	}
	if w.link(c.remote, c.host).blocked == 0 {
		p.unacked = false
		if p.queue.len() > 0 {
			c.pump()
		}
	}
	if len(p.held) == 0 {
		if !p.giveUp.IsZero() && !p.unacked {
			w.k.Cancel(p.giveUp)
			p.giveUp = sim.Handle{}
		}
		return
	}
	if p.releasing || !c.reachable() {
		return
	}
	p.releasing = true
	most := min(w.opts.BackoffMax, max(now-p.heldSince, w.opts.RetransmitMin))
	pause := c.loss.Between(0, most)
	w.k.Schedule(now+pause+w.packet(c, c.way), c, evRelease)
}

// release delivers held flights.
func (c *Conn) release() {
	p := &c.out
	p.releasing = false
	if len(p.held) == 0 || !c.reachable() {
		return
	}
	held := p.held
	p.held = nil
	if c.forgotten() {
		c.forget(held)
	} else {
		for start, i := 0, 0; i < len(held); i++ {
			if held[i].flags&flagEnd != 0 {
				c.w.stats.Released++
				c.deliver(held[start : i+1])
				start = i + 1
			}
		}
	}
	if !p.giveUp.IsZero() && !p.unacked {
		c.w.k.Cancel(p.giveUp)
		p.giveUp = sim.Handle{}
	}
	c.unstall()
	if !p.busy(c.w.k.Now()) {
		c.leaveOrphans()
	}
}

// forget drops segments of a connection the network knows no more and resets
// who sent them.
func (c *Conn) forget(segs []segment) {
	for i := range segs {
		c.w.recycle(&segs[i])
	}
	if c.state <= established {
		c.w.stats.Forgotten++
		c.fail(syscall.ECONNRESET)
	}
	c.out.dropQueue(c.w)
}

// deliver hands a flight to the other end's socket.
func (c *Conn) deliver(flight []segment) {
	to := c.peer
	c.heard, to.heard = c.w.k.Now(), c.w.k.Now()
	if to.state == connecting {
		to.establish() // the SYN-ACK before it was lost
	}
	last := flight[len(flight)-1].flags
	if to.state != established {
		answer := last&flagRst == 0 && (last&flagProbe != 0 || len(flight[0].bytes) > 0)
		for i := range flight {
			c.w.recycle(&flight[i])
		}
		if answer {
			to.reject()
		}
		return
	}
	before := to.readyBytes
	for i := range flight {
		if n := len(flight[i].bytes); n > 0 {
			to.ready.push(flight[i])
			to.readyBytes += int64(n)
		}
	}
	if n := to.readyBytes - before; n > 0 && c.w.observer != nil {
		c.w.observer.Arrived(c.flow(), c.w.k.Now(), n)
	}
	switch {
	case last&flagRst != 0:
		to.reset()
	case last&flagFin != 0:
		to.fin = true
		to.w.k.RouseAll(&to.readers)
	case last&flagProbe == 0:
		to.w.k.RouseOne(&to.readers)
	}
}

// reject answers with RST.
func (c *Conn) reject() {
	if c.rstSent {
		return
	}
	c.rstSent = true
	c.out.dropQueue(c.w)
	c.flush(flagRst)
}

// reset is the arrival of RST.
func (c *Conn) reset() {
	c.w.stats.Resets++
	if c.fin {
		c.fail(syscall.EPIPE)
		return
	}
	c.fail(syscall.ECONNRESET)
}

// sendUpdate reports what was read to the sender.
func (c *Conn) sendUpdate() {
	if c.updateFlying || c.unreported == 0 {
		return
	}
	c.updateFlying = true
	c.w.k.Schedule(c.w.k.Now()+c.w.packet(c, c.way), c, evUpdate)
}

// update is the arrival of a window update at the other end.
func (c *Conn) update() {
	if !c.reachable() {
		c.updateHeld = true
		return
	}
	c.updateFlying = false
	c.heard, c.peer.heard = c.w.k.Now(), c.w.k.Now()
	c.peer.outstanding -= c.unreported
	c.unreported = 0
	// Buffers grow with what the way carries, if their bytes are read (Linux:
	// tcp_rcv_space_adjust, tcp_sndbuf_expand), and if no program set their size.
	if c.peer.host.sendWindow == 0 {
		c.peer.limit = max(c.peer.limit, min(2*c.peer.out.window.window, c.w.opts.WindowMaxBytes))
	}
	c.w.k.RouseAll(&c.peer.writers)
}

// sendSyn asks the other host for the connection.
func (c *Conn) sendSyn() {
	c.syns++
	c.w.k.Note(c.host.node, "syn", c.key, uint64(c.syns))
	c.w.k.Schedule(c.w.k.Now()+c.w.packet(c, c.way), c, evSyn)
}

// synLost has the SYN repeated later.
func (c *Conn) synLost() {
	c.w.stats.SynsDropped++
	pause := c.w.opts.SynRetry << min(c.syns-1, 16)
	c.w.k.Schedule(c.w.k.Now()+pause, c, evSynRetry)
}

// synArrives is the arrival of a SYN at the other host.
func (c *Conn) synArrives() {
	if c.state != connecting {
		return
	}
	if !c.reachable() {
		c.synLost()
		return
	}
	if c.peer != nil && c.peer.state == established {
		c.peer.sendSynAck()
		return
	}
	l := c.remote.listeners[c.far.Port]
	back := c.w.link(c.remote, c.host)
	switch {
	case l == nil || c.peer != nil:
		if back.blocked > 0 {
			c.synLost()
			return
		}
		c.w.k.Schedule(c.w.k.Now()+c.w.packet(c, back), c, evRefused)
	case len(l.backlog) >= c.w.opts.Backlog:
		c.synLost()
	default:
		s := c.w.newConn(c.remote, c.host, c.far, c.local, c.name)
		s.state = established
		s.peer, c.peer = c, s
		s.listener = l
		l.backlog = append(l.backlog, s)
		c.w.k.RouseOne(&l.waiting)
		s.sendSynAck()
	}
}

func (c *Conn) sendSynAck() {
	at := max(c.w.k.Now()+c.w.packet(c, c.way), c.out.last)
	c.out.last = at
	c.w.k.Schedule(at, c, evSynAck)
}

// synAckArrives is the arrival of this end's SYN-ACK at the dialing host.
func (c *Conn) synAckArrives() {
	to := c.peer
	switch {
	case c.way.blocked > 0:
		to.synLost()
	case !to.host.node.Powered():
	case to.state == connecting:
		to.establish()
	case to.state != established:
		to.reject()
	}
}

func (c *Conn) establish() {
	c.state = established
	c.heard, c.peer.heard = c.w.k.Now(), c.w.k.Now()
	c.w.stats.Connections++
	c.w.k.RouseAll(&c.readers)
}

// meetCut decides what becomes of the connection in a new partition.
func (c *Conn) meetCut(cut *Cut, fate Fate) {
	if c.peer == nil {
		return
	}
	if slices.Contains(cut.links, c.way) || slices.Contains(cut.links, c.peer.way) {
		c.expectSilence()
	}
	if !slices.Contains(cut.links, c.way) {
		return
	}
	forget := fate == FateForget
	if oneIn := c.w.opts.ForgetOneIn; fate == FateDrawn && oneIn > 0 {
		// Both ends draw the same: the stream is named by the connection.
		r := c.w.k.Rand("fate", c.name)
		forget = env.Mix64(r.Uint64()^uint64(cut.number))%uint64(oneIn) == 0
	}
	if forget {
		c.forgottenBy, c.peer.forgottenBy = cut, cut
	}
}
