package sim

import (
	"fmt"
	"time"
)

// instant is how little time counts as none: a loop that waits for a nanosecond
// each time is as endless as one that does not wait at all.
const instant = 10 * time.Millisecond

// roundUp is how many steps are looked at to tell who it is that goes on and on.
const roundUp = 1000

// pace notices a world in which much happens and no time passes. What it counts
// is a function of the seed, so that a seed that ends here ends here always.
type pace struct {
	since time.Duration // when the present instant began
	steps uint64        // in it
	calls uint64        // of the running task since it was given the processor

	suspects map[suspect]int // of the steps after the bound, nil before
	spinning *Task           // a task that never waits
}

// suspect is a task, or a timer of a machine or of the world.
type suspect struct{ node, task, timer string }

func (p *pace) suspect(s suspect) { p.suspects[s]++ }

// goesOn counts a step. It returns an error when time stands still.
func (k *Kernel) goesOn() error {
	p := &k.pace
	if t := p.spinning; t != nil {
		return k.livelock(suspect{node: t.proc.node.name, task: t.name}, p.calls, "calls without waiting")
	}
	if k.now-p.since >= instant {
		p.since, p.steps, p.suspects = k.now, 0, nil
	}
	p.steps++
	switch {
	case p.steps <= k.opts.MaxStepsPerInstant:
	case p.suspects == nil:
		p.suspects = map[suspect]int{}
	case p.steps > k.opts.MaxStepsPerInstant+roundUp:
		var worst suspect
		for s, n := range p.suspects { //weir:ordered a maximum without ties
			if m := p.suspects[worst]; n > m || n == m && fmt.Sprint(s) < fmt.Sprint(worst) {
				worst = s
			}
		}
		return k.livelock(worst, p.steps, "steps")
	}
	return nil
}

// called counts a call that does not wait. Too many in one turn stop the task for
// good, and the run with it.
func (k *Kernel) called() {
	p := &k.pace
	p.calls++
	if p.calls <= k.opts.MaxCallsPerTurn {
		return
	}
	t := k.current
	if t == nil || t.dying || t.proc.dead {
		return // a callback of the kernel, or a deferred function: for the watchdog
	}
	p.spinning = t
	k.Park("nothing: it never waits")
}

func (k *Kernel) livelock(by suspect, count uint64, of string) error {
	e := &LivelockError{At: k.now, Count: count, Of: of, Tasks: k.Tasks()}
	switch {
	case by.task != "":
		e.Who = fmt.Sprintf("task %q of %s", by.task, by.node)
	case by.node != "":
		e.Who = fmt.Sprintf("timer %q of %s", by.timer, by.node)
	default:
		e.Who = fmt.Sprintf("timer %q", by.timer)
	}
	for i, t := range e.Tasks {
		if t.Name == by.task && t.Node == by.node {
			e.Stack = t.Stack
			e.Tasks[0], e.Tasks[i] = e.Tasks[i], e.Tasks[0]
			break
		}
	}
	return e
}

// LivelockError says that something goes on and on while time stands still, or
// moves by nanoseconds: a loop around Yield, two tasks that keep waking each
// other, a timer that is always due, a task that never waits.
type LivelockError struct {
	At    time.Duration
	Who   string // the task or timer that did most of it
	Stack string // of that task, "" if it has not begun or it is a timer
	Count uint64
	Of    string     // what Count counts: steps of the world, or calls of the task
	Tasks []TaskInfo // the one that Who names first
}

// Summary says it in one sentence.
func (e *LivelockError) Summary() string {
	return fmt.Sprintf("%s goes on and on while time stands still", e.Who)
}

// Error lists the tasks with their stacks.
func (e *LivelockError) Error() string {
	return fmt.Sprintf("livelock: %s: %d %s and still %v\n%s", e.Summary(), e.Count, e.Of, e.At, DumpTasks(e.Tasks))
}
