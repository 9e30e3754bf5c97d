package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/weirlab/weir/sim/machine"
	"github.com/weirlab/weir/workloads/experiment/published"
	"github.com/weirlab/weir/workloads/scenario"
)

// publishedFlags are the flags of "weir published".
type publishedFlags struct {
	rows   []string
	seed   string
	window time.Duration
	warmUp time.Duration
	out    string
	json   bool
	fit    string

	costs    string
	without  []string
	leaveOut string
	parallel int
	explain  bool
	proceed  bool
}

func publishedCommand(s streams) *cobra.Command {
	var f publishedFlags
	cmd := &cobra.Command{
		Use:   "published",
		Short: "Simulate Kafka runs that others published, and show the error",
		Long: "Simulates the runs of Apache Kafka that six labs published between 2014 and 2023,\n" +
			"and sets throughput and latency beside theirs, each with an 80% interval. A few\n" +
			"rows fixed the free parameters of the model, and are marked; all others are\n" +
			"predicted, and each lab's rows by a fit without that lab too. --explain simulates\n" +
			"what misses again with each mechanism of the model switched off.",
		Example: "  weir published\n  weir published --rows confluent20-thr-all-nofsync,msk22\n  weir published --rows msk22 --without zones\n  weir published --out weir-out/published",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.fit != "" {
				return fitPublished(cmd, s, f)
			}
			return runPublished(cmd, s, f)
		},
	}
	flags := cmd.Flags()
	flags.StringSliceVar(&f.rows, "rows", nil, "only these rows; by default all")
	flags.StringVar(&f.seed, "seed", "1", "seed, decimal or 0x…")
	flags.DurationVar(&f.window, "window", 0, "how much of each run to measure behind its warm-up; by default 2s of saturated rows and 4s of others; several seconds hold pauses of the collector")
	flags.DurationVar(&f.warmUp, "warm-up", 0, "how much of each run to simulate before; by default 1s")
	flags.StringVar(&f.out, "out", "weir-out/published", "directory for the report, its pictures and result.json")
	flags.BoolVar(&f.json, "json", false, "print the result as JSON instead of tables")
	flags.StringVar(&f.costs, "costs", "", "a table of processor costs in this file instead of "+published.CostTable)
	flags.StringSliceVar(&f.without, "without", nil, "switch mechanisms of the model off: "+strings.Join(published.Mechanisms(), ", "))
	flags.StringVar(&f.leaveOut, "leave-out", "", "with --fit: fit on the rows of all labs but this one")
	flags.BoolVar(&f.explain, "explain", false, "simulate rows that miss again with each mechanism of the model switched off")
	flags.BoolVar(&f.proceed, "continue", false, "keep the rows that "+resultFile+" in --out has already, and add the others")
	flags.IntVar(&f.parallel, "parallel", 0, "simulations at a time; 0 is one per processor")
	flags.StringVar(&f.fit, "fit", "", "instead fit the processor costs, starting from the table in this file, and print the fitted table")
	return cmd
}

func (f publishedFlags) options() (published.Options, error) {
	seed, err := scenario.ParseSeed(f.seed)
	o := published.Options{Only: f.rows, Seed: seed, Without: f.without, Parallel: f.parallel, Explain: f.explain}
	if f.proceed && err == nil {
		o.Known, err = knownResult(filepath.Join(f.out, resultFile))
	}
	if err == nil && (f.window < 0 || f.warmUp < 0) {
		err = errors.New("--window and --warm-up: give times above zero")
	}
	if f.costs != "" && err == nil {
		var c machine.Costs
		if c, err = costsIn(f.costs); err != nil {
			err = fmt.Errorf("--costs: %w", err)
		}
		o.Costs = &c
	}
	if err == nil {
		err = published.CheckMechanisms(f.without)
	}
	o.Throughput, o.Latency = f.windows(published.ThroughputWindows), f.windows(published.LatencyWindows)
	return o, err
}

// knownResult is an earlier result, nil if there is none.
func knownResult(file string) (*published.Result, error) {
	b, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var known published.Result
	if err == nil {
		err = json.Unmarshal(b, &known)
	}
	if err != nil {
		return nil, fmt.Errorf("--continue: %s: %w", file, err)
	}
	return &known, nil
}

// costsIn reads a table of costs.
func costsIn(file string) (machine.Costs, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return machine.Costs{}, err
	}
	c, err := machine.ParseCosts(text)
	if err != nil {
		return c, fmt.Errorf("%s: %w", file, err)
	}
	return c, nil
}

// windows are w, less what the flags say.
func (f publishedFlags) windows(w published.Windows) published.Windows {
	if f.window > 0 {
		w.Measured = f.window
	}
	if f.warmUp > 0 {
		w.WarmUp = f.warmUp
	}
	return w
}

func runPublished(cmd *cobra.Command, s streams, f publishedFlags) error {
	o, err := f.options()
	if err != nil {
		return err
	}
	if _, err := published.Select(f.rows); err != nil {
		return err
	}
	steps := newSteps(s.err)
	o.Progress = steps.next
	result, err := published.Run(cmd.Context(), o)
	steps.done()
	if err == nil {
		err = keepFinding(f.out, "published", result)
	}
	if err != nil {
		return internal(err)
	}
	return showFinding(s, f.out, "published", result, result.Document(), f.json)
}

// fitPublished fits the cost table.
func fitPublished(cmd *cobra.Command, s streams, f publishedFlags) error {
	shape, err := costsIn(f.fit)
	if err != nil {
		return fmt.Errorf("--fit: %w", err)
	}
	o, err := f.options()
	if err != nil {
		return err
	}
	costs, err := published.Fit(cmd.Context(), shape, published.FitOptions{Options: o, LeaveOut: published.Lab(f.leaveOut), Told: func(t published.Trial) {
		_, _ = fmt.Fprintf(s.err, "%s × %.3f: %s of %s: published %.0f, simulated %.0f\n", t.Parameter, t.Factor, t.Figure, t.Row, t.Published, t.Simulated)
	}})
	if err != nil {
		return internal(err)
	}
	out, err := json.MarshalIndent(costs, "", "  ")
	if err != nil {
		return internal(err)
	}
	_, err = s.out.Write(append(out, '\n'))
	return internal(err)
}
