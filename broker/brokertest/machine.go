package brokertest

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/weirlab/weir/env"
)

// machine is what one process of a broker has of its machine: the operating
// system, through a disk that can fail, until the process is killed. A killed
// process is a goroutine or two that go on to their end, and nothing of what
// they do reaches files or peers any more.
type machine struct {
	env.Env
	disk  *disk
	peers *peers

	mu     sync.RWMutex // held, to read, while files are changed
	killed bool
	open   map[io.Closer]struct{} // listeners and connections
}

// peers are the ends of the connections that brokers have opened, by which the
// requests of brokers are told from those of clients.
type peers struct {
	mu    sync.Mutex
	local map[string]bool
}

func (p *peers) set(addr string, there bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if there {
		p.local[addr] = true
	} else {
		delete(p.local, addr)
	}
}

func (p *peers) has(addr string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.local[addr]
}

func newMachine(e env.Env, d *disk, p *peers) *machine {
	return &machine{Env: e, disk: d, peers: p, open: map[io.Closer]struct{}{}}
}

// kill ends the process as far as others can tell. Once it returns, nothing of
// the process is written any more.
func (m *machine) kill() {
	m.mu.Lock()
	m.killed = true
	open := m.open
	m.open = map[io.Closer]struct{}{}
	m.mu.Unlock()
	for c := range open {
		_ = c.Close()
	}
}

func (m *machine) isKilled() bool {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.killed
}

// hold keeps account of something that a kill closes. It reports false, and
// closes it, if the process was killed meanwhile.
func (m *machine) hold(c io.Closer) bool {
	m.mu.Lock()
	killed := m.killed
	if !killed {
		m.open[c] = struct{}{}
	}
	m.mu.Unlock()
	if killed {
		_ = c.Close()
	}
	return !killed
}

func (m *machine) letGo(c io.Closer) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.open, c)
}

// Sleep implements env.Clock. A killed process has nothing to wait for.
func (m *machine) Sleep(d time.Duration) {
	if !m.isKilled() {
		m.Env.Sleep(d)
	}
}

// FS implements env.Env.
func (m *machine) FS() env.FS { return files{m.Env.FS(), m} }

// Listen implements env.Network.
func (m *machine) Listen(addr string) (net.Listener, error) {
	l, err := m.Env.Listen(addr)
	if err != nil {
		return nil, err
	}
	held := &heldListener{l, m}
	if !m.hold(held) {
		return nil, &net.OpError{Op: "listen", Net: "tcp", Err: net.ErrClosed}
	}
	return held, nil
}

// Dial implements env.Network.
func (m *machine) Dial(addr string, timeout time.Duration) (net.Conn, error) {
	if m.isKilled() {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ENETDOWN)}
	}
	c, err := m.Env.Dial(addr, timeout)
	if err != nil {
		return nil, err
	}
	m.peers.set(c.LocalAddr().String(), true)
	return m.wrap(c, true)
}

func (m *machine) wrap(c net.Conn, dialed bool) (net.Conn, error) {
	held := &heldConn{Conn: c, m: m, dialed: dialed}
	if !m.hold(held) {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: net.ErrClosed}
	}
	return held, nil
}

type heldListener struct {
	net.Listener
	m *machine
}

func (l *heldListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return l.m.wrap(c, false)
}

func (l *heldListener) Close() error {
	l.m.letGo(l)
	return l.Listener.Close()
}

type heldConn struct {
	net.Conn
	m      *machine
	dialed bool
}

var (
	_ env.BufferWriter = (*heldConn)(nil)
	_ env.KeepAliver   = (*heldConn)(nil)
)

func (c *heldConn) Close() error {
	c.m.letGo(c)
	if c.dialed {
		c.m.peers.set(c.LocalAddr().String(), false)
	}
	return c.Conn.Close()
}

// WriteBuffers implements env.BufferWriter.
func (c *heldConn) WriteBuffers(bufs [][]byte) (int64, error) { return env.WriteBuffers(c.Conn, bufs) }

// SetKeepAlive implements env.KeepAliver.
func (c *heldConn) SetKeepAlive(k env.KeepAlive) error { return env.SetKeepAlive(c.Conn, k) }
