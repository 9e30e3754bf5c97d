package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/weirlab/weir/reports/rundir"
	"github.com/weirlab/weir/workloads"
	"github.com/weirlab/weir/workloads/campaign"
	"github.com/weirlab/weir/workloads/explore"
	"github.com/weirlab/weir/workloads/scenario"
)

// withExplore gives the campaign command its mode of searching with feedback.
func withExplore(s streams, cmd *cobra.Command) *cobra.Command {
	percent := 0
	cmd.Flags().IntVar(&percent, "explore", 0, "of a hundred runs, change the plans of earlier ones that were somewhere new in so many; 0 says which states were reached, and changes none")
	campaign := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if !cmd.Flags().Changed("explore") {
			return campaign(cmd, args)
		}
		if percent < 0 || percent > 100 {
			return fmt.Errorf("--explore is a percentage from 0 to 100, not %d", percent)
		}
		var other []string
		cmd.Flags().Visit(func(f *pflag.Flag) {
			if !slices.Contains([]string{"explore", "from", "seeds", "workers", "out", "coverage"}, f.Name) {
				other = append(other, "--"+f.Name)
			}
		})
		if len(other) > 0 {
			return fmt.Errorf("%s cannot be given with --explore; leave one out", strings.Join(other, ", "))
		}
		file := ""
		if len(args) == 1 {
			file = args[0]
		}
		return runExplore(cmd.Context(), s, file, exploreFlagsOf(cmd, percent))
	}
	return cmd
}

type exploreFlags struct {
	from, out              string
	runs, workers, percent int
}

// exploreFlagsOf reads what the mode shares with the campaign.
func exploreFlagsOf(cmd *cobra.Command, percent int) exploreFlags {
	f := exploreFlags{percent: percent}
	f.from, _ = cmd.Flags().GetString("from")
	f.out, _ = cmd.Flags().GetString("out")
	f.runs, _ = cmd.Flags().GetInt("seeds")
	f.workers, _ = cmd.Flags().GetInt("workers")
	return f
}

// exploreResult is one line of results.jsonl.
type exploreResult struct {
	Run       int           `json:"run"`
	Seed      string        `json:"seed"`
	Of        *int          `json:"of,omitempty"` // the run whose plan was changed
	Change    string        `json:"change,omitempty"`
	Fresh     []string      `json:"fresh,omitempty"` // states that no run before reached
	Plan      string        `json:"plan,omitempty"`  // its file, if it was kept
	Exit      int           `json:"exit"`
	Findings  []string      `json:"findings,omitempty"`
	Signature string        `json:"signature,omitempty"`
	TraceHash string        `json:"trace_hash"`
	Simulated time.Duration `json:"simulated_ns"`
}

// explorer writes down what a search comes by.
type explorer struct {
	dir     string
	lines   *json.Encoder
	bar     *countProgress
	failing []campaign.Result
	passed  int
	trouble error // of writing
}

func runExplore(ctx context.Context, s streams, file string, f exploreFlags) error {
	base, err := loadScenario(file, f.from)
	if err != nil {
		return err
	}
	if f.runs < 1 || f.workers < 1 {
		return fmt.Errorf("--seeds and --workers must be at least 1")
	}
	started := now()
	dir := filepath.Join(f.out, "explore", started.UTC().Format("20060102T150405.000")+"-"+base.Name)
	if err := os.MkdirAll(filepath.Join(dir, "kept"), 0o755); err != nil {
		return internal(err)
	}
	results, err := os.Create(filepath.Join(dir, "results.jsonl"))
	if err != nil {
		return internal(err)
	}
	x := &explorer{dir: dir, lines: json.NewEncoder(results), bar: newCountProgress(s.err, base.Name, "runs", f.runs)}
	summary, err := explore.Search(ctx, explore.Options{Base: base, Runs: f.runs, Percent: f.percent, Workers: f.workers, Run: simulatePlan, Done: x.done})
	x.bar.done()
	if err == nil {
		err = x.trouble
	}
	if cerr := results.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "states.txt"), []byte(summary.Text()), 0o644)
	}
	if err != nil {
		return internal(err)
	}
	x.print(s.out, base.Name, f, summary, now().Sub(started))
	return verdict(worstExit(x.failing))
}

// simulatePlan runs a plan.
func simulatePlan(ctx context.Context, plan *scenario.Scenario) ([]explore.State, any, error) {
	o, err := workloads.RunSim(ctx, workloads.Options{Scenario: plan})
	if err != nil {
		return nil, nil, err
	}
	r := exploreResult{Seed: plan.Seed.String(), TraceHash: fmt.Sprintf("%016x", o.Trace.Hash), Simulated: o.ClusterTime}
	for _, finding := range o.Verdict.Findings {
		r.Findings = append(r.Findings, finding.Code+": "+finding.Sentence)
	}
	if failed(o) && !o.Abandoned {
		again, err := workloads.RunSim(ctx, workloads.Options{Scenario: plan, Unjudged: true})
		if err != nil {
			return nil, nil, err
		}
		if again.Trace.Hash != o.Trace.Hash {
			r.Exit, r.Signature = exitNotDeterministic, signature(o, exitNotDeterministic, "different")
			return explore.Of(o), r, nil
		}
	}
	if r.Exit = exitCode(rundir.NewRun(plan, targetSim, time.Time{}, nil).Run, o); r.Exit != exitPassed {
		r.Signature = signature(o, r.Exit, "")
	}
	return explore.Of(o), r, nil
}

// done writes down one run, and its plan if it is worth keeping.
func (x *explorer) done(run *explore.Run) {
	r := run.Result.(exploreResult)
	r.Run, r.Change = run.Number, run.Change
	if !run.Drawn() {
		r.Of = &run.Of
	}
	for _, s := range run.Fresh {
		r.Fresh = append(r.Fresh, s.String())
	}
	if len(run.Fresh) > 0 || r.Exit != exitPassed {
		r.Plan = filepath.Join(x.dir, "kept", fmt.Sprintf("%06d.yaml", run.Number))
		x.keep(r, run)
	}
	if r.Exit == exitPassed {
		x.passed++
	} else {
		x.failing = append(x.failing, campaign.Result{Ordinal: r.Run, Seed: r.Seed, Exit: r.Exit, Signature: r.Signature, Findings: r.Findings,
			Command: program() + " run " + r.Plan})
	}
	if err := x.lines.Encode(r); err != nil && x.trouble == nil {
		x.trouble = err
	}
	x.bar.one()
}

// keep writes the plan of a run, with where it comes from.
func (x *explorer) keep(r exploreResult, run *explore.Run) {
	text, err := run.Plan.YAML()
	if err == nil {
		var b bytes.Buffer
		if run.Drawn() {
			fmt.Fprintf(&b, "# Run %d: drawn by seed %s.\n", run.Number, run.Plan.Seed)
		} else {
			fmt.Fprintf(&b, "# Run %d: the plan of run %d, changed: %s.\n", run.Number, run.Of, run.Change)
		}
		for _, s := range r.Fresh {
			fmt.Fprintf(&b, "# First to reach %s.\n", s)
		}
		if r.Signature != "" {
			fmt.Fprintf(&b, "# Failed: %s\n", r.Signature)
		}
		b.Write(text)
		err = os.WriteFile(r.Plan, b.Bytes(), 0o644)
	}
	if err != nil && x.trouble == nil {
		x.trouble = err
	}
}

func (x *explorer) print(w io.Writer, name string, f exploreFlags, s *explore.Summary, wall time.Duration) {
	ran := s.Runs[0] + s.Runs[1]
	_, _ = fmt.Fprintf(w, "%s: %d of %d runs passed, in %.1f s\n", name, x.passed, ran, wall.Seconds())
	if ran < f.runs {
		_, _ = fmt.Fprintf(w, "stopped after %d of %d runs\n", ran, f.runs)
	}
	_, _ = fmt.Fprintf(w, "%d runs of drawn plans were the first in %d states, %d of changed plans in %d; %d plans kept\n",
		s.Runs[0], s.Fresh[0], s.Runs[1], s.Fresh[1], s.Kept)
	for _, line := range explore.Told(s.Names()) {
		_, _ = fmt.Fprintln(w, line)
	}
	for _, g := range campaign.Groups(x.failing) {
		_, _ = fmt.Fprintf(w, "\n%d runs: %s\n", len(g.Seeds), g.Signature)
		for _, line := range g.Smallest.Findings[:min(3, len(g.Smallest.Findings))] {
			_, _ = fmt.Fprintf(w, "  %s\n", line)
		}
		_, _ = fmt.Fprintf(w, "  reproduce: %s\n", g.Smallest.Command)
	}
	_, _ = fmt.Fprintf(w, "plans, results and states: %s\n", x.dir)
}
