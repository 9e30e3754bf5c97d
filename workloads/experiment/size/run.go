package size

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/weirlab/weir/workloads/experiment"
	"github.com/weirlab/weir/workloads/experiment/compare"
	"github.com/weirlab/weir/workloads/experiment/document"
	"github.com/weirlab/weir/workloads/scenario"
)

// Options say how far to look.
type Options struct {
	// Answers is how many clusters that hold to find, Trials how many to
	// simulate for that at most, Seeds by how many seeds each; 3, 12 and 3 if
	// zero.
	Answers, Trials, Seeds int
	Places                 int // simulations at a time; 0 is one for each processor
	Progress               experiment.Progress
}

// Schema is the version of Result's JSON.
const Schema = "weir.size/1"

// Result is what to buy.
type Result struct {
	Schema string `json:"schema"`
	Need   Need   `json:"need"`
	// Candidates are how many clusters hold by arithmetic.
	Candidates int      `json:"candidates"`
	Trials     []*Trial `json:"trials"`
	// Facts tell how it was made.
	Facts []document.Fact `json:"facts,omitempty"`
}

// Trial is a candidate that was simulated with a broker lost.
type Trial struct {
	*Candidate
	// Part is how many brokers were simulated in place of all that are left.
	Part int64              `json:"part_brokers"`
	Runs []*compare.Figures `json:"runs"` // one for each seed
	// Refused says why it does not hold, empty if it does.
	Refused string `json:"refused,omitempty"`
}

// Run searches, and simulates the cheapest until enough of them hold.
func Run(ctx context.Context, n Need, o Options) (*Result, error) {
	if o.Answers == 0 {
		o.Answers = 3
	}
	if o.Trials == 0 {
		o.Trials = 12
	}
	if o.Seeds == 0 {
		o.Seeds = 3
	}
	candidates, err := Search(n)
	if err != nil {
		return nil, err
	}
	r := &Result{Schema: Schema, Need: n, Candidates: len(candidates)}
	for len(r.Holding()) < o.Answers && len(r.Trials) < o.Trials && len(r.Trials) < len(candidates) {
		t := &Trial{Candidate: candidates[len(r.Trials)], Runs: make([]*compare.Figures, o.Seeds)}
		bench := experiment.NewBench(ctx, o.Places, nil)
		for k := range o.Seeds {
			if o.Progress != nil {
				o.Progress(fmt.Sprintf("candidate %d of %d, %v, seed %d", len(r.Trials)+1, len(candidates), t.Candidate, k+1))
			}
			bench.Start("", func(ctx context.Context) (err error) {
				p := t.part(n)
				p.Seed = n.Seed + scenario.Seed(k)
				t.Runs[k], err = p.AtLoad(ctx, t.Configuration(), n.Fsync, true)
				return err
			})
		}
		if err := bench.Wait(); err != nil {
			return nil, err
		}
		t.judge()
		r.Trials = append(r.Trials, t)
	}
	return r, nil
}

// leastPart is how many brokers are simulated at least, if so many are left.
const leastPart = 3

// part is the plan of a part of the cluster with a broker lost.
func (t *Trial) part(n Need) compare.Plan {
	alive := t.Brokers - 1
	t.Part = min(alive, max(leastPart, int64(n.ReplicationFactor)))
	p := n.plan(t.Part, n.peak()*t.Part/alive)
	p.ReplicationFactor = int(min(int64(n.ReplicationFactor), alive))
	p.MinISR = min(p.MinISR, p.ReplicationFactor)
	p.Partitions = int(max(1, int64(n.Partitions)*t.Part/alive))
	return p
}

// judge says whether the cluster carried the load by every seed.
func (t *Trial) judge() {
	for _, f := range t.Runs {
		if len(f.Broken) > 0 {
			t.Refused = fmt.Sprintf("with a broker lost it does not carry the load (%s): %s", f.Bottleneck, f.Broken[0])
			return
		}
	}
}

// Holding are the trials that hold, the cheapest first.
func (r *Result) Holding() []*Trial {
	return slices.DeleteFunc(slices.Clone(r.Trials), func(t *Trial) bool { return t.Refused != "" })
}

// Latency is a percentile of produce latency over the seeds: the median, and the
// least and the most.
func (t *Trial) Latency(percent float64) (median, low, high time.Duration) {
	var all []time.Duration
	for _, f := range t.Runs {
		all = append(all, compare.At(f.Produce, percent))
	}
	slices.Sort(all)
	return all[len(all)/2], all[0], all[len(all)-1]
}

// Rules is the limit that is nearest to its end with a broker lost, by the
// simulation and by arithmetic, with how much of it is taken.
func (t *Trial) Rules() (limit string, percent float64) {
	limit, percent = t.Lost[0].Limit, t.Lost[0].Percent()
	for _, f := range t.Runs {
		if len(f.Used) > 0 && float64(f.Used[0].Percent) > percent {
			limit, percent = f.Used[0].Name, float64(f.Used[0].Percent)
		}
	}
	return limit, percent
}

// Read takes in what [experiment.Write] wrote of a result.
func Read(from io.Reader) (*Result, error) { return experiment.Read[Result](from, Schema) }
