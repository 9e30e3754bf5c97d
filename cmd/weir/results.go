package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/weirlab/weir/reports/results"
	"github.com/weirlab/weir/reports/rundir"
	"github.com/weirlab/weir/sim/machine"
	"github.com/weirlab/weir/workloads/calibrate"
	"github.com/weirlab/weir/workloads/experiment/compare"
	"github.com/weirlab/weir/workloads/experiment/document"
	"github.com/weirlab/weir/workloads/experiment/published"
	"github.com/weirlab/weir/workloads/experiment/versus"
)

// profileFile is the machine profile of the results, which the comparison of
// real and simulated runs loads.
const profileFile = results.DataDir + "/machine.json"

// resultsFlags are the flags of "weir results".
type resultsFlags struct {
	root   string
	only   []string
	render bool
	add    []string
	bench  string
	reps   int
}

// resultMaker makes one part of the results.
type resultMaker struct {
	name, command string
	make          func(context.Context, *resultsFlags, *steps) (*document.Document, error)
}

var resultMakers = []resultMaker{
	{"calibrate", "weir calibrate", makeCalibration},
	{"versus", "weir versus --profile " + profileFile, makeVersus},
	{"unseen", fmt.Sprintf("weir versus --profile %s --record-size %d", profileFile, unseenBytes), makeUnseen},
	{"published", "weir published", makePublished},
	{"compare", "weir compare ephemeral ebs", makeComparison},
}

func resultsCommand(s streams) *cobra.Command {
	var f resultsFlags
	var names []string
	for _, m := range resultMakers {
		names = append(names, m.name)
	}
	cmd := &cobra.Command{
		Use:   "results",
		Short: "Measure everything again and write RESULTS.md",
		Long: "Runs " + strings.Join(names, ", ") + " one after the other, keeps what each of them\n" +
			"found in " + results.DataDir + ", and writes " + results.File + " with its figures from that. Nothing\n" +
			"else should run on the machine meanwhile. A part that fails is named at the end;\n" +
			"the earlier result of that part stays.",
		Example: "  weir results\n  weir results --only calibrate,versus\n  weir results --render\n" +
			"  weir results --only '' --add regress=weir-out/regress/proof.json --bench bench.txt",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runResults(cmd.Context(), s, &f) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.root, "root", ".", "the directory to write "+results.File+" and docs/results in")
	flags.StringSliceVar(&f.only, "only", names, "run these parts only")
	flags.BoolVar(&f.render, "render", false, "measure nothing, write "+results.File+" from what was kept")
	flags.StringArrayVar(&f.add, "add", nil, "take a part from the JSON document of another command, as part=file; may be repeated")
	flags.StringVar(&f.bench, "bench", "", "add the Go benchmarks in this file (the output of make bench)")
	flags.IntVar(&f.reps, "reps", 5, "repetitions of every real run")
	return cmd
}

func runResults(ctx context.Context, s streams, f *resultsFlags) error {
	if info, err := os.Stat(f.root); err != nil || !info.IsDir() {
		return fmt.Errorf("--root %q is no directory", f.root)
	}
	if f.render {
		f.only = nil
	}
	for _, name := range f.only {
		if name != "" && !slices.ContainsFunc(resultMakers, func(m resultMaker) bool { return m.name == name }) {
			return fmt.Errorf("--only: there is no part %q; see weir results --help", name)
		}
	}
	if err := addResults(f); err != nil {
		return err
	}
	steps := newSteps(s.err)
	var failed []error
	for _, m := range resultMakers {
		if !slices.Contains(f.only, m.name) || ctx.Err() != nil {
			continue
		}
		begun := now()
		d, err := m.make(ctx, f, steps)
		if err == nil {
			err = results.Save(f.root, &results.Part{Name: m.name, Document: d, Made: made(f.root, m.command, begun)})
		}
		steps.done()
		if err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", m.name, err))
			continue
		}
		_, _ = fmt.Fprintf(s.out, "%s: %s\n", m.name, strings.Join(d.Summary, " "))
	}
	files, err := results.Render(f.root)
	if err == nil {
		_, _ = fmt.Fprintf(s.out, "wrote %s and %d files beside it\n", filepath.Join(f.root, results.File), len(files)-1)
	}
	return internal(errors.Join(append(failed, err, ctx.Err())...))
}

// made is how a part came about that was begun at a time and is ready now.
func made(root, command string, begun time.Time) results.Made {
	p := rundir.Provenance()
	if p.Commit == "" {
		p.Commit = commitOf(root)
	}
	return results.Made{Command: command, Date: begun, Took: time.Since(begun), Version: p.Version, Commit: p.Commit, Go: p.Go, Machine: calibrate.Host()}
}

// commitOf asks git which commit a source tree is of, for a program that was
// built without noting it; empty if git does not know. The results themselves
// do not make a tree dirty.
func commitOf(root string) string {
	git := func(args ...string) (string, error) {
		out, err := exec.Command("git", append([]string{"-C", root}, args...)...).Output()
		return strings.TrimSpace(string(out)), err
	}
	commit, err := git("rev-parse", "HEAD")
	if err != nil {
		return ""
	}
	changes, err := git("status", "--porcelain", "--untracked-files=no", "--", ".", ":!"+results.File, ":!"+results.FigureDir)
	if err == nil && changes != "" {
		commit += "-dirty"
	}
	return commit
}

// addResults takes in what other commands left in files.
func addResults(f *resultsFlags) error {
	for _, text := range f.add {
		name, file, ok := strings.Cut(text, "=")
		if !ok || !slices.Contains(results.Names, name) {
			return fmt.Errorf("--add %q: write it as part=file; the parts are %s", text, strings.Join(results.Names, ", "))
		}
		b, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("--add %s: %w", name, err)
		}
		d, err := document.Read(bytes.NewReader(b))
		if err != nil {
			return fmt.Errorf("--add %s: %s: %w", name, file, err)
		}
		command := "weir " + name
		if name == "regress" {
			command = "make regress-proof"
		}
		if err := saveAdded(f, name, command, file, d); err != nil {
			return err
		}
	}
	if f.bench == "" {
		return nil
	}
	b, err := os.ReadFile(f.bench)
	if err != nil {
		return fmt.Errorf("--bench: %w", err)
	}
	d, err := results.Bench(bytes.NewReader(b))
	if err != nil {
		return fmt.Errorf("--bench %s: %w", f.bench, err)
	}
	return saveAdded(f, "bench", "make bench", f.bench, d)
}

// saveAdded keeps a document that was made earlier: when its file was written.
func saveAdded(f *resultsFlags, name, command, file string, d *document.Document) error {
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	m := made(f.root, command, info.ModTime())
	m.Took = 0
	for _, fact := range d.Facts {
		switch fact.Name {
		case "command":
			m.Command = fact.Value
		case "commit":
			m.Commit = fact.Value
		}
	}
	return results.Save(f.root, &results.Part{Name: name, Document: d, Made: m})
}

func makeCalibration(ctx context.Context, f *resultsFlags, p *steps) (*document.Document, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	r, err := calibrate.Run(ctx, calibrate.Options{Weir: []string{self}, Dir: f.root,
		Progress: func(what string) { p.next("calibrate: " + what) }})
	if err != nil {
		return nil, err
	}
	file := filepath.Join(f.root, filepath.FromSlash(profileFile))
	if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), r.Profile.Save(file)); err != nil {
		return nil, err
	}
	return results.Calibration(r), nil
}

// calibrated is the profile that the part calibrate left.
func calibrated(f *resultsFlags) (machine.Profile, error) {
	profile, err := machine.Load(filepath.Join(f.root, filepath.FromSlash(profileFile)))
	if errors.Is(err, fs.ErrNotExist) {
		return profile, fmt.Errorf("there is no machine profile in %s; run weir results --only calibrate first", profileFile)
	}
	return profile, err
}

func makeVersus(ctx context.Context, f *resultsFlags, p *steps) (*document.Document, error) {
	return versusParts(ctx, f, p, calibrate.DefaultPlan(), f.reps)
}

// unseenBytes is the size of records that neither the calibration nor those
// who made the model had looked at.
const unseenBytes = 200

func makeUnseen(ctx context.Context, f *resultsFlags, p *steps) (*document.Document, error) {
	plan := calibrate.DefaultPlan()
	plan.Bytes = unseenBytes
	return versusParts(ctx, f, p, plan, max(1, f.reps/2))
}

func versusParts(ctx context.Context, f *resultsFlags, p *steps, plan calibrate.Plan, reps int) (*document.Document, error) {
	profile, err := calibrated(f)
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	r, err := versus.Run(ctx, versus.Options{Weir: []string{self}, Dir: f.root, Profile: profile, Repetitions: reps, Plan: plan,
		Progress: func(what string) { p.next("versus: " + what) }})
	if err != nil {
		return nil, err
	}
	return r.Document(), nil
}

func makePublished(ctx context.Context, _ *resultsFlags, p *steps) (*document.Document, error) {
	r, err := published.Run(ctx, published.Options{Seed: 1, Progress: func(what string) { p.next("published: " + what) }})
	if err != nil {
		return nil, err
	}
	return r.Document(), nil
}

func makeComparison(ctx context.Context, _ *resultsFlags, p *steps) (*document.Document, error) {
	r, err := compare.Run(ctx, compare.DefaultPlan(), 0, func(what string) { p.next("compare: " + what) })
	if err != nil {
		return nil, err
	}
	return r.Document(), nil
}
