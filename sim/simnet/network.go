package simnet

import (
	"fmt"
	"time"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/sim"
)

// Options configures a network. The zero value is a network within one
// availability zone.
type Options struct {
	// Link is what links are unless SetLink says otherwise. The zero value
	// means [SameZone].
	Link LinkOptions

	// Loopback is the link of a host to itself. The zero value means
	// [Loopback].
	Loopback LinkOptions

	// WindowBytes is how far a sender may be ahead of its reader: the send
	// buffer and the receive buffer together. While the reader reads it grows
	// with what the way can carry, up to WindowMaxBytes. 0 means 1 MiB, growing
	// to 6 MiB as tcp_rmem of Linux allows; a size that is given stays so unless
	// WindowMaxBytes is given too.
	WindowBytes, WindowMaxBytes int64

	// TearOneIn tears one in so many flights in two at some byte, so that a
	// reader sees the first part alone. 0 means 16, negative tears none.
	TearOneIn int64

	// Backlog is how many connections may wait for Accept. 0 means 128.
	Backlog int

	// RetransmitTimeout is how long unacknowledged bytes are repeated before
	// the sender's connection fails with ETIMEDOUT. 0 means 2 min (Linux
	// defaults to about 15).
	RetransmitTimeout time.Duration

	// RetransmitMin is the first retransmission timeout, paid for a lost
	// packet. 0 means 200 ms, as on Linux.
	RetransmitMin time.Duration

	// BackoffMax bounds how long after the end of a cut the next
	// retransmission comes. Linux doubles the pause up to 2 min, so the wait is
	// about as long as the cut was. 0 means 5 s.
	BackoffMax time.Duration

	// SynRetry is when the first SYN without an answer is repeated; each
	// further one waits twice as long. 0 means 1 s, as on Linux.
	SynRetry time.Duration

	// ForgetOneIn makes the network forget one in so many of the connections
	// that a drawn-fate partition cuts. 0 means 4, negative means none.
	ForgetOneIn int64
}

func (o *Options) fill() {
	if o.Link == (LinkOptions{}) {
		o.Link = SameZone()
	}
	if o.Loopback == (LinkOptions{}) {
		o.Loopback = Loopback()
	}
	if o.WindowBytes == 0 {
		setDefault(&o.WindowMaxBytes, 6<<20)
	}
	setDefault(&o.WindowBytes, 1<<20)
	o.WindowMaxBytes = max(o.WindowMaxBytes, o.WindowBytes)
	setDefault(&o.TearOneIn, 16)
	setDefault(&o.Backlog, 128)
	setDefault(&o.RetransmitTimeout, 2*time.Minute)
	setDefault(&o.RetransmitMin, 200*time.Millisecond)
	setDefault(&o.BackoffMax, 5*time.Second)
	setDefault(&o.SynRetry, time.Second)
	setDefault(&o.ForgetOneIn, 4)
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Stats counts what the network carried and what faults did to it.
type Stats struct {
	Connections int64 // established
	Flights     int64 // parts of writes put on the wire
	Torn        int64 // flights cut in two
	CutOffBytes int64 // that had not left when their sender lost power
	Bytes       int64 // put on the wire

	Lost        int64 // flights that paid a retransmission because of loss
	Slowed      int64 // flights that paid a link's extra delay
	Kept        int64 // flights that a courier kept
	Broken      int64 // connections that the network reset
	Held        int64 // flights stopped by a cut or a dead machine
	HeldBytes   int64
	Released    int64 // held flights that arrived after all
	Forgotten   int64 // connections reset because the network forgot them
	TimedOut    int64 // connections that gave up retransmitting
	Resets      int64 // RSTs that reached a live connection
	SynsDropped int64 // by cuts, dead machines and full backlogs
	Refused     int64 // connections refused
	Partitions  int64
}

// Network connects the machines of one kernel.
type Network struct {
	k     *sim.Kernel
	opts  Options
	hosts map[string]*Host
	order []*Host // by time of attachment
	links [][]*link
	cuts  []*Cut // in force
	pool  pool
	stats Stats

	couriers func(name string, from, to Addr) Courier // nil: nobody looks
	observer Observer                                 // nil if nobody looks
}

// New returns a network without hosts.
func New(k *sim.Kernel, opts Options) *Network {
	opts.fill()
	return &Network{k: k, opts: opts, hosts: make(map[string]*Host)}
}

// Attach puts machine n into the network under the name host and gives it the
// result as its env.Network. It panics if the name is taken.
func (w *Network) Attach(n *sim.Node, host string) *Host {
	if w.hosts[host] != nil {
		panic(fmt.Sprintf("simnet: there is already a host named %q", host))
	}
	h := &Host{w: w, node: n, name: host, id: len(w.order), listeners: make(map[int]*listener), nextPort: firstEphemeral}
	w.hosts[host] = h
	w.order = append(w.order, h)
	for i := range w.links {
		w.links[i] = append(w.links[i], nil)
	}
	w.links = append(w.links, make([]*link, len(w.order)))
	n.SetNetwork(h)
	n.OnCrash(h.crashed)
	n.OnPowerOn(h.rebooted)
	return h
}

// Hosts lists the names of the hosts in the order of attachment.
func (w *Network) Hosts() []string {
	names := make([]string, len(w.order))
	for i, h := range w.order {
		names[i] = h.name
	}
	return names
}

// Stats counts what happened so far.
func (w *Network) Stats() Stats { return w.stats }

// host panics on a name that is not there: fault plans are checked before a
// run, so a wrong name is a mistake in the program.
func (w *Network) host(name string) *Host {
	h := w.hosts[name]
	if h == nil {
		panic(fmt.Sprintf("simnet: no host named %q; there are %v", name, env.SortedKeys(w.hosts)))
	}
	return h
}
