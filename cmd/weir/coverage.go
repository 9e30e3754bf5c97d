package main

import (
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/weirlab/weir/reports/coverage"
)

// brokerFunctions is where the functions are that a campaign should reach.
const brokerFunctions = "broker/"

type coverageFlags struct{ strict, reasons bool }

func coverageCommand(s streams) *cobra.Command {
	var f coverageFlags
	cmd := &cobra.Command{
		Use:   "coverage DIR...",
		Short: "List the broker's functions that campaigns never reached",
		Long: "List the broker's functions that campaigns never reached, from the counters that\n" +
			"\"weir campaign --coverage\" leaves in a build by \"make coverbuild\"; several\n" +
			"directories count together. What cannot be reached in a simulation is listed with\n" +
			"its reason in reports/coverage/unreached.txt and not told, unless asked for.",
		Example: "  make coverbuild\n  bin/weir-cover campaign scenarios/swarm.yaml --seeds 200 --coverage\n" +
			"  weir coverage weir-out/coverage --strict",
		Args: cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error { return printCoverage(s, args, f) },
	}
	cmd.Flags().BoolVar(&f.strict, "strict", false, "fail if any function was never reached without a reason")
	cmd.Flags().BoolVar(&f.reasons, "reasons", false, "list what was never reached for a reason too")
	return cmd
}

// withCoverage gives a command that simulates a flag to say which of the broker's
// functions were never reached.
func withCoverage(s streams, cmd *cobra.Command) *cobra.Command {
	var dir string
	cmd.Flags().StringVar(&dir, "coverage", "", "list the broker's functions never reached, and keep the counters in this directory (in a build by \"make coverbuild\")")
	cmd.Flags().Lookup("coverage").NoOptDefVal = filepath.Join("weir-out", "coverage")
	simulate := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if dir == "" {
			return simulate(cmd, args)
		}
		if !coverage.Counting() {
			return coverage.ErrNoCounters
		}
		err := simulate(cmd, args)
		if err := coverage.Write(dir); err != nil {
			return internal(err)
		}
		if err := printCoverage(streams{out: s.err}, []string{dir}, coverageFlags{}); err != nil {
			return internal(err)
		}
		return err
	}
	return cmd
}

func printCoverage(s streams, dirs []string, f coverageFlags) error {
	functions, err := coverage.Functions(dirs, brokerFunctions)
	if err != nil {
		return err
	}
	reasons, err := coverage.Reasons()
	if err != nil {
		return internal(err)
	}
	v := coverage.Judge(functions, reasons)
	if f.reasons {
		for _, e := range v.Explained {
			if _, err := fmt.Fprintf(s.out, "%s: %s\n", e.Function, e.Why); err != nil {
				return internal(err)
			}
		}
		for _, r := range v.Idle {
			if _, err := fmt.Fprintf(s.out, "%s %s was reached, or is gone: \"%s\"\n", r.File, r.Name, r.Why); err != nil {
				return internal(err)
			}
		}
	}
	if _, err := fmt.Fprint(s.out, v); err != nil {
		return internal(err)
	}
	if f.strict && len(v.Unexplained) > 0 {
		return verdict(exitFailed)
	}
	return nil
}
