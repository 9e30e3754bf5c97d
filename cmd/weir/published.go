package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
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
}

func publishedCommand(s streams) *cobra.Command {
	var f publishedFlags
	cmd := &cobra.Command{
		Use:   "published",
		Short: "Simulate Kafka runs that others published, and show the error",
		Long: "Simulates the OpenMessaging Benchmark runs of Kafka 2.6 on i3en.2xlarge that\n" +
			"Confluent and StreamNative published in 2020, and sets throughput and latency\n" +
			"beside theirs. The processor costs of Kafka on the JVM were fitted on three of\n" +
			"the rows; the others are held out, and marked so.",
		Example: "  weir published\n  weir published --rows confluent20-thr-all-nofsync,sn20-lat-1-nofsync\n  weir published --out weir-out/published",
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
	flags.DurationVar(&f.window, "window", 0, "how much of each run to measure behind its warm-up; by default 2s of saturated rows and 4s of others")
	flags.DurationVar(&f.warmUp, "warm-up", 0, "how much of each run to simulate before; by default 1s")
	flags.StringVar(&f.out, "out", "weir-out/published", "directory for the report, its pictures and result.json")
	flags.BoolVar(&f.json, "json", false, "print the result as JSON instead of tables")
	flags.StringVar(&f.fit, "fit", "", "instead fit the processor costs, starting from the table in this file, and print the fitted table")
	return cmd
}

func (f publishedFlags) options() (published.Options, error) {
	seed, err := scenario.ParseSeed(f.seed)
	o := published.Options{Only: f.rows, Seed: seed}
	if err == nil && (f.window < 0 || f.warmUp < 0) {
		err = errors.New("--window and --warm-up: give times above zero")
	}
	o.Throughput, o.Latency = f.windows(published.ThroughputWindows), f.windows(published.LatencyWindows)
	return o, err
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
	text, err := os.ReadFile(f.fit)
	if err != nil {
		return fmt.Errorf("--fit: %w", err)
	}
	shape, err := machine.ParseCosts(text)
	if err != nil {
		return fmt.Errorf("--fit %s: %w", f.fit, err)
	}
	o, err := f.options()
	if err != nil {
		return err
	}
	costs, err := published.Fit(cmd.Context(), shape, published.FitOptions{Options: o, Told: func(t published.Trial) {
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
