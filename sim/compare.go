package sim

import (
	"fmt"
	"slices"
)

// Mismatch is proof that a run is not a function of its seed: two runs that
// should have been the same, and the first step in which they differ.
type Mismatch struct {
	First, Second Trace

	// From and To bound the steps among which the first difference lies.
	From, To uint64

	// A and B are the first differing step of each run, nil if that run ended
	// before, or if repeating the runs did not show the difference again.
	A, B *TraceEvent

	// Before holds the last steps that both runs had in common.
	Before []TraceEvent
}

// Error says where the runs part.
func (m *Mismatch) Error() string {
	s := fmt.Sprintf("not deterministic: two runs of one seed differ (hash %016x after %d steps, %016x after %d), first between steps %d and %d",
		m.First.Hash, m.First.Steps, m.Second.Hash, m.Second.Steps, m.From, m.To)
	if m.A == nil && m.B == nil {
		return s + "; repeating them did not show the difference again, so it comes and goes"
	}
	for _, e := range m.Before {
		s += "\n  both   " + e.String()
	}
	show := func(which string, e *TraceEvent) {
		if e == nil {
			s += "\n  " + which + " (ended)"
			return
		}
		s += "\n  " + which + " " + e.String()
	}
	show("first ", m.A)
	show("second", m.B)
	return s
}

// contextSteps is how many common steps a Mismatch shows.
const contextSteps = 8

// FirstDifference finds the steps [from, to) among which two traces part,
// using their checkpoints. It reports false if the traces are equal.
func FirstDifference(a, b Trace) (from, to uint64, differ bool) {
	if a.Hash == b.Hash && a.Steps == b.Steps {
		return 0, 0, false
	}
	for i := range min(len(a.Checkpoints), len(b.Checkpoints)) {
		ca, cb := a.Checkpoints[i], b.Checkpoints[i]
		if ca != cb {
			return from, max(ca.Step, cb.Step), true
		}
		from = ca.Step
	}
	return from, max(a.Steps, b.Steps) + 1, true
}

// CompareRuns calls run twice and compares the traces it returns. If they
// differ it runs twice more, keeping the steps around the difference. run must
// build its world anew from the same seed, put window (which may be nil) into
// its [Options], and return [Kernel.Trace]. A nil result means the runs were
// the same.
func CompareRuns(run func(window *Window) Trace) *Mismatch {
	first, second := run(nil), run(nil)
	from, to, differ := FirstDifference(first, second)
	if !differ {
		return nil
	}
	m := &Mismatch{First: first, Second: second, From: from, To: to}
	low := from - min(from, contextSteps)
	a, b := &Window{From: low, To: to}, &Window{From: low, To: to}
	run(a)
	run(b)
	i := 0
	for i < len(a.Events) && i < len(b.Events) && a.Events[i] == b.Events[i] {
		i++
	}
	m.Before = slices.Clone(a.Events[max(0, i-contextSteps):i])
	if i < len(a.Events) {
		m.A = &a.Events[i]
	}
	if i < len(b.Events) {
		m.B = &b.Events[i]
	}
	return m
}
