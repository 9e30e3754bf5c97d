package workloads

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/weirlab/weir/linearizability"
	"github.com/weirlab/weir/workloads/target"
)

// orAbandon runs a simulation on a goroutine of its own and returns what it does,
// or, once stuck has been called, an outcome that says so. Nothing in Go ends a
// goroutine that does not want to: it is left to itself, and nothing that it may
// still touch is looked at.
func orAbandon(simulate func(stuck func(who, dump string)) (*Outcome, error)) (*Outcome, error) {
	type end struct {
		out    *Outcome
		err    error
		broken string // what it panicked with
		whole  bool   // it returned, and did not end its goroutine
	}
	ended, stuck := make(chan end, 1), make(chan *Outcome, 1)
	go func() {
		var e end
		defer func() {
			if r := recover(); r != nil {
				e.broken = fmt.Sprintf("%v\n%s", r, debug.Stack())
			}
			ended <- e
		}()
		e.out, e.err = simulate(func(who, dump string) {
			select {
			case stuck <- abandoned(who, dump):
			default:
			}
		})
		e.whole = true
	}()
	select {
	case out := <-stuck:
		return out, nil
	case e := <-ended:
		switch {
		case e.broken != "":
			panic(e.broken)
		case !e.whole:
			runtime.Goexit() // as t.FailNow does in a program of a test
		}
		return e.out, e.err
	}
}

// abandoned is the outcome of a run whose simulator does not come back.
func abandoned(who, dump string) *Outcome {
	f := linearizability.Finding{
		Code: target.CodeProgress, Sentence: who + " never gives the processor back",
		Offset: linearizability.None, Evidence: []string{dump}, Count: 1,
	}
	return &Outcome{
		Verdict:     linearizability.Verdict{Status: linearizability.Failed, Findings: []linearizability.Finding{f}},
		Interrupted: f.Sentence, Abandoned: true,
	}
}
