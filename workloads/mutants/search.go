package mutants

import (
	"context"
	"slices"
	"time"

	"github.com/weirlab/weir/faults"
	"github.com/weirlab/weir/workloads/scenario"
)

// Outcome is what came of one run.
type Outcome struct {
	Hash     string        `json:"hash"`               // of its trace
	Asked    []string      `json:"asked,omitempty"`    // names of the bugs asked for, of a run without any
	Findings []Finding     `json:"findings,omitempty"` // the first of each code, in order
	CPU      time.Duration `json:"cpu_ns"`
}

// Finding is something that a check found.
type Finding struct {
	Code      string `json:"code"`
	Sentence  string `json:"sentence"`
	Signature string `json:"signature"` // the kind of it
}

// CodeError is the code of a finding that no check made: the run itself failed, by
// a program that panics or an end that does not come.
const CodeError = "error"

// Runner runs one seed with the bug planted, or with none ("").
type Runner func(ctx context.Context, seed scenario.Seed, bug string) Outcome

// Options say how to search.
type Options struct {
	Bugs  []faults.Bug
	From  scenario.Seed
	Seeds int           // at most, per bug
	CPU   time.Duration // at most, per bug, in runs with it; 0 for no limit
	// Unreached is after how many seeds a bug is given up that none of them has
	// reached; 0 for never.
	Unreached int
	Run       Runner

	// Progress, if set, is called after each seed.
	Progress func(s *Score)
}

// Search looks for every bug, seed by seed, those that are found no more. It ends
// when all are found, or their budgets are spent, or ctx is done.
func Search(ctx context.Context, o Options) *Score {
	s := &Score{From: o.From}
	for _, b := range o.Bugs {
		s.Rows = append(s.Rows, newRow(b))
	}
	for n := range o.Seeds {
		open := s.open(&o)
		if len(open) == 0 || ctx.Err() != nil {
			break
		}
		s.look(ctx, &o, o.From+scenario.Seed(n), open)
		if o.Progress != nil {
			o.Progress(s)
		}
	}
	return s
}

// open lists the bugs that are still looked for.
func (s *Score) open(o *Options) []*Row {
	var open []*Row
	for _, r := range s.Rows {
		r.Spent = r.Find == nil && (o.CPU > 0 && r.CPU >= o.CPU || o.Unreached > 0 && r.Asked == 0 && r.Seeds >= o.Unreached)
		if r.Find == nil && r.Equivalent == "" && !r.Spent {
			open = append(open, r)
		}
	}
	return open
}

// look tries one seed.
func (s *Score) look(ctx context.Context, o *Options, seed scenario.Seed, open []*Row) {
	base := o.Run(ctx, seed, "")
	if ctx.Err() != nil {
		return
	}
	s.Seeds++
	s.BaseCPU += base.CPU
	if len(base.Findings) > 0 {
		s.Alarms = append(s.Alarms, seed)
		for _, r := range open {
			r.Skipped++
		}
		return
	}
	asked := map[string]bool{}
	for _, name := range base.Asked {
		asked[name] = true
	}
	for _, r := range open {
		if !asked[r.Name] {
			r.Seeds++
			continue
		}
		out := o.Run(ctx, seed, r.Name)
		if ctx.Err() != nil {
			return
		}
		r.take(seed, &base, &out)
	}
}

// take notes what came of a run with the bug.
func (r *Row) take(seed scenario.Seed, base, out *Outcome) {
	r.Seeds++
	r.Asked++
	r.CPU += out.CPU
	if out.Hash != base.Hash || len(out.Findings) > 0 {
		r.Differed++
	}
	if f := out.find(seed, r.Checks); f != nil {
		r.Find = f
	} else if r.Noticed == nil && len(out.Findings) > 0 {
		r.Noticed = &Find{Seed: seed, Finding: out.Findings[0]}
	}
}

// find is the first finding of one of the checks.
func (o *Outcome) find(seed scenario.Seed, checks []string) *Find {
	for _, f := range o.Findings {
		if slices.Contains(checks, f.Code) {
			return &Find{Seed: seed, Finding: f}
		}
	}
	return nil
}
