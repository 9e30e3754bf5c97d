package simnet

import (
	"io"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/sim"
)

type connState uint8

const (
	connecting connState = iota
	established
	closed // here: by Close, by the end of its process, or by an error
	gone   // with the power of its machine
)

// Conn is one end of a connection.
type Conn struct {
	w            *Network
	host, remote *Host
	local, far   Addr
	name         string // of the connection, for streams; the same at both ends
	key          uint64 // of this end, in the trace hash
	way          *link  // from host to remote
	peer         *Conn  // nil until the SYN arrived
	rand, loss   env.Rand
	tear         env.Rand // where the stream is torn

	state      connState
	err        error // why it is closed
	told       bool  // err was returned to the program
	userClosed bool
	index      int // in host.conns
	listener   *listener
	syns       uint // sent so far

	forgottenBy *Cut // the partition that made the network forget it
	orphan      bool // in host.orphans
	rstSent     bool

	out pipe

	heard     time.Duration // when something last came from the peer
	keepAlive env.KeepAlive

	// Arrived and not yet read.
	ready      fifo[segment]
	readyBytes int64
	fin        bool // everything arrived

	// Flow control. What was read is reported to the sender in updates.
	outstanding  int64 // accepted for sending and not reported read
	limit        int64 // of outstanding
	unreported   int64 // read and not reported
	updateFlying bool
	updateHeld   bool // by a cut
	readers      sim.WaitList
	writers      sim.WaitList
	turn         sim.WaitList // tasks that wait for the end of another's write
	writing      bool
	readBy       time.Duration
	writeBy      time.Duration
}

var (
	_ net.Conn         = (*Conn)(nil)
	_ env.BufferWriter = (*Conn)(nil)
	_ env.BufferLender = (*Conn)(nil)
	_ env.BufferReader = (*Conn)(nil)
	_ env.FileSender   = (*Conn)(nil)
)

func (w *Network) newConn(host, remote *Host, local, far Addr, name string) *Conn {
	c := &Conn{
		w: w, host: host, remote: remote, local: local, far: far, name: name,
		way:    w.link(host, remote),
		readBy: sim.Never, writeBy: sim.Never,
	}
	side := name + "@" + host.name
	if host == remote && local.Port < far.Port {
		side += "'" // a host's connection to itself has two ends of one name
	}
	c.key = env.HashString(side)
	c.rand = *w.k.Rand("latency", side)
	c.loss = *w.k.Rand("loss", side)
	c.tear = *w.k.Rand("tear", side)
	c.limit = w.opts.WindowBytes
	if bound := host.sendWindow; bound > 0 {
		c.limit = 2 * bound // a buffer at either end
	}
	c.out.window = newCongestion(c.way.mss())
	if w.couriers != nil {
		c.out.courier = w.couriers(name, local, far)
	}
	c.keepAlive = env.DefaultKeepAlive()
	c.index = len(host.conns)
	host.conns = append(host.conns, c)
	return c
}

// leave takes c off the open sockets of its host.
func (c *Conn) leave() {
	list := c.host.conns
	last := len(list) - 1
	list[c.index] = list[last]
	list[c.index].index = c.index
	list[last] = nil
	c.host.conns = list[:last]
}

// LocalAddr is the address of this end.
func (c *Conn) LocalAddr() net.Addr { return c.local }

// RemoteAddr is the address of the other end.
func (c *Conn) RemoteAddr() net.Addr { return c.far }

func (c *Conn) opError(op string, err error) error {
	return opError(op, c.local, c.far, err)
}

// Read reads what has arrived, waiting for something if need be.
func (c *Conn) Read(p []byte) (int, error) {
	if err := c.awaitBytes(len(p)); err != nil || len(p) == 0 {
		return 0, err
	}
	return c.take(p), nil
}

// awaitBytes waits until there is something to read for who wants n bytes.
func (c *Conn) awaitBytes(n int) error {
	k := c.w.k
	for {
		switch {
		case c.userClosed || k.CallerDead():
			return c.opError("read", net.ErrClosed)
		case n == 0:
			return nil
		case c.readBy <= k.Now():
			return c.opError("read", os.ErrDeadlineExceeded)
		case c.readyBytes > 0:
			return nil
		case c.fin:
			return io.EOF
		case c.err != nil:
			c.told = true
			return c.opError("read", c.err)
		}
		k.WaitIn(&c.readers, "read", c.readBy)
	}
}

// take moves arrived bytes to p.
func (c *Conn) take(p []byte) int {
	n := 0
	for n < len(p) && c.ready.len() > 0 {
		s := &c.ready.all()[0]
		m := copy(p[n:], s.bytes[s.read:])
		n += m
		s.read += m
		if s.read == len(s.bytes) {
			c.w.recycle(s)
			c.ready.head++
		}
	}
	c.took(n)
	return n
}

// took counts n bytes as read.
func (c *Conn) took(n int) {
	c.ready.compact()
	c.readyBytes -= int64(n)
	c.unreported += int64(n)
	if c.unreported >= c.w.opts.WindowBytes/2 || c.readyBytes == 0 && c.peer.writers.Len() > 0 {
		c.sendUpdate()
	}
}

// Write writes p. It blocks while the window is full.
func (c *Conn) Write(p []byte) (int, error) {
	n, err := c.write([][]byte{p}, copied)
	return int(n), err
}

// WriteBuffers writes bufs in order as one write and keeps the slices until
// the peer has read them.
func (c *Conn) WriteBuffers(bufs [][]byte) (int64, error) { return c.write(bufs, kept) }

// Borrow implements env.BufferLender.
func (c *Conn) Borrow(n int) []byte {
	if n == 0 {
		return nil
	}
	return c.w.pool.get(n)
}

// WriteBorrowed implements env.BufferLender.
func (c *Conn) WriteBorrowed(b []byte) (int, error) {
	n, err := c.write([][]byte{b}, adopted)
	return int(n), err
}

// sendFileChunk is how much of a file is read at a time.
const sendFileChunk = 256 << 10

// SendFile sends n bytes of f from offset off.
func (c *Conn) SendFile(f env.File, off, n int64) (int64, error) {
	var total int64
	for total < n {
		buf := c.w.pool.get(int(min(n-total, sendFileChunk)))
		got, err := f.ReadAt(buf, off+total)
		if got > 0 {
			sent, werr := c.write([][]byte{buf[:got]}, adopted)
			total += sent
			if werr != nil {
				return total, werr
			}
		} else {
			c.w.pool.put(buf)
		}
		if err == io.EOF && total < n {
			return total, io.ErrUnexpectedEOF
		}
		if err != nil && err != io.EOF {
			return total, err
		}
	}
	return total, nil
}

// origin says where written bytes lie and so who may reuse their memory.
type origin uint8

const (
	copied  origin = iota // the caller's: they must be copied
	kept                  // the caller's, who never changes them again
	adopted               // a buffer of the pool, which gets it back
)

func (c *Conn) write(bufs [][]byte, from origin) (int64, error) {
	if err := c.writable(); err != nil {
		return 0, err
	}
	for c.writing {
		c.w.k.WaitIn(&c.turn, "write turn", c.writeBy)
		if err := c.writable(); err != nil {
			return 0, err
		}
	}
	c.writing = true
	total, err := c.writeAll(bufs, from)
	c.flush(0)
	c.writing = false
	c.w.k.WakeOne(&c.turn)
	return total, err
}

func (c *Conn) writeAll(bufs [][]byte, from origin) (int64, error) {
	var total int64
	for _, b := range bufs {
		var of *lent
		if from == adopted {
			of = &lent{bytes: b, parts: 1}
		}
		for len(b) > 0 {
			room := c.limit - c.outstanding
			if room <= 0 {
				c.flush(0)
				c.peer.sendUpdate()
				c.armProbe()
				c.w.k.WaitIn(&c.writers, "write window", c.writeBy)
				if err := c.writable(); err != nil {
					return total, err
				}
				continue
			}
			n := len(b)
			if int64(n) > room {
				n = int(room)
			}
			c.out.add(c.w, b[:n], from, of)
			if c.w.observer != nil {
				c.w.observer.Written(c.flow(), c.w.k.Now(), b[:n])
			}
			c.outstanding += int64(n)
			total += int64(n)
			b = b[n:]
		}
		if of != nil {
			of.release(&c.w.pool)
		}
	}
	return total, nil
}

// writable is the error a write would meet now.
func (c *Conn) writable() error {
	k := c.w.k
	switch {
	case c.userClosed || k.CallerDead():
		return c.opError("write", net.ErrClosed)
	case c.writeBy <= k.Now():
		return c.opError("write", os.ErrDeadlineExceeded)
	case c.err != nil && c.told:
		return c.opError("write", syscall.EPIPE)
	case c.err != nil:
		c.told = true
		return c.opError("write", c.err)
	}
	return nil
}

// Close closes this end. Bytes written before still go to the peer, unless
// bytes that arrived here are unread: then the peer is reset.
func (c *Conn) Close() error {
	if c.userClosed || c.w.k.CallerDead() {
		return c.opError("close", net.ErrClosed)
	}
	c.userClosed = true
	c.shut(net.ErrClosed)
	return nil
}

// SetDeadline sets both deadlines; see [env.Clock.Deadline]. The zero time
// means none.
func (c *Conn) SetDeadline(t time.Time) error {
	if err := c.SetReadDeadline(t); err != nil {
		return err
	}
	return c.SetWriteDeadline(t)
}

// SetReadDeadline sets when reads, the waiting ones too, give up.
func (c *Conn) SetReadDeadline(t time.Time) error {
	if c.userClosed || c.w.k.CallerDead() {
		return c.opError("set", net.ErrClosed)
	}
	c.readBy = c.instant(t)
	c.w.k.WakeAll(&c.readers)
	return nil
}

// SetWriteDeadline sets when writes, the waiting ones too, give up.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	if c.userClosed || c.w.k.CallerDead() {
		return c.opError("set", net.ErrClosed)
	}
	c.writeBy = c.instant(t)
	c.w.k.WakeAll(&c.writers)
	c.w.k.WakeAll(&c.turn)
	return nil
}

func (c *Conn) instant(t time.Time) time.Duration {
	if t.IsZero() {
		return sim.Never
	}
	return c.w.k.Instant(t)
}

// shut closes the socket from this end: FIN, or RST if unread bytes are lost.
func (c *Conn) shut(reason error) {
	unread := c.readyBytes > 0
	c.discard()
	if c.state > established {
		return
	}
	was := c.state
	c.end(closed, reason)
	if was == connecting {
		return
	}
	if unread {
		c.rstSent = true
		c.out.dropQueue(c.w)
		c.flush(flagRst)
	} else {
		c.flush(flagFin)
	}
	c.adoptOrphan()
}

// abort closes the socket with RST.
func (c *Conn) abort() {
	c.discard()
	if c.state > established {
		return
	}
	c.end(closed, net.ErrClosed)
	c.reject()
}

// fail closes the socket because of an error; the peer learns nothing.
func (c *Conn) fail(err error) {
	if c.state > established {
		return
	}
	c.end(closed, err)
	c.out.dropHeld(c.w)
	c.out.dropQueue(c.w)
}

// vanish is the end of the socket with the power of its machine.
func (c *Conn) vanish() {
	c.discard()
	c.end(gone, net.ErrClosed)
	c.out.dropHeld(c.w)
	c.out.cutOff(c.w, c.w.k.Now())
	if c.peer != nil {
		c.peer.expectSilence()
	}
}

func (c *Conn) end(s connState, err error) {
	c.state = s
	c.err = err
	c.leave()
	k := c.w.k
	k.WakeAll(&c.readers)
	k.WakeAll(&c.writers)
	k.WakeAll(&c.turn)
}

// discard forgets what arrived and was not read.
func (c *Conn) discard() {
	for i, ready := 0, c.ready.all(); i < len(ready); i++ {
		c.w.recycle(&ready[i])
	}
	c.ready, c.readyBytes = fifo[segment]{}, 0
}
