// Command tracehash simulates fixed seeds of three scenarios, quickstart, swarm
// and one on described machines, and prints the hash of every event of each. It
// is what the proof of determinism compares across processes, architectures and
// compilers.
//
//	tracehash 1 2 3
package main

import (
	"context"
	_ "embed"
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

//go:embed machine.yaml
var onMachines []byte

func hashes(seeds []string) error {
	quickstart, err := scenarios.Files.ReadFile(scenarios.Default)
	if err != nil {
		return err
	}
	swarm, err := scenarios.Files.ReadFile("swarm.yaml")
	if err != nil {
		return err
	}
	for _, seed := range seeds {
		for _, text := range [][]byte{quickstart, onMachines, swarm} {
			if err := hash(text, seed); err != nil {
				return err
			}
		}
	}
	return nil
}

func hash(text []byte, seed string) error {
	s, err := scenario.Parse("scenario", text)
	if err != nil {
		return err
	}
	if s.Seed, err = scenario.ParseSeed(seed); err != nil {
		return err
	}
	o, err := workloads.RunSim(context.Background(), workloads.Options{Scenario: s.Resolve(), Unjudged: true})
	if err != nil {
		return err
	}
	fmt.Printf("%s seed %s hash %016x steps %d simulated %v acknowledged %d\n", s.Name, s.Seed, o.Trace.Hash, o.Trace.Steps, o.ClusterTime, o.Acked)
	return nil
}
