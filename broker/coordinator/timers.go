package coordinator

import (
	"cmp"
	"container/heap"
	"time"
)

// Timers are the next deadlines of many things, each with a name of its own.
// The zero value has none. Setting one costs O(log n), asking for the first
// O(1). Of equal deadlines the smallest name comes first.
type Timers[K cmp.Ordered] struct {
	heap timerHeap[K]
}

type timer[K cmp.Ordered] struct {
	key K
	at  time.Duration
}

// Set gives key the deadline at, in place of the one it has.
func (t *Timers[K]) Set(key K, at time.Duration) {
	if i, ok := t.heap.index[key]; ok {
		if t.heap.items[i].at != at {
			t.heap.items[i].at = at
			heap.Fix(&t.heap, i)
		}
		return
	}
	heap.Push(&t.heap, timer[K]{key, at})
}

// Remove takes the deadline of key away, if it has one.
func (t *Timers[K]) Remove(key K) {
	if i, ok := t.heap.index[key]; ok {
		heap.Remove(&t.heap, i)
	}
}

// First is the earliest deadline.
func (t *Timers[K]) First() (key K, at time.Duration, ok bool) {
	if len(t.heap.items) == 0 {
		return key, 0, false
	}
	return t.heap.items[0].key, t.heap.items[0].at, true
}

// Len is how many deadlines there are.
func (t *Timers[K]) Len() int { return len(t.heap.items) }

// timerHeap is a binary heap that knows where each key stands.
type timerHeap[K cmp.Ordered] struct {
	items []timer[K]
	index map[K]int
}

func (h *timerHeap[K]) Len() int { return len(h.items) }

func (h *timerHeap[K]) Less(i, j int) bool {
	a, b := &h.items[i], &h.items[j]
	return a.at < b.at || a.at == b.at && a.key < b.key
}

func (h *timerHeap[K]) Swap(i, j int) {
	h.items[i], h.items[j] = h.items[j], h.items[i]
	h.index[h.items[i].key], h.index[h.items[j].key] = i, j
}

func (h *timerHeap[K]) Push(x any) {
	if h.index == nil {
		h.index = make(map[K]int)
	}
	t := x.(timer[K])
	h.index[t.key] = len(h.items)
	h.items = append(h.items, t)
}

func (h *timerHeap[K]) Pop() any {
	last := len(h.items) - 1
	t := h.items[last]
	h.items = h.items[:last]
	delete(h.index, t.key)
	return t
}
