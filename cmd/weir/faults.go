package main

import (
	"fmt"
	"io"
	"strings"

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
				if err := describeBug(s.out, bug); err != nil {
					return internal(err)
				}
			}
			return nil
		},
	}
}

// describeBug says all there is to say of a bug.
func describeBug(w io.Writer, bug faults.Bug) error {
	star := ""
	if bug.Starred {
		star = " ★"
	}
	ids := strings.Join(append([]string{bug.ID}, bug.Also...), ", ")
	_, err := fmt.Fprintf(w, "%s %s%s (%s)\n    %s\n    why wrong: %s\n    seen as: %s\n    may be caught by: %s\n",
		ids, bug.Name, star, bug.Source, bug.About, bug.Wrong, bug.Sees, strings.Join(bug.Checks, ", "))
	if err == nil && bug.Equivalent != "" {
		_, err = fmt.Fprintf(w, "    equivalent: %s\n", bug.Equivalent)
	}
	return err
}
