package explore

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/workloads/scenario"
)

// Run is one run of a search.
type Run struct {
	Number int
	// Plan is what ran. It is kept if it was somewhere new or failed.
	Plan *scenario.Scenario
	// Of is the number of the run whose plan was changed, -1 if the plan was
	// drawn by its seed; Change says how.
	Of     int
	Change string
	// Fresh are the states that no run before reached.
	Fresh []State
	// Result is what the search's caller made of the run.
	Result any
}

// Name is how the run is called in reports.
func (r *Run) Name() string { return fmt.Sprintf("run %d", r.Number) }

// Drawn reports whether the plan was drawn by its seed rather than changed.
func (r *Run) Drawn() bool { return r.Of < 0 }

// Options say how to search.
type Options struct {
	Base *scenario.Scenario // what plans are drawn from, from its seed on
	Runs int
	// Percent is how many of a hundred runs are of changed plans, once a plan is
	// kept.
	Percent int
	Workers int // runs at a time; changes nothing but how long it takes

	// Run simulates a plan. It is called by several goroutines at a time.
	Run func(ctx context.Context, plan *scenario.Scenario) (states []State, result any, err error)
	// Done is called after each run, in order of their numbers.
	Done func(*Run)
}

// round is how many runs are chosen at a time: what is learnt from them helps to
// choose the next.
const round = 16

// mostChanges is how many changes are made to a plan at a time, at most.
const mostChanges = 3

// Summary is what came of a search.
type Summary struct {
	Map
	Runs    [2]int // of drawn plans and of changed ones
	Fresh   [2]int // states that these reached first
	Kept    int
	Stopped bool // before all runs were done
}

// Search runs it. An error of a run ends it.
func Search(ctx context.Context, o Options) (*Summary, error) {
	s := &Summary{}
	m := &Mutator{Base: o.Base}
	var kept []*Run
	seed := o.Base.Seed
	for number := 0; number < o.Runs; {
		runs := make([]*Run, min(round, o.Runs-number))
		for i := range runs {
			r := env.NewRand(uint64(o.Base.Seed), "explore", fmt.Sprint(number))
			runs[i] = o.choose(m, kept, r, &seed)
			runs[i].Number = number
			number++
		}
		reached, err := o.simulate(ctx, runs)
		if err != nil {
			return s, err
		}
		for i, run := range runs {
			if reached[i] == nil {
				s.Stopped = true
				return s, nil
			}
			of := 1
			if run.Drawn() {
				of = 0
			}
			run.Fresh = s.Add(run.Name(), *reached[i])
			s.Runs[of]++
			s.Fresh[of] += len(run.Fresh)
			if len(run.Fresh) > 0 {
				kept = append(kept, run)
				s.Kept++
			}
			o.Done(run)
		}
	}
	return s, nil
}

// choose draws the next plan, or changes one that is kept. The newest are changed
// as often as all others together: they are what the search has not yet looked
// around.
func (o *Options) choose(m *Mutator, kept []*Run, r *env.Rand, seed *scenario.Seed) *Run {
	if len(kept) > 0 && r.Chance(int64(o.Percent), 100) {
		among := kept
		if r.Chance(1, 2) {
			among = kept[max(0, len(kept)-round):]
		}
		parent := among[r.Intn(len(among))]
		plan, what := parent.Plan, []string(nil)
		for range 1 + r.Intn(mostChanges) {
			if mutant, change := m.Mutate(plan, r); mutant != nil {
				plan, what = mutant, append(what, change)
			}
		}
		if len(what) > 0 {
			return &Run{Plan: plan, Of: parent.Number, Change: strings.Join(what, "; ")}
		}
	}
	one := *o.Base
	one.Seed = *seed
	*seed++
	return &Run{Plan: one.Resolve(), Of: -1}
}

// simulate runs plans side by side. What a run did not come to reach is nil.
func (o *Options) simulate(ctx context.Context, runs []*Run) ([]*[]State, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var (
		wg      sync.WaitGroup
		mu      sync.Mutex
		next    int
		failure error
		reached = make([]*[]State, len(runs))
	)
	for range min(o.Workers, len(runs)) {
		wg.Go(func() {
			for {
				mu.Lock()
				i := next
				next++
				mu.Unlock()
				if i >= len(runs) || ctx.Err() != nil {
					return
				}
				states, result, err := o.Run(ctx, runs[i].Plan)
				mu.Lock()
				if err != nil && ctx.Err() == nil {
					failure = fmt.Errorf("explore: %s: %w", runs[i].Name(), err)
					cancel(failure)
				}
				if ctx.Err() == nil {
					runs[i].Result, reached[i] = result, &states
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return reached, failure
}
