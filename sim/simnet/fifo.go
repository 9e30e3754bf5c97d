package simnet

// fifo is a queue that keeps its memory.
type fifo[T any] struct {
	items []T
	head  int // those before it are gone
}

func (q *fifo[T]) len() int { return len(q.items) - q.head }

// all are what is in the queue, oldest first, until the next push or drop.
func (q *fifo[T]) all() []T { return q.items[q.head:] }

func (q *fifo[T]) push(v T) { q.items = append(q.items, v) }

// drop takes out the n oldest.
func (q *fifo[T]) drop(n int) {
	clear(q.items[q.head : q.head+n])
	q.head += n
	q.compact()
}

// compact drops what is before head once it is worth the copy.
func (q *fifo[T]) compact() {
	switch {
	case q.head == len(q.items):
		q.items, q.head = q.items[:0], 0
	case q.head >= 64 && 2*q.head >= len(q.items):
		n := copy(q.items, q.items[q.head:])
		clear(q.items[n:])
		q.items, q.head = q.items[:n], 0
	}
}

// keep takes out all but the n oldest.
func (q *fifo[T]) keep(n int) {
	clear(q.items[q.head+n:])
	q.items = q.items[:q.head+n]
}
