package published

import (
	"context"
	"errors"
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
	Wall   time.Duration `json:"wall"`
}

// Schema is the value of Result.Schema that this version writes and reads.
const Schema = "weir-published-1"

// RowResult is one row with its simulation.
type RowResult struct {
	Row         Row                  `json:"row"`
	Fitted      bool                 `json:"fitted"`
	Scenario    string               `json:"scenario"` // as it ran, in YAML
	Measurement *measure.Measurement `json:"measurement,omitempty"`
	// Error says why there is no measurement.
	Error string `json:"error,omitempty"`
}

// Run simulates the rows. A row that cannot be simulated is no error of Run;
// its result says why.
func Run(ctx context.Context, o Options) (*Result, error) {
	rows, err := Rows()
	if err != nil {
		return nil, err
	}
	if rows, err = choose(rows, o.Only); err != nil {
		return nil, err
	}
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
	started := time.Now()
	result := &Result{Schema: Schema, Seed: o.Seed, Rows: make([]RowResult, len(rows)), Costs: *o.Costs, Fitted: Fitted()}
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
	slices.SortStableFunc(order, func(a, b int) int { return int(rows[b].AckedPerSecond - rows[a].AckedPerSecond) })
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
	r := RowResult{Row: row, Fitted: slices.Contains(Fitted(), row.ID)}
	windows := o.Latency
	if row.Saturated() {
		windows = o.Throughput
	}
	s := row.Scenario(o.Seed, o.Costs.Name, windows)
	err := o.choosePageCache(ctx, row, s)
	if err == nil {
		r.Measurement, err = simulate(ctx, row, s, *o.Costs)
	}
	if text, e := s.YAML(); e == nil {
		r.Scenario = string(text)
	}
	if err != nil {
		r.Error = err.Error()
	}
	return r
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
	m, err := simulate(ctx, row, row.Scenario(o.Seed, o.Costs.Name, probe), *o.Costs)
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
	m, err := measure.Run(ctx, s, measure.Target{Kind: measure.Sim, Options: workloads.Options{Machine: &profile}})
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

// machine is the row's broker.
func (r Row) machine(costs machine.Costs) (machine.Profile, error) {
	storage := machine.Storage{Class: machine.InstanceStore}
	if r.Partitions == 1 {
		storage.Disks = 1 // log.dirs puts a partition on one of them
	}
	p, err := machine.EC2(r.Instance, storage)
	if err != nil {
		return p, err
	}
	return p.WithCosts(costs), nil
}
