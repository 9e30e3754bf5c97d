package protocol

import (
	"errors"
	"fmt"
	"math"
	"net"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/env"
)

// maxPipelined is how many requests of one connection may have been begun and
// not answered. Further ones wait in the connection.
const maxPipelined = 64

// How long a peer may take to send the rest of a request, or to take an answer.
const (
	transferPatience    = 30 * time.Second
	minTransferBytesSec = 128 << 10
)

// connection is one client. Its task reads requests and does them in order.
// Requests that are Begun and then still wait for something are answered by a
// second task, the writer, which is started when that first happens; meanwhile
// the first task reads on. A request that is Handled waits until all before it
// are answered, so answers are always in the order of the requests.
type connection struct {
	s       *Server
	conn    net.Conn
	session *Session
	frames  frameReader
	small   []byte // memory for answers, one after the other

	readBy  deadline // by which the peer must have sent what is being read
	writeBy deadline // by which the peer must have taken what is being written

	mu      env.Mutex
	changed env.Cond
	queue   []queued // begun; those from head on are not answered, oldest first
	head    int
	writer  env.Task // nil before there was need of one
	ending  bool     // nothing more will be queued
	broken  bool     // nothing more can be written
}

// queued is a request whose answer waits for its turn.
type queued struct {
	header  Header
	pending Pending // nil if there is nothing to wait for and nothing to answer
	hangUp  error
}

// deadline is an instant of the monotonic clock; none is far away.
type deadline struct{ at atomic.Int64 }

func (d *deadline) set(at time.Duration)          { d.at.Store(int64(at)) }
func (d *deadline) clear()                        { d.at.Store(math.MaxInt64) }
func (d *deadline) passed(now time.Duration) bool { return int64(now) >= d.at.Load() }

func newConnection(s *Server, conn net.Conn, id int64) *connection {
	c := &connection{s: s, conn: conn, session: newSession(id, s.opts.Listener, conn), mu: s.e.NewMutex()}
	c.frames = frameReader{r: conn, limitBytes: s.opts.MaxRequestBytes, pool: s.pool, begun: c.frameBegins}
	c.changed = s.e.NewCond(c.mu)
	c.readBy.clear()
	c.writeBy.clear()
	return c
}

// overdue says what the peer should have done by now, empty if nothing.
func (c *connection) overdue(now time.Duration) string {
	switch {
	case c.readBy.passed(now):
		return "sent no request, or not the whole of one (connections.max.idle.ms)"
	case c.writeBy.passed(now):
		return "does not read its answers"
	}
	return ""
}

// frameBegins is told the length of a large request that has begun to arrive.
func (c *connection) frameBegins(size int) {
	c.readBy.set(c.s.e.Now() + transferTime(size))
}

func transferTime(size int) time.Duration {
	return transferPatience + time.Duration(size/minTransferBytesSec)*time.Second
}

// converse answers the connection's requests until it ends.
func (c *connection) converse() {
	if err := c.readRequests(); err != nil {
		c.s.reject(c.session, err)
	}
	c.mu.Lock()
	c.ending = true
	c.changed.Broadcast()
	writer := c.writer
	c.mu.Unlock()
	if writer != nil {
		writer.Wait()
	}
}

// readRequests reads and does requests until the connection ends. An error is
// what the peer did wrong.
func (c *connection) readRequests() error {
	call := Call{Session: c.session, pool: c.s.pool, authorizer: c.s.opts.Authorizer}
	for {
		c.session.awaitUnmuted(c.s.e)
		if c.s.opts.MaxIdle > 0 {
			c.readBy.set(c.s.e.Now() + c.s.opts.MaxIdle)
		}
		frame, err := c.frames.next()
		c.readBy.clear()
		if err != nil {
			if tooLarge := (*FrameTooLargeError)(nil); errors.As(err, &tooLarge) {
				return err
			}
			return nil
		}
		kept, goOn, err := c.do(&call, frame)
		if !kept {
			c.frames.giveBack(frame)
		}
		if err != nil || !goOn {
			return err
		}
	}
}

// do does one request: it answers it, or queues it to be answered. It reports
// whether the request's bytes are still referred to, and whether the
// connection goes on.
func (c *connection) do(call *Call, frame []byte) (kept, goOn bool, err error) {
	h, body, err := ParseHeader(frame)
	if err != nil {
		return false, false, err
	}
	if h.Key == keyAPIVersions {
		resp, err := c.s.table.answerAPIVersions(h, body, c.session)
		if err != nil {
			return false, false, err
		}
		return false, c.awaitTurn(0) && c.answer(h, resp), nil
	}
	api, ok := c.s.table.apis[h.Key]
	switch {
	case !ok:
		return false, false, fmt.Errorf("protocol: request for API key %d, which this server does not offer", h.Key)
	case api.Listeners&c.session.Listener == 0:
		return false, false, fmt.Errorf("protocol: request for %s, which this listener does not serve", kmsg.NameForKey(h.Key))
	case h.Version < api.MinVersion || h.Version > api.MaxVersion:
		return false, false, fmt.Errorf("protocol: %s v%d: this server speaks versions %d to %d", kmsg.NameForKey(h.Key), h.Version, api.MinVersion, api.MaxVersion)
	}
	req, err := ParseRequest(h, body)
	if err != nil {
		return false, false, err
	}
	c.s.e.Work(workOf(req), int64(len(frame)))
	call.Request, call.ClientID, call.access, call.hangUp = req, h.ClientID, api.Access, nil
	if api.Access.Resource == kmsg.ACLResourceTypeCluster && !call.Authorized(ClusterResource) {
		return false, c.awaitTurn(0) && c.answer(h, refusal(req)), nil
	}
	if api.Begin != nil {
		return !api.KeepsNothing, c.begin(call, h, api), nil
	}
	if !c.awaitTurn(0) {
		return false, false, nil
	}
	resp := api.Handle(call)
	call.Request = nil
	if call.hangUp != nil {
		call.takeBack()
		return true, false, call.hangUp
	}
	reply := c.encode(h, resp)
	call.takeBack()
	return !api.KeepsNothing, c.write(reply), nil
}

// awaitTurn waits until at most n requests wait to be answered. It reports
// false if nothing more can be written.
func (c *connection) awaitTurn(n int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.queue)-c.head > n && !c.broken {
		c.changed.Wait()
	}
	return !c.broken
}

// begin does a request that may be answered later. Where nothing waits it is
// answered at once.
func (c *connection) begin(call *Call, h Header, api API) (goOn bool) {
	if !c.awaitTurn(maxPipelined - 1) {
		return false
	}
	pending := api.Begin(call)
	c.mu.Lock()
	if len(c.queue) > c.head || !pending.Done() && call.hangUp == nil {
		defer c.mu.Unlock()
		if c.head > maxPipelined {
			c.queue, c.head = append(c.queue[:0], c.queue[c.head:]...), 0
		}
		c.queue = append(c.queue, queued{header: h, pending: pending, hangUp: call.hangUp})
		if c.writer == nil {
			c.writer = c.s.e.Go("conn-writer", c.writeAnswers)
		}
		c.changed.Broadcast()
		return call.hangUp == nil
	}
	c.mu.Unlock()
	if call.hangUp != nil {
		c.s.reject(c.session, call.hangUp)
		return false
	}
	return c.answer(h, pending.Response())
}

// writeAnswers is the writer: it answers queued requests in their order. Even
// when nothing can be written any more it lets every request end.
func (c *connection) writeAnswers() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		for c.head == len(c.queue) && !c.ending {
			c.changed.Wait()
		}
		if c.head == len(c.queue) {
			return
		}
		next, broken := c.queue[c.head], c.broken
		c.mu.Unlock()
		resp := next.pending.Response()
		switch {
		case broken:
		case next.hangUp != nil:
			c.s.reject(c.session, next.hangUp)
			_ = c.conn.Close()
			broken = true
		case !c.answer(next.header, resp):
			_ = c.conn.Close()
			broken = true
		}
		c.mu.Lock()
		c.broken = broken
		c.queue[c.head] = queued{}
		if c.head++; c.head == len(c.queue) {
			c.queue, c.head = c.queue[:0], 0
		}
		c.changed.Broadcast()
	}
}

// answer writes the answer to a request whose turn it is. It reports false if
// it cannot.
func (c *connection) answer(h Header, resp kmsg.Response) bool { return c.write(c.encode(h, resp)) }

// encode makes the frame of an answer, nil if there is none.
func (c *connection) encode(h Header, resp kmsg.Response) []byte {
	if resp == nil {
		return nil
	}
	if resp.Key() != keyAPIVersions { // which may be of a version that was not asked for
		resp.SetVersion(h.Version)
	}
	hint := responseSizeHint(resp)
	reply := c.small
	if hint > keepFrameBytes {
		reply = env.Borrow(c.conn, hint)
	} else if hint > cap(reply) {
		reply = make([]byte, 0, hint)
	}
	return AppendResponse(reply[:0], h.CorrelationID, resp)
}

// write sends a frame that encode made.
func (c *connection) write(reply []byte) bool {
	if len(reply) == 0 {
		return true
	}
	c.s.e.Work("response", int64(len(reply)))
	c.writeBy.set(c.s.e.Now() + transferTime(len(reply)))
	defer c.writeBy.clear()
	if cap(reply) <= keepFrameBytes {
		c.small = reply
		_, err := c.conn.Write(reply)
		return err == nil
	}
	_, err := env.WriteBorrowed(c.conn, reply)
	return err == nil
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
