package simnet

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"syscall"
	"time"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/sim"
)

const (
	firstEphemeral = 32768
	lastEphemeral  = 60999

	// connectTimeout is when Linux gives up repeating SYNs.
	connectTimeout = 127 * time.Second
)

// Host is a machine's end of the network and its env.Network.
type Host struct {
	w    *Network
	node *sim.Node
	name string
	id   int
	nic  NIC

	egressFree, ingressFree time.Duration

	sendWindow int64 // bytes a connection has on the way at most, 0 for any

	limiter  Limiter // of the card besides nic, nil if none
	machine  string  // physical; hosts of one are linked by loopback
	loopback LinkOptions

	// Bytes put on any link and meant for the host, and those that pass its card.
	sent, received, cardSent, cardReceived sim.Flow
	flights                                int64

	listeners map[int]*listener
	nextPort  int

	offSince time.Duration // when it lost its power last

	conns   []*Conn // sockets the process has open
	orphans []*Conn // closed sockets whose last bytes have not left
}

var _ env.Network = (*Host)(nil)

// Name is the host's name.
func (h *Host) Name() string { return h.name }

// Conns is how many connections the host's process has open.
func (h *Host) Conns() int { return len(h.conns) }

// Addr is the address of one end of a connection.
type Addr struct {
	Host string
	Port int
}

// Network is "tcp".
func (a Addr) Network() string { return "tcp" }

// String is "host:port".
func (a Addr) String() string { return net.JoinHostPort(a.Host, strconv.Itoa(a.Port)) }

// parse splits an address. Names that mean "this machine" become h's.
func (h *Host) parse(op, addr string) (Addr, error) {
	host, portText, err := net.SplitHostPort(addr)
	if err != nil {
		return Addr{}, &net.OpError{Op: op, Net: "tcp", Err: err}
	}
	port, err := strconv.Atoi(portText)
	if err != nil || port < 0 || port > 65535 {
		return Addr{}, &net.OpError{Op: op, Net: "tcp", Err: &net.AddrError{Err: "port must be a number from 0 to 65535", Addr: addr}}
	}
	switch host {
	case "", "localhost", "127.0.0.1", "0.0.0.0", "::", "::1":
		host = h.name
	}
	return Addr{host, port}, nil
}

func opError(op string, source, addr net.Addr, err error) error {
	if errno, ok := err.(syscall.Errno); ok {
		call := op
		if op == "dial" {
			call = "connect"
		}
		err = os.NewSyscallError(call, sim.Errno(errno))
	}
	return &net.OpError{Op: op, Net: "tcp", Source: source, Addr: addr, Err: err}
}

// listener is a listening socket.
type listener struct {
	host    *Host
	addr    Addr
	backlog []*Conn
	closed  bool
	waiting sim.WaitList
}

// Listen opens a listening socket. addr must name this host, or leave the name
// empty; port 0 picks a free one.
func (h *Host) Listen(addr string) (net.Listener, error) {
	if h.w.k.CallerDead() {
		return nil, opError("listen", nil, nil, net.ErrClosed)
	}
	a, err := h.parse("listen", addr)
	if err != nil {
		return nil, err
	}
	if a.Host != h.name {
		return nil, opError("listen", nil, a, syscall.EADDRNOTAVAIL)
	}
	if a.Port == 0 {
		a.Port = h.ephemeral()
	}
	if h.listeners[a.Port] != nil {
		return nil, opError("listen", nil, a, syscall.EADDRINUSE)
	}
	l := &listener{host: h, addr: a}
	h.listeners[a.Port] = l
	return l, nil
}

// ephemeral picks a port that nobody listens on.
func (h *Host) ephemeral() int {
	for {
		p := h.nextPort
		h.nextPort++
		if h.nextPort > lastEphemeral {
			h.nextPort = firstEphemeral
		}
		if h.listeners[p] == nil {
			return p
		}
	}
}

// Addr is the address the listener listens on.
func (l *listener) Addr() net.Addr { return l.addr }

// Accept waits for the next connection.
func (l *listener) Accept() (net.Conn, error) {
	k := l.host.w.k
	for {
		if l.closed || k.CallerDead() {
			return nil, opError("accept", nil, l.addr, net.ErrClosed)
		}
		if len(l.backlog) > 0 {
			c := l.backlog[0]
			l.backlog[0] = nil
			l.backlog = l.backlog[1:]
			c.listener = nil
			return c, nil
		}
		k.WaitIn(&l.waiting, "accept", sim.Never)
	}
}

// Close stops listening. Connections that were not accepted are reset.
func (l *listener) Close() error {
	if l.closed || l.host.w.k.CallerDead() {
		return opError("close", nil, l.addr, net.ErrClosed)
	}
	l.shut()
	return nil
}

func (l *listener) shut() {
	l.closed = true
	delete(l.host.listeners, l.addr.Port)
	for _, c := range l.backlog {
		c.abort()
	}
	l.backlog = nil
	l.host.w.k.WakeAll(&l.waiting)
}

// Dial connects to addr. It fails with ETIMEDOUT when Linux gives up, if that
// is before timeout.
func (h *Host) Dial(addr string, timeout time.Duration) (net.Conn, error) {
	k := h.w.k
	if k.CallerDead() {
		return nil, opError("dial", nil, nil, net.ErrClosed)
	}
	to, err := h.parse("dial", addr)
	if err != nil {
		return nil, err
	}
	remote := h.w.hosts[to.Host]
	if remote == nil {
		return nil, opError("dial", nil, to, &net.DNSError{Err: "no such host", Name: to.Host, IsNotFound: true})
	}
	late := error(os.ErrDeadlineExceeded)
	if timeout <= 0 {
		return nil, opError("dial", nil, to, late)
	}
	if timeout > connectTimeout {
		timeout, late = connectTimeout, syscall.ETIMEDOUT
	}
	l := h.w.link(h, remote)
	l.dials++
	c := h.w.newConn(h, remote, Addr{h.name, h.ephemeral()}, to, fmt.Sprintf("%s>%s#%d", h.name, to.Host, l.dials))
	c.state = connecting
	c.sendSyn()
	end := k.Now() + timeout
	for c.state == connecting {
		if !k.WaitIn(&c.readers, "dial", end) && c.state == connecting {
			c.fail(net.ErrClosed)
			return nil, opError("dial", c.local, to, late)
		}
	}
	if c.state != established {
		return nil, opError("dial", c.local, to, c.err)
	}
	return c, nil
}

// crashed does what the machine's kernel does when its process dies, or
// nothing more ever when the machine lost power.
func (h *Host) crashed(kind sim.CrashKind) {
	if kind == sim.PowerLoss {
		h.offSince = h.w.k.Now()
	}
	for _, port := range env.SortedKeys(h.listeners) {
		l := h.listeners[port]
		if kind == sim.PowerLoss {
			l.closed = true
			l.backlog = nil
			delete(h.listeners, port)
			continue
		}
		l.shut()
	}
	for len(h.conns) > 0 {
		c := h.conns[len(h.conns)-1]
		if kind == sim.PowerLoss {
			c.vanish()
		} else {
			c.shut(net.ErrClosed)
		}
	}
	if kind == sim.PowerLoss {
		for _, c := range h.orphans {
			c.orphan = false
			c.state = gone
			c.out.dropHeld(c.w)
			c.out.cutOff(c.w, c.w.k.Now())
		}
		h.orphans = nil
		h.egressFree, h.ingressFree = 0, 0
	}
}

// rebooted lets retransmissions of half-open peers reach the machine again.
func (h *Host) rebooted() {
	for _, other := range h.w.order {
		for _, c := range other.conns {
			if c.remote == h {
				c.retry()
				c.expectAnswer()
			}
		}
		for _, c := range other.orphans {
			if c.remote == h {
				c.retry()
			}
		}
	}
}
