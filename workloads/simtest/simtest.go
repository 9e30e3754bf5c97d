package simtest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weirlab/weir/linearizability"
	"github.com/weirlab/weir/scenarios"
	"github.com/weirlab/weir/workloads"
	"github.com/weirlab/weir/workloads/scenario"
)

// Run simulates a scenario, given as its file or as the name of one that is built
// in ("quickstart"), and fails the test if a promise of Kafka's is broken, if the
// cluster does not recover, or if a program fails. First it runs the plans kept in
// the corpus, then the seeds, each in a parallel sub-test; it returns when all have
// ended.
func Run(t *testing.T, name string, opts ...Option) {
	t.Helper()
	o, err := collect(opts)
	if err != nil {
		t.Fatalf("simtest: %v", err)
	}
	s, err := load(name)
	if err != nil {
		t.Fatalf("simtest: %v", err)
	}
	r := &runner{o: o, pkg: callersPackage(), simulate: func(ctx context.Context, w workloads.Options) (*workloads.Outcome, error) {
		w.Programs = o.programs
		return workloads.RunSim(ctx, w)
	}}
	if flags.seed == "" {
		r.replay(t)
	}
	r.seeds(t, s)
}

// load reads a scenario file, or a built-in one by its name.
func load(name string) (*scenario.Scenario, error) {
	s, err := scenario.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) && filepath.Ext(name) == "" {
		text, builtIn := scenarios.Files.ReadFile(name + ".yaml")
		if builtIn != nil {
			return nil, fmt.Errorf("there is no scenario file %s, nor one of that name that is built in", name)
		}
		return scenario.Parse(name, text)
	}
	return s, err
}

// runner runs the sub-tests of one test.
type runner struct {
	o        *options
	pkg      string // of the test
	simulate func(context.Context, workloads.Options) (*workloads.Outcome, error)
}

// replay runs the plans that were kept.
func (r *runner) replay(t *testing.T) {
	t.Helper()
	dir := r.o.corpus
	if dir == "" {
		dir = corpusOf(t.Name())
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil {
		t.Fatalf("simtest: %v", err)
	}
	if len(files) == 0 {
		return
	}
	t.Run("corpus", func(t *testing.T) {
		for _, file := range files {
			t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
				t.Parallel()
				plan, err := scenario.ReadFile(file)
				if err != nil {
					t.Fatalf("simtest: %v", err)
				}
				if !plan.Explicit() {
					t.Fatalf("simtest: %s leaves something to its seed; keep explicit plans here, such as the scenario.yaml of a result directory", file)
				}
				r.one(t, plan, "")
			})
		}
	})
}

// corpusOf is where the plans of a test are kept.
func corpusOf(test string) string { return filepath.Join("testdata", "weir", filepath.FromSlash(test)) }

// seeds runs what flags or options ask for.
func (r *runner) seeds(t *testing.T, s *scenario.Scenario) {
	t.Helper()
	seeds := r.o.seeds
	for _, list := range []string{flags.seed, flags.seeds} {
		if list == "" {
			continue
		}
		var err error
		if seeds, err = parseSeeds(list); err != nil {
			t.Fatalf("simtest: %v", err)
		}
		break
	}
	if len(seeds) == 0 {
		seeds = []scenario.Seed{s.Seed}
	}
	for _, change := range r.o.change {
		change(s)
	}
	text, err := s.YAML() // which is checked when it is read
	if err != nil {
		t.Fatalf("simtest: %v", err)
	}
	t.Run("seed", func(t *testing.T) {
		for _, seed := range seeds {
			t.Run(seed.String(), func(t *testing.T) {
				t.Parallel()
				drawn, err := scenario.Parse(s.Name, text)
				if err != nil {
					t.Fatalf("simtest: %v", err)
				}
				drawn.Seed = seed
				r.one(t, drawn.Resolve(), seed.String())
			})
		}
	})
}

// one runs an explicit plan, which came of a seed unless that is empty.
func (r *runner) one(t *testing.T, plan *scenario.Scenario, seed string) {
	t.Helper()
	out, err := r.simulate(t.Context(), workloads.Options{Scenario: plan})
	if err != nil {
		t.Fatalf("simtest: %v", err)
	}
	if out.Verdict.Status == linearizability.Pass && out.Complete {
		return
	}
	r.failed(t, plan, seed, out)
}

// failed tells what was found and leaves what helps to understand it.
func (r *runner) failed(t *testing.T, plan *scenario.Scenario, seed string, out *workloads.Outcome) {
	t.Helper()
	var text strings.Builder
	fmt.Fprintf(&text, "simtest: %s of %s: %s\n", describeSeed(seed), plan.Name, out.Verdict.Status)
	if out.Interrupted != "" {
		fmt.Fprintf(&text, "  %s\n", out.Interrupted)
	}
	for i, f := range out.Verdict.Findings {
		if i == mostFindings {
			fmt.Fprintf(&text, "  … and %d findings more\n", len(out.Verdict.Findings)-i)
			break
		}
		fmt.Fprintf(&text, "  %s: %s\n", f.Code, f.Sentence)
	}
	if len(out.Verdict.Findings) == 0 {
		for _, c := range out.Verdict.Checks {
			if c.Status != linearizability.Pass {
				fmt.Fprintf(&text, "  %s: %s: %s\n", c.Name, c.Status, c.Note)
			}
		}
	}
	command := r.command(t, seed)
	fmt.Fprintf(&text, "to repeat it:\n  %s\n", command)
	dir, err := r.keep(t, plan, command, out)
	switch {
	case err != nil:
		fmt.Fprintf(&text, "its result directory could not be written: %v\n", err)
	default:
		fmt.Fprintf(&text, "what happened is in %s%s\n", dir, r.lasts())
		if seed != "" {
			fmt.Fprintf(&text, "to have every go test run it again:\n  mkdir -p %s && cp %s %s\n", r.corpus(t), filepath.Join(dir, planFile), filepath.Join(r.corpus(t), seed+".yaml"))
		}
		if flags.shrink {
			text.WriteString(r.shrink(t.Context(), plan, out, dir))
		}
	}
	t.Error(strings.TrimSpace(text.String()))
}

// mostFindings is how many findings a failing test lists.
const mostFindings = 10

func describeSeed(seed string) string {
	if seed == "" {
		return "a kept plan"
	}
	return "seed " + seed
}

// corpus is where a plan of the test would be kept.
func (r *runner) corpus(t *testing.T) string {
	if r.o.corpus != "" {
		return r.o.corpus
	}
	test, _, _ := strings.Cut(t.Name(), "/seed/")
	return corpusOf(test)
}

// command is the line that repeats a sub-test.
func (r *runner) command(t *testing.T, seed string) string {
	var pattern []string
	for part := range strings.SplitSeq(t.Name(), "/") {
		pattern = append(pattern, "^"+part+"$")
	}
	line := "go test " + r.pkg + " -count=1 -run '" + strings.Join(pattern, "/") + "'"
	if seed != "" {
		line += " -weir.seed=" + seed
	}
	return line
}

// out is where result directories go, empty for the test's artifacts.
func (r *runner) out() string {
	if flags.out != "" {
		return flags.out
	}
	return r.o.out
}

// lasts says whether what is left stays.
func (r *runner) lasts() string {
	if r.out() != "" || artifactsKept() {
		return ""
	}
	return ", until the test has ended: -weir.out=DIR or -artifacts keeps it"
}

func place(t *testing.T, out string) (string, error) {
	if out == "" {
		return t.ArtifactDir(), nil
	}
	return filepath.Abs(out)
}
