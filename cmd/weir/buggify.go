package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/weirlab/weir/broker/rare"
)

func buggifyCommand(s streams) *cobra.Command {
	return &cobra.Command{
		Use:   "buggify",
		Short: "List the points at which simulated brokers do something rare but legal",
		Long: "List the points at which the broker does something rare but legal when a\n" +
			"scenario says simulation: {buggify: on}: what happens, and why it may. A seed\n" +
			"has about a quarter of them, each at a rate of its own from 1 in 4 to 1 in 1024.\n" +
			"On the operating system nothing of it happens.",
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			points := rare.Points()
			for _, p := range points {
				if _, err := fmt.Fprintf(s.out, "%s\n    %s: %s\n", p.Name, p.Does, p.Legal); err != nil {
					return internal(err)
				}
			}
			_, err := fmt.Fprintf(s.out, "%d points\n", len(points))
			return internal(err)
		},
	}
}
