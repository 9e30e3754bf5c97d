package protocol

import (
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/weirlab/weir/env"
)

// DefaultMaxRequestBytes is Kafka's default of socket.request.max.bytes.
const DefaultMaxRequestBytes int32 = 100 << 20

// Options say how a server treats those who connect. Where a field stands for
// a Kafka setting, its comment names it. A zero sets no limit where nothing
// else is said.
type Options struct {
	Listener            ListenerKinds // the kind of the listener; BrokerListener if zero
	MaxRequestBytes     int32         // socket.request.max.bytes; DefaultMaxRequestBytes if zero
	MaxConnections      int           // max.connections: further ones wait to be accepted
	MaxConnectionsPerIP int           // max.connections.per.ip: further ones are closed at once
	MaxIdle             time.Duration // connections.max.idle.ms
	Pipelined           int           // requests of a connection that are done at a time (weir.pipelined.requests); maxPipelined if zero
	Authorizer          Authorizer    // AllowAll if nil
	Memory              *Memory       // shared between the servers of a broker; this server's own if nil
}

// Times of a server.
const (
	// acceptBackoff is how long a server waits after a connection could not be
	// accepted, usually for want of file descriptors.
	acceptBackoff = 100 * time.Millisecond
	// sweepEvery is how often connections are looked at for those that have
	// outlived what they may.
	sweepEvery = time.Second
)

// Server answers requests on a listener.
type Server struct {
	e          env.Env
	lab        *env.Lab
	codes      *codes
	listener   net.Listener
	table      *Table
	opts       Options
	memory     *Memory
	complaints *env.Complaints
	stopping   env.Signal

	mu      env.Mutex
	nextID  int64
	conns   map[int64]*connection
	byHost  map[string]int
	changed env.Cond // a connection is gone, or the server stops
}

// Serve starts answering requests that arrive on l with the APIs of table. The
// server owns the listener.
func Serve(e env.Env, l net.Listener, table *Table, opts Options) *Server {
	if opts.Listener == 0 {
		opts.Listener = BrokerListener
	}
	if opts.MaxRequestBytes == 0 {
		opts.MaxRequestBytes = DefaultMaxRequestBytes
	}
	if opts.Authorizer == nil {
		opts.Authorizer = AllowAll{}
	}
	if opts.Memory == nil {
		opts.Memory = NewMemory(e, 0, 0)
	}
	s := &Server{e: e, lab: e.Lab(), listener: l, table: table, opts: opts, memory: opts.Memory, complaints: env.NewComplaints(e),
		stopping: e.NewSignal(), mu: e.NewMutex(), conns: map[int64]*connection{}, byHost: map[string]int{}}
	s.changed = e.NewCond(s.mu)
	s.codes = newCodes(s.lab)
	e.Go("accept", s.accept)
	e.Go("sweep", s.sweep)
	return s
}

// Limit changes how many connections are served from now on, all together and
// from one address. Connections that are there stay.
func (s *Server) Limit(connections, perIP int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.opts.MaxConnections, s.opts.MaxConnectionsPerIP = connections, perIP
	s.changed.Broadcast()
}

// Close closes the listener and every connection. Requests being handled run
// to their end; Wait waits for them.
func (s *Server) Close() {
	_ = s.listener.Close()
	s.stopping.Set()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range env.SortedKeys(s.conns) {
		_ = s.conns[id].conn.Close()
	}
	s.changed.Broadcast()
	s.complaints.Close()
}

// Wait waits until no request is being handled.
func (s *Server) Wait() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.conns) > 0 {
		s.changed.Wait()
	}
}

// accept takes connections until the server stops. A failure ends nothing: the
// next moment may have room again.
func (s *Server) accept() {
	for s.awaitRoom() {
		// Connections wait in the kernel's queue meanwhile.
		if d := s.lab.Late("protocol/accept-late", 100*time.Millisecond); d > 0 {
			s.stopping.Wait(d)
		}
		conn, err := s.listener.Accept()
		if err == nil {
			s.welcome(conn)
			continue
		}
		if errors.Is(err, net.ErrClosed) {
			return
		}
		s.complaints.Event("accept-failed", env.Text("error", err.Error()))
		if s.stopping.Wait(acceptBackoff) {
			return
		}
	}
}

// awaitRoom waits until there may be one more connection. It reports false when
// the server stops.
func (s *Server) awaitRoom() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.opts.MaxConnections > 0 && len(s.conns) >= s.opts.MaxConnections && !s.stopping.IsSet() {
		s.changed.Wait()
	}
	return !s.stopping.IsSet()
}

// welcome starts the task of a new connection.
func (s *Server) welcome(conn net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	host := hostOf(conn)
	tooMany := s.opts.MaxConnectionsPerIP > 0 && s.byHost[host] >= s.opts.MaxConnectionsPerIP
	if tooMany || s.stopping.IsSet() {
		_ = conn.Close()
		if tooMany {
			s.complaints.Event("bad-request", env.Text("from", conn.RemoteAddr().String()),
				env.Text("error", fmt.Sprintf("protocol: %d connections from %s are all that it may have (max.connections.per.ip)", s.byHost[host], host)))
		}
		return
	}
	s.nextID++
	c := newConnection(s, conn, s.nextID)
	s.conns[c.session.ID] = c
	s.byHost[host]++
	s.e.Go("conn", func() {
		c.converse()
		_ = conn.Close()
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.conns, c.session.ID)
		if s.byHost[host]--; s.byHost[host] == 0 {
			delete(s.byHost, host)
		}
		s.changed.Broadcast()
	})
}

func hostOf(conn net.Conn) string {
	addr := conn.RemoteAddr().String()
	if host, _, err := net.SplitHostPort(addr); err == nil {
		return host
	}
	return addr
}

// sweep closes connections that have outlived what they may until the server
// stops.
func (s *Server) sweep() {
	for !s.stopping.Wait(sweepEvery) {
		now := s.e.Now()
		requests, answers := s.memory.requests.wanted(), s.memory.answers.wanted() || s.memory.prompt.wanted()
		s.mu.Lock()
		for _, id := range env.SortedKeys(s.conns) {
			c := s.conns[id]
			if why := c.overdue(now, requests, answers); why != "" {
				_ = c.conn.Close()
				s.complaints.Event("connection-overdue", env.Text("from", c.session.Remote), env.Text("why", why))
			}
		}
		s.mu.Unlock()
		s.complaints.Flush()
	}
}

func (s *Server) reject(session *Session, err error) {
	s.complaints.Event("bad-request", env.Text("from", session.Remote), env.Text("error", err.Error()))
}
