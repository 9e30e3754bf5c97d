package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/spf13/cobra"

	"github.com/weirlab/weir/faults"
	"github.com/weirlab/weir/linearizability/story"
	"github.com/weirlab/weir/reports"
	"github.com/weirlab/weir/reports/rundir"
	"github.com/weirlab/weir/sim"
	"github.com/weirlab/weir/workloads"
	"github.com/weirlab/weir/workloads/explain"
	"github.com/weirlab/weir/workloads/scenario"
)

type explainFlags struct {
	budget  time.Duration
	draws   int
	workers int
}

func explainCommand(s streams) *cobra.Command {
	var f explainFlags
	cmd := &cobra.Command{
		Use:   "explain DIR",
		Short: "Work out why a run failed",
		Long: "Work out why a simulated run failed, into DIR/" + reports.ExplanationFile + ", and draw its\n" +
			"report again: the story of the record that the gravest finding is about, how each\n" +
			"replica's log stood at every time, the messages that matter, from when on the\n" +
			"failure was bound to happen, and what each fault has to do with it.\n\n" +
			"A failing run has its story already. What takes more runs is worked out within\n" +
			"--budget; \"weir shrink\" first makes the plan, and each of these runs, short.",
		Example: "  weir explain weir-out/latest\n  weir explain weir-out/latest --budget 10m --draws 64",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runExplain(cmd.Context(), s, args[0], f)
		},
	}
	flags := cmd.Flags()
	flags.DurationVar(&f.budget, "budget", 2*time.Minute, "how long to work; 0 until every time has its draws")
	flags.IntVar(&f.draws, "draws", explain.DefaultDraws, "how often to draw the rest of the run anew, at each time")
	flags.IntVar(&f.workers, "workers", runtime.NumCPU(), "how many runs at a time; does not change what is found")
	return cmd
}

func runExplain(ctx context.Context, s streams, dir string, f explainFlags) error {
	if f.workers < 1 || f.draws < 1 || f.budget < 0 {
		return errors.New("--workers and --draws must be at least 1, --budget not negative")
	}
	run, plan, err := readFailure(dir)
	if err != nil {
		return err
	}
	if run.Verdict.Gravest() == nil {
		return fmt.Errorf("the run in %s is %s, and broke no promise: \"weir run --verify\" shows where two runs part", dir, notDeterministic)
	}
	if _, err := faults.Plant(bugsOf(run)); err != nil {
		return err
	}
	work, cancel := ctx, context.CancelFunc(func() {})
	if f.budget > 0 {
		work, cancel = context.WithTimeout(ctx, f.budget)
	}
	defer cancel()

	bar := newProgress(s.err, "explaining")
	bar.say("  running it again, to look closely")
	probe, again, err := rundir.LookClosely(work, plan, run.Verdict.Gravest())
	if err != nil {
		bar.done()
		return internal(err)
	}
	if again.Complete && fmt.Sprintf("%016x", again.Trace.Hash) != run.TraceHash {
		bar.done()
		return fmt.Errorf("the plan in %s takes another course in this build (trace hash %016x, then %s): run it again first", dir, again.Trace.Hash, run.TraceHash)
	}
	e, err := rundir.Explanation(dir, probe)
	if err == nil {
		times := explain.Times(&e.Story, run.LoadStart)
		e.Forks, e.Faults = explain.Of(work, plan, e.Signature, times, simulateFork, explain.Options{
			Workers: f.workers, Draws: f.draws,
			Progress: func(done, of int) { bar.say(fmt.Sprintf("  %d of %d runs", done, of)) },
		})
		if ctx.Err() == nil && work.Err() != nil {
			e.Missing = append(e.Missing, fmt.Sprintf("the budget of %v ran out: some times have fewer draws than %d", f.budget, f.draws))
		}
	}
	bar.done()
	if err == nil {
		err = reports.SaveExplanation(dir, e)
	}
	if err == nil {
		err = reports.Write(dir)
	}
	if err != nil {
		return internal(err)
	}
	printExplanation(s, e, dir)
	return nil
}

func simulateFork(ctx context.Context, plan *scenario.Scenario, fork sim.Fork) ([]string, error) {
	o, err := workloads.RunSim(ctx, workloads.Options{Scenario: plan, Fork: fork})
	if err != nil {
		return nil, err
	}
	if !o.Complete {
		return nil, errors.New(o.Interrupted)
	}
	return o.Verdict.Signatures(), nil
}

func printExplanation(s streams, e *story.Explanation, dir string) {
	for i, step := range e.Story.Steps {
		mark := " "
		if step.Wrong {
			mark = "✗"
		}
		_, _ = fmt.Fprintf(s.out, "%2d %s %9.3f s  %-10s %s\n", i+1, mark, step.At.Seconds(), step.Node, step.Text)
	}
	for _, f := range e.Forks {
		_, _ = fmt.Fprintf(s.out, "from %.3f s on: %d of %d draws fail\n", f.At.Seconds(), f.Failed, f.Runs)
	}
	for _, c := range e.Faults {
		how := "it passes"
		switch {
		case c.Same:
			how = "it still fails"
		case c.Other:
			how = "it fails in another way"
		}
		_, _ = fmt.Fprintf(s.out, "without %s: %s", c.Fault, how)
		if c.Runs > 0 {
			_, _ = fmt.Fprintf(s.out, "; of %d draws %d fail with it, %d without", c.Runs, c.With, c.Without)
		}
		_, _ = fmt.Fprintln(s.out)
	}
	for _, m := range e.Missing {
		_, _ = fmt.Fprintf(s.out, "note: %s\n", m)
	}
	_, _ = fmt.Fprintf(s.out, "report: %s/%s\n", dir, reports.ReportFile)
}
