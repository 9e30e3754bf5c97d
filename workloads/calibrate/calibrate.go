package calibrate

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/weirlab/weir/sim"
	"github.com/weirlab/weir/sim/machine"
	"github.com/weirlab/weir/workloads"
	"github.com/weirlab/weir/workloads/measure"
	"github.com/weirlab/weir/workloads/target"
)

// Options says how to calibrate.
type Options struct {
	// Weir is this program with the arguments before its commands; it is run as
	// brokers and as the other end of the loopback interface.
	Weir []string
	// Dir is a directory on the disk to measure; it must exist.
	Dir string
	// Rounds is how often the workloads are run; 3 if zero.
	Rounds int
	// Plan is how the workloads are run; DefaultPlan if zero.
	Plan Plan
	// Quick shortens what is measured of disk and network, for tests.
	Quick bool
	// Progress is told what is measured next; nil is fine.
	Progress func(what string)
}

// Result is a machine profile with what it was made of.
type Result struct {
	Profile  machine.Profile
	Disk     *Disk
	Loopback *Loopback
	Fit      CostFit
	Syncs    SyncFit
}

// EchoCommand is the command of Weir that calls Echo.
const EchoCommand = "echo"

// Run measures this machine. It takes about two minutes; what else the machine
// does meanwhile ends up in the profile.
func Run(ctx context.Context, o Options) (*Result, error) {
	if o.Rounds <= 0 {
		o.Rounds = 3
	}
	if o.Plan == (Plan{}) {
		o.Plan = DefaultPlan()
	}
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	r := &Result{}
	var err error
	series, bulk, fileBytes, timerSpan := 150*time.Millisecond, int64(256<<20), int64(16<<20), time.Second
	if o.Quick {
		series, bulk, fileBytes, timerSpan = 5*time.Millisecond, 4<<20, 2<<20, 10*time.Millisecond
	}
	if r.Disk, err = MeasureDisk(DiskOptions{Dir: o.Dir, PerSeries: series, BulkBytes: bulk, FileBytes: fileBytes, Progress: o.Progress}); err != nil {
		return nil, err
	}
	if r.Loopback, err = MeasureLoopback(LoopbackOptions{
		Echo: append(append([]string{}, o.Weir...), EchoCommand), PerSeries: 4 * series, BulkBytes: bulk, Progress: o.Progress,
	}); err != nil {
		return nil, err
	}
	o.Progress("timers")
	timer := MeasureTimer(timerSpan)
	seen, real, err := runWorkloads(ctx, o)
	if err != nil {
		return nil, err
	}
	prior, err := machine.CostTable("weir")
	if err != nil {
		return nil, err
	}
	if r.Fit, err = FitCosts(seen, prior); err != nil {
		return nil, err
	}
	// How long a sync takes is the disk's; while it waits, Go's runtime looks
	// for other work and burns CPU time that nobody misses.
	r.Fit.Costs.Operations[syncOperation] = machine.Cost{CallNanos: r.Disk.SyncCPUNanos}
	r.Profile = r.profile(timer, time.Now())
	if err := r.Profile.Check(); err != nil {
		return nil, err
	}
	r.Syncs, err = fitSync(ctx, &r.Profile, o.Plan, real, o.Progress)
	return r, err
}

// syncOperation is what programs call the sync of a log.
const syncOperation = "storage.sync"

// shortOfCPU is the share of the cores that must have been busy for a run to
// say what operations cost. Where cores are idle, Go's runtime spins before it
// lets threads sleep, and wakes them up again and again: CPU time that nobody
// misses, and that is gone where it would be missed.
const shortOfCPU = 0.75

// runWorkloads runs the calibration half on real processes, saturated. At a low
// rate an operation costs more, since programs and cores go to sleep between
// them; but there the processor decides nothing.
func runWorkloads(ctx context.Context, o Options) ([]Observation, map[Workload][]target.Usage, error) {
	var all, seen []Observation
	real := map[Workload][]target.Usage{}
	for round := range o.Rounds {
		for _, w := range Workloads() {
			if !w.Calibration() {
				continue
			}
			o.Progress(fmt.Sprintf("round %d of %d: %s", round+1, o.Rounds, w.Title()))
			m, err := RunReal(ctx, o.Weir, o.Dir, w, Saturated, o.Plan)
			if err != nil {
				return nil, nil, err
			}
			real[w] = append(real[w], m.Machines...)
			all = append(all, observations(w.Title(), m.Machines)...)
			if busyCores(m.Machines) >= shortOfCPU*float64(runtime.NumCPU()) {
				seen = append(seen, observations(w.Title(), m.Machines)...)
			}
		}
	}
	if len(seen) == 0 {
		return all, real, nil // a machine with many cores: better than nothing
	}
	return seen, real, nil
}

// busyCores is how many cores brokers and clients kept busy on average.
func busyCores(usage []target.Usage) float64 {
	sum := 0.0
	for _, o := range observations("", usage) {
		sum += o.CPU.Seconds() / o.Over.Seconds()
	}
	return sum
}

// RunReal runs a workload on real processes, whose files are made below dir and
// removed again.
func RunReal(ctx context.Context, weir []string, dir string, w Workload, phase Phase, p Plan) (_ *measure.Measurement, err error) {
	run, err := os.MkdirTemp(dir, "weir-run-")
	if err != nil {
		return nil, fmt.Errorf("calibrate: making a directory for the brokers: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(run)) }()
	// The machine's file is for the simulation; processes run on what there is.
	s := w.Scenario(phase, p, filepath.Join(run, "none.json"), 1)
	return measure.Run(ctx, s, measure.Target{Kind: measure.Local, Options: workloads.Options{Broker: weir, Dir: run}})
}

// profile puts together what was measured.
func (r *Result) profile(timer []sim.Quantile, now time.Time) machine.Profile {
	h := describeHost()
	when := fmt.Sprintf("weir calibrate, %s, %s, %s, %s", now.UTC().Format(time.DateOnly), h.processor, h.kernel, r.Disk.FileSystem)
	source := func(what, how string) machine.Source {
		return machine.Source{What: what, Basis: "measurement", Source: how + " (" + when + ")"}
	}
	p := machine.Profile{
		Schema: machine.Schema, Name: "this-machine",
		Title: fmt.Sprintf("%s, %d cores, %s", h.processor, runtime.NumCPU(), r.Disk.FileSystem),
		Cores: runtime.NumCPU(), MemoryBytes: h.memoryBytes,
		Costs: r.Fit.Costs, Timer: timer,
		Disk: &machine.Disk{
			Title: r.Disk.FileSystem + " on the disk of this machine", CapacityBytes: r.Disk.CapacityBytes, Series: r.Disk.Series,
			WriteBytesPerSecond: r.Disk.WriteBytesPerSecond, ReadBytesPerSecond: r.Disk.ReadBytesPerSecond,
			AppendBytesPerSecond: r.Disk.WriteBackBytesPerSecond,
		},
		Network: &machine.Network{LoopbackBytesPerSecond: r.Loopback.BytesPerSecond},
	}
	p.Network.Loopback, p.Wakeup = r.Loopback.split()
	typical, greatest := r.Fit.Error()
	p.Costs.Source = source("CPU costs of Weir's broker and client",
		fmt.Sprintf("non-negative least squares over %d observations of processes, median error %.0f%%, greatest %.0f%%; syncs by themselves", len(r.Fit.Observations), typical, greatest))
	p.Sources = []machine.Source{
		p.Costs.Source,
		source("disk latency and bandwidth", "write, fdatasync and O_DIRECT by size and depth; what a sync takes longer in busy brokers, from the calibration workloads with fsync"),
		source("loopback network", "TCP round trips between two processes"),
		source("wake-up and timers", "idle against busy round trips; sleeps of 0.2 to 4 ms"),
	}
	return p
}

// split takes round trips apart. A busy machine answers without waking a core
// up, so half of the least round trip is the way of a packet; what an idle
// machine takes longer is two wake-ups. Sizes that fit into one packet of the
// loopback interface count together.
func (l *Loopback) split() (oneWay, wakeup []sim.Quantile) {
	const onePacket = 16 << 10
	way := time.Duration(0)
	var idle [][]sim.Quantile
	for _, r := range l.RoundTrips {
		switch {
		case r.Bytes > onePacket:
		case r.Pause > 0:
			idle = append(idle, r.Latency)
		case way == 0 || at(r.Latency, 10_000)/2 < way:
			way = at(r.Latency, 10_000) / 2
		}
	}
	if way == 0 || len(idle) == 0 {
		return nil, nil
	}
	for i, q := range idle[0] {
		var sum time.Duration
		for _, list := range idle {
			sum += list[i].Value
		}
		mean := sum / time.Duration(len(idle))
		wakeup = append(wakeup, sim.Quantile{PPM: q.PPM, Value: max(0, mean/2-way)})
	}
	return []sim.Quantile{{PPM: 0, Value: way}, {PPM: 1_000_000, Value: way}}, wakeup
}
