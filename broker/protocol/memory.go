package protocol

import (
	"math/bits"

	"github.com/weirlab/weir/env"
)

// poolBytes bounds the memory that a server keeps for large requests and
// answers between them.
const poolBytes = 128 << 20

// pool keeps large buffers of a server from one request to the next. New ones
// would have to be zeroed first, which costs about as much as filling them.
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
	return make([]byte, n, 1<<bits.Len(uint(max(n, keepFrameBytes)-1)))
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
	if c.pool == nil {
		return make([]byte, n)
	}
	b := c.pool.get(n)
	c.borrowed = append(c.borrowed, b)
	return b
}

// takeBack ends the lending of a call.
func (c *Call) takeBack() {
	for i, b := range c.borrowed {
		c.pool.put(b)
		c.borrowed[i] = nil
	}
	c.borrowed = c.borrowed[:0]
}
