package sim

import (
	"time"
)

// Handler handles an event. Networks and disks implement it on the objects
// they already have, so that scheduling allocates nothing.
type Handler interface {
	// HandleEvent runs at the event's time, in the kernel: it must not block.
	// arg is what was given to Schedule.
	HandleEvent(arg uint64)
}

// TraceNamer is a Handler that has a name in trace windows.
type TraceNamer interface {
	TraceName() string
}

// Handle names a scheduled event. The zero Handle names none.
type Handle struct {
	slot uint32
	gen  uint32
}

// IsZero reports whether h names no event. A handle that names one keeps doing
// so after the event fired.
func (h Handle) IsZero() bool { return h.gen == 0 }

// Schedule has h handle an event at time at (now, if that has passed). Events
// of one instant are handled in the order in which they were scheduled. The
// event belongs to the world: no crash or pause of a node touches it.
func (k *Kernel) Schedule(at time.Duration, h Handler, arg uint64) Handle {
	return k.events.push(max(at, k.now), h, arg, nil)
}

// Schedule is [Kernel.Schedule] for an event of the node's live process: it is
// dropped if the process dies first, and held while the node is paused. If no
// process lives the event is dropped at once.
func (n *Node) Schedule(at time.Duration, h Handler, arg uint64) Handle {
	if n.proc == nil || n.proc.dead {
		return Handle{}
	}
	return n.k.events.push(max(at, n.k.now), h, arg, n.proc)
}

// Cancel prevents an event from firing and reports whether it did so.
func (k *Kernel) Cancel(h Handle) bool { return k.events.cancel(h) }

// eventQueue is a heap by (time, sequence). The heap holds small values; what
// an event does lies in slots that are reused. Cancelling frees the slot and
// leaves the heap item behind to be skipped: most timeouts are cancelled long
// before they are due, and taking them out of the middle would cost more than
// the occasional sweep.
type eventQueue struct {
	heap      []heapItem
	slots     []slot
	free      []uint32
	seq       uint64
	stale     int // cancelled items still in the heap
	cancelled uint64
}

type heapItem struct {
	at   time.Duration
	seq  uint64
	slot uint32
	gen  uint32
}

func (a heapItem) before(b heapItem) bool {
	if a.at != b.at {
		return a.at < b.at
	}
	return a.seq < b.seq
}

type slot struct {
	handler Handler
	proc    *process // nil for events of the world
	arg     uint64
	gen     uint32 // of the event in it; never 0 for a live one
}

func (s *slot) key() uint64 {
	if s.proc == nil {
		return 0
	}
	return s.proc.node.key
}

func (s *slot) nodeName() string {
	if s.proc == nil {
		return ""
	}
	return s.proc.node.name
}

func (q *eventQueue) push(at time.Duration, h Handler, arg uint64, p *process) Handle {
	var i uint32
	if n := len(q.free); n > 0 {
		i = q.free[n-1]
		q.free = q.free[:n-1]
	} else {
		i = uint32(len(q.slots))
		q.slots = append(q.slots, slot{gen: 1})
	}
	s := &q.slots[i]
	s.handler, s.arg, s.proc = h, arg, p
	q.insert(heapItem{at: at, slot: i, gen: s.gen})
	return Handle{slot: i, gen: s.gen}
}

// insert adds an item behind all others of its instant.
func (q *eventQueue) insert(item heapItem) {
	q.seq++
	item.seq = q.seq
	q.heap = append(q.heap, item)
	q.up(len(q.heap) - 1)
}

// pop removes the first item, which must not be stale. Its slot stays taken.
func (q *eventQueue) pop() heapItem {
	h := q.heap
	top := h[0]
	n := len(h) - 1
	last := h[n]
	q.heap = h[:n]
	if n > 0 {
		q.down(0, last)
	}
	return top
}

// release frees the slot of an event that fired or was dropped.
func (q *eventQueue) release(i uint32) {
	s := &q.slots[i]
	s.handler, s.proc = nil, nil
	s.gen++
	if s.gen == 0 {
		s.gen = 1
	}
	q.free = append(q.free, i)
}

func (q *eventQueue) live(item heapItem) bool { return q.slots[item.slot].gen == item.gen }

func (q *eventQueue) cancel(h Handle) bool {
	if h.gen == 0 || int(h.slot) >= len(q.slots) || q.slots[h.slot].gen != h.gen {
		return false
	}
	q.release(h.slot)
	q.cancelled++
	q.stale++
	if q.stale > 64 && q.stale > len(q.heap)/2 {
		q.sweep()
	}
	return true
}

// dropCancelled removes stale items from the head.
func (q *eventQueue) dropCancelled() {
	for len(q.heap) > 0 && !q.live(q.heap[0]) {
		q.pop()
		q.stale--
	}
}

// sweep rebuilds the heap without stale items. The order of the rest is
// total, so it does not depend on when sweeps happen.
func (q *eventQueue) sweep() {
	kept := q.heap[:0]
	for _, item := range q.heap {
		if q.live(item) {
			kept = append(kept, item)
		}
	}
	q.heap = kept
	q.stale = 0
	for i := (len(kept) - 2) / arity; i >= 0 && len(kept) > 1; i-- {
		q.down(i, kept[i])
	}
}

// arity of the heap: four children share a cache line or two, and the tree is
// half as deep as a binary one.
const arity = 4

func (q *eventQueue) up(i int) {
	h := q.heap
	item := h[i]
	for i > 0 {
		parent := (i - 1) / arity
		if !item.before(h[parent]) {
			break
		}
		h[i] = h[parent]
		i = parent
	}
	h[i] = item
}

// down places item into the hole at i.
func (q *eventQueue) down(i int, item heapItem) {
	h := q.heap
	n := len(h)
	for {
		first := i*arity + 1
		if first >= n {
			break
		}
		least := first
		for c := first + 1; c < min(first+arity, n); c++ {
			if h[c].before(h[least]) {
				least = c
			}
		}
		if !h[least].before(item) {
			break
		}
		h[i] = h[least]
		i = least
	}
	h[i] = item
}
