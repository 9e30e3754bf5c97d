package published

import (
	"cmp"
	"context"
	"errors"
	"reflect"
	"slices"
	"time"

	"github.com/weirlab/weir/sim/machine"
	"github.com/weirlab/weir/workloads"
	"github.com/weirlab/weir/workloads/experiment"
	"github.com/weirlab/weir/workloads/measure"
	"github.com/weirlab/weir/workloads/scenario"
)

// CostTable is the name of the table of processor costs of Kafka on the JVM.
const CostTable = "kafka-jvm"

// Options are what to simulate and how.
type Options struct {
	// Only names the rows to run, by ID or by slug; empty is all of them.
	Only []string

	Seed scenario.Seed

	// Throughput and Latency are the windows of saturated and other rows; the
	// zero value is [ThroughputWindows] and [LatencyWindows].
	Throughput, Latency Windows

	// Costs are tried in place of the table [CostTable], by a fit.
	Costs *machine.Costs

	// Without names mechanisms of the model that are switched off; see
	// [Mechanisms].
	Without []string

	// Explain has rows that miss simulated again with each mechanism switched off.
	Explain bool

	// Known is an earlier result: rows that it has are not simulated again, but
	// those named in Only explained. It must be of the same seed and costs, and
	// without the same mechanisms.
	Known *Result

	// Parallel is how many rows run at once; 0 is one per processor.
	Parallel int

	// Progress, if set, is told which row begins.
	Progress experiment.Progress
}

// Result is what a comparison found. It survives a round trip through JSON.
type Result struct {
	Schema string        `json:"schema"`
	Seed   scenario.Seed `json:"seed"`
	// Rows are in the order of the data.
	Rows []RowResult `json:"rows"`
	// Costs is the table that was used, and Fitted the rows that it was fitted
	// on.
	Costs  machine.Costs `json:"costs"`
	Fitted []string      `json:"fitted"`
	// Without names the mechanisms that were switched off.
	Without []string      `json:"without,omitempty"`
	Wall    time.Duration `json:"wall"`
}

// Schema is the value of Result.Schema that this version writes and reads.
const Schema = "weir-published-2"

// RowResult is one row with its simulation.
type RowResult struct {
	Row         Row                  `json:"row"`
	Fitted      bool                 `json:"fitted"`
	Scenario    string               `json:"scenario"` // as it ran, in YAML
	Measurement *measure.Measurement `json:"measurement,omitempty"`
	// Error says why there is no measurement.
	Error string `json:"error,omitempty"`

	// LeftOut is the same with costs that were fitted without the row's lab, nil
	// if the lab has no part in the fit.
	LeftOut *measure.Measurement `json:"left_out,omitempty"`
	// Switched is the row with single mechanisms switched off.
	Switched []Switched `json:"switched,omitempty"`
}

// Run simulates the rows. A row that cannot be simulated is no error of Run;
// its result says why.
func Run(ctx context.Context, o Options) (*Result, error) {
	data, err := Rows()
	if err != nil {
		return nil, err
	}
	rows, err := choose(data, o.Only)
	if err != nil {
		return nil, err
	}
	if o.Known != nil {
		for _, x := range o.Known.Rows {
			rows = append(rows, x.Row)
		}
	}
	rows = slices.DeleteFunc(data, func(r Row) bool {
		return !slices.ContainsFunc(rows, func(asked Row) bool { return asked.ID == r.ID })
	})
	if o.Throughput == (Windows{}) {
		o.Throughput = ThroughputWindows
	}
	if o.Latency == (Windows{}) {
		o.Latency = LatencyWindows
	}
	if o.Costs == nil {
		costs, err := machine.CostTable(CostTable)
		if err != nil {
			return nil, err
		}
		o.Costs = &costs
	}
	costs, err := withoutMechanisms(*o.Costs, o.Without)
	if err != nil {
		return nil, err
	}
	o.Costs = &costs
	started := time.Now()
	without := slices.Sorted(slices.Values(o.Without))
	if k := o.Known; k != nil && (k.Schema != Schema || k.Seed != o.Seed || !slices.Equal(k.Without, without) || !reflect.DeepEqual(k.Costs, costs)) {
		return nil, errors.New("published: the earlier result is of another seed, of other costs, or with other mechanisms switched off; simulate all rows again")
	}
	result := &Result{Schema: Schema, Seed: o.Seed, Rows: make([]RowResult, len(rows)), Costs: *o.Costs, Fitted: Fitted(), Without: without}
	if err := runAll(ctx, o, rows, result.Rows); err != nil {
		return nil, err
	}
	result.Wall = time.Since(started)
	return result, nil
}

// runAll runs rows side by side, the longest first, so that the end does not
// wait for one.
func runAll(ctx context.Context, o Options, rows []Row, results []RowResult) error {
	order := make([]int, len(rows))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(rows[b].AckedPerSecond, rows[a].AckedPerSecond) })
	bench := experiment.NewBench(ctx, o.Parallel, o.Progress)
	for _, i := range order {
		bench.Start(rows[i].Name(), func(ctx context.Context) error {
			results[i] = runRow(ctx, o, rows[i])
			return ctx.Err()
		})
	}
	return bench.Wait()
}

func runRow(ctx context.Context, o Options, row Row) RowResult {
	if o.Known != nil {
		for _, x := range o.Known.Rows {
			if x.Row.ID != row.ID || x.Error != "" {
				continue
			}
			if len(x.Switched) == 0 && o.asked(row) {
				if err := o.explain(ctx, &x); err != nil {
					x.Error = err.Error()
				}
			}
			return x
		}
	}
	r := RowResult{Row: row, Fitted: slices.Contains(Fitted(), row.ID)}
	s, err := o.scenario(ctx, row)
	if err == nil {
		r.Measurement, err = simulate(ctx, row, s, *o.Costs)
		if text, e := s.YAML(); e == nil {
			r.Scenario = string(text)
		}
	}
	if err == nil {
		r.LeftOut, err = o.leftOut(ctx, row)
	}
	if err == nil {
		err = o.explain(ctx, &r)
	}
	if err != nil {
		r.Error = err.Error()
	}
	return r
}

// asked reports whether the row was named, or none was.
func (o Options) asked(row Row) bool {
	if len(o.Only) == 0 {
		return true
	}
	named, err := Select(o.Only)
	return err == nil && slices.ContainsFunc(named, func(r Row) bool { return r.ID == row.ID })
}

// scenario is the row's scenario with the page cache that it begins with.
func (o Options) scenario(ctx context.Context, row Row) (*scenario.Scenario, error) {
	windows := o.Latency
	if row.Saturated() {
		windows = o.Throughput
	}
	s := row.Scenario(o.Seed, o.Costs.Name, windows)
	o.flatten(s)
	return s, o.choosePageCache(ctx, row, s)
}

// leftOut simulates a row with the costs that were fitted without its lab.
func (o Options) leftOut(ctx context.Context, row Row) (*measure.Measurement, error) {
	costs, ok, err := withoutLab(row.Lab)
	if err != nil || !ok {
		return nil, err
	}
	if costs, err = withoutMechanisms(costs, o.Without); err != nil {
		return nil, err
	}
	o.Costs = &costs
	s, err := o.scenario(ctx, row)
	if err != nil {
		return nil, err
	}
	return simulate(ctx, row, s, costs)
}

// probe is a run that finds out whether a load asks more of the disks than
// they give.
var probe = Windows{WarmUp: 500 * time.Millisecond, Measured: 500 * time.Millisecond}

// nearly is the share of what the disks take from which on a load counts as more:
// half a second does not tell more exactly.
const nearly = 0.9

// choosePageCache has a saturated run without fsync begin with the page cache
// that it would leave itself in the long run. A probe tells: if the brokers
// take more than the disks do while the page cache has room, it fills until
// writers are throttled.
func (o Options) choosePageCache(ctx context.Context, row Row, s *scenario.Scenario) error {
	if !row.Saturated() || row.Fsync {
		return nil
	}
	short := row.Scenario(o.Seed, o.Costs.Name, probe)
	o.flatten(short)
	m, err := simulate(ctx, row, short, *o.Costs)
	if err != nil {
		return err
	}
	profile, err := row.machine(*o.Costs)
	if err != nil {
		return err
	}
	disk, err := profile.DiskProfile()
	if err != nil {
		return err
	}
	if m.AckedBytesPerSecond >= nearly*float64(disk.Write.BytesPerSecond) {
		s.Cluster.DirtyPercent = int(throttled)
	}
	return nil
}

// simulate runs a scenario on the row's machines.
func simulate(ctx context.Context, row Row, s *scenario.Scenario, costs machine.Costs) (*measure.Measurement, error) {
	profile, err := row.machine(costs)
	if err != nil {
		return nil, err
	}
	if s.Cluster.DirtyPercent == int(throttled) {
		if err := settle(&profile); err != nil {
			return nil, err
		}
	}
	clients := row.clients(costs)
	m, err := measure.Run(ctx, s, measure.Target{Kind: measure.Sim, Options: workloads.Options{Machine: &profile, Clients: &clients}})
	if err != nil {
		return nil, err
	}
	if m.ProduceUncorrected.Count() == 0 {
		return nil, errors.New("no record was acknowledged in the window")
	}
	return m, nil
}

// settledSeconds is for how many seconds of writing there are dirty pages on a
// machine whose writers are throttled, so that it settles within the warm-up.
const settledSeconds = 2

// settle makes the page cache so small that it settles within the warm-up.
func settle(p *machine.Profile) error {
	disk, err := p.DiskProfile()
	if err != nil {
		return err
	}
	*p = p.WithDirtyLimit(settledSeconds * disk.Write.BytesPerSecond)
	return nil
}
