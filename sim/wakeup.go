package sim

import (
	"time"

	"github.com/weirlab/weir/env"
)

// latency is how late a machine's scheduler is with something.
type latency struct {
	q    Quantiles
	rand *env.Rand
}

// SetWakeup makes tasks of the machine's processes late. wakeup is how long
// after an event of network or disk a task that waited for it runs, timer how
// much longer a sleep or a timeout takes than was asked. The zero value is no
// delay.
//
// Both are of an idle core, which has to be woken up. Where all cores of the
// node's [Processor] are busy there is no such delay: a core takes up what has
// happened when its operation ends, and a task waits for that anyway.
func (n *Node) SetWakeup(wakeup, timer Quantiles) {
	n.wakeup = latency{q: wakeup, rand: n.k.Rand("wakeup", n.name)}
	n.timer = latency{q: timer, rand: n.k.Rand("timer", n.name)}
}

func (n *Node) late(l *latency) time.Duration {
	if l.q.IsZero() {
		return 0
	}
	d := l.q.Draw(l.rand)
	if n.cpu != nil && n.cpu.full() {
		return 0
	}
	return d
}

// WakeupDelay draws how long a task of the machine takes to notice an event of
// network or disk that happens now. Disks add it to the end of what a task
// waits for with [Kernel.ParkUntil].
func (n *Node) WakeupDelay() time.Duration { return n.late(&n.wakeup) }

// RouseOne wakes the first task in l, if any, as an interrupt does: after the
// wake-up delay of the task's machine. Networks and disks use it where package
// sim's own lists use [Kernel.WakeOne].
func (k *Kernel) RouseOne(l *WaitList) {
	if t := l.Pop(); t != nil {
		k.rouse(t)
	}
}

// RouseAll wakes all tasks in l, as RouseOne.
func (k *Kernel) RouseAll(l *WaitList) {
	for t := l.Pop(); t != nil; t = l.Pop() {
		k.rouse(t)
	}
}

func (k *Kernel) rouse(t *Task) {
	d := t.proc.node.WakeupDelay()
	if d <= 0 {
		k.Wake(t)
		return
	}
	k.events.push(k.now+d, (*roused)(t), t.parks, t.proc)
}

// roused is a task that is about to be woken, as the event that does so.
type roused Task

// HandleEvent wakes the task, unless it went on for another reason.
func (r *roused) HandleEvent(parks uint64) {
	t := (*Task)(r)
	if t.state == taskParked && t.parks == parks {
		t.k.Wake(t)
	}
}

// TraceName names the task in trace windows.
func (r *roused) TraceName() string { return r.name }
