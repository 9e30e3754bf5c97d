package shrink

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/weirlab/weir/workloads/scenario"
)

// Run runs an explicit plan and says of which kinds the failures are that it
// shows. It is called from several goroutines at a time. An error says that the
// plan could not be run: it is left alone.
type Run func(ctx context.Context, plan *scenario.Scenario) (signatures []string, err error)

// Options bound a search and say who is told about it.
type Options struct {
	// Workers is how many plans run at a time; 0 means 1. It does not change
	// what is found.
	Workers int
	// Tries is how many plans may be run; 0 means as many as it takes. A budget
	// of time is the deadline of the context.
	Tries int
	// Progress, if set, is called after each plan that was run, and Better with
	// each that is smaller and still fails; neither from two goroutines at once.
	Progress func(Progress)
	Better   func(plan *scenario.Scenario, p Progress)
}

// Progress is how far a search is.
type Progress struct {
	Doing string // "leaving out faults"
	Tried int    // plans run
	Kept  int    // of them still failed, and were smaller
}

// Result is the smallest plan found.
type Result struct {
	Plan  *scenario.Scenario
	Tried int
	Kept  int
	// Whole says that the search came to its end: nothing more can be taken
	// from the plan. If not, a budget ran out or the context was canceled.
	Whole bool
}

// ErrPasses is that a plan does not fail in the way that was to be kept.
var ErrPasses = errors.New("the plan does not fail in this way")

// Shrink looks for the smallest plan that shows signature. plan must be
// explicit; it is run first, and that it does not fail is [ErrPasses].
// Canceling ctx, or its deadline, ends the search with the best plan so far.
func Shrink(ctx context.Context, plan *scenario.Scenario, signature string, run Run, o Options) (Result, error) {
	s := &search{ctx: ctx, run: run, signature: signature, o: o, tried: map[string]bool{}}
	best, err := read(plan)
	if err != nil {
		return Result{}, fmt.Errorf("shrink: %w", err)
	}
	s.best = best
	switch fails, err := s.attempt(best); {
	case err != nil:
		return Result{}, fmt.Errorf("shrink: %w", err)
	case ctx.Err() != nil:
		return Result{}, context.Cause(ctx)
	case !fails:
		return Result{}, ErrPasses
	}
	s.count, s.tried[best.text] = 1, true
	for {
		before := s.kept
		for _, p := range passes() {
			s.doing = p.doing
			p.run(s)
		}
		if s.kept == before || s.over() {
			break
		}
	}
	return Result{Plan: s.best.plan, Tried: s.count, Kept: s.kept, Whole: !s.over()}, nil
}

// search is a search under way.
type search struct {
	ctx       context.Context
	run       Run
	signature string
	o         Options

	best  *candidate
	tried map[string]bool // texts of plans that were run
	count int
	kept  int
	doing string
}

// over says whether the search must end.
func (s *search) over() bool {
	return s.ctx.Err() != nil || s.o.Tries > 0 && s.count >= s.o.Tries
}

// attempt says whether a plan fails in the same way.
func (s *search) attempt(c *candidate) (bool, error) {
	found, err := s.run(s.ctx, c.plan)
	return err == nil && slices.Contains(found, s.signature), err
}

// first runs the plans that edits make of the best one, and keeps the first in
// their order that still fails. It returns which that was, -1 if none.
func (s *search) first(edits []edit) int {
	type try struct {
		of int // index of the edit
		c  *candidate
	}
	var tries []try
	seen := map[string]bool{}
	for i, e := range edits {
		c := s.best.edited(e)
		if c == nil || s.tried[c.text] || seen[c.text] {
			continue
		}
		seen[c.text] = true
		tries = append(tries, try{i, c})
	}
	workers := max(1, s.o.Workers)
	for len(tries) > 0 && !s.over() {
		batch := tries[:min(workers, len(tries))]
		if s.o.Tries > 0 {
			batch = batch[:min(len(batch), s.o.Tries-s.count)]
		}
		tries = tries[len(batch):]
		fails := make([]bool, len(batch))
		var all sync.WaitGroup
		for i := range batch {
			all.Go(func() { fails[i], _ = s.attempt(batch[i].c) })
		}
		all.Wait()
		if s.ctx.Err() != nil && !slices.Contains(fails, true) {
			return -1 // what was cut short has said nothing
		}
		for i, t := range batch {
			s.count++
			s.tried[t.c.text] = true
			if fails[i] {
				s.kept++
				s.best = t.c
				s.told(true)
				return t.of
			}
			s.told(false)
		}
	}
	return -1
}

func (s *search) told(better bool) {
	p := Progress{Doing: s.doing, Tried: s.count, Kept: s.kept}
	if better && s.o.Better != nil {
		s.o.Better(s.best.plan, p)
	}
	if s.o.Progress != nil {
		s.o.Progress(p)
	}
}

// repeat applies edits made from the best plan until none helps.
func (s *search) repeat(edits func(*candidate) []edit) {
	for !s.over() && s.first(edits(s.best)) >= 0 {
	}
}

// each walks things one after the other: edits makes the edits of the nth, of
// which the first that helps is kept.
func (s *search) each(count func(*candidate) int, edits func(c *candidate, n int) []edit) {
	for n := 0; n < count(s.best) && !s.over(); n++ {
		s.first(edits(s.best, n))
	}
}
