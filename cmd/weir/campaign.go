package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/weirlab/weir/faults"
	"github.com/weirlab/weir/linearizability"
	"github.com/weirlab/weir/workloads"
	"github.com/weirlab/weir/workloads/scenario"
)

type campaignFlags struct {
	from     string
	seeds    int
	workers  int
	plant    []string
	failFast int
	rerun    int
	out      string
	json     bool
}

func campaignCommand(s streams) *cobra.Command {
	var f campaignFlags
	cmd := &cobra.Command{
		Use:   "campaign [scenario.yaml]",
		Short: "Simulate many seeds of a scenario",
		Long: "Simulate many seeds of a scenario, several at a time, and group what was found\n" +
			"by its signature. Every failing seed and one in --rerun of the others is run\n" +
			"twice: a run that is not a function of its seed is a finding of its own.",
		Example: "  weir campaign --seeds 1000\n  bin/weir-faults campaign --seeds 200 --plant B1 --fail-fast 1",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			file := ""
			if len(args) == 1 {
				file = args[0]
			}
			return runCampaign(cmd.Context(), s, file, f)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.from, "from", "1", "first seed")
	flags.IntVar(&f.seeds, "seeds", 100, "how many seeds")
	flags.IntVar(&f.workers, "workers", runtime.NumCPU(), "how many to run at a time")
	flags.StringSliceVar(&f.plant, "plant", nil, "plant a bug in the broker, such as B1")
	flags.IntVar(&f.failFast, "fail-fast", 0, "stop after so many failing seeds; 0 runs all")
	flags.IntVar(&f.rerun, "rerun", 50, "run one in so many passing seeds twice; 0 none")
	flags.StringVar(&f.out, "out", "weir-out", "directory for results.jsonl, one line per seed")
	flags.BoolVar(&f.json, "json", false, "print results as JSON lines instead of the summary")
	return cmd
}

// seedResult is one line of results.jsonl.
type seedResult struct {
	Seed      string        `json:"seed"`
	Exit      int           `json:"exit"`
	Findings  []string      `json:"findings,omitempty"`  // codes and sentences
	Signature string        `json:"signature,omitempty"` // of the failure
	Excused   int           `json:"excused,omitempty"`
	TraceHash string        `json:"trace_hash"`
	Rerun     string        `json:"rerun,omitempty"` // same, different or ""
	Events    uint64        `json:"events"`
	Acked     int64         `json:"acked_records"`
	Simulated time.Duration `json:"simulated_ns"`
	Wall      time.Duration `json:"wall_ns"`
	Command   string        `json:"command,omitempty"`
	Error     string        `json:"error,omitempty"`
}

func runCampaign(ctx context.Context, s streams, file string, f campaignFlags) error {
	sc, err := loadScenario(file, f.from)
	if err != nil {
		return err
	}
	if f.seeds < 1 || f.workers < 1 || f.failFast < 0 || f.rerun < 0 {
		return fmt.Errorf("--seeds and --workers must be at least 1, --fail-fast and --rerun not negative")
	}
	planted, err := faults.Plant(f.plant)
	if err != nil {
		return err
	}
	started := now()
	dir := filepath.Join(f.out, "campaign", started.UTC().Format("20060102T150405.000")+"-"+sc.Name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return internal(err)
	}
	lines, err := os.Create(filepath.Join(dir, "results.jsonl"))
	if err != nil {
		return internal(err)
	}
	var tee io.Writer = lines
	if f.json {
		tee = io.MultiWriter(lines, s.out)
	}

	results := simulateSeeds(ctx, s.err, sc, file, f, planted, tee)
	if err := lines.Close(); err != nil {
		return internal(err)
	}
	if !f.json {
		printCampaign(s.out, sc, f, results, lines.Name(), now().Sub(started))
	}
	return verdict(campaignExit(results))
}

// simulateSeeds runs the seeds and returns what came of them in order of seed.
func simulateSeeds(ctx context.Context, errOut io.Writer, sc *scenario.Scenario, file string, f campaignFlags, planted []faults.Bug, out io.Writer) []seedResult {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	bar := newCountProgress(errOut, sc.Name, "seeds", f.seeds)
	defer bar.done()

	var (
		mu      sync.Mutex
		wg      sync.WaitGroup
		next    int
		failing int
		results []seedResult
		enc     = json.NewEncoder(out)
	)
	for range min(f.workers, f.seeds) {
		wg.Go(func() {
			for {
				mu.Lock()
				n := next
				next++
				mu.Unlock()
				if n >= f.seeds || ctx.Err() != nil {
					return
				}
				r := simulateSeed(ctx, sc, file, sc.Seed+scenario.Seed(n), planted, f.rerun > 0 && n%f.rerun == 0)
				if ctx.Err() != nil {
					return
				}
				mu.Lock()
				results = append(results, r)
				_ = enc.Encode(r) // a full disk shows when the file is closed
				bar.one()
				if r.Exit != exitPassed {
					if failing++; failing == f.failFast {
						cancel()
					}
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	slices.SortFunc(results, func(a, b seedResult) int {
		return strings.Compare(fmt.Sprintf("%20s", a.Seed), fmt.Sprintf("%20s", b.Seed))
	})
	return results
}

func simulateSeed(ctx context.Context, sc *scenario.Scenario, file string, seed scenario.Seed, planted []faults.Bug, rerun bool) seedResult {
	one := *sc
	one.Seed = seed
	explicit := one.Resolve()
	started := now()
	r := seedResult{Seed: seed.String()}
	o, err := workloads.RunSim(ctx, workloads.Options{Scenario: explicit})
	r.Wall = now().Sub(started)
	if err != nil {
		r.Exit, r.Error, r.Signature = exitInternal, err.Error(), linearizability.Shape(err.Error())
		r.Command = reproduce(file, seed, targetSim, planted)
		return r
	}
	r.TraceHash = fmt.Sprintf("%016x", o.Trace.Hash)
	r.Events, r.Acked, r.Simulated, r.Excused = o.Trace.Steps, o.Acked, o.ClusterTime, len(o.Verdict.Excused)
	for _, finding := range o.Verdict.Findings {
		r.Findings = append(r.Findings, finding.Code+": "+finding.Sentence)
	}
	record := runRecord{newRun(explicit, targetSim, started, planted).Run}
	if rerun || failed(o) {
		again, err := workloads.RunSim(ctx, workloads.Options{Scenario: explicit, Unjudged: true})
		if err == nil {
			r.Rerun = "same"
			if again.Trace.Hash != o.Trace.Hash {
				r.Rerun = "different"
			}
		}
	}
	record.Rerun = r.Rerun
	if r.Exit = exitCode(record.Run, o); r.Exit != exitPassed {
		r.Command = reproduce(file, seed, targetSim, planted)
		r.Error = o.Interrupted
		r.Signature = signature(r, &o.Verdict)
	}
	return r
}

// campaignExit is the worst of the seeds' exit codes: a broken promise first,
// then a broken simulator, then what is not known.
func campaignExit(results []seedResult) int {
	for _, code := range []int{exitFailed, exitNotDeterministic, exitInternal, exitLiveness, exitUnknown} {
		if slices.ContainsFunc(results, func(r seedResult) bool { return r.Exit == code }) {
			return code
		}
	}
	return exitPassed
}

// signature is what failing seeds of the same kind have in common.
func signature(r seedResult, v *linearizability.Verdict) string {
	switch {
	case r.Rerun == "different":
		return "not deterministic"
	case len(v.Findings) > 0:
		return v.Signature()
	case r.Error != "":
		return linearizability.Shape(r.Error)
	}
	return fmt.Sprintf("exit code %d", r.Exit)
}

func printCampaign(w io.Writer, sc *scenario.Scenario, f campaignFlags, results []seedResult, file string, wall time.Duration) {
	var simulated time.Duration
	var events uint64
	var slowest seedResult
	groups := map[string][]seedResult{}
	reruns, passed := 0, 0
	for _, r := range results {
		simulated += r.Simulated
		events += r.Events
		if r.Wall > slowest.Wall {
			slowest = r
		}
		if r.Rerun != "" {
			reruns++
		}
		if r.Exit == exitPassed {
			passed++
			continue
		}
		groups[r.Signature] = append(groups[r.Signature], r)
	}
	_, _ = fmt.Fprintf(w, "%s: %d of %d seeds passed\n", sc.Name, passed, len(results))
	if len(results) < f.seeds {
		_, _ = fmt.Fprintf(w, "stopped after %d of %d seeds\n", len(results), f.seeds)
	}
	if len(results) > 0 {
		_, _ = fmt.Fprintf(w, "%.0f simulated seconds in %.1f wall seconds, %.1f million events; slowest seed %s: %.1f s; %d seeds run twice\n",
			simulated.Seconds(), wall.Seconds(), float64(events)/1e6, slowest.Seed, slowest.Wall.Seconds(), reruns)
	}
	signatures := make([]string, 0, len(groups))
	for sig := range groups {
		signatures = append(signatures, sig)
	}
	slices.SortFunc(signatures, func(a, b string) int {
		if d := len(groups[b]) - len(groups[a]); d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
	for _, sig := range signatures {
		group := groups[sig]
		fastest := slices.MinFunc(group, func(a, b seedResult) int { return int(min(1, max(-1, a.Wall-b.Wall))) })
		_, _ = fmt.Fprintf(w, "\n%d seeds: %s\n", len(group), sig)
		for _, line := range fastest.Findings[:min(3, len(fastest.Findings))] {
			_, _ = fmt.Fprintf(w, "  %s\n", line)
		}
		if fastest.Error != "" {
			_, _ = fmt.Fprintf(w, "  %s\n", fastest.Error)
		}
		_, _ = fmt.Fprintf(w, "  reproduce: %s\n", fastest.Command)
	}
	_, _ = fmt.Fprintf(w, "results: %s\n", file)
}
