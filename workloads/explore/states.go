package explore

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/weirlab/weir/linearizability"
	"github.com/weirlab/weir/workloads"
)

// State is somewhere that a run has been: a kind, such as "answer", and what it
// was, such as "Produce" and "NOT_LEADER_FOR_PARTITION".
type State struct{ Kind, State, Detail string }

// String is the state's name.
func (s State) String() string {
	name := s.Kind + ": " + s.State
	if s.Detail != "" {
		name += ", " + s.Detail
	}
	return name
}

// Compare orders states by kind and name.
func (s State) Compare(t State) int {
	return cmp.Or(strings.Compare(s.Kind, t.Kind), strings.Compare(s.State, t.State), strings.Compare(s.Detail, t.Detail))
}

// Kinds of states that are not told by programs.
const (
	kindPoint = "rare"    // a point at which something rare happened
	kindFault = "fault"   // a fault that struck, and what it was seen to do
	kindPair  = "faults"  // two faults that were under way at a time
	kindCheck = "checked" // a check that had something to look at
)

// Of lists the states that a run reached, each once, in order.
func Of(o *workloads.Outcome) []State {
	var list []State
	for _, s := range o.States {
		list = append(list, State{s.Kind, s.State, s.Detail})
	}
	for _, p := range o.Points {
		if p.Fired > 0 {
			list = append(list, State{Kind: kindPoint, State: p.Name})
		}
	}
	for i, f := range o.Faults {
		effect := linearizability.Shape(f.Effect)
		if effect == "" {
			effect = "no effect seen"
		}
		list = append(list, State{kindFault, string(f.Kind), effect})
		for _, other := range o.Faults[i+1:] {
			if f.Start < max(other.End, other.Start) && other.Start < max(f.End, f.Start) {
				a, b := string(f.Kind), string(other.Kind)
				list = append(list, State{kindPair, min(a, b), max(a, b)})
			}
		}
	}
	for _, c := range o.Verdict.Checks {
		if c.Inputs > 0 {
			list = append(list, State{Kind: kindCheck, State: c.Code})
		}
	}
	slices.SortFunc(list, State.Compare)
	return slices.Compact(list)
}

// Seen says how often a state was reached.
type Seen struct {
	Runs  int    // that reached it
	First string // the run that did so first
}

// Map is what many runs have reached.
type Map struct{ seen map[State]*Seen }

// Add counts what a run reached and returns what no run had before.
func (m *Map) Add(run string, states []State) (fresh []State) {
	if m.seen == nil {
		m.seen = map[State]*Seen{}
	}
	for _, s := range states {
		at := m.seen[s]
		if at == nil {
			at = &Seen{First: run}
			m.seen[s] = at
			fresh = append(fresh, s)
		}
		at.Runs++
	}
	return fresh
}

// States lists what was reached, in order.
func (m *Map) States() []State {
	list := make([]State, 0, len(m.seen))
	for s := range m.seen { //weir:ordered sorted below
		list = append(list, s)
	}
	slices.SortFunc(list, State.Compare)
	return list
}

// Seen says how often a state was reached.
func (m *Map) Seen(s State) Seen {
	if at := m.seen[s]; at != nil {
		return *at
	}
	return Seen{}
}

// Names lists the names of what was reached, in order of the states.
func (m *Map) Names() []string {
	names := make([]string, 0, len(m.seen))
	for _, s := range m.States() {
		names = append(names, s.String())
	}
	return names
}

// Text lists every state with the number of runs that reached it and the first
// of them, one a line.
func (m *Map) Text() string {
	var b strings.Builder
	for _, s := range m.States() {
		at := m.seen[s]
		fmt.Fprintf(&b, "%6d  %s  (first by %s)\n", at.Runs, s, at.First)
	}
	return b.String()
}
