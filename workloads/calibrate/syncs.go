package calibrate

import (
	"context"
	"fmt"
	"time"

	"github.com/weirlab/weir/sim/machine"
	"github.com/weirlab/weir/workloads"
	"github.com/weirlab/weir/workloads/measure"
	"github.com/weirlab/weir/workloads/scenario"
	"github.com/weirlab/weir/workloads/target"
)

// SyncFit is how long a sync takes inside brokers that have other work, next
// to what the simulation makes of it. Measured alone, a sync is quicker: the
// threads of the kernel that commit the journal need a core as well, and find
// it taken by brokers and by Go's runtime looking for work.
type SyncFit struct {
	// Busy is what a commit of the journal takes longer than alone.
	Busy time.Duration
	// Runs are the workloads that it was fitted to.
	Runs []SyncRun
}

// SyncRun is the mean duration of a sync in one workload.
type SyncRun struct {
	Workload               string
	Syncs                  int64         // real ones
	Real, Alone, Simulated time.Duration // Alone is simulated without Busy
}

// syncsOf is how often brokers synced, and how long a sync took on average.
func syncsOf(usage []target.Usage) (count int64, mean time.Duration) {
	var sum time.Duration
	for _, u := range usage {
		count += u.DiskSyncs
		sum += u.DiskSyncTime
	}
	if count == 0 {
		return 0, 0
	}
	return count, sum / time.Duration(count)
}

// syncSteps is how often the fit tries another value.
const syncSteps = 3

// syncSeeds is how many runs a step simulates: how syncs of several brokers
// meet differs from seed to seed, and with it what each takes.
const syncSeeds = 4

// fitSync finds what a commit of the journal takes longer in busy brokers, so
// that the mean sync of the calibration workloads with fsync is as long in
// simulation as it was in reality. p is changed to the result.
func fitSync(ctx context.Context, p *machine.Profile, plan Plan, real map[Workload][]target.Usage, progress func(string)) (SyncFit, error) {
	var f SyncFit
	var loads []Workload
	for _, w := range Workloads() {
		count, mean := syncsOf(real[w])
		if !w.Fsync || count == 0 {
			continue
		}
		loads = append(loads, w)
		f.Runs = append(f.Runs, SyncRun{Workload: w.Title(), Real: mean, Syncs: count})
	}
	if len(loads) == 0 {
		return f, nil
	}
	// The system call's processor time is not the disk's in simulation.
	call := p.Price(syncOperation, 1)
	var lastBusy, lastMiss time.Duration
	for step := range syncSteps + 1 {
		progress(fmt.Sprintf("syncs in busy brokers, step %d of %d", step, syncSteps))
		p.Disk.BusyCommitNanos = int64(f.Busy)
		var miss time.Duration
		for i, w := range loads {
			run := &f.Runs[i]
			run.Simulated = call
			for seed := range syncSeeds {
				m, err := measure.Run(ctx, w.Scenario(Saturated, plan, "machine.json", scenario.Seed(1+seed)), measure.Target{Kind: measure.Sim, Options: workloads.Options{Machine: p}})
				if err != nil {
					return f, fmt.Errorf("calibrate: simulating %s: %w", w.Title(), err)
				}
				_, mean := syncsOf(m.Machines)
				run.Simulated += mean / syncSeeds
			}
			if step == 0 {
				run.Alone = run.Simulated
			}
			miss += (run.Real - run.Simulated) / time.Duration(len(loads))
		}
		if step == syncSteps {
			break
		}
		next := f.Busy + miss
		if step > 0 && miss != lastMiss {
			next = f.Busy - time.Duration(float64(miss)*float64(f.Busy-lastBusy)/float64(miss-lastMiss))
		}
		lastBusy, lastMiss = f.Busy, miss
		f.Busy = min(max(0, next), 10*max(lastBusy, time.Millisecond))
		if f.Busy == lastBusy {
			break
		}
	}
	return f, nil
}
