package compare

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weirlab/weir/workloads/experiment"
	"github.com/weirlab/weir/workloads/experiment/document"
)

// Schema is the version of the JSON form of a [Result].
const Schema = "weir-compare-1"

// Result is a comparison. It survives a round trip through JSON.
type Result struct {
	Schema         string        `json:"schema"`
	Plan           Plan          `json:"plan"`
	Configurations []*Entry      `json:"configurations"`
	Wall           time.Duration `json:"wall"`
	Simulated      time.Duration `json:"simulated"` // time that passed in all simulations together
	// Facts tell how it was made, for whoever reads it later.
	Facts []document.Fact `json:"facts,omitempty"`
}

// Entry is what was found out about a configuration.
type Entry struct {
	Configuration Configuration `json:"configuration"`
	Bill          Bill          `json:"bill"`

	// Off is without fsync, On with an fsync of every batch.
	Off Pattern `json:"fsync_off"`
	On  Pattern `json:"fsync_on"`

	CatchUp *CatchUp `json:"catch_up,omitempty"`
	// Host is the rebuild after a host was lost, Storage after a disk or volume
	// was.
	Host     *Rebuild `json:"host_lost"`
	Storage  *Rebuild `json:"storage_lost"`
	Exposure Exposure `json:"exposure"`
}

// Patterns are both patterns of e.
func (e *Entry) Patterns() [2]*Pattern { return [2]*Pattern{&e.Off, &e.On} }

// Pattern is how a cluster fares with fsync, or without.
type Pattern struct {
	Fsync bool `json:"fsync"`
	// Ceiling is the most that it takes, with all credits.
	Ceiling *Figures `json:"ceiling"`
	// Course is how the demand of Ceiling fares over hours.
	Course *Course `json:"course"`
	// Spent is the most that it takes without credits, nil if none run out.
	Spent *Figures `json:"credits_spent,omitempty"`
	// Common is the load of the plan.
	Common *Figures `json:"common"`

	// Between is a load half way between Ceiling and Spent: the burst carries
	// it and the baseline does not. Before and After are with all credits and
	// with none.
	Before        *Figures `json:"between_before,omitempty"`
	After         *Figures `json:"between_after,omitempty"`
	BetweenCourse *Course  `json:"between_course,omitempty"`
}

// Sustained is the throughput that does not end with burst credits, in bytes of
// record values per second.
func (p *Pattern) Sustained() int64 {
	if p.Spent != nil {
		return min(p.Spent.Acked, p.Ceiling.Acked)
	}
	return p.Ceiling.Acked
}

// Bottleneck is what rules when the burst is over.
func (p *Pattern) Bottleneck() string {
	if p.Spent != nil {
		return p.Spent.Bottleneck
	}
	return p.Ceiling.Bottleneck
}

// Carries tells whether the load of the plan is sustained.
func (p *Pattern) Carries(plan Plan) bool {
	return p.Sustained() >= plan.LoadBytesPerSecond && len(p.Common.Broken) == 0
}

// patience is how many times longer a run at a modest load is, for the tail of
// its latencies: such a run is quick.
const patience = 3

// gap is from which share of the ceiling on a loss of burst is worth a look.
const gap = 0.97

// Run compares the configurations of a plan, with so many simulations at a time
// (two if that is zero).
func Run(ctx context.Context, p Plan, places int, progress experiment.Progress) (*Result, error) {
	if err := p.Check(); err != nil {
		return nil, err
	}
	if places <= 0 {
		places = 2
	}
	started := time.Now()
	r := &Result{Schema: Schema, Plan: p}
	d := &desk{p: p, bench: experiment.NewBench(ctx, places, progress), returns: map[string]func() (*CatchUp, error){}}
	for _, c := range p.Configurations {
		e := &Entry{Configuration: c, Off: Pattern{}, On: Pattern{Fsync: true}}
		r.Configurations = append(r.Configurations, e)
		for _, pattern := range e.Patterns() {
			d.bench.Go(func() error { return d.pattern(c, pattern) })
		}
		d.bench.Go(func() error { return d.after(e) })
	}
	if err := d.bench.Wait(); err != nil {
		return nil, err
	}
	r.Wall, r.Simulated = time.Since(started), time.Duration(d.simulated.Load())
	return r, nil
}

// desk is where the simulations of a plan are asked for.
type desk struct {
	p         Plan
	bench     *experiment.Bench
	simulated atomic.Int64 // ns

	mu      sync.Mutex
	returns map[string]func() (*CatchUp, error) // by instance type
}

func (d *desk) simulate(c Configuration, t trial) (*Figures, error) {
	t.window = d.p.Window
	if t.load > 0 && !t.settled {
		t.window *= patience
	}
	if t.fsync {
		t.name += "-fsync"
	}
	var f *Figures
	err := d.bench.Do(c.Name()+": "+t.name, func(ctx context.Context) (err error) {
		if f, err = d.p.simulate(ctx, c, t); err == nil {
			d.simulated.Add(int64(f.WarmUp + f.Window))
		}
		return err
	})
	return f, err
}

// pattern finds out how a configuration fares with fsync, or without.
func (d *desk) pattern(c Configuration, p *Pattern) (err error) {
	settled := !p.Fsync // with fsync nothing is left to get dirty
	if p.Ceiling, err = d.simulate(c, trial{name: "ceiling", fsync: p.Fsync, settled: settled}); err != nil {
		return err
	}
	if p.Common, err = d.simulate(c, trial{name: "load", fsync: p.Fsync, load: d.p.LoadBytesPerSecond}); err != nil {
		return err
	}
	if p.Course, err = Drain(c, p.Ceiling.Demand, d.p.Hours); err != nil || len(p.Course.Exhausted) == 0 {
		return err
	}
	spent, err := d.simulate(c, trial{name: "ceiling-without-credits", fsync: p.Fsync, settled: settled, creditsSpent: true})
	if err != nil {
		return err
	}
	p.Spent = spent
	if c.Volume == nil || float64(spent.Acked) > gap*float64(p.Ceiling.Acked) {
		return nil
	}
	between := (spent.Acked + p.Ceiling.Acked) / 2
	if p.Before, err = d.simulate(c, trial{name: "between", fsync: p.Fsync, load: between}); err != nil {
		return err
	}
	if p.After, err = d.simulate(c, trial{name: "between-without-credits", fsync: p.Fsync, load: between, settled: settled, creditsSpent: true}); err != nil {
		return err
	}
	// A page cache that is not settled writes late; over hours it writes as at
	// the ceiling, less of it.
	p.BetweenCourse, err = Drain(c, p.Ceiling.Demand.scaled(between, p.Ceiling.Acked), d.p.Hours)
	return err
}

// after finds out what is when a broker was lost, and what all of it costs.
func (d *desk) after(e *Entry) (err error) {
	if e.Bill, err = Price(d.p, e.Configuration); err != nil {
		return err
	}
	if d.p.ReplicationFactor < 2 {
		return errors.New("compare: with one replica of each partition there is nothing to rebuild from; use a replication factor of two or more")
	}
	if e.CatchUp, err = d.caughtUp(e.Configuration); err != nil {
		return err
	}
	if e.Host, err = Refill(d.p, e.Configuration, HostLost, e.CatchUp.BytesPerSecond); err != nil {
		return err
	}
	if e.Storage, err = Refill(d.p, e.Configuration, StorageLost, e.CatchUp.BytesPerSecond); err != nil {
		return err
	}
	e.Exposure, err = Expose(d.p, e.Configuration, e.Host)
	return err
}

// caughtUp simulates the return of a broker once for each instance type.
func (d *desk) caughtUp(c Configuration) (*CatchUp, error) {
	d.mu.Lock()
	once := d.returns[c.Instance]
	if once == nil {
		once = sync.OnceValues(func() (u *CatchUp, err error) {
			err = d.bench.Do(c.Instance+": catching up", func(ctx context.Context) (err error) {
				if u, err = d.p.catchUp(ctx, c); err == nil {
					d.simulated.Add(int64(u.Simulated))
				}
				return err
			})
			return u, err
		})
		d.returns[c.Instance] = once
	}
	d.mu.Unlock()
	return once()
}

// Read takes in what [experiment.Write] wrote of a result.
func Read(from io.Reader) (*Result, error) { return experiment.Read[Result](from, Schema) }
