package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weirlab/weir/workloads/calibrate"
)

func calibrateCommand(s streams) *cobra.Command {
	var out, dir string
	var rounds int
	var quick bool
	cmd := &cobra.Command{
		Use:   "calibrate",
		Short: "Measure this machine into a machine profile for the simulator",
		Long: "Measures the disk (append, overwrite, fdatasync by size and depth), the loopback\n" +
			"network between two processes, wake-ups and timers, and, with three brokers and\n" +
			"their clients as processes of this machine, what broker and client cost in CPU\n" +
			"time. Nothing else should run meanwhile: it would end up in the profile.",
		Example: "  weir calibrate -o machine.json\n  weir versus --profile machine.json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			self, err := os.Executable()
			if err != nil {
				return internal(err)
			}
			if !strings.HasSuffix(out, ".json") {
				return fmt.Errorf("-o %q: a machine profile is a .json file; scenarios know it by that ending", out)
			}
			if info, err := os.Stat(dir); err != nil || !info.IsDir() {
				return fmt.Errorf("--dir %q is no directory; name one on the disk that is to be measured", dir)
			}
			steps := newSteps(s.err)
			r, err := calibrate.Run(cmd.Context(), calibrate.Options{
				Weir: []string{self}, Dir: dir, Rounds: rounds, Quick: quick, Progress: steps.next,
			})
			steps.done()
			if err != nil {
				return internal(err)
			}
			if err := r.Profile.Save(out); err != nil {
				return internal(err)
			}
			_, err = fmt.Fprint(s.out, r.Summary(), "profile: ", out, "\n")
			return internal(err)
		},
	}
	flags := cmd.Flags()
	flags.StringVarP(&out, "output", "o", "machine.json", "the file to write")
	flags.StringVar(&dir, "dir", ".", "a directory on the disk to measure")
	flags.IntVar(&rounds, "rounds", 3, "how often the workloads that costs are fitted to are run")
	flags.BoolVar(&quick, "quick", false, "measure disk and network for an instant only, to try the command")
	return cmd
}

// echoCommand is the other process of the loopback measurement.
func echoCommand(s streams) *cobra.Command {
	return &cobra.Command{
		Use:    calibrate.EchoCommand,
		Short:  "Answer the loopback measurement of weir calibrate",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return internal(calibrate.Echo(s.in, s.out))
		},
	}
}
