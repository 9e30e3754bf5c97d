package sim

import (
	"fmt"
	"time"

	"github.com/weirlab/weir/env"
)

// CrashKind is how a process died.
type CrashKind uint8

const (
	// ProcessCrash is the death of the process alone: the machine's kernel
	// lives on, keeps the page cache and closes the connections.
	ProcessCrash CrashKind = iota
	// PowerLoss takes the whole machine: connections fall silent and what was
	// not synced may be gone.
	PowerLoss
)

// String names the kind.
func (c CrashKind) String() string {
	if c == PowerLoss {
		return "power-loss"
	}
	return "crash"
}

// Node is a simulated machine, on which at most one process lives at a time.
type Node struct {
	k    *Kernel
	name string
	id   int
	key  uint64 // identity in the trace hash

	schedKey   uint64
	schedDraws uint64
	preempt    *env.Rand
	changes    changePoints

	proc    *process // the latest incarnation; nil before the first
	epoch   int64    // number of processes started so far
	powered bool
	boots   int64 // how often it was powered on again
	paused  bool

	held      []heapItem // events that came due while paused
	heldTasks []*Task    // tasks whose turn came while paused

	network env.Network
	fs      env.FS

	cpu      *Processor
	price    Price
	stall    Stall
	work     map[string]*workOp
	heldWork WaitList // operations that give way while paused

	wakeup, timer latency

	wallOffset time.Duration
	driftPPM   int64
	driftSince time.Duration

	onCrash []func(CrashKind)
	onPower []func()
}

// NewNode adds a machine to the world, powered on and without a process. It
// panics if the name is taken.
func (k *Kernel) NewNode(name string) *Node {
	if k.byName[name] != nil {
		panic(fmt.Sprintf("sim: there is already a node named %q", name))
	}
	n := &Node{
		k:        k,
		name:     name,
		id:       len(k.nodes),
		key:      env.Mix64(env.HashString(name)),
		schedKey: env.NewRand(k.opts.Seed, "schedule", name).Uint64(),
		preempt:  env.NewRand(k.opts.Seed, "preempt", name).Salted(&k.salt),
		changes:  newChangePoints(k.opts, name),
		powered:  true,
	}
	k.nodes = append(k.nodes, n)
	k.byName[name] = n
	return n
}

// Node returns the machine of that name, or nil.
func (k *Kernel) Node(name string) *Node { return k.byName[name] }

// Nodes lists the machines in the order in which they were added.
func (k *Kernel) Nodes() []*Node { return k.nodes }

// Name is the machine's name.
func (n *Node) Name() string { return n.name }

// Kernel is the world the machine is in.
func (n *Node) Kernel() *Kernel { return n.k }

// SetNetwork gives the machine its network. Without one Listen and Dial fail.
func (n *Node) SetNetwork(net env.Network) { n.network = net }

// SetFS gives the machine its file system. Without one FS is empty and every
// call fails.
func (n *Node) SetFS(fs env.FS) { n.fs = fs }

// OnCrash has fn called when the machine's process dies, before its deferred
// functions run, and when a machine without a process loses power.
func (n *Node) OnCrash(fn func(CrashKind)) { n.onCrash = append(n.onCrash, fn) }

// OnPowerOn has fn called when the machine gets its power back.
func (n *Node) OnPowerOn(fn func()) { n.onPower = append(n.onPower, fn) }

// Start runs main as a task of the machine's process. If no process lives it
// begins a new one, powering the machine on if need be. The process does not
// end when main returns: it lives until it crashes.
func (n *Node) Start(name string, main func(env.Env)) env.Task {
	if n.k.closed {
		panic("sim: Start on a closed kernel")
	}
	n.PowerOn()
	p := n.process()
	return n.k.spawn(p, name, func() { main(p) })
}

// Env is the view of the machine's live process, beginning one if none lives.
// It serves callers outside of tasks for calls that do not block.
func (n *Node) Env() env.Env {
	n.PowerOn()
	return n.process()
}

func (n *Node) process() *process {
	if n.proc == nil || n.proc.dead {
		n.epoch++
		n.proc = &process{k: n.k, node: n, epoch: n.epoch}
		n.proc.lab = n.k.lab.hand(n.proc)
	}
	return n.proc
}

// Alive reports whether a process lives on the machine.
func (n *Node) Alive() bool { return n.proc != nil && !n.proc.dead }

// Powered reports whether the machine has power.
func (n *Node) Powered() bool { return n.powered }

// Paused reports whether the process is paused.
func (n *Node) Paused() bool { return n.paused }

// Epoch counts the processes the machine has had, the live one included.
func (n *Node) Epoch() int64 { return n.epoch }

// Crash kills the machine's process (SIGKILL). Deferred functions of its tasks
// run, but what they ask of the machine is not done.
func (n *Node) Crash() { n.die(ProcessCrash) }

// PowerOff takes the machine's power. It stays off until PowerOn or Start.
func (n *Node) PowerOff() { n.die(PowerLoss) }

// PowerOn gives the machine power again. No process starts by itself.
func (n *Node) PowerOn() {
	if n.powered {
		return
	}
	n.powered = true
	n.boots++
	n.note("power-on")
	for _, fn := range n.onPower {
		fn()
	}
}

// Pause stops the process from doing anything (SIGSTOP, a long collection, a
// stolen CPU) until Resume. Its timers come due when it resumes. The
// machine's kernel still receives what the network brings.
func (n *Node) Pause() {
	if n.paused || !n.Alive() {
		return
	}
	n.paused = true
	n.k.stats.Pauses++
	n.note("pause")
}

// Resume lets a paused process go on.
func (n *Node) Resume() {
	if !n.paused {
		return
	}
	n.note("resume")
	n.paused = false
	held, tasks := n.held, n.heldTasks
	n.held, n.heldTasks = nil, nil
	for _, item := range held {
		if n.k.events.live(item) {
			item.at = n.k.now
			n.k.events.insert(item)
		}
	}
	for _, t := range tasks {
		if t.state == taskRunnable {
			n.k.makeReady(t, false)
		}
	}
	if n.cpu != nil {
		n.cpu.requeue(&n.heldWork)
	}
}

// SetWallOffset makes the wall clock jump to d away from correct time.
func (n *Node) SetWallOffset(d time.Duration) {
	n.wallOffset = d
	n.driftSince = n.k.now
	n.note("wall-offset")
}

// SetWallDrift makes the wall clock gain ppm millionths of passing time, from
// now on and from its present offset; negative loses.
func (n *Node) SetWallDrift(ppm int64) {
	n.wallOffset = n.offset()
	n.driftSince = n.k.now
	n.driftPPM = ppm
	n.note("wall-drift")
}

func (n *Node) offset() time.Duration {
	if n.driftPPM == 0 {
		return n.wallOffset
	}
	micros := int64((n.k.now - n.driftSince) / time.Microsecond)
	return n.wallOffset + time.Duration(micros*n.driftPPM/1000)
}

func (n *Node) note(fault string) {
	k := n.k
	if k.trace.window != nil {
		k.trace.describe(TraceFault, n.name, fault)
	}
	k.step(TraceFault, n.key, env.HashString(fault))
}

func (n *Node) die(kind CrashKind) {
	hadPower, alive := n.powered, n.Alive()
	if kind == PowerLoss {
		n.powered = false
	}
	if !alive && (kind == ProcessCrash || !hadPower) {
		return
	}
	n.note(kind.String())
	k := n.k
	if alive {
		k.stats.Crashes++
		n.proc.dead = true
	}
	n.paused = false
	for _, item := range n.held {
		if k.events.live(item) {
			k.events.release(item.slot)
		}
	}
	n.held, n.heldTasks = nil, nil
	if alive && n.cpu != nil {
		n.cpu.drop(n.proc)
	}
	for _, fn := range n.onCrash {
		fn(kind)
	}
	if alive {
		k.reap(n.proc)
	}
	if alive && n.cpu != nil {
		n.cpu.next()
	}
}
