package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/env/planted"
	"github.com/weirlab/weir/faults"
	"github.com/weirlab/weir/reports/results"
	"github.com/weirlab/weir/reports/rundir"
	"github.com/weirlab/weir/workloads"
	"github.com/weirlab/weir/workloads/calibrate"
	"github.com/weirlab/weir/workloads/experiment/document"
	"github.com/weirlab/weir/workloads/mutants"
	"github.com/weirlab/weir/workloads/scenario"
	"github.com/weirlab/weir/workloads/shrink"
)

type mutantsFlags struct {
	only      []string
	from      string
	seeds     int
	cpu       time.Duration
	unreached int
	out       string
	json      bool
	known     bool
	saveKnown string
	shrink    time.Duration
}

func mutantsCommand(s streams) *cobra.Command {
	var f mutantsFlags
	cmd := &cobra.Command{
		Use:   "mutants [scenario.yaml]",
		Short: "Plant every bug in turn and count how many are found",
		Long: "Plant the bugs that \"weir faults\" lists one by one, run seeds of the scenario\n" +
			"(swarm) against each until something is found, and write the score: after how\n" +
			"many seeds and how much processor time, by which check, in which words. Each\n" +
			"seed is also run without any bug, which tells for which bugs it can differ; only\n" +
			"those are run with it.\n\n" +
			"A search that was interrupted goes on where it was when it is started again\n" +
			"with the same --out. Needs a build by \"make faultbuild\".",
		Example: "  bin/weir-faults mutants --seeds 1000 --cpu 30m\n  bin/weir-faults mutants --only B7,B13 --seeds 300\n" +
			"  bin/weir-faults mutants --known\n  weir results --only '' --add mutants=weir-out/mutants/mutants.json",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			file := "swarm"
			if len(args) == 1 {
				file = args[0]
			}
			if f.known {
				return repeatKnown(cmd.Context(), s, &f)
			}
			return runMutants(cmd.Context(), s, file, &f)
		},
	}
	flags := cmd.Flags()
	flags.StringSliceVar(&f.only, "only", nil, "look for these bugs only")
	flags.StringVar(&f.from, "from", "1", "first seed")
	flags.IntVar(&f.seeds, "seeds", 300, "how many seeds at most")
	flags.DurationVar(&f.cpu, "cpu", 0, "how much processor time at most for runs with one bug; 0 for any")
	flags.IntVar(&f.unreached, "unreached", 0, "give a bug up that so many seeds have not reached; 0 for never")
	flags.StringVar(&f.out, "out", filepath.Join("weir-out", "mutants"), "directory for journal.jsonl, score.json and mutants.json")
	flags.BoolVar(&f.json, "json", false, "print the score as JSON")
	flags.BoolVar(&f.known, "known", false, "run again what has been found before, and fail if it is not found any more")
	flags.StringVar(&f.saveKnown, "save-known", "", "shrink the plans of what was found and is not in the build yet, and write them to this directory, such as "+mutants.KnownDir)
	flags.DurationVar(&f.shrink, "shrink", time.Minute, "with --save-known: how long to shrink each plan at most")
	return cmd
}

// mutantsTimeout bounds one run in real time: a bug can make a run endless.
const mutantsTimeout = 10 * time.Minute

// runner runs seeds of a scenario with a bug or without.
func runner(sc *scenario.Scenario) mutants.Runner {
	return func(ctx context.Context, seed scenario.Seed, bug string) (out mutants.Outcome) {
		err := faults.PlantNone()
		if bug != "" {
			_, err = faults.Plant([]string{bug})
		}
		if err != nil {
			return mutants.Outcome{Findings: []mutants.Finding{{Code: mutants.CodeError, Sentence: err.Error(), Signature: mutants.CodeError}}}
		}
		planted.Forget()
		one := *sc
		one.Seed = seed
		begun := calibrate.CPUTime()
		limited, cancel := context.WithTimeout(ctx, mutantsTimeout)
		defer cancel()
		o, err := workloads.RunSim(limited, workloads.Options{Scenario: one.Resolve()})
		out.CPU = calibrate.CPUTime() - begun
		if bug == "" {
			out.Asked = env.SortedKeys(planted.Asked())
		}
		if err != nil {
			out.Findings = []mutants.Finding{{Code: mutants.CodeError, Sentence: err.Error(), Signature: mutants.CodeError}}
			return out
		}
		out.Hash = fmt.Sprintf("%016x", o.Trace.Hash)
		for i := range o.Verdict.Findings {
			f := &o.Verdict.Findings[i]
			if !slices.ContainsFunc(out.Findings, func(known mutants.Finding) bool { return known.Code == f.Code }) {
				out.Findings = append(out.Findings, mutants.Finding{Code: f.Code, Sentence: f.Sentence, Signature: f.Signature()})
			}
		}
		if len(out.Findings) == 0 && !o.Complete {
			out.Findings = []mutants.Finding{{Code: mutants.CodeError, Sentence: o.Interrupted, Signature: mutants.CodeError}}
		}
		return out
	}
}

// bugsToFind are the bugs of the broker named, or all of them.
func bugsToFind(only []string) ([]faults.Bug, error) {
	if len(only) == 0 {
		return slices.DeleteFunc(faults.Bugs(), faults.Bug.Slowness), nil
	}
	var bugs []faults.Bug
	for _, name := range only {
		bug, err := faults.FindBug(name)
		if err != nil {
			return nil, err
		}
		bugs = append(bugs, bug)
	}
	return bugs, nil
}

func runMutants(ctx context.Context, s streams, file string, f *mutantsFlags) error {
	sc, err := loadScenario(file, f.from)
	if err != nil {
		return err
	}
	bugs, err := bugsToFind(f.only)
	if err != nil {
		return err
	}
	if f.seeds < 1 || f.cpu < 0 || f.unreached < 0 {
		return fmt.Errorf("--seeds must be at least 1, --cpu and --unreached not negative")
	}
	if err := faults.PlantNone(); err != nil {
		return err
	}
	if err := os.MkdirAll(f.out, 0o755); err != nil {
		return internal(err)
	}
	of, err := searched(sc)
	if err != nil {
		return internal(err)
	}
	journal, err := mutants.OpenJournal(filepath.Join(f.out, "journal.jsonl"), of)
	if err != nil {
		return err
	}
	var unwritten error
	bar := newCountProgress(s.err, "mutants of "+sc.Name, "seeds", f.seeds)
	score := mutants.Search(ctx, mutants.Options{Bugs: bugs, From: sc.Seed, Seeds: f.seeds, CPU: f.cpu, Unreached: f.unreached,
		Run:      journal.Wrap(runner(sc), func(err error) { unwritten = err }),
		Progress: func(*mutants.Score) { bar.one() }})
	bar.done()
	score.Scenario = sc.Name
	if err := errors.Join(unwritten, journal.Close(), saveScore(f, score)); err != nil {
		return internal(err)
	}
	if f.saveKnown != "" {
		if err := savePlans(ctx, s, sc, f, score); err != nil {
			return internal(err)
		}
	}
	if f.json {
		err = writeJSON(s, score)
	} else {
		printScore(s, score, file)
	}
	if err == nil && len(score.Alarms) > 0 {
		return verdict(exitFailed)
	}
	return internal(err)
}

// searched names what a journal is of: a scenario, whatever its seed, and a build.
func searched(sc *scenario.Scenario) (string, error) {
	one := *sc
	one.Seed = 0
	text, err := one.YAML()
	if err != nil {
		return "", err
	}
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	program, err := os.ReadFile(self)
	if err != nil {
		return "", err
	}
	a, b := sha256.Sum256(text), sha256.Sum256(program)
	return fmt.Sprintf("scenario %s %x, program %x", sc.Name, a[:6], b[:6]), nil
}

func writeJSON(s streams, v any) error {
	enc := json.NewEncoder(s.out)
	enc.SetIndent("", " ")
	return enc.Encode(v)
}

// saveScore writes the score, the document made of it, and the list of finds.
func saveScore(f *mutantsFlags, score *mutants.Score) error {
	text, err := json.MarshalIndent(score, "", " ")
	if err != nil {
		return err
	}
	d := results.Mutants(score)
	d.Schema = document.Schema
	d.Facts = append(d.Facts, document.Fact{Name: "command", Value: fmt.Sprintf("weir mutants --seeds %d", f.seeds)})
	if commit := rundir.Provenance().Commit; commit != "" {
		d.Facts = append(d.Facts, document.Fact{Name: "commit", Value: commit})
	}
	page, err := json.MarshalIndent(d, "", " ")
	if err != nil {
		return err
	}
	return errors.Join(os.WriteFile(filepath.Join(f.out, "score.json"), append(text, '\n'), 0o644),
		os.WriteFile(filepath.Join(f.out, "mutants.json"), append(page, '\n'), 0o644))
}

func printScore(s streams, score *mutants.Score, file string) {
	for _, r := range score.Rows {
		star := " "
		if r.Starred {
			star = "★"
		}
		_, _ = fmt.Fprintf(s.out, "%-5s%s %-34s seeds %4d  asked %4d  differed %4d  %6.1f s  ", r.ID, star, r.Name, r.Seeds, r.Asked, r.Differed, r.CPU.Seconds())
		if r.Find == nil {
			_, _ = fmt.Fprintf(s.out, "not found: %s\n", r.Why())
			continue
		}
		_, _ = fmt.Fprintf(s.out, "seed %s: %s: %s\n", r.Find.Seed, r.Find.Code, r.Find.Sentence)
	}
	for _, line := range results.Mutants(score).Summary {
		_, _ = fmt.Fprintln(s.out, line)
	}
	for _, seed := range score.Alarms {
		_, _ = fmt.Fprintf(s.out, "found without any bug: %s campaign %s --from %s --seeds 1\n", program(), file, seed)
	}
}

// savePlans keeps the finds of a search as plans, but for those of bugs that a
// plan in this build finds already.
func savePlans(ctx context.Context, s streams, sc *scenario.Scenario, f *mutantsFlags, score *mutants.Score) error {
	known, err := mutants.KnownFinds()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(f.saveKnown, 0o755); err != nil {
		return err
	}
	for _, r := range score.Rows {
		if r.Find == nil || ctx.Err() != nil {
			continue
		}
		if at := slices.IndexFunc(known, func(k mutants.Known) bool { return k.Bug == r.Name }); at >= 0 {
			if _, err := mutants.Repeat(ctx, runner(known[at].Plan), r.Name, known[at].Plan.Seed, r.Checks); err == nil {
				continue
			}
		}
		if err := savePlan(ctx, s, sc, f, r); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// savePlan shrinks the plan of a find and writes it. A plan that without the bug
// is not without findings is of no use.
func savePlan(ctx context.Context, s streams, sc *scenario.Scenario, f *mutantsFlags, r *mutants.Row) error {
	one := *sc
	one.Seed = r.Find.Seed
	plan := one.Resolve()
	if _, err := faults.Plant([]string{r.Name}); err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, f.shrink)
	defer cancel()
	result, err := shrink.Shrink(limited, plan, r.Find.Signature, signatures(r.Find.Signature), shrink.Options{Workers: 1})
	if err == nil {
		plan = result.Plan
	}
	if _, err := mutants.Repeat(ctx, runner(plan), r.Name, plan.Seed, r.Checks); err != nil {
		_, _ = fmt.Fprintf(s.out, "%s: no plan is kept: %s\n", r.Name, err)
		return ctx.Err()
	}
	text, err := plan.YAML()
	if err != nil {
		return err
	}
	var b bytes.Buffer
	for _, words := range []string{fmt.Sprintf("With %s (%s) this shows %s", r.ID, r.Name, r.Find.Signature), "Without it nothing."} {
		for _, line := range folded(words, 78) {
			fmt.Fprintf(&b, "# %s\n", line)
		}
	}
	b.Write(text)
	_, _ = fmt.Fprintf(s.out, "%s: %s\n", r.Name, sizeOf(plan))
	return os.WriteFile(filepath.Join(f.saveKnown, r.Name+".yaml"), b.Bytes(), 0o644)
}

// repeatKnown runs again what has been found before.
func repeatKnown(ctx context.Context, s streams, f *mutantsFlags) error {
	known, err := mutants.KnownFinds()
	if err != nil {
		return internal(err)
	}
	if err := faults.PlantNone(); err != nil {
		return err
	}
	bugs, err := bugsToFind(f.only)
	if err != nil {
		return err
	}
	found, lost := 0, 0
	for _, k := range known {
		at := slices.IndexFunc(bugs, func(b faults.Bug) bool { return b.Name == k.Bug })
		if at < 0 {
			continue
		}
		find, err := mutants.Repeat(ctx, runner(k.Plan), k.Bug, k.Plan.Seed, bugs[at].Checks)
		switch {
		case ctx.Err() != nil:
			return internal(ctx.Err())
		case err != nil:
			lost++
			_, _ = fmt.Fprintf(s.out, "%s %s: LOST: %s\n", bugs[at].ID, k.Bug, err)
			continue
		}
		found++
		_, _ = fmt.Fprintf(s.out, "%s %s: seed %s: %s: %s\n", bugs[at].ID, k.Bug, find.Seed, find.Code, find.Sentence)
	}
	if found+lost == 0 {
		return fmt.Errorf("there is no plan in %s of what --only names; make one with weir mutants --save-known", mutants.KnownDir)
	}
	_, _ = fmt.Fprintf(s.out, "%d of %d known finds are found again\n", found, found+lost)
	if lost > 0 {
		return verdict(exitFailed)
	}
	return nil
}
