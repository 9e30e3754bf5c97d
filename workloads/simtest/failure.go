package simtest

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/weirlab/weir/linearizability"
	"github.com/weirlab/weir/reports"
	"github.com/weirlab/weir/reports/rundir"
	"github.com/weirlab/weir/workloads"
	"github.com/weirlab/weir/workloads/scenario"
	"github.com/weirlab/weir/workloads/shrink"
	simtarget "github.com/weirlab/weir/workloads/target/sim"
)

const (
	planFile   = reports.PlanFile
	shrunkFile = "shrunk.yaml"
)

// keep runs a failing plan once more, into a result directory, and reports if the
// two runs differ.
func (r *runner) keep(t *testing.T, plan *scenario.Scenario, command string, first *workloads.Outcome) (string, error) {
	t.Helper()
	out, err := place(t, r.out())
	if err != nil {
		return "", err
	}
	started := time.Now()
	d, err := rundir.Create(rundir.Path(out, plan, started), plan, started)
	if err != nil {
		return "", err
	}
	record := rundir.NewRun(plan, rundir.TargetSim, started, nil)
	record.Command = command
	if err := record.Save(d.Dir); err != nil {
		return "", errors.Join(err, d.Close())
	}
	var probe *simtarget.Probe // for the story: it changes nothing of the run
	if f := first.Verdict.Gravest(); f != nil {
		probe = &simtarget.Probe{Of: linearizability.TopicPartition{Topic: f.Topic, Partition: f.Partition}}
	}
	again, err := r.simulate(t.Context(), workloads.Options{Scenario: plan, Sink: d, History: d.History, Probe: probe})
	if err != nil {
		return "", errors.Join(err, d.Close())
	}
	record.Rerun = "same"
	if again.Trace.Hash != first.Trace.Hash && first.Complete && again.Complete {
		record.Rerun = "different"
		t.Errorf("simtest: the same plan ran differently the second time (traces %016x and %016x): something in it does not come from its env, such as the order of a map, the clock, or a goroutine; docs/determinism.md says how to find it", first.Trace.Hash, again.Trace.Hash)
	}
	return d.Dir, d.Finish(record, again, probe, time.Since(started))
}

// shrink looks for the smallest plan that fails in the same way, and tells of it.
func (r *runner) shrink(ctx context.Context, plan *scenario.Scenario, out *workloads.Outcome, dir string) string {
	signature := out.Verdict.Signature()
	if signature == "" {
		return "there is no finding by which a smaller plan could be told to fail in the same way\n"
	}
	search, cancel := context.WithTimeout(ctx, flags.shrinkTime)
	defer cancel()
	result, err := shrink.Shrink(search, plan, signature, func(ctx context.Context, plan *scenario.Scenario) ([]string, error) {
		o, err := r.simulate(ctx, workloads.Options{Scenario: plan})
		if err != nil {
			return nil, err
		}
		return o.Verdict.Signatures(), nil
	}, shrink.Options{Workers: runtime.GOMAXPROCS(0)})
	if err != nil {
		return fmt.Sprintf("no smaller plan was found: %v\n", err)
	}
	text, err := result.Plan.YAML()
	file := filepath.Join(dir, shrunkFile)
	if err == nil {
		err = os.WriteFile(file, text, 0o644)
	}
	if err != nil {
		return fmt.Sprintf("the smaller plan could not be written: %v\n", err)
	}
	how := "the smallest plan that still fails so"
	if !result.Whole {
		how = "a smaller plan that still fails so, found before the time was over (-weir.shrink.time)"
	}
	return fmt.Sprintf("%s, of %d that were tried, is %s:\n%s", how, result.Tried, file, indent(string(text)))
}

func indent(text string) string {
	return "  " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n  ") + "\n"
}

// artifactsKept reports whether go test keeps the artifacts of tests.
func artifactsKept() bool {
	f := flag.Lookup("test.artifacts")
	return f != nil && f.Value.String() == "true"
}

// callersPackage is the import path of the package whose test has called this
// package, for a command line.
func callersPackage() string {
	pcs := make([]uintptr, 16)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(1, pcs)])
	for {
		frame, more := frames.Next()
		if !strings.HasPrefix(frame.Function, ownPackage+".") {
			return packageOf(frame.Function)
		}
		if !more {
			return "."
		}
	}
}

const ownPackage = "github.com/weirlab/weir/workloads/simtest"

// packageOf is the import path in the full name of a function.
func packageOf(function string) string {
	slash := strings.LastIndexByte(function, '/') + 1
	pkg, _, _ := strings.Cut(function[slash:], ".")
	return strings.TrimSuffix(function[:slash]+pkg, "_test")
}
