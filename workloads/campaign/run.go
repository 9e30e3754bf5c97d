package campaign

import (
	"context"
	"sync"
	"time"
)

// Options say how to run the seeds of a journal's campaign.
type Options struct {
	Workers int
	// FailFast ends the campaign after so many failing seeds; 0 runs all.
	FailFast int
	// Budget is how long to work; 0 knows no end. Seeds that run when it is over
	// come to theirs, so that no ordinal before the last is left out.
	Budget time.Duration
	// Simulate runs one seed. It is called by Workers goroutines.
	Simulate func(ctx context.Context, ordinal int) Result
	// Done, if set, is told of each result, one at a time.
	Done func(Result)
}

// Run runs the ordinals of the journal's shards that are not in it yet and
// closes it. It returns how the campaign ended, "" if ctx was cancelled. An
// error is one of the journal: a campaign whose results cannot be written stops.
func Run(ctx context.Context, j *Journal, o Options) (ended string, err error) {
	started := time.Now()
	work, cancel := context.WithCancel(ctx)
	defer cancel()
	done := map[int]bool{}
	failing := 0
	for _, r := range j.Before {
		done[r.Ordinal] = true
		if !r.Passed() {
			failing++
		}
	}
	var (
		mu   sync.Mutex
		wg   sync.WaitGroup
		next int
	)
	ended = Complete
	if o.FailFast > 0 && failing >= o.FailFast {
		ended = FailFast
	}
	// take is the next ordinal, false if there is none to run.
	take := func() (int, bool) {
		mu.Lock()
		defer mu.Unlock()
		for next < j.Manifest.Seeds || j.Manifest.Seeds == 0 {
			k := next
			switch {
			case work.Err() != nil || ended == FailFast:
				return 0, false
			case o.Budget > 0 && time.Since(started) >= o.Budget:
				ended = Budget
				return 0, false
			}
			next++
			if j.Manifest.Mine(k) && !done[k] {
				return k, true
			}
		}
		return 0, false
	}
	for range o.Workers {
		wg.Go(func() {
			for k, more := take(); more; k, more = take() {
				r := o.Simulate(work, k)
				if work.Err() != nil {
					return // it was cut short
				}
				r.Ordinal = k
				mu.Lock()
				if e := j.Append(r); e != nil {
					err = e
					cancel()
				}
				if o.Done != nil {
					o.Done(r)
				}
				if !r.Passed() {
					if failing++; failing == o.FailFast {
						ended = FailFast
					}
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if ctx.Err() != nil || err != nil {
		ended = ""
	}
	if e := j.Close(ended, time.Since(started)); err == nil {
		err = e
	}
	return ended, err
}
