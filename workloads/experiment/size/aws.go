package size

import (
	"context"
	"fmt"
	"io"

	"github.com/weirlab/weir/sim/ec2"
	"github.com/weirlab/weir/workloads/experiment"
	"github.com/weirlab/weir/workloads/experiment/compare"
	"github.com/weirlab/weir/workloads/experiment/document"
)

// FormulaSchema is the version of FormulaResult's JSON.
const FormulaSchema = "weir.size-formula/1"

// FormulaResult is AWS's formula beside simulations.
type FormulaResult struct {
	Schema string          `json:"schema"`
	Need   Need            `json:"need"` // its load is not used
	Rows   []*FormulaRow   `json:"rows"`
	Facts  []document.Fact `json:"facts,omitempty"`
}

// FormulaRow is one combination on three brokers with three replicas.
type FormulaRow struct {
	Instance string         `json:"instance"`
	Volume   ec2.VolumeSpec `json:"volume"`
	Groups   int            `json:"consumer_groups"`

	Formula int64  `json:"formula_bytes_per_s"`
	Term    string `json:"term"`
	// Simulated is the ceiling with all burst credits spent; Free is the same
	// with processors that cost nothing, simulated where Simulated is more than
	// a tenth below the formula.
	Simulated *compare.Figures `json:"simulated"`
	Free      *compare.Figures `json:"free_processors,omitempty"`
}

// Tolerance is from which difference on a mechanism is looked for.
const Tolerance = 0.10

// Off is how far the simulation is from the formula, -0.1 for a tenth less.
func (r *FormulaRow) Off() float64 { return off(r.Simulated, r.Formula) }

func off(f *compare.Figures, formula int64) float64 {
	return float64(f.Acked)/float64(formula) - 1
}

// Why explains a difference of more than [Tolerance], from what was simulated.
// More than the formula allows lasts as long as somebody falls behind: readers,
// or the disks behind the page caches.
func (r *FormulaRow) Why() string {
	const brokers, replicas = 3, 3
	s := r.Simulated
	switch sent, read := s.Acked*replicas/brokers, s.Acked*int64(r.Groups); {
	case r.Off() > Tolerance && s.Consumed < read*95/100:
		return fmt.Sprintf("consumers behind: in the seconds that were simulated they read %d%% of what was written", 100*s.Consumed/max(1, read))
	case r.Off() > Tolerance && s.Demand.WriteBytes < sent*95/100:
		return fmt.Sprintf("page caches: in the seconds that were simulated disks took %d%% of what brokers were sent", 100*s.Demand.WriteBytes/max(1, sent))
	case r.Free == nil:
		return ""
	}
	switch free, freeOff := r.Free, off(r.Free, r.Formula); {
	case freeOff >= -Tolerance:
		return fmt.Sprintf("processors: without what requests cost it is %+.0f%%, and the formula has no term for them", 100*freeOff)
	case len(free.Used) > 0 && free.Used[0].Percent >= 85:
		why := fmt.Sprintf("%s: %d%% of it is used, and the formula goes by %s; with free processors it is %+.0f%%", free.Used[0].Name, free.Used[0].Percent, r.Term, 100*freeOff)
		if l, err := r.Volume.Limits(); err == nil && l.WholeBlocks {
			why += fmt.Sprintf(" (a write of less than %d KiB counts as one of so many)", l.MergeBytes>>10)
		}
		return why
	default:
		return fmt.Sprintf("%s: no limit of the machine is used up even with free processors (%+.0f%%)", free.Bottleneck, 100*freeOff)
	}
}

// combinations are forty: instances of two families and sizes with bursting
// pipes and without, volumes that are slower and faster than the pipe, one
// consumer group and three.
func combinations() (rows []*FormulaRow) {
	volumes := []ec2.VolumeSpec{
		{Class: "gp2", GiB: 1000}, {Class: "gp3", GiB: 1000}, {Class: "gp3", GiB: 1000, IOPS: 3000, MiBps: 250}, {Class: "st1", GiB: 2000},
	}
	for _, instance := range []string{"m5.large", "m5.xlarge", "m5.2xlarge", "m5.4xlarge", "r5.2xlarge"} {
		for _, v := range volumes {
			for _, groups := range []int{1, 3} {
				rows = append(rows, &FormulaRow{Instance: instance, Volume: v, Groups: groups})
			}
		}
	}
	return rows
}

// Compare sets the formula beside simulated ceilings over forty combinations.
func Compare(ctx context.Context, n Need, places int, progress experiment.Progress) (*FormulaResult, error) {
	return compareRows(ctx, n, combinations(), places, progress)
}

func compareRows(ctx context.Context, n Need, rows []*FormulaRow, places int, progress experiment.Progress) (*FormulaResult, error) {
	r := &FormulaResult{Schema: FormulaSchema, Need: n, Rows: rows}
	bench := experiment.NewBench(ctx, places, progress)
	for _, row := range rows {
		i, err := ec2.Default().Instance(row.Instance)
		if err != nil {
			return nil, err
		}
		store, err := volume(row.Volume)
		if err != nil {
			return nil, err
		}
		const brokers, replicas = 3, 3
		row.Formula, row.Term = Formula(formulaOf(i, store, brokers, replicas, int64(row.Groups)))
		c := compare.Configuration{Instance: row.Instance, Volume: &row.Volume}
		bench.Start(fmt.Sprintf("%v, %d groups", c, row.Groups), func(ctx context.Context) (err error) {
			at := n
			at.Groups, at.ReplicationFactor = row.Groups, replicas
			if row.Simulated, err = at.plan(brokers, n.peak()).Ceiling(ctx, c, false, true); err != nil {
				return err
			}
			if row.Off() >= -Tolerance {
				return nil
			}
			at.Costs = freeProcessors
			row.Free, err = at.plan(brokers, n.peak()).Ceiling(ctx, c, false, true)
			return err
		})
	}
	return r, bench.Wait()
}

// freeProcessors is the cost table in which nothing costs anything.
const freeProcessors = "free"

// ReadFormula takes in what [experiment.Write] wrote of a result.
func ReadFormula(from io.Reader) (*FormulaResult, error) {
	return experiment.Read[FormulaResult](from, FormulaSchema)
}
