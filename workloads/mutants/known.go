package mutants

import (
	"context"
	"embed"
	"fmt"
	"path"
	"strings"

	"github.com/weirlab/weir/workloads/scenario"
)

// Known is an explicit plan in which a bug was found.
type Known struct {
	Bug  string // its name, and that of the plan's file
	Plan *scenario.Scenario
}

//go:embed known/*.yaml
var knownFiles embed.FS

// KnownDir is where the plans lie in the source tree.
const KnownDir = "workloads/mutants/known"

// KnownFinds lists the finds that are kept, by name.
func KnownFinds() ([]Known, error) {
	entries, err := knownFiles.ReadDir("known")
	if err != nil {
		return nil, err
	}
	var list []Known
	for _, e := range entries {
		text, err := knownFiles.ReadFile("known/" + e.Name())
		if err != nil {
			return nil, err
		}
		plan, err := scenario.Parse(path.Join(KnownDir, e.Name()), text)
		if err != nil {
			return nil, err
		}
		list = append(list, Known{Bug: strings.TrimSuffix(e.Name(), ".yaml"), Plan: plan})
	}
	return list, nil
}

// Tries is how many seeds Repeat looks at, from the plan's on: what happens first
// changes a little with every change of the broker.
const Tries = 10

// Repeat looks for a bug, by one of the checks, where it was found before, and
// requires that without the bug the same run finds nothing.
func Repeat(ctx context.Context, run Runner, bug string, from scenario.Seed, checks []string) (*Find, error) {
	for n := range Tries {
		seed := from + scenario.Seed(n)
		out := run(ctx, seed, bug)
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		f := out.find(seed, checks)
		if f == nil {
			continue
		}
		clean := run(ctx, seed, "")
		if len(clean.Findings) > 0 {
			return nil, fmt.Errorf("seed %s of its plan finds this without it: %s", seed, clean.Findings[0].Sentence)
		}
		return f, nil
	}
	return nil, fmt.Errorf("no seed from %s to %s of its plan finds it", from, from+scenario.Seed(Tries-1))
}
