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
// not answered at most. Further ones wait in the connection.
const maxPipelined = 64

// How long a peer may take to send a request or to take an answer: some
// seconds, and some for its length. It has less time when others wait for the
// memory.
const (
	transferPatience     = 30 * time.Second
	transferBytesPerSec  = 128 << 10
	contendedPatience    = 3 * time.Second
	contendedBytesPerSec = 2 << 20
)

// provenBytes is how many bytes of answers a peer takes without being slow
// before it counts as one that reads: more than kernels take in its place.
const provenBytes = 8 << 20

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
	small   []byte // memory for small answers, one after the other

	idleBy  deadline // by which the peer must have sent a request
	reading transfer // of a request beyond freeBytes
	writing transfer // of an answer
	held    int64    // of the requests' budget, by the request being read or done
	taken   int64    // bytes of answers, since the last time it was slow to take one

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
	pending Pending
	hangUp  error // if set, the connection ends instead of an answer
	decoded int64 // of the budget
}

// deadline is an instant of the monotonic clock; none is far away.
type deadline struct{ at atomic.Int64 }

func (d *deadline) set(at time.Duration)          { d.at.Store(int64(at)) }
func (d *deadline) clear()                        { d.at.Store(math.MaxInt64) }
func (d *deadline) passed(now time.Duration) bool { return int64(now) >= d.at.Load() }

// transfer is something long that goes to or comes from the peer.
type transfer struct{ by, contendedBy deadline }

func (t *transfer) begin(now time.Duration, bytes int) {
	t.by.set(now + transferPatience + time.Duration(bytes)*time.Second/transferBytesPerSec)
	t.contendedBy.set(now + contendedPatience + time.Duration(bytes)*time.Second/contendedBytesPerSec)
}

func (t *transfer) end() { t.by.clear(); t.contendedBy.clear() }

func (t *transfer) overdue(now time.Duration, contended bool) bool {
	return t.by.passed(now) || contended && t.contendedBy.passed(now)
}

func newConnection(s *Server, conn net.Conn, id int64) *connection {
	c := &connection{s: s, conn: conn, session: newSession(id, s.opts.Listener, conn), mu: s.e.NewMutex()}
	c.frames = frameReader{r: conn, limitBytes: s.opts.MaxRequestBytes, pool: s.memory.pool, begun: c.frameBegins}
	c.changed = s.e.NewCond(c.mu)
	c.idleBy.clear()
	c.reading.end()
	c.writing.end()
	return c
}

// overdue says what the peer should have done by now, empty if nothing.
// Whether others wait for the memory of requests and of answers is given.
func (c *connection) overdue(now time.Duration, requests, answers bool) string {
	switch {
	case c.idleBy.passed(now):
		return "sent no request (connections.max.idle.ms)"
	case c.reading.overdue(now, requests):
		return "is too slow to send a request"
	case c.writing.overdue(now, answers):
		return "is too slow to read its answers"
	}
	return ""
}

// frameBegins waits for the memory of a request that has begun to arrive.
func (c *connection) frameBegins(size int) {
	c.idleBy.clear()
	c.held = c.s.memory.requests.acquire(int64(size))
	c.reading.begin(c.s.e.Now(), size)
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
	if c.session.Attached != nil {
		c.session.Attached.Ended()
	}
}

// readRequests reads and does requests until the connection ends. An error is
// what the peer did wrong.
func (c *connection) readRequests() error {
	call := Call{Session: c.session, conn: c, authorizer: c.s.opts.Authorizer}
	for {
		c.session.awaitUnmuted(c.s.e)
		if c.pipelined() == 1 && !c.awaitTurn(0) {
			return nil // as Kafka's SocketServer, which mutes a connection until its request is answered
		}
		if c.s.opts.MaxIdle > 0 {
			c.idleBy.set(c.s.e.Now() + c.s.opts.MaxIdle)
		}
		if c.s.lab.Seldom("protocol/connection-ended") {
			return nil // a connection may end at any time, between requests too
		}
		goOn, err := c.next(&call)
		c.s.memory.requests.release(c.held)
		c.held = 0
		if err != nil || !goOn {
			return err
		}
	}
}

// next reads and does one request.
func (c *connection) next(call *Call) (goOn bool, err error) {
	frame, err := c.frames.next()
	c.idleBy.clear()
	if len(frame) > freeBytes || err != nil {
		c.reading.end()
	}
	if err != nil {
		if tooLarge := (*FrameTooLargeError)(nil); errors.As(err, &tooLarge) {
			return false, err
		}
		return false, nil
	}
	// The request may have been under way for longer.
	if d := c.s.lab.Late("protocol/request-late", 50*time.Millisecond); d > 0 {
		c.s.e.Sleep(d)
	}
	kept, goOn, err := c.do(call, frame)
	if !kept {
		c.frames.giveBack(frame)
	}
	return goOn, err
}

// do does one request: it answers it, or queues it to be answered. It reports
// whether the request's bytes are still referred to, and whether the
// connection goes on.
func (c *connection) do(call *Call, frame []byte) (kept, goOn bool, err error) {
	h, body, err := parseHeader(frame, call.ClientID)
	if err != nil {
		return false, false, err
	}
	if h.Key == keyAPIVersions {
		if !c.awaitTurn(0) {
			return false, false, nil
		}
		resp, err := c.s.table.answerAPIVersions(h, body, call)
		if err != nil {
			return false, false, err
		}
		return false, c.answer(h, resp), nil
	}
	api, err := c.s.table.find(h, c.session)
	if err != nil {
		return false, false, err
	}
	m, err := splitMessage(h, body, api.schema)
	if err != nil {
		return false, false, err
	}
	decoded, err := c.takeDecoded(h, m.bytes)
	if err != nil {
		return false, false, err
	}
	req, err := m.decode()
	if err != nil {
		c.s.memory.decoded.release(decoded)
		return false, false, err
	}
	c.s.e.Work(workOf(req), int64(len(frame)))
	call.Request, call.ClientID, call.access, call.hangUp = req, h.ClientID, api.Access, nil
	if api.Begin != nil && call.permitted() {
		return !api.KeepsNothing, c.begin(call, h, api, decoded), nil
	}
	defer c.s.memory.decoded.release(decoded)
	if !c.awaitTurn(0) {
		return false, false, nil
	}
	if !call.permitted() {
		return false, c.answer(h, api.refusal(req)), nil
	}
	answers := c.answersBudget()
	if largest := api.largest.Load(); api.LargeAnswers && largest > 0 {
		call.reserved = answers.acquire(largest * madeOf)
	}
	resp := api.Handle(call)
	call.Request = nil
	if call.hangUp != nil {
		call.takeBack()
		answers.release(call.reserved)
		call.reserved = 0
		return true, false, call.hangUp
	}
	reply := c.encode(h, resp)
	call.takeBack()
	if n := int64(len(reply)); api.LargeAnswers {
		if n > freeBytes && n > api.largest.Load() {
			api.largest.Store(n)
		}
		if call.reserved > n {
			answers.release(call.reserved - n)
			call.reserved = n
		}
	}
	goOn = c.writeReserved(reply, call.reserved)
	call.reserved = 0
	return !api.KeepsNothing, goOn, nil
}

// madeOf is how much memory the making of an answer takes, in bytes for each of
// its own: the answer before it is encoded, and the buffer it grows in.
const madeOf = 4

// takeDecoded waits for the memory that a request decodes to.
func (c *connection) takeDecoded(h Header, bytes int64) (taken int64, err error) {
	budget := c.s.memory.decoded
	switch {
	case bytes <= freeBytes:
		return 0, nil
	case bytes > budget.limit:
		return 0, fmt.Errorf("protocol: %s v%d decodes to as many as %d bytes, of %d that requests may have (queued.max.request.bytes)",
			kmsg.NameForKey(h.Key), h.Version, bytes, budget.limit)
	}
	return budget.acquire(bytes), nil
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
func (c *connection) begin(call *Call, h Header, api API, decoded int64) (goOn bool) {
	before := c.pipelined() - 1
	if c.s.lab.Rare("protocol/unpipelined") {
		before = 0 // how many requests of a connection are done at a time is the server's affair
	}
	if !c.awaitTurn(before) {
		c.s.memory.decoded.release(decoded)
		return false
	}
	pending := api.Begin(call)
	c.mu.Lock()
	if len(c.queue) > c.head || !pending.Done() && call.hangUp == nil {
		defer c.mu.Unlock()
		if c.head > maxPipelined {
			c.queue, c.head = append(c.queue[:0], c.queue[c.head:]...), 0
		}
		c.queue = append(c.queue, queued{header: h, pending: pending, hangUp: call.hangUp, decoded: decoded})
		if c.writer == nil {
			c.writer = c.s.e.Go("conn-writer", c.writeAnswers)
		}
		c.changed.Broadcast()
		return call.hangUp == nil
	}
	c.mu.Unlock()
	defer c.s.memory.decoded.release(decoded)
	if call.hangUp != nil {
		c.s.reject(c.session, call.hangUp)
		return false
	}
	return c.answer(h, pending.Response())
}

// pipelined is how many requests of the connection are done at a time.
func (c *connection) pipelined() int {
	if n := c.s.opts.Pipelined; n > 0 {
		return min(n, maxPipelined)
	}
	return maxPipelined
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
		c.s.memory.decoded.release(next.decoded)
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
	c.s.codes.tell(resp)
	if resp.Key() != keyAPIVersions { // which may be of a version that was not asked for
		resp.SetVersion(h.Version)
	}
	hint := responseSizeHint(resp)
	reply := c.small
	switch {
	case hint > keepFrameBytes:
		reply = env.Borrow(c.conn, hint)
	case hint > freeBytes:
		reply = c.s.memory.pool.get(hint)
	case hint > cap(reply):
		reply = make([]byte, 0, hint)
	}
	return AppendResponse(reply[:0], h.CorrelationID, resp)
}

// answersBudget is where the connection's answers find room. It changes with
// answers only.
func (c *connection) answersBudget() *budget {
	if c.taken > provenBytes {
		return c.s.memory.prompt
	}
	return c.s.memory.answers
}

// write sends a frame that encode made, once there is room for it.
func (c *connection) write(reply []byte) bool { return c.writeReserved(reply, 0) }

// writeReserved is write with so much of the answers' budget taken already.
func (c *connection) writeReserved(reply []byte, reserved int64) bool {
	answers := c.answersBudget()
	if reserved == 0 && len(reply) > freeBytes {
		var ok bool
		if reserved, ok = answers.acquireWithin(int64(len(reply))); !ok {
			c.s.reject(c.session, fmt.Errorf("protocol: no room for an answer of %d bytes: others wait already (queued.max.request.bytes)", len(reply)))
			return false
		}
	}
	defer answers.release(reserved)
	if len(reply) == 0 {
		return true
	}
	// The answer gets lost with the connection: what was done, was done.
	if c.s.lab.Seldom("protocol/answer-lost") {
		return false
	}
	if d := c.s.lab.Late("protocol/answer-late", 50*time.Millisecond); d > 0 {
		c.s.e.Sleep(d)
	}
	c.s.e.Work("response", int64(len(reply)))
	c.writing.begin(c.s.e.Now(), len(reply))
	defer func() {
		if c.taken += int64(len(reply)); c.writing.contendedBy.passed(c.s.e.Now()) {
			c.taken = 0
		}
		c.writing.end()
	}()
	if cap(reply) <= keepFrameBytes {
		err := c.writePieces(reply)
		if cap(reply) <= freeBytes {
			c.small = reply
		} else {
			c.s.memory.pool.put(reply)
		}
		return err == nil
	}
	_, err := env.WriteBorrowed(c.conn, reply)
	return err == nil
}

// writePieces writes a frame, rarely in two pieces: streams have no borders.
func (c *connection) writePieces(reply []byte) error {
	if k := c.s.lab.Fewer("protocol/write-split", int64(len(reply))); k < int64(len(reply)) {
		if _, err := c.conn.Write(reply[:k]); err != nil {
			return err
		}
		reply = reply[k:]
	}
	_, err := c.conn.Write(reply)
	return err
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
