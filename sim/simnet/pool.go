package simnet

import "math/bits"

// pool recycles the buffers that hold copies of written bytes until they are
// read, in powers of two. A world runs on one goroutine, so plain lists do.
type pool struct {
	free [maxClass + 1][][]byte
}

const (
	minClass = 8  // 256 bytes
	maxClass = 24 // 16 MiB; larger buffers are left to the collector

	// keepBytes bounds what one class keeps.
	keepBytes = 128 << 20
)

func class(n int) int { return max(minClass, bits.Len(uint(n-1))) }

// get returns a buffer of length n > 0.
func (p *pool) get(n int) []byte {
	c := class(n)
	if c > maxClass {
		return make([]byte, n)
	}
	list := p.free[c]
	if len(list) == 0 {
		return make([]byte, n, 1<<c)
	}
	b := list[len(list)-1]
	p.free[c] = list[:len(list)-1]
	return b[:n]
}

// put takes back a buffer from get. Others are left to the collector.
func (p *pool) put(b []byte) {
	c := class(cap(b))
	if cap(b) != 1<<c || c > maxClass || len(p.free[c]) >= keepBytes>>c {
		return
	}
	p.free[c] = append(p.free[c], b)
}

// lent is a buffer of the pool that several segments are parts of.
type lent struct {
	bytes []byte
	parts int // segments under way or not yet read, and one for the write until it is done
}

// release gives up one part.
func (l *lent) release(p *pool) {
	if l.parts--; l.parts == 0 {
		p.put(l.bytes)
	}
}
