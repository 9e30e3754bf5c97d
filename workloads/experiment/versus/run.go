package versus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/weirlab/weir/sim/machine"
	"github.com/weirlab/weir/workloads"
	"github.com/weirlab/weir/workloads/calibrate"
	"github.com/weirlab/weir/workloads/experiment"
	"github.com/weirlab/weir/workloads/measure"
	"github.com/weirlab/weir/workloads/scenario"
)

// Options says what to compare.
type Options struct {
	// Weir is this program with the arguments before its commands, for real
	// brokers; Dir is where they keep their files.
	Weir []string
	Dir  string
	// Profile is the simulated machine.
	Profile machine.Profile
	// Repetitions of every real run, Seeds of every simulated one; 5 and 2 if
	// zero.
	Repetitions, Seeds int
	// Plan is how workloads are run; calibrate.DefaultPlan if zero.
	Plan calibrate.Plan
	// Only are names of workloads; empty is all.
	Only []string
	// SkipReal leaves the real runs out, to see what the simulation makes of
	// another profile.
	SkipReal bool
	// Progress is told what is run next; nil is fine.
	Progress experiment.Progress
}

// Schema is the version of Result's JSON.
const Schema = "weir.versus/1"

// Result is real runs beside simulated ones.
type Result struct {
	Schema  string          `json:"schema"`
	When    string          `json:"when"` // the day, UTC
	Plan    calibrate.Plan  `json:"plan"`
	Profile machine.Profile `json:"profile"`
	Cases   []Case          `json:"cases"`
}

// Case is one workload.
type Case struct {
	Workload calibrate.Workload `json:"workload"`
	// Unseen tells that it was run with records of another size than those of
	// the calibration: then it had no part in it, nor in making the model.
	Unseen bool `json:"unseen,omitempty"`
	// Saturated and FixedRate are its two phases.
	Saturated Phase `json:"saturated"`
	FixedRate Phase `json:"fixed_rate"`
}

// Phase is one phase of a workload: real runs and simulated ones.
type Phase struct {
	Real []*measure.Measurement `json:"real,omitempty"`
	Sim  []*measure.Measurement `json:"sim"`
}

func (c *Case) phase(p calibrate.Phase) *Phase {
	if p == calibrate.Saturated {
		return &c.Saturated
	}
	return &c.FixedRate
}

var phases = []calibrate.Phase{calibrate.Saturated, calibrate.FixedRate}

// Run runs everything. Nothing else should use the machine meanwhile.
func Run(ctx context.Context, o Options) (*Result, error) {
	if o.Repetitions <= 0 {
		o.Repetitions = 5
	}
	if o.Seeds <= 0 {
		o.Seeds = 2
	}
	if o.Plan == (calibrate.Plan{}) {
		o.Plan = calibrate.DefaultPlan()
	}
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	if err := o.Profile.Check(); err != nil {
		return nil, fmt.Errorf("versus: machine profile: %w", err)
	}
	r := &Result{Schema: Schema, When: time.Now().UTC().Format(time.DateOnly), Plan: o.Plan, Profile: o.Profile}
	for _, w := range calibrate.Workloads() {
		if len(o.Only) == 0 || slices.Contains(o.Only, w.Name()) {
			r.Cases = append(r.Cases, Case{Workload: w, Unseen: o.Plan.Bytes != calibrate.DefaultPlan().Bytes})
		}
	}
	if len(r.Cases) == 0 {
		return nil, fmt.Errorf("versus: there is no workload %q; they are %s", o.Only, Names())
	}
	if err := r.simulate(ctx, o); err != nil {
		return nil, err
	}
	if o.SkipReal {
		return r, nil
	}
	return r, r.runReal(ctx, o)
}

// Names are the names of all workloads.
func Names() []string {
	var list []string
	for _, w := range calibrate.Workloads() {
		list = append(list, w.Name())
	}
	return list
}

// simulate runs all simulations, side by side on the cores that there are:
// their clocks are their own.
func (r *Result) simulate(ctx context.Context, o Options) error {
	bench := experiment.NewBench(ctx, 0, o.Progress)
	for i := range r.Cases {
		c := &r.Cases[i]
		for _, p := range phases {
			c.phase(p).Sim = make([]*measure.Measurement, o.Seeds)
			for seed := range o.Seeds {
				bench.Start(c.Workload.Title()+", "+string(p), func(ctx context.Context) error {
					s := c.Workload.Scenario(p, o.Plan, "machine.json", scenario.Seed(seed+1))
					m, err := measure.Run(ctx, s, measure.Target{Kind: measure.Sim, Options: workloads.Options{Machine: &o.Profile}})
					if err != nil {
						return fmt.Errorf("versus: simulated: %w", err)
					}
					c.phase(p).Sim[seed] = kept(m)
					return nil
				})
			}
		}
	}
	return bench.Wait()
}

// attempts is how often a real run may fail before the comparison does: on a
// machine that others use, a broker can miss its session.
const attempts = 2

func (r *Result) runReal(ctx context.Context, o Options) error {
	for repetition := range o.Repetitions {
		for i := range r.Cases {
			c := &r.Cases[i]
			for _, p := range phases {
				o.Progress(fmt.Sprintf("real, %d of %d: %s, %s", repetition+1, o.Repetitions, c.Workload.Title(), p))
				var m *measure.Measurement
				var failed error
				for range attempts {
					var err error
					if m, err = calibrate.RunReal(ctx, o.Weir, o.Dir, c.Workload, p, o.Plan); err == nil {
						break
					}
					failed = errors.Join(failed, err)
					if ctx.Err() != nil {
						return context.Cause(ctx)
					}
				}
				if m == nil {
					return fmt.Errorf("versus: real: %w", failed)
				}
				c.phase(p).Real = append(c.phase(p).Real, kept(m))
			}
		}
	}
	return nil
}

// kept is a measurement without its seconds, which nobody shows here.
func kept(m *measure.Measurement) *measure.Measurement {
	m.Rows = nil
	return m
}
