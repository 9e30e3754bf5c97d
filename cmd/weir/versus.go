package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/weirlab/weir/sim/machine"
	"github.com/weirlab/weir/workloads/calibrate"
	"github.com/weirlab/weir/workloads/experiment/versus"
)

// versusFlags are the flags of "weir versus".
type versusFlags struct {
	profile string
	dir     string
	out     string
	json    bool
	reps    int
	seeds   int
	rate    int64
	window  time.Duration
	warmUp  time.Duration
	only    []string
	simOnly bool
	bytes   int64
}

func versusCommand(s streams) *cobra.Command {
	plan := calibrate.DefaultPlan()
	var f versusFlags
	cmd := &cobra.Command{
		Use:   "versus",
		Short: "Set real runs on this machine beside simulated ones, and show the error",
		Long: "Runs eight workloads (acks 1 and all, fsync on and off, 1 and 12 partitions) on\n" +
			"three broker processes of this machine, several times, and in simulation on the\n" +
			"machine profile that weir calibrate wrote. Four of the workloads had a part in\n" +
			"the calibration; the other four are held out, and marked so. Nothing else should\n" +
			"run meanwhile.",
		Example: "  weir calibrate -o machine.json && weir versus --profile machine.json\n  weir versus --reps 1 --only acks-all-fsync-on-1p",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o, err := f.options()
			if err != nil {
				return err
			}
			steps := newSteps(s.err)
			o.Progress = steps.next
			result, err := versus.Run(cmd.Context(), o)
			steps.done()
			if err == nil {
				err = keepFinding(f.out, "versus", result)
			}
			if err != nil {
				return internal(err)
			}
			return showFinding(s, f.out, "versus", result, result.Document(), f.json)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.profile, "profile", "machine.json", "the machine profile that weir calibrate wrote")
	flags.StringVar(&f.dir, "dir", ".", "a directory for the files of the real brokers, on the disk that was calibrated")
	flags.StringVar(&f.out, "out", "weir-out/versus", "directory for the report, its pictures and result.json")
	flags.BoolVar(&f.json, "json", false, "print the result with all measurements as JSON instead of tables")
	flags.IntVar(&f.reps, "reps", 5, "repetitions of every real run")
	flags.IntVar(&f.seeds, "seeds", 2, "seeds of every simulated run")
	flags.Int64Var(&f.bytes, "record-size", plan.Bytes, "bytes of a record's value; calibration had those of the default")
	flags.Int64Var(&f.rate, "rate", plan.Rate, "records per second in the phase that latency is from")
	flags.DurationVar(&f.window, "window", plan.Window, "how much of each run to measure behind its warm-up")
	flags.DurationVar(&f.warmUp, "warm-up", plan.WarmUp, "how much of each run not to measure")
	flags.StringSliceVar(&f.only, "only", nil, "only these workloads, such as acks-all-fsync-on-1p; by default all")
	flags.BoolVar(&f.simOnly, "sim-only", false, "leave the real runs out")
	return cmd
}

func (f *versusFlags) options() (versus.Options, error) {
	p, err := machine.Load(f.profile)
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("--profile %s does not exist; write it with weir calibrate -o %s", f.profile, f.profile)
	}
	if err != nil {
		return versus.Options{}, err
	}
	if f.window <= 0 || f.warmUp < 0 || f.rate < 1 || f.bytes < 24 || f.reps < 1 || f.seeds < 1 {
		return versus.Options{}, errors.New("--reps, --seeds, --rate and --window must be above zero, --record-size 24 or more")
	}
	if info, err := os.Stat(f.dir); err != nil || !info.IsDir() {
		return versus.Options{}, fmt.Errorf("--dir %q is no directory; name one on the disk that was calibrated", f.dir)
	}
	for _, name := range f.only {
		if !slices.Contains(versus.Names(), name) {
			return versus.Options{}, fmt.Errorf("--only %s: there is no such workload; they are %s", name, strings.Join(versus.Names(), ", "))
		}
	}
	self, err := os.Executable()
	if err != nil {
		return versus.Options{}, internal(err)
	}
	plan := calibrate.DefaultPlan()
	plan.Rate, plan.Window, plan.WarmUp, plan.Bytes = f.rate, f.window, f.warmUp, f.bytes
	return versus.Options{
		Weir: []string{self}, Dir: f.dir, Profile: p, Repetitions: f.reps, Seeds: f.seeds, Plan: plan, Only: f.only, SkipReal: f.simOnly,
	}, nil
}
