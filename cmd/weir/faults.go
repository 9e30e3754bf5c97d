package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/weirlab/weir/faults"
)

func faultsCommand(s streams) *cobra.Command {
	return &cobra.Command{
		Use:   "faults",
		Short: "List the kinds of faults, what survives them, and the bugs that can be planted",
		Long: "List what can go wrong in a run: each kind of fault with its parameters, what\n" +
			"happens, what the protocol survives of it, and the keys of faults.draw that\n" +
			"draw it; then the bugs that a build by \"make faultbuild\" can plant.",
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if _, err := fmt.Fprint(s.out, faults.Atlas()); err != nil {
				return internal(err)
			}
			if _, err := fmt.Fprint(s.out, "\nbugs to plant with --plant, in a build by \"make faultbuild\":\n"); err != nil {
				return internal(err)
			}
			for _, bug := range faults.Bugs() {
				if _, err := fmt.Fprintf(s.out, "%s %s\n    %s\n", bug.ID, bug.Name, bug.About); err != nil {
					return internal(err)
				}
			}
			return nil
		},
	}
}
