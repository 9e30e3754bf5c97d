package osenv

import (
	"context"
	"runtime"
	"runtime/pprof"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weirlab/weir/env"
)

// tasks implements env.Tasks with goroutines. Unless an account is kept, tasks
// are known to the Go runtime only.
type tasks struct{ held *holdings }

// label makes the task's name show in goroutine profiles and stack dumps.
func label(name string) {
	pprof.SetGoroutineLabels(pprof.WithLabels(context.Background(), pprof.Labels("task", name)))
}

// Go implements env.Tasks.
func (ts tasks) Go(name string, fn func()) env.Task {
	t := &task{name: name, done: make(chan struct{})}
	held := ts.held.take("task", name)
	go func() {
		defer close(t.done)
		defer held.giveBack()
		label(name)
		fn()
	}()
	return t
}

// Yield implements env.Tasks.
func (tasks) Yield() { runtime.Gosched() }

// NewMutex implements env.Tasks.
func (tasks) NewMutex() env.Mutex { return &mutex{} }

// NewCond implements env.Tasks.
func (tasks) NewCond(m env.Mutex) env.Cond { return &cond{m: m} }

// NewSignal implements env.Tasks.
func (tasks) NewSignal() env.Signal { return &signal{} }

type task struct {
	name string
	done chan struct{}
}

func (t *task) Name() string { return t.name }

func (t *task) Wait() { <-t.done }

func (t *task) Done() bool {
	select {
	case <-t.done:
		return true
	default:
		return false
	}
}

// mutex is a sync.Mutex whose misuse is a panic. The runtime ends the process
// on a wrong Unlock with an error that nothing can catch; the contract
// promises a panic, so the state is kept once more beside it.
type mutex struct {
	mu     sync.Mutex
	locked atomic.Bool
}

func (m *mutex) Lock() {
	m.mu.Lock()
	m.locked.Store(true)
}

func (m *mutex) Unlock() {
	if !m.locked.CompareAndSwap(true, false) {
		panic("osenv: Unlock of an unlocked Mutex")
	}
	m.mu.Unlock()
}

// cond is a condition variable with timed waits, which sync.Cond lacks. Each
// waiter owns a channel; the queue is in order of arrival.
type cond struct {
	m env.Mutex

	mu    sync.Mutex // guards queue; taken after m where both are held
	queue []*waiter
}

type waiter struct {
	woken chan struct{} // capacity 1: waking never blocks
}

var waiters = sync.Pool{New: func() any { return &waiter{woken: make(chan struct{}, 1)} }}

func (c *cond) enqueue() *waiter {
	w := waiters.Get().(*waiter)
	c.mu.Lock()
	c.queue = append(c.queue, w)
	c.mu.Unlock()
	return w
}

// remove takes w out of the queue. It reports false if somebody has taken it
// out already, and so has woken it or is about to.
func (c *cond) remove(w *waiter) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, q := range c.queue {
		if q == w {
			c.queue = append(c.queue[:i], c.queue[i+1:]...)
			return true
		}
	}
	return false
}

func (c *cond) Wait() {
	w := c.enqueue()
	c.m.Unlock()
	<-w.woken
	waiters.Put(w)
	c.m.Lock()
}

func (c *cond) WaitTimeout(d time.Duration) bool {
	w := c.enqueue()
	c.m.Unlock()
	timer := time.NewTimer(d)
	woken := true
	select {
	case <-w.woken:
		timer.Stop()
	case <-timer.C:
		if c.remove(w) {
			woken = false
		} else {
			// The wake-up is meant for us and must not be lost.
			<-w.woken
		}
	}
	waiters.Put(w)
	c.m.Lock()
	return woken
}

func (c *cond) Signal() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.queue) == 0 {
		return
	}
	w := c.queue[0]
	c.queue[0] = nil
	c.queue = c.queue[1:]
	w.woken <- struct{}{}
}

func (c *cond) Broadcast() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, w := range c.queue {
		w.woken <- struct{}{}
	}
	clear(c.queue)
	c.queue = c.queue[:0]
}

// signal makes its channel only when somebody waits: most signals are set
// before anyone looks.
type signal struct {
	set atomic.Bool
	mu  sync.Mutex
	ch  chan struct{}
}

func (s *signal) Set() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.set.Swap(true) {
		return
	}
	if s.ch != nil {
		close(s.ch)
	}
}

func (s *signal) IsSet() bool { return s.set.Load() }

func (s *signal) Wait(d time.Duration) bool {
	if s.set.Load() {
		return true
	}
	if d == 0 {
		return false
	}
	ch := s.channel()
	if d == env.Forever {
		<-ch
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ch:
		return true
	case <-timer.C:
		return s.set.Load()
	}
}

// channel is closed once the signal is set.
func (s *signal) channel() chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ch == nil {
		s.ch = make(chan struct{})
		if s.set.Load() {
			close(s.ch)
		}
	}
	return s.ch
}
