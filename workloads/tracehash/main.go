// Command tracehash simulates fixed seeds of a scenario and prints the hash of
// every event of each. It is what the proof of determinism compares across
// processes, architectures and compilers.
//
//	tracehash 1 2 3
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/weirlab/weir/scenarios"
	"github.com/weirlab/weir/workloads"
	"github.com/weirlab/weir/workloads/scenario"
)

func main() {
	if err := hashes(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "tracehash:", err)
		os.Exit(1)
	}
}

func hashes(seeds []string) error {
	text, err := scenarios.Files.ReadFile(scenarios.Default)
	if err != nil {
		return err
	}
	for _, arg := range seeds {
		s, err := scenario.Parse(scenarios.Default, text)
		if err != nil {
			return err
		}
		if s.Seed, err = scenario.ParseSeed(arg); err != nil {
			return err
		}
		o, err := workloads.RunSim(context.Background(), workloads.Options{Scenario: s.Resolve(), Unjudged: true})
		if err != nil {
			return err
		}
		fmt.Printf("seed %s hash %016x steps %d simulated %v acknowledged %d\n", s.Seed, o.Trace.Hash, o.Trace.Steps, o.ClusterTime, o.Acked)
	}
	return nil
}
