package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/weirlab/weir/workloads/experiment/regress"
)

// regressFlags are the flags of "weir regress".
type regressFlags struct {
	rounds  int
	time    time.Duration // of a round
	old     []string
	new     []string
	scratch string
	out     string
	json    bool
}

func regressCommand(s streams) *cobra.Command {
	var f regressFlags
	cmd := &cobra.Command{
		Use:   "regress OLD NEW",
		Short: "Measure whether one build of the broker is slower than another",
		Long: "Runs two builds side by side, in slices of fixed work that take turns, and\n" +
			"compares throughput, latency and processor time. OLD and NEW are each the file\n" +
			"of a weir binary, a directory with its sources, or a git revision. There is an\n" +
			"alarm, and exit code 1, if something became slower by more than what this\n" +
			"machine does to equal builds. It takes 40 seconds, or a minute if something\n" +
			"looks slower.",
		Example: "  weir regress HEAD~5 .\n  weir regress bin/weir.before bin/weir\n  weir regress bin/weir-faults bin/weir-faults --new-arg=--plant=S1",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 2 {
				return errors.New("regress compares two builds: name the old one and the new one, each a binary, a directory or a git revision")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return runRegress(cmd, s, f, args[0], args[1]) },
	}
	flags := cmd.Flags()
	flags.IntVar(&f.rounds, "rounds", 0, fmt.Sprintf("rounds of two processes of each build; by default %d, and %d if something looks slower", regress.DefaultRounds, regress.DefaultMaxRounds))
	flags.DurationVar(&f.time, "round-time", regress.DefaultRoundTime, "how long the slices of a round take; each process has at least two of each load")
	flags.StringArrayVar(&f.old, "old-arg", nil, "an argument for the old build's \"weir broker\"; may be repeated")
	flags.StringArrayVar(&f.new, "new-arg", nil, "an argument for the new build's \"weir broker\"; may be repeated")
	flags.StringVar(&f.scratch, "scratch", "", "directory for the brokers' data, up to 700 MB; by default that for temporary files")
	flags.StringVar(&f.out, "out", "weir-out/regress", "directory for the report, result.json, and old.txt and new.txt for benchstat")
	flags.BoolVar(&f.json, "json", false, "print the result as JSON instead of tables")
	return cmd
}

func (f regressFlags) options() (regress.Options, error) {
	o := regress.Options{Rounds: f.rounds, RoundTime: f.time, Dir: f.scratch}
	if f.rounds != 0 && f.rounds < 3 {
		return o, fmt.Errorf("--rounds %d cannot tell noise from change; use 4 or more", f.rounds)
	}
	if f.time < 0 {
		return o, fmt.Errorf("--round-time %s: give a time above zero", f.time)
	}
	return o, nil
}

func runRegress(cmd *cobra.Command, s streams, f regressFlags, oldName, newName string) error {
	o, err := f.options()
	if err != nil {
		return err
	}
	builds, err := os.MkdirTemp(f.scratch, "weir-builds-")
	if err != nil {
		return internal(err)
	}
	defer func() { _ = os.RemoveAll(builds) }()
	if o.Old, err = regress.Resolve(cmd.Context(), oldName, builds, "old"); err != nil {
		return err
	}
	if o.New, err = regress.Resolve(cmd.Context(), newName, builds, "new"); err != nil {
		return err
	}
	o.Old.Arguments, o.New.Arguments = f.old, f.new
	steps := newSteps(s.err)
	o.Progress = steps.next
	r, err := regress.Run(cmd.Context(), o)
	steps.done()
	if err != nil {
		return internal(err)
	}
	if err := keepRegress(r, f.out); err != nil {
		return internal(err)
	}
	if err := showFinding(s, f.out, "regress", r, r.Document(), f.json); err != nil {
		return err
	}
	if !f.json {
		_, _ = fmt.Fprintf(s.out, "benchstat %s %s\n", filepath.Join(f.out, "old.txt"), filepath.Join(f.out, "new.txt"))
	}
	if r.Alarm {
		return verdict(exitFailed)
	}
	return nil
}

// keepRegress writes everything about a comparison into a directory, for
// benchstat too.
func keepRegress(r *regress.Result, dir string) error {
	if err := keepFinding(dir, "regress", r); err != nil {
		return err
	}
	for _, side := range []string{regress.Old, regress.New} {
		file, err := os.Create(filepath.Join(dir, side+".txt"))
		if err != nil {
			return err
		}
		if err := errors.Join(r.WriteBench(file, side), file.Close()); err != nil {
			return err
		}
	}
	return nil
}

// proofFlags are the flags of "weir regress-proof".
type proofFlags struct {
	regressFlags
	faults string
	plain  string
	runs   int
}

// regressProofCommand is for "make regress-proof": it tests the tester.
func regressProofCommand(s streams) *cobra.Command {
	var f proofFlags
	cmd := &cobra.Command{
		Use:    "regress-proof",
		Short:  "Show that weir regress finds a planted slowdown and nothing else",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE:   func(cmd *cobra.Command, _ []string) error { return runRegressProof(cmd, s, f) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.plain, "plain", "bin/weir", "an ordinary build, to be compared with itself")
	flags.StringVar(&f.faults, "faults", "bin/weir-faults", "a build with planted bugs, to be compared with itself with S1 planted")
	flags.IntVar(&f.runs, "runs", 20, "comparisons of each kind")
	flags.StringVar(&f.scratch, "scratch", "", "directory for the brokers' data; by default that for temporary files")
	flags.StringVar(&f.out, "out", "weir-out/regress", "directory for the report and result.json")
	return cmd
}

func runRegressProof(cmd *cobra.Command, s streams, f proofFlags) error {
	if f.runs < 1 {
		return fmt.Errorf("--runs %d proves nothing; use 20", f.runs)
	}
	o, err := f.options()
	if err != nil {
		return err
	}
	plain, err := regress.Resolve(cmd.Context(), f.plain, os.TempDir(), "")
	if err != nil {
		return err
	}
	planted, err := regress.Resolve(cmd.Context(), f.faults, os.TempDir(), "")
	if err != nil {
		return err
	}
	proof, err := regress.Prove(cmd.Context(), regress.ProofOptions{
		Options: o, Plain: plain, Faults: planted, Runs: f.runs,
		Told: func(t regress.Trial) { _, _ = fmt.Fprintln(s.out, t) },
	})
	if err != nil {
		return internal(err)
	}
	if err := keepFinding(f.out, "proof", proof); err != nil {
		return internal(err)
	}
	_, _ = fmt.Fprintf(s.out, "%s\nreport: %s\ninto RESULTS.md: %s results --only '' --add regress=%s\n",
		proof.Verdict(), filepath.Join(f.out, "proof.html"), program(), filepath.Join(f.out, "proof.json"))
	if !proof.Holds() {
		return verdict(exitFailed)
	}
	return nil
}
