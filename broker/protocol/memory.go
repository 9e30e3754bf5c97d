package protocol

import (
	"math/bits"
	"time"

	"github.com/weirlab/weir/env"
)

// DefaultMemoryBytes is what requests may hold unless told otherwise, and what
// answers may.
const DefaultMemoryBytes int64 = 64 << 20

// poolBytes bounds the memory that is kept for large requests and answers
// between them.
const poolBytes = 64 << 20

// reservePause is how long an answer waits for room.
const reservePause = 100 * time.Millisecond

// freeBytes is what a connection may hold of requests, and of answers, without
// asking: so much is there for each connection, whatever others do.
const freeBytes = 16 << 10

// Memory is what the connections of a broker may hold between them, on all its
// listeners: the bytes of requests, what they decode to, and answers. One that
// needs more than is left waits; a peer that is slow to send or to take what
// holds memory others wait for is disconnected. Half of the memory of answers
// is for connections that have been quick to take what they asked for, so that
// those that never read cannot hold up those that do.
type Memory struct {
	pool     *pool
	requests *budget // bytes of requests, until they have been done
	decoded  *budget // what requests decode to, until they are answered
	prompt   *budget // bytes of answers, until they are written, of connections that read
	answers  *budget // and of those of which that is not known
}

// NewMemory makes the memory of one broker, of so many bytes for requests, so
// many for what they decode to, and so many for answers. A zero stands for
// DefaultMemoryBytes.
func NewMemory(e env.Env, requestBytes, answerBytes int64) *Memory {
	if requestBytes == 0 {
		requestBytes = DefaultMemoryBytes
	}
	if answerBytes == 0 {
		answerBytes = DefaultMemoryBytes
	}
	return &Memory{pool: newPool(e), requests: newBudget(e, requestBytes), decoded: newBudget(e, requestBytes), prompt: newBudget(e, answerBytes/2), answers: newBudget(e, answerBytes/2)}
}

// budget is a number of bytes that many share. Who asks for more than all of it
// gets all of it. Whoever asks first is served first.
type budget struct {
	e     env.Clock
	mu    env.Mutex
	freed env.Cond
	limit int64
	used  int64

	waiting int64         // bytes
	next    int64         // number of who asks next
	serving int64         // number of who is served next
	missed  time.Duration // when somebody last found too little; 0 if never
}

func newBudget(e env.Env, limit int64) *budget {
	b := &budget{e: e, mu: e.NewMutex(), limit: limit}
	b.freed = e.NewCond(b.mu)
	return b
}

// acquire waits for n bytes and returns how many were taken.
func (b *budget) acquire(n int64) int64 {
	n = min(n, b.limit)
	b.mu.Lock()
	defer b.mu.Unlock()
	ticket := b.next
	b.next++
	for b.serving != ticket || b.used+n > b.limit {
		b.freed.Wait()
	}
	b.serving++
	b.used += n
	b.freed.Broadcast()
	return n
}

// acquireWithin is acquire, unless as many bytes as the budget has wait already:
// then it takes nothing and reports false.
func (b *budget) acquireWithin(n int64) (int64, bool) {
	b.mu.Lock()
	if b.waiting+n > b.limit && b.serving != b.next {
		b.mu.Unlock()
		return 0, false
	}
	b.waiting += n
	b.mu.Unlock()
	got := b.acquire(n)
	b.mu.Lock()
	b.waiting -= n
	b.mu.Unlock()
	return got, true
}

// try takes up to want bytes, but at least least or nothing, and returns how
// many. It does not wait.
func (b *budget) try(least, want int64) int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	left := b.limit - b.used
	if least > left && b.used > 0 || b.serving != b.next {
		b.missed = b.e.Now()
		return 0
	}
	got := min(want, max(left, least))
	b.used += got
	return got
}

func (b *budget) release(n int64) {
	if n == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.used -= n
	b.freed.Broadcast()
}

// wanted reports whether somebody waits, or found too little not long ago.
func (b *budget) wanted() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.serving != b.next || b.missed > 0 && b.e.Now()-b.missed < 2*sweepEvery
}

// pool keeps large buffers from one request to the next. New ones would have to
// be zeroed first, which costs about as much as filling them.
type pool struct {
	mu   env.Mutex
	free [][]byte
	kept int64 // bytes
}

func newPool(e env.Env) *pool { return &pool{mu: e.NewMutex()} }

// find returns a kept buffer of length n, or nil if there is none.
func (p *pool) find(n int) []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	best := -1
	for i, b := range p.free {
		if cap(b) >= n && (best < 0 || cap(b) < cap(p.free[best])) {
			best = i
		}
	}
	if best < 0 {
		return nil
	}
	b := p.free[best]
	last := len(p.free) - 1
	p.free[best], p.free[last] = p.free[last], nil
	p.free = p.free[:last]
	p.kept -= int64(cap(b))
	return b[:n]
}

// get returns a buffer of length n with anything in it.
func (p *pool) get(n int) []byte {
	if b := p.find(n); b != nil {
		return b
	}
	return make([]byte, n, 1<<bits.Len(uint(max(n, freeBytes)-1)))
}

// put takes back a buffer that nobody needs any more.
func (p *pool) put(b []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.kept+int64(cap(b)) <= poolBytes {
		p.free = append(p.free, b)
		p.kept += int64(cap(b))
	}
}

// Lend returns n bytes of memory, with anything in them, for the response of
// this call. It may be used until the response has been encoded.
func (c *Call) Lend(n int) []byte {
	if c.conn == nil {
		return make([]byte, n)
	}
	b := c.conn.s.memory.pool.get(n)
	c.borrowed = append(c.borrowed, b)
	return b
}

// Reserve asks for room for up to want bytes of the answer, but at least least,
// and returns how many bytes the answer may have, 0 if there is no room, even
// after a little while: the answer should then have none, and the client ask
// again. A single answer may always have least bytes when there is no other.
func (c *Call) Reserve(least, want int) int {
	if c.conn == nil {
		return want
	}
	budget := c.conn.answersBudget()
	got := budget.try(int64(least), int64(want))
	if got == 0 {
		c.conn.s.e.Sleep(reservePause) // or the client would ask as fast as it can
		got = budget.try(int64(least), int64(want))
	}
	c.reserved += got
	return int(got)
}

// FromReplica says that the peer is a broker that replicates: its answers do
// not wait with those of peers of which it is not known whether they read.
func (c *Call) FromReplica() {
	if c.conn != nil {
		c.conn.taken = max(c.conn.taken, provenBytes+1)
	}
}

// takeBack ends the lending of a call.
func (c *Call) takeBack() {
	if c.Kept != nil {
		c.Kept.Release()
	}
	for i, b := range c.borrowed {
		c.conn.s.memory.pool.put(b)
		c.borrowed[i] = nil
	}
	c.borrowed = c.borrowed[:0]
}
