package sim

import "time"

// SetSlice has processes keep a core as an operating system's scheduler lets
// them: a process that goes on to another operation, in whichever task, goes
// before those that wait, until it has had the core for slice. 0, the default,
// is the order in which operations were asked for, whoever asked.
//
// Where several processes share a machine this is what makes them do things in
// batches: one handles all that has arrived for it before the next one gets to
// run and finds as much.
func (p *Processor) SetSlice(slice time.Duration) { p.slice = slice }

// lingering, added to the number of a core, is the argument of the event that
// ends its wait for the process that had it.
const lingering = 1 << 32

// linger keeps a core that became free for its process if that may still want
// it: the task whose operation ended runs in this same instant and may ask for
// the next one. It reports whether the core is taken care of.
func (p *Processor) linger(i int) bool {
	c := &p.cores[i]
	if p.slice == 0 || p.queue.Len() == 0 || c.home == nil {
		return false
	}
	if p.k.now-c.held >= p.slice {
		if t := p.queued(c.home, false); t != nil {
			p.switchTo(i, t)
			return true
		}
		return false // nobody else waits
	}
	if t := p.queued(c.home, true); t != nil {
		p.resume(i, t)
		return true
	}
	c.event = p.k.events.push(p.k.now+1, p, uint64(i)+lingering, nil)
	c.lingers = true
	return true
}

// lingerEnds gives a core to whoever waits: its process had nothing to do.
func (p *Processor) lingerEnds(i int) {
	p.cores[i].lingers = false
	if t := p.queued(p.cores[i].home, false); t != nil {
		p.switchTo(i, t)
		return
	}
	p.free = append(p.free, i)
	p.next()
}

// kept starts the task's operation on a core that lingers for its process.
func (p *Processor) kept(t *Task) bool {
	if p.slice == 0 {
		return false
	}
	for i := range p.cores {
		if c := &p.cores[i]; c.lingers && c.home == t.proc {
			p.k.events.cancel(c.event)
			c.lingers = false
			p.run(i, t)
			return true
		}
	}
	return false
}

// queued finds the first operation in the queue that is of a process, or that
// is not.
func (p *Processor) queued(of *process, same bool) *Task {
	for t := p.queue.head; t != nil; t = t.next {
		if (t.proc == of) == same && !t.proc.node.paused {
			return t
		}
	}
	return nil
}

// resume has a queued operation begin on a core that its process holds.
func (p *Processor) resume(i int, t *Task) {
	p.queue.Remove(t)
	p.run(i, t)
}

// switchTo gives a core to another process.
func (p *Processor) switchTo(i int, t *Task) {
	p.cores[i].held = p.k.now
	p.resume(i, t)
}
