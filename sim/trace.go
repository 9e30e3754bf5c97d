package sim

import (
	"fmt"
	"time"

	"github.com/weirlab/weir/env"
)

// TraceKind says what a step of the trace was.
type TraceKind uint8

const (
	TraceTimer  TraceKind = 1 + iota // an event fired
	TraceSwitch                      // a task was given the processor
	TraceNote                        // something was entered with Note or Event
	TraceFault                       // a node crashed, paused, resumed, lost or got power
)

// String names the kind.
func (k TraceKind) String() string {
	switch k {
	case TraceTimer:
		return "timer"
	case TraceSwitch:
		return "switch"
	case TraceNote:
		return "note"
	case TraceFault:
		return "fault"
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// golden is 2^64 divided by the golden ratio, the increment of SplitMix64.
const golden = 0x9e3779b97f4a7c15

// Checkpoint is the trace hash after a number of steps.
type Checkpoint struct {
	Step uint64        `json:"step"`
	At   time.Duration `json:"at_ns"`
	Hash uint64        `json:"hash,string"`
}

// TraceEvent is one step of a run, kept only inside a [Window].
type TraceEvent struct {
	Step uint64
	At   time.Duration
	Kind TraceKind
	Node string // "" for the world
	Name string // of the task, timer, event or fault
	Key  uint64 // identity of the task or node, as hashed
	Arg  uint64 // as hashed
}

// String renders the step on one line.
func (e TraceEvent) String() string {
	node := e.Node
	if node == "" {
		node = "world"
	}
	return fmt.Sprintf("step %d at %v: %s %s %q key=%016x arg=%#x", e.Step, e.At, e.Kind, node, e.Name, e.Key, e.Arg)
}

// Window keeps the trace events of the steps in [From, To). It is what shows
// the first event in which two runs differ.
type Window struct {
	From, To uint64
	Events   []TraceEvent
}

// Trace is what a run leaves behind to be compared with another of its seed.
type Trace struct {
	Hash        uint64
	Steps       uint64
	Checkpoints []Checkpoint
}

// tracer folds every step into a 64-bit hash.
type tracer struct {
	hash        uint64
	steps       uint64
	next        uint64 // step of the next checkpoint
	every       uint64
	checkpoints []Checkpoint
	window      *Window
	kind        TraceKind // of the step described last
	node, name  string
}

func (t *tracer) init(o Options) {
	t.hash = env.Mix64(o.Seed ^ golden)
	t.every = o.CheckpointSteps
	t.next = t.every
	t.window = o.Window
}

// describe gives the names of the step that is about to be entered. Only
// called when there is a window, for names cost time.
func (t *tracer) describe(kind TraceKind, node, name string) {
	t.kind, t.node, t.name = kind, node, name
}

func (t *tracer) step(kind TraceKind, at time.Duration, key, arg uint64) {
	if t.window != nil {
		t.keep(kind, at, key, arg)
	}
	t.hash = env.Mix64(t.hash ^ uint64(at)*golden ^ key ^ uint64(kind)<<56)
	if arg != 0 {
		t.hash = env.Mix64(t.hash ^ arg)
	}
	t.steps++
	if t.steps == t.next {
		t.checkpoints = append(t.checkpoints, Checkpoint{t.steps, at, t.hash})
		t.next += t.every
	}
}

func (t *tracer) keep(kind TraceKind, at time.Duration, key, arg uint64) {
	w := t.window
	if t.steps < w.From || t.steps >= w.To {
		return
	}
	e := TraceEvent{Step: t.steps, At: at, Kind: kind, Key: key, Arg: arg}
	if t.kind == kind {
		e.Node, e.Name = t.node, t.name
	}
	t.kind = 0
	w.Events = append(w.Events, e)
}

// TraceHash is the hash over every step so far.
func (k *Kernel) TraceHash() uint64 { return k.trace.hash }

// Checkpoints are the hashes taken on the way.
func (k *Kernel) Checkpoints() []Checkpoint { return k.trace.checkpoints }

// Trace returns hash, step count and checkpoints together.
func (k *Kernel) Trace() Trace {
	return Trace{Hash: k.trace.hash, Steps: k.trace.steps, Checkpoints: k.trace.checkpoints}
}

// Note enters value into the trace hash under a name: networks and disks note
// the checksum of what passes through them, so that a byte which differs
// between two runs is found where it first appears.
func (k *Kernel) Note(n *Node, name string, key, value uint64) {
	if k.trace.window != nil {
		node := ""
		if n != nil {
			node = n.name
		}
		k.trace.describe(TraceNote, node, name)
	}
	if n != nil {
		key ^= n.key
	}
	k.trace.step(TraceNote, k.now, key, value)
}

func traceName(h Handler) string {
	if n, ok := h.(TraceNamer); ok {
		return n.TraceName()
	}
	return fmt.Sprintf("%T", h)
}
