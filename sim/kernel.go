package sim

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/weirlab/weir/env"
)

// Options configures a kernel. The zero value is usable.
type Options struct {
	// Seed decides everything the world draws.
	Seed uint64

	// Policy chooses among runnable tasks.
	Policy Policy

	// Depth and Points are those of [PCT]; 0 stands for 3 and 10,000.
	Depth  int
	Points uint64

	// Tape is what [Replay] replays; nil is that of FIFO.
	Tape *Tape

	// Record, if set, receives every choice made, to be replayed.
	Record *Tape

	// PreemptOneIn makes a task give way to others after one in so many of its
	// unlocks, signals and task starts, where a real machine might interrupt
	// it. 0 never preempts. [PCT] and [Replay] decide it themselves.
	PreemptOneIn int64

	// Buggify has rare things happen where programs ask for them
	// ([env.Lab.Rare]): at about a quarter of the points, each at a rate of its
	// own. Without it none happens.
	Buggify bool

	// WallEpoch is what correct wall clocks show at time 0. The zero value
	// means 2026-01-01 00:00:00 UTC.
	WallEpoch time.Time

	// CheckpointSteps is how many steps lie between two checkpoints of the
	// trace hash. 0 means 4096.
	CheckpointSteps uint64

	// Fork has the world draw everything anew from a time on.
	Fork Fork

	// Window, if set, receives the trace events of a range of steps.
	Window *Window

	// MaxStepsPerInstant bounds how many steps may pass while time moves by less
	// than 10 ms; beyond it the run ends with a [LivelockError]. 0 means 5 million.
	MaxStepsPerInstant uint64

	// MaxCallsPerTurn bounds how often a task may read a clock, lock a mutex or
	// come by a point of the laboratory without ever waiting; beyond it the run
	// ends with a [LivelockError]. 0 means 2 million.
	MaxCallsPerTurn uint64

	// Watchdog is the real time the kernel may go without finishing a step
	// before Stuck is called. 0 means 60 s, negative turns it off. Nothing
	// preempts a busy task on wasm, so there is no watchdog there.
	Watchdog time.Duration

	// Stuck is told who holds the kernel up, and receives the watchdog's dump, on
	// a goroutine of its own. The stuck task cannot be stopped: whoever goes on
	// leaves it, and the goroutine that runs the world, behind, and must not touch
	// the kernel. nil panics with the dump.
	Stuck func(who, dump string)
}

// Kernel runs one simulated world. It is not safe for concurrent use: the
// world lives on whichever goroutine calls Run, RunUntil or RunWhile.
// Different kernels are independent of one another.
type Kernel struct {
	opts    Options
	now     time.Duration
	events  eventQueue
	ready   runQueue
	current *Task // nil while the kernel itself or a callback of it runs

	nodes  []*Node
	byName map[string]*Node
	shared map[any]any // see Shared

	workers   []*worker // idle coroutines
	tasksLive int64

	salt     uint64 // of all random streams; 0 until the fork
	lab      laboratory
	preempts bool     // tasks may have to give way
	tapeAt   tapeHead // on Options.Tape or Options.Record

	trace    tracer
	pace     pace
	running  bool
	closed   bool
	inspect  inspection
	watch    watchdog
	failures []Failure
	onFail   []func(Failure)
	onEvent  []EventFunc
	stats    Stats
}

// EventFunc observes an [env.Env.Event] of a node at a time. It runs inside
// the task that told it and must not block; it may crash or pause nodes.
type EventFunc func(node string, at time.Duration, name string, attrs []env.Attr)

// Stats counts what a kernel did.
type Stats struct {
	Steps        uint64 // events fired and task switches
	Events       uint64 // events fired
	Switches     uint64 // times a task was given the processor
	Cancelled    uint64 // events cancelled before they fired
	TasksStarted int64
	TasksLive    int64
	Crashes      int64
	Pauses       int64
}

// Failure is a panic in a task: a finding about the program under test. The
// process it happened in is dead.
type Failure struct {
	Node  string
	Task  string
	At    time.Duration
	Value string // what the task panicked with
	Stack string
}

// Error makes a Failure usable as an error.
func (f Failure) Error() string {
	return fmt.Sprintf("panic in task %s of %s at %v: %s\n%s", f.Task, f.Node, f.At, f.Value, f.Stack)
}

// ErrClosed is what running a closed kernel returns.
var ErrClosed = errors.New("sim: the kernel is closed")

// wallEpoch is the default of Options.WallEpoch.
var wallEpoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// monotonicEpoch is how instants of monotonic time look as a time.Time, in
// deadlines. It is far from any wall time so that mixing the two shows.
var monotonicEpoch = time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC)

// NewKernel returns an empty world at time 0. Close it when done.
func NewKernel(opts Options) *Kernel {
	if opts.WallEpoch.IsZero() {
		opts.WallEpoch = wallEpoch
	}
	if opts.CheckpointSteps == 0 {
		opts.CheckpointSteps = 4096
	}
	if opts.MaxStepsPerInstant == 0 {
		opts.MaxStepsPerInstant = 5_000_000
	}
	if opts.MaxCallsPerTurn == 0 {
		opts.MaxCallsPerTurn = 2_000_000
	}
	if opts.Watchdog == 0 {
		opts.Watchdog = time.Minute
	}
	opts.checkPolicy()
	if opts.Tape == nil {
		opts.Tape = &Tape{}
	}
	k := &Kernel{opts: opts, preempts: opts.PreemptOneIn > 0 || opts.Policy >= PCT || opts.Record != nil, byName: make(map[string]*Node), shared: make(map[any]any)}
	k.trace.init(opts)
	k.lab.init(opts)
	k.watch.init(k)
	k.forkLater()
	return k
}

// Seed is the seed the kernel was made with.
func (k *Kernel) Seed() uint64 { return k.opts.Seed }

// Now is the time since the world began.
func (k *Kernel) Now() time.Duration { return k.now }

// Rand is the world's own random stream for one purpose of one entity, for
// networks, disks and fault plans. It is a new stream from its beginning at
// every call; nodes draw from streams of their own.
func (k *Kernel) Rand(purpose, entity string) *env.Rand {
	return env.NewRand(k.opts.Seed, "world/"+purpose, entity).Salted(&k.salt)
}

// Stats counts what happened so far.
func (k *Kernel) Stats() Stats {
	s := k.stats
	s.Steps = k.trace.steps
	s.TasksLive = k.tasksLive
	s.Cancelled = k.events.cancelled
	return s
}

// Failures lists the panics of tasks so far, oldest first.
func (k *Kernel) Failures() []Failure { return k.failures }

// OnFailure has fn called at each panic of a task, after its process died.
func (k *Kernel) OnFailure(fn func(Failure)) { k.onFail = append(k.onFail, fn) }

// OnEvent has fn called at each Event of any node.
func (k *Kernel) OnEvent(fn EventFunc) { k.onEvent = append(k.onEvent, fn) }

// callback is a func as an event handler.
type callback struct {
	name string
	fn   func()
}

func (c *callback) HandleEvent(uint64) { c.fn() }
func (c *callback) TraceName() string  { return c.name }

// At has the kernel call fn at time at, or at once if that has passed. The
// callback runs between the steps of tasks and must not block: it may crash,
// pause and start nodes, change links, look at state, schedule more.
func (k *Kernel) At(at time.Duration, name string, fn func()) Handle {
	return k.Schedule(at, &callback{name, fn}, env.HashString(name))
}

// After is At for d from now.
func (k *Kernel) After(d time.Duration, name string, fn func()) Handle {
	return k.At(k.now+d, name, fn)
}

// Run runs until nothing is left to happen. It returns a [DeadlockError] if
// tasks are still waiting then, [LivelockError] if time stands still.
func (k *Kernel) Run() error {
	return k.loop(1<<63-1, nil, true)
}

// RunUntil runs everything up to and including time t and leaves the clock at
// t. Tasks that wait for something that cannot happen are no error here: a
// server without clients does so.
func (k *Kernel) RunUntil(t time.Duration) error {
	return k.loop(t, nil, false)
}

// RunWhile runs until cond, asked before every step, is false. It returns a
// [DeadlockError] if nothing is left to happen while cond still holds.
func (k *Kernel) RunWhile(cond func() bool) error {
	return k.loop(1<<63-1, cond, true)
}

// RunOut lets a world end whose programs have been told to: it runs until no
// task lives, for at most patience of simulated time. Tasks that are left then
// are a [LeftoverError].
func (k *Kernel) RunOut(patience time.Duration) error {
	end := k.now + patience
	err := k.loop(end, func() bool { return k.tasksLive > 0 }, false)
	if err == nil && k.tasksLive > 0 {
		err = &LeftoverError{At: k.now, Tasks: k.Tasks()}
	}
	return err
}

// loop is the scheduler: what is due now, then who can run, then the next
// instant.
func (k *Kernel) loop(limit time.Duration, cond func() bool, mustProgress bool) error {
	if k.closed {
		return ErrClosed
	}
	if k.running {
		panic("sim: the kernel is already running: Run, RunUntil and RunWhile are for the goroutine that owns the world")
	}
	k.running = true
	k.watch.start()
	defer func() {
		// Also reached when a task ends its goroutine, as t.FailNow does.
		k.watch.stop()
		k.current = nil
		k.running = false
	}()
	q := &k.events
	for {
		if cond != nil && !cond() {
			return nil
		}
		if k.closed {
			return ErrClosed
		}
		q.dropCancelled()
		switch {
		case len(q.heap) > 0 && q.heap[0].at <= k.now:
			k.fire()
		case len(k.ready.heap) > 0:
			k.runNext()
		case len(q.heap) == 0 || q.heap[0].at > limit:
			if len(q.heap) == 0 && mustProgress {
				if cond == nil && k.tasksLive == 0 {
					return nil
				}
				return &DeadlockError{At: k.now, Tasks: k.Tasks()}
			}
			if limit > k.now && limit != 1<<63-1 {
				k.now = limit
			}
			return nil
		default:
			k.now = q.heap[0].at
			continue
		}
		if err := k.goesOn(); err != nil {
			return err
		}
	}
}

// fire pops and handles the next event.
func (k *Kernel) fire() {
	item := k.events.pop()
	s := &k.events.slots[item.slot]
	if p := s.proc; p != nil {
		if p.dead {
			k.events.release(item.slot)
			return
		}
		if p.node.paused {
			p.node.held = append(p.node.held, item)
			return
		}
	}
	h, arg, key := s.handler, s.arg, s.key()
	if k.trace.window != nil {
		k.trace.describe(TraceTimer, s.nodeName(), traceName(h))
	}
	if k.pace.suspects != nil {
		k.pace.suspect(suspect{node: s.nodeName(), timer: traceName(h)})
	}
	k.events.release(item.slot)
	k.stats.Events++
	k.step(TraceTimer, key, arg)
	h.HandleEvent(arg)
}

// runNext gives the processor to one runnable task.
func (k *Kernel) runNext() {
	t := k.pick()
	if t.state != taskRunnable {
		return
	}
	if n := t.proc.node; n.paused {
		n.heldTasks = append(n.heldTasks, t)
		return
	}
	k.stats.Switches++
	if k.trace.window != nil {
		k.trace.describe(TraceSwitch, t.proc.node.name, t.name)
	}
	if k.pace.suspects != nil {
		k.pace.suspect(suspect{node: t.proc.node.name, task: t.name})
	}
	k.step(TraceSwitch, t.key, 0)
	k.resume(t)
}

// step enters one step into the trace.
func (k *Kernel) step(kind TraceKind, key, arg uint64) {
	k.trace.step(kind, k.now, key, arg)
	if k.trace.steps&watchMask == 0 {
		k.watch.beat()
	}
}

// Close ends every task and frees their coroutines. The kernel's results
// remain readable.
func (k *Kernel) Close() error {
	if k.closed {
		return nil
	}
	if k.current != nil {
		panic("sim: Close called by a task: the goroutine that owns the world closes it")
	}
	k.closed = true
	for _, n := range k.nodes {
		if n.proc != nil && !n.proc.dead {
			n.proc.dead = true
			k.reap(n.proc)
		}
	}
	for _, w := range k.workers {
		w.stop()
	}
	k.workers = nil
	k.events = eventQueue{cancelled: k.events.cancelled}
	k.ready = runQueue{}
	return nil
}

var _ io.Closer = (*Kernel)(nil)
