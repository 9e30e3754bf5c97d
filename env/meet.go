package env

import (
	"cmp"
	"slices"
	"time"
)

// Mailbox is an unbounded queue between tasks.
type Mailbox[T any] struct {
	mu     Mutex
	filled Cond
	items  []T
	closed bool
}

// NewMailbox returns an empty mailbox.
func NewMailbox[T any](t Tasks) *Mailbox[T] {
	mu := t.NewMutex()
	return &Mailbox[T]{mu: mu, filled: t.NewCond(mu)}
}

// Put adds an item. It reports false, and drops the item, if the mailbox is closed.
func (b *Mailbox[T]) Put(item T) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return false
	}
	b.items = append(b.items, item)
	b.filled.Signal()
	return true
}

// Take removes the oldest item, waiting for one if need be. It reports false
// once the mailbox is closed and empty.
func (b *Mailbox[T]) Take() (T, bool) { return b.TakeTimeout(Forever, nil) }

// TakeTimeout is Take for at most d, measured on clock.
func (b *Mailbox[T]) TakeTimeout(d time.Duration, clock Clock) (T, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var end time.Duration
	if d != Forever {
		end = clock.Now() + d
	}
	for len(b.items) == 0 {
		var zero T
		if b.closed {
			return zero, false
		}
		if d == Forever {
			b.filled.Wait()
			continue
		}
		left := end - clock.Now()
		if left <= 0 {
			return zero, false
		}
		b.filled.WaitTimeout(left)
	}
	item := b.items[0]
	var zero T
	b.items[0] = zero
	b.items = b.items[1:]
	return item, true
}

// Len is the number of items waiting.
func (b *Mailbox[T]) Len() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.items)
}

// Close lets takers drain what is left and then tells them there is no more.
func (b *Mailbox[T]) Close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	b.filled.Broadcast()
}

// Semaphore bounds how much of something is in use at once.
type Semaphore struct {
	mu    Mutex
	freed Cond
	free  int64
}

// NewSemaphore returns a semaphore with n units free.
func NewSemaphore(t Tasks, n int64) *Semaphore {
	mu := t.NewMutex()
	return &Semaphore{mu: mu, freed: t.NewCond(mu), free: n}
}

// Acquire takes n units, waiting until they are free.
func (s *Semaphore) Acquire(n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.free < n {
		s.freed.Wait()
	}
	s.free -= n
}

// Release gives n units back.
func (s *Semaphore) Release(n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.free += n
	s.freed.Broadcast()
}

// SortedKeys returns the keys of m in ascending order: the deterministic way
// to walk a map.
func SortedKeys[M ~map[K]V, K cmp.Ordered, V any](m M) []K {
	keys := make([]K, 0, len(m))
	for k := range m { //weir:ordered sorted below
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
