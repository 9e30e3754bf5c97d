package machine

import (
	"fmt"
	"slices"
	"time"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/sim"
)

// Replayed is a way of using a disk as it was measured and as the simulator
// does it: how well the model of the disk fits what it was made of.
type Replayed struct {
	Measured  DiskSeries `json:"measured"`
	Simulated DiskSeries `json:"simulated"`
}

// Replay uses the simulated disk of a profile as its measured disk was used:
// for each measured series of synced appends and overwrites, calls calls.
func (p Profile) Replay(calls int) ([]Replayed, error) {
	if p.Disk == nil {
		return nil, fmt.Errorf("machine profile %s: its disk was not measured", p.Name)
	}
	alone := *p.Disk
	alone.BusyCommitNanos = 0
	p.Disk = &alone
	var all []Replayed
	for _, s := range p.Disk.Series {
		if s.Op != AppendSync && s.Op != OverwriteSync {
			continue
		}
		simulated, err := p.replay(s, calls)
		if err != nil {
			return nil, fmt.Errorf("replaying %s of %d bytes at depth %d: %w", s.Op, s.Bytes, s.Depth, err)
		}
		all = append(all, Replayed{s, simulated})
	}
	return all, nil
}

func (p Profile) replay(s DiskSeries, calls int) (DiskSeries, error) {
	k := sim.NewKernel(sim.Options{Seed: 1})
	defer func() { _ = k.Close() }()
	m, err := p.Build(k, "replay")
	if err != nil {
		return s, err
	}
	n := k.NewNode("replay")
	m.Host(n)
	n.SetFS(m.NewDisk(n))
	var took []time.Duration
	var busy time.Duration
	n.Start("main", func(e env.Env) {
		var tasks []env.Task
		var files []env.File
		for i := range s.Depth {
			f, ferr := e.FS().Create(fmt.Sprintf("file-%d", i))
			if ferr == nil && s.Op == OverwriteSync {
				if _, ferr = f.WriteAt(make([]byte, s.Bytes), 0); ferr == nil {
					ferr = f.Sync()
				}
			}
			if ferr != nil {
				err = ferr
				return
			}
			files = append(files, f)
		}
		began := e.Now()
		for _, f := range files {
			tasks = append(tasks, e.Go("writer", func() {
				data := make([]byte, s.Bytes)
				var at int64
				for range max(1, calls/int(s.Depth)) {
					start := e.Now()
					_, ferr := f.WriteAt(data, at)
					if ferr == nil {
						ferr = f.Sync()
					}
					if ferr != nil {
						err = ferr
						return
					}
					took = append(took, e.Now()-start)
					if s.Op == AppendSync {
						at += s.Bytes
					}
				}
			}))
		}
		for _, t := range tasks {
			t.Wait()
		}
		busy = e.Now() - began
	})
	// No end of the world is waited for: write-back goes on for long.
	if stop := k.RunWhile(func() bool { return busy == 0 && err == nil && len(k.Failures()) == 0 }); stop != nil {
		return s, stop
	}
	if len(k.Failures()) > 0 {
		return s, k.Failures()[0]
	}
	if err != nil {
		return s, err
	}
	s.Count = int64(len(took))
	s.BytesPerSecond = int64(float64(s.Bytes*s.Count) / busy.Seconds())
	s.Latency = quantilesOf(took, s.Latency)
	return s, nil
}

// quantilesOf are the quantiles of samples at the points of another
// distribution.
func quantilesOf(samples []time.Duration, like []sim.Quantile) []sim.Quantile {
	slices.Sort(samples)
	var list []sim.Quantile
	for _, q := range like {
		list = append(list, sim.Quantile{PPM: q.PPM, Value: samples[q.PPM*int64(len(samples)-1)/1_000_000]})
	}
	return list
}
