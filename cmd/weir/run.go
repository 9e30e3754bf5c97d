package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/weirlab/weir/faults"
	"github.com/weirlab/weir/linearizability"
	"github.com/weirlab/weir/reports"
	"github.com/weirlab/weir/reports/rundir"
	"github.com/weirlab/weir/scenarios"
	"github.com/weirlab/weir/sim"
	"github.com/weirlab/weir/workloads"
	"github.com/weirlab/weir/workloads/scenario"
	simtarget "github.com/weirlab/weir/workloads/target/sim"
)

const (
	statusFailed  = linearizability.Failed
	statusUnknown = linearizability.Unknown
)

func now() time.Time { return time.Now() }

// runFlags are the flags of "weir run".
type runFlags struct {
	seed   string
	target string
	out    string
	plant  []string
	json   bool
	verify bool
	tape   bool
	kafka  kafkaFlags

	openMessaging openMessagingFlags
}

func runCommand(s streams) *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		Use:   "run [scenario.yaml]",
		Short: "Run one scenario, judge it and write a report",
		Long: "Run one scenario, by default " + scenarios.Default + ", which is built in.\n\n" +
			"The scenario is drawn from its seed into an explicit plan, run, judged and\n" +
			"reported. Everything goes into a result directory of its own; weir-out/latest\n" +
			"leads to the newest.",
		Example: "  weir run\n  weir run --seed 0x2a\n  weir run scenarios/quickstart.yaml --target local\n" +
			"  weir run --target apache-kafka\n  weir run --target kafka://localhost:9092,localhost:9093\n" +
			"  weir run saturated --openmessaging 1-topic-16-partitions-1kb.yaml --driver kafka.yaml",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			file := ""
			if len(args) == 1 {
				file = args[0]
			}
			if f.openMessaging.given(cmd.Flags()) {
				return runOpenMessaging(cmd, s, file, f)
			}
			return runScenario(cmd, s, file, f)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.seed, "seed", "", "seed, decimal or 0x…; by default the scenario's own")
	flags.StringVar(&f.target, "target", targetSim, "what to run against: "+targetNames)
	f.kafka.add(flags)
	f.openMessaging.add(flags)
	flags.StringVar(&f.out, "out", "weir-out", "directory for result directories")
	flags.StringSliceVar(&f.plant, "plant", nil, "plant a bug in the broker, such as B1 (needs a build made by \"make faultbuild\")")
	flags.BoolVar(&f.json, "json", false, "print run.json instead of the summary")
	flags.BoolVar(&f.verify, "verify", false, "simulate twice and compare the trace hashes")
	flags.BoolVar(&f.tape, "tape", false, "keep the order in which tasks ran: "+tapeFile+" in the result directory is the scenario that replays it")
	return cmd
}

// tapeFile is the scenario that replays a run choice by choice.
const tapeFile = "tape.yaml"

// keepTape writes the scenario that replays what was recorded.
func keepTape(dir string, explicit *scenario.Scenario, tape *sim.Tape) error {
	replay := *explicit
	replay.Simulation = scenario.Simulation{Buggify: explicit.Simulation.Buggify, Schedule: scenario.ScheduleTape, Tape: tape}
	text, err := replay.YAML()
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, tapeFile), text, 0o644)
}

func runScenario(cmd *cobra.Command, s streams, file string, f runFlags) error {
	sc, err := loadScenario(file, f.seed)
	if err != nil {
		return err
	}
	if err := f.checkTarget(); err != nil {
		return err
	}
	planted, err := faults.Plant(f.plant)
	if err != nil {
		return err
	}
	explicit, err := f.plan(sc)
	if err != nil {
		return err
	}
	dir, code, err := recordRun(cmd.Context(), s, explicit, file, f, planted)
	if err != nil {
		return err
	}
	if err := tell(s, dir, f.json); err != nil {
		return internal(err)
	}
	return verdict(code)
}

// recordRun runs an explicit scenario, which came from file, and makes its
// result directory. It returns the exit code that stands for what came of it.
func recordRun(ctx context.Context, s streams, explicit *scenario.Scenario, file string, f runFlags, planted []faults.Bug) (dir string, code int, err error) {
	started := now()
	res, err := rundir.Create(rundir.Path(f.out, explicit, started), explicit, started)
	if err != nil {
		return "", 0, internal(err)
	}
	record := rundir.NewRun(explicit, f.target, started, planted)
	record.Command = reproduce(file, explicit.Seed, f.target, planted)
	if err := record.Save(res.Dir); err != nil {
		return "", 0, internal(err)
	}

	var probe *simtarget.Probe
	bar := newProgress(s.err, explicit.Name+" "+explicit.Seed.String())
	options := workloads.Options{Scenario: explicit, Sink: res, History: res.History, Progress: bar.update}
	if f.tape {
		options.Tape = &sim.Tape{}
	}
	outcome, err := f.lead(ctx, options, filepath.Join(res.Dir, "brokers"))
	bar.done()
	if err != nil {
		record.Interrupted = err.Error()
		return "", 0, internal(errors.Join(err, res.Close(), record.Save(res.Dir)))
	}
	if f.target == targetSim && outcome.Complete && (f.verify || failed(outcome)) {
		// A failing run is looked at closely the second time: that changes nothing.
		finding := outcome.Verdict.Gravest()
		if finding == nil {
			finding = &linearizability.Finding{}
		}
		closely, again, err := rundir.LookClosely(ctx, explicit, finding)
		if err != nil {
			return "", 0, internal(errors.Join(err, res.Close()))
		}
		probe = closely
		record.Rerun = "same"
		if again.Trace.Hash != outcome.Trace.Hash {
			record.Rerun = "different"
			_, _ = fmt.Fprintf(s.err, "weir: the simulation is not a function of its seed: %s\n", firstDifference(ctx, explicit))
		}
	}
	if f.tape {
		if err := keepTape(res.Dir, explicit, options.Tape); err != nil {
			return "", 0, internal(err)
		}
	}
	if err := res.Finish(record, outcome, probe, now().Sub(started)); err != nil {
		return "", 0, internal(err)
	}
	if err := point(f.out, res.Dir); err != nil {
		return "", 0, internal(err)
	}
	return res.Dir, exitCode(record.Run, outcome), nil
}

// firstDifference repeats a simulation until it can show the first event in
// which two runs of it differ.
func firstDifference(ctx context.Context, explicit *scenario.Scenario) string {
	var failure error
	mismatch := sim.CompareRuns(func(window *sim.Window) sim.Trace {
		o, err := workloads.RunSim(ctx, workloads.Options{Scenario: explicit, Window: window, Unjudged: true})
		if err != nil {
			failure = err
			return sim.Trace{}
		}
		return o.Trace
	})
	switch {
	case failure != nil:
		return failure.Error()
	case mismatch == nil:
		return "two runs differed, but the next two did not"
	}
	return mismatch.Error()
}

func failed(o *workloads.Outcome) bool { return len(o.Verdict.Findings) > 0 }

// exitCode is what a run's outcome means to a shell.
func exitCode(r *reports.Run, o *workloads.Outcome) int {
	switch {
	case r.Rerun == "different":
		return exitNotDeterministic
	case o.Liveness():
		return exitLiveness
	case o.Verdict.Status == statusFailed:
		return exitFailed
	case !o.Complete, o.Verdict.Status == statusUnknown:
		return exitUnknown
	}
	return exitPassed
}

// tell prints what came of a run.
func tell(s streams, dir string, asJSON bool) error {
	if asJSON {
		r, err := reports.Load(dir)
		if err != nil {
			return err
		}
		enc := json.NewEncoder(s.out)
		enc.SetIndent("", "  ")
		return enc.Encode(r)
	}
	text, err := reports.Summary(dir, isTerminal(s.out) && os.Getenv("NO_COLOR") == "")
	if err != nil {
		return err
	}
	_, err = fmt.Fprint(s.out, text)
	return err
}

// loadScenario reads a scenario file, or a built-in one by its name, and
// gives it a seed if one is named.
func loadScenario(file, seed string) (*scenario.Scenario, error) {
	if file == "" {
		file = scenarios.Default
	}
	sc, err := scenario.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		if text, builtIn := readBuiltIn(file); builtIn {
			sc, err = scenario.Parse(file, text)
		} else {
			err = fmt.Errorf("there is no scenario file %s; built in are %s", file, strings.Join(builtIns(), ", "))
		}
	}
	if err != nil {
		return nil, err
	}
	if seed != "" {
		if sc.Seed, err = scenario.ParseSeed(seed); err != nil {
			return nil, fmt.Errorf("--seed: %w", err)
		}
	}
	return sc, nil
}

func readBuiltIn(name string) ([]byte, bool) {
	if path.Ext(name) == "" {
		name += ".yaml"
	}
	text, err := scenarios.Files.ReadFile(name)
	return text, err == nil
}

func builtIns() []string {
	entries, _ := scenarios.Files.ReadDir(".") // embedded: it is there
	var names []string
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), ".yaml"))
	}
	return names
}

// reproduce is the command that repeats a run exactly.
func reproduce(file string, seed scenario.Seed, target string, planted []faults.Bug) string {
	words := []string{program(), "run"}
	if file != "" {
		words = append(words, file)
	}
	words = append(words, "--seed", seed.String())
	if target != targetSim {
		words = append(words, "--target", target)
	}
	for _, bug := range planted {
		words = append(words, "--plant", bug.ID)
	}
	return strings.Join(words, " ")
}

// point makes out/latest lead to dir.
func point(out, dir string) error {
	rel, err := filepath.Rel(out, dir)
	if err != nil {
		return err
	}
	link := filepath.Join(out, "latest")
	_ = os.Remove(link + ".new")
	if err := os.Symlink(rel, link+".new"); err != nil {
		return fmt.Errorf("pointing %s to the newest run: %w", link, err)
	}
	return os.Rename(link+".new", link)
}
