package sim

import "github.com/weirlab/weir/env"

// runQueue holds the runnable tasks of the current instant, by (round,
// priority). A task's priority is drawn from its own node's stream when it
// becomes runnable, so the order among the tasks of other nodes does not
// change when a node is taken out of the world. Rounds keep a task that
// yields in a loop from starving the rest.
type runQueue struct {
	heap  []runItem
	round uint64
	seq   uint64
}

type runItem struct {
	round    uint64
	priority uint64
	task     *Task
}

func (a runItem) before(b runItem) bool {
	if a.round != b.round {
		return a.round < b.round
	}
	if a.priority != b.priority {
		return a.priority < b.priority
	}
	return a.task.key < b.task.key
}

// makeReady lets t run in this round, or with later in the next.
func (k *Kernel) makeReady(t *Task, later bool) {
	t.state = taskRunnable
	q := &k.ready
	q.seq++
	item := runItem{round: q.round, priority: q.seq, task: t}
	if later {
		item.round++
	}
	t.seq = q.seq
	switch k.opts.Policy {
	case Shuffle:
		n := t.proc.node
		n.schedDraws++
		item.priority = env.Mix64((n.schedKey ^ k.salt) + n.schedDraws*golden)
	case PCT:
		item.priority = t.rank
	}
	q.push(item)
}

// popNth takes out the task that became runnable n tasks later than the first
// of this round, or the last if there are not so many. The queue is in order of
// becoming runnable.
func (q *runQueue) popNth(n int) *Task {
	round := q.heap[0].round
	var passed []runItem
	for ; n > 0 && len(q.heap) > 1; n-- {
		first := q.heap[0]
		q.pop()
		if q.heap[0].round != round {
			q.push(first)
			break
		}
		passed = append(passed, first)
	}
	t := q.pop()
	for _, item := range passed {
		q.push(item)
	}
	return t
}

// earlier is how many tasks of its round became runnable before t, which has
// just been taken out.
func (q *runQueue) earlier(t *Task) int {
	n := 0
	for i := range q.heap {
		if item := &q.heap[i]; item.round == q.round && item.task.seq < t.seq {
			n++
		}
	}
	return n
}

func (q *runQueue) push(item runItem) {
	q.heap = append(q.heap, item)
	h := q.heap
	i := len(h) - 1
	for i > 0 {
		parent := (i - 1) / 2
		if !item.before(h[parent]) {
			break
		}
		h[i] = h[parent]
		i = parent
	}
	h[i] = item
}

func (q *runQueue) pop() *Task {
	h := q.heap
	top := h[0]
	n := len(h) - 1
	item := h[n]
	h[n] = runItem{}
	h = h[:n]
	q.heap = h
	for i := 0; n > 0; {
		c := 2*i + 1
		if c >= n {
			h[i] = item
			break
		}
		if c+1 < n && h[c+1].before(h[c]) {
			c++
		}
		if !h[c].before(item) {
			h[i] = item
			break
		}
		h[i] = h[c]
		i = c
	}
	q.round = top.round
	return top.task
}
