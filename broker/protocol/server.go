package protocol

import (
	"errors"
	"fmt"
	"net"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/env"
)

// DefaultMaxRequestBytes is Kafka's default of socket.request.max.bytes.
const DefaultMaxRequestBytes int32 = 100 << 20

// Server answers requests on a listener.
type Server struct {
	e        env.Env
	listener net.Listener
	table    *Table
	maxBytes int32
	pool     *pool

	mu      env.Mutex
	nextID  int64
	conns   map[int64]net.Conn
	stopped bool
	idle    env.Cond
}

// Serve starts answering requests that arrive on l with the APIs of table. The
// server owns the listener. maxRequestBytes bounds a request's frame.
func Serve(e env.Env, l net.Listener, table *Table, maxRequestBytes int32) *Server {
	s := &Server{e: e, listener: l, table: table, maxBytes: maxRequestBytes, pool: newPool(e), mu: e.NewMutex(), conns: map[int64]net.Conn{}}
	s.idle = e.NewCond(s.mu)
	e.Go("accept", s.accept)
	return s
}

// Close closes the listener and every connection. Requests being handled run
// to their end; Wait waits for them.
func (s *Server) Close() {
	_ = s.listener.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = true
	for _, id := range env.SortedKeys(s.conns) {
		_ = s.conns[id].Close()
	}
}

// Wait waits until no request is being handled.
func (s *Server) Wait() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.conns) > 0 {
		s.idle.Wait()
	}
}

func (s *Server) accept() {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			if !errors.Is(err, net.ErrClosed) {
				s.e.Event("accept-failed", env.Text("error", err.Error()))
			}
			return
		}
		s.mu.Lock()
		if s.stopped {
			s.mu.Unlock()
			_ = conn.Close()
			return
		}
		s.nextID++
		id := s.nextID
		s.conns[id] = conn
		s.mu.Unlock()
		s.e.Go("conn", func() {
			s.converse(conn)
			_ = conn.Close()
			s.mu.Lock()
			delete(s.conns, id)
			s.idle.Broadcast()
			s.mu.Unlock()
		})
	}
}

// converse answers a connection's requests until it ends.
func (s *Server) converse(conn net.Conn) {
	call := Call{Remote: conn.RemoteAddr().String(), Local: conn.LocalAddr().String(), pool: s.pool}
	frames := frameReader{r: conn, limitBytes: s.maxBytes, pool: s.pool}
	var small []byte // for answers, one after the other
	for {
		frame, err := frames.next()
		if err != nil {
			var tooLarge *FrameTooLargeError
			if errors.As(err, &tooLarge) {
				s.reject(&call, err)
			}
			return
		}
		call.lent = false
		reply, err := s.answer(&call, frame, func(n int) []byte {
			if n > keepFrameBytes {
				return env.Borrow(conn, n)
			}
			return small
		})
		if err != nil {
			s.reject(&call, err)
			return
		}
		if call.lent {
			frames.giveBack(frame)
		}
		if len(reply) == 0 {
			continue
		}
		s.e.Work("response", int64(len(reply)))
		switch {
		case cap(reply) <= keepFrameBytes:
			_, err = conn.Write(reply)
			small = reply
		default:
			_, err = env.WriteBorrowed(conn, reply)
		}
		if err != nil {
			return
		}
	}
}

func (s *Server) reject(call *Call, err error) {
	s.e.Event("bad-request", env.Text("from", call.Remote), env.Text("error", err.Error()))
}

// answer handles one request frame and returns the frame to send back, empty
// if there is none, in memory for about n bytes that lend gives.
func (s *Server) answer(call *Call, frame []byte, lend func(n int) []byte) ([]byte, error) {
	h, body, err := ParseHeader(frame)
	if err != nil {
		return nil, err
	}
	api, ok := s.table.Lookup(h.Key)
	if h.Key == keyAPIVersions {
		return s.answerAPIVersions(h, body, lend(0))
	}
	if !ok {
		return nil, fmt.Errorf("protocol: request for API key %d, which this server does not offer", h.Key)
	}
	if h.Version < api.MinVersion || h.Version > api.MaxVersion {
		return nil, fmt.Errorf("protocol: %s v%d: this server speaks versions %d to %d", kmsg.NameForKey(h.Key), h.Version, api.MinVersion, api.MaxVersion)
	}
	req, err := ParseRequest(h, body)
	if err != nil {
		return nil, err
	}
	s.e.Work(workOf(req), int64(len(frame)))
	call.Request, call.ClientID = req, h.ClientID
	resp := api.Handle(call)
	call.Request, call.lent = nil, api.KeepsNothing
	defer call.takeBack()
	if resp == nil {
		return nil, nil
	}
	resp.SetVersion(h.Version)
	hint := responseSizeHint(resp)
	reply := lend(hint)
	if hint > cap(reply) {
		reply = make([]byte, 0, hint)
	}
	return AppendResponse(reply[:0], h.CorrelationID, resp), nil
}

// workOf is the operation under which a request is told to [env.Env.Work].
func workOf(req kmsg.Request) string {
	switch r := req.(type) {
	case *kmsg.ProduceRequest:
		return "request.produce"
	case *kmsg.FetchRequest:
		if r.ReplicaID >= 0 || r.Version >= 15 && r.ReplicaState.ID >= 0 {
			return "request.replica"
		}
		return "request.fetch"
	}
	return "request.other"
}

func (s *Server) answerAPIVersions(h Header, body, reply []byte) ([]byte, error) {
	api, ok := s.table.Lookup(keyAPIVersions)
	if !ok || h.Version < api.MinVersion || h.Version > api.MaxVersion {
		return AppendResponse(reply[:0], h.CorrelationID, s.table.unsupportedAPIVersions()), nil
	}
	if _, err := ParseRequest(h, body); err != nil {
		return nil, err
	}
	return AppendResponse(reply[:0], h.CorrelationID, s.table.apiVersions(h.Version)), nil
}

// responseSizeHint sizes the buffer of a response so that record data is
// copied into it once.
func responseSizeHint(resp kmsg.Response) int {
	hint := 256
	if fetch, ok := resp.(*kmsg.FetchResponse); ok {
		for i := range fetch.Topics {
			for j := range fetch.Topics[i].Partitions {
				hint += 96 + len(fetch.Topics[i].Partitions[j].RecordBatches)
			}
		}
	}
	return hint
}
