package program

import (
	"slices"
	"time"

	"github.com/weirlab/weir/linearizability"
	"github.com/weirlab/weir/workloads/client"
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

// writes says whether a program that has joined sends records of so many keys to a
// topic.
func (w *Workload) writes(topic string, keys int64) bool {
	return slices.ContainsFunc(w.authors, func(p *Produce) bool { return p.Topic == topic && p.Producers > 0 && p.Keys == keys })
}

// header is the content of a header, nil if there is none.
func header(headers []client.Header, key string) []byte {
	i := slices.IndexFunc(headers, func(h client.Header) bool { return h.Key == key })
	if i < 0 {
		return nil
	}
	return headers[i].Value
}

// parseWrite is parse for a record of a topic of keys.
func (w *Workload) parseWrite(keys int64, got *client.ConsumedRecord) (v int64, by *Produce, intended time.Duration, flaw string, ok bool) {
	v, flaw, ok = linearizability.ParseWrite(keys, got.Key, got.Value, header(got.Headers, linearizability.WriteHeader))
	if !ok {
		return v, nil, 0, "", false
	}
	by, i := w.author(v)
	switch {
	case by == nil:
	case !by.timed():
		intended = by.intended(i, v&(1<<valueBits-1))
	case got.Value != nil:
		_, intended, _ = linearizability.ParseTimedPayload(got.Value)
	default:
		by = nil // a tombstone does not carry its time
	}
	return v, by, intended, flaw, true
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
