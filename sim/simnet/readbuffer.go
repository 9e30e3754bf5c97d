package simnet

// ReadBuffer implements env.BufferReader. What the other end wrote as one
// buffer is handed over as it is; what comes in several is copied together.
func (c *Conn) ReadBuffer(n int) ([]byte, func(), error) {
	var got []byte // a part of a buffer of the other end, or a copy
	var of *lent   // that buffer, if it goes back to the pool
	copied := false
	drop := func() {
		if of != nil {
			of.release(&c.w.pool)
			of = nil
		}
	}
	for len(got) < n {
		if err := c.awaitBytes(n - len(got)); err != nil {
			drop()
			return nil, nil, err
		}
		if !copied {
			s := &c.ready.all()[0]
			next := s.bytes[s.read:min(len(s.bytes), s.read+n-len(got))]
			if s.flags&flagPooled == 0 && (got == nil || adjacent(got, next)) {
				if got == nil {
					if of = s.of; of != nil {
						of.parts++
					}
					got = next
				} else {
					got = got[:len(got)+len(next)]
				}
				s.read += len(next)
				if s.read == len(s.bytes) {
					c.w.recycle(s)
					c.ready.head++
				}
				c.took(len(next))
				continue
			}
			// Memory grows with what has arrived, not with what is asked for.
			got = append(make([]byte, 0, min(n, len(got)+int(c.readyBytes))), got...)
			copied = true
			drop()
		}
		at := len(got)
		more := min(n-at, int(c.readyBytes))
		if at+more > cap(got) {
			got = append(make([]byte, 0, min(n, max(2*cap(got), at+more))), got...)
		}
		got = got[:at+more]
		c.take(got[at:])
	}
	got = got[:n:n]
	if of == nil {
		return got, nil, nil
	}
	return got, drop, nil
}

// adjacent reports whether b lies right behind a in the memory of one buffer.
func adjacent(a, b []byte) bool {
	return len(b) > 0 && cap(a) > len(a) && &a[:len(a)+1][len(a)] == &b[0]
}
