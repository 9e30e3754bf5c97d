package sim

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/weirlab/weir/env"
)

// Price says how long an operation of a kind over n units occupies a core; 0
// is free. It is a pure function: [env.Env.Work] asks it once per operation.
type Price func(op string, n int64) time.Duration

// Stall says how much longer an operation that ends now takes its task without
// any core being busy: the program waits for itself, for another of its threads
// or for its memory to be collected. It is asked once per operation, in the
// order of the operations, and draws only from streams of its own.
type Stall func(now time.Duration, op string, n int64) time.Duration

// Processor is the cores of a physical machine. Nodes that share one compete
// for it: brokers that are processes of one laptop do, brokers on machines of
// their own do not.
//
//	p := k.NewProcessor("laptop", 2)
//	for _, n := range nodes {
//		n.SetProcessor(p, profile.Price)
//	}
//	...
//	used := p.Stats().Busy // of 2 × k.Now() there was
//
// An operation takes one core for all of its price. Operations begin in the
// order in which tasks asked for them, whichever core is free first, unless
// [Processor.SetSlice] says otherwise; none is interrupted for another, so
// prices should be of single requests and not of seconds. When a process dies,
// what it runs and what it has queued leaves the processor at once. A pause
// does not: an operation that has begun runs to its end, but those in the queue
// give way until the process goes on.
//
// An operation costs one event and one switch, whether it has to wait or not.
type Processor struct {
	k       *Kernel
	name    string
	cores   []core // in use or free; grows on demand if unbounded
	free    []int  // indices of idle cores, the last used on top
	bounded bool
	queue   WaitList
	busy    time.Duration // of operations that are over
	waited  time.Duration
	ops     int64
	longest int
	slice   time.Duration
}

// core is what a core does.
type core struct {
	task  *Task // nil if idle
	since time.Duration
	event Handle

	home    *process      // that holds it, or held it last
	held    time.Duration // since when
	lingers bool          // idle, and kept for home for this instant
}

// job is a task's operation, queued or running.
type job struct {
	asked, price time.Duration
	op           *workOp
}

// workOp counts one kind of operation of one node.
type workOp struct {
	WorkStats
	running time.Duration // sum of the beginnings of those under way
	cores   int64         // how many are under way
}

// WorkStats counts the operations of one kind.
type WorkStats struct {
	Op    string
	Calls int64
	Units int64         // summed over calls; usually bytes
	Busy  time.Duration // that cores spent on it
	Wait  time.Duration // that tasks waited for a core before it
	// Stalled is how long tasks waited after it, see [Stall].
	Stalled time.Duration
}

// ProcessorStats is what a processor did since the world began.
type ProcessorStats struct {
	Name  string
	Cores int // 0 is always enough
	Calls int64

	// Busy is core time: at most Cores times the time that passed. What is
	// under way counts as far as it has come.
	Busy time.Duration
	// Wait is summed over the operations that had to wait for a core.
	Wait time.Duration

	Queue   int // operations that wait now
	Longest int // the most that ever waited
}

// NewProcessor makes a processor with a number of cores, 0 for one that always
// has enough.
func (k *Kernel) NewProcessor(name string, cores int) *Processor {
	if cores < 0 {
		panic(fmt.Sprintf("sim: processor %q cannot have %d cores", name, cores))
	}
	p := &Processor{k: k, name: name, bounded: cores > 0, cores: make([]core, cores)}
	for i := cores - 1; i >= 0; i-- {
		p.free = append(p.free, i)
	}
	return p
}

// Name is the processor's name.
func (p *Processor) Name() string { return p.name }

// Stats is what the processor did so far.
func (p *Processor) Stats() ProcessorStats {
	s := ProcessorStats{Name: p.name, Calls: p.ops, Busy: p.busy, Wait: p.waited, Queue: p.queue.Len(), Longest: p.longest}
	if p.bounded {
		s.Cores = len(p.cores)
	}
	for i := range p.cores {
		if p.cores[i].task != nil {
			s.Busy += p.k.now - p.cores[i].since
		}
	}
	return s
}

// SetProcessor puts the machine's processes on a processor. price may be nil:
// then operations are counted and free. Without a processor they are free and
// not counted.
func (n *Node) SetProcessor(p *Processor, price Price) {
	if n.Alive() && n.cpu != nil {
		panic("sim: the processor of " + n.name + " cannot change while its process lives")
	}
	n.cpu, n.price = p, price
}

// SetStall has operations of the machine's processes stall after their work; nil
// has none. It needs a processor with prices.
func (n *Node) SetStall(s Stall) { n.stall = s }

// Processor is what the machine's processes run on, nil if their operations
// are free.
func (n *Node) Processor() *Processor { return n.cpu }

// WorkStats counts the operations of the machine's processes, those that died
// included, sorted by name.
func (n *Node) WorkStats() []WorkStats {
	all := make([]WorkStats, 0, len(n.work))
	for _, name := range env.SortedKeys(n.work) {
		all = append(all, n.work[name].at(n.k.now))
	}
	return all
}

// CPUTime is the core time that the machine's processes have used.
func (n *Node) CPUTime() time.Duration {
	var sum time.Duration
	for _, op := range n.work {
		sum += op.at(n.k.now).Busy
	}
	return sum
}

func (o *workOp) at(now time.Duration) WorkStats {
	s := o.WorkStats
	s.Busy += time.Duration(o.cores)*now - o.running
	return s
}

func (p *process) Work(op string, n int64) {
	node := p.node
	if node.cpu == nil || p.k.Current() == nil {
		return // who looks from outside takes no time
	}
	t := p.k.caller("Work")
	o := node.work[op]
	if o == nil {
		o = &workOp{}
		o.Op = strings.Clone(op)
		if node.work == nil {
			node.work = make(map[string]*workOp)
		}
		node.work[o.Op] = o
	}
	o.Calls++
	o.Units += n
	if node.price == nil {
		return
	}
	if d := node.price(op, n); d > 0 {
		t.job = job{asked: p.k.now, price: d, op: o}
		node.cpu.occupy(t)
	}
	if node.stall == nil {
		return
	}
	if d := node.stall(p.k.now, op, n); d > 0 {
		o.Stalled += d
		p.k.ParkUntil("stall", p.k.now+d)
	}
}

// occupy has the calling task's job done.
func (p *Processor) occupy(t *Task) {
	p.ops++
	switch {
	case !p.full():
		p.begin(t)
	case !p.kept(t):
		p.queue.Push(t)
		p.longest = max(p.longest, p.queue.Len())
	}
	p.k.Park("cpu")
}

// full reports whether all cores are busy.
func (p *Processor) full() bool { return p.bounded && len(p.free) == 0 }

// begin gives a task one of the free cores.
func (p *Processor) begin(t *Task) {
	if len(p.free) == 0 {
		p.cores = append(p.cores, core{})
		p.free = append(p.free, len(p.cores)-1)
	}
	i := p.free[len(p.free)-1]
	p.free = p.free[:len(p.free)-1]
	p.cores[i].held = p.k.now
	p.run(i, t)
}

// run has a task's job begin on a core.
func (p *Processor) run(i int, t *Task) {
	now := p.k.now
	j := &t.job
	p.waited += now - j.asked
	j.op.Wait += now - j.asked
	j.op.cores++
	j.op.running += now
	c := &p.cores[i]
	c.task, c.since, c.home = t, now, t.proc
	c.event = p.k.events.push(now+j.price, p, uint64(i), nil)
}

// HandleEvent is the end of the operation on a core, or of its lingering.
func (p *Processor) HandleEvent(arg uint64) {
	if arg >= lingering {
		p.lingerEnds(int(arg - lingering))
		return
	}
	i := int(arg)
	t := p.cores[i].task
	p.leave(i)
	p.k.Wake(t)
	if !p.linger(i) {
		p.free = append(p.free, i)
		p.next()
	}
}

// TraceName names the processor in trace windows.
func (p *Processor) TraceName() string { return "cpu " + p.name }

// leave ends what a core does. Its next user is the caller's business.
func (p *Processor) leave(i int) {
	c := &p.cores[i]
	used := p.k.now - c.since
	p.busy += used
	o := c.task.job.op
	o.Busy += used
	o.cores--
	o.running -= c.since
	c.task, c.event = nil, Handle{}
}

// next has waiting operations begin on the cores that are free.
func (p *Processor) next() {
	for len(p.free) > 0 {
		t := p.queue.Pop()
		if t == nil {
			return
		}
		if n := t.proc.node; n.paused {
			n.heldWork.Push(t)
			continue
		}
		p.begin(t)
	}
}

// drop takes the operations of a dead process off the cores. Those in the
// queue go with their tasks.
func (p *Processor) drop(dead *process) {
	for i := range p.cores {
		c := &p.cores[i]
		switch {
		case c.task != nil && c.task.proc == dead:
			p.k.events.cancel(c.event)
			p.leave(i)
		case c.lingers && c.home == dead:
			p.k.events.cancel(c.event)
			c.lingers = false
		default:
			continue
		}
		c.home = nil
		p.free = append(p.free, i)
	}
	// In the order of their numbers again, whatever the order they were freed in.
	slices.SortFunc(p.free, func(a, b int) int { return b - a })
}

// requeue puts operations that gave way to others during a pause back.
func (p *Processor) requeue(held *WaitList) {
	for t := held.Pop(); t != nil; t = held.Pop() {
		p.queue.Push(t)
	}
	p.next()
}
