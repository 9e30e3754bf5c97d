package sim

import (
	"bytes"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// TaskInfo describes a live task.
type TaskInfo struct {
	Node    string
	Name    string
	Waiting string // what it is parked for; "" if it can run
	Stack   string // empty for a task that has not begun
}

// Tasks describes the live tasks, by node and age.
func (k *Kernel) Tasks() []TaskInfo {
	stacks := goroutineStacks()
	var out []TaskInfo
	for _, n := range k.nodes {
		if n.proc == nil {
			continue
		}
		for t := n.proc.oldest; t != nil; t = t.younger {
			info := TaskInfo{Node: n.name, Name: t.name}
			if t.state == taskParked {
				info.Waiting = t.why
			}
			if t.w != nil {
				info.Stack = stacks[t.w.goid]
			}
			out = append(out, info)
		}
	}
	return out
}

// DumpTasks renders tasks for people, with their stacks.
func DumpTasks(tasks []TaskInfo) string {
	var b strings.Builder
	for _, t := range tasks {
		state := "can run"
		if t.Waiting != "" {
			state = "waits for " + t.Waiting
		}
		fmt.Fprintf(&b, "%s: task %q %s\n", t.Node, t.Name, state)
		for line := range strings.Lines(t.Stack) {
			b.WriteString("    " + line)
		}
	}
	return b.String()
}

// DeadlockError says that nothing is left to happen while tasks still wait.
type DeadlockError struct {
	At    time.Duration
	Tasks []TaskInfo
}

// Error lists the waiting tasks with their stacks.
func (e *DeadlockError) Error() string {
	return fmt.Sprintf("deadlock at %v: no event is pending and none of the %d tasks can run\n%s",
		e.At, len(e.Tasks), DumpTasks(e.Tasks))
}

// LeftoverError says that a world that should have ended has tasks left.
type LeftoverError struct {
	At    time.Duration
	Tasks []TaskInfo
}

// Error lists the tasks with their stacks.
func (e *LeftoverError) Error() string {
	return fmt.Sprintf("the world should have ended, and at %v has %d tasks left\n%s", e.At, len(e.Tasks), DumpTasks(e.Tasks))
}

// watchMask is how often the scheduler tells the watchdog that it moves.
const watchMask = 1<<10 - 1

// watchdog notices a task that never gives the processor back: an endless
// loop, or a wait for something outside the simulation.
type watchdog struct {
	k     *Kernel
	every time.Duration
	beats atomic.Uint64
	seen  uint64
	on    atomic.Bool // a run is in progress
	timer *time.Timer
}

func (w *watchdog) init(k *Kernel) {
	w.k = k
	if k.opts.Watchdog > 0 && runtime.GOARCH != "wasm" {
		w.every = k.opts.Watchdog
	}
}

func (w *watchdog) beat() { w.beats.Add(1) }

func (w *watchdog) start() {
	if w.every == 0 {
		return
	}
	w.beats.Add(1)
	w.on.Store(true)
	if w.timer == nil {
		w.timer = time.AfterFunc(w.every, w.check) //weir:realtime watches real time on purpose
	} else {
		w.timer.Reset(w.every)
	}
}

func (w *watchdog) stop() {
	if w.timer != nil {
		w.on.Store(false)
		w.timer.Stop()
	}
}

// check runs on a goroutine of its own. When it finds the world stuck it reads
// the kernel without synchronisation: there is nothing to synchronise with.
func (w *watchdog) check() {
	if !w.on.Load() {
		return // it was on its way when the run ended
	}
	now := w.beats.Load()
	if now != w.seen {
		w.seen = now
		w.timer.Reset(w.every)
		return
	}
	who := "the kernel or one of its callbacks"
	if t := w.k.current; t != nil {
		who = fmt.Sprintf("task %q of %s", t.name, t.proc.node.name)
	}
	dump := fmt.Sprintf("sim: %s has not given the processor back for %v (simulated time %v)\n%s",
		who, w.every, w.k.now, DumpTasks(w.k.Tasks()))
	if w.k.opts.Stuck == nil {
		panic(dump)
	}
	w.k.opts.Stuck(who, dump)
}

// goroutineID is the number of the calling goroutine, which the runtime tells
// only in stack traces.
func goroutineID() int64 {
	var buf [40]byte
	id, _ := parseGoroutineID(buf[:runtime.Stack(buf[:], false)])
	return id
}

func parseGoroutineID(header []byte) (int64, bool) {
	rest, ok := bytes.CutPrefix(header, []byte("goroutine "))
	if !ok {
		return 0, false
	}
	digits, _, _ := bytes.Cut(rest, []byte(" "))
	id, err := strconv.ParseInt(string(digits), 10, 64)
	return id, err == nil
}

// goroutineStacks is the stack of every goroutine by its number.
func goroutineStacks() map[int64]string {
	buf := make([]byte, 1<<20)
	for {
		n := runtime.Stack(buf, true)
		if n < len(buf) || len(buf) >= 64<<20 {
			buf = buf[:n]
			break
		}
		buf = make([]byte, 4*len(buf))
	}
	stacks := make(map[int64]string)
	for _, one := range bytes.Split(buf, []byte("\n\n")) {
		if id, ok := parseGoroutineID(one); ok {
			stacks[id] = string(one) + "\n"
		}
	}
	return stacks
}
