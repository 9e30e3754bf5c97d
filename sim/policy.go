package sim

import (
	"fmt"

	"github.com/weirlab/weir/env"
)

// Policy is how the kernel chooses among tasks that can run at one instant, and
// among those that wait for a mutex.
type Policy uint8

const (
	// Shuffle runs them in an order drawn from each node's own stream: every
	// order is as likely as every other.
	Shuffle Policy = iota
	// FIFO runs them in the order in which they became runnable.
	FIFO
	// PCT runs the one of the highest priority. A task draws its priority once,
	// when it starts, and at Depth-1 scheduling points of each node, drawn among
	// its first Points, the task whose turn it is falls behind all others
	// (Burckhardt et al., "A randomized scheduler with probabilistic guarantees
	// of finding bugs", ASPLOS 2010). An error that takes d orderings among n
	// tasks of a node shows with a depth of d in at least one of n·Points^(d-1)
	// seeds, however unlikely these orderings are when every order is as likely
	// as every other.
	PCT
	// Replay does what Options.Tape says, and what FIFO does where the tape says
	// nothing.
	Replay
)

// String names the policy.
func (p Policy) String() string {
	return [...]string{"uniform", "fifo", "pct", "tape"}[p]
}

// lowest is above every priority that tasks start with under [PCT]: the first
// of those that change points give.
const lowest = 1 << 63

// changePoints are the scheduling points of a node at which [PCT] makes a task
// fall behind.
type changePoints struct {
	at     []uint64 // in the order of the priorities that they give
	points uint64   // passed
}

func newChangePoints(opts Options, node string) changePoints {
	var c changePoints
	if opts.Policy != PCT {
		return c
	}
	r := env.NewRand(opts.Seed, "change-points", node)
	for range opts.Depth - 1 {
		c.at = append(c.at, 1+uint64(r.Int64n(int64(opts.Points))))
	}
	return c
}

// pass counts a scheduling point of t and lets t fall behind if it is a change
// point.
func (c *changePoints) pass(t *Task) (fell bool) {
	c.points++
	for i, at := range c.at {
		if at == c.points {
			t.rank = lowest + uint64(i)
			fell = true
		}
	}
	return fell
}

// rank is the priority of a task that starts, under PCT; less goes first.
func (n *Node) rank(t *Task) uint64 { return env.Mix64(n.schedKey^t.key) >> 1 }

// checkPolicy completes the options of policies, or panics.
func (o *Options) checkPolicy() {
	if o.Policy != PCT {
		return
	}
	if o.Depth == 0 {
		o.Depth = 3
	}
	if o.Points == 0 {
		o.Points = 10_000
	}
	if o.Depth < 1 || o.Points < 1 || o.PreemptOneIn != 0 {
		panic(fmt.Sprintf("sim: PCT with depth %d, %d points and preemption one in %d: it needs a depth and points of at least 1 and decides itself when a task gives way", o.Depth, o.Points, o.PreemptOneIn))
	}
}

// pick takes the next task to run out of the queue.
func (k *Kernel) pick() *Task {
	q := &k.ready
	if k.opts.Policy == Replay {
		if later := k.opts.Tape.next(&k.tapeAt); later > 0 {
			return q.popNth(later)
		}
		return q.pop()
	}
	t := q.pop()
	if k.opts.Policy == PCT && t.state == taskRunnable && t.proc.node.changes.pass(t) {
		q.push(runItem{round: q.round, priority: t.rank, task: t})
		t = q.pop()
	}
	if k.opts.Record != nil {
		k.opts.Record.put(&k.tapeAt, q.earlier(t))
	}
	return t
}

// preempt takes the processor from the running task where a real machine might
// interrupt it, if the policy wants that here.
func (k *Kernel) preempt() {
	if !k.preempts {
		return
	}
	t := k.current
	if t == nil || t.proc.dead {
		return
	}
	n := t.proc.node
	what := goesOn
	switch k.opts.Policy {
	case PCT:
		n.changes.pass(t)
		if q := &k.ready; len(q.heap) > 0 && q.heap[0].round == q.round && q.heap[0].priority < t.rank {
			what = queues
		}
	case Replay:
		what = k.opts.Tape.next(&k.tapeAt)
	default:
		if k.opts.PreemptOneIn > 0 && n.preempt.Chance(1, k.opts.PreemptOneIn) {
			what = givesWay
		}
	}
	if k.opts.Record != nil {
		k.opts.Record.put(&k.tapeAt, what)
	}
	if what != goesOn {
		k.giveWay(t, what == givesWay)
	}
}

// What a task does where it may be interrupted, as on tapes.
const (
	goesOn   = iota
	givesWay // to all that can run now
	queues   // among those that can run now
)

// heir is which of the tasks that wait for a mutex gets it, counted from the
// first; there are several.
func (k *Kernel) heir(n *Node, waiters *WaitList) int {
	skip := 0
	switch k.opts.Policy {
	case Shuffle:
		n.schedDraws++
		skip = int(env.Mix64((n.schedKey^k.salt)+n.schedDraws*golden) % uint64(waiters.count))
	case PCT:
		best := waiters.head
		for i, t := 0, waiters.head; t != nil; i, t = i+1, t.next {
			if t.rank < best.rank {
				best, skip = t, i
			}
		}
	case Replay:
		skip = min(k.opts.Tape.next(&k.tapeAt), waiters.count-1)
	}
	if k.opts.Record != nil {
		k.opts.Record.put(&k.tapeAt, skip)
	}
	return skip
}
