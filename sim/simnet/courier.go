package simnet

import (
	"slices"
	"syscall"
	"time"
)

// Courier looks at what one end of a connection sends, which the network itself
// takes for bytes, and decides how long that takes. What it keeps keeps
// everything behind it on the same connection, as a stream demands, and nothing
// on any other. What is under way outlives its sender: it arrives even if the
// connection was closed, or the sender's machine has lost its power, meanwhile.
type Courier interface {
	// Carry is shown the bytes of a flight, in order, when they leave. They
	// arrive keep later than they would have; snap instead has the network reset
	// both ends of the connection, and they never do.
	Carry(pieces [][]byte) (keep time.Duration, snap bool)
}

// SetCouriers has choose give a courier, or nil, to each end of each connection
// made from now on: name is that of the connection, the same at both ends, and
// from and to are the addresses of the sender and the receiver.
func (w *Network) SetCouriers(choose func(name string, from, to Addr) Courier) { w.couriers = choose }

// carry shows the courier the flight that was loaded last.
func (c *Conn) carry() time.Duration {
	p := &c.out
	wire := p.wire.all()
	first := len(wire) - 1
	for first > 0 && wire[first-1].flags&flagEnd == 0 {
		first--
	}
	var pieces [][]byte
	for i := range wire[first:] {
		if b := wire[first+i].bytes; len(b) > 0 {
			pieces = append(pieces, b)
		}
	}
	keep, snap := p.courier.Carry(pieces)
	if snap {
		c.w.k.Schedule(c.w.k.Now(), c, evBreak)
		return 0
	}
	if keep > 0 {
		c.w.stats.Kept++
	}
	return keep
}

// snap is the reset of both ends by something between them, such as a firewall
// that has lost its state.
func (c *Conn) snap() {
	broken := false
	for _, end := range []*Conn{c, c.peer} {
		if end != nil && end.state == established {
			broken = true
			end.out.dropQueue(c.w)
			end.fail(syscall.ECONNRESET)
		}
	}
	if broken {
		c.w.stats.Broken++
	}
}

// Snap has the network reset all connections between two sets of hosts. It
// returns how many there were.
func (w *Network) Snap(a, b []string) int64 {
	before := w.stats.Broken
	for _, h := range w.order {
		for _, c := range slices.Clone(h.conns) {
			from, to := c.host.name, c.remote.name
			if slices.Contains(a, from) && slices.Contains(b, to) || slices.Contains(b, from) && slices.Contains(a, to) {
				c.snap()
			}
		}
	}
	return w.stats.Broken - before
}
