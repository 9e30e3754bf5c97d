package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/weirlab/weir/faults"
	"github.com/weirlab/weir/reports"
	"github.com/weirlab/weir/workloads"
	"github.com/weirlab/weir/workloads/scenario"
	"github.com/weirlab/weir/workloads/shrink"
)

// shrunkFile is the smallest plan found, beside the run that it came from.
const shrunkFile = "shrunk.yaml"

type shrinkFlags struct {
	seed    string
	budget  time.Duration
	tries   int
	workers int
	plant   []string
	out     string
	json    bool
}

func shrinkCommand(s streams) *cobra.Command {
	var f shrinkFlags
	cmd := &cobra.Command{
		Use:   "shrink DIR|scenario.yaml",
		Short: "Find the smallest plan that still fails in the same way",
		Long: "Find the smallest plan that still fails in the same way.\n\n" +
			"DIR is the result directory of a simulated run that failed; a scenario is run\n" +
			"first. Faults, programs, clients, brokers and settings are left out, the load is\n" +
			"made shorter and times rounder, as long as the plan goes on failing with the\n" +
			"same check and the same kind of sentence. Planted bugs are planted again.\n\n" +
			"The best plan so far is in DIR/" + shrunkFile + " at any time: a search that is\n" +
			"interrupted, or whose budget runs out, has lost nothing, and the next one goes on\n" +
			"from there. In the end the plan is run once more, with a report of its own. It\n" +
			"becomes a regression by moving it to workloads/testdata/found.",
		Example: "  weir shrink weir-out/latest\n  weir shrink scenarios/harsh.yaml --seed 0x11 --budget 2m\n  bin/weir-faults shrink quickstart --seed 0x2 --plant B1",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runShrink(cmd.Context(), s, args[0], f)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.seed, "seed", "", "seed of a scenario, decimal or 0x…; by default the scenario's own")
	flags.DurationVar(&f.budget, "budget", 5*time.Minute, "how long to search; 0 until nothing more can be left out")
	flags.IntVar(&f.tries, "tries", 0, "how many plans to try at most, for a result that does not depend on the clock; 0 as many as the budget allows")
	flags.IntVar(&f.workers, "workers", runtime.NumCPU(), "how many plans to run at a time; does not change what is found")
	flags.StringSliceVar(&f.plant, "plant", nil, "plant a bug in the broker, such as B1; the bugs of DIR are planted anyway")
	flags.StringVar(&f.out, "out", "weir-out", "directory for result directories")
	flags.BoolVar(&f.json, "json", false, "print the shrunk run's run.json instead of the summary")
	return cmd
}

func runShrink(ctx context.Context, s streams, from string, f shrinkFlags) error {
	if f.workers < 1 || f.budget < 0 || f.tries < 0 {
		return errors.New("--workers must be at least 1, --budget and --tries not negative")
	}
	dir, planted, err := failure(ctx, s, from, f)
	if err != nil {
		return err
	}
	run, plan, err := readFailure(dir)
	if err != nil {
		return err
	}
	signature := kindOf(run)
	simulate := signatures(signature)
	if plan, err = resumed(ctx, s, dir, plan, signature, simulate); err != nil {
		return err
	}
	began := now()
	search, cancel := ctx, context.CancelFunc(func() {})
	if f.budget > 0 {
		search, cancel = context.WithTimeout(ctx, f.budget)
	}
	defer cancel()
	trouble := error(nil)
	show := newSearchProgress(s.err, plan)
	result, err := shrink.Shrink(search, plan, signature, simulate, shrink.Options{
		Workers: f.workers, Tries: f.tries, Progress: show.update,
		Better: func(p *scenario.Scenario, _ shrink.Progress) {
			show.better(p)
			trouble = errors.Join(trouble, saveShrunk(dir, plan, p, signature, planted))
		},
	})
	show.done()
	switch {
	case errors.Is(err, shrink.ErrPasses):
		return fmt.Errorf("the plan in %s does not fail with %q in this build; with the commit that is in %s it may", dir, signature, reports.RunFile)
	case err != nil:
		return internal(err)
	case trouble != nil:
		return internal(trouble)
	}
	if err := saveShrunk(dir, plan, result.Plan, signature, planted); err != nil {
		return internal(err)
	}
	file := filepath.Join(dir, shrunkFile)
	code := exitUnknown // cut short before the plan could be run again
	if ctx.Err() == nil {
		shrunk, _, err := recordRun(ctx, s, result.Plan, file, runFlags{target: targetSim, out: f.out}, planted)
		if err != nil {
			return err
		}
		if err := tell(s, shrunk, f.json); err != nil {
			return internal(err)
		}
		code = exitPassed
	}
	if !f.json {
		printShrunk(s, plan, result, file, planted, now().Sub(began))
	}
	return verdict(code)
}

// failure is the result directory of the run to shrink, with its bugs planted.
func failure(ctx context.Context, s streams, from string, f shrinkFlags) (dir string, planted []faults.Bug, err error) {
	if info, err := os.Stat(from); err == nil && info.IsDir() {
		run, err := reports.Load(from)
		if err != nil {
			return "", nil, err
		}
		if f.seed != "" {
			return "", nil, errors.New("--seed is for a scenario; the plan in a result directory has its own")
		}
		// What is written later makes weir-out/latest lead elsewhere.
		if from, err = filepath.EvalSymlinks(from); err != nil {
			return "", nil, internal(err)
		}
		planted, err := faults.Plant(append(bugsOf(run), f.plant...))
		return from, planted, err
	}
	sc, err := loadScenario(from, f.seed)
	if err != nil {
		return "", nil, err
	}
	if planted, err = faults.Plant(f.plant); err != nil {
		return "", nil, err
	}
	dir, _, err = recordRun(ctx, s, sc.Resolve(), from, runFlags{target: targetSim, out: f.out}, planted)
	return dir, planted, err
}

// bugsOf are the ids of the bugs that were planted in a run.
func bugsOf(run *reports.Run) []string {
	var ids []string
	for _, p := range run.Planted {
		id, _, _ := strings.Cut(p, ":")
		ids = append(ids, id)
	}
	return ids
}

// readFailure reads what a failing run left.
func readFailure(dir string) (*reports.Run, *scenario.Scenario, error) {
	run, err := reports.Load(dir)
	if err != nil {
		return nil, nil, err
	}
	switch {
	case run.Target != targetSim:
		return nil, nil, fmt.Errorf("%s is a run against %s: only a simulated run can be repeated", dir, run.Target)
	case run.Rerun != "different" && len(run.Verdict.Findings) == 0:
		return nil, nil, fmt.Errorf("the run in %s found nothing (%s): there is no failure to look into", dir, run.Verdict.Status)
	}
	plan, err := scenario.ReadFile(filepath.Join(dir, reports.PlanFile))
	if err != nil {
		return nil, nil, err
	}
	return run, plan, nil
}

const notDeterministic = "not deterministic"

// kindOf is the signature of a failing run.
func kindOf(run *reports.Run) string {
	if run.Rerun == "different" {
		return notDeterministic
	}
	return run.Verdict.Signature()
}

// signatures simulates a plan and says which kinds of failure it shows; if it
// is not being deterministic that is looked for, it runs twice.
func signatures(wanted string) shrink.Run {
	return func(ctx context.Context, plan *scenario.Scenario) ([]string, error) {
		o, err := workloads.RunSim(ctx, workloads.Options{Scenario: plan})
		if err != nil {
			return nil, err
		}
		if o.Abandoned { // each try would leave another goroutine behind
			return nil, errors.New(o.Interrupted)
		}
		found := o.Verdict.Signatures()
		if wanted == notDeterministic && o.Complete {
			again, err := workloads.RunSim(ctx, workloads.Options{Scenario: plan, Unjudged: true})
			if err == nil && again.Complete && again.Trace.Hash != o.Trace.Hash {
				found = append(found, notDeterministic)
			}
		}
		return found, nil
	}
}

// resumed is where an earlier search came to, plan if there was none or it is
// of no use any more.
func resumed(ctx context.Context, s streams, dir string, plan *scenario.Scenario, signature string, run shrink.Run) (*scenario.Scenario, error) {
	file := filepath.Join(dir, shrunkFile)
	before, err := scenario.ReadFile(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return plan, nil
	case err != nil:
		return nil, fmt.Errorf("%w; remove it to begin anew", err)
	}
	found, err := run(ctx, before)
	if err != nil || !slices.Contains(found, signature) {
		return plan, nil
	}
	_, _ = fmt.Fprintf(s.err, "going on from %s\n", file)
	return before, nil
}

// saveShrunk writes the smallest plan so far, in one step, with what it is.
func saveShrunk(dir string, from, plan *scenario.Scenario, signature string, planted []faults.Bug) error {
	text, err := plan.YAML()
	if err != nil {
		return err
	}
	file := filepath.Join(dir, shrunkFile)
	var b bytes.Buffer
	comment := func(format string, args ...any) {
		for line := range strings.Lines(fmt.Sprintf(format, args...)) {
			for _, piece := range folded(strings.TrimSpace(line), 78) {
				fmt.Fprintf(&b, "# %s\n", piece)
			}
		}
	}
	comment("Shrunk by \"weir shrink\" from a plan with %s.", sizeOf(from))
	for _, bug := range planted {
		comment("It fails with %s planted and passes without: %s.", bug.ID, bug.About)
	}
	comment("What it shows is %s.", signature)
	b.Write(text)
	if err := os.WriteFile(file+".tmp", b.Bytes(), 0o644); err != nil {
		return err
	}
	return os.Rename(file+".tmp", file)
}

// folded breaks a line into pieces of at most width letters, if words allow.
func folded(line string, width int) []string {
	var pieces []string
	piece := ""
	for word := range strings.FieldsSeq(line) {
		if piece != "" && len(piece)+1+len(word) > width {
			pieces, piece = append(pieces, piece), ""
		}
		piece = strings.TrimSpace(piece + " " + word)
	}
	return append(pieces, piece)
}

// sizeOf says how large a plan is.
func sizeOf(p *scenario.Scenario) string {
	clients, partitions := 0, int64(0)
	for _, c := range p.Load.Clients() {
		clients += c.Clients()
	}
	for _, t := range p.TopicsUnderLoad() {
		partitions += t.Partitions.Value()
	}
	return fmt.Sprintf("%s, %s, %s, %s and %v of load", counted(len(p.Faults.Plan), "fault"), counted(len(p.BrokerNames()), "broker"),
		counted(int(partitions), "partition"), counted(clients, "client"), p.Load.Duration.Value())
}

func counted(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %ss", n, one)
}

func printShrunk(s streams, from *scenario.Scenario, r shrink.Result, file string, planted []faults.Bug, took time.Duration) {
	end := "nothing more can be left out"
	if !r.Whole {
		end = "the search was cut short; the same command goes on from here"
	}
	_, _ = fmt.Fprintf(s.out, "shrunk from %s\n    to %s\n%s tried in %s: %s\nplan: %s\nreproduce: %s\nkeep as a regression: mv %s workloads/testdata/found/\n",
		sizeOf(from), sizeOf(r.Plan), counted(r.Tried, "plan"), took.Round(100*time.Millisecond), end, file,
		reproduce(file, r.Plan.Seed, targetSim, planted), file)
}

// searchProgress shows how far a search is: a line on a terminal that is written
// over, a line now and then in a pipe.
type searchProgress struct {
	*progress
	size string
}

func newSearchProgress(out io.Writer, plan *scenario.Scenario) *searchProgress {
	return &searchProgress{progress: newProgress(out, "shrinking"), size: sizeOf(plan)}
}

func (p *searchProgress) better(plan *scenario.Scenario) { p.size = sizeOf(plan) }

func (p *searchProgress) update(at shrink.Progress) {
	p.say(fmt.Sprintf("  %s tried, %d of them smaller: %s; %s", counted(at.Tried, "plan"), at.Kept, p.size, at.Doing))
}
