package simnet

import "time"

// NIC is the bandwidth of a host's network card, shared by all its links; 0 is
// unlimited.
type NIC struct {
	EgressBytesPerSecond  int64
	IngressBytesPerSecond int64
}

// SetNIC sets the bandwidth of a host's network card.
func (w *Network) SetNIC(host string, n NIC) { w.host(host).nic = n }

// SetSendWindow bounds what each connection of a host has on the way, for
// programs that set the sizes of their sockets' buffers themselves: the less of
// the sender's SO_SNDBUF and the reader's SO_RCVBUF. 0 leaves it to congestion
// control alone.
func (w *Network) SetSendWindow(host string, bytes int64) { w.host(host).sendWindow = bytes }

// Limiter is a network card that remembers, such as that of an EC2 instance
// with its burst credits: [github.com/weirlab/weir/sim/ec2.Machine] is one. It
// is asked once for each flight, in the order in which flights are sent.
type Limiter interface {
	// Send queues bytes that leave the host at time now and says when they
	// begin to pass and when they have passed.
	Send(now time.Duration, n int64) (start, end time.Duration)
	// Receive queues bytes that come to the host at time now.
	Receive(now time.Duration, n int64) (start, end time.Duration)
}

// SetLimiter gives a host's network card a limiter besides its NIC; nil takes
// it away. Several hosts may share one, as processes of a machine share its
// card.
func (w *Network) SetLimiter(host string, l Limiter) { w.host(host).limiter = l }

// Colocate puts a host on a physical machine, by any name but "". The hosts of
// a machine reach each other and themselves over loopback, whose packets pass
// no network card. The zero loopback is that of the network's options.
func (w *Network) Colocate(host, machine string, loopback LinkOptions) {
	h := w.host(host)
	if loopback == (LinkOptions{}) {
		loopback = w.opts.Loopback
	}
	h.machine, h.loopback = machine, loopback
	for _, other := range w.order {
		w.place(h, other)
		w.place(other, h)
	}
}

// place makes a link that exists already loopback, or not.
func (w *Network) place(from, to *Host) {
	l := w.links[from.id][to.id]
	if l == nil {
		return // will be made as it should be
	}
	switch local := from == to || from.machine != "" && from.machine == to.machine; {
	case local:
		l.opts, l.local = from.loopback, true
	case l.local:
		l.opts, l.local = w.opts.Link, false
	}
}

// Traffic counts the bytes of a host's connections.
type Traffic struct {
	SentBytes, ReceivedBytes int64 // put on any link, and meant for the host
	// Those that passed its network card, so without loopback.
	CardSentBytes, CardReceivedBytes int64
}

// Traffic is what a host sent and was sent so far. What waits for its turn on a
// link or at a card does not count yet.
func (w *Network) Traffic(host string) Traffic {
	h, now := w.host(host), w.k.Now()
	return Traffic{
		SentBytes: h.sent.At(now), ReceivedBytes: h.received.At(now),
		CardSentBytes: h.cardSent.At(now), CardReceivedBytes: h.cardReceived.At(now),
	}
}
