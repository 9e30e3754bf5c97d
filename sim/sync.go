package sim

import (
	"time"

	"github.com/weirlab/weir/env"
)

func (p *process) NewMutex() env.Mutex { return &mutex{p: p} }

func (p *process) NewCond(m env.Mutex) env.Cond {
	sm, ok := m.(*mutex)
	if !ok {
		panic("sim: NewCond needs a Mutex made by the same Env")
	}
	return &cond{m: sm}
}

func (p *process) NewSignal() env.Signal { return &signal{p: p} }

// mutex is handed on to one of the waiting tasks when it is unlocked; which
// one is drawn, since a real one makes no promise.
type mutex struct {
	p       *process
	owner   *Task // nil while locked by a callback of the kernel
	locked  bool
	peeks   int // Locks by Inspect that found it held
	waiters WaitList
}

func (m *mutex) Lock() {
	k := m.p.k
	if m.p.dead {
		m.p.deadCall()
		return
	}
	k.called()
	t := k.current
	if !m.locked {
		m.locked = true
		m.owner = t
		return
	}
	if t == nil {
		m.peek()
		return
	}
	if m.owner == t {
		panic("sim: task " + t.name + " locks a Mutex that it holds: it would wait for itself forever")
	}
	m.waiters.Push(t)
	k.Park("mutex")
}

func (m *mutex) Unlock() {
	k := m.p.k
	if m.p.dead {
		m.p.deadCall()
		return
	}
	if m.peeks > 0 && k.current == nil {
		m.peeks--
		return
	}
	if !m.locked {
		panic("sim: Unlock of an unlocked Mutex")
	}
	m.release()
	k.preempt()
}

// release hands the mutex on or leaves it free.
func (m *mutex) release() {
	t := m.waiters.head
	if t == nil {
		m.locked = false
		m.owner = nil
		return
	}
	if m.waiters.count > 1 {
		for skip := m.p.k.heir(m.p.node, &m.waiters); skip > 0; skip-- {
			t = t.next
		}
	}
	m.owner = t
	m.p.k.Wake(t)
}

// cond wakes its waiters in the order in which they came. A waiter that is
// woken while the mutex is held goes straight to the mutex's queue: it could
// do nothing else with its turn.
type cond struct {
	m       *mutex
	waiters WaitList
}

func (c *cond) Wait() {
	m := c.m
	t := m.p.k.caller("Cond.Wait")
	c.mustHold(t)
	c.waiters.Push(t)
	m.release()
	m.p.k.Park("cond")
	if m.owner != t {
		m.Lock()
	}
}

func (c *cond) WaitTimeout(d time.Duration) bool {
	m := c.m
	k := m.p.k
	t := k.caller("Cond.WaitTimeout")
	c.mustHold(t)
	if d <= 0 {
		m.release()
		k.yield(t)
		m.Lock()
		return false
	}
	c.waiters.Push(t)
	m.release()
	woken := k.ParkUntil("cond", k.now+d+m.p.node.late(&m.p.node.timer))
	if m.owner != t {
		m.Lock()
	}
	return woken
}

func (c *cond) mustHold(t *Task) {
	if !c.m.locked || c.m.owner != t {
		panic("sim: task " + t.name + " waits on a Cond without holding its Mutex")
	}
}

func (c *cond) Signal() {
	p := c.m.p
	if p.dead {
		p.deadCall()
		return
	}
	if t := c.waiters.Pop(); t != nil {
		c.wake(t)
	}
}

func (c *cond) Broadcast() {
	p := c.m.p
	if p.dead {
		p.deadCall()
		return
	}
	for t := c.waiters.Pop(); t != nil; t = c.waiters.Pop() {
		c.wake(t)
	}
}

func (c *cond) wake(t *Task) {
	k := c.m.p.k
	if c.m.locked {
		k.events.cancel(t.timer)
		t.timer = Handle{}
		t.why = "mutex"
		c.m.waiters.Push(t)
		return
	}
	k.Wake(t)
}

// signal is an event that happens at most once.
type signal struct {
	p       *process
	set     bool
	waiters WaitList
}

func (s *signal) Set() {
	if s.p.dead {
		s.p.deadCall()
		return
	}
	if s.set {
		return
	}
	s.set = true
	s.p.k.WakeAll(&s.waiters)
	s.p.k.preempt()
}

func (s *signal) IsSet() bool {
	if s.p.dead {
		s.p.deadCall()
	}
	return s.set
}

func (s *signal) Wait(d time.Duration) bool {
	if s.set || d == 0 {
		if s.p.dead {
			s.p.deadCall()
		}
		return s.set
	}
	k := s.p.k
	t := k.caller("Signal.Wait")
	s.waiters.Push(t)
	if d < 0 {
		k.Park("signal")
		return s.set
	}
	k.ParkUntil("signal", k.now+d+s.p.node.late(&s.p.node.timer))
	return s.set
}

// inspection is the state of a running Inspect.
type inspection struct {
	active bool
	held   bool // a mutex was found held
}

// Inspect calls look, which may read the state of programs through their own
// methods, and reports whether every Mutex it locked was free. If one was
// held, some task is in the middle of changing what it guards: the caller
// should forget what it saw and look again later. look must change nothing.
// Inspect is for callbacks of the kernel and for code between runs.
func (k *Kernel) Inspect(look func()) (consistent bool) {
	if k.current != nil {
		panic("sim: Inspect called by a task; it is for callbacks of the kernel")
	}
	k.inspect = inspection{active: true}
	defer func() { k.inspect.active = false }()
	look()
	return !k.inspect.held
}

// peek is Lock of a held mutex by a callback.
func (m *mutex) peek() {
	k := m.p.k
	if !k.inspect.active {
		panic("sim: a callback of the kernel locks a Mutex that is held: call Kernel.Inspect to look in spite of that, or start a task")
	}
	k.inspect.held = true
	m.peeks++
}
