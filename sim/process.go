package sim

import (
	"fmt"
	"io/fs"
	"net"
	"strconv"
	"time"

	"github.com/weirlab/weir/env"
)

// process is one incarnation of a machine's program, and the env.Env of its
// tasks. Once dead it does nothing any more.
type process struct {
	k     *Kernel
	node  *Node
	epoch int64
	dead  bool

	oldest, youngest *Task
	tasksStarted     int64

	rands map[streamName]*env.Rand
	lab   *env.Lab
}

type streamName struct{ purpose, entity string }

var _ env.Env = (*process)(nil)

// deadCall is what a non-blocking call does first in a dead process: a task
// that is still running ends; a deferred function goes on without effect.
func (p *process) deadCall() {
	if t := p.k.current; t != nil && t.proc == p && !t.dying {
		p.k.exit(t)
	}
}

func (p *process) NodeName() string { return p.node.name }

func (p *process) BootID() string {
	return p.node.name + " boot " + strconv.FormatInt(p.node.boots, 10)
}

func (p *process) Now() time.Duration {
	if p.dead {
		p.deadCall()
	}
	p.k.called()
	return p.k.now
}

func (p *process) Wall() time.Time {
	if p.dead {
		p.deadCall()
	}
	p.k.called()
	return p.k.opts.WallEpoch.Add(p.k.now + p.node.offset())
}

func (p *process) Deadline(d time.Duration) time.Time {
	return monotonicEpoch.Add(p.k.now + d)
}

// Instant is the inverse of Deadline: the time of the world that a deadline
// names. Any time before the world began is 0.
func (k *Kernel) Instant(deadline time.Time) time.Duration {
	return max(0, deadline.Sub(monotonicEpoch))
}

func (p *process) Sleep(d time.Duration) {
	t := p.k.caller("Sleep")
	if d <= 0 {
		p.k.yield(t)
		return
	}
	p.k.ParkUntil("sleep", p.k.now+d+p.node.late(&p.node.timer))
}

// afterFunc is a pending AfterFunc.
type afterFunc struct {
	p      *process
	name   string
	fn     func()
	handle Handle
}

func (a *afterFunc) HandleEvent(uint64) { a.p.k.spawn(a.p, a.name, a.fn) }
func (a *afterFunc) TraceName() string  { return a.name }

// Stop prevents the function from starting and reports whether it did so.
func (a *afterFunc) Stop() bool { return a.p.k.events.cancel(a.handle) }

func (p *process) AfterFunc(d time.Duration, name string, fn func()) env.Timer {
	a := &afterFunc{p: p, name: name, fn: fn}
	if p.dead {
		p.deadCall()
		return a
	}
	a.handle = p.k.events.push(p.k.now+max(d, 0)+p.node.late(&p.node.timer), a, 0, p)
	return a
}

func (p *process) Go(name string, fn func()) env.Task {
	if p.dead {
		p.deadCall()
	}
	t := p.k.spawn(p, name, fn)
	p.k.preempt()
	return t
}

func (p *process) Yield() { p.k.yield(p.k.caller("Yield")) }

// yield lets every other runnable task of this round go first.
func (k *Kernel) yield(t *Task) { k.giveWay(t, true) }

// giveWay lets other tasks run before t goes on: with later all that are
// runnable now.
func (k *Kernel) giveWay(t *Task, later bool) {
	t.parks++
	t.why = "yield"
	k.makeReady(t, later)
	k.switchOut(t)
}

func (p *process) Listen(addr string) (net.Listener, error) {
	if p.dead {
		p.deadCall()
		return nil, net.ErrClosed
	}
	if p.node.network == nil {
		return nil, fmt.Errorf("listen %s: machine %s has no network", addr, p.node.name)
	}
	return p.node.network.Listen(addr)
}

func (p *process) Dial(addr string, timeout time.Duration) (net.Conn, error) {
	if p.dead {
		p.deadCall()
		return nil, net.ErrClosed
	}
	if p.node.network == nil {
		return nil, fmt.Errorf("dial %s: machine %s has no network", addr, p.node.name)
	}
	return p.node.network.Dial(addr, timeout)
}

func (p *process) FS() env.FS {
	if p.dead {
		p.deadCall()
		return brokenFS{fs.ErrClosed}
	}
	if p.node.fs == nil {
		return brokenFS{fmt.Errorf("machine %s has no file system: %w", p.node.name, fs.ErrNotExist)}
	}
	return p.node.fs
}

func (p *process) Rand(purpose, entity string) *env.Rand {
	name := streamName{purpose, entity}
	r := p.rands[name]
	if r == nil {
		// A restarted process must not repeat the draws of the one before.
		r = env.NewRand(p.k.opts.Seed, "node/"+purpose, fmt.Sprintf("%s#%d/%s", p.node.name, p.epoch, entity)).Salted(&p.k.salt)
		if p.rands == nil {
			p.rands = make(map[streamName]*env.Rand)
		}
		p.rands[name] = r
	}
	return r
}

func (p *process) Lab() *env.Lab { return p.lab }

func (p *process) Event(name string, attrs ...env.Attr) {
	if p.dead {
		p.deadCall()
		return
	}
	p.lab.Reached("event", name, "")
	k := p.k
	h := env.HashString(name)
	for i := range attrs {
		a := &attrs[i]
		h = env.Mix64(h ^ env.HashString(a.Key))
		if a.IsText {
			h = env.Mix64(h ^ env.HashString(a.Text))
		} else {
			h = env.Mix64(h ^ uint64(a.Int))
		}
	}
	if k.trace.window != nil {
		k.trace.describe(TraceNote, p.node.name, name+formatAttrs(attrs))
	}
	k.step(TraceNote, p.node.key, h)
	for _, fn := range k.onEvent {
		fn(p.node.name, k.now, name, attrs)
	}
	if p.dead {
		p.deadCall()
	}
}

func formatAttrs(attrs []env.Attr) string {
	var b []byte
	for _, a := range attrs {
		if a.IsText {
			b = fmt.Appendf(b, " %s=%s", a.Key, a.Text)
		} else {
			b = fmt.Appendf(b, " %s=%d", a.Key, a.Int)
		}
	}
	return string(b)
}
