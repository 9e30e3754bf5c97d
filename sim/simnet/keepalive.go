package simnet

import (
	"net"
	"syscall"
	"time"

	"github.com/weirlab/weir/env"
)

// Probes that are answered change nothing, so they are not simulated. What they
// tell of a peer that does not answer, or that answers with RST, happens at the
// time at which they would.

var _ env.KeepAliver = (*Conn)(nil)

// SetKeepAlive implements env.KeepAliver.
func (c *Conn) SetKeepAlive(k env.KeepAlive) error {
	if c.userClosed || c.w.k.CallerDead() {
		return c.opError("set", net.ErrClosed)
	}
	c.keepAlive = k
	c.expectSilence()
	c.expectAnswer()
	return nil
}

// unanswered is since when no probe of c can be answered, if that is so now.
func (c *Conn) unanswered() (since time.Duration, silent bool) {
	back := c.peer.way
	switch {
	case c.way.blocked > 0 && back.blocked > 0:
		return min(c.way.blockedSince, back.blockedSince), true
	case c.way.blocked > 0:
		return c.way.blockedSince, true
	case back.blocked > 0:
		return back.blockedSince, true
	case !c.remote.node.Powered():
		return c.remote.offSince, true
	}
	return 0, false
}

// nextProbe is the first probe of c that goes out at a time or later. Those
// before it were answered, each an idle time after the one before.
func (c *Conn) nextProbe(at time.Duration) time.Duration {
	idle := max(c.keepAlive.Idle, time.Millisecond)
	rounds := max(1, (at-c.heard+idle-1)/idle)
	return c.heard + rounds*idle
}

// expectSilence has c find out, in time, that its peer has vanished.
func (c *Conn) expectSilence() {
	if c.state != established || c.peer == nil || c.keepAlive.Count <= 0 {
		return
	}
	if since, silent := c.unanswered(); silent {
		c.w.k.Schedule(c.givesUp(since), c, evKeepAlive)
	}
}

// givesUp is when c gives its peer up that is silent since a time.
func (c *Conn) givesUp(since time.Duration) time.Duration {
	return max(c.w.k.Now(), c.nextProbe(since)+time.Duration(c.keepAlive.Count)*c.keepAlive.Interval)
}

// expectAnswer has c find out, in time, that its peer does not know the
// connection any more.
func (c *Conn) expectAnswer() {
	if c.state != established || c.peer == nil || c.keepAlive.Count <= 0 {
		return
	}
	if _, silent := c.unanswered(); !silent && (c.forgotten() || c.abandoned()) {
		c.w.k.Schedule(c.nextProbe(c.w.k.Now()), c, evKeepAlive)
	}
}

// abandoned reports whether the other end is no more and has not said so.
func (c *Conn) abandoned() bool {
	p := &c.peer.out
	return c.peer.state > established && !c.fin && p.times.len() == 0 && p.queue.len() == 0 && len(p.held) == 0
}

// checkPeer is what probes have told by now.
func (c *Conn) checkPeer() {
	p := &c.out
	if c.state != established || c.keepAlive.Count <= 0 || len(p.held) > 0 || p.unacked {
		return // while something is retransmitted there are no probes
	}
	since, silent := c.unanswered()
	switch {
	case silent && c.givesUp(since) <= c.w.k.Now():
		c.w.stats.TimedOut++
		c.fail(syscall.ETIMEDOUT)
	case silent:
		c.expectSilence()
	case c.forgotten():
		c.forget(nil)
	case c.abandoned():
		c.peer.reject()
	}
}
