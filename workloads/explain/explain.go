package explain

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/linearizability/story"
	"github.com/weirlab/weir/sim"
	"github.com/weirlab/weir/workloads/scenario"
)

// Run simulates a plan, forked or not, and says of which kinds the failures are
// that it shows. It is called from several goroutines at a time.
type Run func(ctx context.Context, plan *scenario.Scenario, fork sim.Fork) (signatures []string, err error)

// Options bound what is run. The budget of time is the context's deadline.
type Options struct {
	Workers int // how many runs at a time; 0 means 1
	// Draws is how many forks there are at most at each time; 0 means
	// [DefaultDraws].
	Draws    int
	Progress func(done, of int)
}

// DefaultDraws is how many forks tell one chance in three from two in three.
const DefaultDraws = 16

// Of works out the forks of a failing plan at some times, and what each of its
// faults contributes. What there was no time for is missing from the end: the
// rounds are even, so that each time has as many forks as the next, or one more.
func Of(ctx context.Context, plan *scenario.Scenario, signature string, times []time.Duration, run Run, o Options) ([]story.Fork, []story.Contribution) {
	if o.Draws == 0 {
		o.Draws = DefaultDraws
	}
	w := &work{ctx: ctx, o: o, of: len(plan.Faults.Plan)*(1+o.Draws) + (len(times)+1)*o.Draws}
	fails := func(p *scenario.Scenario, fork sim.Fork) (same, other bool, ok bool) {
		found, err := run(ctx, p, fork)
		if err != nil || ctx.Err() != nil {
			return false, false, false
		}
		same = slices.Contains(found, signature)
		return same, !same && len(found) > 0, true
	}
	forks := make([]story.Fork, len(times))
	for i, at := range times {
		forks[i].At = at
	}
	without := make([]*scenario.Scenario, len(plan.Faults.Plan))
	parts := make([]story.Contribution, len(plan.Faults.Plan))
	known := make([]bool, len(parts))
	for i, f := range plan.Faults.Plan {
		p := *plan
		p.Faults.Plan = slices.Delete(slices.Clone(plan.Faults.Plan), i, i+1)
		without[i], parts[i].Fault = &p, f.String()
	}
	w.each(len(parts), func(i int) {
		same, other, ok := fails(without[i], sim.Fork{})
		parts[i].Same, parts[i].Other, known[i] = same, other, ok
	})
	for draw := range o.Draws {
		// One number for each draw, so that all times and all plans are asked the
		// same.
		seed := env.NewRand(uint64(plan.Seed), "explain", "draw").Uint64() + uint64(draw) + 1
		w.each(len(forks), func(i int) {
			if same, _, ok := fails(plan, sim.Fork{At: forks[i].At, Seed: seed}); ok {
				forks[i].Runs++
				forks[i].Failed += one(same)
			}
		})
		if len(parts) == 0 {
			continue
		}
		with, asked := 0, false
		w.each(1, func(int) {
			same, _, ok := fails(plan, sim.Fork{Seed: seed})
			with, asked = one(same), ok
		})
		if !asked {
			break
		}
		w.each(len(parts), func(i int) {
			if same, _, ok := fails(without[i], sim.Fork{Seed: seed}); ok {
				parts[i].Runs++
				parts[i].With += with
				parts[i].Without += one(same)
			}
		})
	}
	forks = slices.DeleteFunc(forks, func(f story.Fork) bool { return f.Runs == 0 })
	kept := parts[:0]
	for i, p := range parts {
		if known[i] {
			kept = append(kept, p)
		}
	}
	return forks, kept
}

func one(b bool) int {
	if b {
		return 1
	}
	return 0
}

// work shares runs out.
type work struct {
	ctx  context.Context
	o    Options
	of   int
	mu   sync.Mutex
	done int
}

// each calls fn for 0 to n-1, several at a time, until the context ends.
func (w *work) each(n int, fn func(i int)) {
	var all sync.WaitGroup
	next := make(chan int)
	for range min(max(1, w.o.Workers), n) {
		all.Go(func() {
			for i := range next {
				fn(i)
				w.mu.Lock()
				w.done++
				if w.o.Progress != nil {
					w.o.Progress(w.done, w.of)
				}
				w.mu.Unlock()
			}
		})
	}
	for i := range n {
		if w.ctx.Err() != nil {
			break
		}
		next <- i
	}
	close(next)
	all.Wait()
}

// Times are when it is worth asking how likely a story's end was: before the
// load, and just before each of its steps.
func Times(s *story.Story, loadStart time.Duration) []time.Duration {
	const before = time.Millisecond
	times := []time.Duration{loadStart}
	for _, step := range s.Steps {
		if at := step.At - before; at > times[len(times)-1]+before {
			times = append(times, at)
		}
	}
	return times
}
