package osenv

import (
	"cmp"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
)

// Holding is something a program has of the system and has not given back: a
// task that runs, a timer that is pending, a file, a listener or a connection
// that is open.
type Holding struct {
	Kind string // "task", "timer", "file", "listener" or "connection"
	Name string // of the task or file, or the addresses

	callers []uintptr
}

// String names the holding and where the program took it, innermost call
// first.
func (h Holding) String() string {
	var s strings.Builder
	fmt.Fprintf(&s, "%s %s", h.Kind, h.Name)
	frames := runtime.CallersFrames(h.callers)
	for more := len(h.callers) > 0; more; {
		var f runtime.Frame
		f, more = frames.Next()
		if strings.HasPrefix(f.Function, "runtime.") || strings.HasPrefix(f.Function, "testing.") {
			continue
		}
		fmt.Fprintf(&s, "\n    %s (%s:%d)", f.Function, filepath.Base(f.File), f.Line)
	}
	return s.String()
}

// holdings keeps account of what a program holds. The nil holdings keep none
// and cost nothing.
type holdings struct {
	mu    sync.Mutex
	next  uint64
	taken map[uint64]Holding
}

func newHoldings() *holdings { return &holdings{taken: make(map[uint64]Holding)} }

// held is the entry of one holding; nil where no account is kept.
type held struct {
	in *holdings
	id uint64
}

// take enters a holding on behalf of the caller of the caller.
func (h *holdings) take(kind, name string) *held {
	if h == nil {
		return nil
	}
	callers := make([]uintptr, 16)
	callers = callers[:runtime.Callers(3, callers)]
	h.mu.Lock()
	defer h.mu.Unlock()
	h.next++
	h.taken[h.next] = Holding{Kind: kind, Name: name, callers: callers}
	return &held{in: h, id: h.next}
}

// becomes changes the kind of the holding.
func (h *held) becomes(kind string) {
	h.in.mu.Lock()
	defer h.in.mu.Unlock()
	entry := h.in.taken[h.id]
	entry.Kind = kind
	h.in.taken[h.id] = entry
}

// giveBack strikes the holding out. Doing so again changes nothing.
func (h *held) giveBack() {
	if h == nil {
		return
	}
	h.in.mu.Lock()
	defer h.in.mu.Unlock()
	delete(h.in.taken, h.id)
}

// Holdings tells what the program holds, the oldest first. It is empty unless
// the Env was made with [Options.KeepAccount].
func (e *Env) Holdings() []Holding {
	h := e.holdings
	if h == nil {
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	ids := make([]uint64, 0, len(h.taken))
	for id := range h.taken {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, cmp.Compare[uint64])
	list := make([]Holding, 0, len(ids))
	for _, id := range ids {
		list = append(list, h.taken[id])
	}
	return list
}
