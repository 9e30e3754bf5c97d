package program

import (
	"time"

	"github.com/weirlab/weir/linearizability"
)

// Limits of a value: the producer's number above, the record's below, in less
// than the 53 bits that every reader of JSON keeps.
const (
	valueBits    = 32
	maxProducers = 1 << 20
)

// value identifies the nth record of the program's ith producer in the whole
// run.
func (p *Produce) value(i int, n int64) int64 { return int64(p.first+i)<<valueBits | n }

// author is the program and the producer of it that sends a value, nil if
// nobody does.
func (w *Workload) author(v int64) (p *Produce, i int) {
	number := int(v >> valueBits)
	for _, p := range w.authors {
		if number < p.first+p.Producers {
			return p, number - p.first
		}
	}
	return nil, 0
}

// turn is the partition of the ith producer's nth record when each has its turn.
func (p *Produce) turn(i int, n int64) int32 {
	return int32((n + int64(i)) % int64(p.topic.Partitions))
}

// payload appends the value of a record.
func (p *Produce) payload(dst []byte, v int64, intended time.Duration) []byte {
	if p.timed() {
		return linearizability.AppendTimedPayload(dst, v, intended, p.RecordBytes)
	}
	return linearizability.AppendPayload(dst, v, p.RecordBytes)
}

// parse reads the value of a record, and by whom and when it was to be sent. It
// reports false if nobody here wrote it; by is nil if it is nobody's turn to.
func (w *Workload) parse(b []byte) (v int64, by *Produce, intended time.Duration, ok bool) {
	if w.stamped {
		v, intended, ok = linearizability.ParseTimedPayload(b)
		if ok {
			by, _ = w.author(v)
		}
		return v, by, intended, ok
	}
	if v, ok = linearizability.ParsePayload(b); !ok {
		return v, nil, 0, false
	}
	by, i := w.author(v)
	switch {
	case by == nil:
	case by.timed():
		_, intended, ok = linearizability.ParseTimedPayload(b)
	default:
		intended = by.intended(i, v&(1<<valueBits-1))
	}
	return v, by, intended, ok
}
