package sim

import (
	"fmt"
	"iter"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/weirlab/weir/env"
)

type taskState uint8

const (
	taskRunnable taskState = iota // in the run queue, or held by a paused node
	taskRunning
	taskParked
	taskDone
)

// Task is a simulated task: plain blocking Go code on a coroutine.
type Task struct {
	k    *Kernel
	proc *process
	name string
	key  uint64 // identity in the trace hash
	rank uint64 // under PCT: less goes first
	seq  uint64 // of becoming runnable, the last time
	fn   func()
	w    *worker

	state taskState
	dying bool // its coroutine was stopped: deferred functions are running

	why      string // what it is parked for
	parks    uint64 // times it parked, to tell an old timer from the present one
	timer    Handle
	timedOut bool

	list       *WaitList // the list it waits in, if any
	prev, next *Task     // in list

	older, younger *Task // in proc.tasks

	job job // its operation on a processor, while parked for one

	waiters  WaitList // tasks in Wait for this one
	panicked *Failure
}

var _ env.Task = (*Task)(nil)

// Name is the name the task was started under.
func (t *Task) Name() string { return t.name }

// Done reports whether the task's function has returned.
func (t *Task) Done() bool { return t.state == taskDone }

// Wait blocks until the task's function has returned.
func (t *Task) Wait() {
	for t.state != taskDone {
		c := t.k.caller("Task.Wait")
		t.waiters.Push(c)
		t.k.Park("task " + t.name)
	}
}

// Node is the machine the task runs on.
func (t *Task) Node() *Node { return t.proc.node }

// spawn makes a runnable task of a process.
func (k *Kernel) spawn(p *process, name string, fn func()) *Task {
	p.tasksStarted++
	t := &Task{k: k, proc: p, name: name, fn: fn}
	t.key = env.Mix64(p.node.key + uint64(p.epoch)<<40 + uint64(p.tasksStarted))
	t.rank = p.node.rank(t)
	if p.dead {
		t.state = taskDone
		return t
	}
	t.older = p.youngest
	if p.youngest != nil {
		p.youngest.younger = t
	} else {
		p.oldest = t
	}
	p.youngest = t
	k.stats.TasksStarted++
	k.tasksLive++
	k.makeReady(t, false)
	return t
}

// worker is a coroutine that runs one task after another.
type worker struct {
	task  *Task
	next  func() (struct{}, bool)
	stop  func()
	yield func(struct{}) bool
	goid  int64 // of its goroutine, to find its stack in a dump
}

func (k *Kernel) newWorker() *worker {
	w := &worker{}
	w.next, w.stop = iter.Pull(func(yield func(struct{}) bool) {
		w.yield = yield
		w.goid = goroutineID()
		for {
			k.body(w.task)
			if !yield(struct{}{}) {
				return
			}
		}
	})
	return w
}

// body runs a task's function to its end, whichever end that is.
func (k *Kernel) body(t *Task) {
	defer func() {
		if r := recover(); r != nil && !t.dying {
			t.panicked = &Failure{
				Node:  t.proc.node.name,
				Task:  t.name,
				At:    k.now,
				Value: fmt.Sprint(r),
				Stack: string(debug.Stack()),
			}
		}
		k.finish(t)
	}()
	t.fn()
}

// finish takes a task off the books.
func (k *Kernel) finish(t *Task) {
	if t.state == taskDone {
		return
	}
	t.state = taskDone
	t.fn = nil
	k.tasksLive--
	p := t.proc
	if t.older != nil {
		t.older.younger = t.younger
	} else {
		p.oldest = t.younger
	}
	if t.younger != nil {
		t.younger.older = t.older
	} else {
		p.youngest = t.older
	}
	for c := t.waiters.Pop(); c != nil; c = t.waiters.Pop() {
		k.Wake(c)
	}
}

// resume runs t until it parks or ends.
func (k *Kernel) resume(t *Task) {
	w := t.w
	if w == nil {
		if n := len(k.workers); n > 0 {
			w = k.workers[n-1]
			k.workers = k.workers[:n-1]
		} else {
			w = k.newWorker()
		}
		t.w, w.task = w, t
	}
	t.state = taskRunning
	k.current = t
	k.pace.calls = 0
	w.next()
	k.current = nil
	if t.state == taskDone {
		t.w, w.task = nil, nil
		k.workers = append(k.workers, w)
		if t.panicked != nil {
			k.panicked(t)
		}
		return
	}
	if t.proc.dead {
		// It outlived the crash of its process because it was running then.
		k.kill(t)
	}
}

// panicked turns a panic into a finding and kills the process it happened in.
func (k *Kernel) panicked(t *Task) {
	f := *t.panicked
	k.failures = append(k.failures, f)
	if !t.proc.dead {
		t.proc.node.Crash()
	}
	for _, fn := range k.onFail {
		fn(f)
	}
}

// reap ends all tasks of a dead process, oldest first, except the one that is
// running: that one ends when it next enters the kernel.
func (k *Kernel) reap(p *process) {
	for t := p.oldest; t != nil; {
		next := t.younger
		if t != k.current {
			k.kill(t)
		}
		t = next
	}
}

// kill ends a task that is not running.
func (k *Kernel) kill(t *Task) {
	if t.state == taskDone {
		return
	}
	if t.list != nil {
		t.list.Remove(t)
	}
	k.events.cancel(t.timer)
	w := t.w
	if w == nil {
		k.finish(t)
		return
	}
	caller := k.current
	k.current = t
	t.dying = true
	t.state = taskRunning
	done := make(chan struct{})
	// The task leaves through Goexit, which iter.Pull hands on to whoever
	// called stop: that must be a goroutine of its own.
	go func() {
		defer close(done)
		w.stop()
	}()
	<-done
	k.finish(t)
	t.w, w.task = nil, nil
	k.current = caller
}

// exit ends the calling task, whose process is dead. It does not return.
func (k *Kernel) exit(t *Task) {
	if t.dying {
		runtime.Goexit()
	}
	k.switchOut(t)
	panic("sim: a dead task was resumed")
}

// switchOut gives the processor back to the kernel until t is resumed.
func (k *Kernel) switchOut(t *Task) {
	if !t.w.yield(struct{}{}) {
		runtime.Goexit()
	}
}

// caller is the calling task. It ends it if its process is dead, and panics
// if the call does not come from a task.
func (k *Kernel) caller(op string) *Task {
	t := k.current
	if t == nil {
		panic("sim: " + op + " blocks, so only a task may call it; start one with Node.Start")
	}
	if t.proc.dead {
		k.exit(t)
	}
	return t
}

// Current is the task that is running, or nil in callbacks of the kernel.
func (k *Kernel) Current() *Task { return k.current }

// CallerDead reports whether the caller belongs to a process that has died:
// one of its deferred functions, usually. Networks and disks then do nothing
// and return an error.
func (k *Kernel) CallerDead() bool {
	return k.current != nil && k.current.proc.dead
}

// Park blocks the calling task until [Kernel.Wake]. why shows in dumps. The
// caller has first put the task where the one who wakes it will find it,
// usually a [WaitList]; a task that dies is taken out of its list.
func (k *Kernel) Park(why string) {
	t := k.caller(why)
	t.why = why
	t.parks++
	t.state = taskParked
	k.switchOut(t)
}

// ParkUntil is Park until time at at the latest. It reports whether the task
// was woken; if not, time ran out and the task was taken out of its list.
func (k *Kernel) ParkUntil(why string, at time.Duration) bool {
	t := k.caller(why)
	t.why = why
	t.parks++
	t.state = taskParked
	t.timedOut = false
	t.timer = k.events.push(max(at, k.now), t, t.parks, t.proc)
	k.switchOut(t)
	return !t.timedOut
}

// Never is a time that does not come, for WaitIn.
const Never time.Duration = 1<<63 - 1

// WaitIn puts the calling task at the end of l and parks it until it is woken,
// or until time until. It reports whether it was woken.
func (k *Kernel) WaitIn(l *WaitList, why string, until time.Duration) bool {
	t := k.caller(why)
	l.Push(t)
	if until == Never {
		k.Park(why)
		return true
	}
	return k.ParkUntil(why, until)
}

// HandleEvent ends a ParkUntil whose time ran out.
func (t *Task) HandleEvent(parks uint64) {
	if t.state != taskParked || t.parks != parks {
		return
	}
	t.timedOut = true
	t.timer = Handle{}
	if t.list != nil {
		t.list.Remove(t)
	}
	t.k.makeReady(t, false)
}

// TraceName names the task in trace windows.
func (t *Task) TraceName() string { return t.name }

// Wake lets a parked task go on. Waking one that is not parked does nothing.
func (k *Kernel) Wake(t *Task) {
	if t.state != taskParked || t.proc.dead {
		return
	}
	if t.list != nil {
		t.list.Remove(t)
	}
	if t.timer.gen != 0 {
		k.events.cancel(t.timer)
		t.timer = Handle{}
	}
	k.makeReady(t, false)
}

// WaitList is a queue of parked tasks. The zero value is empty. A task is in
// at most one list.
type WaitList struct {
	head, tail *Task
	count      int
}

// Len is the number of tasks in the list.
func (l *WaitList) Len() int { return l.count }

// Push adds a task at the end.
func (l *WaitList) Push(t *Task) {
	if t.list != nil {
		panic("sim: task " + t.name + " already waits in a list")
	}
	t.list, t.prev, t.next = l, l.tail, nil
	if l.tail != nil {
		l.tail.next = t
	} else {
		l.head = t
	}
	l.tail = t
	l.count++
}

// Pop removes and returns the first task, or nil. It does not wake it.
func (l *WaitList) Pop() *Task {
	t := l.head
	if t != nil {
		l.Remove(t)
	}
	return t
}

// Remove takes t out of the list, in which it must be.
func (l *WaitList) Remove(t *Task) {
	if t.prev != nil {
		t.prev.next = t.next
	} else {
		l.head = t.next
	}
	if t.next != nil {
		t.next.prev = t.prev
	} else {
		l.tail = t.prev
	}
	t.list, t.prev, t.next = nil, nil, nil
	l.count--
}

// WakeOne wakes the first task in l, if any.
func (k *Kernel) WakeOne(l *WaitList) {
	if t := l.Pop(); t != nil {
		k.Wake(t)
	}
}

// WakeAll wakes every task in l.
func (k *Kernel) WakeAll(l *WaitList) {
	for t := l.Pop(); t != nil; t = l.Pop() {
		k.Wake(t)
	}
}
