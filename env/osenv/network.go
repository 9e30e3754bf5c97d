package osenv

import (
	"context"
	"errors"
	"net"
	"os"
	"sync/atomic"
	"time"

	"github.com/weirlab/weir/env"
)

// network implements env.Network with TCP and counts what its connections
// carry.
type network struct {
	traffic *traffic
	held    *holdings
}

type traffic struct{ sent, received atomic.Int64 }

// Listen implements env.Network.
func (n network) Listen(addr string) (net.Listener, error) {
	// The net package takes an empty address for any host and any port.
	if _, _, err := net.SplitHostPort(addr); err != nil {
		return nil, &net.OpError{Op: "listen", Net: "tcp", Err: err}
	}
	lc := net.ListenConfig{KeepAliveConfig: keepAlive(env.DefaultKeepAlive())}
	l, err := lc.Listen(context.Background(), "tcp", addr)
	if err != nil {
		return nil, err
	}
	return listener{l, n, n.held.take("listener", l.Addr().String())}, nil
}

// Dial implements env.Network. Without a timeout it gives up when the system
// does.
func (n network) Dial(addr string, timeout time.Duration) (net.Conn, error) {
	d := net.Dialer{Timeout: max(0, timeout), KeepAliveConfig: keepAlive(env.DefaultKeepAlive())}
	c, err := d.Dial("tcp", addr)
	if err != nil {
		var ne net.Error
		if timeout > 0 && errors.As(err, &ne) && ne.Timeout() {
			return nil, dialTimeout(addr)
		}
		return nil, err
	}
	return n.wrap(c), nil
}

func keepAlive(k env.KeepAlive) net.KeepAliveConfig {
	if k.Count <= 0 {
		return net.KeepAliveConfig{}
	}
	whole := func(d time.Duration) time.Duration { return max(1, (d+time.Second-1)/time.Second) * time.Second }
	return net.KeepAliveConfig{Enable: true, Idle: whole(k.Idle), Interval: whole(k.Interval), Count: k.Count}
}

func dialTimeout(addr string) error {
	return &net.OpError{Op: "dial", Net: "tcp", Addr: address(addr), Err: os.ErrDeadlineExceeded}
}

type address string

func (a address) Network() string { return "tcp" }
func (a address) String() string  { return string(a) }

type listener struct {
	net.Listener
	n    network
	held *held
}

func (l listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return l.n.wrap(c), nil
}

func (l listener) Close() error {
	l.held.giveBack()
	return l.Listener.Close()
}

// conn is a TCP connection with the fast paths of package env. The net
// package has set TCP_NODELAY on it.
type conn struct {
	*net.TCPConn
	traffic *traffic
	held    *held
}

var (
	_ env.BufferWriter = conn{}
	_ env.FileSender   = conn{}
	_ env.KeepAliver   = conn{}
)

// wrap is called by what the program calls.
func (n network) wrap(c net.Conn) net.Conn {
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		return c
	}
	if n.held == nil {
		return conn{TCPConn: tcp, traffic: n.traffic}
	}
	return conn{tcp, n.traffic, n.held.take("connection", c.LocalAddr().String()+" to "+c.RemoteAddr().String())}
}

// Close closes the connection.
func (c conn) Close() error {
	c.held.giveBack()
	return c.TCPConn.Close()
}

// SetKeepAlive implements env.KeepAliver.
func (c conn) SetKeepAlive(k env.KeepAlive) error { return c.SetKeepAliveConfig(keepAlive(k)) }

// Read reads from the connection.
func (c conn) Read(p []byte) (int, error) {
	n, err := c.TCPConn.Read(p)
	c.traffic.received.Add(int64(n))
	return n, err
}

// Write writes to the connection.
func (c conn) Write(p []byte) (int, error) {
	n, err := c.TCPConn.Write(p)
	c.traffic.sent.Add(int64(n))
	return n, err
}

// WriteBuffers implements env.BufferWriter with writev.
func (c conn) WriteBuffers(bufs [][]byte) (int64, error) {
	if len(bufs) == 1 {
		n, err := c.Write(bufs[0])
		return int64(n), err
	}
	// net.Buffers consumes the slice it is given, and bufs is the caller's.
	var few [8][]byte
	rest := net.Buffers(append(few[:0], bufs...))
	n, err := rest.WriteTo(c.TCPConn)
	c.traffic.sent.Add(n)
	return n, err
}
